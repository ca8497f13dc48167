//! Memory of large outputs, kept for the next one that it is long enough for.
//!
//! A training step asks for the same lengths again and again. What it gives back stays here, already
//! mapped, where the system would hand out pages that it has to clear first. Kept and used buffers
//! together are never more than the used ones were at their most and a quarter. Vectors from elsewhere are welcome as
//! outputs, but not kept: nobody would ask for them here.
#![allow(unsafe_code)] // Lends its buffers to tensors through the interface for foreign memory.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

/// Values from which on a buffer is worth keeping.
const LARGE: usize = 1 << 14;
/// What may be kept beyond the most that was used, as a part of it: all that was used at the peak, at the end of the
/// forward pass, is wanted again by the next, and the backward pass in between wants other lengths.
const SPARE: usize = 4;
/// How many times longer than asked a buffer may be: so many that the few lengths of a backward pass find room in
/// what the forward pass has left. Such a buffer counts as used with all its length.
const LONGER: usize = 2;

/// Buffers that nobody uses, the longest kept first, and counts of values that they have room for.
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
    /// The shortest kept buffer with room for this length, if it is not much too long; of several the newest: its pages
    /// are the likeliest to be in the cache.
    fn take(&mut self, length: usize) -> Option<Vec<f32>> {
        let fitting = length..=LONGER * length;
        let at = (0..self.kept.len())
            .rev()
            .filter(|at| fitting.contains(&self.kept[*at].capacity()))
            .min_by_key(|at| self.kept[*at].capacity())?;
        let kept = self.kept.remove(at);
        self.kept_values -= kept.capacity();
        Some(kept)
    }

    /// Counts a buffer as used; whether it was taken here.
    fn lend(&mut self, values: &Vec<f32>) -> bool {
        let ours = self.taken.remove(&values.as_ptr().addr());
        if ours {
            self.used_values += values.capacity();
            self.most_used_values = self.most_used_values.max(self.used_values);
        }
        ours
    }

    /// Kept buffers to let go so that `length` values more stay within what may be kept.
    fn make_room(&mut self, length: usize) -> Vec<Vec<f32>> {
        let most = self.most_used_values + self.most_used_values / SPARE;
        let mut freed = 0;
        let mut count = 0;
        for kept in &self.kept {
            if self.used_values + self.kept_values - freed + length <= most {
                break;
            }
            freed += kept.capacity();
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
    let values = match found {
        Some(mut values) => {
            values.resize(length, 0.0);
            values
        }
        None => vec![0.0; length],
    };
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
        pool.used_values -= values.capacity();
        pool.kept_values += values.capacity();
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

    /// Far longer than what any other test asks for: the pool is one for all of them.
    const LENGTH: usize = (1 << 22) + 4321;

    /// One test, because the pool is one for all threads.
    #[test]
    fn a_buffer_comes_back_for_the_next() {
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
        assert_eq!(again.as_ptr(), place, "its tensor is gone");
        assert_eq!(copy[28..32], 3f32.to_ne_bytes());
        recycle(again);
        let shorter = take(LENGTH - 5);
        assert_eq!((shorter.as_ptr(), shorter.len()), (place, LENGTH - 5));
        recycle(shorter);
        let whole = take(LENGTH);
        assert_eq!((whole.as_ptr(), whole.len()), (place, LENGTH));
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
        assert!(!pool.lend(&vec![1.0, 2.0]));
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
            most_used_values: 16,
        };
        assert_eq!(pool.take(6), None);
        assert_eq!(pool.make_room(6).len(), 2, "5 are not enough");
        assert_eq!((pool.kept_values, pool.kept.len()), (4, 1));
        assert!(pool.take(4).is_some());
        assert_eq!(pool.kept_values, 0);
    }

    #[test]
    fn the_shortest_with_room_is_taken_but_none_much_too_long() {
        let mut pool = Pool {
            kept: vec![vec![0.0; 9], vec![0.0; 6], vec![0.0; 7]],
            taken: BTreeSet::new(),
            kept_values: 22,
            used_values: 0,
            most_used_values: 22,
        };
        assert_eq!(pool.take(4).map(|buffer| buffer.len()), Some(6));
        assert_eq!(pool.take(5).map(|buffer| buffer.len()), Some(7));
        assert_eq!(pool.take(4), None, "9 values for 4");
        assert_eq!(pool.kept_values, 9);
    }
}
