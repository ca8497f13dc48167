//! `weakseg predict`: a trained model on images.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use weakseg::predict::{Prediction, Predictor};
use weakseg::progress::Progress;
use weakseg::report::{colour, figures};
use weakseg_data::{
    Classes, DataError, Limits, MaskStore, Picture, Stack, Tone, image_id, list_images, npy,
    read_picture, write_rgb_png,
};

use super::view;
use crate::args::Settings;
use crate::exit::{Done, Stopped, label, usage};
use crate::{interrupt, output};

/// Images that go through the network at once.
const BATCH: usize = 4;

/// Segment images with a trained model.
///
/// Masks have the size of their image: OUT/NAME.png, or OUT/FINDING/NAME.png for several findings, with class numbers
/// as values. Overlays go to OUT/overlays, probabilities to OUT/scores.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg predict --model runs/first image.png --out masks
  weakseg predict --model runs/first images/ --out masks --formats mask,overlay,npy")]
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
    /// What to write, with commas between: mask (class numbers), overlay (the image with the mask over it), npy
    /// (probabilities, f32 [C,H,W]).
    #[arg(
        long,
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
    /// Images that may be unreadable, and inputs that may be or hold none, before the program ends with exit code 3.
    #[arg(long, value_name = "N", default_value_t = 0)]
    allow_skips: usize,
}

/// What is written of each image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Mask,
    Overlay,
    Npy,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mask" => Ok(Self::Mask),
            "overlay" => Ok(Self::Overlay),
            "npy" => Ok(Self::Npy),
            "rle" | "coco" | "seg" | "sc" => Err(format!(
                "`{text}` is not offered yet; there are mask, overlay and npy"
            )),
            _ => Err("expected mask, overlay or npy".to_owned()),
        }
    }
}

/// What is printed of an image.
#[derive(Serialize)]
struct Item<'a> {
    image: String,
    id: String,
    masks: Vec<String>,
    overlay: Option<String>,
    npy: Option<String>,
    classes: Vec<Share<'a>>,
}

#[derive(Serialize)]
struct Share<'a> {
    class: &'a str,
    /// Of the image's pixels.
    share: f64,
    /// Of the image as a whole, where the model has a classifier.
    probability: Option<f32>,
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
        let store = MaskStore::new(&self.out, predictor.classes().clone());
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
                let item = self.write(path, image, prediction, &store, predictor.classes())?;
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
        if failed > self.allow_skips {
            settings.ui.warn(&format!(
                "{failed} of {} images could not be read, {} are allowed (--allow-skips)",
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
        if self.out.is_file() {
            return usage(format!(
                "--out {} is a file; give a folder",
                self.out.display()
            ));
        }
        Ok(())
    }

    fn write<'a>(
        &self,
        path: &Path,
        image: &Stack<u8>,
        prediction: &Prediction,
        store: &MaskStore,
        classes: &'a Classes,
    ) -> Result<Item<'a>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let id = image_id(&name).to_owned();
        // Checks the name too: it comes from outside, and the files below are named by it.
        let masks = store
            .paths(&id)
            .with_context(|| path.display().to_string())?;
        let wanted = |format| self.formats.contains(&format);
        let mut item = Item {
            image: path.display().to_string(),
            id,
            masks: Vec::new(),
            overlay: None,
            npy: None,
            classes: Vec::new(),
        };
        if wanted(Format::Mask) {
            store.write(&item.id, &prediction.mask)?;
            item.masks = masks
                .iter()
                .map(|mask| mask.display().to_string())
                .collect();
        }
        if wanted(Format::Overlay) {
            let file = self.out.join("overlays").join(format!("{}.png", item.id));
            let picture = figures::Picture::at_own_size(image)?;
            let picture = picture.with_mask(&prediction.mask.planes, &colour::class);
            write_rgb_png(&file, picture.pixels())?;
            item.overlay = Some(file.display().to_string());
        }
        if wanted(Format::Npy) {
            let file = self.out.join("scores").join(format!("{}.npy", item.id));
            let scores = &prediction.scores;
            npy::write_f32(
                &file,
                &[scores.channels(), scores.height(), scores.width()],
                scores.as_slice(),
            )?;
            item.npy = Some(file.display().to_string());
        }
        for (class, name) in classes.names.iter().enumerate() {
            let region = prediction.mask.of_class(classes.space, class);
            let pixels = region
                .as_slice()
                .iter()
                .filter(|&&value| value == 1)
                .count();
            item.classes.push(Share {
                class: name,
                share: pixels as f64 / region.len() as f64,
                probability: prediction.probabilities.as_ref().map(|p| p[class]),
            });
        }
        Ok(item)
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
