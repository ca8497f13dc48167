//! [`Pictures`]: images and their masks, randomly changed.

use std::sync::Arc;

use weakseg_data::{Augment, DataError, Stack};

use super::{Draw, ImageStore, Place, stream_seed};
use crate::pipeline::steps::purpose;

/// Images of a set, and a mask with each where there are masks; both changed by one random draw, which is a pure function of
/// (seed, epoch, step, place in the batch).
pub(crate) struct Pictures {
    pub images: Arc<ImageStore>,
    /// Case of each index of the lesson's order.
    pub cases: Vec<usize>,
    /// Mask of each index, or none at all.
    pub masks: Vec<Stack<u8>>,
    pub augment: Augment,
    pub seed: u64,
}

impl Draw for Pictures {
    type Sample = (Arc<Stack<u8>>, Option<Stack<u8>>);

    fn sample(&self, index: usize, at: Place, slot: usize) -> Result<Self::Sample, DataError> {
        let image = self.images.get(self.cases[index])?;
        let (image, mask) = self.augment.apply(
            stream_seed(self.seed, at, purpose::AUGMENT),
            at.epoch as u64,
            slot as u64,
            &image,
            self.masks.get(index),
        )?;
        Ok((Arc::new(image), mask))
    }
}

impl Pictures {
    /// Images and masks of a batch, each in order.
    pub(crate) fn apart(
        samples: Vec<<Self as Draw>::Sample>,
    ) -> (Vec<Arc<Stack<u8>>>, Vec<Stack<u8>>) {
        let (images, masks): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
        (images, masks.into_iter().flatten().collect())
    }
}
