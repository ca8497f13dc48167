//! [`Bench`]: what every step has at hand.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use weakseg_data::{Cases, Classes};

use super::{RunDir, step};
use crate::config::Settings;
use crate::networks::ModelCard;
use crate::progress::{Progress, Stop};
use crate::train::FurtherDevice;

/// What every step has at hand. The section `data`, by which masks and boxes are opened, is not in it:
///
/// ```compile_fail
/// # fn step(bench: &weakseg::pipeline::Bench<'_>) {
/// let set = &bench.config.data;
/// # }
/// ```
///
/// as `image`, which it has, is:
///
/// ```
/// # fn step(bench: &weakseg::pipeline::Bench<'_>) {
/// let grid = &bench.config.image;
/// # }
/// ```
pub struct Bench<'a> {
    /// The run's settings but for `data`.
    pub config: Settings<'a>,
    /// What the report calls the set.
    pub data_name: String,
    /// Images and image-level labels.
    pub cases: &'a Cases,
    /// Folder that relative paths of the configuration start from.
    pub base: &'a Path,
    /// The run's folder.
    pub run: &'a RunDir,
    /// File that the trunk starts from; none for noise, or where no step asks for it.
    pub weights: Option<PathBuf>,
    /// File that the segmentation network's encoder starts from, likewise.
    pub encoder_weights: Option<PathBuf>,
    /// Where networks run, without autodiff.
    pub device: Device,
    /// Its name.
    pub device_name: &'a str,
    /// Devices that trainings share the batches of their steps with.
    pub further: &'a [FurtherDevice],
    /// Who watches.
    pub progress: &'a dyn Progress,
    /// Who may stop it.
    pub stop: &'a Stop,
}

impl Bench<'_> {
    /// Where networks are trained.
    pub(crate) fn training_device(&self) -> Device {
        let device = self.device.clone().autodiff();
        match self.config.gradient_checkpointing {
            true => device.gradient_checkpointing(),
            false => device,
        }
    }

    /// What the file of the network says that a step trains.
    pub(crate) fn card(
        &self,
        step_name: &str,
        of: fn(Settings<'_>, &Classes) -> ModelCard,
    ) -> ModelCard {
        let step = step(step_name).expect("named as in the table");
        ModelCard {
            // One for the whole set.
            view: self.cases.cases.first().map(|case| case.view),
            inputs: Some(self.run.inputs(step)),
            ..of(self.config, &self.cases.classes)
        }
    }
}
