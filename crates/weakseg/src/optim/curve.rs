//! The curves that learning rates follow: factors on the base rate, as pure functions of a time that counts from 0.

/// (1 − t/T)^power, 0 from T on; `torch.optim.lr_scheduler.PolynomialLR`.
pub fn poly(t: usize, total: usize, power: f64) -> f64 {
    (1.0 - share(t, total)).powf(power)
}

/// gamma^⌊epoch / every⌋, epochs counted from 0; `StepLR`.
pub fn step(epoch: usize, every: usize, gamma: f64) -> f64 {
    gamma.powi(i32::try_from(epoch / every.max(1)).unwrap_or(i32::MAX))
}

/// (1 + cos(π·t/T)) / 2, 0 from T on; `CosineAnnealingLR` without its floor.
pub fn cosine(t: usize, total: usize) -> f64 {
    (1.0 + (std::f64::consts::PI * share(t, total)).cos()) / 2.0
}

/// Where `t` stands among periods that follow each other, each `longer` times as long as the one before: finished
/// periods, time within the one under way, its length. Both numbers are taken as at least 1.
pub fn restarts(t: usize, period: usize, longer: usize) -> (usize, usize, usize) {
    let (mut time, mut length, mut finished) = (t, period.max(1), 0);
    if longer <= 1 {
        return (time / length, time % length, length);
    }
    while time >= length {
        time -= length;
        length = length.saturating_mul(longer);
        finished += 1;
    }
    (finished, time, length)
}

/// (t + 1) / steps, 1 from the last of the steps on; `LinearLR(start_factor=1/steps, total_iters=steps-1)`.
pub fn warm_up(t: usize, steps: usize) -> f64 {
    if t + 1 >= steps {
        1.0
    } else {
        (t + 1) as f64 / steps as f64
    }
}

/// t / T within 0..=1; a schedule of length 0 stands at its start.
fn share(t: usize, total: usize) -> f64 {
    if total == 0 {
        0.0
    } else {
        (t as f64 / total as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn cosine_half_way() {
        assert!(close(cosine(0, 8), 1.0) && close(cosine(4, 8), 0.5) && close(cosine(8, 8), 0.0));
        assert!(close(cosine(2, 8), (1.0 + 0.5f64.sqrt()) / 2.0));
    }

    #[test]
    fn poly_ends_at_nought() {
        assert!(close(poly(40, 40, 0.9), 0.0) && close(poly(41, 40, 0.9), 0.0));
        assert_eq!(poly(3, 0, 0.9), 1.0);
    }

    #[test]
    fn periods_grow() {
        let at = |t| restarts(t, 2, 3);
        assert_eq!([at(0), at(1), at(2)], [(0, 0, 2), (0, 1, 2), (1, 0, 6)]);
        assert_eq!([at(7), at(8)], [(1, 5, 6), (2, 0, 18)]);
        assert_eq!(restarts(7, 3, 1), (2, 1, 3));
        assert_eq!(restarts(5, 0, 0), (5, 0, 1));
    }

    #[test]
    fn warm_up_reaches_one() {
        assert_eq!(
            [0, 1, 2, 3, 4].map(|t| warm_up(t, 4)),
            [0.25, 0.5, 0.75, 1.0, 1.0]
        );
        assert_eq!(warm_up(0, 0), 1.0);
    }
}
