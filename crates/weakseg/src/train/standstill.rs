//! Trainings that learn nothing, told while there is time to do something about it.

use std::fmt;

use super::{MetricLine, Select};
use crate::config::Training;

/// So many epochs in a row must have taught nothing; of trainings that have fewer, all, but never one alone, whose mean
/// loss is that of its first steps.
const EPOCHS: usize = 3;

/// A loss above this share of chance's is not clearly below it.
const CLEARLY: f64 = 0.98;

/// Below this loss of chance nothing is told: labels are so rare that knowing them hardly shows in it.
const TELLING: f64 = 0.05;

/// What an answer reaches that is the same for every image, and so knows nothing of any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chance {
    /// The least loss of such an answer on the cases that an epoch learned from.
    pub loss: f64,
    /// What AUROC on the validation split has to exceed to be more than chance; none where there is no AUROC.
    pub auroc: Option<f64>,
    /// What a network that is no better is worth, and what may help, in sentences for the user.
    pub advice: &'static str,
}

impl Chance {
    fn is_beaten_by(&self, loss: f64) -> bool {
        loss < CLEARLY * self.loss
    }
}

/// Epochs in a row in which a training has done no better than [`Chance`].
#[derive(Debug, Clone, PartialEq)]
pub struct Standstill {
    /// The first and the last of them, from 1.
    epochs: [usize; 2],
    /// Training loss of the epoch that came closest to learning.
    loss: f64,
    /// Chance in that epoch.
    chance: Chance,
    /// Greatest AUROC on the validation split, where there is one.
    auroc: Option<f64>,
}

impl Standstill {
    /// The one that a training's last epoch in `log` completes; none if there is none, or if an earlier epoch completed
    /// one, so that it is told once however often the training is gone on with. `chance` is asked by the number of an
    /// epoch, from 1.
    pub fn begun(
        log: &[MetricLine],
        training: &Training,
        chance: impl Fn(usize) -> Option<Chance>,
    ) -> Option<Self> {
        let (last, window) = (last(log), window(training));
        let of = |last| Self::of(log, last, window, &chance);
        of(last).filter(|_| (window..last).all(|earlier| of(earlier).is_none()))
    }

    /// The one that a finished training has ended in; none if it has not, or if its network is that of the best epoch
    /// and any epoch's loss was better.
    pub fn in_the_end(
        log: &[MetricLine],
        training: &Training,
        chance: impl Fn(usize) -> Option<Chance>,
    ) -> Option<Self> {
        let last = last(log);
        let is_better = |epoch| {
            let loss = figure(log, epoch, "train", "loss").zip(chance(epoch));
            loss.is_some_and(|(loss, chance)| chance.is_beaten_by(loss))
        };
        let found = Self::of(log, last, window(training), &chance)?;
        let taken_from_before = training.select == Select::Best && (1..=last).any(is_better);
        (!taken_from_before).then_some(found)
    }

    /// Of `window` epochs up to `last`, if there are as many.
    fn of(
        log: &[MetricLine],
        last: usize,
        window: usize,
        chance: &impl Fn(usize) -> Option<Chance>,
    ) -> Option<Self> {
        let first = (last + 1).checked_sub(window).filter(|&first| first > 0)?;
        let mut found: Option<Self> = None;
        for epoch in first..=last {
            let (loss, chance) = (figure(log, epoch, "train", "loss")?, chance(epoch)?);
            if chance.loss < TELLING || chance.is_beaten_by(loss) {
                return None;
            }
            let auroc = figure(log, epoch, "val", "auroc");
            if auroc
                .zip(chance.auroc)
                .is_some_and(|(auroc, bound)| auroc > bound)
            {
                return None;
            }
            let here = Self {
                epochs: [first, last],
                loss,
                chance,
                auroc,
            };
            found = Some(match found {
                Some(found) => found.joined(here),
                None => here,
            });
        }
        found
    }

    fn joined(self, other: Self) -> Self {
        let auroc = [self.auroc, other.auroc].into_iter().flatten();
        let auroc = auroc.reduce(f64::max);
        let closer = match other.loss * self.chance.loss < self.loss * other.chance.loss {
            true => other,
            false => self,
        };
        Self { auroc, ..closer }
    }
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([first, last], chance) = (self.epochs, &self.chance);
        write!(
            f,
            "in epochs {first} to {last} the training loss did not come clearly below that of a constant answer (at best {:.3} \
             against {:.3}, from the labels' frequencies)",
            self.loss, chance.loss
        )?;
        if let (Some(auroc), Some(bound)) = (self.auroc, chance.auroc) {
            // Of few cases two standard deviations may lead beyond what AUROC can be.
            let bound = bound.min(1.0);
            write!(
                f,
                ", and AUROC on validation (at best {auroc:.2}) is within chance (up to {bound:.2})"
            )?;
        }
        write!(f, ": nothing was learned in them. {}", chance.advice)
    }
}

/// A figure of an epoch, if the log has it.
fn figure(log: &[MetricLine], epoch: usize, split: &str, name: &str) -> Option<f64> {
    let mut lines = log.iter();
    let line = lines.find(|l| l.epoch == epoch && l.split == split && l.name == name);
    line.map(|line| line.value)
}

/// How many epochs must have taught nothing.
fn window(training: &Training) -> usize {
    training.epochs.clamp(2, EPOCHS)
}

/// The last epoch of a log, 0 of an empty one.
fn last(log: &[MetricLine]) -> usize {
    log.iter().map(|line| line.epoch).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::classify::auroc_of_chance;

    /// As half of the labels being positive gives it.
    const HALF: Chance = Chance {
        loss: std::f64::consts::LN_2,
        auroc: None,
        advice: "Do better.",
    };

    fn log(losses: &[f64], aurocs: &[f64]) -> Vec<MetricLine> {
        let lines = |split: &'static str, name: &'static str, values: &[f64]| {
            let of = |(place, &value): (usize, &f64)| MetricLine {
                epoch: place + 1,
                step: place + 1,
                split: split.to_owned(),
                name: name.to_owned(),
                value,
            };
            values.iter().enumerate().map(of).collect::<Vec<_>>()
        };
        [
            lines("train", "loss", losses),
            lines("val", "loss", losses),
            lines("val", "auroc", aurocs),
        ]
        .concat()
    }

    fn training(epochs: usize, select: Select) -> Training {
        Training {
            epochs,
            select,
            ..Training::default()
        }
    }

    /// The epochs after which a training of so many would have told of a standstill.
    fn told(log: &[MetricLine], epochs: usize, chance: Chance) -> Vec<usize> {
        let training = training(epochs, Select::Last);
        let so_far = |last: usize| -> Vec<MetricLine> {
            let lines = log.iter().filter(|line| line.epoch <= last);
            lines.cloned().collect()
        };
        let is_told =
            |&last: &usize| Standstill::begun(&so_far(last), &training, |_| Some(chance)).is_some();
        (1..=epochs).filter(is_told).collect()
    }

    /// A run on a small twin of SIIM-ACR whose ReLUs died, 13 positives of 40 in validation.
    #[test]
    fn a_network_that_died_is_told_of_once() {
        let log = log(
            &[0.702, 0.692, 0.704, 0.692, 0.695, 0.692, 0.692],
            &[0.741, 0.655, 0.413, 0.425, 0.524, 0.624, 0.641],
        );
        let chance = Chance {
            auroc: auroc_of_chance(13, 27),
            ..HALF
        };
        // The first AUROC lies above chance, 0.697.
        assert_eq!(told(&log, 7, chance), [4]);
        // The epoch with the least validation loss was taken, the first; its training loss was no better.
        for select in [Select::Last, Select::Best] {
            let end = Standstill::in_the_end(&log, &training(7, select), |_| Some(chance));
            assert_eq!(
                end.map(|end| end.to_string()).as_deref(),
                Some(
                    "in epochs 5 to 7 the training loss did not come clearly below that of a constant answer (at best 0.692 \
                     against 0.693, from the labels' frequencies), and AUROC on validation (at best 0.64) is within chance \
                     (up to 0.70): nothing was learned in them. Do better."
                )
            );
        }
        // Without validation the loss alone decides.
        assert_eq!(told(&log, 7, HALF), [3]);
        let end = Standstill::in_the_end(&log, &training(7, Select::Last), |_| Some(HALF));
        assert!(!end.expect("still").to_string().contains("AUROC"));
    }

    /// One positive and three negatives: two standard deviations above one half lead to 1.15.
    #[test]
    fn no_auroc_is_said_to_be_possible_above_one() {
        let chance = Chance {
            auroc: auroc_of_chance(1, 3),
            ..HALF
        };
        assert!(chance.auroc.expect("both kinds") > 1.0);
        let log = log(&[0.7; 3], &[1.0; 3]);
        let end = Standstill::in_the_end(&log, &training(3, Select::Last), |_| Some(chance));
        let text = end.expect("still").to_string();
        assert!(
            text.contains("(at best 1.00) is within chance (up to 1.00)"),
            "{text}"
        );
    }

    #[test]
    fn the_best_epoch_of_a_training_that_died_late_has_learned() {
        let log = log(&[0.7, 0.5, 0.69, 0.69, 0.69], &[]);
        assert_eq!(told(&log, 5, HALF), [5]);
        let end = |select| Standstill::in_the_end(&log, &training(5, select), |_| Some(HALF));
        assert!(end(Select::Last).is_some());
        assert_eq!(end(Select::Best), None);
    }

    /// The demo (40 of either kind in validation), which is slow to begin with, and VOC, ten epochs each.
    #[test]
    fn networks_that_learn_are_left_alone() {
        let demo = log(
            &[
                0.696, 0.688, 0.547, 0.447, 0.228, 0.130, 0.219, 0.095, 0.035, 0.082,
            ],
            &[
                0.603, 0.525, 0.856, 0.963, 0.996, 0.943, 0.963, 1.0, 1.0, 1.0,
            ],
        );
        let chance = Chance {
            auroc: auroc_of_chance(40, 40),
            ..HALF
        };
        assert_eq!(told(&demo, 10, chance), [0; 0]);
        let voc = log(
            &[6.08, 3.34, 2.55, 1.81, 1.44, 0.91, 0.64, 0.23, 0.14, 0.08],
            &[
                0.845, 0.914, 0.925, 0.930, 0.944, 0.939, 0.939, 0.940, 0.945, 0.945,
            ],
        );
        let of_twenty = Chance {
            loss: 5.0,
            auroc: Some(0.7),
            ..HALF
        };
        assert_eq!(told(&voc, 10, of_twenty), [0; 0]);
        // A network that sorts images before its probabilities tell is learning; chance ends at 0.63.
        let sorts = log(&[0.7; 5], &[0.5, 0.5, 0.64, 0.5, 0.5]);
        assert_eq!(told(&sorts, 5, chance), [0; 0]);
        let does_not = log(&[0.7; 5], &[0.5, 0.5, 0.62, 0.5, 0.5]);
        assert_eq!(told(&does_not, 5, chance), [3]);
    }

    #[test]
    fn two_epochs_are_enough_where_there_are_no_more_and_one_never_is() {
        let log = log(&[0.7, 0.69, 0.69, 0.4], &[]);
        assert_eq!(told(&log, 1, HALF), [0; 0]);
        assert_eq!(told(&log, 2, HALF), [2]);
        assert_eq!(told(&log, 4, HALF), [3]);
        for select in [Select::Last, Select::Best] {
            let end = Standstill::in_the_end(&log, &training(4, select), |_| Some(HALF));
            assert_eq!(end, None, "it learned in the last");
        }
    }

    #[test]
    fn what_says_nothing_is_not_told() {
        let log = log(&[0.7, 0.7, 0.7], &[]);
        let rare = Chance { loss: 0.04, ..HALF };
        assert_eq!(told(&log, 3, rare), [0; 0]);
        let none = |_| None;
        assert_eq!(
            Standstill::begun(&log, &training(3, Select::Last), none),
            None
        );
        // The chance is each epoch's own: a sampler may draw other shares every time.
        let scheduled = |epoch: usize| {
            Some(Chance {
                loss: [0.71, 0.70, 0.714][epoch - 1],
                ..HALF
            })
        };
        let found = Standstill::begun(&log, &training(3, Select::Last), scheduled);
        let found = found.expect("0.7 is not two hundredths below any");
        assert_eq!((found.loss, found.chance.loss), (0.7, 0.714));
        let clear = |epoch| {
            scheduled(epoch).map(|c| Chance {
                loss: c.loss * 1.01,
                ..c
            })
        };
        let learned = Standstill::begun(&log, &training(3, Select::Last), clear);
        assert_eq!(learned, None, "0.7 is, below 0.7171");
    }
}
