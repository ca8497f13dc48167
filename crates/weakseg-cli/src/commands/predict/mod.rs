//! `weakseg predict`: a trained model on images.

mod outputs;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use weakseg::predict::Predictor;
use weakseg::progress::Progress;
use weakseg_data::{DataError, Limits, Picture, Stack, Tone, list_images, read_picture};

use super::output_path::check_folder;
use super::view;
use crate::args::Settings;
use crate::exit::{Done, Stopped, label, usage};
use crate::{interrupt, output};
use outputs::{Format, Item, Outputs};

/// Images that go through the network at once.
const BATCH: usize = 4;

/// Segment images with a trained model.
///
/// Everything has the size of its image and is named after it: OUT/NAME.png, or OUT/FINDING/NAME.png for several findings, with
/// class numbers as values; the other formats go to folders and files below OUT of their own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg predict --model runs/first image.png --out masks
  weakseg predict --model runs/first images/ --out masks --formats mask,overlay,npy
  weakseg predict --model runs/first images/ --out masks --formats rle,coco
  weakseg predict --model runs/first radiographs/ --out masks --formats seg,sc")]
pub struct Predict {
    /// A run's folder, or a segmentation model's .safetensors file. A file holds no classifier: a run whose settings gate
    /// masks by its classifier (`segmenter.gate`) gates them only where its folder is given.
    #[arg(long, value_name = "RUN_OR_FILE")]
    model: PathBuf,
    /// PNG, JPEG or DICOM files, or folders that hold some, in subfolders too.
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// The folder to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to write, with commas between.
    #[arg(
        long,
        value_enum,
        value_name = "FORMATS",
        value_delimiter = ',',
        default_value = "mask,overlay"
    )]
    formats: Vec<Format>,
    /// How grey DICOM images become 8 bits: window, percentile or raw; by default as in the run that is named as the model.
    #[arg(long, value_name = "TONE")]
    tone: Option<Tone>,
    /// Which frame of DICOM files of several, counted from 1; by default as in the run that is named as the model.
    #[arg(long, value_name = "N")]
    frame: Option<NonZeroU32>,
    /// Images that may be unreadable or without the DICOM segmentation that was asked for, and inputs that may be or hold none,
    /// before the program ends with exit code 3.
    #[arg(long, value_name = "N", default_value_t = 0)]
    allow_skips: usize,
}

#[derive(Serialize)]
struct Failure {
    image: String,
    error: String,
}

impl Predict {
    /// Predicts every image.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let list = list_images(&self.inputs)?;
        if !list.others.is_empty() {
            settings.ui.note(&format!(
                "{} files that are neither PNG, JPEG nor DICOM are passed over",
                list.others.len()
            ));
        }
        self.check_out(&list.images)?;
        let (device, name) = settings.device.open()?;
        settings.ui.detail(&format!("device {name}"));
        let predictor = Predictor::open(&self.model, &device)?;
        if let Some(gate) = predictor.lost_gate() {
            settings.ui.warn(&format!(
                "{}: trained with segmenter.gate = {gate}, but a file holds no classifier, so masks are not gated; to gate \
                 them give the run's folder as --model",
                self.model.display()
            ));
        }
        let view = view::of_model(&self.model, self.tone, self.frame)?;
        let mut outputs = Outputs::new(&self.out, &self.formats, predictor.classes(), view.frame)?;
        let stop = interrupt::stop()?;
        let (mut failed, mut unreadable, mut without) = (list.refused.len(), 0, 0);
        for (path, error) in &list.refused {
            tell(path, error, settings)?;
        }
        settings.ui.begin("predict", list.images.len() as u64);
        for (number, batch) in list.images.chunks(BATCH).enumerate() {
            if stop.asked() {
                let (done, total) = (number * BATCH, list.images.len());
                return Err(Stopped {
                    done,
                    total,
                    what: "images",
                }
                .into());
            }
            let read: Vec<Result<Picture, DataError>> = batch
                .par_iter()
                .map(|path| read_picture(path, &Limits::default(), view))
                .collect();
            let mut images: Vec<(&Path, Stack<u8>)> = Vec::new();
            for (path, image) in batch.iter().zip(read) {
                match image {
                    Ok(picture) => {
                        for note in &picture.notes {
                            settings.ui.note(&format!("{}: {note}", path.display()));
                        }
                        images.push((path, picture.pixels));
                    }
                    Err(error @ DataError::NoImage { .. }) => {
                        without += 1;
                        // One that was asked for by its name is missed; one that lies in a folder is not.
                        failed += usize::from(self.inputs.contains(path));
                        tell(path, &error, settings)?;
                    }
                    Err(error) => {
                        failed += 1;
                        unreadable += 1;
                        tell(path, &error, settings)?;
                    }
                }
            }
            let stacks: Vec<Stack<u8>> = images.iter().map(|(_, image)| image.clone()).collect();
            let predictions = predictor.predict(&stacks)?;
            for ((path, image), prediction) in images.iter().zip(&predictions) {
                let item = outputs.write(path, image, prediction)?;
                if let Some(error) = &item.error {
                    failed += 1;
                    settings.ui.warn(&format!("{} {error}", label()));
                }
                settings.ui.suspend(|| print(&item, settings.json))?;
            }
            settings.ui.at((number * BATCH + batch.len()) as u64, "");
        }
        settings.ui.end();
        if without > 0 {
            settings.ui.warn(&format!(
                "{without} DICOM files that hold no image are passed over"
            ));
        }
        if unreadable + without == list.images.len() {
            bail!("none of the {} images could be read", list.images.len());
        }
        outputs.finish()?;
        if failed > self.allow_skips {
            settings.ui.warn(&format!(
                "{failed} of {} images could not be read or have no segmentation in DICOM, {} are allowed (--allow-skips)",
                list.images.len() + list.refused.len(),
                self.allow_skips
            ));
            return Ok(Done::Skipped);
        }
        Ok(Done::Whole)
    }

    /// Masks are named as their images: written beside them, they would be written over them.
    fn check_out(&self, images: &[PathBuf]) -> Result<()> {
        let out = std::fs::canonicalize(&self.out).ok();
        for image in images {
            let folder = std::fs::canonicalize(image)
                .ok()
                .and_then(|path| path.parent().map(Path::to_owned));
            if out.is_some() && folder == out {
                return usage(format!(
                    "--out {} holds the image {}, which a mask would overwrite; give another folder",
                    self.out.display(),
                    image.display()
                ));
            }
        }
        check_folder(&self.inputs, &self.out)?;
        if self.out.is_file() {
            return usage(format!(
                "--out {} is a file; give a folder",
                self.out.display()
            ));
        }
        Ok(())
    }
}

/// Says what is wrong with a file.
fn tell(image: &Path, error: &DataError, settings: &Settings) -> Result<()> {
    settings.ui.warn(&format!("{} {error}", label()));
    if settings.json {
        output::json(&Failure {
            image: image.display().to_string(),
            error: error.to_string(),
        })?;
    }
    Ok(())
}

fn print(item: &Item<'_>, json: bool) -> Result<()> {
    if json {
        return output::json(item);
    }
    let found: Vec<String> = item
        .classes
        .iter()
        .filter(|class| class.share > 0.0)
        .map(|class| format!("{} {:.1} %", class.class, 100.0 * class.share))
        .collect();
    let found = if found.is_empty() {
        "nothing found".to_owned()
    } else {
        found.join(", ")
    };
    output::line(format!("{}: {found}", item.image))
}
