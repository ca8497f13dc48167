//! Memory of large outputs, kept for the next one of the same length.
//!
//! A training step asks for the same lengths again and again. What it gives back stays here, already
//! mapped, where the system would hand out pages that it has to clear first. Kept and used buffers
//! together are never more than the used ones were at their most. Vectors from elsewhere are welcome as
//! outputs, but not kept: nobody would ask for them here.
#![allow(unsafe_code)] // Lends its buffers to tensors through the interface for foreign memory.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

/// Values from which on a buffer is worth keeping.
const LARGE: usize = 1 << 14;

/// Buffers that nobody uses, the longest kept first, and counts of values.
struct Pool {
    kept: Vec<Vec<f32>>,
    /// Addresses of buffers that were taken and not lent yet. (A buffer that its taker dropped leaves
    /// its own behind; a vector that comes to lie there may as well be kept.)
    taken: BTreeSet<usize>,
    kept_values: usize,
    used_values: usize,
    most_used_values: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    kept: Vec::new(),
    taken: BTreeSet::new(),
    kept_values: 0,
    used_values: 0,
    most_used_values: 0,
});

fn pool() -> MutexGuard<'static, Pool> {
    // Nothing here panics half-way through a change.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// The newest kept buffer of this length: its pages are the likeliest to be in the cache.
    fn take(&mut self, length: usize) -> Option<Vec<f32>> {
        let at = self.kept.iter().rposition(|kept| kept.len() == length)?;
        self.kept_values -= length;
        Some(self.kept.remove(at))
    }

    /// Counts a buffer as used; whether it was taken here.
    fn lend(&mut self, values: &[f32]) -> bool {
        let ours = self.taken.remove(&values.as_ptr().addr());
        if ours {
            self.used_values += values.len();
            self.most_used_values = self.most_used_values.max(self.used_values);
        }
        ours
    }

    /// Kept buffers to let go so that `length` values more stay within the most there ever were.
    fn make_room(&mut self, length: usize) -> Vec<Vec<f32>> {
        let most = self.most_used_values;
        let mut freed = 0;
        let mut count = 0;
        for kept in &self.kept {
            if self.used_values + self.kept_values - freed + length <= most {
                break;
            }
            freed += kept.len();
            count += 1;
        }
        self.kept_values -= freed;
        self.kept.drain(..count).collect()
    }
}

/// `length` values, arbitrary ones where the memory was used before: who reads one must have written
/// it.
pub(crate) fn take(length: usize) -> Vec<f32> {
    if length < LARGE {
        return vec![0.0; length];
    }
    let mut left = Vec::new();
    let found = {
        let mut pool = pool();
        let found = pool.take(length);
        if found.is_none() {
            left = pool.make_room(length);
        }
        found
    };
    drop(left);
    let values = found.unwrap_or_else(|| vec![0.0; length]);
    pool().taken.insert(values.as_ptr().addr());
    values
}

/// The memory of `values`, which comes back here when the last tensor on it goes, if it came from
/// here.
pub(crate) fn lend(values: Vec<f32>) -> Bytes {
    if values.len() < LARGE || !pool().lend(&values) {
        return Bytes::from_elems(values);
    }
    let length = size_of_val(values.as_slice());
    // SAFETY: every byte of a vector's values is initialised.
    unsafe { Bytes::from_controller(Box::new(Lent(values)), length) }
}

/// Gives back a buffer that no tensor was made of: one for the time of a pass.
pub(crate) fn recycle(values: Vec<f32>) {
    drop(lend(values));
}

/// A buffer in use by a tensor.
struct Lent(Vec<f32>);

impl Drop for Lent {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        let mut pool = pool();
        pool.used_values -= values.len();
        pool.kept_values += values.len();
        pool.kept.push(values);
    }
}

impl AllocationController for Lent {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _policy: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes = size_of_val(self.0.as_slice());
        // SAFETY: the memory of the vector's values, of which any bytes are valid; the caller
        // vouches for writing none that are not initialised.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), bytes) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes = size_of_val(self.0.as_slice());
        // SAFETY: the memory of the vector's values.
        Ok(unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length no other test uses.
    const LENGTH: usize = LARGE + 4321;

    #[test]
    fn a_buffer_comes_back_once_its_tensor_is_gone() {
        let mut values = take(LENGTH);
        assert_eq!(values.len(), LENGTH);
        values[7] = 3.0;
        let place = values.as_ptr();
        let bytes = lend(values);
        let other = take(LENGTH);
        assert_ne!(other.as_ptr(), place, "in use");
        assert_eq!(bytes[28..32], 3f32.to_ne_bytes());
        let copy = bytes.clone();
        drop(bytes);
        let again = take(LENGTH);
        assert_eq!(again.as_ptr(), place);
        assert_eq!(copy[28..32], 3f32.to_ne_bytes());
    }

    #[test]
    fn a_recycled_buffer_is_there_for_the_next() {
        let length = LENGTH + 2;
        let values = take(length);
        let place = values.as_ptr();
        recycle(values);
        let again = take(length);
        assert_eq!(again.as_ptr(), place);
    }

    #[test]
    fn vectors_from_elsewhere_are_not_kept() {
        let mut pool = Pool {
            kept: Vec::new(),
            taken: BTreeSet::new(),
            kept_values: 0,
            used_values: 0,
            most_used_values: 0,
        };
        assert!(!pool.lend(&[1.0, 2.0]));
        assert_eq!(pool.used_values, 0);
        let own = vec![1.0, 2.0];
        pool.taken.insert(own.as_ptr().addr());
        assert!(pool.lend(&own));
        assert_eq!((pool.used_values, pool.most_used_values), (2, 2));
        assert!(!pool.lend(&own), "lent once");
    }

    #[test]
    fn what_is_kept_makes_room_for_other_lengths() {
        let mut pool = Pool {
            kept: vec![vec![0.0; 5], vec![0.0; 3], vec![0.0; 4]],
            taken: BTreeSet::new(),
            kept_values: 12,
            used_values: 8,
            most_used_values: 20,
        };
        assert_eq!(pool.take(6), None);
        assert_eq!(pool.make_room(6).len(), 2, "5 are not enough");
        assert_eq!((pool.kept_values, pool.kept.len()), (4, 1));
        assert!(pool.take(4).is_some());
        assert_eq!(pool.kept_values, 0);
    }
}
