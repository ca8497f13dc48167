//! `weakseg predict`: a trained model on images.

mod format;
mod item;
mod made_by;
mod outputs;
mod record;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use weakseg::predict::Predictor;
use weakseg::progress::Progress;
use weakseg_data::{DataError, Limits, Picture, Stack, View, counted, list_images, read_picture};

use super::output_path::check_folder;
use super::view::ViewArgs;
use crate::args::Settings;
use crate::exit::{Done, Stopped, label, usage};
use crate::{interrupt, output};
use format::Format;
use item::Item;
use made_by::MadeBy;
use outputs::Outputs;

/// Images that go through the network at once.
const BATCH: usize = 4;

/// Segment images with a trained model.
///
/// Everything has the size of its image and is named after it: OUT/NAME.png, or OUT/FINDING/NAME.png for several
/// findings, with class numbers as values; the other formats go to folders and files below OUT of their own. OUT takes
/// the predictions of one model alone, which OUT/model.json names; OUT/predicted.jsonl tells which image each mask is
/// of, and no mask that was changed, or is of another image, is written over. A call that was stopped begins again with
/// its first image.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg predict --model runs/first image.png --out found
  weakseg predict --model runs/first images/ --out found --formats mask,overlay,npy
  weakseg predict --model runs/first images/ --out found --formats rle,coco
  weakseg predict --model runs/first radiographs/ --out found --formats seg,sc")]
pub struct Predict {
    /// A run's folder, or a segmentation model's .safetensors file. A file holds no classifier: a run whose settings
    /// gate masks by its classifier (`segmenter.gate`) gates them only where its folder is given.
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
    #[command(flatten)]
    view: ViewArgs,
    /// Images that may fail before the program ends with exit code 3: unreadable ones, those without the DICOM
    /// segmentation that was asked for, and inputs that hold no image.
    #[arg(long, value_name = "N", default_value_t = 0)]
    allow_skips: usize,
}

#[derive(Serialize)]
struct Failure {
    image: String,
    error: String,
}

/// What has no mask, or not all that was asked for.
#[derive(Default)]
struct Missed {
    /// Images and inputs that count against `--allow-skips`.
    failed: usize,
    unreadable: usize,
    /// DICOM files without an image.
    without: usize,
}

impl Predict {
    /// Predicts every image.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let list = list_images(&self.inputs)?;
        if !list.others.is_empty() {
            settings.ui.note(&format!(
                "passed over: {} (neither PNG, JPEG nor DICOM, or a run's folder)",
                list.others.len()
            ));
        }
        self.check_out(&list.images)?;
        let predictor = self.open(settings)?;
        let view = self.view.of_model(&self.model)?;
        let made_by = MadeBy::of(&self.model, &predictor, view)?;
        made_by.check(&self.out)?;
        let mut unnoted = Some(made_by);
        let mut outputs = Outputs::new(&self.out, &self.formats, predictor.classes(), view.frame)?;
        match MadeBy::is_noted(&self.out) {
            true => outputs.check_noted(&list.images)?,
            false => outputs.check_new(&list.images)?,
        }
        let stop = interrupt::stop()?;
        let mut missed = Missed {
            failed: list.refused.len(),
            ..Missed::default()
        };
        for (path, error) in &list.refused {
            tell(path, error, settings)?;
        }
        settings.ui.begin("predict", list.images.len() as u64);
        for (number, batch) in list.images.chunks(BATCH).enumerate() {
            if stop.asked() {
                // Of what is done the tables tell, as its masks do.
                if unnoted.is_none() {
                    outputs.finish_so_far()?;
                }
                let (done, total) = (number * BATCH, list.images.len());
                return Err(Stopped {
                    done,
                    total,
                    what: "images",
                }
                .into());
            }
            let (paths, images) = self.read(batch, view, &mut missed, settings)?;
            let predictions = predictor.predict(&images)?;
            if let Some(made_by) = unnoted.take_if(|_| !paths.is_empty()) {
                made_by.write(&self.out)?;
            }
            for (path, (image, prediction)) in paths.iter().zip(images.iter().zip(&predictions)) {
                let item = outputs.write(path, image, prediction)?;
                if let Some(error) = &item.error {
                    missed.failed += 1;
                    settings.ui.warn(&format!("{} {error}", label()));
                }
                settings
                    .ui
                    .suspend(|| print(&item, predictor.gate(), settings.json))?;
            }
            settings.ui.at((number * BATCH + batch.len()) as u64, "");
        }
        settings.ui.end();
        if missed.without > 0 {
            settings.ui.warn(&format!(
                "passed over, no image in it: {}",
                counted(missed.without, "DICOM file")
            ));
        }
        if missed.unreadable + missed.without == list.images.len() {
            bail!(
                "nothing could be read of {}",
                counted(list.images.len(), "image")
            );
        }
        let places = outputs.places()?;
        outputs.finish()?;
        if !settings.json {
            output::line(format!(
                "images: {}, files: {}",
                list.images.len() - missed.unreadable - missed.without,
                places.join(", ")
            ))?;
        }
        if missed.failed > self.allow_skips {
            settings.ui.warn(&format!(
                "{} of {} images could not be read, cannot name a mask or have no segmentation in DICOM, {} are allowed \
                 (--allow-skips)",
                missed.failed,
                list.images.len() + list.refused.len(),
                self.allow_skips
            ));
            return Ok(Done::Skipped);
        }
        Ok(Done::Whole)
    }

    fn open(&self, settings: &Settings) -> Result<Predictor> {
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
        Ok(predictor)
    }

    /// The images of a batch that can be read, and where they lie; the others are told of.
    fn read<'b>(
        &self,
        batch: &'b [PathBuf],
        view: View,
        missed: &mut Missed,
        settings: &Settings,
    ) -> Result<(Vec<&'b Path>, Vec<Stack<u8>>)> {
        let read: Vec<Result<Picture, DataError>> = batch
            .par_iter()
            .map(|path| read_picture(path, &Limits::default(), view))
            .collect();
        let (mut paths, mut images) = (Vec::new(), Vec::new());
        for (path, image) in batch.iter().zip(read) {
            match image {
                Ok(picture) => {
                    for note in &picture.notes {
                        settings.ui.note(&format!("{}: {note}", path.display()));
                    }
                    paths.push(path.as_path());
                    images.push(picture.pixels);
                }
                Err(error @ DataError::NoImage { .. }) => {
                    missed.without += 1;
                    // One that was asked for by its name is missed; one that lies in a folder is not.
                    missed.failed += usize::from(self.inputs.contains(path));
                    tell(path, &error, settings)?;
                }
                Err(error) => {
                    missed.failed += 1;
                    missed.unreadable += 1;
                    tell(path, &error, settings)?;
                }
            }
        }
        Ok((paths, images))
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
        let failure = Failure {
            image: image.display().to_string(),
            error: error.to_string(),
        };
        settings.ui.suspend(|| output::json(&failure))?;
    }
    Ok(())
}

/// Says what covers how much of an image; where nothing does, what the classifier thinks, whose `gate` may be the
/// reason.
fn print(item: &Item<'_>, gate: Option<f64>, json: bool) -> Result<()> {
    if json {
        return output::json(item);
    }
    let found: Vec<String> = item
        .classes
        .iter()
        .filter(|class| class.share > 0.0)
        .map(|class| {
            let probability = class.probability;
            let probability = probability.map(|p| format!(" (probability {p:.3})"));
            format!(
                "{} {:.1} % of the image{}",
                class.class,
                100.0 * class.share,
                probability.unwrap_or_default()
            )
        })
        .collect();
    let probable = item.classes.iter().filter_map(|class| {
        let probability = class.probability?;
        Some((class.class, probability))
    });
    let most = probable.max_by(|(_, a), (_, b)| a.total_cmp(b));
    let found = match (found.as_slice(), gate, most) {
        ([], Some(gate), Some((class, probability))) => {
            format!("nothing found (most probable: {class} {probability:.3}; gate {gate})")
        }
        ([], ..) => "nothing found".to_owned(),
        _ => found.join(", "),
    };
    output::line(format!("{}: {found}", item.image))
}
