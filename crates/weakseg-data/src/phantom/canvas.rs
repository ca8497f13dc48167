//! Canvas: the field of absorption, and the tubes painted into it.

use super::curve::smoothstep;
use super::pose::Pose;

/// A vertex of a tube in body coordinates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vertex {
    pub(super) x: f32,
    pub(super) y: f32,
    /// Half the width of the tube.
    pub(super) radius: f32,
    /// Absorption at the axis.
    pub(super) weight: f32,
}

/// The shape of a tube across its axis.
#[derive(Debug, Clone, Copy)]
pub(super) enum Profile {
    /// Round and full: vessels, lines.
    Round,
    /// Flat with a brighter rim: the cortex of a long bone seen from the side.
    Cortex,
    /// Without any edge: soft shadows.
    Soft,
}

/// Absorption per pixel, `size` × `size`, row-major; 0 is air, 1 about the abdomen.
pub(super) struct Canvas {
    pub(super) size: usize,
    pub(super) pose: Pose,
    pub(super) field: Vec<f32>,
    scratch: Vec<f32>,
}

impl Canvas {
    pub(super) fn new(size: usize, pose: Pose) -> Self {
        Self {
            size,
            pose,
            field: vec![0.0; size * size],
            scratch: vec![0.0; size * size],
        }
    }

    /// Adds a tube along `path`. Where the path meets itself the larger value counts, once.
    ///
    /// A tube thinner than a pixel is widened to one and made fainter in proportion, so what it
    /// absorbs in total is the same at every size.
    pub(super) fn tube(&mut self, path: &[Vertex], profile: Profile) {
        let mut bounds = Bounds::EMPTY;
        for pair in path.windows(2) {
            self.segment(pair[0], pair[1], profile, &mut bounds);
        }
        if bounds.left > bounds.right {
            return;
        }
        for row in bounds.top..=bounds.bottom {
            let span = row * self.size + bounds.left..=row * self.size + bounds.right;
            let (field, scratch) = (&mut self.field[span.clone()], &mut self.scratch[span]);
            for (value, added) in field.iter_mut().zip(scratch) {
                *value += *added;
                *added = 0.0;
            }
        }
    }

    fn segment(&mut self, a: Vertex, b: Vertex, profile: Profile, bounds: &mut Bounds) {
        let (ax, ay) = self.pose.to_pixel(a.x, a.y);
        let (bx, by) = self.pose.to_pixel(b.x, b.y);
        let widen = |radius: f32| {
            let thin = radius * self.pose.scale;
            let wide = (thin * thin + 0.7).sqrt();
            (wide, thin / wide)
        };
        let ((ra, fa), (rb, fb)) = (widen(a.radius), widen(b.radius));
        let (wa, wb) = (a.weight * fa, b.weight * fb);
        let reach = ra.max(rb) * 1.1 + 1.0;
        let last = self.size as f32 - 1.0;
        let (left, right) = (ax.min(bx) - reach, ax.max(bx) + reach);
        let (top, bottom) = (ay.min(by) - reach, ay.max(by) + reach);
        if right < 0.0 || bottom < 0.0 || left > last || top > last {
            return;
        }
        let range = |low: f32, high: f32| (low.max(0.0) as usize, high.min(last).max(0.0) as usize);
        let ((left, right), (top, bottom)) = (range(left, right), range(top, bottom));
        bounds.include(left, right, top, bottom);
        let (dx, dy) = (bx - ax, by - ay);
        let squared = (dx * dx + dy * dy).max(1e-12);
        for row in top..=bottom {
            let py = row as f32 + 0.5 - ay;
            for column in left..=right {
                let px = column as f32 + 0.5 - ax;
                let t = ((px * dx + py * dy) / squared).clamp(0.0, 1.0);
                let (ex, ey) = (px - t * dx, py - t * dy);
                let radius = ra + (rb - ra) * t;
                let distance = (ex * ex + ey * ey).sqrt();
                if distance > reach {
                    continue;
                }
                let value = (wa + (wb - wa) * t) * profile.at(distance / radius, radius);
                let place = &mut self.scratch[row * self.size + column];
                if value.abs() > place.abs() {
                    *place = value;
                }
            }
        }
    }
}

impl Profile {
    /// The share of the axis' absorption at `q` radii from it, for a radius in pixels.
    fn at(self, q: f32, radius: f32) -> f32 {
        match self {
            Self::Round => (1.0 - q * q).max(0.0),
            Self::Soft => {
                let rest = (1.0 - q * q).max(0.0);
                rest * rest
            }
            Self::Cortex => {
                let edge = (0.7 / radius).clamp(0.12, 0.5);
                let rim = q * q * q * q;
                (0.72 + 0.42 * rim) * (1.0 - smoothstep(1.0 - edge, 1.0 + 0.4 * edge, q))
            }
        }
    }
}

/// The pixels a tube touches.
struct Bounds {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Bounds {
    const EMPTY: Self = Self {
        left: usize::MAX,
        right: 0,
        top: usize::MAX,
        bottom: 0,
    };

    fn include(&mut self, left: usize, right: usize, top: usize, bottom: usize) {
        self.left = self.left.min(left);
        self.right = self.right.max(right);
        self.top = self.top.min(top);
        self.bottom = self.bottom.max(bottom);
    }
}
