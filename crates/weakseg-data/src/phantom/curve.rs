//! Curve: a smooth function of one variable, tabled once and read per pixel.

/// Steps of the table; at a span of 1.6 picture heights one step is below a pixel at 300 px.
const STEPS: usize = 512;

/// A tabled function with its slope.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    low: f32,
    step: f32,
    values: Vec<f32>,
}

impl Curve {
    /// Tables `f` over `[low, high]`; beyond it the end values hold.
    pub(super) fn table(low: f32, high: f32, f: impl Fn(f32) -> f32) -> Self {
        let step = (high - low) / STEPS as f32;
        let values = (0..=STEPS).map(|i| f(low + step * i as f32)).collect();
        Self { low, step, values }
    }

    /// The value at `x`.
    pub(super) fn at(&self, x: f32) -> f32 {
        self.with_slope(x).0
    }

    /// The value and the slope at `x`.
    pub(super) fn with_slope(&self, x: f32) -> (f32, f32) {
        let t = ((x - self.low) / self.step).clamp(0.0, STEPS as f32 - 0.001);
        let i = t as usize;
        let (a, b) = (self.values[i], self.values[i + 1]);
        (a + (b - a) * (t - i as f32), (b - a) / self.step)
    }
}

/// 0 below `low`, 1 above `high`, smooth between (cubic Hermite).
pub(super) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A bell of height 1 about `centre`.
pub(super) fn bell(x: f32, centre: f32, width: f32) -> f32 {
    let t = (x - centre) / width;
    (-0.5 * t * t).exp()
}

/// A smooth curve through `points` (Catmull-Rom), `per_span` points to a span.
pub(super) fn spline(points: &[(f32, f32)], per_span: usize) -> Vec<(f32, f32)> {
    let last = points.len() - 1;
    let mut out = Vec::with_capacity(last * per_span + 1);
    for span in 0..last {
        let p = |k: isize| points[(span as isize + k).clamp(0, last as isize) as usize];
        let (a, b, c, d) = (p(-1), p(0), p(1), p(2));
        for step in 0..per_span {
            let t = step as f32 / per_span as f32;
            let blend = |a: f32, b: f32, c: f32, d: f32| {
                0.5 * (2.0 * b
                    + (c - a) * t
                    + (2.0 * a - 5.0 * b + 4.0 * c - d) * t * t
                    + (3.0 * b - a - 3.0 * c + d) * t * t * t)
            };
            out.push((blend(a.0, b.0, c.0, d.0), blend(a.1, b.1, c.1, d.1)));
        }
    }
    out.push(points[last]);
    out
}
