//! Which network a file of weights is for, and putting it into that network.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::Device;
use clap::Args;
use clap::builder::PossibleValuesParser;
use weakseg_models::Network;
use weakseg_models::weights::{LoadReport, WeightsFile, WeightsFormat, read_metadata};

/// The network.
#[derive(Debug, Args)]
pub struct Which {
    /// The network that the weights are for.
    #[arg(long, value_name = "NAME", value_parser = names())]
    pub arch: String,
    /// Factor on its channel counts; as the file says, else 1.
    #[arg(long, value_name = "FACTOR")]
    width: Option<f64>,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(Network::names())
}

/// A file of weights beside its network.
pub struct Loaded {
    /// The network, with the file's weights if they fit.
    pub network: Option<Network>,
    /// What fits.
    pub report: LoadReport,
    /// How the file is written.
    pub format: WeightsFormat,
    /// Reading the file, building the network and filling it.
    pub seconds: f64,
}

impl Which {
    /// Reads a file and puts it into the network if both fit key by key.
    ///
    /// # Errors
    /// When the file is not sound, or there is no such network.
    pub fn load(&self, path: &Path, device: &Device) -> Result<Loaded> {
        let width = match self.width {
            Some(width) => width,
            None => read_metadata(path).map_or(1.0, |metadata| metadata.width),
        };
        let began = Instant::now();
        let file = WeightsFile::read(path)?;
        let format = file.format();
        let network = Network::for_weights(&self.arch, &file.shapes(), width, device)
            .with_context(|| format!("{} as {}", path.display(), self.arch))?;
        let report = file.compare(&network);
        let network = match report.is_complete() {
            true => Some(file.load_into(network)?.0),
            false => None,
        };
        Ok(Loaded {
            network,
            report,
            format,
            seconds: began.elapsed().as_secs_f64(),
        })
    }
}
