//! Embedding: the lattice simplex that encloses a feature vector, and its barycentric weights.
//!
//! Source: Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
//! 2010, section 3. Numbers follow the vectorised build of the densecrf reference: single
//! precision, coordinates rounded to the nearest multiple of d + 1, ties to even.

use crate::MAX_DIMENSIONS;

/// Largest magnitude of a lattice coordinate: 16 bits, less room for a step in any direction.
pub(crate) const COORDINATE_LIMIT: i32 = 32_767 - 4 * (MAX_DIMENSIONS as i32 + 1);

/// The 16-bit lattice coordinates of a vertex, four to a word, each offset by 2^15 so that a lane
/// is never negative and adding a constant never carries into the next lane. The coordinates sum
/// to zero, so the last of the d + 1 is implied and not stored.
pub(crate) type Key<const WORDS: usize> = [u64; WORDS];

/// The key with `value` in lane `axis` and 0 elsewhere.
#[inline]
pub(crate) fn lane<const WORDS: usize>(axis: usize, value: u16) -> Key<WORDS> {
    let mut key = [0; WORDS];
    key[axis / 4] = u64::from(value) << (16 * (axis % 4));
    key
}

/// `a + plus − minus`, lane by lane.
#[inline]
pub(crate) fn step<const WORDS: usize>(
    a: Key<WORDS>,
    plus: &Key<WORDS>,
    minus: &Key<WORDS>,
) -> Key<WORDS> {
    std::array::from_fn(|w| a[w] + plus[w] - minus[w])
}

/// The key with 1 in each of the first `dimensions` lanes.
pub(crate) fn ones<const WORDS: usize>(dimensions: usize) -> Key<WORDS> {
    (0..dimensions).fold([0; WORDS], |key, axis| {
        step(key, &lane(axis, 1), &[0; WORDS])
    })
}

/// The scale of each axis that makes the blurred lattice a unit Gaussian in feature units.
pub(crate) fn axis_scales(dimensions: usize) -> Vec<f32> {
    let deviation = ((2.0f64 / 3.0).sqrt() * (dimensions + 1) as f64) as f32;
    (0..dimensions)
        .map(|i| (1.0 / (((i + 1) * (i + 2)) as f64).sqrt() * f64::from(deviation)) as f32)
        .collect()
}

/// The simplex around one feature vector. Corner r is the vertex with remainder r (the remainder
/// of its coordinates modulo d + 1).
pub(crate) struct Simplex {
    /// Coordinates of corner 0, d + 1 of them.
    origin: [f32; MAX_DIMENSIONS + 1],
    /// The axis that holds each rank: `axis_of_rank[0]` has the largest distance from corner 0.
    axis_of_rank: [u8; MAX_DIMENSIONS + 1],
    /// Weight of each corner; d + 1 of them, summing to 1.
    barycentric: [f32; MAX_DIMENSIONS + 2],
}

impl Simplex {
    pub(crate) fn new() -> Self {
        Self {
            origin: [0.0; MAX_DIMENSIONS + 1],
            axis_of_rank: [0; MAX_DIMENSIONS + 1],
            barycentric: [0.0; MAX_DIMENSIONS + 2],
        }
    }

    /// Encloses a feature vector of d values. Returns the coordinate of largest magnitude if it
    /// exceeds [`COORDINATE_LIMIT`].
    #[inline(always)]
    pub(crate) fn enclose(&mut self, feature: &[f32], scales: &[f32], d: usize) -> Result<(), f32> {
        // Elevate: the feature in the hyperplane whose d + 1 coordinates sum to zero.
        let mut elevated = [0.0f32; MAX_DIMENSIONS + 1];
        let mut sum = 0.0f32;
        for j in (1..=d).rev() {
            let scaled = feature[j - 1] * scales[j - 1];
            elevated[j] = sum - j as f32 * scaled;
            sum += scaled;
        }
        elevated[0] = sum;

        // The nearest point all of whose coordinates are multiples of d + 1.
        let up = (d + 1) as f32;
        let down = 1.0 / up;
        let mut surplus = 0.0f32;
        let mut largest = 0.0f32;
        let mut offset = [0.0f32; MAX_DIMENSIONS + 1];
        for i in 0..=d {
            let multiple = (down * elevated[i]).round_ties_even();
            self.origin[i] = multiple * up;
            surplus += multiple;
            offset[i] = elevated[i] - self.origin[i];
            if elevated[i].abs() > largest.abs() {
                largest = elevated[i];
            }
        }
        if largest.abs() > COORDINATE_LIMIT as f32 {
            return Err(largest);
        }

        // Rank the axes by their distance from that point; ties go to the earlier axis.
        let mut rank = [0i32; MAX_DIMENSIONS + 1];
        for i in 0..d {
            for j in i + 1..=d {
                let behind = i32::from(offset[i] < offset[j]);
                rank[i] += behind;
                rank[j] += 1 - behind;
            }
        }
        // Rounding may have left the plane (surplus ≠ 0): move the outermost axes back.
        let surplus = surplus as i32;
        let cycle = d as i32 + 1;
        for (i, rank) in rank[..=d].iter_mut().enumerate() {
            *rank += surplus;
            if *rank < 0 {
                *rank += cycle;
                self.origin[i] += up;
            } else if *rank >= cycle {
                *rank -= cycle;
                self.origin[i] -= up;
            }
            // The surplus is at most (d + 1) / 2, so this changes nothing; it tells the compiler.
            *rank = (*rank).clamp(0, cycle - 1);
            self.axis_of_rank[*rank as usize] = i as u8;
        }

        self.barycentric[..d + 2].fill(0.0);
        for i in 0..=d {
            let distance = (elevated[i] - self.origin[i]) * down;
            let place = d - rank[i] as usize;
            self.barycentric[place] += distance;
            self.barycentric[place + 1] -= distance;
        }
        self.barycentric[0] += 1.0 + self.barycentric[d + 1];
        Ok(())
    }

    /// The weights of the d + 1 corners.
    #[inline(always)]
    pub(crate) fn weights(&self, d: usize) -> &[f32] {
        &self.barycentric[..=d]
    }

    /// Key of corner 0.
    #[inline(always)]
    pub(crate) fn origin_key<const WORDS: usize>(&self, d: usize) -> Key<WORDS> {
        let mut key = [0; WORDS];
        for (axis, &coordinate) in self.origin[..d].iter().enumerate() {
            let biased = (coordinate as i32 + 0x8000) as u64;
            key[axis / 4] |= biased << (16 * (axis % 4));
        }
        key
    }

    /// From corner r to corner r + 1 every coordinate grows by 1, but that of one axis by −d.
    /// Returns that axis; d itself is the implied one.
    #[inline(always)]
    pub(crate) fn falling_axis(&self, corner: usize, d: usize) -> usize {
        self.axis_of_rank[d - corner].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weighted corners must give back the elevated point, and the weights must be a
    /// partition of one.
    #[test]
    fn corners_reproduce_the_point() {
        for d in [1usize, 2, 3, 5, 8, 32] {
            let scales = axis_scales(d);
            for seed in 0..200u32 {
                let feature: Vec<f32> = (0..d as u32)
                    .map(|i| {
                        let hash = (seed * 31 + i + 1).wrapping_mul(2_654_435_761);
                        (hash >> 8) as f32 / (1 << 24) as f32 * 20.0 - 10.0
                    })
                    .collect();
                let mut simplex = Simplex::new();
                simplex.enclose(&feature, &scales, d).unwrap();
                let weights = simplex.weights(d);
                assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                assert!(weights.iter().all(|w| *w > -1e-4), "d {d}: {weights:?}");

                let mut corner: Vec<f32> = simplex.origin[..=d].to_vec();
                let mut point = vec![0.0f32; d + 1];
                for (r, weight) in weights.iter().enumerate() {
                    assert!(corner.iter().sum::<f32>().abs() < 1e-3);
                    for (p, c) in point.iter_mut().zip(&corner) {
                        *p += weight * c;
                    }
                    let falling = simplex.falling_axis(r, d);
                    for (axis, c) in corner.iter_mut().enumerate() {
                        *c += if axis == falling { -(d as f32) } else { 1.0 };
                    }
                }
                let mut sum = 0.0;
                for j in (1..=d).rev() {
                    let scaled = feature[j - 1] * scales[j - 1];
                    let elevated = sum - j as f32 * scaled;
                    sum += scaled;
                    assert!((point[j] - elevated).abs() < 2e-2, "d {d}");
                }
            }
        }
    }

    #[test]
    fn lanes_hold_negative_coordinates() {
        let mut simplex = Simplex::new();
        simplex.origin[0] = -1.0;
        simplex.origin[4] = 3.0;
        let key: Key<2> = simplex.origin_key(5);
        assert_eq!(key[0] & 0xffff, 0x7fff);
        assert_eq!(key[1] & 0xffff, 0x8003);
        let stepped = step(key, &ones(5), &lane(0, 6));
        assert_eq!(stepped[0] & 0xffff, 0x7ffa);
        assert_eq!(stepped[1] & 0xffff, 0x8004);
    }
}
