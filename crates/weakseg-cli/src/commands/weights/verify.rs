//! `weakseg weights verify`: does a file fit a network, and does the network then give what it should.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use clap::Args;
use serde::Serialize;
use weakseg_data::npy;
use weakseg_models::weights::{LoadReport, Misshapen};
use weakseg_models::{Network, Output};

use super::network::Which;
use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::output;

/// Side in pixels that every network has room for: VGG16 halves it five times.
const SMALLEST: usize = 32;

/// Check a file of weights against a network, and its outputs against outputs that are known.
///
/// Without --input, tells which keys fit. With it, runs the network on X, f32 [B,3,H,W] already normalised, as for
/// prediction, and compares with Y: logits [B,classes], maps [B,outputs,H,W], or of IRNet the edge map [B,1,h,w] or the
/// displacements [B,2,h,w]. The relative difference is the greatest absolute one over the greatest magnitude of Y. Ends
/// with exit code 1 if something does not fit or the relative difference is above the tolerance.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg weights verify --arch vgg16-bn --weights vgg.pth
  weakseg weights verify --arch unet-resnet50 --weights unet.pth --input x.npy --expect y.npy --json")]
pub struct Verify {
    #[command(flatten)]
    which: Which,
    /// The weights, safetensors or PyTorch's .pth.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Input, f32 [B,3,H,W], normalised.
    #[arg(long, value_name = "X.npy", requires = "expect")]
    input: Option<PathBuf>,
    /// What the network should give for it.
    #[arg(long, value_name = "Y.npy", requires = "input")]
    expect: Option<PathBuf>,
    /// Greatest relative difference that passes.
    #[arg(long, value_name = "T", default_value_t = 1e-4)]
    tolerance: f64,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome<'a> {
    arch: &'a str,
    weights: String,
    format: &'static str,
    /// Whether every key of the file has its place in the network and the other way round.
    fits: bool,
    applied: usize,
    missing: &'a [String],
    unused: &'a [String],
    misshapen: Vec<Shapes<'a>>,
    notes: &'a [String],
    /// Reading the file, building the network and filling it.
    seconds: f64,
    /// Null without --input.
    difference: Option<Difference>,
    passed: bool,
}

#[derive(Serialize)]
struct Shapes<'a> {
    key: &'a str,
    expected: &'a [usize],
    found: &'a [usize],
}

impl<'a> From<&'a Misshapen> for Shapes<'a> {
    fn from(m: &'a Misshapen) -> Self {
        Self {
            key: &m.name,
            expected: &m.expected,
            found: &m.found,
        }
    }
}

/// How far the network's output is from what was expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Difference {
    /// Shape of the output.
    shape: Vec<usize>,
    /// Greatest absolute difference.
    absolute: f64,
    /// The same over the greatest magnitude of what was expected; the absolute one where that is 0.
    relative: f64,
    tolerance: f64,
}

impl Verify {
    /// Loads, runs, compares.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        if !(self.tolerance.is_finite() && self.tolerance >= 0.0) {
            return usage(format!(
                "--tolerance {}: expected a number, 0 or more",
                self.tolerance
            ));
        }
        let (device, _) = settings.device.open()?;
        let loaded = self.which.load(&self.weights, &device)?;
        let report = &loaded.report;
        let difference = match (&loaded.network, &self.input, &self.expect) {
            (Some(network), Some(input), Some(expect)) => {
                Some(self.difference(network, input, expect, &device)?)
            }
            _ => None,
        };
        let outcome = Outcome {
            arch: &self.which.arch,
            weights: self.weights.display().to_string(),
            format: loaded.format.name(),
            fits: report.is_complete(),
            applied: report.applied.len(),
            missing: &report.missing,
            unused: &report.unused,
            misshapen: report.misshapen.iter().map(Shapes::from).collect(),
            notes: &report.notes,
            seconds: loaded.seconds,
            passed: report.is_complete()
                && difference
                    .as_ref()
                    .is_none_or(|found| found.relative <= self.tolerance),
            difference,
        };
        if settings.json {
            output::json(&outcome)?;
        } else {
            output::line(outcome.text(report))?;
        }
        Ok(if outcome.passed {
            Done::Whole
        } else {
            Done::Faulty
        })
    }

    fn difference(
        &self,
        network: &Network,
        input: &Path,
        expect: &Path,
        device: &burn::tensor::Device,
    ) -> Result<Difference> {
        let (shape, images) = npy::read_f32(input)?;
        let &[batch, 3, height, width] = shape.as_slice() else {
            bail!(
                "{}: the shape is {shape:?}; expected normalised images [B,3,H,W]",
                input.display()
            );
        };
        if images.is_empty() {
            bail!("{}: no pixels in {shape:?}", input.display());
        }
        if height.min(width) < SMALLEST {
            bail!(
                "{}: images of {height}x{width} pixels; expected at least {SMALLEST}x{SMALLEST}",
                input.display()
            );
        }
        npy::check_finite(input, &shape, &images)?;
        let (expected_shape, expected) = npy::read_f32(expect)?;
        npy::check_finite(expect, &expected_shape, &expected)?;
        let data = TensorData::new(images, [batch, 3, height, width]);
        let outputs = match network.valid().forward(Tensor::from_data(data, device)) {
            Output::Logits(logits) => vec![plain(logits)],
            Output::Map(map) => vec![plain(map)],
            Output::Boundaries { edge, displacement } => vec![plain(edge), plain(displacement)],
        };
        let Some((shape, found)) = outputs.iter().find(|(shape, _)| *shape == expected_shape)
        else {
            let given: Vec<String> = outputs.iter().map(|(s, _)| format!("{s:?}")).collect();
            bail!(
                "{}: the shape is {expected_shape:?}; {} gives {} for {}",
                expect.display(),
                self.which.arch,
                given.join(" and "),
                input.display()
            );
        };
        if let Some(at) = found.iter().position(|value| !value.is_finite()) {
            bail!(
                "{} with {} gives {} at element {at} of its output; the weights or the input are out of range",
                self.which.arch,
                self.weights.display(),
                found[at]
            );
        }
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let pairs = found.iter().zip(&expected);
        let absolute = most(&mut pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()));
        let scale = most(&mut expected.iter().map(|value| f64::from(value.abs())));
        Ok(Difference {
            shape: shape.clone(),
            absolute,
            relative: absolute / if scale > 0.0 { scale } else { 1.0 },
            tolerance: self.tolerance,
        })
    }
}

/// Shape and values of an output.
fn plain<const D: usize>(tensor: Tensor<D>) -> (Vec<usize>, Vec<f32>) {
    let shape = tensor.dims().to_vec();
    (shape, tensor.into_data().iter::<f32>().collect())
}

impl Outcome<'_> {
    fn text(&self, report: &LoadReport) -> String {
        let mut lines = vec![format!(
            "{}: {}, {} of {}'s keys{}, {:.2} s",
            self.weights,
            self.format,
            self.applied,
            self.arch,
            if self.fits { ", all" } else { "" },
            self.seconds
        )];
        if !self.fits {
            lines.push(format!(
                "it does not fit {}: {report}; check the network's name, --width, and what the file was saved from",
                self.arch
            ));
        }
        let mut list = |what: &str, keys: &[String]| {
            if !keys.is_empty() {
                lines.push(format!("{what} ({}): {}", keys.len(), keys.join(", ")));
            }
        };
        list("missing in the file", self.missing);
        list("unknown to the network", self.unused);
        for m in &report.misshapen {
            lines.push(format!(
                "{}: the network has {:?}, the file {:?}",
                m.name, m.expected, m.found
            ));
        }
        lines.extend(self.notes.iter().cloned());
        if let Some(found) = &self.difference {
            lines.push(format!(
                "output {:?}: greatest difference {:.3e} absolute, {:.3e} relative; {} the tolerance {:.1e}",
                found.shape,
                found.absolute,
                found.relative,
                if self.passed { "within" } else { "above" },
                found.tolerance
            ));
        }
        lines.join("\n")
    }
}
