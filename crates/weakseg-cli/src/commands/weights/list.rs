//! `weakseg weights list`: which pretrained weights there are.

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use weakseg::pretrained::{Cache, Pretrained, REGISTRY};
use weakseg::progress::Progress;
use weakseg_models::weights::ChannelOrder;

use crate::args::Settings;
use crate::exit::Done;
use crate::output;

/// List the pretrained weights that a run can start from, and which of them are in the cache.
///
/// The cache is $WEAKSEG_CACHE, else $XDG_CACHE_HOME/weakseg, else the system's usual place. A file there is held
/// against its SHA-256 each time it is used.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg weights list
  weakseg weights list --json | jq -r .url     for a machine that has a network")]
pub struct List {}

/// What `--json` prints, a line each.
#[derive(Serialize)]
struct Item {
    name: &'static str,
    trunk: &'static str,
    url: &'static str,
    /// Bytes; null where only the publisher knows.
    size: Option<u64>,
    /// Null where it is not known, and the file is not fetched then.
    sha256: Option<&'static str>,
    licence: &'static str,
    source: &'static str,
    channels: ChannelOrder,
    /// Of pixel values before mean and standard deviation.
    range: [f32; 2],
    mean: [f64; 3],
    std: [f64; 3],
    /// Whether a file of that size is in the cache.
    cached: bool,
    /// Where it is, or is to be put.
    path: Option<String>,
}

impl Item {
    fn new(entry: &Pretrained, cache: &Cache) -> Self {
        let statistics = entry.statistics();
        // Published for values 0..=1, and for 0..=255 where nothing is divided.
        let (unit, range) = if statistics.std == [1.0; 3] {
            (1.0, 255.0)
        } else {
            (255.0, 1.0)
        };
        // As published, without the noise of the division.
        let rounded = |value: f32| (f64::from(value) / unit * 1e5).round() / 1e5;
        Self {
            name: entry.name,
            trunk: entry.trunk.name(),
            url: entry.url,
            size: entry.size,
            sha256: entry.sha256,
            licence: entry.licence,
            source: entry.source,
            channels: entry.channels,
            range: [0.0, range],
            mean: statistics.mean.map(rounded),
            std: statistics.std.map(rounded),
            cached: cache.holds(entry),
            path: cache
                .place(entry)
                .ok()
                .map(|path| path.display().to_string()),
        }
    }

    fn text(&self) -> String {
        let size = self.size.map_or("size unknown".to_owned(), |size| {
            format!("{:.1} MB", size as f64 / 1e6)
        });
        let here = match (self.cached, self.sha256) {
            (true, _) => "in the cache",
            (false, Some(_)) => "not in the cache",
            (false, None) => "no pinned digest: get it yourself, --weights FILE",
        };
        let order = match self.channels {
            ChannelOrder::Rgb => "RGB",
            ChannelOrder::Bgr => "BGR",
        };
        format!(
            "{}  (trunk {}, {size}, {here})\n  {}\n  {}\n  sha256 {}\n  input {order}, {}..{}, mean {:?}, std {:?}\n  licence {}",
            self.name,
            self.trunk,
            self.source,
            self.url,
            self.sha256.unwrap_or("unknown"),
            self.range[0],
            self.range[1],
            self.mean,
            self.std,
            self.licence
        )
    }
}

impl List {
    /// Prints.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let cache = Cache::of_user();
        for entry in &REGISTRY {
            let item = Item::new(entry, &cache);
            if settings.json {
                output::json(&item)?;
            } else {
                output::line(item.text())?;
            }
        }
        if !settings.json {
            match cache.folder() {
                Ok(folder) => output::line(format!("cache: {}", folder.display()))?,
                Err(error) => settings.ui.warn(&error.to_string()),
            }
        }
        Ok(Done::Whole)
    }
}
