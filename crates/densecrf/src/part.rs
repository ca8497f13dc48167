//! Some consecutive pixels and the vertices around them: splat and slice.

use crate::vectorized::{LANES, Lanes, each};

/// Most vertices of a part: as many as 16 bits number.
pub(crate) const MOST: usize = 1 << 16;

/// Some consecutive pixels, in blocks of [`LANES`]. A part numbers the vertices it touches itself, in
/// 16 bits, and what it sends them or receives from them lies side by side: splat and slice run
/// within the cache.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// The vertices that the part touches, in the order of their first appearance.
    pub(crate) vertices: Vec<u32>,
    /// The corners of each pixel's simplex, `[block][d + 1]`: places among the vertices, and weights.
    /// Lanes beyond the last pixel have the weight 0.
    pub(crate) corners: Vec<[u16; LANES]>,
    pub(crate) weights: Vec<Lanes>,
}

/// Values of a part's vertices, `C` each; every place has some, so none needs a check.
pub(crate) type Places<const C: usize> = [[f32; C]; MOST];

/// Runs `$body` with `$corners` a literal for the usual counts, so that loops over it unroll.
macro_rules! with_corners {
    ($corners:ident, $body:expr) => {
        match $corners {
            3 => {
                let $corners = 3;
                $body
            }
            6 => {
                let $corners = 6;
                $body
            }
            _ => $body,
        }
    };
}

impl Part {
    /// Places and weights of a block's corners.
    #[inline(always)]
    fn block(&self, block: usize, corners: usize) -> impl Iterator<Item = (&[u16; LANES], &Lanes)> {
        let places = &self.corners[block * corners..][..corners];
        places
            .iter()
            .zip(&self.weights[block * corners..][..corners])
    }

    /// The sums over each pixel's corners, for one block.
    #[inline(always)]
    pub(crate) fn slice<const C: usize>(
        &self,
        block: usize,
        corners: usize,
        from: &Places<C>,
    ) -> [Lanes; C] {
        let mut sums = [[0.0; LANES]; C];
        with_corners!(corners, {
            for (places, weights) in self.block(block, corners) {
                for (c, sums) in sums.iter_mut().enumerate() {
                    let values = each!(LANES, lane => from[usize::from(places[lane])][c]);
                    *sums = each!(LANES, lane => sums[lane] + weights[lane] * values[lane]);
                }
            }
        });
        sums
    }

    /// Adds each pixel's values to its corners, for one block.
    #[inline(always)]
    pub(crate) fn splat<const C: usize>(
        &self,
        block: usize,
        corners: usize,
        values: &[Lanes; C],
        to: &mut Places<C>,
    ) {
        with_corners!(corners, {
            for (places, weights) in self.block(block, corners) {
                let mut products = [[0.0; LANES]; C];
                for (products, values) in products.iter_mut().zip(values) {
                    *products = each!(LANES, lane => weights[lane] * values[lane]);
                }
                for (lane, place) in places.iter().enumerate() {
                    let to = &mut to[usize::from(*place)];
                    *to = each!(C, c => to[c] + products[c][lane]);
                }
            }
        });
    }

    /// [`slice`](Self::slice) for one pixel, its values side by side.
    #[inline(always)]
    pub(crate) fn slice_row<const C: usize>(
        &self,
        [block, lane]: [usize; 2],
        corners: usize,
        from: &[[f32; C]],
    ) -> [f32; C] {
        let mut sums = [0.0; C];
        with_corners!(corners, {
            for (places, weights) in self.block(block, corners) {
                let (from, weight) = (&from[usize::from(places[lane])], weights[lane]);
                sums = each!(C, c => sums[c] + weight * from[c]);
            }
        });
        sums
    }

    /// [`splat`](Self::splat) for one pixel, its values side by side.
    #[inline(always)]
    pub(crate) fn splat_row<const C: usize>(
        &self,
        [block, lane]: [usize; 2],
        corners: usize,
        values: &[f32; C],
        to: &mut [[f32; C]],
    ) {
        with_corners!(corners, {
            for (places, weights) in self.block(block, corners) {
                let (to, weight) = (&mut to[usize::from(places[lane])], weights[lane]);
                *to = each!(C, c => to[c] + weight * values[c]);
            }
        });
    }
}

/// `to += weight · from`.
#[inline(always)]
pub(crate) fn add_product(to: &mut [f32], weight: f32, from: &[f32]) {
    combine(to, from, |to, from| to + weight * from);
}

/// Each value of `to` from itself and that of `from`; fast for multiples of 8.
#[inline(always)]
pub(crate) fn combine(to: &mut [f32], from: &[f32], make: impl Fn(f32, f32) -> f32) {
    let (wide_to, to) = to.as_chunks_mut::<16>();
    let (wide_from, from) = from.as_chunks::<16>();
    for (to, from) in wide_to.iter_mut().zip(wide_from) {
        // All are read before any is written, which makes one vector of them.
        *to = each!(16, at => make(to[at], from[at]));
    }
    let (wide_to, to) = to.as_chunks_mut::<8>();
    let (wide_from, from) = from.as_chunks::<8>();
    for (to, from) in wide_to.iter_mut().zip(wide_from) {
        *to = each!(8, at => make(to[at], from[at]));
    }
    for (to, from) in to.iter_mut().zip(from) {
        *to = make(*to, *from);
    }
}
