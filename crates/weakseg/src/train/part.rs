//! [`Part`]: what one batch gives to its optimizer step.

use burn::optim::GradientsParams;
use burn::tensor::TensorReadError;

use super::values::Values;
use super::{Draw, Lesson, Place, TrainError};

/// What a batch gives to its optimizer step; `G` says where its gradients lie.
pub(super) struct Part<G> {
    /// The terms of the loss, the first being the one that is minimised.
    pub(super) terms: Vec<(&'static str, f32)>,
    /// Gradients of the first term; none if it is not finite.
    pub(super) gradients: G,
}

impl<G> Part<G> {
    /// The loss; not a number if the lesson has told no term.
    pub(super) fn loss(&self) -> f32 {
        self.terms.first().map_or(f32::NAN, |(_, value)| *value)
    }
}

impl Part<GradientsParams> {
    /// Computes the batch at a place, on the device that lesson and network are on.
    ///
    /// # Errors
    /// The lesson's; [`TrainError::Read`] when the device gives up.
    pub(super) fn of<L: Lesson>(
        lesson: &mut L,
        network: &L::Network,
        batch: &[usize],
        samples: Vec<<L::Draw as Draw>::Sample>,
        at: Place,
    ) -> Result<Self, TrainError> {
        let terms = lesson.loss(network, batch, samples, at)?;
        let values = terms
            .iter()
            .map(|(name, term)| Ok((*name, term.clone().try_into_scalar()?)))
            .collect::<Result<Vec<_>, TensorReadError>>()?;
        let mut part = Self {
            terms: values,
            gradients: GradientsParams::new(),
        };
        // A loss that is no number ends the training.
        if part.loss().is_finite() {
            let (_, loss) = &terms[0];
            part.gradients = GradientsParams::from_grads(loss.backward(), network);
        }
        Ok(part)
    }

    /// With its gradients in the machine's memory.
    ///
    /// # Errors
    /// If the device cannot give them.
    pub(super) fn in_memory<L: Lesson>(
        self,
        network: &L::Network,
    ) -> Result<Part<Values>, TensorReadError> {
        Ok(Part {
            terms: self.terms,
            gradients: Values::of_gradients(network, self.gradients)?,
        })
    }
}

impl Part<Values> {
    /// With its gradients on the device that `network` is on.
    pub(super) fn beside<L: Lesson>(self, network: &L::Network) -> Part<GradientsParams> {
        Part {
            terms: self.terms,
            gradients: self.gradients.into_gradients(network),
        }
    }
}
