//! `weakseg cam`: where a classifier looks.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use weakseg::cam::CamMethod;
use weakseg::predict::activation;
use weakseg::report::Picture;
use weakseg_data::{Limits, npy, read_picture, write_rgb_png};

use super::output_path::check_distinct;
use super::view::ViewArgs;
use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::output;

/// Show where a classifier looks: activation maps of an image.
///
/// Writes the map over the image as PREFIX.png and the map itself, f32 [H,W] at the image's own size and in the
/// method's own units, as PREFIX.npy. Several methods write PREFIX.METHOD.png and PREFIX.METHOD.npy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg cam image.png --model runs/first --out look
  weakseg cam image.png --model runs/first --method cam,grad-cam++ --class pneumothorax --out look")]
pub struct Cam {
    /// The image: PNG, JPEG or DICOM.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// A run's folder, or a classifier's .safetensors file.
    #[arg(long, value_name = "M")]
    model: PathBuf,
    /// Methods, with commas between: cam, grad-cam, grad-cam++, layer-cam; and Grad-CAM++ as two published codes have
    /// it, grad-cam++-wsmis and grad-cam++-pytorch-grad-cam.
    #[arg(
        long,
        value_name = "METHODS",
        value_delimiter = ',',
        default_value = "grad-cam++"
    )]
    method: Vec<CamMethod>,
    /// The layer whose map is taken; the last one by default.
    #[arg(long, value_name = "L")]
    layer: Option<String>,
    /// The class that is looked for; the likeliest by default.
    #[arg(long, value_name = "C")]
    class: Option<String>,
    #[command(flatten)]
    view: ViewArgs,
    /// Path of the files to write, without ending.
    #[arg(long, value_name = "PREFIX")]
    out: PathBuf,
}

/// What is printed of a map.
#[derive(Serialize)]
struct Item {
    method: String,
    class: String,
    layer: String,
    /// Of the class in the image as a whole.
    probability: f32,
    height: usize,
    width: usize,
    overlay: String,
    npy: String,
}

impl Cam {
    /// Makes every map.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let files = self.files()?;
        let view = self.view.of_model(&self.model)?;
        let image = read_picture(&self.image, &Limits::default(), view)?.pixels;
        let (device, name) = settings.device.open()?;
        settings.ui.detail(&format!("device {name}"));
        for (method, [overlay, npy]) in self.method.iter().zip(&files) {
            let found = activation(
                &self.model,
                &image,
                method,
                self.layer.as_deref(),
                self.class.as_deref(),
                &device,
            )?;
            let map = &found.map;
            // As make-cams reads it: what speaks against the class is no heat.
            let top = map.as_slice().iter().copied().fold(0.0f32, f32::max);
            let heat = map.map(|&value| if top > 0.0 { value.max(0.0) / top } else { 0.0 });
            let picture = Picture::at_own_size(&image)?.with_heat(&heat)?;
            write_rgb_png(overlay, picture.pixels())?;
            npy::write_f32(npy, &[map.height(), map.width()], map.as_slice())?;
            let class = found.classes.index(&found.class).unwrap_or(0);
            let item = Item {
                method: method.to_string(),
                class: found.class,
                layer: found.layer,
                probability: found.probabilities[class],
                height: map.height(),
                width: map.width(),
                overlay: overlay.display().to_string(),
                npy: npy.display().to_string(),
            };
            if settings.json {
                output::json(&item)?;
            } else {
                output::line(format!(
                    "{}: {} of {} (probability {:.3}), also {}",
                    item.overlay, item.method, item.class, item.probability, item.npy
                ))?;
            }
        }
        Ok(Done::Whole)
    }

    /// Overlay and map of each method.
    fn files(&self) -> Result<Vec<[PathBuf; 2]>> {
        // `name/` has a name too, and would give `name/.png`.
        let path = self.out.as_os_str().as_encoded_bytes();
        let named = self.out.file_name().map(OsStr::as_encoded_bytes);
        if !named.is_some_and(|name| path.ends_with(name)) {
            return usage(format!(
                "--out {}: expected the path of the files to write, without ending",
                self.out.display()
            ));
        }
        let several = self.method.len() > 1;
        let files = self.method.iter().map(|method| {
            let prefix = match several {
                true => ending(&self.out, &method.to_string()),
                false => self.out.clone(),
            };
            ["png", "npy"].map(|end| ending(&prefix, end))
        });
        let files: Vec<[PathBuf; 2]> = files.collect();
        let written: Vec<&Path> = files.iter().flatten().map(PathBuf::as_path).collect();
        check_distinct(&[&self.image, &self.model], &written)?;
        Ok(files)
    }
}

/// `path.end`, whatever dots `path` holds.
fn ending(path: &Path, end: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(".");
    text.push(end);
    text.into()
}
