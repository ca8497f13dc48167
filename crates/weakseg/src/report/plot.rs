//! Charts as inline SVG: lines over epochs, and figures with their intervals.

use super::axis::Axis;
use super::curves::{Curve, Series};
use super::standing::Standing;
use super::svg::{Anchor, Svg};

/// Room of one letter of 11 pixels, a little generous as fonts differ.
const LETTER: f64 = 6.4;

/// Room of one letter of 12 pixels.
const LARGE_LETTER: f64 = 7.0;

/// A chart of lines over epochs.
pub fn lines(curve: &Curve) -> String {
    const WIDTH: f64 = 410.0;
    const LEFT: f64 = 44.0;
    const RIGHT: f64 = WIDTH - 10.0;
    let (keys, legend_height) = legend(curve, LEFT, RIGHT);
    let top = legend_height + 12.0;
    let floor = top + 160.0;
    let mut svg = Svg::new(WIDTH, floor + 34.0, &curve.title);
    let finite = |s: &Series| -> Vec<[f64; 2]> {
        s.points
            .iter()
            .copied()
            .filter(|p| p.iter().all(|v| v.is_finite()))
            .collect()
    };
    let lines: Vec<Vec<[f64; 2]>> = curve.series.iter().map(finite).collect();
    let middle = f64::midpoint(LEFT, RIGHT);
    if lines.iter().all(Vec::is_empty) {
        svg.text(
            "tick",
            [middle, floor / 2.0],
            Anchor::Middle,
            "no values yet",
        );
        return svg.finish();
    }
    let ends = |i: usize| {
        let values = lines.iter().flatten().map(|p| p[i]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
            (a.min(v), b.max(v))
        })
    };
    let (xs, ys) = (ends(0), ends(1));
    let (x_axis, y_axis) = (Axis::epochs(xs.0, xs.1), Axis::around(ys.0, ys.1));
    let x_of = |v: f64| LEFT + x_axis.place(v) * (RIGHT - LEFT);
    let y_of = |v: f64| floor - y_axis.place(v) * (floor - top);

    for (tick, label) in y_axis.labels() {
        svg.level("grid", y_of(tick), LEFT, RIGHT);
        svg.text("tick", [LEFT - 6.0, y_of(tick) + 3.5], Anchor::End, &label);
    }
    svg.level("axis", floor, LEFT, RIGHT);
    for (tick, label) in x_axis.labels() {
        svg.upright("axis", x_of(tick), floor, floor + 3.0);
        svg.text("tick", [x_of(tick), floor + 15.0], Anchor::Middle, &label);
    }
    svg.text("tick", [middle, floor + 30.0], Anchor::Middle, "epoch");
    for (index, points) in lines.iter().enumerate() {
        let mut d = String::new();
        for (i, p) in points.iter().enumerate() {
            let pen = if i == 0 { 'M' } else { 'L' };
            d.push_str(&format!("{pen}{:.1} {:.1}", x_of(p[0]), y_of(p[1])));
        }
        svg.path(&format!("line c{index}"), &d);
        if let Some(end) = points.last() {
            svg.circle(&format!("dot c{index}"), [x_of(end[0]), y_of(end[1])], 2.8);
        }
    }
    for (index, (series, [x, y])) in curve.series.iter().zip(keys).enumerate() {
        svg.level(&format!("line c{index}"), y - 4.0, x, x + 14.0);
        svg.text("key", [x + 20.0, y], Anchor::Start, &series.name);
    }
    svg.finish()
}

/// The place of each key of the legend, in as many lines as it needs, and its height.
fn legend(curve: &Curve, left: f64, right: f64) -> (Vec<[f64; 2]>, f64) {
    let (mut x, mut y) = (left, 14.0);
    let mut places = Vec::new();
    for series in &curve.series {
        let width = 20.0 + LETTER * series.name.chars().count() as f64;
        if x > left && x + width > right {
            (x, y) = (left, y + 16.0);
        }
        places.push([x, y]);
        x += width + 16.0;
    }
    (places, y)
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
    const AXIS: f64 = 180.0;
    const ROW: f64 = 26.0;
    const TOP: f64 = 8.0;
    let letters = marks.iter().map(|mark| mark.label.chars().count());
    let left = LARGE_LETTER * letters.max().unwrap_or(0) as f64 + 12.0;
    let right = left + AXIS;
    let floor = TOP + ROW * marks.len() as f64;
    let x_of = |v: f64| left + v.clamp(0.0, 1.0) * AXIS;
    let mut svg = Svg::new(right + 70.0, floor + 24.0, title);
    for (tick, label) in [
        (0.0, "0"),
        (0.25, "0.25"),
        (0.5, "0.5"),
        (0.75, "0.75"),
        (1.0, "1"),
    ] {
        svg.upright("grid", x_of(tick), TOP, floor);
        svg.text("tick", [x_of(tick), floor + 15.0], Anchor::Middle, label);
    }
    let baselines = marks.iter().filter(|m| m.baseline).map(|m| m.value);
    if let Some(best) = baselines.max_by(f64::total_cmp) {
        svg.upright("bar", x_of(best), TOP, floor);
    }
    for (i, mark) in marks.iter().enumerate() {
        let y = TOP + ROW * (i as f64 + 0.5);
        let class = match (mark.baseline, mark.standing.is_bad()) {
            (true, _) => "base",
            (false, true) => "bad",
            (false, false) => "good",
        };
        svg.text("name", [left - 12.0, y + 4.0], Anchor::End, &mark.label);
        if let Some([low, high]) = mark.ci95 {
            svg.level(&format!("ci {class}"), y, x_of(low), x_of(high));
        }
        svg.circle(&format!("mark {class}"), [x_of(mark.value), y], 4.5);
        let value = format!("{:.3} {}", mark.value, mark.standing.mark());
        svg.text(
            &format!("value {class}"),
            [right + 12.0, y + 4.0],
            Anchor::Start,
            value.trim_end(),
        );
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_long_legend_takes_more_lines() {
        let series = |i: usize| Series {
            name: format!("a rather long name {i}"),
            points: vec![],
        };
        let curve = Curve {
            title: String::new(),
            series: (0..6).map(series).collect(),
        };
        let (places, height) = legend(&curve, 44.0, 400.0);
        assert!(height > 14.0);
        assert!(
            places
                .iter()
                .all(|[x, _]| x + 20.0 + LETTER * 20.0 <= 400.0),
            "{places:?}"
        );
    }

    #[test]
    fn a_long_name_is_not_cut_off() {
        let mark = |label: &str| Mark {
            label: label.to_owned(),
            value: 0.0,
            ci95: None,
            baseline: false,
            standing: Standing::Alone,
        };
        let marks = [mark("CAM"), mark("Segmentation, predicted labels")];
        let svg = intervals("", &marks);
        // Right-aligned names end at 30 letters of 7, the axis begins 12 further on.
        assert!(svg.contains(r#"class="name" x="210.0""#), "{svg}");
        assert!(svg.contains(r#"cx="222.0""#), "{svg}");
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
        let mark = Mark {
            label: "<script>".to_owned(),
            value: 0.2,
            ci95: Some([0.1, 0.3]),
            baseline: false,
            standing: Standing::Alone,
        };
        assert!(!intervals("<script>", &[mark]).contains("<script>"));
    }
}
