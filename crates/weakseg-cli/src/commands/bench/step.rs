//! `weakseg bench step`: seconds of a training step and of an inference.

use std::num::NonZeroUsize;
use std::time::Instant;

use anyhow::Result;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use serde::Serialize;
use weakseg::config::Precision;
use weakseg::optim::{OptimConfig, Optimizer};
use weakseg_models::Output;

use super::subject::Subject;
use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::output;

/// Time a training step (forward, backward, SGD with momentum) and an inference of networks with random weights.
///
/// Prints one JSON line for each network and mode, with the best of the repeated runs after one to warm up. VGG16 is
/// its published convolutions alone, DeepLabv3+ has separable convolutions; classifiers have 20 classes, U-Nets one
/// output, IRNet its edge and displacements, learnt on a frozen trunk, and the others 21.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg bench step --net resnet50-os32 unet-resnet50 --batch 4 --size 224")]
pub struct Step {
    /// The networks.
    #[arg(long, value_name = "NAME", num_args = 1.., required = true, value_parser = names())]
    net: Vec<String>,
    /// Images in a batch.
    #[arg(long, value_name = "N", default_value = "4")]
    batch: NonZeroUsize,
    /// Height and width of the images in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u64).range(32..=4096))]
    size: u64,
    /// Timed runs; the best counts.
    #[arg(long, value_name = "N", default_value = "3")]
    repeat: NonZeroUsize,
    /// Keep less from the forward pass and do cheap operations again in the backward pass.
    #[arg(long)]
    gradient_checkpointing: bool,
    /// Arithmetic.
    #[arg(long, value_name = "MODE", num_args = 1.., default_values = ["fp32"])]
    modes: Vec<Mode>,
}

/// How a network computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// 32-bit floats throughout.
    Fp32,
    /// Convolutions with operands rounded to bf16 and sums in 32 bits, where the processor or the GPU has units for it.
    Bf16,
}

impl From<Mode> for Precision {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Fp32 => Self::Fp32,
            Mode::Bf16 => Self::Bf16,
        }
    }
}

/// One line, with the keys of PyTorch's counterpart.
#[derive(Serialize)]
struct Line<'a> {
    net: &'a str,
    mode: Mode,
    batch: usize,
    size: usize,
    device: &'a str,
    threads: usize,
    train_s: f64,
    infer_s: f64,
    /// MB that a GPU's allocator holds after training; of the CPU the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mb: Option<u64>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(Subject::names())
}

impl Step {
    /// Times and prints.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let (device, device_name) = settings.device.open()?;
        if let Some(seed) = settings.seed {
            device.seed(seed);
        }
        for net in &self.net {
            for &mode in &self.modes {
                if output::is_closed() {
                    return Ok(Done::Whole); // its lines are all it makes
                }
                let chosen = Precision::from(mode).choose(&device);
                if let Err(error) = chosen {
                    return usage(format!("--modes bf16: {error}"));
                }
                device.memory_cleanup();
                let train_s = to_tenth_of_millisecond(self.train(net, &device)?);
                let held = device.memory_pool_usage().map(|usage| usage.bytes_reserved);
                output::json(&Line {
                    net,
                    mode,
                    batch: self.batch.get(),
                    size: self.size as usize,
                    device: &device_name,
                    threads: rayon::current_num_threads(),
                    train_s,
                    infer_s: to_tenth_of_millisecond(self.infer(net, &device)?),
                    memory_mb: held.map(|bytes| bytes / 1_000_000),
                })?;
            }
        }
        Ok(Done::Whole)
    }

    fn images(&self, device: &Device) -> Tensor<4> {
        let size = self.size as usize;
        let shape = [self.batch.get(), 3, size, size];
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
    }

    fn train(&self, net: &str, device: &Device) -> Result<f64> {
        let mut device = device.clone().autodiff();
        if self.gradient_checkpointing {
            device = device.gradient_checkpointing();
        }
        let device = &device;
        let images = self.images(device);
        let mut optimizer = Optimizer::new(&OptimConfig::sgd(1e-4, 0.9, 0.0), Vec::new());
        let mut network = Some(Subject::new(net, device)?);
        self.best(|| {
            let trained = network.take().expect("put back after every step");
            let gradients = trained.loss(images.clone()).backward();
            let gradients = GradientsParams::from_grads(gradients, &trained);
            network = Some(optimizer.step(trained, gradients, 1e-4));
            Ok(device.sync()?)
        })
    }

    fn infer(&self, net: &str, device: &Device) -> Result<f64> {
        let images = self.images(device);
        let network = Subject::new(net, &device.clone().autodiff())?.valid();
        self.best(|| {
            match network.forward(images.clone()) {
                Output::Logits(logits) => drop(logits),
                Output::Map(map) => drop(map),
                Output::Boundaries { edge, displacement } => drop((edge, displacement)),
            }
            Ok(device.sync()?)
        })
    }

    /// Seconds of the fastest run, after one to warm up.
    fn best(&self, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
        run()?;
        let mut best = f64::INFINITY;
        for _ in 0..self.repeat.get() {
            let began = Instant::now();
            run()?;
            best = best.min(began.elapsed().as_secs_f64());
        }
        Ok(best)
    }
}

fn to_tenth_of_millisecond(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}
