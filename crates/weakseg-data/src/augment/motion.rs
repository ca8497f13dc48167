//! [`Motion`]: an affine map of the picture onto itself.

/// Where each output pixel comes from: `source = matrix * (output - centre) + centre + offset`, in pixels.
///
/// The centre lies between the pixels at `((H - 1) / 2, (W - 1) / 2)`, so that a mirror image is exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Motion {
    /// Row-major, in the order (y, x).
    pub(super) matrix: [[f64; 2]; 2],
    /// Added to the centred source, (y, x).
    pub(super) offset: [f64; 2],
}

impl Motion {
    /// Nothing moves.
    pub(super) const STILL: Self = Self {
        matrix: [[1.0, 0.0], [0.0, 1.0]],
        offset: [0.0; 2],
    };

    /// Left for right.
    pub(super) const MIRROR: Self = Self {
        matrix: [[1.0, 0.0], [0.0, -1.0]],
        offset: [0.0; 2],
    };

    /// Scales by `scale` and rotates by `angle` (radians, counter-clockwise on the screen) about the centre, then
    /// shifts by `shift` pixels, (y, x).
    pub(super) fn new(scale: f64, angle: f64, shift: [f64; 2]) -> Self {
        // The inverse of the motion, since every output pixel asks where it comes from. With y downwards, a
        // counter-clockwise turn of the picture sends (x, y) to (x cos + y sin, -x sin + y cos).
        let (sin, cos) = angle.sin_cos();
        Self::back(
            [[cos / scale, sin / scale], [-sin / scale, cos / scale]],
            shift,
        )
    }

    /// The motion that shifts by `shift` after one whose inverse is `matrix`.
    pub(super) fn back(matrix: [[f64; 2]; 2], shift: [f64; 2]) -> Self {
        let offset = matrix.map(|row| -(row[0] * shift[0] + row[1] * shift[1]));
        Self { matrix, offset }
    }

    /// This motion, and then `next`.
    pub(super) fn then(&self, next: &Self) -> Self {
        // The output asks `next` first.
        let (a, b) = (&self.matrix, &next.matrix);
        let matrix = [0, 1].map(|i| [0, 1].map(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]));
        let offset =
            [0, 1].map(|i| a[i][0] * next.offset[0] + a[i][1] * next.offset[1] + self.offset[i]);
        Self { matrix, offset }
    }

    /// Replaces a row of output places by where they come from.
    #[inline(always)]
    pub(super) fn trace(&self, centre: [f64; 2], ys: &mut [f32], xs: &mut [f32]) {
        // What is left of the coordinates' own scale is small: only differences to the centre are multiplied in f32.
        let [cy, cx] = centre.map(|c| c as f32);
        let [[yy, yx], [xy, xx]] = self.matrix.map(|row| row.map(|v| v as f32));
        let [oy, ox] = [0, 1].map(|axis| (self.offset[axis] + centre[axis]) as f32);
        for (y, x) in ys.iter_mut().zip(xs) {
            let (dy, dx) = (*y - cy, *x - cx);
            *y = yy * dy + yx * dx + oy;
            *x = xy * dy + xx * dx + ox;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_follow_each_other() {
        let first = Motion::new(1.2, 0.4, [3.0, -2.0]);
        let both = first.then(&Motion::MIRROR);
        let centre = [4.5, 6.5];
        let trace = |motion: &Motion, y: f32, x: f32| {
            let (mut ys, mut xs) = ([y], [x]);
            motion.trace(centre, &mut ys, &mut xs);
            (ys[0], xs[0])
        };
        for (y, x) in [(0.0, 0.0), (3.0, 9.0), (9.0, 1.5)] {
            let (ny, nx) = trace(&Motion::MIRROR, y, x);
            let (ey, ex) = trace(&first, ny, nx);
            let (gy, gx) = trace(&both, y, x);
            assert!((gy - ey).abs() < 1e-5 && (gx - ex).abs() < 1e-5);
        }
        assert_eq!(Motion::MIRROR.then(&Motion::MIRROR), Motion::STILL);
        assert_eq!(Motion::STILL.then(&first), first);
    }
}
