//! `weakseg data pixels`: what the program sees in an image, as numbers.

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use weakseg::progress::Progress;
use weakseg_data::{Limits, Tone, View, npy, read_picture, read_stored_values};

use super::output_path::{check_distinct, check_ending};
use crate::args::Settings;
use crate::exit::Done;
use crate::output;

/// Write the pixels of an image as numbers, as the program sees them.
///
/// f32 of 0 to 255, after LUTs, window and the inversion of negatives: [H,W] for grey, [3,H,W] for colour. With --raw
/// the values that the file stores as i32, before all of that: 16 bits of a PNG that has them, indices of a palette.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg data pixels image.dcm --out seen.npy
  weakseg data pixels image.dcm --out stored.npy --raw
  weakseg data pixels run.dcm --out third.npy --frame 3")]
pub struct Pixels {
    /// The image: PNG, JPEG or DICOM.
    #[arg(value_name = "FILE")]
    image: PathBuf,
    /// The array to write.
    #[arg(long, value_name = "X.npy")]
    out: PathBuf,
    /// The values that the file stores.
    #[arg(long, conflicts_with = "tone")]
    raw: bool,
    /// How a grey DICOM image becomes 8 bits: window (as the file says), percentile (whatever it says; also for grey
    /// PNGs of 16 bits), raw (as stored).
    #[arg(long, value_name = "TONE", default_value = "window")]
    tone: Tone,
    /// The frame of a DICOM file of several, counted from 1.
    #[arg(long, value_name = "N")]
    frame: Option<NonZeroU32>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    image: String,
    out: String,
    shape: Vec<usize>,
    notes: Vec<String>,
}

impl Pixels {
    /// Reads the image and writes the array.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("data pixels")?;
        check_ending(&self.out, "npy")?;
        check_distinct(&[&self.image], &[&self.out])?;
        let limits = Limits::default();
        let shape_of = |channels: usize, height: usize, width: usize| match channels {
            1 => vec![height, width],
            _ => vec![channels, height, width],
        };
        let (shape, notes) = if self.raw {
            let values = read_stored_values(&self.image, &limits, self.frame)?;
            let shape = shape_of(values.channels(), values.height(), values.width());
            npy::write_i32(&self.out, &shape, values.as_slice())?;
            (shape, Vec::new())
        } else {
            let view = View {
                tone: self.tone,
                frame: self.frame,
            };
            let picture = read_picture(&self.image, &limits, view)?;
            let values = picture.pixels.map(|&value| f32::from(value));
            let shape = shape_of(values.channels(), values.height(), values.width());
            npy::write_f32(&self.out, &shape, values.as_slice())?;
            (shape, picture.notes)
        };
        for note in &notes {
            settings
                .ui
                .note(&format!("{}: {note}", self.image.display()));
        }
        if settings.json {
            output::json(&Outcome {
                image: self.image.display().to_string(),
                out: self.out.display().to_string(),
                shape,
                notes,
            })?;
        } else {
            output::line(format!("{}: {shape:?}", self.out.display()))?;
        }
        Ok(Done::Whole)
    }
}
