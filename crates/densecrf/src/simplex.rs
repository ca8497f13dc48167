//! Embedding: the lattice simplices that enclose feature vectors, and their barycentric weights.
//!
//! Source: Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
//! 2010, section 3. Numbers follow the vectorised build of the densecrf reference: single
//! precision, coordinates rounded to the nearest multiple of d + 1, ties to even.
#![allow(clippy::needless_range_loop)] // One index for all arrays keeps loops over lanes legible, and vector code.

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

/// Feature vectors that are enclosed at a time, side by side in the lanes of vectors.
pub(crate) const LANES: usize = 16;

type Lanes<T> = [T; LANES];

/// The simplices around [`LANES`] feature vectors. Corner r is the vertex with remainder r (the
/// remainder of its coordinates modulo d + 1).
pub(crate) struct Simplices {
    /// Coordinates of corner 0, d + 1 of them.
    origin: [Lanes<f32>; MAX_DIMENSIONS + 1],
    /// The axis that holds each rank: that of rank 0 has the largest distance from corner 0.
    axis_of_rank: [Lanes<i32>; MAX_DIMENSIONS + 1],
    /// Weight of each corner; d + 1 of them, summing to 1.
    barycentric: [Lanes<f32>; MAX_DIMENSIONS + 1],
}

impl Simplices {
    pub(crate) fn new() -> Self {
        Self {
            origin: [[0.0; LANES]; MAX_DIMENSIONS + 1],
            axis_of_rank: [[0; LANES]; MAX_DIMENSIONS + 1],
            barycentric: [[0.0; LANES]; MAX_DIMENSIONS + 1],
        }
    }

    /// Encloses at most [`LANES`] feature vectors of d values, `[lane, d]`. Returns the first lane
    /// and its coordinate of largest magnitude if one exceeds [`COORDINATE_LIMIT`].
    #[inline(always)]
    pub(crate) fn enclose(
        &mut self,
        features: &[f32],
        scales: &[f32],
        d: usize,
    ) -> Result<(), (usize, f32)> {
        let count = features.len() / d;
        // Lanes without a vector repeat the last one.
        let mut scaled = [[0.0f32; LANES]; MAX_DIMENSIONS];
        for lane in 0..LANES {
            let feature = &features[lane.min(count - 1) * d..][..d];
            for j in 0..d {
                scaled[j][lane] = feature[j] * scales[j];
            }
        }

        // Elevate: the feature in the hyperplane whose d + 1 coordinates sum to zero.
        let mut elevated = [[0.0f32; LANES]; MAX_DIMENSIONS + 1];
        let mut sum = [0.0f32; LANES];
        for j in (1..=d).rev() {
            for lane in 0..LANES {
                elevated[j][lane] = sum[lane] - j as f32 * scaled[j - 1][lane];
                sum[lane] += scaled[j - 1][lane];
            }
        }
        elevated[0] = sum;

        // The nearest point all of whose coordinates are multiples of d + 1.
        let up = (d + 1) as f32;
        let down = 1.0 / up;
        let mut surplus = [0.0f32; LANES];
        let mut largest = [0.0f32; LANES];
        let mut offset = [[0.0f32; LANES]; MAX_DIMENSIONS + 1];
        for i in 0..=d {
            for lane in 0..LANES {
                let value = elevated[i][lane];
                let multiple = (down * value).round_ties_even();
                self.origin[i][lane] = multiple * up;
                surplus[lane] += multiple;
                offset[i][lane] = value - multiple * up;
                if value.abs() > largest[lane].abs() {
                    largest[lane] = value;
                }
            }
        }
        if let Some(lane) = (0..count).find(|at| largest[*at].abs() > COORDINATE_LIMIT as f32) {
            return Err((lane, largest[lane]));
        }

        // Rank the axes by their distance from that point; ties go to the earlier axis.
        let mut rank = [[0i32; LANES]; MAX_DIMENSIONS + 1];
        for i in 0..d {
            for j in i + 1..=d {
                for lane in 0..LANES {
                    let behind = i32::from(offset[i][lane] < offset[j][lane]);
                    rank[i][lane] += behind;
                    rank[j][lane] += 1 - behind;
                }
            }
        }
        // Rounding may have left the plane (surplus ≠ 0): move the outermost axes back. The surplus
        // is at most (d + 1) / 2.
        let cycle = d as i32 + 1;
        let surplus = surplus.map(|surplus| surplus as i32);
        for i in 0..=d {
            for lane in 0..LANES {
                let moved = rank[i][lane] + surplus[lane];
                let back = i32::from(moved < 0) - i32::from(moved >= cycle);
                rank[i][lane] = moved + back * cycle;
                self.origin[i][lane] += back as f32 * up;
            }
        }

        let mut distance_of_rank = [[0.0f32; LANES]; MAX_DIMENSIONS + 1];
        for r in 0..=d {
            let (mut axis, mut distance) = ([0i32; LANES], [0.0f32; LANES]);
            for i in 0..=d {
                for lane in 0..LANES {
                    let here = rank[i][lane] == r as i32;
                    let own = (elevated[i][lane] - self.origin[i][lane]) * down;
                    axis[lane] = if here { i as i32 } else { axis[lane] };
                    distance[lane] = if here { own } else { distance[lane] };
                }
            }
            self.axis_of_rank[r] = axis;
            distance_of_rank[r] = distance;
        }
        for lane in 0..LANES {
            self.barycentric[0][lane] =
                distance_of_rank[d][lane] + (1.0 - distance_of_rank[0][lane]);
        }
        for corner in 1..=d {
            for lane in 0..LANES {
                self.barycentric[corner][lane] =
                    distance_of_rank[d - corner][lane] - distance_of_rank[d - corner + 1][lane];
            }
        }
        Ok(())
    }

    /// The weight of a corner.
    #[inline(always)]
    pub(crate) fn weight(&self, corner: usize, lane: usize) -> f32 {
        self.barycentric[corner][lane]
    }

    /// Key of corner 0.
    #[inline(always)]
    pub(crate) fn origin_key<const WORDS: usize>(&self, lane: usize, d: usize) -> Key<WORDS> {
        let mut key = [0; WORDS];
        for (axis, coordinate) in self.origin[..d].iter().enumerate() {
            let biased = (coordinate[lane] as i32 + 0x8000) as u64;
            key[axis / 4] |= biased << (16 * (axis % 4));
        }
        key
    }

    /// From corner r to corner r + 1 every coordinate grows by 1, but that of one axis by −d.
    /// Returns that axis; d itself is the implied one.
    #[inline(always)]
    pub(crate) fn falling_axis(&self, corner: usize, lane: usize, d: usize) -> usize {
        self.axis_of_rank[d - corner][lane] as usize
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
            for seed in 0..20u32 {
                let count = 1 + seed as usize % LANES;
                let features: Vec<f32> = (0..(count * d) as u32)
                    .map(|i| {
                        let hash = (seed * 31 + i + 1).wrapping_mul(2_654_435_761);
                        (hash >> 8) as f32 / (1 << 24) as f32 * 20.0 - 10.0
                    })
                    .collect();
                let mut simplices = Simplices::new();
                simplices.enclose(&features, &scales, d).unwrap();
                for (lane, feature) in features.chunks_exact(d).enumerate() {
                    let weights: Vec<f32> = (0..=d).map(|r| simplices.weight(r, lane)).collect();
                    assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                    assert!(weights.iter().all(|w| *w > -1e-4), "d {d}: {weights:?}");

                    let mut corner: Vec<f32> =
                        simplices.origin[..=d].iter().map(|o| o[lane]).collect();
                    let mut point = vec![0.0f32; d + 1];
                    for (r, weight) in weights.iter().enumerate() {
                        assert!(corner.iter().sum::<f32>().abs() < 1e-3);
                        for (p, c) in point.iter_mut().zip(&corner) {
                            *p += weight * c;
                        }
                        let falling = simplices.falling_axis(r, lane, d);
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
    }

    #[test]
    fn a_coordinate_too_far_out_is_named_with_its_lane() {
        let features = [1.0, 2.0, 3.0, 1e6, 5.0, 6.0];
        let (lane, coordinate) = Simplices::new()
            .enclose(&features, &axis_scales(2), 2)
            .unwrap_err();
        assert_eq!(lane, 1);
        assert!(coordinate.abs() > COORDINATE_LIMIT as f32);
    }

    #[test]
    fn lanes_hold_negative_coordinates() {
        let mut simplices = Simplices::new();
        simplices.origin[0][3] = -1.0;
        simplices.origin[4][3] = 3.0;
        let key: Key<2> = simplices.origin_key(3, 5);
        assert_eq!(key[0] & 0xffff, 0x7fff);
        assert_eq!(key[1] & 0xffff, 0x8003);
        let stepped = step(key, &ones(5), &lane(0, 6));
        assert_eq!(stepped[0] & 0xffff, 0x7ffa);
        assert_eq!(stepped[1] & 0xffff, 0x8004);
    }
}
