//! How the learning rate falls: functions of where training stands, so resuming needs no state; `plateau` alone has
//! one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curve::{cosine, poly, restarts, step, warm_up};

/// Names of the schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// 1 throughout.
    Constant,
    /// (1 − t/T)^power.
    #[default]
    Poly,
    /// gamma^⌊epoch / step_epochs⌋.
    Step,
    /// From 1 down to `min_factor` along half a cosine.
    Cosine,
    /// `cosine` again and again, each time over `period_factor` times the length before, the first over `period`
    /// (SGDR, Loshchilov & Hutter 2017).
    CosineRestarts,
    /// Times `factor` whenever the monitored figure has not improved for more than `patience` epochs.
    Plateau,
}

/// What `poly`, `cosine` and `cosine-restarts` count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SchedulePer {
    /// Optimizer steps, as IRNet does.
    #[default]
    Iteration,
    /// Finished epochs, as the paper's code does.
    Epoch,
}

/// How warm-up and schedule go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WarmUp {
    /// The schedule runs from the first step on and warm-up multiplies it; PyTorch's `ChainedScheduler`.
    #[default]
    Chained,
    /// The schedule begins when warm-up is over, with the steps that are left; PyTorch's `SequentialLR`. One that
    /// counts epochs counts them from the start all the same.
    Sequential,
}

/// A learning-rate schedule: a factor on the base learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// `constant`, `poly`, `step`, `cosine`, `cosine-restarts` or `plateau`.
    pub kind: ScheduleKind,
    /// What `poly`, `cosine` and `cosine-restarts` count: `iteration` (an optimizer step) or `epoch`.
    pub per: SchedulePer,
    /// Exponent of `poly`.
    pub power: f64,
    /// Epochs between the falls of `step`.
    pub step_epochs: usize,
    /// Factor of each fall of `step`.
    pub gamma: f64,
    /// Length of the first period of `cosine-restarts`, in iterations or epochs as `per` says.
    pub period: usize,
    /// Each period of `cosine-restarts` is so many times as long as the one before.
    pub period_factor: usize,
    /// Divide by the number of the period, counted from 1, as IRNet's `SGDROptimizer` does (reference §1.5); for
    /// `cosine-restarts`.
    pub damped_restarts: bool,
    /// Factor of each fall of `plateau`.
    pub factor: f64,
    /// Epochs without improvement that `plateau` bears; it falls at the next one.
    pub patience: usize,
    /// Share of the best figure by which `plateau` wants it bettered.
    pub threshold: f64,
    /// Epochs after a fall of `plateau` in which none counts.
    pub cooldown: usize,
    /// The factor does not fall below this (0 to 1); `cosine` and `cosine-restarts` end there.
    pub min_factor: f64,
    /// Optimizer steps at the start over which the learning rate rises linearly; 0 for none.
    pub warmup_steps: usize,
    /// `chained`: warm-up multiplies the schedule; `sequential`: the schedule begins after it.
    pub warmup: WarmUp,
}

impl Default for ScheduleConfig {
    /// Poly of power 0.9 per iteration, without floor or warm-up; the numbers of `plateau` are PyTorch's.
    fn default() -> Self {
        Self {
            kind: ScheduleKind::Poly,
            per: SchedulePer::Iteration,
            power: 0.9,
            step_epochs: 10,
            gamma: 0.1,
            period: 10,
            period_factor: 1,
            damped_restarts: false,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            cooldown: 0,
            min_factor: 0.0,
            warmup_steps: 0,
            warmup: WarmUp::Chained,
        }
    }
}

impl ScheduleConfig {
    /// The base learning rate throughout.
    pub fn constant() -> Self {
        Self {
            kind: ScheduleKind::Constant,
            ..Self::default()
        }
    }

    /// Factor on the base learning rate for an optimizer step, all counted from 0: `iteration` of `iterations` over the
    /// whole training, in `epoch` of `epochs`. For `plateau` this is warm-up alone; what it has come down to is
    /// [`Plateau::factor`](super::Plateau).
    ///
    /// Departs from the paper's poly floor, an absolute learning rate, because groups have their own: here the floor is
    /// a share of the base.
    pub fn factor(&self, iteration: usize, iterations: usize, epoch: usize, epochs: usize) -> f64 {
        let warm = warm_up(iteration, self.warmup_steps);
        let before = match self.warmup {
            WarmUp::Chained => 0,
            WarmUp::Sequential if iteration < self.warmup_steps => return warm,
            WarmUp::Sequential => self.warmup_steps,
        };
        let (t, total) = match self.per {
            SchedulePer::Iteration => (iteration - before, iterations.saturating_sub(before)),
            SchedulePer::Epoch => (epoch, epochs),
        };
        let annealed = |share: f64| self.min_factor + (1.0 - self.min_factor) * share;
        let factor = match self.kind {
            ScheduleKind::Constant | ScheduleKind::Plateau => 1.0,
            ScheduleKind::Poly => poly(t, total, self.power),
            ScheduleKind::Step => step(epoch, self.step_epochs, self.gamma),
            ScheduleKind::Cosine => annealed(cosine(t, total)),
            ScheduleKind::CosineRestarts => {
                let (finished, time, length) = restarts(t, self.period, self.period_factor);
                let divisor = match self.damped_restarts {
                    true => finished as f64 + 1.0,
                    false => 1.0,
                };
                annealed(cosine(time, length) / divisor)
            }
        };
        factor.max(self.min_factor) * warm
    }

    /// The first number out of range, in words; `Ok` if there is none.
    ///
    /// # Errors
    /// Names the key, the value and the range.
    pub fn check(&self) -> Result<(), String> {
        if !(self.power.is_finite() && self.power > 0.0) {
            return Err(format!(
                "schedule.power is {}; expected a number above 0",
                self.power
            ));
        }
        for (name, value) in [
            ("step_epochs", self.step_epochs),
            ("period", self.period),
            ("period_factor", self.period_factor),
        ] {
            if value == 0 {
                return Err(format!("schedule.{name} is 0; expected at least 1"));
            }
        }
        for (name, value) in [
            ("gamma", self.gamma),
            ("min_factor", self.min_factor),
            ("threshold", self.threshold),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("schedule.{name} is {value}; expected 0 to 1"));
            }
        }
        if !(self.factor > 0.0 && self.factor < 1.0) {
            return Err(format!(
                "schedule.factor is {}; expected above 0 and below 1",
                self.factor
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn step_of_ten_epochs() {
        let s = ScheduleConfig {
            kind: ScheduleKind::Step,
            ..ScheduleConfig::default()
        };
        for epoch in 0..30 {
            let wanted = [1.0, 0.1, 0.01][epoch / 10];
            assert!(
                close(s.factor(epoch * 7, 210, epoch, 30), wanted),
                "epoch {}",
                epoch + 1
            );
        }
    }

    #[test]
    fn poly_per_epoch() {
        let s = ScheduleConfig {
            per: SchedulePer::Epoch,
            ..ScheduleConfig::default()
        };
        for e in 1..=40usize {
            let wanted = (1.0 - (e as f64 - 1.0) / 40.0).powf(0.9);
            assert!(close(s.factor(e * 13, 999, e - 1, 40), wanted));
        }
    }

    #[test]
    fn poly_per_iteration_and_floor() {
        let s = ScheduleConfig {
            power: 1.0,
            min_factor: 0.3,
            ..ScheduleConfig::default()
        };
        assert_eq!(
            [0, 1, 2, 3].map(|t| s.factor(t, 4, 0, 1)),
            [1.0, 0.75, 0.5, 0.3]
        );
    }

    #[test]
    fn warm_up_multiplies_or_comes_first() {
        let s = ScheduleConfig {
            power: 1.0,
            warmup_steps: 4,
            ..ScheduleConfig::default()
        };
        let at = |s: &ScheduleConfig| [0, 1, 3, 4, 6].map(|t| s.factor(t, 8, 0, 1));
        assert_eq!(at(&s), [0.25, 0.4375, 0.625, 0.5, 0.25]);
        let s = ScheduleConfig {
            warmup: WarmUp::Sequential,
            ..s
        };
        assert_eq!(at(&s), [0.25, 0.5, 1.0, 1.0, 0.5]);
    }

    #[test]
    fn restarts_are_damped_as_irnets() {
        let s = ScheduleConfig {
            kind: ScheduleKind::CosineRestarts,
            period: 2,
            period_factor: 2,
            damped_restarts: true,
            ..ScheduleConfig::default()
        };
        for (t, wanted) in [1.0, 0.5, 0.5, 0.426_776_695, 0.25].into_iter().enumerate() {
            assert!((s.factor(t, 99, 0, 1) - wanted).abs() < 1e-8, "{t}");
        }
        assert!(close(s.factor(6, 99, 0, 1), 1.0 / 3.0));
    }

    #[test]
    fn empty_trainings_and_wrong_numbers() {
        assert_eq!(ScheduleConfig::default().factor(0, 0, 0, 0), 1.0);
        assert!(ScheduleConfig::default().check().is_ok());
        assert!(
            ScheduleConfig {
                step_epochs: 0,
                ..ScheduleConfig::default()
            }
            .check()
            .is_err()
        );
        assert!(
            ScheduleConfig {
                min_factor: 1.5,
                ..ScheduleConfig::default()
            }
            .check()
            .is_err()
        );
        for wrong in ["factor = 1.0", "period = 0", "threshold = -0.1"] {
            let schedule: ScheduleConfig = toml::from_str(wrong).unwrap();
            let key = wrong.split(' ').next().unwrap();
            assert!(schedule.check().unwrap_err().contains(key), "{wrong}");
        }
        assert!(toml::from_str::<ScheduleConfig>("kind = \"exponential\"").is_err());
    }
}
