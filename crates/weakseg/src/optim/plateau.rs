//! The one schedule that watches how training goes.

use serde::{Deserialize, Serialize};

use super::ScheduleConfig;

/// Which way a figure improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// As it falls, like a loss; `mode="min"`.
    Lower,
    /// As it rises, like a score; `mode="max"`.
    Higher,
}

impl Better {
    /// Whether `a` is better than `b`. Nothing is better than, or worse than, what is not a number.
    pub fn is(self, a: f64, b: f64) -> bool {
        match self {
            Self::Lower => a < b,
            Self::Higher => a > b,
        }
    }
}

/// What `plateau` remembers between epochs; equals `torch.optim.lr_scheduler.ReduceLROnPlateau` with a relative
/// threshold.
///
/// Departs from it in two points: the floor is a share of the base learning rate, as for the other schedules, because
/// groups have their own; and falls of less than 1e-8 are made too (its `eps`), because they would depend on the group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// Factor on the base learning rate now.
    pub factor: f64,
    /// Best figure so far.
    pub best: Option<f64>,
    /// Epochs since, as far as they count.
    pub bad: usize,
    /// Epochs in which none counts, left of those after a fall.
    pub cooldown: usize,
}

impl Default for Plateau {
    fn default() -> Self {
        Self {
            factor: 1.0,
            best: None,
            bad: 0,
            cooldown: 0,
        }
    }
}

impl Plateau {
    /// Takes note of the figure of a finished epoch. One that is not finite counts as no improvement.
    pub fn watch(&mut self, config: &ScheduleConfig, better: Better, figure: f64) {
        let bar = self.best.map(|best| match better {
            Better::Lower => best * (1.0 - config.threshold),
            Better::Higher => best * (1.0 + config.threshold),
        });
        if figure.is_finite() && bar.is_none_or(|bar| better.is(figure, bar)) {
            self.best = Some(figure);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad = 0;
        }
        if self.bad > config.patience {
            self.factor = (self.factor * config.factor).max(config.min_factor);
            self.cooldown = config.cooldown;
            self.bad = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::ScheduleKind;

    #[test]
    fn the_rate_falls_after_patience_and_not_in_the_cooldown() {
        let config = ScheduleConfig {
            kind: ScheduleKind::Plateau,
            patience: 1,
            factor: 0.5,
            cooldown: 1,
            min_factor: 0.2,
            ..ScheduleConfig::default()
        };
        let mut plateau = Plateau::default();
        let factors: Vec<f64> = [1.0, 1.0, f64::NAN, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
            .iter()
            .map(|&figure| {
                plateau.watch(&config, Better::Lower, figure);
                plateau.factor
            })
            .collect();
        assert_eq!(factors, [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2]);
        assert_eq!(plateau.best, Some(1.0));
        plateau.watch(&config, Better::Lower, 0.5);
        assert_eq!((plateau.best, plateau.bad), (Some(0.5), 0));
        plateau.watch(&config, Better::Higher, f64::INFINITY);
        assert_eq!(plateau.best, Some(0.5), "infinity is no score");
    }
}
