//! `tuning.json`: what was tried and what came of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use weakseg_data::{Split, atomic};

use super::error::TuneError;
use super::refusal::Refusal;
use super::rule::Rule;
use super::scores::Scores;
use super::search::Freedom;
use crate::files::read;
use crate::format::format_of;
use crate::metrics::interval::percentile;

/// Version of the document's form.
pub const FORMAT: u32 = 2;

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// [`FORMAT`].
    pub format: u32,
    /// Seed of the draws.
    pub seed: u64,
    /// How often each number of masks was drawn.
    pub draws: usize,
    /// Digests of what the steps had written that were read, by their names.
    pub inputs: BTreeMap<String, String>,
    /// Digests of the settings by which the run made masks of it, by the names of their sections; none of earlier
    /// versions.
    #[serde(default)]
    pub rules: BTreeMap<String, String>,
    /// The stages that the run has finished.
    pub stages: Vec<StageTuning>,
    /// Steps that it has not, whose work was therefore not tuned.
    pub unfinished: Vec<String>,
}

/// Whose maps were made masks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Class activation maps of the predicted labels.
    Cam,
    /// The segmentation network.
    Segmentation,
}

impl Stage {
    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cam => "Maps, predicted labels",
            Self::Segmentation => "Segmentation network",
        }
    }

    /// What is made masks of, in a progress line.
    pub fn works(self) -> &'static str {
        match self {
            Self::Cam => "maps",
            Self::Segmentation => "the network",
        }
    }

    /// The step whose work is read.
    pub fn step(self) -> &'static str {
        match self {
            Self::Cam => "make-cams",
            Self::Segmentation => "train-segmenter",
        }
    }

    /// The section of the configuration that its rule stands in.
    pub fn section(self) -> &'static str {
        match self {
            Self::Cam => "cams",
            Self::Segmentation => "segmenter",
        }
    }

    /// What there is to be chosen. Every map has its maximum at 1, so that none is surer than another, and no triplet
    /// rule.
    pub fn freedoms(self) -> &'static [Freedom] {
        match self {
            Self::Cam => &[Freedom::Threshold, Freedom::Gate],
            Self::Segmentation => &[Freedom::Threshold, Freedom::Gate, Freedom::Triplet],
        }
    }
}

/// What was tried of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTuning {
    /// The stage.
    pub stage: Stage,
    /// The rule that the run is set to.
    pub own: Rule,
    /// Cases that masks were drawn from.
    pub tuned_on: Set,
    /// Cases that were scored on. Those that were drawn, and others of their patients, are left out of each draw's
    /// score.
    pub scored_on: Set,
    /// From no masks to many, the bound last.
    pub lines: Vec<Line>,
    /// Numbers of masks that were not drawn.
    pub left_out: Vec<LeftOut>,
    /// What came of it, in words.
    pub verdict: String,
    /// Settings to go on with, as for `--set`; empty where there is nothing to gain.
    pub settings: Vec<String>,
    /// What is to be known of these, in words.
    pub remarks: Vec<String>,
}

/// Some cases with masks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// Their split.
    pub split: Split,
    /// How many.
    pub cases: usize,
    /// How many of them are labelled with a finding.
    pub positive: usize,
    /// Cases of the split that have no mask and are left out.
    pub without: usize,
    /// True masks of the split, one a case and finding, that are void everywhere and left out.
    // Documents of this format from before there was such a number have none.
    #[serde(default)]
    pub void: usize,
    /// Share of pairs of image and finding that show the finding, in 0..=1: where masks are drawn, of the whole split
    /// by its labels; where rules are scored, of the cases here by their masks. Means over all images weigh the two
    /// kinds by it.
    pub share: f64,
}

/// One way to choose a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Masks that the rule was chosen by.
    pub masks: usize,
    /// How many of them are of cases that are labelled with a finding.
    pub positive: usize,
    /// What was chosen.
    pub tuned: Tuned,
    /// Chosen on the very cases it is scored on: a bound, for nobody has their masks.
    pub bound: bool,
    /// Mean per-image Dice on the cases that are scored on, over the draws.
    pub dice: Dice,
    /// Its difference from that of the run's own rule on the same cases, over the draws.
    pub gain: Dice,
    /// Difference of the Dice of all images from that of empty masks for the same cases, over the draws.
    pub beyond_empty: Option<Spread>,
    /// Each draw; one of rules that nothing was drawn for.
    pub draws: Vec<Draw>,
}

/// What was chosen by one draw, and what that scored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// The rule; none of empty masks.
    pub rule: Option<Rule>,
    /// Cases that it was scored on: all that the draw left.
    pub scored: usize,
    /// Mean per-image Dice on these.
    pub dice: Scores,
    /// Its difference from that of the run's own rule on the same cases.
    pub gain: Scores,
    /// Difference of the Dice of all images from that of empty masks for the same cases.
    pub beyond_empty: Option<f64>,
}

/// What of a rule was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tuned {
    /// No rule but an empty mask for every image: what every rule must beat.
    Empty,
    /// Nothing: the rule that the run is set to.
    Nothing,
    /// Otsu's threshold in place of the run's.
    Otsu,
    /// Parts, by masks.
    By(Freedom),
}

impl Line {
    /// The rules of its draws.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.draws.iter().filter_map(|draw| draw.rule.as_ref())
    }

    /// Whether it scores no better than empty masks on the mean of all images; what is less than rounding leaves is
    /// nothing.
    pub fn is_no_better_than_empty(&self) -> bool {
        self.beyond_empty.is_none_or(|beyond| beyond.mean < 1e-9)
    }
}

impl Tuned {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Empty => "empty mask",
            Self::Nothing => "as it is set",
            Self::Otsu => "Otsu's threshold",
            Self::By(freedom) => freedom.words(),
        }
    }
}

/// Figures over all images, those that show a finding, and the others. None where there are no such images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dice {
    /// All.
    pub all: Option<Spread>,
    /// With the finding.
    pub pos: Option<Spread>,
    /// Without.
    pub neg: Option<Spread>,
}

/// A figure over several draws, or of the only one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// 2.5 and 97.5 % percentiles: of several draws, how much luck there was in which masks were drawn; of a single
    /// one, by the bootstrap over its images, how much in which images it was scored on. None of an image that stands
    /// alone.
    pub range: Option<[f64; 2]>,
}

impl Spread {
    /// Of the values of several draws; none of no value.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        let mean = crate::metrics::mean(values.iter().copied())?;
        values.sort_by(f64::total_cmp);
        let range = [0.025, 0.975].map(|q| percentile(&values, q));
        Some(Self {
            mean,
            range: (values.len() > 1).then_some(range),
        })
    }

    /// Whether the whole range lies above 0.
    pub fn is_clear(&self) -> bool {
        self.range.is_some_and(|[low, _]| low > 0.0)
    }
}

/// A number of masks that was not drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The number.
    pub masks: usize,
    /// Why.
    pub reason: Refusal,
}

impl Tuning {
    /// Writes the document, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TuneError> {
        let text = serde_json::to_string_pretty(self).expect("plain fields without NaN");
        Ok(atomic::write(path, text.as_bytes())?)
    }

    /// Reads what [`Tuning::write`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read or is no such document.
    pub fn read(path: &Path) -> Result<Self, TuneError> {
        let damaged = |why: String| TuneError::Damaged {
            path: path.to_owned(),
            why,
        };
        let json = |e: serde_json::Error| damaged(e.to_string());
        let text = read(path)?;
        let found = format_of(&text).map_err(json)?;
        if found != u64::from(FORMAT) {
            return Err(damaged(format!("format {found}, expected {FORMAT}")));
        }
        serde_json::from_slice(&text).map_err(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_by_hand() {
        assert_eq!(Spread::of(Vec::new()), None);
        let one = Spread::of(vec![0.5]).unwrap();
        assert_eq!((one.mean, one.range), (0.5, None));
        // 41 values 0 to 40: the 2.5 % percentile is the second.
        let many = Spread::of((0..41).rev().map(f64::from).collect()).unwrap();
        assert_eq!((many.mean, many.range), (20.0, Some([1.0, 39.0])));
        let clear = |values: &[f64]| Spread::of(values.to_vec()).unwrap().is_clear();
        assert!(clear(&[0.1, 0.2]) && !clear(&[-0.1, 0.2]) && !clear(&[0.1]));
    }
}
