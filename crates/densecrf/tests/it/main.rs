//! Tests of the public interface.

mod fixtures;
mod laws;
mod limits;
mod oracle;
mod versus_exact;

use densecrf::{CrfError, DenseCrf, Marginals, Unary};

/// Runs the pipeline that the fixtures use: gt_prob 0.7, no unsure label.
fn refine(crf: &DenseCrf, map: &[u8], labels: usize, iterations: usize) -> Marginals {
    let unary = Unary::from_labels(map, labels, 0.7, false).expect("labels are below K");
    crf.infer(&unary, iterations).expect("sizes agree")
}

fn error<T: std::fmt::Debug>(result: Result<T, CrfError>) -> CrfError {
    result.expect_err("this input has no defined result")
}

/// Largest absolute difference.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|v| v.is_finite()));
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// A number in 0..1 that looks like chance: a hash of `i`.
fn hashed(i: usize) -> f32 {
    let h = (i as u32).wrapping_mul(2_654_435_761) ^ 0x5bd1_e995;
    let h = (h ^ (h >> 15)).wrapping_mul(0x85eb_ca6b);
    ((h ^ (h >> 13)) >> 8) as f32 / (1 << 24) as f32
}
