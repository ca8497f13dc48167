//! [`Learner`]: which cases a training learns from, and in which order.

use weakseg_data::sampler::Sampler;
use weakseg_data::{Case, Cases, DataError, Split};

use crate::config::{SamplerKind, Settings, Training};
use crate::pipeline::StepError;
use crate::train::TrainError;

/// One of the three trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learner {
    Classifier,
    Irn,
    Segmenter,
}

impl Learner {
    pub(crate) const ALL: [Self; 3] = [Self::Classifier, Self::Irn, Self::Segmenter];

    /// Name of its step.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Self::Classifier => "train-classifier",
            Self::Irn => "train-irn",
            Self::Segmenter => "train-segmenter",
        }
    }

    /// Its settings, and the section that they stand in.
    pub(crate) fn settings<'a>(self, config: Settings<'a>) -> (&'static str, &'a Training) {
        match self {
            Self::Classifier => ("classifier", &config.classifier.training),
            Self::Irn => ("irn", &config.irn.training),
            Self::Segmenter => ("segmenter", &config.segmenter.training),
        }
    }

    /// Places in the set of the cases it learns from, in order: the training split, and of it IRNet only the positives,
    /// since the others have no IR labels.
    pub(crate) fn cases(self, cases: &Cases) -> Vec<usize> {
        (0..cases.cases.len())
            .filter(|&place| {
                let case = &cases.cases[place];
                case.split == Split::Train && (self != Self::Irn || case.is_positive())
            })
            .collect()
    }

    /// The order in which it visits them, as places in [`Learner::cases`].
    ///
    /// # Errors
    /// If there are none, or if the sampler that is set cannot draw from them; names the key and the step.
    pub(crate) fn sampler(self, config: Settings<'_>, cases: &Cases) -> Result<Sampler, StepError> {
        let of: Vec<&Case> = self.cases(cases).iter().map(|&i| &cases.cases[i]).collect();
        if of.is_empty() {
            let step = self.step();
            let why = match self {
                Self::Irn => format!("{step} has no case of the training split with a finding"),
                Self::Classifier | Self::Segmenter => format!("{step} has an empty training split"),
            };
            return Err(TrainError::Empty { why }.into());
        }
        let (section, training) = self.settings(config);
        sampler(training.sampler, &of).map_err(|error| {
            StepError::Config(format!(
                "{section}.training.{error}; the step {} could not train",
                self.step()
            ))
        })
    }
}

fn sampler(kind: SamplerKind, cases: &[&Case]) -> Result<Sampler, DataError> {
    Ok(match kind {
        SamplerKind::Shuffle => Sampler::Shuffle { len: cases.len() },
        SamplerKind::Balanced => Sampler::balanced(cases)?,
        SamplerKind::Positives => Sampler::positives(cases)?,
        SamplerKind::Share(share) => Sampler::share(cases, share)?,
        SamplerKind::Schedule { from, to, epochs } => {
            Sampler::scheduled(cases, from, to, epochs as u64)?
        }
    })
}
