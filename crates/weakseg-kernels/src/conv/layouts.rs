//! What forward passes make of a weight before they read it.

use std::sync::OnceLock;

use super::bf16;
use super::planes::WeightColumns;
use super::winograd;

/// A weight `[O, I / groups, KH, KW]`.
#[derive(Clone, Copy)]
pub(crate) struct Weight<'a> {
    pub values: &'a [f32],
    /// What was made of it before, where it does not change from one pass to the next.
    pub layouts: Option<&'a Layouts>,
}

#[cfg(test)]
impl<'a> Weight<'a> {
    /// A weight that the next pass finds changed.
    pub fn once(values: &'a [f32]) -> Self {
        Self {
            values,
            layouts: None,
        }
    }
}

/// The layouts of one weight in convolutions with one number of groups, each made by the first pass that reads it and
/// as long as the weight.
#[derive(Default)]
pub(crate) struct Layouts {
    pub(super) columns: OnceLock<WeightColumns>,
    pub(super) steps: OnceLock<bf16::WeightSteps>,
    pub(super) kernels: OnceLock<winograd::GatheredKernels>,
}

impl Layouts {
    /// Hands over the layout that lies at `slot`, made if it does not yet; without layouts one for this time.
    pub(super) fn with<T, R>(
        layouts: Option<&Self>,
        slot: impl FnOnce(&Self) -> &OnceLock<T>,
        make: impl FnOnce() -> T,
        body: impl FnOnce(&T) -> R,
    ) -> R {
        let Some(slot) = layouts.map(slot) else {
            return body(&make());
        };
        if let Some(kept) = slot.get() {
            return body(kept);
        }
        // Not under the cell's lock: it is made by the pool's threads, and one that waits for them may find another
        // pass with this weight to do. If two make it, they make the same.
        let made = make();
        body(slot.get_or_init(|| made))
    }
}
