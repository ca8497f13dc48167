//! What the three training steps share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::DataError;
use weakseg_data::augment::Augment;

use super::ranges::{positive, share};
use crate::optim::{GroupConfig, OptimConfig, ScheduleConfig};
use crate::train::{Monitor, Select};

/// Which cases an epoch draws, and in which order. Positives are cases with any label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SamplerKind {
    /// Each case once, in random order.
    Shuffle,
    /// With replacement, every label as often as every other, and cases without any label as often as one.
    Balanced,
    /// Each positive once, in random order, and nothing else.
    Positives,
    /// With replacement, this share of positives.
    Share(f64),
    /// With replacement, a share of positives that goes in a straight line from one to the other.
    Schedule {
        /// Share of positives in the first epoch.
        from: f64,
        /// Share of positives from epoch `epochs` on.
        to: f64,
        /// Epochs on the way, both ends counted.
        epochs: usize,
    },
}

/// What the three training steps share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Passes over the training split.
    pub epochs: usize,
    /// Images a batch. What is left of an epoch below a whole batch is not learned from in it; a run whose epoch draws
    /// fewer cases than that is refused.
    pub batch: usize,
    /// Batches an optimizer step: it is taken on the mean of their gradients. The last step of an epoch may have fewer.
    pub accumulate: usize,
    /// Optimizer and its base learning rate.
    pub optimizer: OptimConfig,
    /// Factor on the learning rate of the part that starts from noise (extra convolutions, heads, decoder). Not read
    /// where `groups` are given.
    pub head_lr_factor: f64,
    /// Parts with learning rates of their own, in place of `head_lr_factor`. A parameter belongs to the first group
    /// that holds it; what none holds has `optimizer.lr`.
    pub groups: Vec<GroupConfig>,
    /// How the learning rate falls.
    pub schedule: ScheduleConfig,
    /// Greatest L2 norm of the gradient of all parameters together; a greater one is scaled down to it. None where
    /// nothing is said.
    pub clip: Option<f64>,
    /// Decay of a moving average of the weights, such as 0.999; it is what is validated and kept as the step's network.
    /// None where nothing is said.
    pub ema: Option<f64>,
    /// Figure of the validation split by which epochs are compared: `loss`, for the classifier also `auroc` and `f1`,
    /// for the segmentation network `dice` and `miou` against pseudo-labels. A step without such figures compares by
    /// its training loss.
    pub monitor: Monitor,
    /// The step's network is that of the `last` epoch or of the `best` by `monitor`.
    pub select: Select,
    /// Training ends after so many epochs without an improvement of `monitor`; 0 for never.
    pub patience: usize,
    /// Keep a checkpoint of every so many epochs, besides the last two and the best; 0 for none.
    pub keep_every: usize,
    /// Which cases are drawn, and in which order: `"shuffle"`, `"balanced"`, `"positives"`, `{ share = 0.5 }` or
    /// `{ schedule = { from = 0.8, to = 0.2, epochs = 10 } }`.
    pub sampler: SamplerKind,
    /// Random changes to each training image: a `scope` by name, a list of `steps`, or the keys after them.
    pub augment: Augment,
    /// Whether images are changed at their own size and brought to the network's afterwards, as the reference does.
    /// They are then kept and changed at their own size, which takes the memory and the time of as many pixels.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub augment_first: bool,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: 8,
            accumulate: 1,
            optimizer: OptimConfig::default(),
            head_lr_factor: 1.0,
            groups: Vec::new(),
            schedule: ScheduleConfig::default(),
            clip: None,
            ema: None,
            monitor: Monitor::Loss,
            select: Select::Last,
            patience: 0,
            keep_every: 0,
            sampler: SamplerKind::Shuffle,
            augment: Augment::default(),
            augment_first: false,
        }
    }
}

impl Training {
    /// The first value out of range, in words that name the key, the value and the range; `name` is the section's.
    pub(super) fn check(&self, name: &str) -> Result<(), String> {
        if self.epochs == 0 {
            return Err(format!("{name}.training.epochs is 0; expected at least 1"));
        }
        if self.batch == 0 {
            return Err(format!("{name}.training.batch is 0; expected at least 1"));
        }
        if self.accumulate == 0 {
            return Err(format!(
                "{name}.training.accumulate is 0; expected at least 1 (batches an optimizer step)"
            ));
        }
        let of = |message| format!("{name}.training.{message}");
        self.optimizer.check().map_err(of)?;
        self.schedule.check().map_err(of)?;
        positive(&of("head_lr_factor".to_owned()), self.head_lr_factor)?;
        for (place, group) in self.groups.iter().enumerate() {
            if !(group.lr.is_finite() && group.lr >= 0.0) {
                return Err(format!(
                    "{name}.training.groups[{place}].lr is {}; expected a finite number 0 or above",
                    group.lr
                ));
            }
        }
        let refused = |error: DataError| of(error.to_string());
        self.augment.check().map_err(refused)?;
        self.sampler.check(name)?;
        if let Some(clip) = self.clip {
            positive(&of("clip".to_owned()), clip)?;
        }
        match self.ema {
            Some(decay) if !(decay > 0.0 && decay < 1.0) => Err(format!(
                "{name}.training.ema is {decay}; expected above 0 and below 1, as 0.999"
            )),
            _ => Ok(()),
        }
    }
}

impl SamplerKind {
    fn check(self, name: &str) -> Result<(), String> {
        let key = |part: &str| format!("{name}.training.sampler.{part}");
        match self {
            Self::Shuffle | Self::Balanced | Self::Positives => Ok(()),
            Self::Share(positives) => share(&key("share"), positives),
            Self::Schedule { from, to, epochs } => {
                share(&key("schedule.from"), from)?;
                share(&key("schedule.to"), to)?;
                match epochs {
                    0 => Err(format!(
                        "{} is 0; expected at least 1",
                        key("schedule.epochs")
                    )),
                    _ => Ok(()),
                }
            }
        }
    }
}
