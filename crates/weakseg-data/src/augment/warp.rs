//! [`Warp`]: all geometry of an image at once, for it and its mask.
//!
//! However many operations move an image, its pixels are read once, between the four nearest (the mask's once, the nearest, so
//! no new class numbers arise). What lies outside is the image mirrored at its border without repeating the border (OpenCV's
//! `BORDER_REFLECT_101`), or padding where a crop asks for it.
//!
//! Departs from a chain of warps, which mirrors and rounds after each: because one reading is sharper, and cheaper.

use super::change::Change;
use super::elastic::Field;
use super::motion::Motion;
use super::optical::Lens;
use crate::{Stack, VOID};

/// What normalisation by ImageNet's statistics makes 0, up to rounding: the padding of a colour image.
const PADDING: [u8; 3] = [124, 116, 104];

/// The mean of [`PADDING`], for an image of one channel: it stands for three, each normalised in its own way.
const GRAY_PADDING: u8 = 115;

/// Where the pixels of an image come from.
pub(super) struct Warp<'a> {
    height: usize,
    width: usize,
    /// In the order in which they happen; the output asks the last one first.
    maps: Vec<Map<'a>>,
    /// What lies outside is padding.
    padded: bool,
}

enum Map<'a> {
    Motion(Motion),
    Field(&'a Field),
    Lens(Lens),
}

impl<'a> Warp<'a> {
    /// The geometry among `changes`, in their order.
    pub(super) fn new(height: usize, width: usize, changes: &'a [Change]) -> Self {
        let mut maps: Vec<Map<'a>> = Vec::new();
        let mut padded = false;
        for change in changes {
            match change {
                Change::Move(motion) | Change::Cut(motion) => {
                    padded |= matches!(change, Change::Cut(_));
                    match maps.last_mut() {
                        Some(Map::Motion(before)) => *before = before.then(motion),
                        _ => maps.push(Map::Motion(*motion)),
                    }
                }
                Change::Bend(field) => maps.push(Map::Field(field)),
                Change::Look(lens) => maps.push(Map::Lens(*lens)),
                _ => {}
            }
        }
        if let [Map::Motion(motion)] = maps.as_slice()
            && *motion == Motion::STILL
        {
            maps.clear();
        }
        Self {
            height,
            width,
            maps,
            padded,
        }
    }

    /// Resamples between the four nearest pixels.
    pub(super) fn bilinear(&self, image: &Stack<u8>) -> Stack<u8> {
        let padding = |channel: usize| match image.channels() {
            1 => GRAY_PADDING,
            _ => PADDING[channel % PADDING.len()],
        };
        // A row or column of one pixel is its own neighbour.
        let (right, below) = (
            usize::from(self.width > 1),
            if self.height > 1 { self.width } else { 0 },
        );
        self.resample(image, |source, place, channel| {
            let Some(at) = place.pixel else {
                return padding(channel);
            };
            let (upper, lower) = (&source[at..], &source[at + below..]);
            let mean = |row: &[u8]| {
                let (first, second) = (f32::from(row[0]), f32::from(row[right]));
                first + (second - first) * place.fx
            };
            let (upper, lower) = (mean(upper), mean(lower));
            (upper + (lower - upper) * place.fy + 0.5) as u8
        })
    }

    /// Takes the nearest pixel.
    pub(super) fn nearest(&self, mask: &Stack<u8>) -> Stack<u8> {
        let (right, below) = (
            usize::from(self.width > 1),
            if self.height > 1 { self.width } else { 0 },
        );
        self.resample(mask, |source, place, _| {
            place.pixel.map_or(VOID, |at| {
                let right = if place.fx >= 0.5 { right } else { 0 };
                let below = if place.fy >= 0.5 { below } else { 0 };
                source[at + right + below]
            })
        })
    }

    fn resample(&self, image: &Stack<u8>, value: impl Fn(&[u8], &Place, usize) -> u8) -> Stack<u8> {
        match self.maps.as_slice() {
            [] => return image.clone(),
            [Map::Motion(motion)] if *motion == Motion::MIRROR => return mirror(image),
            _ => {}
        }
        let (height, width, channels) = (self.height, self.width, image.channels());
        let centre = [(height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0];
        let mut out = Stack::filled(channels, height, width, 0_u8);
        let (mut ys, mut xs) = (vec![0.0_f32; width], vec![0.0_f32; width]);
        let mut places = vec![Place::default(); width];
        for row in 0..height {
            ys.fill(row as f32);
            for (column, x) in xs.iter_mut().enumerate() {
                *x = column as f32;
            }
            for map in self.maps.iter().rev() {
                match map {
                    Map::Motion(motion) => motion.trace(centre, &mut ys, &mut xs),
                    Map::Field(field) => field.trace(&mut ys, &mut xs),
                    Map::Lens(lens) => lens.trace(centre, &mut ys, &mut xs),
                }
            }
            for ((place, &y), &x) in places.iter_mut().zip(&ys).zip(&xs) {
                *place = Place::new(y, x, height, width, self.padded);
            }
            for channel in 0..channels {
                let source = image.plane(channel);
                let out = &mut out.plane_mut(channel)[row * width..][..width];
                for (out, place) in out.iter_mut().zip(&places) {
                    *out = value(source, place, channel);
                }
            }
        }
        out
    }
}

/// Where an output pixel comes from.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The upper left of the four nearest pixels; none for padding.
    pixel: Option<usize>,
    /// Share of the right ones.
    fx: f32,
    /// Share of the lower ones.
    fy: f32,
}

impl Place {
    fn new(y: f32, x: f32, height: usize, width: usize, padded: bool) -> Self {
        let [lowest, rightmost] = [height, width].map(|side| side as f32 - 1.0);
        if padded && !(inside(y, lowest) && inside(x, rightmost)) {
            return Self::default();
        }
        let (top, fy) = between(fold(y, lowest), lowest);
        let (left, fx) = between(fold(x, rightmost), rightmost);
        Self {
            pixel: Some(top * width + left),
            fx,
            fy,
        }
    }
}

/// Whether a coordinate lies on one of the pixels `0..=last`, each of which reaches half a pixel to both sides.
fn inside(at: f32, last: f32) -> bool {
    at >= -0.5 && at < last + 0.5
}

/// The coordinate in `0..=last` that mirrors `at` at the borders, the border itself not repeated: `dcb|abcd|cba`.
fn fold(at: f32, last: f32) -> f32 {
    if at >= 0.0 && at <= last {
        at
    } else if last > 0.0 {
        let folded = at.rem_euclid(2.0 * last);
        folded.min(2.0 * last - folded).clamp(0.0, last)
    } else {
        0.0
    }
}

/// The pixel before a coordinate in `0..=last` that has another after it (but for the only one), and the share of that.
fn between(at: f32, last: f32) -> (usize, f32) {
    let first = (at as i32).min((last as i32 - 1).max(0));
    (first as usize, at - first as f32)
}

fn mirror(image: &Stack<u8>) -> Stack<u8> {
    let mut out = image.clone();
    let width = image.width();
    for row in out.as_mut_slice().chunks_exact_mut(width.max(1)) {
        row.reverse();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plane;

    fn warp(height: usize, width: usize, changes: &[Change], image: &Stack<u8>) -> [Vec<u8>; 2] {
        let warp = Warp::new(height, width, changes);
        [
            warp.nearest(image).into_vec(),
            warp.bilinear(image).into_vec(),
        ]
    }

    #[test]
    fn borders_are_mirrored_without_repeating() {
        let seen: Vec<f32> = (-5_i16..9).map(|at| fold(f32::from(at), 3.0)).collect();
        let expected: [f32; 14] = [1., 2., 3., 2., 1., 0., 1., 2., 3., 2., 1., 0., 1., 2.];
        assert_eq!(seen, expected);
        assert_eq!((fold(-3.0, 0.0), fold(-0.25, 3.0)), (0.0, 0.25));
        assert!((0.0..=3.0).contains(&fold(f32::NAN, 3.0)) || fold(f32::NAN, 3.0).is_nan());
    }

    #[test]
    fn a_quarter_turn_is_counter_clockwise() {
        let image = Plane::new(3, 3, vec![1_u8, 2, 3, 4, 5, 6, 7, 8, 9])
            .unwrap()
            .into_stack();
        let turn = [Change::Move(Motion::new(
            1.0,
            std::f64::consts::FRAC_PI_2,
            [0.0; 2],
        ))];
        for got in warp(3, 3, &turn, &image) {
            assert_eq!(got, [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        }
    }

    #[test]
    fn shifts_go_down_and_right_and_scales_grow() {
        let image = Plane::new(1, 4, vec![10_u8, 20, 30, 40])
            .unwrap()
            .into_stack();
        let shift = [Change::Move(Motion::new(1.0, 0.0, [0.0, 1.0]))];
        assert_eq!(warp(1, 4, &shift, &image)[0], [20, 10, 20, 30]);
        let grown = [Change::Move(Motion::new(2.0, 0.0, [0.0; 2]))];
        assert_eq!(warp(1, 4, &grown, &image)[1], [18, 23, 28, 33]);
    }

    #[test]
    fn a_mirror_and_its_mirror_read_no_pixel_twice() {
        let image = Plane::new(1, 3, vec![1_u8, 2, 3]).unwrap().into_stack();
        let once = [Change::Move(Motion::MIRROR)];
        let twice = [Change::Move(Motion::MIRROR), Change::Move(Motion::MIRROR)];
        for (once, twice) in warp(1, 3, &once, &image)
            .into_iter()
            .zip(warp(1, 3, &twice, &image))
        {
            assert_eq!((once, twice), (vec![3, 2, 1], vec![1, 2, 3]));
        }
    }

    #[test]
    fn a_cut_pads_with_the_mean_colour_and_void() {
        let image = Stack::filled(3, 4, 4, 7_u8);
        let half = [Change::Cut(Motion::new(0.5, 0.0, [1.0, -1.0]))];
        let warp = Warp::new(4, 4, &half);
        let (image, mask) = (warp.bilinear(&image), warp.nearest(&image));
        for (channel, padding) in PADDING.into_iter().enumerate() {
            let p = padding;
            let expected = [p, p, p, p, p, p, p, p, 7, 7, p, p, 7, 7, p, p];
            assert_eq!(image.plane(channel), expected);
            assert_eq!(
                mask.plane(channel)[..9],
                [255, 255, 255, 255, 255, 255, 255, 255, 7]
            );
        }
    }
}
