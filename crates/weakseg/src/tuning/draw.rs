//! Which cases get a mask: drawn, for a lab draws its few masks too.

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// First word of the streams' keys, so that they are nobody else's.
const PURPOSE: u64 = 0x7475_6e65;

/// `count` of some cases, as places in ascending order: half of them positive where there are enough of either kind, an
/// odd one positive; what one kind lacks is drawn from the other. All of them if there are no more.
///
/// A pure function of the seed, `count` and the draw's number.
pub fn draw(positive: &[bool], count: usize, seed: u64, number: usize) -> Vec<usize> {
    let mut key = [0; 32];
    let words = [PURPOSE, seed, count as u64, number as u64];
    for (part, word) in key.chunks_exact_mut(8).zip(words) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    let mut rng = ChaCha8Rng::from_seed(key);
    let (mut sick, mut healthy): (Vec<usize>, Vec<usize>) =
        (0..positive.len()).partition(|&place| positive[place]);
    let count = count.min(positive.len());
    let wanted = count
        .div_ceil(2)
        .clamp(count.saturating_sub(healthy.len()), sick.len());
    for (kind, wanted) in [(&mut sick, wanted), (&mut healthy, count - wanted)] {
        // The first places of a shuffle (Fisher and Yates).
        for place in 0..wanted {
            let left = (kind.len() - place) as u128;
            // Multiply and shift, as the bootstrap draws.
            let other = place + ((u128::from(rng.next_u64()) * left) >> 64) as usize;
            kind.swap(place, other);
        }
        kind.truncate(wanted);
    }
    sick.append(&mut healthy);
    sick.sort_unstable();
    sick
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 positives of 40.
    fn positive() -> Vec<bool> {
        (0..40).map(|place| place % 4 == 0).collect()
    }

    fn sick(drawn: &[usize]) -> usize {
        drawn.iter().filter(|&&place| place % 4 == 0).count()
    }

    #[test]
    fn half_are_positive_where_there_are_enough() {
        for (count, expected) in [
            (1, 1),
            (2, 1),
            (7, 4),
            (10, 5),
            (20, 10),
            (26, 10),
            (40, 10),
        ] {
            let drawn = draw(&positive(), count, 0, 0);
            assert_eq!((drawn.len(), sick(&drawn)), (count, expected));
            assert!(drawn.is_sorted_by(|a, b| a < b), "each once");
        }
        assert_eq!(draw(&positive(), 99, 0, 0), (0..40).collect::<Vec<_>>());
        assert_eq!(draw(&[true; 4], 3, 0, 0).len(), 3);
        assert_eq!(draw(&[false; 4], 3, 0, 0).len(), 3);
        assert!(draw(&[], 3, 0, 0).is_empty());
    }

    #[test]
    fn the_seed_and_the_number_decide() {
        let of = |seed, number| draw(&positive(), 10, seed, number);
        assert_eq!(of(1, 2), of(1, 2));
        assert_ne!(of(1, 2), of(2, 2));
        assert_ne!(of(1, 2), of(1, 3));
    }

    /// 200 draws of 5 positives of 10: each is drawn 100 times, give or take 4 deviations of 7.
    #[test]
    fn every_case_has_its_chance() {
        let mut counts = [0; 40];
        for number in 0..200 {
            for place in draw(&positive(), 10, 9, number) {
                counts[place] += 1;
            }
        }
        for (place, count) in counts.into_iter().enumerate().filter(|(p, _)| p % 4 == 0) {
            assert!((72..=128).contains(&count), "{place}: {count}");
        }
    }
}
