//! One affine warp for an image and its mask.

use crate::Stack;

/// Where each output pixel comes from: `source = matrix * (output - centre) + centre + offset`, in pixels.
///
/// The centre lies between the pixels at `((H - 1) / 2, (W - 1) / 2)`, so that a mirror image is exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Warp {
    height: usize,
    width: usize,
    /// Row-major, in the order (y, x).
    matrix: [[f64; 2]; 2],
    /// Added to the centred source, (y, x).
    offset: [f64; 2],
}

impl Warp {
    /// Mirrors (if asked), then scales by `scale` and rotates by `angle` (radians, counter-clockwise on the screen)
    /// about the centre, then shifts by `shift` (shares of height and width).
    pub(crate) fn new(
        height: usize,
        width: usize,
        flip: bool,
        scale: f64,
        angle: f64,
        shift: [f64; 2],
    ) -> Self {
        // The inverse of the motion, since every output pixel asks where it comes from. With y downwards, a
        // counter-clockwise turn of the picture sends (x, y) to (x cos + y sin, -x sin + y cos).
        let (sin, cos) = angle.sin_cos();
        let mirror = if flip { -1.0 } else { 1.0 };
        let matrix = [
            [cos / scale, sin / scale],
            [-mirror * sin / scale, mirror * cos / scale],
        ];
        let moved = [shift[0] * height as f64, shift[1] * width as f64];
        let offset = matrix.map(|row| -(row[0] * moved[0] + row[1] * moved[1]));
        Self {
            height,
            width,
            matrix,
            offset,
        }
    }

    /// Resamples between the four nearest pixels.
    pub(crate) fn bilinear(&self, image: &Stack<u8>) -> Stack<u8> {
        self.resample(image, |plane, y, x| {
            let (top, left) = (y.floor(), x.floor());
            let (fy, fx) = ((y - top) as f32, (x - left) as f32);
            let (rows, columns) = (
                self.neighbours(top, self.height),
                self.neighbours(left, self.width),
            );
            let at = |row: usize, column: usize| {
                f32::from(plane[rows[row] * self.width + columns[column]])
            };
            let upper = at(0, 0) * (1.0 - fx) + at(0, 1) * fx;
            let lower = at(1, 0) * (1.0 - fx) + at(1, 1) * fx;
            (upper * (1.0 - fy) + lower * fy + 0.5) as u8
        })
    }

    /// Takes the nearest pixel, so no new values arise.
    pub(crate) fn nearest(&self, mask: &Stack<u8>) -> Stack<u8> {
        self.resample(mask, |plane, y, x| {
            let row = reflect_101((y + 0.5).floor() as isize, self.height);
            let column = reflect_101((x + 0.5).floor() as isize, self.width);
            plane[row * self.width + column]
        })
    }

    fn neighbours(&self, first: f64, length: usize) -> [usize; 2] {
        let first = first as isize;
        [reflect_101(first, length), reflect_101(first + 1, length)]
    }

    fn resample(&self, image: &Stack<u8>, value: impl Fn(&[u8], f64, f64) -> u8) -> Stack<u8> {
        let (height, width) = (self.height, self.width);
        let centre = [(height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0];
        let mut values = Vec::with_capacity(image.channels() * height * width);
        for channel in 0..image.channels() {
            let plane = image.plane(channel);
            for y in 0..height {
                let dy = y as f64 - centre[0];
                for x in 0..width {
                    let dx = x as f64 - centre[1];
                    let source = |axis: usize| {
                        let row = self.matrix[axis];
                        row[0] * dy + row[1] * dx + self.offset[axis] + centre[axis]
                    };
                    values.push(value(plane, source(0), source(1)));
                }
            }
        }
        Stack::new(image.channels(), height, width, values)
            .expect("one value per pixel of the image was computed")
    }
}

/// The pixel that mirrors `at` at the borders of `0..length`, the border itself not repeated: `dcb|abcd|cba`.
fn reflect_101(at: isize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let last = length as isize - 1;
    let folded = at.rem_euclid(2 * last);
    folded.min(2 * last - folded) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plane;

    #[test]
    fn borders_are_mirrored_without_repeating() {
        let seen: Vec<usize> = (-5..9).map(|at| reflect_101(at, 4)).collect();
        assert_eq!(seen, [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!(reflect_101(-3, 1), 0);
    }

    #[test]
    fn a_quarter_turn_is_counter_clockwise() {
        let image = Plane::new(3, 3, vec![1_u8, 2, 3, 4, 5, 6, 7, 8, 9])
            .unwrap()
            .into_stack();
        let turn = Warp::new(3, 3, false, 1.0, std::f64::consts::FRAC_PI_2, [0.0; 2]);
        assert_eq!(turn.nearest(&image).as_slice(), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(
            turn.bilinear(&image).as_slice(),
            [3, 6, 9, 2, 5, 8, 1, 4, 7]
        );
    }

    #[test]
    fn shifts_go_down_and_right_and_scales_grow() {
        let image = Plane::new(1, 4, vec![10_u8, 20, 30, 40])
            .unwrap()
            .into_stack();
        let shift = Warp::new(1, 4, false, 1.0, 0.0, [0.0, 0.25]);
        assert_eq!(shift.nearest(&image).as_slice(), [20, 10, 20, 30]);
        let grown = Warp::new(1, 4, false, 2.0, 0.0, [0.0; 2]);
        assert_eq!(grown.bilinear(&image).as_slice(), [18, 23, 28, 33]);
    }
}
