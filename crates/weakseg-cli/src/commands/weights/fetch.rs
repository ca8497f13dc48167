//! `weakseg weights fetch`: pretrained weights into the cache.

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use weakseg::pretrained::{Cache, Patience, REGISTRY, entry};

use crate::args::Settings;
use crate::exit::Done;
use crate::{interrupt, output};

/// Fetch pretrained weights into the cache, so that runs need no network.
///
/// A fetch that was cut goes on where it broke. The file has its name in the cache only once its SHA-256 is the pinned
/// one. $WEAKSEG_MIRROR names another server to ask; proxies are taken from the usual variables.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg weights fetch resnet50
  WEAKSEG_CACHE=/data/weights weakseg weights fetch vgg16-bn resnet50")]
pub struct Fetch {
    /// Which, as in `weakseg weights list`.
    #[arg(value_name = "NAME", required = true, value_parser = PossibleValuesParser::new(REGISTRY.map(|e| e.name)))]
    names: Vec<String>,
}

/// What `--json` prints, a line each.
#[derive(Serialize)]
struct Item {
    name: String,
    path: String,
    size: Option<u64>,
    sha256: Option<&'static str>,
}

impl Fetch {
    /// Fetches what is not there and compares what is.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let (cache, stop) = (Cache::of_user(), interrupt::stop()?);
        for name in &self.names {
            let entry = entry(name).expect("a name that clap has checked");
            let path = cache.obtain(entry, &Patience::default(), &settings.ui, &stop)?;
            if settings.json {
                output::json(&Item {
                    name: name.clone(),
                    path: path.display().to_string(),
                    size: entry.size,
                    sha256: entry.sha256,
                })?;
            } else {
                output::line(path.display())?;
            }
        }
        Ok(Done::Whole)
    }
}
