//! Chance that depends on nothing but its own address.
//!
//! Every random decision of this crate is drawn from a ChaCha8 stream whose key *is* what is decided about: a
//! purpose, the seed, the epoch and the index of the case. Nothing depends on how many draws came before, so any order
//! of work, any number of threads and any resumed run give the same. The draws themselves are spelled out here and not
//! taken from a library of distributions, so an upgrade cannot change them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for; two purposes never share a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Split = 1,
    Order = 2,
    Augment = 3,
}

/// The stream of one purpose at `(seed, epoch, index)`.
pub(crate) fn stream(purpose: Purpose, seed: u64, epoch: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, word) in key
        .chunks_exact_mut(8)
        .zip([purpose as u64, seed, epoch, index])
    {
        part.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Uniform in `[0, 1)`, 53 bits.
pub(crate) fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Uniform between `low` and `high`.
pub(crate) fn between(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * unit(rng)
}

/// Uniform in `0..count`; `count` must not be zero.
pub(crate) fn below(rng: &mut impl Rng, count: usize) -> usize {
    // 53 bits over any realistic count: the bias is below 1e-9.
    ((unit(rng) * count as f64) as usize).min(count - 1)
}

/// Shuffles in place (Fisher and Yates).
pub(crate) fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_in_every_part_of_their_address() {
        let first = |purpose, seed, epoch, index| stream(purpose, seed, epoch, index).next_u64();
        let base = first(Purpose::Order, 1, 2, 3);
        assert_eq!(base, first(Purpose::Order, 1, 2, 3));
        assert_ne!(base, first(Purpose::Augment, 1, 2, 3));
        assert_ne!(base, first(Purpose::Order, 2, 2, 3));
        assert_ne!(base, first(Purpose::Order, 1, 3, 3));
        assert_ne!(base, first(Purpose::Order, 1, 2, 4));
    }

    #[test]
    fn draws_have_their_moments() {
        let mut rng = stream(Purpose::Augment, 0, 0, 0);
        let count = 20_000;
        let mean = (0..count).map(|_| unit(&mut rng)).sum::<f64>() / f64::from(count);
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((0..1000).all(|_| below(&mut rng, 3) < 3));
    }
}
