//! Charts as inline SVG. Colours are the page's (CSS classes), so that they follow light and dark.

use std::fmt::Write;

use super::curves::Curve;
use super::standing::Standing;

/// Text made safe to stand in HTML or SVG.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// An axis from values to a length on the page.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// Covers `low..=high` with round ticks. Logarithmic where the values are positive and span a
    /// factor of 100 or more.
    fn around(low: f64, high: f64) -> Self {
        if low > 0.0 && high / low >= 100.0 {
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
    fn epochs(low: f64, high: f64) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - 1.0, high + 1.0)
        };
        let step = round_step((high - low) / 6.0).max(1.0);
        let mut ticks = vec![];
        let mut tick = (low / step).ceil() * step;
        while tick <= high {
            ticks.push(tick);
            tick += step;
        }
        Axis {
            low,
            high,
            log: false,
            ticks,
        }
    }

    /// The place of a value, 0 at the low end and 1 at the high end.
    fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        (value - self.low) / (self.high - self.low)
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

/// A tick's label: short, without digits of rounding.
fn label(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e5).contains(&size) {
        format!("{value:.0e}")
    } else {
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// A chart of lines over epochs.
pub fn lines(curve: &Curve) -> String {
    const WIDTH: f64 = 400.0;
    const HEIGHT: f64 = 220.0;
    const LEFT: f64 = 46.0;
    const RIGHT: f64 = 12.0;
    const TOP: f64 = 30.0;
    const BOTTOM: f64 = 34.0;
    let points = || {
        curve
            .series
            .iter()
            .flat_map(|s| &s.points)
            .filter(|p| p.iter().all(|v| v.is_finite()))
    };
    let ends = |i: usize| {
        points().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| {
            (low.min(p[i]), high.max(p[i]))
        })
    };
    let mut svg = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&curve.title)
    );
    if points().next().is_none() {
        svg.push_str("<text class=\"tick\" x=\"200\" y=\"110\" text-anchor=\"middle\">no values yet</text></svg>");
        return svg;
    }
    let (x_axis, y_axis) = (
        Axis::epochs(ends(0).0, ends(0).1),
        Axis::around(ends(1).0, ends(1).1),
    );
    let x_of = |v: f64| LEFT + x_axis.place(v) * (WIDTH - LEFT - RIGHT);
    let y_of = |v: f64| HEIGHT - BOTTOM - y_axis.place(v) * (HEIGHT - TOP - BOTTOM);
    let right = WIDTH - RIGHT;
    let floor = HEIGHT - BOTTOM;

    for &tick in &y_axis.ticks {
        let y = y_of(tick);
        push(
            &mut svg,
            format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>"),
        );
        let (x, y, text) = (LEFT - 6.0, y + 3.5, label(tick));
        push(
            &mut svg,
            format_args!(
                "<text class=\"tick\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{text}</text>"
            ),
        );
    }
    push(
        &mut svg,
        format_args!("<path class=\"axis\" d=\"M{LEFT} {floor}H{right}\"/>"),
    );
    for &tick in &x_axis.ticks {
        let (x, y, text) = (x_of(tick), floor + 14.0, label(tick));
        push(
            &mut svg,
            format_args!("<path class=\"axis\" d=\"M{x:.1} {floor}v3\"/>"),
        );
        push(
            &mut svg,
            format_args!(
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>"
            ),
        );
    }
    let (middle, y) = ((LEFT + right) / 2.0, HEIGHT - 4.0);
    push(
        &mut svg,
        format_args!(
            "<text class=\"tick\" x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">epoch</text>"
        ),
    );

    let mut legend = LEFT;
    for (index, series) in curve.series.iter().enumerate() {
        let finite: Vec<&[f64; 2]> = series
            .points
            .iter()
            .filter(|p| p.iter().all(|v| v.is_finite()))
            .collect();
        let mut path = String::new();
        for (i, p) in finite.iter().enumerate() {
            let pen = if i == 0 { 'M' } else { 'L' };
            push(
                &mut path,
                format_args!("{pen}{:.1} {:.1}", x_of(p[0]), y_of(p[1])),
            );
        }
        push(
            &mut svg,
            format_args!("<path class=\"line c{index}\" d=\"{path}\"/>"),
        );
        if let Some(end) = finite.last() {
            let (x, y) = (x_of(end[0]), y_of(end[1]));
            push(
                &mut svg,
                format_args!(
                    "<circle class=\"dot c{index}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.8\"/>"
                ),
            );
        }
        let (end, text) = (legend + 14.0, legend + 19.0);
        push(
            &mut svg,
            format_args!("<path class=\"line c{index}\" d=\"M{legend:.1} 11H{end:.1}\"/>"),
        );
        push(
            &mut svg,
            format_args!(
                "<text class=\"key\" x=\"{text:.1}\" y=\"15\">{}</text>",
                escape(&series.name)
            ),
        );
        legend = text + 6.2 * series.name.chars().count() as f64 + 16.0;
    }
    svg.push_str("</svg>");
    svg
}

/// One figure of an interval plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Who reached it.
    pub label: String,
    /// The figure, in 0..=1.
    pub value: f64,
    /// The ends of its interval.
    pub ci95: Option<[f64; 2]>,
    /// Whether it is a mask that looks at no image.
    pub baseline: bool,
    /// Its worth beside the baselines.
    pub standing: Standing,
}

/// Figures with their intervals, one a line, on an axis from 0 to 1, the best trivial baseline as
/// an upright line through all.
pub fn intervals(title: &str, marks: &[Mark]) -> String {
    const WIDTH: f64 = 520.0;
    const LEFT: f64 = 158.0;
    const RIGHT: f64 = 52.0;
    const ROW: f64 = 26.0;
    const TOP: f64 = 8.0;
    let floor = TOP + ROW * marks.len() as f64;
    let height = floor + 24.0;
    let x_of = |v: f64| LEFT + v.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    let mut svg = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(title)
    );
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (x, y, text) = (x_of(tick), floor + 15.0, label(tick));
        push(
            &mut svg,
            format_args!("<path class=\"grid\" d=\"M{x:.1} {TOP}V{floor}\"/>"),
        );
        push(
            &mut svg,
            format_args!(
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>"
            ),
        );
    }
    let best = marks
        .iter()
        .filter(|m| m.baseline)
        .map(|m| m.value)
        .fold(f64::NEG_INFINITY, f64::max);
    if best.is_finite() {
        let x = x_of(best);
        push(
            &mut svg,
            format_args!("<path class=\"bar\" d=\"M{x:.1} {TOP}V{floor}\"/>"),
        );
    }
    for (i, mark) in marks.iter().enumerate() {
        let y = TOP + ROW * (i as f64 + 0.5);
        let class = match (mark.baseline, mark.standing.is_bad()) {
            (true, _) => "base",
            (false, true) => "bad",
            (false, false) => "good",
        };
        let (x, base, text) = (x_of(mark.value), y + 4.0, escape(&mark.label));
        let name = LEFT - 12.0;
        push(
            &mut svg,
            format_args!(
                "<text class=\"name\" x=\"{name}\" y=\"{base}\" text-anchor=\"end\">{text}</text>"
            ),
        );
        if let Some([low, high]) = mark.ci95 {
            let (low, high) = (x_of(low), x_of(high));
            push(
                &mut svg,
                format_args!("<path class=\"ci {class}\" d=\"M{low:.1} {y}H{high:.1}\"/>"),
            );
        }
        push(
            &mut svg,
            format_args!("<circle class=\"mark {class}\" cx=\"{x:.1}\" cy=\"{y}\" r=\"4.5\"/>"),
        );
        let (end, value, flag) = (WIDTH - RIGHT + 12.0, mark.value, mark.standing.mark());
        push(
            &mut svg,
            format_args!(
                "<text class=\"value {class}\" x=\"{end}\" y=\"{base}\">{value:.3} {flag}</text>"
            ),
        );
    }
    svg.push_str("</svg>");
    svg
}

fn push(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text)
        .expect("a string takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::super::curves::Series;
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let axis = Axis::around(0.13, 0.87);
        assert_eq!(
            axis.ticks.iter().map(|t| label(*t)).collect::<Vec<_>>(),
            ["0", "0.2", "0.4", "0.6", "0.8", "1"]
        );
        let axis = Axis::around(1e-6, 1e-3);
        assert!(axis.log);
        assert_eq!(
            axis.ticks.iter().map(|t| label(*t)).collect::<Vec<_>>(),
            ["1e-6", "1e-5", "1e-4", "0.001"]
        );
        let axis = Axis::epochs(1.0, 50.0);
        assert_eq!(axis.ticks, [10.0, 20.0, 30.0, 40.0, 50.0]);
    }

    #[test]
    fn one_value_constant_values_and_none_are_drawn_without_nan() {
        for points in [
            vec![],
            vec![[1.0, 0.5]],
            vec![[1.0, 0.5], [2.0, 0.5]],
            vec![[1.0, f64::NAN]],
        ] {
            let series = vec![Series {
                name: "train".to_owned(),
                points,
            }];
            let svg = lines(&Curve {
                title: "loss".to_owned(),
                series,
            });
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn names_are_escaped() {
        let series = vec![Series {
            name: "<script>".to_owned(),
            points: vec![[1.0, 0.5]],
        }];
        let svg = lines(&Curve {
            title: "\"><script>".to_owned(),
            series,
        });
        assert!(!svg.contains("<script>"), "{svg}");
        let (ci95, standing) = (Some([0.1, 0.3]), Standing::Alone);
        let mark = Mark {
            label: "<script>".to_owned(),
            value: 0.2,
            ci95,
            baseline: false,
            standing,
        };
        assert!(!intervals("<script>", &[mark]).contains("<script>"));
    }
}
