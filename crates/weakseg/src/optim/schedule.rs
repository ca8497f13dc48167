//! How the learning rate falls: pure functions of where training stands, so resuming needs no state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// (1 + cos(π·t/T)) / 2.
    Cosine,
}

/// What `poly` and `cosine` count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SchedulePer {
    /// Steps, as IRNet does.
    #[default]
    Iteration,
    /// Finished epochs, as the seed's code does.
    Epoch,
}

/// A learning-rate schedule: a factor on the base learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// `constant`, `poly`, `step` or `cosine`.
    pub kind: ScheduleKind,
    /// What `poly` and `cosine` count: `iteration` or `epoch`.
    pub per: SchedulePer,
    /// Exponent of `poly`.
    pub power: f64,
    /// Epochs between the falls of `step`.
    pub step_epochs: usize,
    /// Factor of each fall of `step`.
    pub gamma: f64,
    /// The factor does not fall below this (0 to 1).
    pub min_factor: f64,
    /// Steps at the start over which the learning rate rises linearly; 0 for none.
    pub warmup_steps: usize,
}

impl Default for ScheduleConfig {
    /// Poly of power 0.9 per iteration, without floor or warm-up.
    fn default() -> Self {
        Self {
            kind: ScheduleKind::Poly,
            per: SchedulePer::Iteration,
            power: 0.9,
            step_epochs: 10,
            gamma: 0.1,
            min_factor: 0.0,
            warmup_steps: 0,
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

    /// Factor on the base learning rate for a step, all counted from 0: `iteration` of `iterations` over the whole
    /// training, in `epoch` of `epochs`.
    ///
    /// Departs from the seed's poly floor, an absolute learning rate, because groups have their own: here the floor is a
    /// share of the base.
    pub fn factor(&self, iteration: usize, iterations: usize, epoch: usize, epochs: usize) -> f64 {
        let (t, total) = match self.per {
            SchedulePer::Iteration => (iteration, iterations),
            SchedulePer::Epoch => (epoch, epochs),
        };
        let factor = match self.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Poly => poly(t, total, self.power),
            ScheduleKind::Step => step(epoch, self.step_epochs, self.gamma),
            ScheduleKind::Cosine => cosine(t, total),
        };
        factor.max(self.min_factor) * warm_up(iteration, self.warmup_steps)
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
        if self.step_epochs == 0 {
            return Err("schedule.step_epochs is 0; expected at least 1".to_owned());
        }
        for (name, value) in [("gamma", self.gamma), ("min_factor", self.min_factor)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("schedule.{name} is {value}; expected 0 to 1"));
            }
        }
        Ok(())
    }
}

/// (1 − t/T)^power, 0 from T on.
pub fn poly(t: usize, total: usize, power: f64) -> f64 {
    (1.0 - share(t, total)).powf(power)
}

/// gamma^⌊epoch / every⌋, epochs counted from 0.
pub fn step(epoch: usize, every: usize, gamma: f64) -> f64 {
    gamma.powi(i32::try_from(epoch / every.max(1)).unwrap_or(i32::MAX))
}

/// (1 + cos(π·t/T)) / 2, 0 from T on.
pub fn cosine(t: usize, total: usize) -> f64 {
    (1.0 + (std::f64::consts::PI * share(t, total)).cos()) / 2.0
}

/// (t + 1) / steps, 1 from the last of the steps on.
pub fn warm_up(t: usize, steps: usize) -> f64 {
    if t + 1 >= steps {
        1.0
    } else {
        (t + 1) as f64 / steps as f64
    }
}

/// t / T within 0..=1; a schedule of length 0 stands at its start.
fn share(t: usize, total: usize) -> f64 {
    if total == 0 {
        0.0
    } else {
        (t as f64 / total as f64).min(1.0)
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
        assert!(close(poly(40, 40, 0.9), 0.0) && close(poly(41, 40, 0.9), 0.0));
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
    fn cosine_half_way() {
        assert!(close(cosine(0, 8), 1.0) && close(cosine(4, 8), 0.5) && close(cosine(8, 8), 0.0));
        assert!(close(cosine(2, 8), (1.0 + 0.5f64.sqrt()) / 2.0));
    }

    #[test]
    fn warm_up_reaches_one() {
        let s = ScheduleConfig {
            warmup_steps: 4,
            ..ScheduleConfig::constant()
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(|t| s.factor(t, 9, 0, 1)),
            [0.25, 0.5, 0.75, 1.0, 1.0]
        );
        assert_eq!(warm_up(0, 0), 1.0);
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
        assert!(toml::from_str::<ScheduleConfig>("kind = \"plateau\"").is_err());
    }
}
