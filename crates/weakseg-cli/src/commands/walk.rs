//! `weakseg walk`: a random walk of class maps over an edge map.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use weakseg::config::{MOST_RADIUS, MOST_STEPS};
use weakseg_data::{counted, npy};
use weakseg_kernels::walk::{WalkOptions, random_walk};

use super::output_path::{check_distinct, check_ending};
use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::output;

/// Spread class maps over an edge map by a random walk, as IRNet makes pseudo-labels.
///
/// The maps are weighed by (1 - edge) and then walk: in each step a cell takes the mean of the cells nearer than the
/// radius, weighed by (1 - the greatest edge between the two) to the power beta. The result is not normalised.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weakseg walk cam.npy edge.npy --out walked.npy --radius 5 --beta 10 --steps 256")]
pub struct Walk {
    /// Class maps, f32 [C,H,W].
    #[arg(value_name = "CAM.npy")]
    cam: PathBuf,
    /// Edge map, f32 [H,W] in 0..=1.
    #[arg(value_name = "EDGE.npy")]
    edge: PathBuf,
    /// The class maps after the walk, f32 [C,H,W].
    #[arg(long, value_name = "OUT.npy")]
    out: PathBuf,
    /// Cells nearer than this exchange directly.
    #[arg(long, value_name = "R", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=MOST_RADIUS as i64))]
    radius: u32,
    /// Exponent on the affinities.
    #[arg(
        long,
        value_name = "B",
        default_value_t = 10.0,
        allow_negative_numbers = true
    )]
    beta: f32,
    /// Steps of the walk, at most 10000; 0 only weighs the maps by (1 - edge).
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(..=MOST_STEPS as i64))]
    steps: u32,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    /// Computing alone: without reading and writing.
    seconds: f64,
    height: usize,
    width: usize,
    classes: usize,
}

impl Walk {
    /// Reads, walks, writes.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        settings.device.require_cpu("walk")?;
        if !(self.beta.is_finite() && self.beta > 0.0) {
            return usage(format!(
                "--beta is {}; expected a number above 0",
                self.beta
            ));
        }
        check_ending(&self.out, "npy")?;
        check_distinct(&[&self.cam, &self.edge], &[&self.out])?;
        let (cam_shape, cam) = npy::read_f32(&self.cam)?;
        let (edge_shape, edge) = npy::read_f32(&self.edge)?;
        let &[classes, height, width] = cam_shape.as_slice() else {
            bail!(
                "{}: the shape is {cam_shape:?}; expected class maps [C,H,W]",
                self.cam.display()
            );
        };
        if edge_shape != [height, width] {
            bail!(
                "{}: the shape is {edge_shape:?}; expected [{height}, {width}], as {} has",
                self.edge.display(),
                self.cam.display()
            );
        }
        let options = WalkOptions {
            radius: self.radius as usize,
            beta: self.beta,
            steps: self.steps as usize,
        };
        let began = Instant::now();
        let walked = random_walk(&cam, &edge, classes, height, width, &options)
            .with_context(|| format!("{} over {}", self.cam.display(), self.edge.display()))?;
        let seconds = began.elapsed().as_secs_f64();
        npy::write_f32(&self.out, &cam_shape, &walked)?;
        if settings.json {
            output::json(&Outcome {
                seconds,
                height,
                width,
                classes,
            })?;
        } else {
            output::line(format!(
                "{}: {}, {height}x{width}, {}, {seconds:.3} s",
                self.out.display(),
                counted(classes, "class"),
                counted(self.steps as usize, "step")
            ))?;
        }
        Ok(Done::Whole)
    }
}
