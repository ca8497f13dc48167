//! [`Header`]: what the image pixel module says, checked.

use std::path::Path;

use dicom_core::Tag;
use dicom_core::value::Value;
use dicom_core::{PrimitiveValue, VR};
use dicom_dictionary_std::tags;

use super::data_set::DataSet;
use crate::{DataError, Limits};

/// What samples mean (0028,0004).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Photometric {
    /// Greatest value black.
    Monochrome1,
    /// Greatest value white.
    Monochrome2,
    /// Index into three tables.
    Palette,
    Rgb,
    /// Full-range YCbCr (JPEG's).
    YbrFull,
    /// The same with colours at half the columns.
    YbrFull422,
    /// The YCbCr inside JPEG 2000, which its decoder undoes.
    YbrJpeg2000,
}

impl Photometric {
    const NAMES: [(&'static str, Self); 8] = [
        ("MONOCHROME1", Self::Monochrome1),
        ("MONOCHROME2", Self::Monochrome2),
        ("PALETTE COLOR", Self::Palette),
        ("RGB", Self::Rgb),
        ("YBR_FULL", Self::YbrFull),
        ("YBR_FULL_422", Self::YbrFull422),
        ("YBR_ICT", Self::YbrJpeg2000),
        ("YBR_RCT", Self::YbrJpeg2000),
    ];

    /// As the standard writes it.
    pub(crate) fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, kind)| *kind == self);
        known.map_or("", |(name, _)| name)
    }

    fn samples(self) -> u32 {
        match self {
            Self::Monochrome1 | Self::Monochrome2 | Self::Palette => 1,
            _ => 3,
        }
    }
}

/// The image pixel module; what it says holds for every frame.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// How many frames it says there are, at least 1; not compared with the pixel data yet.
    pub(crate) frames: u32,
    /// Samples a pixel, 1 or 3.
    pub(crate) samples: usize,
    pub(crate) photometric: Photometric,
    /// Bits a sample takes, 8 or 16.
    pub(crate) allocated: u32,
    /// Bits a sample has, 1 to `allocated`.
    pub(crate) stored: u32,
    /// Place of its highest bit, `stored - 1` to `allocated - 1`.
    pub(crate) high: u32,
    pub(crate) signed: bool,
    /// Whether colours lie plane by plane.
    pub(crate) planar: bool,
}

impl Header {
    pub(crate) fn read(path: &Path, object: &DataSet, limits: &Limits) -> Result<Self, DataError> {
        let wrong = |problem: String| DataError::unreadable(path, problem, "export it again");
        let unread = |problem: String, remedy: &str| DataError::unreadable(path, problem, remedy);
        if object.get(tags::PIXEL_DATA).is_none() {
            let other = [tags::FLOAT_PIXEL_DATA, tags::DOUBLE_FLOAT_PIXEL_DATA];
            if other.iter().any(|&tag| object.get(tag).is_some()) {
                return Err(unread(
                    "the pixels are floating point numbers".into(),
                    "convert them to 16-bit integers",
                ));
            }
            let class = object.meta().media_storage_sop_class_uid();
            return Err(DataError::NoImage {
                path: path.to_owned(),
                class: class.trim_end_matches('\0').to_owned(),
            });
        }
        let number = |tag: Tag, name: &str| whole_number(path, object, tag, name);
        let needed = |tag: Tag, name: &str| {
            number(tag, name)?
                .ok_or_else(|| wrong(format!("no {name} {tag}, which an image needs")))
        };
        let rows = side(path, object, tags::ROWS, "Rows")?;
        let columns = side(path, object, tags::COLUMNS, "Columns")?;
        limits.check_size(path, rows.into(), columns.into())?;
        let frames = number(tags::NUMBER_OF_FRAMES, "Number of Frames")?.unwrap_or(1);
        let samples = number(tags::SAMPLES_PER_PIXEL, "Samples per Pixel")?.unwrap_or(1);
        let photometric = photometric(path, object)?;
        if samples != photometric.samples() {
            return Err(wrong(format!(
                "Samples per Pixel {samples} does not go with Photometric Interpretation {}",
                photometric.name()
            )));
        }
        let allocated = needed(tags::BITS_ALLOCATED, "Bits Allocated")?;
        if !matches!(allocated, 8 | 16) {
            return Err(unread(
                format!("Bits Allocated is {allocated}; 8 and 16 are read"),
                "convert the image to 16 bits",
            ));
        }
        if samples > 1 && allocated != 8 {
            return Err(unread(
                "a colour image of 16 bits a sample; 8 are read".into(),
                "convert the image to 8 bits",
            ));
        }
        let stored = number(tags::BITS_STORED, "Bits Stored")?.unwrap_or(allocated);
        let high = number(tags::HIGH_BIT, "High Bit")?.unwrap_or(stored.saturating_sub(1));
        if stored == 0 || stored > allocated || high >= allocated || high + 1 < stored {
            return Err(wrong(format!(
                "Bits Stored {stored} and High Bit {high} do not fit into Bits Allocated {allocated}"
            )));
        }
        let signed = match number(tags::PIXEL_REPRESENTATION, "Pixel Representation")? {
            None | Some(0) => false,
            Some(1) => true,
            Some(other) => {
                return Err(wrong(format!(
                    "Pixel Representation is {other}, expected 0 or 1"
                )));
            }
        };
        let planar = match number(tags::PLANAR_CONFIGURATION, "Planar Configuration")? {
            None | Some(0) => false,
            Some(1) => true,
            Some(other) => {
                return Err(wrong(format!(
                    "Planar Configuration is {other}, expected 0 or 1"
                )));
            }
        };
        Ok(Self {
            rows: rows as usize,
            columns: columns as usize,
            frames: frames.max(1),
            samples: samples as usize,
            photometric,
            allocated,
            stored,
            high,
            signed,
            planar: planar && samples > 1,
        })
    }

    /// The least and the greatest value that its stored bits can hold.
    pub(crate) fn range(&self) -> [i32; 2] {
        // At most 16 bits.
        if self.signed {
            [-1 << (self.stored - 1), (1 << (self.stored - 1)) - 1]
        } else {
            [0, (1 << self.stored) - 1]
        }
    }

    /// Pixels of a frame.
    pub(crate) fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Bytes a sample takes, 1 or 2.
    pub(crate) fn bytes(&self) -> usize {
        self.allocated as usize / 8
    }

    /// Bytes of a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.pixels() * self.samples * self.bytes()
    }
}

/// A whole number that may be absent or without a value.
pub(crate) fn whole_number(
    path: &Path,
    object: &DataSet,
    tag: Tag,
    name: &str,
) -> Result<Option<u32>, DataError> {
    let Some(element) = object.get(tag) else {
        return Ok(None);
    };
    if matches!(element.value(), Value::Primitive(PrimitiveValue::Empty)) {
        return Ok(None);
    }
    element.to_int::<u32>().map(Some).map_err(|_| {
        DataError::unreadable(
            path,
            format!("{name} {tag} is no whole number"),
            "export it again",
        )
    })
}

fn side(path: &Path, object: &DataSet, tag: Tag, name: &str) -> Result<u32, DataError> {
    let wrong = |problem: String| DataError::unreadable(path, problem, "export it again");
    let missing = || wrong(format!("no {name} {tag}, which an image needs"));
    let element = object.get(tag).ok_or_else(missing)?;
    if element.vr() != VR::US {
        return Err(wrong(format!(
            "{name} {tag} is stored as {}, expected US",
            element.vr()
        )));
    }
    match whole_number(path, object, tag, name)?.ok_or_else(missing)? {
        0 => Err(wrong(format!("{name} {tag} is 0, the image has no pixels"))),
        length => Ok(length),
    }
}

fn photometric(path: &Path, object: &DataSet) -> Result<Photometric, DataError> {
    let tag = tags::PHOTOMETRIC_INTERPRETATION;
    let text = object.get(tag).and_then(|element| element.to_str().ok());
    let Some(text) = text else {
        return Err(DataError::unreadable(
            path,
            format!("no Photometric Interpretation {tag}, which an image needs"),
            "export it again",
        ));
    };
    let name = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let known = Photometric::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, kind)| *kind).ok_or_else(|| {
        DataError::unreadable(
            path,
            format!(
                "Photometric Interpretation `{}` is not read",
                name.escape_debug()
            ),
            "convert the image to MONOCHROME2 or RGB",
        )
    })
}
