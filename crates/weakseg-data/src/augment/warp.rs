//! [`Warp`]: all geometry of an image at once, for it and its mask.
//!
//! However many operations move an image, its pixels are read once, between the four nearest (the mask's once, the
//! nearest, so no new class numbers arise). What lies outside is the image mirrored at its border without repeating the
//! border (OpenCV's `BORDER_REFLECT_101`), or padding where a crop asks for it.
//!
//! Departs from a chain of warps, which mirrors and rounds after each: because one reading is sharper, and cheaper.
//!
//! Departs from IRNet, which rescales training images by Pillow's bicubic filter, widened where it makes them smaller:
//! because one reading of four pixels serves all geometry alike. Images that are made smaller keep more of their noise
//! here.

use super::change::Change;
use super::elastic::Field;
use super::motion::Motion;
use super::optical::Lens;
use super::whole::{before, whole};
use crate::vectorized::vectorized;
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
        let gray = image.channels() == 1;
        // A single row is its own neighbour.
        let below = if self.height > 1 { self.width } else { 0 };
        let mut corners = vec![0; self.width];
        self.resample(image, |source, places, channel, out| {
            // Two slices of one length: what lies in the one lies in the other.
            let (upper, lower) = (&source[..source.len() - below], &source[below..]);
            for (corners, &at) in corners.iter_mut().zip(&places.pixels) {
                *corners = pair(upper, at as usize) | pair(lower, at as usize) << 16;
            }
            mix(&corners, &places.ys, &places.xs, out);
            let padding = match gray {
                true => GRAY_PADDING,
                false => PADDING[channel % PADDING.len()],
            };
            for &at in &places.outside {
                out[at] = padding;
            }
        })
    }

    /// Takes the nearest pixel.
    pub(super) fn nearest(&self, mask: &Stack<u8>) -> Stack<u8> {
        self.resample(mask, |source, places, _, out| {
            let shares = places.ys.iter().zip(&places.xs);
            for ((&at, (&fy, &fx)), out) in places.pixels.iter().zip(shares).zip(&mut *out) {
                // Of a single row or column the shares are 0.
                let right = usize::from(fx >= 0.5);
                let below = if fy >= 0.5 { self.width } else { 0 };
                *out = source[at as usize + right + below];
            }
            for &at in &places.outside {
                out[at] = VOID;
            }
        })
    }

    /// Works row by row: `values` gets a channel, the places that a row of it comes from, the channel's number and the
    /// row.
    fn resample(
        &self,
        image: &Stack<u8>,
        mut values: impl FnMut(&[u8], &Places, usize, &mut [u8]),
    ) -> Stack<u8> {
        match self.maps.as_slice() {
            [] => return image.clone(),
            [Map::Motion(motion)] if *motion == Motion::MIRROR => return mirror(image),
            _ => {}
        }
        let (height, width, channels) = (self.height, self.width, image.channels());
        let mut out = Stack::filled(channels, height, width, 0_u8);
        let mut places = Places::new(width);
        for row in 0..height {
            find(self, row, &mut places);
            for channel in 0..channels {
                let line = &mut out.plane_mut(channel)[row * width..][..width];
                values(image.plane(channel), &places, channel, line);
            }
        }
        out
    }
}

vectorized! {
    /// Finds where a row of output pixels comes from.
    fn find<'a>(warp: &'a Warp<'a>, row: usize, places: &'a mut Places) {
        let (height, width) = (warp.height, warp.width);
        let centre = [(height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0];
        let (ys, xs) = (&mut places.ys, &mut places.xs);
        ys.fill(row as f32);
        for (column, x) in xs.iter_mut().enumerate() {
            *x = column as f32;
        }
        for map in warp.maps.iter().rev() {
            match map {
                Map::Motion(motion) => motion.trace(centre, ys, xs),
                Map::Field(field) => field.trace(ys, xs),
                Map::Lens(lens) => lens.trace(centre, ys, xs),
            }
        }
        places.settle(height, width, warp.padded);
    }
}

vectorized! {
    /// Mixes the four nearest pixels of each place, a byte each: those above in the low ones, the left before the
    /// right.
    fn mix<'a>(corners: &'a [u32], ys: &'a [f32], xs: &'a [f32], out: &'a mut [u8]) {
        let shares = ys.iter().zip(xs);
        for ((corners, (fy, fx)), out) in corners.iter().zip(shares).zip(out) {
            let corners = corners.to_le_bytes();
            let value = |corner: usize| f32::from(corners[corner]);
            let upper = value(0) + (value(1) - value(0)) * fx;
            let lower = value(2) + (value(3) - value(2)) * fx;
            *out = whole((upper + (lower - upper) * fy + 0.5).floor()) as u8;
        }
    }
}

/// A pixel in the low byte and the one after it above. The last of all stands for both: only a single column asks for
/// it, and takes nothing of the other.
#[inline(always)]
fn pair(pixels: &[u8], at: usize) -> u32 {
    let pair = match pixels[at..].first_chunk() {
        Some(pair) => *pair,
        None => [pixels[at]; 2],
    };
    u32::from(u16::from_le_bytes(pair))
}

/// Where a row of output pixels comes from.
struct Places {
    /// Coordinates, then the shares of the lower pixels.
    ys: Vec<f32>,
    /// Coordinates, then the shares of the pixels to the right.
    xs: Vec<f32>,
    /// The upper left of the four nearest pixels.
    pixels: Vec<u32>,
    /// Those that lie outside of the image, where that is padding.
    outside: Vec<usize>,
}

impl Places {
    fn new(width: usize) -> Self {
        Self {
            ys: vec![0.0; width],
            xs: vec![0.0; width],
            pixels: vec![0; width],
            outside: Vec::new(),
        }
    }

    /// Makes pixels and shares of coordinates.
    #[inline(always)]
    fn settle(&mut self, height: usize, width: usize, padded: bool) {
        let [lowest, rightmost] = [height, width].map(|side| side as f32 - 1.0);
        self.outside.clear();
        if padded {
            let shares = self.ys.iter().zip(&self.xs).enumerate();
            let outside =
                shares.filter(|(_, (y, x))| !(inside(**y, lowest) && inside(**x, rightmost)));
            self.outside.extend(outside.map(|(at, _)| at));
        }
        fold_all(&mut self.ys, lowest);
        fold_all(&mut self.xs, rightmost);
        // The last pixel with another after it.
        let [last_row, last_column] = [height, width].map(|side| side.saturating_sub(2) as f32);
        let row = width as u32;
        let each = self.ys.iter_mut().zip(&mut self.xs).zip(&mut self.pixels);
        for ((y, x), pixel) in each {
            let (top, left) = (before(*y).min(last_row), before(*x).min(last_column));
            *pixel = whole(top) * row + whole(left);
            *y -= top;
            *x -= left;
        }
    }
}

/// Whether a coordinate lies on one of the pixels `0..=last`, each of which reaches half a pixel to both sides.
#[inline(always)]
fn inside(at: f32, last: f32) -> bool {
    at >= -0.5 && at < last + 0.5
}

/// Brings coordinates into `0..=last`; most rows lie there as they are.
#[inline(always)]
fn fold_all(coordinates: &mut [f32], last: f32) {
    let outside = |count: u32, at: &f32| count + u32::from(!(*at >= 0.0 && *at <= last));
    if coordinates.iter().fold(0, outside) > 0 {
        for at in coordinates {
            *at = fold(*at, last);
        }
    }
}

/// The coordinate in `0..=last` that mirrors `at` at the borders, the border itself not repeated: `dcb|abcd|cba`.
#[inline(always)]
fn fold(at: f32, last: f32) -> f32 {
    // By floor, which is an instruction; the remainder of the language is a call.
    let there_and_back = 2.0 * last;
    let folded = at - (at / there_and_back).floor() * there_and_back;
    // What is not a number becomes 0: `max` and `min` take the other one.
    folded.min(there_and_back - folded).max(0.0).min(last)
}

fn mirror(image: &Stack<u8>) -> Stack<u8> {
    let mut out = Stack::filled(image.channels(), image.height(), image.width(), 0);
    reverse_rows(image.as_slice(), image.width(), out.as_mut_slice());
    out
}

vectorized! {
    /// Each row of `width` pixels from its end.
    fn reverse_rows<'a>(image: &'a [u8], width: usize, out: &'a mut [u8]) {
        let rows = image.chunks_exact(width);
        for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
            for (out, pixel) in out.iter_mut().zip(row.iter().rev()) {
                *out = *pixel;
            }
        }
    }
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
        assert_eq!((fold(f32::NAN, 3.0), fold(f32::INFINITY, 3.0)), (0.0, 0.0));
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
    fn a_single_column_has_no_neighbour() {
        let image = Plane::new(4, 1, vec![10_u8, 20, 30, 40])
            .unwrap()
            .into_stack();
        let shift = [Change::Move(Motion::new(1.0, 0.0, [1.0, 0.5]))];
        for got in warp(4, 1, &shift, &image) {
            assert_eq!(got, [20, 10, 20, 30]);
        }
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
