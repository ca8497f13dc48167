//! `weakseg run`: the whole method as a table of steps.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use weakseg::config::{self, Config, PRESETS};
use weakseg::pipeline::steps::{instance_figures, tuning_tables};
use weakseg::pipeline::{self, Job, METHOD, Span};
use weakseg::pretrained::{self, WeightsChoice};
use weakseg::progress::Progress;
use weakseg::report::reading::spoken_for;
use weakseg::report::{self, Report, Row};
use weakseg_data::counted;

use crate::args::Settings;
use crate::devices::Devices;
use crate::exit::{Done, usage};
use crate::{base, interrupt, output};

/// Run the whole method, from images with image-level labels to a segmentation network and a report.
///
/// Finished steps are not done again; the same command goes on with a run that was stopped. Steps, in order:
/// train-classifier, make-cams, eval-cams, make-ir-labels, train-irn, make-pseudo-labels, eval-pseudo-labels,
/// train-segmenter, evaluate, report.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weakseg run config.toml --out runs/first
  weakseg run mine.toml --preset siim-paper            the paper's settings; mine.toml: data.root
  weakseg run config.toml --out runs/wide --set irn.radius=5 --set classifier.training.epochs=20
  weakseg run config.toml --from make-pseudo-labels    that step and all after it again
  weakseg run config.toml --devices vulkan:0,vulkan:1  trainings on two GPUs (docs/training.md)
  weakseg run config.toml --weights none               offline, from random weights
  weakseg run config.toml --instances                  also 06-make-pseudo-labels/instances.json
  weakseg config show --preset demo > config.toml      a file to start from")]
pub struct Run {
    /// The configuration; paths in it start from its folder, or for RUN/config.toml from the folder that they did in
    /// that run.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// The run's folder; runs/NAME by default, NAME being the configuration's, and for RUN/config.toml that run.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    layers: Layers,
    /// What the trunk starts from: auto, none, a name of `weakseg weights list`, or a file; wins over
    /// classifier.weights.
    #[arg(long, value_name = "auto|none|NAME|FILE")]
    weights: Option<WeightsChoice>,
    /// Tell objects of one class apart and write the pseudo-labels' instances too, as COCO annotations; the settings
    /// are those of pseudo_labels.instances.
    #[arg(long)]
    instances: bool,
    /// Do this step and all after it, again where they are finished.
    #[arg(long, value_name = "STEP", value_parser = steps(), hide_possible_values = true)]
    from: Option<String>,
    /// Do no step after this one.
    #[arg(long, value_name = "STEP", value_parser = steps(), hide_possible_values = true)]
    until: Option<String>,
    /// Do this step alone, again where it is finished.
    #[arg(long, value_name = "STEP", value_parser = steps(), hide_possible_values = true, conflicts_with_all = ["from", "until"])]
    only: Option<String>,
    /// Cases that may be left out before the run ends with exit code 3; the configuration's by default.
    #[arg(long, value_name = "N")]
    allow_skips: Option<usize>,
    #[command(flatten)]
    devices: Devices,
}

fn steps() -> PossibleValuesParser {
    PossibleValuesParser::new(METHOD.iter().map(|step| step.name))
}

/// What lies below and above the configuration file.
#[derive(Debug, Args)]
pub struct Layers {
    /// Values that hold where the file is silent.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS))]
    preset: Option<String>,
    /// A value that wins over the file's; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Layers {
    /// The configuration of a file between its layers.
    pub fn load(&self, path: &Path, settings: &Settings) -> Result<Config> {
        Ok(config::load(
            path,
            self.preset.as_deref(),
            &self.sets(settings),
        )?)
    }

    /// The configuration of the preset without a file.
    pub fn preset_alone(&self, settings: &Settings) -> Result<Config> {
        Ok(config::resolve(
            Default::default(),
            "--preset",
            self.preset.as_deref(),
            &self.sets(settings),
        )?)
    }

    /// Whether there are any.
    pub fn are_given(&self) -> bool {
        self.preset.is_some() || !self.set.is_empty()
    }

    fn sets(&self, settings: &Settings) -> Vec<String> {
        let seed = settings.seed.map(|seed| format!("seed={seed}"));
        self.set.iter().cloned().chain(seed).collect()
    }
}

impl Run {
    /// Runs the steps asked for.
    pub fn run(&self, settings: &Settings) -> Result<Done> {
        let span = self.span()?;
        let base = base::of(&self.config)?;
        let mut sets = self.layers.sets(settings);
        sets.extend(self.weights(&base)?);
        // An empty table asks for it, and takes nothing back of one that is there.
        sets.extend(
            self.instances
                .then(|| "pseudo_labels.instances={}".to_owned()),
        );
        let config = config::load(&self.config, self.layers.preset.as_deref(), &sets)?;
        config.check_steps(span.from, span.until)?;
        let name = self.config.file_stem().unwrap_or(self.config.as_os_str());
        let out = self
            .out
            .clone()
            .or_else(|| base::run_of(&self.config))
            .unwrap_or_else(|| Path::new("runs").join(name));
        execute(
            &config,
            &base,
            &out,
            span,
            self.allow_skips,
            &self.devices,
            settings,
        )
    }

    /// `--weights` as a layer. A file is named from here, in a configuration from its folder.
    fn weights(&self, base: &Path) -> Result<Option<String>> {
        let text = match &self.weights {
            None => return Ok(None),
            Some(WeightsChoice::File(file)) => {
                if !file.exists() {
                    return usage(format!(
                        "--weights {}: no such file; expected a file, auto, none, or one of: {}",
                        file.display(),
                        pretrained::names()
                    ));
                }
                let way = pipeline::relative(base, file)?;
                way.to_string_lossy().into_owned()
            }
            Some(choice) => choice.to_string(),
        };
        // A JSON string is a TOML string.
        let value = serde_json::to_string(&text)?;
        Ok(Some(format!("classifier.weights={value}")))
    }

    fn span(&self) -> Result<Span> {
        let number = |name: &Option<String>| {
            METHOD
                .iter()
                .position(|step| Some(step.name) == name.as_deref())
        };
        if let Some(only) = number(&self.only) {
            return Ok(Span {
                from: only,
                until: only,
                again: true,
            });
        }
        let from = number(&self.from).unwrap_or(0);
        let until = number(&self.until).unwrap_or(METHOD.len() - 1);
        if from > until {
            return usage(format!(
                "--from {} --until {}: no step lies between; the order is: {}",
                METHOD[from].name,
                METHOD[until].name,
                METHOD.map(|step| step.name).join(", ")
            ));
        }
        Ok(Span {
            from,
            until,
            again: self.from.is_some(),
        })
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Outcome {
    run: String,
    report_html: Option<String>,
    report_json: Option<String>,
    skipped: Vec<Skipped>,
    /// Rows as in report.json; empty if there is none yet.
    results: Vec<Row>,
}

#[derive(Serialize)]
struct Skipped {
    case: String,
    reason: String,
}

/// Runs the steps of `span` in `out` and prints what they found.
pub fn execute(
    config: &Config,
    base: &Path,
    out: &Path,
    span: Span,
    allow_skips: Option<usize>,
    devices: &Devices,
    settings: &Settings,
) -> Result<Done> {
    if out.is_file() {
        return usage(format!("--out {} is a file; give a folder", out.display()));
    }
    let (device, device_name, further) = devices.open(settings.device)?;
    settings.ui.detail(&format!(
        "device {device_name}, {} threads, run {}",
        rayon::current_num_threads(),
        out.display()
    ));
    for device in &further {
        settings
            .ui
            .detail(&format!("trainings on {} too", device.name));
    }
    let stop = interrupt::stop()?;
    let allowed = allow_skips.unwrap_or(config.evaluate.allow_skips);
    let job = Job {
        config,
        base,
        out,
        span,
        device,
        device_name: &device_name,
        further: &further,
        allow_skips: allowed,
        progress: &settings.ui,
        stop: &stop,
    };
    let skipped = pipeline::run(&job)?;
    for (case, reason) in &skipped {
        settings.ui.warn(&format!("left out {case}: {reason}"));
    }
    let count = skipped.len();
    print(out, skipped, settings)?;
    if count > allowed {
        settings.ui.warn(&format!(
            "left out: {}, {allowed} allowed (--allow-skips)",
            counted(count, "case")
        ));
        return Ok(Done::Skipped);
    }
    Ok(Done::Whole)
}

/// Prints the step table and where the report lies, or how far the run is.
fn print(out: &Path, skipped: Vec<(String, String)>, settings: &Settings) -> Result<()> {
    let [html, json] = ["report.html", "report.json"].map(|name| out.join(name));
    let report = json.exists().then(|| Report::read(&json)).transpose()?;
    if settings.json {
        return output::json(&Outcome {
            run: out.display().to_string(),
            report_html: html.exists().then(|| html.display().to_string()),
            report_json: report.is_some().then(|| json.display().to_string()),
            skipped: skipped
                .into_iter()
                .map(|(case, reason)| Skipped { case, reason })
                .collect(),
            results: report
                .map(|report| report.results().to_vec())
                .unwrap_or_default(),
        });
    }
    match report {
        Some(report) => {
            // The other splits and the tables of single classes are many and long; they are in the report.
            let spoken = spoken_for(&report).map(|(split, _)| split);
            for table in report::tables(&report).iter().filter(|table| {
                table.corner != "Class" && spoken.is_none_or(|split| split == table.split)
            }) {
                output::line(table.text())?;
            }
            if let Some(figures) = instance_figures(out)? {
                for table in figures.short_tables() {
                    output::line(table.text())?;
                }
            }
            // That they are outdated stands in the report.
            for table in tuning_tables(out)?.0 {
                output::line(table.text())?;
            }
            output::line(format!("report: {}", html.display()))
        }
        None => output::line(format!("run: {}", out.display())),
    }
}
