//! Embedding: the lattice simplices that enclose feature vectors, and their barycentric weights.
//!
//! Source: Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the Permutohedral Lattice",
//! 2010, section 3. Numbers follow the vectorised build of the densecrf reference: single
//! precision, coordinates rounded to the nearest multiple of d + 1, ties to even.
#![allow(clippy::needless_range_loop)] // One index for all arrays keeps loops over lanes legible, and vector code.

use crate::MAX_DIMENSIONS;
use crate::vectorized::LANES;

type Lanes<T> = [T; LANES];

/// Largest magnitude of a lattice coordinate: 16 bits, less room for a step in any direction.
pub(crate) const COORDINATE_LIMIT: i32 = 32_767 - 4 * (MAX_DIMENSIONS as i32 + 1);

/// The lattice coordinates of a vertex, packed as a [`Packing`] says. The coordinates sum to zero, so
/// the last of the d + 1 is implied and not stored.
pub(crate) type Key<const WORDS: usize> = [u64; WORDS];

/// `a + plus − minus`, coordinate by coordinate.
#[inline(always)]
pub(crate) fn step<const WORDS: usize>(
    a: Key<WORDS>,
    plus: &Key<WORDS>,
    minus: &Key<WORDS>,
) -> Key<WORDS> {
    std::array::from_fn(|w| a[w].wrapping_add(plus[w]).wrapping_sub(minus[w]))
}

/// Where each of the first d coordinates lies in a key. A coordinate is stored less its smallest
/// value, with room for steps to neighbours, so that none is negative and adding a constant never
/// carries into the next one.
#[derive(Debug, Clone)]
pub(crate) struct Packing {
    places: Vec<Place>,
    words: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    word: usize,
    shift: u32,
    /// The coordinate that is stored as 0.
    zero: i32,
}

impl Packing {
    /// For features whose value in each dimension lies in one of `ranges`: as many bits as the
    /// coordinates need, in one word if they fit there; else 16 bits each.
    pub(crate) fn new(ranges: &[[f32; 2]]) -> Self {
        let d = ranges.len();
        let scales = axis_scales(d);
        let scaled = |i: usize| ranges[i].map(|v| f64::from(v * scales[i]));
        // A vertex is less than d + 1 away from the feature that it belongs to, and a neighbour d
        // away from the vertex; rounding takes less than 1 more.
        let room = 2.0 * (d + 1) as f64 + 1.0;
        let mut places = Vec::with_capacity(d);
        let mut shift = 0;
        for axis in 0..d {
            // As `Simplices::enclose` elevates: the sum of the features from here on, less a
            // multiple of the one before.
            let [mut low, mut high] = [-room, room];
            for i in axis..d {
                let [l, h] = scaled(i);
                (low, high) = (low + l, high + h);
            }
            if axis > 0 {
                let [l, h] = scaled(axis - 1);
                (low, high) = (low - axis as f64 * h, high - axis as f64 * l);
            }
            let zero = low.floor().max(f64::from(i16::MIN));
            let span = (high.ceil().min(f64::from(i16::MAX)) - zero).max(1.0) as u32;
            let zero = zero as i32;
            places.push(Place {
                word: 0,
                shift,
                zero,
            });
            shift += u32::BITS - span.leading_zeros();
        }
        if shift <= u64::BITS {
            return Self { places, words: 1 };
        }
        let place = |axis| Place {
            word: axis / 4,
            shift: 16 * (axis % 4) as u32,
            zero: i32::from(i16::MIN),
        };
        Self {
            places: (0..d).map(place).collect(),
            words: d.div_ceil(4),
        }
    }

    /// Words of a key.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// The key with `value` in one coordinate and the stored 0 elsewhere; nothing for the implied one.
    fn lane<const WORDS: usize>(&self, axis: usize, value: u64) -> Key<WORDS> {
        let mut key = [0; WORDS];
        if let Some(place) = self.places.get(axis) {
            key[place.word] = value << place.shift;
        }
        key
    }
}

/// Ways from a vertex to others.
pub(crate) struct Steps<const WORDS: usize> {
    pub(crate) scales: Vec<f32>,
    pub(crate) packing: Packing,
    /// One in every coordinate.
    pub(crate) one: Key<WORDS>,
    /// d + 1 in one coordinate; nothing falls in the implied one.
    pub(crate) falls: Vec<Key<WORDS>>,
}

impl<const WORDS: usize> Steps<WORDS> {
    pub(crate) fn new(packing: Packing) -> Self {
        let d = packing.places.len();
        let one = (0..d).fold([0; WORDS], |key, axis| {
            step(key, &packing.lane(axis, 1), &[0; WORDS])
        });
        let fall = |axis| packing.lane(axis, d as u64 + 1);
        Self {
            scales: axis_scales(d),
            one,
            falls: (0..=d).map(fall).collect(),
            packing,
        }
    }
}

/// The scale of each axis that makes the blurred lattice a unit Gaussian in feature units.
pub(crate) fn axis_scales(dimensions: usize) -> Vec<f32> {
    let deviation = ((2.0f64 / 3.0).sqrt() * (dimensions + 1) as f64) as f32;
    (0..dimensions)
        .map(|i| (1.0 / (((i + 1) * (i + 2)) as f64).sqrt() * f64::from(deviation)) as f32)
        .collect()
}

/// The simplices around [`LANES`] feature vectors. Corner r is the vertex with remainder r (the
/// remainder of its coordinates modulo d + 1).
pub(crate) struct Simplices {
    /// Coordinates of corner 0, d + 1 of them.
    origin: [Lanes<f32>; MAX_DIMENSIONS + 1],
    /// The axis that holds each rank: that of rank 0 has the largest distance from corner 0.
    axis_of_rank: [Lanes<u32>; MAX_DIMENSIONS + 1],
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

    /// Encloses the feature vectors `[d]`, a vector a lane. Returns the first lane and its coordinate
    /// of largest magnitude if one exceeds [`COORDINATE_LIMIT`].
    #[inline(always)]
    pub(crate) fn enclose(
        &mut self,
        features: &[Lanes<f32>],
        scales: &[f32],
        d: usize,
    ) -> Result<(), (usize, f32)> {
        let mut scaled = [[0.0f32; LANES]; MAX_DIMENSIONS];
        for j in 0..d {
            for lane in 0..LANES {
                scaled[j][lane] = features[j][lane] * scales[j];
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
        let outside = |largest: &f32| largest.abs() > COORDINATE_LIMIT as f32;
        if largest.iter().fold(false, |any, l| any | outside(l))
            && let Some(lane) = largest.iter().position(outside)
        {
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

        // By masks: a branch for each lane takes several times as long.
        let mut own = [[0u32; LANES]; MAX_DIMENSIONS + 1];
        for i in 0..=d {
            for lane in 0..LANES {
                own[i][lane] = ((elevated[i][lane] - self.origin[i][lane]) * down).to_bits();
            }
        }
        let mut distance_of_rank = [[0.0f32; LANES]; MAX_DIMENSIONS + 1];
        for r in 0..=d {
            let (mut axis, mut distance) = ([0u32; LANES], [0u32; LANES]);
            for i in 0..=d {
                for lane in 0..LANES {
                    let here = u32::from(rank[i][lane] == r as i32).wrapping_neg();
                    axis[lane] |= i as u32 & here;
                    distance[lane] |= own[i][lane] & here;
                }
            }
            self.axis_of_rank[r] = axis;
            for lane in 0..LANES {
                distance_of_rank[r][lane] = f32::from_bits(distance[lane]);
            }
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

    /// The weights of a corner.
    #[inline(always)]
    pub(crate) fn weights(&self, corner: usize) -> &Lanes<f32> {
        &self.barycentric[corner]
    }

    /// The keys of all corners, `[d + 1]`.
    #[inline(always)]
    pub(crate) fn keys<const WORDS: usize>(
        &self,
        steps: &Steps<WORDS>,
        d: usize,
        keys: &mut [Lanes<Key<WORDS>>],
    ) {
        keys[0] = [[0; WORDS]; LANES];
        for (place, coordinates) in steps.packing.places.iter().zip(&self.origin[..d]) {
            for lane in 0..LANES {
                let stored = (coordinates[lane] as i32 - place.zero) as u64;
                keys[0][lane][place.word] |= stored << place.shift;
            }
        }
        // From corner r to corner r + 1 every coordinate grows by 1, but that of one axis by −d.
        for corner in 0..d {
            for lane in 0..LANES {
                let falling = self.axis_of_rank[d - corner][lane] as usize;
                keys[corner + 1][lane] =
                    step(keys[corner][lane], &steps.one, &steps.falls[falling]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feature vectors within ±10, `[d]`, a vector a lane.
    fn features(d: usize, seed: u32) -> Vec<Lanes<f32>> {
        let value = |i: usize| {
            let hash = (seed * 31 + i as u32 + 1).wrapping_mul(2_654_435_761);
            (hash >> 8) as f32 / (1 << 24) as f32 * 20.0 - 10.0
        };
        (0..d)
            .map(|j| std::array::from_fn(|lane| value(j * LANES + lane)))
            .collect()
    }

    /// The weighted corners must give back the elevated point, and the weights must be a
    /// partition of one.
    #[test]
    fn corners_reproduce_the_point() {
        for d in [1usize, 2, 3, 5, 8, 32] {
            let scales = axis_scales(d);
            for seed in 0..20u32 {
                let features = features(d, seed);
                let mut simplices = Simplices::new();
                simplices.enclose(&features, &scales, d).unwrap();
                for lane in 0..LANES {
                    let weights: Vec<f32> = (0..=d).map(|r| simplices.weights(r)[lane]).collect();
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
                        let falling = simplices.axis_of_rank[d - r][lane] as usize;
                        for (axis, c) in corner.iter_mut().enumerate() {
                            *c += if axis == falling { -(d as f32) } else { 1.0 };
                        }
                    }
                    let mut sum = 0.0;
                    for j in (1..=d).rev() {
                        let scaled = features[j - 1][lane] * scales[j - 1];
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
        for far in [1e6, f32::INFINITY] {
            let mut features = [[1.0; LANES], [2.0; LANES]];
            features[1][3] = far;
            let (lane, coordinate) = Simplices::new()
                .enclose(&features, &axis_scales(2), 2)
                .unwrap_err();
            assert_eq!(lane, 3);
            assert!(coordinate.is_nan() || coordinate.abs() > COORDINATE_LIMIT as f32);
        }
    }

    /// Keys of all corners and of their neighbours hold the coordinates, in one word and in several.
    #[test]
    fn keys_hold_coordinates() {
        fn check<const WORDS: usize>(packing: Packing, features: &[Lanes<f32>]) {
            let d = features.len();
            let steps = Steps::<WORDS>::new(packing);
            let mut simplices = Simplices::new();
            simplices.enclose(features, &steps.scales, d).unwrap();
            let mut keys = vec![[[0; WORDS]; LANES]; d + 1];
            simplices.keys(&steps, d, &mut keys);
            let places = &steps.packing.places;
            let stored = |key: &Key<WORDS>, axis: usize| {
                let bits = match places.get(axis + 1) {
                    Some(next) if next.word == places[axis].word => next.shift - places[axis].shift,
                    _ if WORDS > 1 => 16,
                    _ => 64 - places[axis].shift,
                };
                let value = key[places[axis].word] >> places[axis].shift;
                (value & (u64::MAX >> (64 - bits))) as i32 + places[axis].zero
            };
            for lane in 0..LANES {
                let mut corner: Vec<i32> = simplices.origin[..=d]
                    .iter()
                    .map(|o| o[lane] as i32)
                    .collect();
                for r in 0..=d {
                    let neighbour = step(keys[r][lane], &steps.falls[0], &steps.one);
                    for axis in 0..d {
                        assert_eq!(stored(&keys[r][lane], axis), corner[axis]);
                        let away = if axis == 0 { d as i32 } else { -1 };
                        assert_eq!(stored(&neighbour, axis), corner[axis] + away);
                    }
                    let falling = simplices.axis_of_rank[d - r][lane] as usize;
                    for (axis, c) in corner.iter_mut().enumerate() {
                        *c += if axis == falling { -(d as i32) } else { 1 };
                    }
                }
            }
        }
        for seed in 0..20 {
            let features = features(5, seed);
            let near = Packing::new(&[[-10.0, 10.0]; 5]);
            assert_eq!(near.words(), 1);
            check::<1>(near, &features);
            let far = Packing::new(&[[-3000.0, 3000.0]; 5]);
            assert_eq!(far.words(), 2);
            check::<2>(far, &features);
        }
    }
}
