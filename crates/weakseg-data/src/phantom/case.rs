//! [`Phantom`] and [`PhantomCase`]: one case from a seed and an index.

use serde::{Deserialize, Serialize};

use super::anatomy::Anatomy;
use super::canvas::Canvas;
use super::chance::{Chance, Stream};
use super::exposure::Exposure;
use super::lesion::{Plan, Pneumothorax};
use super::marks::Marks;
use super::pose::Pose;
use super::{PhantomConfig, body, bones, lookalike, vessels};
use crate::{DataError, Plane};

/// A side of the patient; the right one is on the picture's left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The patient's right.
    Right,
    /// The patient's left.
    Left,
}

impl Side {
    /// The direction of the side along the picture's x axis.
    pub(super) fn sign(self) -> f32 {
        match self {
            Self::Right => -1.0,
            Self::Left => 1.0,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Right => 0,
            Self::Left => 1,
        }
    }
}

/// Where along the chest wall the air lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// Above the lung.
    Apical,
    /// Beside the lung.
    Lateral,
    /// Above and beside the lung.
    ApicoLateral,
}

/// One phantom.
#[derive(Debug, Clone)]
pub struct PhantomCase {
    /// The picture, grey values 0..=255, bright is dense.
    pub image: Plane<u8>,
    /// The crescent of air: 1 between pleural line and chest wall, else 0; all 0 in a healthy case.
    pub mask: Plane<u8>,
    /// The lung fields a reader sees, the crescent included: 1 right, 2 left, 0 elsewhere.
    pub lungs: Plane<u8>,
    /// Whether there is a pneumothorax.
    pub positive: bool,
    /// The side of the pneumothorax.
    pub side: Option<Side>,
    /// The site of the pneumothorax.
    pub site: Option<Site>,
    /// Greatest thickness of the crescent over the breadth of the hemithorax; 0 in a healthy case.
    pub extent: f64,
}

/// A maker of phantoms with a checked configuration.
#[derive(Debug, Clone)]
pub struct Phantom {
    config: PhantomConfig,
    positives: Vec<bool>,
}

impl Phantom {
    /// Checks the configuration and deals out the labels.
    ///
    /// # Errors
    /// [`DataError::Config`] if a value is out of its range.
    pub fn new(config: &PhantomConfig) -> Result<Self, DataError> {
        config.check()?;
        let sick = (config.positive_fraction * config.count as f64).round() as usize;
        let mut positives: Vec<bool> = (0..config.count).map(|i| i < sick).collect();
        let mut chance = Chance::new(config.seed, 0, Stream::Order);
        for last in (1..positives.len()).rev() {
            positives.swap(last, chance.below(last + 1));
        }
        Ok(Self {
            config: config.clone(),
            positives,
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &PhantomConfig {
        &self.config
    }

    /// Whether case `index` has a pneumothorax. Indices beyond `count` begin anew.
    #[must_use]
    pub fn is_positive(&self, index: usize) -> bool {
        self.positives[index % self.positives.len()]
    }

    /// Makes case `index`, `size` × `size` pixels. Labels repeat beyond `count`, pictures do not.
    #[must_use]
    pub fn render(&self, index: usize) -> PhantomCase {
        self.render_as(index, self.is_positive(index))
    }

    /// Makes case `index` with or without the pneumothorax it could have; body, pose, exposure and look-alikes are the
    /// same in both (but for the push of a large pneumothorax on the mediastinum).
    #[must_use]
    pub fn render_as(&self, index: usize, positive: bool) -> PhantomCase {
        let size = self.config.size;
        let (seed, index) = (self.config.seed, index as u64);
        let stream = |stream| Chance::new(seed, index, stream);

        let plan = positive.then(|| Plan::draw(&mut stream(Stream::Lesion), &self.config));
        let push = plan.map_or(0.0, |plan| plan.push);
        let anatomy = Anatomy::draw(&mut stream(Stream::Build), push);
        let lesion = plan.map(|plan| Pneumothorax::new(plan, anatomy.lung(plan.side)));
        let lesion = lesion.as_ref();
        let marks = Marks::draw(&mut stream(Stream::Marks));
        let exposure = Exposure::draw(&mut stream(Stream::Exposure));

        let mut canvas = Canvas::new(size, Pose::draw(&mut stream(Stream::Pose), size));
        let mut trees = stream(Stream::Vessels);
        let fields = body::paint(&mut canvas, &anatomy, lesion, trees.bits());
        vessels::paint(&mut canvas, &anatomy, lesion, &mut trees);
        if let Some(lesion) = lesion {
            lesion.paint_line(&mut canvas, anatomy.lung(lesion.side()));
        }
        bones::paint(&mut canvas, &anatomy, &mut stream(Stream::Bones));
        lookalike::paint(&mut canvas, &anatomy, &mut stream(Stream::Lookalikes));
        marks.paint_letter(&mut canvas);
        let mut grey = exposure.develop(&canvas, &mut stream(Stream::Noise));
        marks.collimate(&mut grey);

        PhantomCase {
            image: grey,
            mask: fields.crescent,
            lungs: fields.lungs,
            positive,
            side: plan.map(|plan| plan.side),
            site: plan.map(|plan| plan.site),
            extent: plan.map_or(0.0, |plan| f64::from(plan.extent)),
        }
    }
}

/// Makes case `index` of the set that `config` describes, with `seed` in place of the configuration's own. To make
/// many, keep a [`Phantom`].
///
/// # Errors
/// [`DataError::Config`] if a value is out of its range.
pub fn render(seed: u64, index: usize, config: &PhantomConfig) -> Result<PhantomCase, DataError> {
    let config = PhantomConfig {
        seed,
        ..config.clone()
    };
    Ok(Phantom::new(&config)?.render(index))
}
