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

    /// [`slice`](Self::slice), the values of a pixel side by side.
    #[inline(always)]
    pub(crate) fn slice_rows<const C: usize>(
        &self,
        block: usize,
        corners: usize,
        from: &[[f32; C]],
    ) -> [[f32; C]; LANES] {
        let mut sums = [[0.0; C]; LANES];
        match corners {
            3 => self.slice_few::<C, 3>(block, from, &mut sums),
            6 => self.slice_few::<C, 6>(block, from, &mut sums),
            _ => {
                for (places, weights) in self.block(block, corners) {
                    for (sums, (place, weight)) in sums.iter_mut().zip(places.iter().zip(weights)) {
                        let from = &from[usize::from(*place)];
                        *sums = each!(C, c => sums[c] + weight * from[c]);
                    }
                }
            }
        }
        sums
    }

    /// [`slice_rows`](Self::slice_rows) for a literal number of corners.
    #[inline(always)]
    fn slice_few<const C: usize, const N: usize>(
        &self,
        block: usize,
        from: &[[f32; C]],
        out: &mut [[f32; C]; LANES],
    ) {
        let places = &self.corners.as_chunks::<N>().0[block];
        let weights = &self.weights.as_chunks::<N>().0[block];
        for (lane, out) in out.iter_mut().enumerate() {
            // All checks come before the sums, which then stay in registers.
            let mut rows = [&[0.0; C]; N];
            for (row, places) in rows.iter_mut().zip(places) {
                *row = &from[usize::from(places[lane])];
            }
            let mut sums = [0.0; C];
            for (row, weights) in rows.iter().zip(weights) {
                sums = each!(C, c => sums[c] + weights[lane] * row[c]);
            }
            *out = sums;
        }
    }

    /// [`splat`](Self::splat), the values of a pixel side by side.
    #[inline(always)]
    pub(crate) fn splat_rows<const C: usize>(
        &self,
        block: usize,
        corners: usize,
        values: &[[f32; C]; LANES],
        to: &mut [[f32; C]],
    ) {
        match corners {
            3 => self.splat_few::<C, 3>(block, values, to),
            6 => self.splat_few::<C, 6>(block, values, to),
            _ => {
                for (places, weights) in self.block(block, corners) {
                    for (values, (place, weight)) in values.iter().zip(places.iter().zip(weights)) {
                        let to = &mut to[usize::from(*place)];
                        *to = each!(C, c => to[c] + weight * values[c]);
                    }
                }
            }
        }
    }

    /// [`splat_rows`](Self::splat_rows) for a literal number of corners.
    #[inline(always)]
    fn splat_few<const C: usize, const N: usize>(
        &self,
        block: usize,
        values: &[[f32; C]; LANES],
        to: &mut [[f32; C]],
    ) {
        let places = &self.corners.as_chunks::<N>().0[block];
        let weights = &self.weights.as_chunks::<N>().0[block];
        for (lane, values) in values.iter().enumerate() {
            for (places, weights) in places.iter().zip(weights) {
                let (to, weight) = (&mut to[usize::from(places[lane])], weights[lane]);
                *to = each!(C, c => to[c] + weight * values[c]);
            }
        }
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
