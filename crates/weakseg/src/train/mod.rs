//! Training that can be stopped at any time and goes on where it was.
//!
//! [`fit`] is the loop that the three training steps share; a [`Lesson`] says what is lost, its [`Draw`] what batches
//! are made of. They are made ahead by threads of their own. What is drawn at a step is a pure function of (seed,
//! epoch, place in the epoch), so there is no random state to save: a [`checkpoint`] is the network, the moving average
//! of its weights where one is kept, the optimizer, a place, and what finished epochs have taught (the best one, what
//! the schedule `plateau` remembers).

mod average;
mod batches;
pub mod checkpoint;
mod disk_cache;
mod draw;
mod error;
mod events;
mod fit;
mod gradients;
mod images;
mod lesson;
mod loader;
mod log;
mod monitor;
mod part;
mod pictures;
pub(crate) mod purpose;
mod replica;
mod standstill;
mod state;
mod step;
mod values;

pub(crate) use batches::drawn;
pub use draw::Draw;
pub use error::TrainError;
pub use fit::{Fit, fit};
pub use images::{ImageStore, to_tensor};
pub use lesson::Lesson;
pub use loader::{Closing, Loader};
pub use log::{MetricLine, MetricLog};
pub use monitor::{Monitor, Record, Select};
pub use pictures::Pictures;
pub use replica::FurtherDevice;
pub(crate) use replica::{check_shares, copy_on};
pub use standstill::{Chance, Standstill};

/// A place in a training: `epoch` epochs are over, and `step` batches of the next one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Place {
    /// Finished epochs.
    pub epoch: usize,
    /// Finished batches of the epoch under way; with accumulated gradients several make one optimizer step.
    pub step: usize,
}

/// SplitMix64 over (seed, epoch, step, purpose): one independent stream a use.
pub fn stream_seed(seed: u64, place: Place, purpose: u64) -> u64 {
    let mut state = seed;
    for word in [place.epoch as u64, place.step as u64, purpose] {
        state = state
            .wrapping_add(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(word.wrapping_mul(0xd134_2543_de82_ef95));
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    state
}
