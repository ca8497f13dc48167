//! What a batch is made of.

use std::path::Path;

use weakseg_data::DataError;

use super::Place;

/// Makes the samples of batches, ahead of the training step and from several threads at once. A sample depends on where
/// it stands and on nothing else, so batches are the same whoever makes them.
///
/// A draw must not enter the rayon pool (`par_iter`, `join`, `install`): the training step waits for batches, and where
/// it stands on a thread of the pool, or others keep the pool busy until it is done, a sample that waits for the pool
/// would never come.
pub trait Draw: Send + Sync {
    /// One case as a training step sees it.
    type Sample: Send;

    /// The sample at place `slot` of the batch `at`, which is case `index` of the lesson's order.
    ///
    /// # Errors
    /// When the case cannot be read.
    fn sample(&self, index: usize, at: Place, slot: usize) -> Result<Self::Sample, DataError>;

    /// The file of case `index` of the lesson's order, to name it where [`Draw::sample`] panics.
    fn image(&self, index: usize) -> &Path;
}
