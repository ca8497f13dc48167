//! What differs from training to training.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{Chance, Draw, Place, TrainError};

/// What is learned: the part of a training that differs from step to step.
pub trait Lesson: Send + Sized {
    /// The network, or the part of it that learns.
    type Network: Module;
    /// What makes the samples of its batches.
    type Draw: Draw;

    /// What makes the samples of its batches; asked once, before the training.
    fn draw(&self) -> Arc<Self::Draw>;

    /// The same lesson on another device, with autodiff, where [`Lesson::loss`] will be asked of a copy of the network.
    /// Asked once for each device that shares the batches of a training with the first.
    fn on(&self, device: &Device) -> Self;

    /// Indices of the cases of `epoch`, in order; a pure function of the epoch, equally many in each.
    fn order(&self, epoch: usize) -> Vec<usize>;

    /// The terms of the loss for a batch and its samples, the first being the one that is minimised, each a tensor of
    /// one value.
    ///
    /// # Errors
    /// When it cannot be told.
    fn loss(
        &mut self,
        network: &Self::Network,
        batch: &[usize],
        samples: Vec<<Self::Draw as Draw>::Sample>,
        at: Place,
    ) -> Result<Vec<(&'static str, Tensor<1>)>, TrainError>;

    /// Figures on held-out cases after an epoch; none by default. `network` is without autodiff, and the moving average
    /// where one is kept.
    ///
    /// # Errors
    /// When a case cannot be read; [`TrainError::Read`] when the device gives up.
    fn validate(
        &mut self,
        _network: &Self::Network,
    ) -> Result<Vec<(&'static str, f64)>, TrainError> {
        Ok(Vec::new())
    }

    /// What an answer that is the same for every image would have reached in an epoch that learned from the cases
    /// `drawn`, indices as in [`Lesson::order`]; none, as by default, where there is no such mark. Who trains is told
    /// when a training stays there.
    fn chance(&self, _drawn: &[usize]) -> Option<Chance> {
        None
    }

    /// Name of a case in messages.
    fn id(&self, index: usize) -> String;
}
