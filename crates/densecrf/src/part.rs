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

    /// [`slice`](Self::slice) for one pixel of many values.
    #[inline(always)]
    pub(crate) fn slice_row(
        &self,
        [block, lane]: [usize; 2],
        corners: usize,
        from: &[f32],
        row: &mut [f32],
    ) {
        let channels = row.len();
        with_corners!(corners, {
            let (wide, rest) = row.as_chunks_mut::<16>();
            let first = wide.len() * 16;
            for (group, out) in wide.iter_mut().enumerate() {
                let mut sums = [0.0; 16];
                for (places, weights) in self.block(block, corners) {
                    let at = usize::from(places[lane]) * channels + 16 * group;
                    let (from, weight) = (&from[at..at + 16], weights[lane]);
                    sums = each!(16, c => sums[c] + weight * from[c]);
                }
                *out = sums;
            }
            for (group, out) in rest.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let mut sums = [0.0; 8];
                for (places, weights) in self.block(block, corners) {
                    let at = usize::from(places[lane]) * channels + first + 8 * group;
                    let (from, weight) = (&from[at..at + 8], weights[lane]);
                    sums = each!(8, c => sums[c] + weight * from[c]);
                }
                *out = sums;
            }
        });
    }

    /// [`splat`](Self::splat) for one pixel of many values.
    #[inline(always)]
    pub(crate) fn splat_row(
        &self,
        [block, lane]: [usize; 2],
        corners: usize,
        row: &[f32],
        to: &mut [f32],
    ) {
        with_corners!(corners, {
            for (places, weights) in self.block(block, corners) {
                let (at, weight) = (usize::from(places[lane]) * row.len(), weights[lane]);
                add_product(&mut to[at..at + row.len()], weight, row);
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
