//! Memory of large outputs, kept for the next one that it is long enough for.
//!
//! A training step asks for the same lengths again and again. What it gives back stays here, already
//! mapped, where the system would hand out pages that it has to clear first. Kept and used buffers
//! together are never more than the used ones were at their most and a quarter; a buffer is used from when it is taken
//! until it is given back. Vectors from elsewhere are welcome as outputs, but not kept: nobody would ask for them here.
#![allow(unsafe_code)] // Lends its buffers to tensors through the interface for foreign memory.

use std::collections::BTreeMap;
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
    /// What is counted for each buffer that was taken and not lent yet, by its address. (One that its taker dropped
    /// stays counted until another comes to lie there, which may as well be kept.)
    taken: BTreeMap<usize, usize>,
    kept_values: usize,
    used_values: usize,
    most_used_values: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    kept: Vec::new(),
    taken: BTreeMap::new(),
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
    /// are the likeliest to be in the cache. It counts as used.
    fn take(&mut self, length: usize) -> Option<Vec<f32>> {
        let fitting = length..=LONGER * length;
        let at = (0..self.kept.len())
            .rev()
            .filter(|at| fitting.contains(&self.kept[*at].capacity()))
            .min_by_key(|at| self.kept[*at].capacity())?;
        let kept = self.kept.remove(at);
        self.kept_values -= kept.capacity();
        self.count(kept.capacity());
        Some(kept)
    }

    /// Counts a new buffer of `length` values as used; the kept ones to let go so that all stay within what may be
    /// kept.
    fn make_room(&mut self, length: usize) -> Vec<Vec<f32>> {
        self.count(length);
        let most = self.most_used_values + self.most_used_values / SPARE;
        let mut freed = 0;
        let mut count = 0;
        for kept in &self.kept {
            if self.used_values + self.kept_values - freed <= most {
                break;
            }
            freed += kept.capacity();
            count += 1;
        }
        self.kept_values -= freed;
        self.kept.drain(..count).collect()
    }

    fn count(&mut self, values: usize) {
        self.used_values += values;
        self.most_used_values = self.most_used_values.max(self.used_values);
    }

    /// Notes where a counted buffer lies.
    fn note(&mut self, values: &Vec<f32>) {
        let dropped = self.taken.insert(values.as_ptr().addr(), values.capacity());
        self.used_values -= dropped.unwrap_or(0);
    }

    /// Whether a buffer was taken here and is now in use elsewhere.
    fn lend(&mut self, values: &Vec<f32>) -> bool {
        let Some(counted) = self.taken.remove(&values.as_ptr().addr()) else {
            return false;
        };
        // Of another length if a vector from elsewhere came to lie where a taker dropped one.
        self.used_values = self.used_values - counted + values.capacity();
        true
    }

    /// Takes a lent buffer back.
    fn keep(&mut self, values: Vec<f32>) {
        self.used_values -= values.capacity();
        self.kept_values += values.capacity();
        self.kept.push(values);
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
    pool().note(&values);
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

/// Gives back a buffer that no tensor was made of.
pub(crate) fn recycle(values: Vec<f32>) {
    drop(lend(values));
}

/// A buffer in use by a tensor.
struct Lent(Vec<f32>);

impl Drop for Lent {
    fn drop(&mut self) {
        pool().keep(std::mem::take(&mut self.0));
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

    fn empty() -> Pool {
        Pool {
            kept: Vec::new(),
            taken: BTreeMap::new(),
            kept_values: 0,
            used_values: 0,
            most_used_values: 0,
        }
    }

    /// A buffer of `length` values, as [`super::take`] takes one of [`POOL`], and whether it was kept here.
    fn taken(pool: &mut Pool, length: usize) -> (Vec<f32>, bool) {
        let kept = pool.take(length);
        let found = kept.is_some();
        let values = kept.unwrap_or_else(|| {
            drop(pool.make_room(length));
            vec![0.0; length]
        });
        pool.note(&values);
        let most = pool.most_used_values + pool.most_used_values / SPARE;
        assert!(pool.used_values + pool.kept_values <= most);
        (values, found)
    }

    fn given_back(pool: &mut Pool, values: Vec<f32>) {
        assert!(pool.lend(&values));
        pool.keep(values);
    }

    #[test]
    fn vectors_from_elsewhere_are_not_kept() {
        let mut pool = empty();
        assert!(!pool.lend(&vec![1.0, 2.0]));
        assert_eq!(pool.used_values, 0);
        let (own, _) = taken(&mut pool, 2);
        assert_eq!((pool.used_values, pool.most_used_values), (2, 2));
        assert!(pool.lend(&own));
        assert_eq!(pool.used_values, 2);
        assert!(!pool.lend(&own), "lent once");
    }

    #[test]
    fn what_a_taker_dropped_counts_until_another_lies_there() {
        let (own, elsewhere) = (vec![0.0; 4], vec![0.0; 5]);
        // Two of 6 values were taken and dropped where these came to lie.
        let address = |values: &Vec<f32>| values.as_ptr().addr();
        let mut pool = Pool {
            taken: BTreeMap::from([(address(&own), 6), (address(&elsewhere), 6)]),
            used_values: 12,
            most_used_values: 12,
            ..empty()
        };
        pool.count(4);
        pool.note(&own);
        assert_eq!(pool.used_values, 6 + 4);
        assert!(pool.lend(&elsewhere));
        assert_eq!(pool.used_values, 4 + 5);
        pool.keep(elsewhere);
        assert_eq!((pool.used_values, pool.kept_values), (4, 5));
    }

    #[test]
    fn what_was_never_lent_at_once_counts_from_its_taking() {
        let mut pool = empty();
        let three = [0; 3].map(|_| taken(&mut pool, 8).0);
        assert_eq!((pool.used_values, pool.most_used_values), (24, 24));
        for values in three {
            given_back(&mut pool, values);
        }
        assert_eq!((pool.used_values, pool.kept_values), (0, 24));
        // 24 and a quarter are 30: beside 20 there is room for one of 8.
        let (longer, found) = taken(&mut pool, 20);
        assert!(!found);
        assert_eq!((pool.used_values, pool.kept_values), (20, 8));
        given_back(&mut pool, longer);
    }

    /// A forward pass keeps its outputs and a backward pass frees them; each has buffers for the time of a layer. With
    /// the lengths of a network whose maps shrink as its channels grow, only the first step makes new ones.
    #[test]
    fn equal_steps_find_their_buffers_again() {
        const OUTPUTS: [usize; 8] = [1024, 1024, 512, 512, 256, 256, 128, 128];
        const WEIGHTS: [usize; 8] = [4, 16, 32, 64, 128, 256, 512, 512];
        let mut pool = empty();
        let step = |pool: &mut Pool| {
            let mut missed = 0;
            let mut take = |pool: &mut Pool, length| {
                let (values, found) = taken(pool, length);
                missed += usize::from(!found);
                values
            };
            let mut outputs = Vec::new();
            for (output, weight) in OUTPUTS.into_iter().zip(WEIGHTS) {
                let packed = take(pool, weight);
                outputs.push(take(pool, output));
                given_back(pool, packed);
            }
            let mut upstream = take(pool, OUTPUTS[7]);
            for (at, output) in outputs.into_iter().enumerate().rev() {
                let packed = take(pool, WEIGHTS[at]);
                let partial = take(pool, 2 * WEIGHTS[at]);
                given_back(pool, partial);
                let gradient = take(pool, OUTPUTS[at.max(1) - 1]);
                given_back(pool, packed);
                given_back(pool, std::mem::replace(&mut upstream, gradient));
                given_back(pool, output);
            }
            given_back(pool, upstream);
            missed
        };
        assert!(step(&mut pool) > 0);
        for _ in 0..4 {
            assert_eq!(step(&mut pool), 0);
        }
        assert_eq!(pool.used_values, 0);
    }

    #[test]
    fn what_is_kept_makes_room_for_other_lengths() {
        let mut pool = Pool {
            kept: vec![vec![0.0; 5], vec![0.0; 3], vec![0.0; 4]],
            kept_values: 12,
            used_values: 8,
            most_used_values: 16,
            ..empty()
        };
        assert_eq!(pool.take(6), None);
        assert_eq!(pool.make_room(6).len(), 2, "5 are not enough");
        assert_eq!((pool.kept_values, pool.kept.len()), (4, 1));
        assert!(pool.take(4).is_some());
        assert_eq!((pool.kept_values, pool.used_values), (0, 18));
        assert_eq!(pool.most_used_values, 18);
    }

    #[test]
    fn the_shortest_with_room_is_taken_but_none_much_too_long() {
        let mut pool = Pool {
            kept: vec![vec![0.0; 9], vec![0.0; 6], vec![0.0; 7]],
            kept_values: 22,
            most_used_values: 22,
            ..empty()
        };
        assert_eq!(pool.take(4).map(|buffer| buffer.len()), Some(6));
        assert_eq!(pool.take(5).map(|buffer| buffer.len()), Some(7));
        assert_eq!(pool.take(4), None, "9 values for 4");
        assert_eq!(pool.kept_values, 9);
    }
}
