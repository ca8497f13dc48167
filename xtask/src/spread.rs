//! What repeated measurements say.

use std::fmt;

/// Values, shown as `median [least greatest]`, with one decimal or as many as are asked for.
pub struct Spread(pub Vec<f64>);

impl Spread {
    /// Of `a` over `b`, pair by pair.
    pub fn of_ratios(a: &[f64], b: &[f64]) -> Self {
        Self(a.iter().zip(b).map(|(a, b)| a / b).collect())
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(1);
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.0.iter().copied().fold(0.0, f64::max);
        let middle = median(&self.0);
        write!(
            f,
            "{middle:.decimals$} [{least:.decimals$} {greatest:.decimals$}]"
        )
    }
}

/// The middle value.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_spread_has_as_many_decimals_as_asked_for() {
        let spread = Spread::of_ratios(&[3.0, 2.0, 5.0], &[2.0, 4.0, 2.0]);
        assert_eq!(spread.to_string(), "1.5 [0.5 2.5]");
        assert_eq!(format!("{spread:.2}"), "1.50 [0.50 2.50]");
    }
}
