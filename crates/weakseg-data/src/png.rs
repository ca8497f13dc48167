//! PNG: images to 8-bit planes, index maps as the indices they store, and both back.

use std::borrow::Cow;
use std::io::{Cursor, Write};
use std::path::Path;

use png::{BitDepth, ColorType, Transformations};

use crate::contain::contained;
use crate::dicom::black_and_white;
use crate::{DataError, Limits, Plane, Stack, Tone, atomic, image::planar, palette};

/// Whether the bytes begin as a PNG does.
pub(crate) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}

/// Height and width of a PNG within the limits, from its header alone.
pub(crate) fn size(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(usize, usize), DataError> {
    let reader = open(path, bytes, limits, Transformations::IDENTITY)?;
    let info = reader.info();
    Ok((info.height as usize, info.width as usize))
}

/// Below a quarter of what 16 bits hold an image was most likely stored with 14 bits or fewer, and few greys are left
/// of it.
const DARK: u16 = 1 << 14;

/// Decodes a PNG to 1×H×W grey or 3×H×W RGB: 16 bits scaled to 8, palettes resolved, transparency dropped with a note.
/// With [`Tone::Percentile`] grey values of 16 bits are shown as those of DICOM are, between two percentiles.
pub(crate) fn decode(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
    tone: Tone,
    notes: &mut Vec<String>,
) -> Result<Stack<u8>, DataError> {
    let reader = open(path, bytes, limits, Transformations::EXPAND)?;
    let info = reader.info();
    if info.trns.is_some() || matches!(info.color_type, ColorType::GrayscaleAlpha | ColorType::Rgba)
    {
        notes.push("the transparency of the picture is not used".into());
    }
    let pixels = read(path, reader)?;
    let stored = pixels.color.samples();
    let kept = match pixels.color {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => 1,
        ColorType::Rgb | ColorType::Rgba | ColorType::Indexed => 3,
    };
    let samples = match pixels.depth {
        BitDepth::Sixteen => {
            let pairs = pixels.bytes.chunks_exact(2);
            let values = pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            // Alpha is among the samples and shows nothing.
            let values: Vec<u16> = values.step_by(if kept == 1 { stored } else { 1 }).collect();
            if kept == 1 {
                let grey = grey_of_16_bits(&values, tone, notes);
                return Ok(planar(pixels.height, pixels.width, 1, 1, &grey));
            }
            values.into_iter().map(byte_of_16_bits).collect()
        }
        _ => pixels.bytes,
    };
    Ok(planar(pixels.height, pixels.width, stored, kept, &samples))
}

/// 65535 / 257 = 255: the nearest of 256 equal steps.
fn byte_of_16_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

fn grey_of_16_bits(values: &[u16], tone: Tone, notes: &mut Vec<String>) -> Vec<u8> {
    if tone == Tone::Percentile {
        let mut counts = vec![0_u64; 1 << 16];
        for &value in values {
            counts[usize::from(value)] += 1;
        }
        let quantities: Vec<(f64, u64)> = (0_u16..=u16::MAX).map(f64::from).zip(counts).collect();
        let [low, high] = black_and_white(&quantities);
        let share = |value: u16| match high > low {
            true => (f64::from(value) - low) / (high - low),
            false => 0.0,
        };
        let byte = |&value: &u16| (share(value).clamp(0.0, 1.0) * 255.0).round() as u8;
        return values.iter().map(byte).collect();
    }
    let top = values.iter().copied().max().unwrap_or(0);
    if top < DARK {
        notes.push(format!(
            "its 16-bit values end at {top} of 65535, so that {} of 256 greys are used; data.tone = \"percentile\" shows all of them",
            u16::from(byte_of_16_bits(top)) + 1
        ));
    }
    values.iter().map(|&value| byte_of_16_bits(value)).collect()
}

/// The values that a PNG stores, as many bits as they have: 1×H×W grey values or palette indices, or 3×H×W RGB.
pub(crate) fn stored(path: &Path, bytes: &[u8], limits: &Limits) -> Result<Stack<i32>, DataError> {
    let pixels = read(path, open(path, bytes, limits, Transformations::IDENTITY)?)?;
    let (height, width) = (pixels.height, pixels.width);
    let samples: Vec<i32> = match pixels.depth {
        BitDepth::Sixteen => pixels
            .bytes
            .chunks_exact(2)
            .map(|pair| i32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .collect(),
        BitDepth::Eight => pixels.bytes.iter().copied().map(i32::from).collect(),
        BitDepth::One | BitDepth::Two | BitDepth::Four => {
            let values = unpack(&pixels, height, width);
            values.into_iter().map(i32::from).collect()
        }
    };
    let kept = match pixels.color {
        ColorType::Grayscale | ColorType::GrayscaleAlpha | ColorType::Indexed => 1,
        ColorType::Rgb | ColorType::Rgba => 3,
    };
    let stored = pixels.color.samples();
    Ok(planar(height, width, stored, kept, &samples))
}

/// Reads the *indices* of a palette PNG, or the values of a grey one: class numbers, never the luminance of a colour.
///
/// Grey values of 1, 2 and 4 bits are taken as stored, not stretched to 255. A colour PNG is read if its three
/// channels agree everywhere, and one with an alpha channel if that is opaque everywhere: else the shape may be in
/// either of the two.
///
/// # Errors
/// [`DataError::Io`], [`DataError::TooLarge`]; [`DataError::Unreadable`] if the file is no PNG (a JPEG changes class
/// numbers and is refused), is cut off, is coloured, is transparent anywhere, or has 16 bits and values above 255.
pub fn read_index_png(path: &Path, limits: &Limits) -> Result<Plane<u8>, DataError> {
    decode_indices(path, &limits.read(path)?, limits)
}

/// As [`read_index_png`], of bytes.
pub(crate) fn decode_indices(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Plane<u8>, DataError> {
    if !is_png(bytes) {
        return Err(DataError::unreadable(
            path,
            "not a PNG file",
            "save masks as PNG; a JPEG blurs class numbers into each other",
        ));
    }
    let pixels = contained(path, || {
        read(path, open(path, bytes, limits, Transformations::IDENTITY)?)
    })?;
    let (height, width) = (pixels.height, pixels.width);
    let stored = pixels.color.samples();
    if let Some(at) = transparent(&pixels) {
        return Err(DataError::unreadable(
            path,
            format!(
                "the mask is transparent in places (first at row {}, column {}), and its shape may be in colour or transparency",
                at / width,
                at % width
            ),
            "save class numbers without an alpha channel",
        ));
    }
    let values: Vec<u8> = match pixels.depth {
        BitDepth::Eight => pixels.bytes,
        BitDepth::Sixteen => {
            let mut low = Vec::with_capacity(pixels.bytes.len() / 2);
            for pair in pixels.bytes.chunks_exact(2) {
                if pair[0] != 0 {
                    return Err(DataError::unreadable(
                        path,
                        format!(
                            "the 16-bit mask holds the value {}",
                            u16::from_be_bytes([pair[0], pair[1]])
                        ),
                        "save masks with 8 bits, one class number a pixel",
                    ));
                }
                low.push(pair[1]);
            }
            low
        }
        BitDepth::One | BitDepth::Two | BitDepth::Four => unpack(&pixels, height, width),
    };
    let plane = match pixels.color {
        ColorType::Grayscale | ColorType::Indexed => values,
        ColorType::GrayscaleAlpha => values.chunks_exact(2).map(|pixel| pixel[0]).collect(),
        ColorType::Rgb | ColorType::Rgba => {
            if let Some(at) = values
                .chunks_exact(stored)
                .position(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2])
            {
                return Err(DataError::unreadable(
                    path,
                    format!(
                        "the mask is a colour picture (first coloured pixel at row {}, column {})",
                        at / width,
                        at % width
                    ),
                    "save class numbers as a palette or grey PNG",
                ));
            }
            values.chunks_exact(stored).map(|pixel| pixel[0]).collect()
        }
    };
    Plane::new(height, width, plane)
}

/// The first pixel whose alpha channel, if there is one, is not opaque.
fn transparent(pixels: &Pixels) -> Option<usize> {
    if !matches!(pixels.color, ColorType::GrayscaleAlpha | ColorType::Rgba) {
        return None;
    }
    let bytes = pixels.bytes.len() / (pixels.height * pixels.width).max(1);
    let alpha = bytes - bytes / pixels.color.samples();
    let mut each = pixels.bytes.chunks_exact(bytes.max(1));
    each.position(|pixel| pixel[alpha..].iter().any(|&byte| byte != u8::MAX))
}

/// Writes class numbers as a palette PNG in the colours of PASCAL VOC; 255 is cream.
///
/// # Errors
/// [`DataError::Io`]; `path` is then as before.
pub fn write_index_png(path: &Path, plane: &Plane<u8>) -> Result<(), DataError> {
    let palette: Vec<u8> = (0..=255).flat_map(palette::voc_colour).collect();
    write(
        path,
        plane.height(),
        plane.width(),
        ColorType::Indexed,
        Some(palette),
        plane.as_slice(),
    )
}

/// Writes a grey picture, 8 bits.
///
/// # Errors
/// [`DataError::Io`]; `path` is then as before.
pub fn write_gray_png(path: &Path, plane: &Plane<u8>) -> Result<(), DataError> {
    write(
        path,
        plane.height(),
        plane.width(),
        ColorType::Grayscale,
        None,
        plane.as_slice(),
    )
}

/// Writes a 3×H×W colour picture (or a 1×H×W grey one), 8 bits.
///
/// # Errors
/// [`DataError::Shape`] for another number of channels; [`DataError::Io`], and `path` is then as before.
pub fn write_rgb_png(path: &Path, image: &Stack<u8>) -> Result<(), DataError> {
    let (color, samples) = interleaved(path, image)?;
    write(path, image.height(), image.width(), color, None, &samples)
}

/// A 3×H×W colour picture or a 1×H×W grey one as a PNG file in memory, 8 bits.
///
/// # Errors
/// [`DataError::Shape`] for another number of channels; [`DataError::Io`] for sides that no PNG has.
pub fn encode_png(image: &Stack<u8>) -> Result<Vec<u8>, DataError> {
    let path = Path::new("a PNG in memory");
    let (color, samples) = interleaved(path, image)?;
    let mut bytes = Vec::new();
    encode(
        &mut bytes,
        image.height(),
        image.width(),
        color,
        None,
        &samples,
    )
    .map_err(DataError::io(path, "write"))?;
    Ok(bytes)
}

/// The samples of a picture in the order of a PNG's.
fn interleaved<'a>(
    path: &Path,
    image: &'a Stack<u8>,
) -> Result<(ColorType, Cow<'a, [u8]>), DataError> {
    match image.channels() {
        1 => Ok((ColorType::Grayscale, Cow::Borrowed(image.plane(0)))),
        3 => {
            let (red, green, blue) = (image.plane(0), image.plane(1), image.plane(2));
            let pixels = (0..red.len()).flat_map(|at| [red[at], green[at], blue[at]]);
            Ok((ColorType::Rgb, pixels.collect()))
        }
        other => Err(DataError::Shape {
            what: format!("picture for {}", path.display()),
            expected: "1 or 3 channels".into(),
            found: format!("{other}"),
        }),
    }
}

struct Pixels {
    height: usize,
    width: usize,
    color: ColorType,
    depth: BitDepth,
    line: usize,
    bytes: Vec<u8>,
}

type Reader<'a> = png::Reader<Cursor<&'a [u8]>>;

fn corrupt(path: &Path) -> impl Fn(png::DecodingError) -> DataError {
    move |error| {
        DataError::unreadable(
            path,
            format!("not a readable PNG (cut off or damaged): {error}"),
            "copy or export the file again",
        )
    }
}

fn open<'a>(
    path: &Path,
    bytes: &'a [u8],
    limits: &Limits,
    transformations: Transformations,
) -> Result<Reader<'a>, DataError> {
    let budget = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX);
    let mut decoder =
        png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: budget });
    decoder.set_transformations(transformations);
    let info = decoder.read_header_info().map_err(corrupt(path))?;
    limits.check_size(path, u64::from(info.height), u64::from(info.width))?;
    decoder.read_info().map_err(corrupt(path))
}

fn read(path: &Path, mut reader: Reader<'_>) -> Result<Pixels, DataError> {
    let size = reader.output_buffer_size().ok_or_else(|| {
        DataError::unreadable(
            path,
            "the image does not fit into memory",
            "make it smaller",
        )
    })?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(corrupt(path))?;
    // The picture may be whole and the file still end early: what follows it must be readable too.
    reader.finish().map_err(corrupt(path))?;
    bytes.truncate(frame.buffer_size());
    Ok(Pixels {
        height: frame.height as usize,
        width: frame.width as usize,
        color: frame.color_type,
        depth: frame.bit_depth,
        line: frame.line_size,
        bytes,
    })
}

/// Values of 1, 2 or 4 bits, first pixel in the highest bits, each row begun on a new byte.
fn unpack(pixels: &Pixels, height: usize, width: usize) -> Vec<u8> {
    let bits = pixels.depth as usize;
    let mask = (1_u8 << bits) - 1;
    let mut values = Vec::with_capacity(height * width);
    for row in pixels.bytes.chunks_exact(pixels.line) {
        for x in 0..width {
            let bit = x * bits;
            values.push(row[bit / 8] >> (8 - bits - bit % 8) & mask);
        }
    }
    values
}

fn write(
    path: &Path,
    height: usize,
    width: usize,
    color: ColorType,
    palette: Option<Vec<u8>>,
    samples: &[u8],
) -> Result<(), DataError> {
    atomic::write_with(path, |file| {
        encode(file, height, width, color, palette, samples)
    })
}

fn encode(
    out: impl Write,
    height: usize,
    width: usize,
    color: ColorType,
    palette: Option<Vec<u8>>,
    samples: &[u8],
) -> std::io::Result<()> {
    let side = |length: usize| {
        u32::try_from(length).map_err(|_| {
            std::io::Error::other(format!("a side of {length} pixels is too long for a PNG"))
        })
    };
    let mut encoder = png::Encoder::new(out, side(width)?, side(height)?);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(samples)?;
    writer.finish()?;
    Ok(())
}
