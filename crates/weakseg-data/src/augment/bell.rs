//! Means weighted by a Gaussian, of images that are blurred and of the noise that bends them.

/// Weights of a Gaussian, which sum to 1.
pub(super) fn bell(sigma: f64, radius: usize) -> Vec<f32> {
    let weights: Vec<f64> = (0..=2 * radius)
        .map(|at| at as f64 - radius as f64)
        .map(|distance| (-distance * distance / (2.0 * sigma * sigma)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

/// Sums of `line(tap)` times the weight of the tap, for as many values as `out` has. A block of them is summed over all
/// taps at a time, so that its sums stay in registers.
#[inline(always)]
pub(super) fn weigh<'a>(out: &mut [f32], weights: &[f32], line: impl Fn(usize) -> &'a [f32]) {
    const BLOCK: usize = 64;
    let Some(last) = out.len().checked_sub(BLOCK) else {
        for (place, out) in out.iter_mut().enumerate() {
            let taps = weights.iter().enumerate();
            *out = taps.map(|(tap, weight)| weight * line(tap)[place]).sum();
        }
        return;
    };
    for first in (0..out.len()).step_by(BLOCK) {
        // The last block reaches back over some of what is done, so that nothing is left for slower code.
        let first = first.min(last);
        let mut sums = [0.0_f32; BLOCK];
        for (tap, weight) in weights.iter().enumerate() {
            let values = &line(tap)[first..][..BLOCK];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        out[first..][..BLOCK].copy_from_slice(&sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows shorter than a block, of whole blocks, and of a block and a part.
    #[test]
    fn every_value_is_the_sum_over_its_taps() {
        let weights = bell(0.7, 2);
        for length in [1, 63, 64, 65, 128, 200] {
            let values: Vec<f32> = (0..length + 4).map(|at| (at * at % 37) as f32).collect();
            let mut out = vec![0.0; length];
            weigh(&mut out, &weights, |tap| &values[tap..]);
            for (got, values) in out.iter().zip(values.windows(5)) {
                let sum: f32 = values.iter().zip(&weights).map(|(v, w)| v * w).sum();
                assert_eq!(*got, sum, "{length}");
            }
        }
    }

    #[test]
    fn weights_are_those_of_the_formula() {
        let weights = bell(1.0, 1);
        // exp(-1/2) beside 1.
        let side = (-0.5_f32).exp();
        for (got, expected) in weights.iter().zip([side, 1.0, side]) {
            assert!((got - expected / (1.0 + 2.0 * side)).abs() < 1e-7);
        }
    }
}
