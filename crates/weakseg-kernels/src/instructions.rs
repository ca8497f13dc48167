//! Loops compiled for each instruction set, the best of which is chosen at run time.
//!
//! The crate is compiled for the target's baseline (SSE2 on x86-64). What [`per_instruction_set`]
//! defines is compiled again for AVX2 and AVX-512. None of them contracts a product and a sum to one
//! rounding, and no loop sums in an order that depends on the vectors: the bytes are the same on all.
//! (Products of convolutions are another matter: [`crate::tile`].)

use std::sync::OnceLock;

/// An instruction set that this machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instructions(Set);

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// The target's baseline.
    Portable,
    /// AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F and DQ.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// The best set this machine runs.
    pub fn detect() -> Self {
        static BEST: OnceLock<Instructions> = OnceLock::new();
        *BEST.get_or_init(|| {
            *Self::available()
                .last()
                .expect("portable code runs anywhere")
        })
    }

    /// Every set this machine runs, the slowest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut sets = vec![Set::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                sets.push(Set::Avx2);
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                sets.push(Set::Avx512);
            }
        }
        sets.into_iter().map(Self).collect()
    }

    /// Which it is.
    #[inline(always)]
    pub fn set(self) -> Set {
        self.0
    }
}

/// Defines a function whose body is compiled for each instruction set; its first argument chooses.
/// Generic parameters stand in brackets behind the name. What the body calls has to be
/// `#[inline(always)]` or a small closure: what is not inlined is compiled for the baseline. The
/// contract of an `unsafe fn` is the body's, which nobody else can call.
macro_rules! per_instruction_set {
    (
        // `never` is there because what may be repeated needs a variable.
        $(#[$attribute:meta])*
        $visibility:vis $(unsafe $($never:lifetime)?)? fn $name:ident[$($generic:tt)*]($($argument:ident: $type:ty),* $(,)?)
        $(-> $output:ty)? $body:block
    ) => {
        $(#[$attribute])*
        #[allow(unsafe_code)] // Calls of functions with target features, behind their detection.
        $visibility $(unsafe $($never)?)? fn $name<$($generic)*>(
            set: $crate::instructions::Instructions,
            $($argument: $type),*
        ) $(-> $output)? {
            #[inline(always)]
            fn portable<$($generic)*>($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2<$($generic)*>($($argument: $type),*) $(-> $output)? {
                portable($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq")]
            fn avx512<$($generic)*>($($argument: $type),*) $(-> $output)? {
                portable($($argument),*)
            }

            match set.set() {
                $crate::instructions::Set::Portable => portable($($argument),*),
                // SAFETY: `Instructions` are only made where the machine has these.
                #[cfg(target_arch = "x86_64")]
                $crate::instructions::Set::Avx2 => unsafe { avx2($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::instructions::Set::Avx512 => unsafe { avx512($($argument),*) },
            }
        }
    };
}
pub(crate) use per_instruction_set;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::{self, Channels};
    use crate::nearest::{self, Growth};
    use crate::norm::{self, BatchNorm, NormOptions, Upstream};
    use crate::pairs::PairLabels;
    use crate::pairs::sums::{self, Maps};
    use crate::path::PathIndex;
    use crate::pool::{self, PoolOptions};
    use crate::walk::{self, WalkOptions};
    use crate::{elementwise, gate};

    const SHAPE: [usize; 4] = [2, 3, 19, 23];

    fn numbers(count: usize, seed: f32) -> Vec<f32> {
        (0..count).map(|at| (at as f32 * seed).sin()).collect()
    }

    /// Results of what is compiled for each set, but of convolutions, whose tests try each.
    fn all(set: Instructions) -> Vec<Vec<f32>> {
        let sizes = Channels::of(SHAPE);
        let (channels, plane) = (sizes.channels, sizes.plane);
        let (x, up) = (numbers(sizes.len(), 1.7), numbers(sizes.len(), 0.6));
        let (gamma, beta) = (numbers(channels, 0.3), numbers(channels, 0.9));
        let norm = BatchNorm {
            sizes,
            gamma: &gamma,
            beta: &beta,
            options: NormOptions {
                epsilon: 1e-5,
                relu: true,
            },
        };
        let mut found = Vec::new();
        let (y, statistics) = norm.forward(set, &x);
        for channel in &statistics {
            found.push(vec![channel.mean, channel.variance]);
        }
        let mut own = up.clone();
        found.extend(norm.backward(set, &x, &statistics, Upstream::Own(&mut own)));
        let mut other = vec![0.0; x.len()];
        found.extend(norm.backward(set, &x, &statistics, Upstream::Other(&up, &mut other)));
        assert_eq!(own, other);
        let (sum, _) = norm.forward_with(set, &x, &up);
        let mut onto = up.clone();
        norm.forward_onto(set, &x, &mut onto);
        assert_eq!(sum, onto);
        let mut gated = up.clone();
        let upstream = Upstream::Own(&mut gated);
        let (gradient, vectors) = norm.backward_with(set, &x, &statistics, &sum, upstream);
        found.extend(vectors);
        let upstream = Upstream::Other(&up, &mut other);
        assert_eq!(
            norm.backward_with(set, &x, &statistics, &sum, upstream).0,
            gradient
        );
        assert_eq!(gated, other);
        found.extend([y, own, sum, gradient, gated]);
        found.push(channels::sums(set, &x, sizes));
        let maps = norm::affine(&gamma, &beta, true);
        for sums in norm::gradient_sums(set, &x, &up, &maps, sizes) {
            found.push(sums.map(|sum| sum as f32).to_vec());
        }
        let output = |at: usize| move |x| maps_output(at, x);
        let mut updated = x.clone();
        elementwise::update(set, &mut updated, plane, output);
        assert_eq!(updated, elementwise::map(set, &x, plane, output));
        let product = |at: usize| move |a: f32, b: f32| a * b + at as f32;
        let mut zipped = x.clone();
        elementwise::zip_update(set, &mut zipped, &up, plane, product);
        assert_eq!(zipped, elementwise::zip_map(set, &x, &up, plane, product));
        found.extend([updated, zipped]);
        let gates = numbers(6, 0.4);
        let mut own = up.clone();
        found.push(gate::backward(
            set,
            &x,
            &gates,
            plane,
            Upstream::Own(&mut own),
        ));
        let upstream = Upstream::Other(&up, &mut other);
        found.push(gate::backward(set, &x, &gates, plane, upstream));
        assert_eq!(own, other);
        found.extend([own, gate::means(set, &x, plane)]);
        for to in [[38, 46], [40, 31]] {
            let growth = Growth::new(SHAPE, to, 1);
            let skip = numbers(2 * to[0] * to[1], 0.2);
            let grown = nearest::forward(set, &x, &skip, growth);
            found.extend([nearest::backward(set, &grown, growth), grown]);
        }
        for options in [
            PoolOptions::new(2, 2, 0),
            PoolOptions::new(3, 2, 1),
            PoolOptions::new(3, 1, 1),
            PoolOptions::new(4, 3, 2).with_ceil(),
        ] {
            let size = [SHAPE[2], SHAPE[3]];
            let pooled = pool::forward(set, &x, 6, size, &options);
            found.extend([pool::backward(set, &x, 6, size, &options, &pooled), pooled]);
        }
        found.extend(sums_of_pairs(set));
        let (maps, edges) = (numbers(2 * 9 * 70, 0.7), numbers(9 * 70, 1.3));
        let edges: Vec<f32> = edges.iter().map(|edge| edge * edge).collect();
        let options = WalkOptions::default();
        let walked = walk::walked(set, &maps, &edges, [9, 70], &options, || false);
        found.push(walked.expect("not stopped"));
        found
    }

    /// Of maps whose rows hold wide, narrow and single pairs.
    fn sums_of_pairs(set: Instructions) -> Vec<Vec<f32>> {
        const SHAPE: [usize; 3] = [2, 6, 50];
        let count = SHAPE.iter().product();
        let labels: Vec<u8> = (0..count)
            .map(|at| [0, 1, 255, 1, 2, 0, 0][at * 3 / 2 % 7])
            .collect();
        let edge: Vec<f32> = numbers(count, 1.7).iter().map(|x| 0.5 + 0.5 * x).collect();
        let maps = Maps {
            edge: &edge,
            displacement: &numbers(2 * count, 0.6),
            labels: &PairLabels::new(&labels, SHAPE, &PathIndex::new(4)),
        };
        let [edge, displacement] = sums::backward(set, &maps, [0.5, -1.0, 2.0, 0.3, 1.5]);
        vec![sums::forward(set, &maps).to_vec(), edge, displacement]
    }

    fn maps_output(at: usize, x: f32) -> f32 {
        crate::relu::rectified(x * 3.0 - at as f32, 0.0)
    }

    #[test]
    fn every_set_gives_the_same_bytes() {
        let bytes = |set| -> Vec<Vec<u32>> {
            let found = all(set).into_iter();
            found
                .map(|values| values.into_iter().map(f32::to_bits).collect())
                .collect()
        };
        let sets = Instructions::available();
        let portable = bytes(sets[0]);
        for set in &sets[1..] {
            assert_eq!(bytes(*set), portable, "{set:?}");
        }
    }
}
