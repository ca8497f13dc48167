//! Sums in f64 of f32 terms, in an order that their number alone decides.

/// Interleaved parts of a sum: enough that an addition need not wait for the one before.
const LANES: usize = 32;

/// Values whose terms are made before they are added.
const BLOCK: usize = 256;

/// Σ p and Σ p·q.
#[derive(Debug, Clone)]
pub(crate) struct PairSums {
    first: [f64; LANES],
    second: [f64; LANES],
}

impl PairSums {
    /// Of nothing.
    #[inline(always)]
    pub fn new() -> Self {
        Self {
            first: [0.0; LANES],
            second: [0.0; LANES],
        }
    }

    /// Adds the p and q that `terms` makes of each pair of values.
    ///
    /// Block by block: the terms first, then their sums, each loop simple enough to become vector
    /// code. (In one loop ReLU's mask becomes a branch for each value, mispredicted half the time.)
    #[inline(always)]
    pub fn add(&mut self, a: &[f32], b: &[f32], terms: impl Fn(f32, f32) -> [f32; 2]) {
        let (mut own, mut product) = ([0.0; BLOCK], [0.0; BLOCK]);
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            let (own, product) = (&mut own[..a.len()], &mut product[..a.len()]);
            let inputs = a.iter().zip(b);
            for ((own, product), (a, b)) in own.iter_mut().zip(product.iter_mut()).zip(inputs) {
                let [p, q] = terms(*a, *b);
                *own = p;
                *product = p * q;
            }
            add_to_lanes(&mut self.first, own);
            add_to_lanes(&mut self.second, product);
        }
    }

    /// Both sums.
    #[inline(always)]
    pub fn totals(&self) -> [f64; 2] {
        [self.first.iter().sum(), self.second.iter().sum()]
    }
}

/// The sum of some values.
#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    add_to_lanes(&mut lanes, values);
    lanes.iter().sum()
}

#[inline(always)]
fn add_to_lanes(lanes: &mut [f64; LANES], values: &[f32]) {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = *lanes;
    for chunk in chunks {
        for (lane, value) in sums.iter_mut().zip(chunk) {
            *lane += f64::from(*value);
        }
    }
    for (lane, value) in sums.iter_mut().zip(rest) {
        *lane += f64::from(*value);
    }
    *lanes = sums;
}
