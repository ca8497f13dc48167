//! DICOM: images of 8 and 16 bits allocated, one frame at a time, in every transfer syntax that is read without C.
//!
//! dicom-rs reads the data set; what it would do to a hostile file is looked at before (`data_set`). Nothing of its
//! pixel pipeline's defaults is relied on. From stored values to the 8 bits that networks see there is one road: the
//! bits that are stored, their sign, Modality LUT or rescale, VOI LUT or window or percentiles, and the inversion of
//! MONOCHROME1 at its end (DICOM PS3.3 C.7.6.3, C.11.1, C.11.2).
//!
//! What is made of an image goes the other way: [`Origin`] says whose it is, and [`write_segmentation`] and
//! [`write_secondary_capture`] write files of the same study.

mod colour;
mod data_set;
mod elements;
mod frame;
mod header;
#[cfg(feature = "jpeg2000")]
mod jpeg2000_frame;
mod jpeg_frame;
mod lut;
mod modality;
mod origin;
mod rle_frame;
mod samples;
mod secondary_capture;
mod segmentation;
mod tone;
mod uid;
mod voi;

use std::fs;
use std::io::Read;
use std::num::NonZeroU32;
use std::path::Path;

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::contain::contained;
use crate::view::chosen;
use crate::{DataError, Limits, Stack, View, jpeg, png};

pub(crate) use data_set::is_dicom;
pub use origin::Origin;
pub use secondary_capture::write_secondary_capture;
pub use segmentation::write_segmentation;
pub use tone::Tone;
pub(crate) use tone::black_and_white;

use data_set::DataSet;
use header::{Header, Photometric};

/// A picture, and what was odd about its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// 1×H×W grey or 3×H×W RGB.
    pub pixels: Stack<u8>,
    /// What was not as the standard has it, and how it was read all the same; for the user's eyes.
    pub notes: Vec<String>,
}

/// Whose image a file holds, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Patient ID (0010,0020).
    pub(crate) patient: Option<String>,
    /// SOP Instance UID (0008,0018).
    pub(crate) instance: Option<String>,
}

/// Endings of DICOM files; many have none.
pub(crate) const ENDINGS: [&str; 2] = ["dcm", "dicom"];

/// Whether a file name's ending is that of a DICOM file.
pub(crate) fn is_ending(ending: &str) -> bool {
    ENDINGS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(ending))
}

/// Whether a file is DICOM by its content, or by its name and not a picture of another kind by its content: then it is
/// a damaged one, which is told when it is read.
pub(crate) fn may_be_dicom(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(132).read_to_end(&mut start));
    let ending = path.extension().and_then(|ending| ending.to_str());
    let other = read.is_ok() && (png::is_png(&start) || jpeg::is_jpeg(&start));
    is_dicom(&start) || (ending.is_some_and(is_ending) && !other)
}

/// Height and width.
pub(crate) fn size(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(usize, usize), DataError> {
    let object = data_set::read(path, bytes, limits, &mut Vec::new())?;
    let header = Header::read(path, &object, limits)?;
    Ok((header.rows, header.columns))
}

/// Decodes a file to 8 bits.
pub(crate) fn decode(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
    view: View,
) -> Result<Picture, DataError> {
    let mut notes = Vec::new();
    let object = data_set::read(path, bytes, limits, &mut notes)?;
    let header = Header::read(path, &object, limits)?;
    let stored = stored(path, &object, &header, view.frame, &mut notes)?;
    let pixels = match header.photometric {
        Photometric::Monochrome1 | Photometric::Monochrome2 => {
            if view.tone != Tone::Raw && has_functional_groups(&object) {
                notes.push(
                    "rescale and window in its functional groups are not read; it is shown as if it had none there"
                        .into(),
                );
            }
            tone::grey(path, &object, &header, &stored, view.tone, &mut notes)?
        }
        _ => {
            notes.push(format!(
                "a colour image ({}) among radiographs is often a screenshot",
                header.photometric.name()
            ));
            colour::rgb(path, &object, &header, &stored)?
        }
    };
    Ok(Picture { pixels, notes })
}

/// The stored values of a file, or of the frame that is named, C×H×W: colours as they are stored (palette indices; of
/// JPEG files RGB).
pub(crate) fn stored_values(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
    frame: Option<NonZeroU32>,
) -> Result<Stack<i32>, DataError> {
    let mut notes = Vec::new();
    let object = data_set::read(path, bytes, limits, &mut notes)?;
    let header = Header::read(path, &object, limits)?;
    stored(path, &object, &header, frame, &mut notes)
}

/// Bytes at the beginning of a file in which whose image it is usually stands.
const HEAD: u64 = 1 << 16;

/// Whose image a file holds; blank tags are none. Of most files only the beginning is read.
pub(crate) fn identity(path: &Path, limits: &Limits) -> Result<Identity, DataError> {
    let mut head = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(HEAD).read_to_end(&mut head))
        .map_err(DataError::io(path, "read"))?;
    contained(path, || {
        // Elements are in the order of their tags.
        let behind = Tag(tags::PATIENT_ID.0, tags::PATIENT_ID.1 + 1);
        let object = match data_set::beginning(path, &head, behind) {
            Some(object) => object,
            None => data_set::read(path, &limits.read(path)?, limits, &mut Vec::new())?,
        };
        let text = |tag| {
            let text = object.get(tag)?.to_str().ok()?;
            let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
            (!text.is_empty()).then(|| text.to_owned())
        };
        Ok(Identity {
            patient: text(tags::PATIENT_ID),
            instance: text(tags::SOP_INSTANCE_UID),
        })
    })
}

/// Whether a data set is of the enhanced kind, which says of each frame what others say of the image.
fn has_functional_groups(object: &DataSet) -> bool {
    let groups = [
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
    ];
    groups.iter().any(|&tag| object.get(tag).is_some())
}

fn stored(
    path: &Path,
    object: &DataSet,
    header: &Header,
    frame: Option<NonZeroU32>,
    notes: &mut Vec<String>,
) -> Result<Stack<i32>, DataError> {
    let number = chosen(path, header.frames, frame)?;
    let frame = frame::read(path, object, header, number, notes)?;
    let values = samples::stored(header, &frame);
    Stack::new(header.samples, header.rows, header.columns, values)
}
