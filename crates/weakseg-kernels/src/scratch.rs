//! Buffers kept by each thread between calls, so that a step does not pay for fresh pages.

use std::cell::RefCell;

use rayon::prelude::*;

use crate::buffers;

thread_local! {
    static KEPT: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body` with `N` buffers of the given lengths. Their contents are arbitrary
/// (but initialised) values: whoever reads a value must have written it.
pub(crate) fn with_buffers<const N: usize, R>(
    lengths: [usize; N],
    body: impl FnOnce([&mut [f32]; N]) -> R,
) -> R {
    // Taken out, not borrowed: a thread that waits inside `body` may start another task here.
    let mut buffers: [Vec<f32>; N] = std::array::from_fn(|at| {
        let mut buffer = KEPT.with(|kept| best(&mut kept.borrow_mut(), lengths[at]));
        if buffer.len() < lengths[at] {
            buffer = vec![0.0; lengths[at]];
        }
        buffer
    });
    let mut slices = buffers.each_mut().map(Vec::as_mut_slice);
    for (slice, length) in slices.iter_mut().zip(lengths) {
        let whole = std::mem::take(slice);
        *slice = &mut whole[..length];
    }
    let result = body(slices);
    KEPT.with(|kept| {
        let mut kept = kept.borrow_mut();
        kept.extend(buffers);
        kept.truncate(8);
    });
    result
}

/// Takes the smallest buffer that is long enough, else the longest, which will be replaced: the
/// others stay for what they are long enough for.
fn best(kept: &mut Vec<Vec<f32>>, length: usize) -> Vec<f32> {
    let key = |buffer: &Vec<f32>| {
        let short = buffer.len() < length;
        (short, buffer.len().abs_diff(length))
    };
    let found = (0..kept.len()).min_by_key(|at| key(&kept[*at]));
    found.map_or_else(Vec::new, |at| kept.swap_remove(at))
}

/// A pointer that tasks share to write disjoint parts of one buffer.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

#[allow(unsafe_code)] // Tasks of one pass write disjoint parts of one output.
// SAFETY: only a pointer; whoever writes through it states why the parts are disjoint.
unsafe impl Send for Shared {}
#[allow(unsafe_code)] // As above.
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// A pointer to the start of `values`.
    pub fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The pointer.
    pub fn get(self) -> *mut f32 {
        self.0
    }
}

/// A vector of `length` values that `body` writes, without filling it with zeros before.
///
/// # Safety
///
/// When `body` returns it must have written every one of the `length` values.
#[allow(unsafe_code)] // The values before are those of some other output.
pub(crate) unsafe fn written_by(length: usize, body: impl FnOnce(Shared)) -> Vec<f32> {
    let mut values = buffers::take(length);
    body(Shared::new(&mut values));
    values
}

/// The same where `body` writes all values only if `all` says so: else what it leaves is zero.
///
/// # Safety
///
/// If `all`, as [`written_by`].
#[allow(unsafe_code)] // As above.
pub(crate) unsafe fn written_or_zero(
    length: usize,
    all: bool,
    body: impl FnOnce(Shared),
) -> Vec<f32> {
    if all {
        // SAFETY: the caller's contract.
        return unsafe { written_by(length, body) };
    }
    let mut values = zeros(length);
    body(Shared::new(&mut values));
    values
}

/// Values for the time of a pass, or of a weight that is kept; their memory is kept for the next.
pub(crate) struct Temporary(Vec<f32>);

impl Temporary {
    /// Of values from [`written_by`] or [`zeros`].
    pub fn new(values: Vec<f32>) -> Self {
        Self(values)
    }
}

impl std::ops::Deref for Temporary {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        buffers::recycle(std::mem::take(&mut self.0));
    }
}

/// A vector of `length` zeros for an output.
pub(crate) fn zeros(length: usize) -> Vec<f32> {
    let mut values = buffers::take(length);
    values
        .par_chunks_mut(1 << 16)
        .for_each(|part| part.fill(0.0));
    values
}
