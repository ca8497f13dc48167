//! [`View`]: what is to be seen of an image file.

use std::num::NonZeroU32;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{DataError, Tone};

/// What is to be seen of an image file; what it says matters for DICOM alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// How the stored values of a grey image become 8 bits.
    pub tone: Tone,
    /// Which frame, counted from 1 as DICOM does. A file of several must have one named, and other files have frame 1
    /// alone.
    pub frame: Option<NonZeroU32>,
}

impl From<Tone> for View {
    fn from(tone: Tone) -> Self {
        Self { tone, frame: None }
    }
}

/// The place of the frame that is asked for among `frames`, counted from 0.
///
/// # Errors
/// [`DataError::MultiFrame`] if there are several and none is named, [`DataError::FrameRange`] if there is no such
/// frame.
pub(crate) fn chosen(
    path: &Path,
    frames: u32,
    frame: Option<NonZeroU32>,
) -> Result<usize, DataError> {
    match frame {
        None if frames == 1 => Ok(0),
        None => Err(DataError::MultiFrame {
            path: path.to_owned(),
            frames,
        }),
        Some(frame) if frame.get() <= frames => Ok(frame.get() as usize - 1),
        Some(frame) => Err(DataError::FrameRange {
            path: path.to_owned(),
            frames,
            frame: frame.get(),
        }),
    }
}
