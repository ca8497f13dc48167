//! `weakseg crf`: a dense CRF on any label map.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use densecrf::{CrfError, DenseCrf, Guide, MAX_COMPATIBILITY, Unary};
use serde::Serialize;
use weakseg::progress::Progress;
use weakseg_data::{
    Limits, Plane, Stack, Tone, View, npy, read_index_png, read_picture, write_index_png,
};

use super::numbers;
use super::output_path::{check_distinct, check_ending};
use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::output;

/// Refine a label map along the edges of its image by a dense CRF.
///
/// The defaults are those of IRNet's pipeline and give what pydensecrf gives. Grey images count as RGB with three equal
/// channels.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg crf photo.jpg coarse.png --out refined.png --gt-prob 0.7 --bilateral 50,5,10")]
pub struct Crf {
    /// The image: PNG, JPEG or DICOM.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// How a grey DICOM image becomes 8 bits: window (as the file says), percentile (whatever it says; also for grey
    /// PNGs of 16 bits), raw (as stored).
    #[arg(long, value_name = "TONE", default_value = "window")]
    tone: Tone,
    /// The frame of a DICOM file of several, counted from 1.
    #[arg(long, value_name = "N")]
    frame: Option<NonZeroU32>,
    /// The label map: a palette or grey PNG of label numbers 0 to K-1, of the image's size.
    #[arg(value_name = "LABELS.png")]
    map: PathBuf,
    /// The refined label map.
    #[arg(long, value_name = "OUT.png")]
    out: PathBuf,
    /// Number of labels, at most 256; the largest in the map and one by default.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=256))]
    labels: Option<u16>,
    /// How sure the label map is, between 0 and 1.
    #[arg(long, value_name = "P", default_value_t = 0.7)]
    gt_prob: f64,
    /// Mean-field iterations.
    #[arg(long, value_name = "N", default_value_t = 10)]
    iterations: usize,
    /// Gaussian term: standard deviation in pixels, weight.
    #[arg(
        long,
        value_name = "SXY,COMPAT",
        default_value = "3,3",
        allow_hyphen_values = true
    )]
    gaussian: Gaussian,
    /// Bilateral term: standard deviation in pixels, standard deviation in grey levels, weight.
    #[arg(
        long,
        value_name = "SXY,SRGB,COMPAT",
        default_value = "50,5,10",
        allow_hyphen_values = true
    )]
    bilateral: Bilateral,
    /// Also write the label probabilities, f32 [K,H,W].
    #[arg(long, value_name = "Q.npy")]
    marginals: Option<PathBuf>,
}

/// `SXY,COMPAT`
#[derive(Debug, Clone)]
struct Gaussian {
    sxy: f32,
    compat: f32,
}

impl FromStr for Gaussian {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let [sxy, compat] = numbers(text)?;
        check(&[("SXY", sxy)], compat)?;
        Ok(Self { sxy, compat })
    }
}

/// `SXY,SRGB,COMPAT`
#[derive(Debug, Clone)]
struct Bilateral {
    sxy: f32,
    srgb: f32,
    compat: f32,
}

impl FromStr for Bilateral {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let [sxy, srgb, compat] = numbers(text)?;
        check(&[("SXY", sxy), ("SRGB", srgb)], compat)?;
        Ok(Self { sxy, srgb, compat })
    }
}

/// Refuses what is no deviation, and a weight by which alike pixels would repel each other.
fn check(deviations: &[(&str, f32)], compat: f32) -> Result<(), String> {
    for (name, value) in deviations {
        if !(value.is_finite() && *value > 0.0) {
            return Err(format!("{name} is {value}; expected a number above 0"));
        }
    }
    if !(0.0..=MAX_COMPATIBILITY).contains(&compat) {
        return Err(format!(
            "COMPAT is {compat}; expected a number from 0 to {MAX_COMPATIBILITY:e}"
        ));
    }
    Ok(())
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    /// Computing alone: without reading, decoding and writing.
    seconds: f64,
    height: usize,
    width: usize,
    labels: usize,
}

impl Crf {
    /// Reads, refines, writes.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("crf")?;
        if !(self.gt_prob > 0.0 && self.gt_prob < 1.0) {
            return usage(format!(
                "--gt-prob is {}; expected a number between 0 and 1",
                self.gt_prob
            ));
        }
        check_ending(&self.out, "png")?;
        let mut written = vec![self.out.as_path()];
        if let Some(marginals) = &self.marginals {
            check_ending(marginals, "npy")?;
            written.push(marginals);
        }
        check_distinct(&[&self.image, &self.map], &written)?;
        let view = View {
            tone: self.tone,
            frame: self.frame,
        };
        let image = rgb(read_picture(&self.image, &Limits::default(), view)?.pixels)?;
        let map = read_index_png(&self.map, &Limits::default())?;
        let (height, width) = (map.height(), map.width());
        ensure!(
            (image.height(), image.width()) == (height, width),
            "{}: the label map is {height}x{width} (height x width), its image {}x{}; save the map on the image's own grid",
            self.map.display(),
            image.height(),
            image.width()
        );
        let largest = usize::from(map.as_slice().iter().copied().max().unwrap_or(0));
        let labels = self.labels.map_or(largest + 1, usize::from);
        if let Some(at) = map
            .as_slice()
            .iter()
            .position(|&value| usize::from(value) >= labels)
        {
            return usage(format!(
                "--labels is {labels}, but {} holds the label {} at row {}, column {}; give {} or more",
                self.map.display(),
                map.as_slice()[at],
                at / width,
                at % width,
                largest + 1
            ));
        }
        if largest == 255 && self.labels.is_none() {
            settings.ui.warn(&format!(
                "{}: holds the value 255, taken as a label: the CRF runs with 256 labels",
                self.map.display()
            ));
        }

        let began = Instant::now();
        let guide = Guide::planar(height, width, 3, image.as_slice())?;
        let marginals = DenseCrf::new(height, width, labels)
            .and_then(|crf| crf.gaussian(self.gaussian.sxy, self.gaussian.compat))
            .and_then(|crf| {
                crf.bilateral(
                    self.bilateral.sxy,
                    self.bilateral.srgb,
                    &guide,
                    self.bilateral.compat,
                )
            })
            .and_then(|crf| {
                crf.infer(
                    &Unary::from_labels(map.as_slice(), labels, self.gt_prob, false)?,
                    self.iterations,
                )
            })
            .or_else(|error| match error {
                CrfError::FeatureRange { .. } => usage(format!(
                    "--gaussian and --bilateral: the deviations are too small for an image of {height}x{width} ({error}); give larger ones"
                )),
                error => Err(error).with_context(|| self.map.display().to_string()),
            })?;
        let refined = Plane::new(height, width, marginals.map())?;
        let seconds = began.elapsed().as_secs_f64();

        write_index_png(&self.out, &refined)?;
        if let Some(path) = &self.marginals {
            npy::write_f32(path, &[labels, height, width], marginals.q())?;
        }
        if settings.json {
            output::json(&Outcome {
                seconds,
                height,
                width,
                labels,
            })?;
        } else {
            let changed = refined
                .as_slice()
                .iter()
                .zip(map.as_slice())
                .filter(|(a, b)| a != b)
                .count();
            output::line(format!(
                "{}: {height}x{width}, {labels} labels, {:.1} % of the pixels changed, {seconds:.3} s",
                self.out.display(),
                100.0 * changed as f64 / map.len() as f64
            ))?;
        }
        Ok(Done::Whole)
    }
}

/// Three channels of a grey or colour image: grey three times.
fn rgb(image: Stack<u8>) -> Result<Stack<u8>> {
    if image.channels() == 3 {
        return Ok(image);
    }
    let planes = image.plane(0).repeat(3);
    Ok(Stack::new(3, image.height(), image.width(), planes)?)
}
