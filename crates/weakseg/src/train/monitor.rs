//! The figure by which epochs are compared, and the best epoch so far.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::optim::Better;

/// A figure of the validation split by which epochs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Monitor {
    /// The loss that is minimised; lower is better.
    #[default]
    Loss,
    /// Mean area under the ROC curve over the classes; higher is better. For the classifier.
    Auroc,
    /// Mean F1 score over the classes at a probability of one half; higher is better. For the classifier.
    F1,
    /// Dice of the pixels of all images, the mean over findings, or over classes without the background; higher is
    /// better. For the segmentation network, against pseudo-labels.
    Dice,
    /// Intersection over union of the pixels of all images, the mean over findings, or over classes with the
    /// background; higher is better. For the segmentation network, against pseudo-labels.
    Miou,
}

impl Monitor {
    /// Its name in `metrics.jsonl`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Auroc => "auroc",
            Self::F1 => "f1",
            Self::Dice => "dice",
            Self::Miou => "miou",
        }
    }

    /// Those that a step has: `classifier`, `irn` or `segmenter`.
    pub(crate) fn of(section: &str) -> &'static [Self] {
        match section {
            "classifier" => &[Self::Loss, Self::Auroc, Self::F1],
            "segmenter" => &[Self::Loss, Self::Dice, Self::Miou],
            _ => &[Self::Loss],
        }
    }

    /// Which way it improves.
    pub fn better(self) -> Better {
        match self {
            Self::Loss => Better::Lower,
            Self::Auroc | Self::F1 | Self::Dice | Self::Miou => Better::Higher,
        }
    }

    /// The figure of an epoch: from those of the validation split or, where there are none, the training loss, which is
    /// lower when better whatever is monitored.
    ///
    /// # Errors
    /// [`TrainError::NoFigure`] where there are figures, but not this one.
    pub(super) fn reading(
        self,
        step: &str,
        figures: &[(&'static str, f64)],
        training_loss: f64,
    ) -> Result<(f64, Better), TrainError> {
        if figures.is_empty() {
            return Ok((training_loss, Better::Lower));
        }
        match figures.iter().find(|(name, _)| *name == self.name()) {
            Some((_, value)) => Ok((*value, self.better())),
            None => Err(TrainError::NoFigure {
                step: step.to_owned(),
                monitor: self.name(),
                there: figures
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }
}

/// Which epoch's network a training ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// The last one's.
    #[default]
    Last,
    /// The one's whose monitored figure is best. The validation split then takes part in the choice, by its image-level
    /// labels or pseudo-labels, so that scores on it flatter.
    Best,
}

/// The best epoch so far, and how long ago it was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the epoch, from 1, and its figure; none before the first finite figure.
    pub best: Option<(usize, f64)>,
    /// Epochs since the best one, or since the start.
    pub waited: usize,
}

impl Record {
    /// Takes note of a finished epoch's figure; true if it is the best so far. One that is not finite never is.
    pub fn note(&mut self, epoch: usize, figure: f64, better: Better) -> bool {
        let improved =
            figure.is_finite() && self.best.is_none_or(|(_, best)| better.is(figure, best));
        if improved {
            self.best = Some((epoch, figure));
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        improved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_better_finite_figure_is_an_improvement() {
        let mut record = Record::default();
        let nan = f64::NAN;
        let noted: Vec<bool> = [nan, 0.5, nan, 0.5, f64::NEG_INFINITY, 0.4]
            .iter()
            .enumerate()
            .map(|(epoch, &figure)| record.note(epoch + 1, figure, Better::Lower))
            .collect();
        assert_eq!(noted, [false, true, false, false, false, true]);
        assert_eq!(record.best, Some((6, 0.4)));
        record.note(7, 0.4, Better::Lower);
        assert_eq!((record.waited, record.best), (1, Some((6, 0.4))));
        assert!(record.note(8, 0.6, Better::Higher));
    }

    #[test]
    fn without_a_validation_split_the_training_loss_is_watched() {
        let read = |monitor: Monitor, figures: &[(&'static str, f64)]| {
            monitor.reading("train-classifier", figures, 0.3)
        };
        assert_eq!(read(Monitor::Auroc, &[]).unwrap(), (0.3, Better::Lower));
        let figures = [("loss", 0.2), ("f1", 0.8)];
        assert_eq!(read(Monitor::F1, &figures).unwrap(), (0.8, Better::Higher));
        let message = read(Monitor::Auroc, &figures).unwrap_err().to_string();
        assert!(
            message.contains("`auroc`") && message.contains("it gives loss, f1"),
            "{message}"
        );
    }
}
