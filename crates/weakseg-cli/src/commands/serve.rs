//! `weakseg serve`: a run, or a model, in the browser.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use weakseg::config;
use weakseg::pipeline::RunReader;
use weakseg::predict::{PredictError, Predictor};
use weakseg::progress::Progress;
use weakseg_data::View;
use weakseg_server::{Bounds, Model, Server, Site};

use super::view::ViewArgs;
use crate::args::Settings;
use crate::exit::{Done, usage};
use crate::{base, interrupt, output};

/// Look at a run's cases, and try its model on images, in the browser.
///
/// Of a run's folder the page lists the cases, and shows each with the class map, the walked map, the pseudo-label, the
/// prediction and the truth, as far as the run has them. An image that is dropped on the page is predicted where
/// train-segmenter is finished, or a model file was given, and kept in memory only. The run is neither changed nor
/// locked, and may go on meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg serve runs/first
  weakseg serve runs/first/08-train-segmenter/model.safetensors --port 0

Open the address that is printed; Ctrl-C ends the server with exit code 0. There is no
password and no encryption: with --host, whoever reaches this machine sees the images.

On the page: drag = window and level, wheel = zoom, right or middle drag = pan, i = invert,
r = reset, up and down = cases, 1 to 9 = layers.")]
pub struct Serve {
    /// A run's folder, or a segmentation model's .safetensors file. A file holds no classifier: a run whose settings
    /// gate masks by its classifier (`segmenter.gate`) gates them only where its folder is given.
    #[arg(value_name = "RUN_OR_MODEL")]
    served: PathBuf,
    /// Address to listen on, or a name that this machine has. Any but this machine's own lets others in.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 for any that is free.
    #[arg(long, value_name = "N", default_value_t = 8377)]
    port: u16,
    /// Largest image file that is taken, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = default_upload())]
    max_upload: NonZeroUsize,
    #[command(flatten)]
    view: ViewArgs,
}

/// What [`Bounds`] has by default, in MiB.
fn default_upload() -> NonZeroUsize {
    NonZeroUsize::new(Bounds::default().upload >> 20).expect("some MiB")
}

#[derive(Serialize)]
struct Address {
    url: String,
}

impl Serve {
    /// Serves until Ctrl-C.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let Some(upload) = self.max_upload.get().checked_mul(1 << 20) else {
            return usage(format!(
                "--max-upload {}: more than this machine can address",
                self.max_upload
            ));
        };
        let bounds = Bounds {
            upload,
            ..Bounds::default()
        };
        // Before a network is opened, which takes longer.
        let server = Server::bind(&self.host, self.port)?;
        let site = self.site(settings)?;
        let stop = interrupt::stop()?;
        if server.is_open() {
            settings.ui.warn(&format!(
                "warning: with --host {} other machines can reach the images, without password and encryption",
                self.host
            ));
        }
        let url = server.url();
        match settings.json {
            true => output::json(&Address { url })?,
            false => output::line(url)?,
        }
        settings
            .ui
            .note("open this address in a browser; Ctrl-C ends the server");
        server.run(site, bounds, &stop)?;
        Ok(Done::Whole)
    }

    /// What is shown.
    fn site(&self, settings: &Settings) -> Result<Site> {
        let (run, title) = match self.served.is_file() {
            true => (None, None),
            false => {
                let (run, title) = open_run(&self.served)?;
                (Some(run), Some(title))
            }
        };
        let view = self.view.of_model(&self.served)?;
        let model = self.model(view, settings)?;
        let name = || {
            let name = self.served.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        Ok(Site {
            title: title.unwrap_or_else(name),
            run,
            model,
        })
    }

    /// The model; none of a run that is not so far.
    fn model(&self, view: View, settings: &Settings) -> Result<Option<Model>> {
        let (device, name) = settings.device.open()?;
        settings.ui.detail(&format!("device {name}"));
        let predictor = match self.served.is_dir() {
            true => Predictor::open_with_classifier(&self.served, &device),
            false => Predictor::open(&self.served, &device),
        };
        match predictor {
            Ok(predictor) => Ok(Some(Model { predictor, view })),
            Err(PredictError::NoModel { step, .. }) if self.served.is_dir() => {
                settings.ui.note(&format!(
                    "no images can be predicted: {step} of this run is not finished"
                ));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A run and its title.
fn open_run(run: &Path) -> Result<(RunReader, String)> {
    let base = base::noted(run)?;
    let config = config::load(&run.join("config.toml"), None, &[])?;
    let reader = RunReader::open(run, &config, &base)
        .context("the run's cases cannot be shown; its model alone can be tried by its file, model.safetensors")?;
    Ok((reader, config.title))
}
