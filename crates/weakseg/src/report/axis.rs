//! Axes with round ticks.

/// An axis from values to a length on the page.
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// The values that have a tick, rising.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// Covers `low..=high` with round ticks. Logarithmic where the values are positive and span a
    /// factor of 50 or more.
    pub fn around(low: f64, high: f64) -> Self {
        if low > 0.0 && high / low >= 50.0 {
            let ends = [low.log10().floor(), high.log10().ceil()];
            let decades = (ends[1] - ends[0]) as i32;
            let every = (decades / 4).max(1) as usize;
            let ticks = (0..=decades)
                .step_by(every)
                .map(|d| 10f64.powf(ends[0] + f64::from(d)));
            return Axis {
                low: ends[0],
                high: ends[1],
                log: true,
                ticks: ticks.collect(),
            };
        }
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        };
        let step = round_step((high - low) / 4.0);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let ticks = (0..=(last - first) as i32)
            .map(|i| (first + f64::from(i)) * step)
            .collect();
        Axis {
            low: first * step,
            high: last * step,
            log: false,
            ticks,
        }
    }

    /// Covers the epochs `low..=high` with whole ticks and no room beyond.
    pub fn epochs(low: f64, high: f64) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - 1.0, high + 1.0)
        };
        let step = round_step((high - low) / 6.0).max(1.0);
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let ticks = (first..=last).map(|i| i as f64 * step).collect();
        Axis {
            low,
            high,
            log: false,
            ticks,
        }
    }

    /// The place of a value, 0 at the low end and 1 at the high end.
    pub fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        (value - self.low) / (self.high - self.low)
    }

    /// The ticks with their labels, all in one form.
    pub fn labels(&self) -> Vec<(f64, String)> {
        let size = self
            .ticks
            .iter()
            .fold(0.0, |size: f64, t| size.max(t.abs()));
        let powers = self.log && self.ticks.iter().any(|t| *t < 1e-2);
        let form = |&tick: &f64| {
            let exponent = powers || !(1e-2..1e5).contains(&size);
            (
                tick,
                if exponent && tick != 0.0 {
                    format!("{tick:.0e}")
                } else {
                    plain(tick)
                },
            )
        };
        self.ticks.iter().map(form).collect()
    }
}

/// A number without digits of rounding.
fn plain(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// The least of 1, 2, 5, 10, … × a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let leading = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|m| m * power >= step * 0.999);
    leading.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> String {
        let labels: Vec<String> = axis.labels().into_iter().map(|(_, label)| label).collect();
        labels.join(" ")
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        assert_eq!(labels(&Axis::around(0.13, 0.87)), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(labels(&Axis::around(-0.3, 0.4)), "-0.4 -0.2 0 0.2 0.4");
        assert_eq!(labels(&Axis::around(0.0, 7e-4)), "0 2e-4 4e-4 6e-4 8e-4");
        assert_eq!(labels(&Axis::epochs(1.0, 50.0)), "10 20 30 40 50");
    }

    #[test]
    fn wide_ranges_are_logarithmic() {
        let axis = Axis::around(1e-6, 1e-3);
        assert_eq!(labels(&axis), "1e-6 1e-5 1e-4 1e-3");
        assert!((axis.place(1e-6)).abs() < 1e-12 && (axis.place(1e-3) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_value_is_no_division_by_zero() {
        for axis in [Axis::around(0.5, 0.5), Axis::epochs(1.0, 1.0)] {
            assert!(axis.place(0.5).is_finite() && axis.ticks.len() > 1);
        }
    }
}
