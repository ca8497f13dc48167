//! RGB pictures: the image, heat maps and masks over it. Those of the report are small, those of `weakseg predict` and
//! `weakseg cam` of the image's own size.
//!
//! Every picture is drawn on its own grid, not scaled down after drawing, so that outlines stay one pixel wide and
//! sharp.

use weakseg_data::resize::{Filter, resize_f32, resize_u8};
use weakseg_data::{Plane, Stack};

use super::colour::{self, Rgb};
use super::error::ReportError;

/// The longer side of every thumbnail, in pixels; smaller images are enlarged to it.
pub const THUMBNAIL: usize = 224;

/// A share of a picture's pixel that a finding must cover to be drawn. Below a half, for thin
/// findings (the crescent of an apical pneumothorax) would vanish from the picture.
const DRAWN_SHARE: f32 = 0.3;

/// An RGB picture, 3×h×w.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pixels: Stack<u8>,
    grey: bool,
}

impl Picture {
    /// The image alone, its longer side [`THUMBNAIL`] pixels.
    ///
    /// # Errors
    /// [`ReportError::Channels`] unless `image` has 1 or 3 channels and a pixel.
    pub fn of(image: &Stack<u8>) -> Result<Self, ReportError> {
        check(image)?;
        let longer = image.height().max(image.width());
        let scale =
            |side: usize| ((side * THUMBNAIL) as f64 / longer as f64).round().max(1.0) as usize;
        let (height, width) = (scale(image.height()), scale(image.width()));
        let filter = if longer > THUMBNAIL {
            Filter::Area
        } else {
            Filter::Bilinear
        };
        Self::at_own_size(&resize_u8(image, height, width, filter))
    }

    /// The image alone, as large as it is.
    ///
    /// # Errors
    /// Those of [`Picture::of`].
    pub fn at_own_size(image: &Stack<u8>) -> Result<Self, ReportError> {
        check(image)?;
        let pixels = match image.channels() {
            3 => image.clone(),
            _ => Stack::new(3, image.height(), image.width(), image.plane(0).repeat(3))?,
        };
        let grey = pixels.plane(0) == pixels.plane(1) && pixels.plane(1) == pixels.plane(2);
        Ok(Picture { pixels, grey })
    }

    /// Height and width in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.pixels.height(), self.pixels.width())
    }

    /// The pixels, 3×h×w.
    pub fn pixels(&self) -> &Stack<u8> {
        &self.pixels
    }

    /// A map of 0..=1 of any size laid over the picture by [`colour::heat`]: the hotter, the less
    /// of the image shows through.
    ///
    /// # Errors
    /// [`ReportError::EmptyMap`] for a map without a pixel.
    #[must_use = "the picture itself is left as it is"]
    pub fn with_heat(&self, map: &Plane<f32>) -> Result<Self, ReportError> {
        let (height, width) = self.size();
        if map.is_empty() {
            return Err(ReportError::EmptyMap);
        }
        let map = resize_f32(&map.clone().into_stack(), height, width);
        let mut out = self.clone();
        for (at, &value) in map.plane(0).iter().enumerate() {
            let value = if value.is_finite() {
                value.clamp(0.0, 1.0)
            } else {
                0.0
            };
            out.mix(at, colour::heat(value), 0.72 * value * (2.0 - value));
        }
        Ok(out)
    }

    /// The regions of a mask tinted and outlined in the colour of their class.
    ///
    /// `mask` is one plane of class numbers (0 background, `k + 1` class `k`, 255 void) or one
    /// plane of 0/1/255 per finding.
    pub fn with_mask(&self, mask: &Stack<u8>, colours: &dyn Fn(usize) -> Rgb) -> Self {
        let mut out = self.clone();
        for (class, region) in self.regions(mask) {
            let inside = region.as_slice().iter().enumerate().filter(|(_, v)| **v);
            for (at, _) in inside {
                out.mix(at, colours(class), 0.38);
            }
            out.draw_outline(&region, colours(class));
        }
        out
    }

    /// The outlines of a mask alone, in the colour of their class.
    pub fn with_outline(&self, mask: &Stack<u8>, colours: &dyn Fn(usize) -> Rgb) -> Self {
        let mut out = self.clone();
        for (class, region) in self.regions(mask) {
            out.draw_outline(&region, colours(class));
        }
        out
    }

    /// The classes present in a mask with the picture's pixels that they cover.
    fn regions(&self, mask: &Stack<u8>) -> Vec<(usize, Plane<bool>)> {
        let (height, width) = self.size();
        let mut regions = Vec::new();
        for channel in 0..mask.channels() {
            let plane = mask.plane(channel);
            let mut present = [false; 256];
            plane.iter().for_each(|&v| present[usize::from(v)] = true);
            for value in (1..255).filter(|&v: &u8| present[usize::from(v)]) {
                let class = if mask.channels() == 1 {
                    usize::from(value) - 1
                } else {
                    channel
                };
                let (h, w) = (mask.height(), mask.width());
                regions.push((class, covered(plane, (h, w), value, (height, width))));
            }
        }
        regions
    }

    fn draw_outline(&mut self, region: &Plane<bool>, colour: Rgb) {
        let (height, width) = self.size();
        let inside = |y: usize, x: usize| y < height && x < width && region.get(y, x);
        for y in 0..height {
            for x in 0..width {
                // A wrapped `y - 1` lies outside as any other.
                let whole = inside(y.wrapping_sub(1), x)
                    && inside(y + 1, x)
                    && inside(y, x.wrapping_sub(1))
                    && inside(y, x + 1);
                if region.get(y, x) && !whole {
                    self.mix(y * width + x, colour, 1.0);
                }
            }
        }
    }

    fn mix(&mut self, at: usize, colour: Rgb, share: f32) {
        self.grey &= share == 0.0;
        for (channel, &c) in colour.iter().enumerate() {
            let pixel = &mut self.pixels.plane_mut(channel)[at];
            *pixel = (f32::from(*pixel) * (1.0 - share) + f32::from(c) * share).round() as u8;
        }
    }

    /// The picture as a PNG file in memory, grey where it is grey.
    ///
    /// # Errors
    /// [`ReportError::Png`], which a picture in memory does not meet.
    pub fn to_png(&self) -> Result<Vec<u8>, ReportError> {
        let (height, width) = self.size();
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side(width), side(height));
        encoder.set_color(if self.grey {
            png::ColorType::Grayscale
        } else {
            png::ColorType::Rgb
        });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        if self.grey {
            writer.write_image_data(self.pixels.plane(0))?;
        } else {
            let planes = [0, 1, 2].map(|c| self.pixels.plane(c));
            let pixels: Vec<u8> = (0..height * width)
                .flat_map(|at| planes.map(|plane| plane[at]))
                .collect();
            writer.write_image_data(&pixels)?;
        }
        writer.finish()?;
        Ok(bytes)
    }

    /// The picture as a `data:` address to stand in a page.
    ///
    /// # Errors
    /// As [`Picture::to_png`].
    pub fn to_data_uri(&self) -> Result<String, ReportError> {
        Ok(format!("data:image/png;base64,{}", base64(&self.to_png()?)))
    }
}

fn check(image: &Stack<u8>) -> Result<(), ReportError> {
    let channels = image.channels();
    if !matches!(channels, 1 | 3) || image.height() == 0 || image.width() == 0 {
        return Err(ReportError::Channels { channels });
    }
    Ok(())
}

/// The displacements of IRNet as a colour wheel: `field` is 2×h×w, rows then columns, in any unit.
///
/// # Errors
/// [`ReportError::Channels`] unless the field has two channels and a pixel.
pub fn displacement(field: &Stack<f32>) -> Result<Picture, ReportError> {
    let (channels, height, width) = (field.channels(), field.height(), field.width());
    if channels != 2 || height == 0 || width == 0 {
        return Err(ReportError::Channels { channels });
    }
    let vectors = field.plane(0).iter().zip(field.plane(1));
    let lengths: Vec<f32> = vectors.clone().map(|(dy, dx)| dy.hypot(*dx)).collect();
    let longest = lengths
        .iter()
        .copied()
        .filter(|l| l.is_finite())
        .fold(f32::MIN_POSITIVE, f32::max);
    let mut pixels = Stack::filled(3, height, width, 0_u8);
    for (at, ((dy, dx), length)) in vectors.zip(&lengths).enumerate() {
        let colour = colour::direction(*dy, *dx, length / longest);
        for (channel, value) in colour.into_iter().enumerate() {
            pixels.plane_mut(channel)[at] = value;
        }
    }
    Picture::of(&pixels)
}

/// Which cells of an `h`×`w` grid `value` covers by [`DRAWN_SHARE`] or more.
fn covered(
    plane: &[u8],
    (rows, columns): (usize, usize),
    value: u8,
    (h, w): (usize, usize),
) -> Plane<bool> {
    let span = |i: usize, cells: usize, pixels: usize| {
        let start = i * pixels / cells;
        start..((i + 1) * pixels).div_ceil(cells).max(start + 1)
    };
    Plane::from_fn(h, w, |y, x| {
        let (ys, xs) = (span(y, h, rows), span(x, w, columns));
        let all = ys.len() * xs.len();
        let hits: usize = ys
            .map(|y| {
                plane[y * columns..][xs.clone()]
                    .iter()
                    .filter(|&&v| v == value)
                    .count()
            })
            .sum();
        hits as f32 >= DRAWN_SHARE * all as f32
    })
}

/// Bytes in base 64 (RFC 4648, §4).
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit) & 63) as usize;
            out.push(if digit <= three.len() {
                char::from(DIGITS[six])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(height: usize, width: usize) -> Stack<u8> {
        Plane::from_fn(height, width, |y, x| ((y * 7 + x * 3) % 200) as u8).into_stack()
    }

    #[test]
    fn base_64_is_that_of_the_rfc() {
        let cases = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let expected = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        for (text, expected) in cases.iter().zip(expected) {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn thumbnails_are_bounded_and_keep_their_shape() {
        for (h, w, size) in [
            (1024, 1024, (224, 224)),
            (64, 64, (224, 224)),
            (2000, 1000, (224, 112)),
            (1, 9000, (1, 224)),
        ] {
            assert_eq!(Picture::of(&grey(h, w)).expect("a picture").size(), size);
        }
        let four = Stack::filled(4, 2, 2, 0_u8);
        assert!(matches!(
            Picture::of(&four),
            Err(ReportError::Channels { channels: 4 })
        ));
        assert!(Picture::of(&Stack::filled(1, 0, 5, 0_u8)).is_err());
    }

    #[test]
    fn png_reads_back_as_drawn() {
        let picture = Picture::of(&grey(300, 400)).expect("a picture");
        let map = Plane::from_fn(20, 30, |y, x| if y < x { 1.0 } else { f32::NAN });
        for (picture, channels) in [
            (picture.clone(), 1),
            (picture.with_heat(&map).expect("heat"), 3),
        ] {
            let png = picture.to_png().expect("encoded");
            let mut reader = png::Decoder::new(std::io::Cursor::new(&png))
                .read_info()
                .expect("a PNG");
            let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
            reader.next_frame(&mut pixels).expect("pixels");
            let red: Vec<u8> = pixels.chunks(channels).map(|p| p[0]).collect();
            assert_eq!(red, picture.pixels().plane(0));
        }
    }

    #[test]
    fn a_mask_tints_its_inside_and_outlines_its_edge() {
        let picture = Picture::of(&Stack::filled(1, 448, 448, 100_u8)).expect("a picture");
        let mut mask = Plane::filled(448, 448, 0_u8);
        for y in 100..200 {
            for x in 100..200 {
                mask.set(y, x, 1);
            }
        }
        mask.set(0, 0, 255);
        let drawn = picture.with_mask(&mask.into_stack(), &|_| [255, 0, 0]);
        let pixel = |y: usize, x: usize| [0, 1, 2].map(|c| drawn.pixels().plane(c)[y * 224 + x]);
        assert_eq!(pixel(50, 70), [255, 0, 0], "edge");
        assert_eq!(pixel(70, 70), [159, 62, 62], "inside");
        assert_eq!(pixel(0, 0), [100, 100, 100], "void is not drawn");
        assert_eq!(pixel(30, 30), [100, 100, 100], "outside");
    }

    #[test]
    fn at_its_own_size_every_pixel_is_drawn_where_it_is() {
        let picture = Picture::at_own_size(&Stack::filled(1, 5, 6, 100_u8)).expect("a picture");
        assert_eq!(picture.size(), (5, 6));
        let square = Plane::from_fn(5, 6, |y, x| {
            u8::from((1..4).contains(&y) && (1..4).contains(&x))
        });
        let drawn = picture.with_mask(&square.into_stack(), &|_| [255, 0, 0]);
        let pixel = |y: usize, x: usize| [0, 1, 2].map(|c| drawn.pixels().plane(c)[y * 6 + x]);
        assert_eq!(pixel(1, 1), [255, 0, 0], "edge");
        assert_eq!(pixel(2, 2), [159, 62, 62], "inside");
        assert_eq!(pixel(1, 4), [100, 100, 100], "outside");
        let map = Plane::from_fn(5, 6, |_, x| f32::from(x == 5));
        let hot = picture.with_heat(&map).expect("heat");
        let red = hot.pixels().plane(0);
        assert_eq!(red[4], 100, "no heat hides nothing");
        assert!(red[5] > 180, "{}", red[5]);
    }

    #[test]
    fn findings_may_overlap_and_thin_ones_are_drawn() {
        let picture = Picture::of(&Stack::filled(1, 672, 672, 0_u8)).expect("a picture");
        let mut mask = Stack::filled(2, 672, 672, 0_u8);
        mask.plane_mut(0)[300 * 672..301 * 672].fill(1);
        mask.plane_mut(1).fill(1);
        let colours = |k: usize| if k == 0 { [255, 0, 0] } else { [0, 0, 255] };
        let drawn = picture.with_outline(&mask, &colours);
        assert_eq!(
            drawn.pixels().plane(0)[100 * 224 + 50],
            255,
            "a line of a third of a pixel"
        );
        assert_eq!(drawn.pixels().plane(2)[0], 255, "the other finding's edge");
    }

    #[test]
    fn displacements_show_direction() {
        let mut field = Stack::filled(2, 8, 8, 0.0_f32);
        field.plane_mut(1).fill(3.0);
        let right = displacement(&field).expect("a picture");
        let pixel = [0, 1, 2].map(|c| right.pixels().plane(c)[0]);
        assert!(
            pixel[0] > pixel[1] && pixel[0] > pixel[2],
            "right is red: {pixel:?}"
        );
        assert!(displacement(&Stack::filled(3, 2, 2, 0.0)).is_err());
    }
}
