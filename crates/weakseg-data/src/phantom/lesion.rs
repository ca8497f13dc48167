//! Lesion: the pneumothorax, air between the chest wall and a lung drawn in towards its hilum.

use std::f32::consts::{PI, TAU};

use super::anatomy::Lung;
use super::canvas::{Canvas, Profile, Vertex};
use super::chance::Chance;
use super::{PhantomConfig, Side, Site};

/// Directions the field's radius is tabled at.
const DIRECTIONS: usize = 360;
/// A crescent thinner than this (in picture heights) is no longer counted as one.
const SLIVER: f32 = 0.003;

/// What is decided before the body is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) side: Side,
    pub(super) site: Site,
    /// Greatest thickness of the crescent over the breadth of the hemithorax.
    pub(super) extent: f32,
    /// Sideways push of the mediastinum, away from the air.
    pub(super) push: f32,
    clarity: f32,
    phase: f32,
}

impl Plan {
    /// Draws a pneumothorax; small ones are as frequent as large ones.
    pub(super) fn draw(chance: &mut Chance, config: &PhantomConfig) -> Self {
        let side = if chance.happens(0.5) {
            Side::Right
        } else {
            Side::Left
        };
        let site = [Site::Apical, Site::Lateral, Site::ApicoLateral][chance.below(3)];
        let extent = chance.between(config.min_extent as f32, config.max_extent as f32);
        let tension = chance.unit() * ((extent - 0.22) / 0.16).clamp(0.0, 1.0);
        Self {
            side,
            site,
            extent,
            push: -side.sign() * 0.028 * tension,
            clarity: chance.between(0.6, 1.0),
            phase: chance.between(0.0, TAU),
        }
    }
}

/// The pneumothorax in a body: a radial shrinking of the lung field about a point near its
/// hilum, strongest at the site and nil towards the mediastinum and the diaphragm.
pub(super) struct Pneumothorax {
    plan: Plan,
    centre: (f32, f32),
    /// Radius of the lung field by direction.
    radius: Vec<f32>,
    /// Thickness of the crescent at the site, in picture heights.
    full: f32,
}

impl Pneumothorax {
    pub(super) fn new(plan: Plan, lung: &Lung) -> Self {
        let centre = (0.108, lung.hilum.1 + 0.045);
        let radius = (0..DIRECTIONS)
            .map(|i| {
                let angle = i as f32 / DIRECTIONS as f32 * TAU - PI;
                let (dh, dy) = (angle.cos(), -angle.sin());
                let mut r = 0.0;
                while r < 0.6
                    && lung.in_field(centre.0 + dh * (r + 0.002), centre.1 + dy * (r + 0.002))
                {
                    r += 0.002;
                }
                r
            })
            .collect();
        let mut lesion = Self {
            plan,
            centre,
            radius,
            full: 0.0,
        };
        let thickest = (0..DIRECTIONS)
            .map(|i| lesion.taper(i as f32 / DIRECTIONS as f32 * TAU - PI))
            .fold(0.5, f32::max);
        lesion.full = plan.extent * lung.breadth / thickest;
        lesion
    }

    /// The side it is on.
    pub(super) fn side(&self) -> Side {
        self.plan.side
    }

    /// Distance, in body units, that a point lies beyond the pleural line; negative inside the
    /// lung and where no crescent lies in its direction.
    pub(super) fn beyond(&self, h: f32, y: f32) -> f32 {
        let (distance, angle) = self.polar(h, y);
        if self.thickness(angle) < SLIVER {
            return -1.0;
        }
        let line = self.line(angle);
        // The line slants across the radius; to first order this is the true distance.
        let step = 0.02;
        let slope =
            (self.line(angle + step) - self.line(angle - step)) / (2.0 * step * line.max(0.02));
        (distance - line) / (1.0 + slope * slope).sqrt()
    }

    /// Where a point of the full lung comes to lie in the collapsed one.
    pub(super) fn carry(&self, h: f32, y: f32) -> (f32, f32) {
        let kept = 1.0 - self.loss(self.polar(h, y).1);
        let (ch, cy) = self.centre;
        (ch + (h - ch) * kept, cy + (y - cy) * kept)
    }

    /// Where a point of the collapsed lung lay in the full one.
    pub(super) fn carry_back(&self, h: f32, y: f32) -> (f32, f32) {
        let kept = 1.0 - self.loss(self.polar(h, y).1);
        let (ch, cy) = self.centre;
        (ch + (h - ch) / kept, cy + (y - cy) / kept)
    }

    /// How much denser than a full lung the collapsed one is at a point.
    pub(super) fn crowding(&self, h: f32, y: f32) -> f32 {
        1.0 + 0.9 * self.loss(self.polar(h, y).1)
    }

    /// The share of an aerated lung's density that is missing in the crescent.
    pub(super) fn clarity(&self) -> f32 {
        self.plan.clarity
    }

    /// Paints the visceral pleura: a thin line, brightest where it runs along the beam.
    pub(super) fn paint_line(&self, canvas: &mut Canvas) {
        let sign = self.plan.side.sign();
        let mut path: Vec<Vertex> = Vec::with_capacity(DIRECTIONS);
        for i in 0..DIRECTIONS {
            let angle = i as f32 / DIRECTIONS as f32 * TAU - PI;
            let thick = self.thickness(angle);
            if thick < SLIVER {
                continue;
            }
            let line = self.line(angle);
            let fade = ((thick - SLIVER) / 0.012).min(1.0);
            path.push(Vertex {
                x: sign * (self.centre.0 + angle.cos() * line),
                y: self.centre.1 - angle.sin() * line,
                radius: 0.0026,
                weight: (0.075 + 0.045 * self.plan.clarity) * fade,
            });
        }
        canvas.tube(&path, Profile::Round);
    }

    fn polar(&self, h: f32, y: f32) -> (f32, f32) {
        let (dh, dy) = (h - self.centre.0, self.centre.1 - y);
        ((dh * dh + dy * dy).sqrt(), dy.atan2(dh))
    }

    /// The share of the crescent's full thickness in a direction.
    fn taper(&self, angle: f32) -> f32 {
        let (middle, half) = match self.plan.site {
            Site::Apical => (78.0_f32, 78.0_f32),
            Site::Lateral => (-4.0, 74.0),
            Site::ApicoLateral => (36.0, 104.0),
        };
        let (middle, half) = (middle.to_radians(), half.to_radians());
        let mut away = (angle - middle).abs();
        if away > PI {
            away = TAU - away;
        }
        if away >= half {
            return 0.0;
        }
        let taper = 1.0 - (away / half).powi(3);
        let taper = taper * taper;
        let wave = 1.0
            + 0.06 * (3.0 * angle + self.plan.phase).sin()
            + 0.025 * (7.0 * angle + 2.0 * self.plan.phase).sin();
        taper * wave
    }

    /// The share of the radius lost in a direction.
    fn loss(&self, angle: f32) -> f32 {
        (self.full * self.taper(angle) / self.reach(angle).max(0.02)).min(0.75)
    }

    fn thickness(&self, angle: f32) -> f32 {
        self.loss(angle) * self.reach(angle)
    }

    fn line(&self, angle: f32) -> f32 {
        (1.0 - self.loss(angle)) * self.reach(angle)
    }

    /// Radius of the lung field in a direction.
    fn reach(&self, angle: f32) -> f32 {
        let t = (angle + PI).rem_euclid(TAU) / TAU * DIRECTIONS as f32;
        let i = t as usize % DIRECTIONS;
        let next = (i + 1) % DIRECTIONS;
        self.radius[i] + (self.radius[next] - self.radius[i]) * (t - t.floor())
    }
}
