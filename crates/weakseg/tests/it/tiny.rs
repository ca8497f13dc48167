//! A run so small that a test can afford it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::Device;
use weakseg::config::{Config, resolve};
use weakseg::pipeline::{Job, METHOD, Span, StepError, run};
use weakseg::progress::{Progress, Stop};
use weakseg::train::FurtherDevice;

const CONFIG: &str = r#"
[data]
kind = "phantom"
root = "set"
count = 16
size = 48
val_fraction = 0.25
[image]
size = 32
[classifier]
width = 0.0625
[classifier.dropblock]
block = 2
ramp_epochs = 2
[classifier.training]
epochs = 2
batch = 4
augment = { hflip = 0.5, affine = 0.5, rotate = 10.0 }
[irn]
radius = 3
[irn.training]
epochs = 1
batch = 4
[pseudo_labels]
radius = 3
steps = 4
[segmenter]
arch = "unet-vgg16-bn"
width = 0.0625
[segmenter.training]
epochs = 1
batch = 4
[evaluate]
bootstrap = 10
"#;

/// The tiny configuration with some values changed, as `--set` does.
pub fn config(sets: &[&str]) -> Config {
    let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
    resolve(CONFIG.parse().expect("TOML"), "tiny", None, &sets).expect("a valid configuration")
}

/// As [`config`], of eight images.
pub fn few(sets: &[&str]) -> Config {
    let few = [
        "data.count=8",
        "classifier.training.batch=2",
        "irn.training.batch=1",
        "segmenter.training.batch=2",
    ];
    config(&[&few[..], sets].concat())
}

/// Asks for a stop after some readings.
pub struct StopAfter {
    /// Asked when the readings are used up.
    pub stop: Stop,
    /// What was told meanwhile.
    pub notes: Mutex<Vec<String>>,
    left: AtomicU64,
}

impl StopAfter {
    /// After `readings` calls of [`Progress::at`] within the training of a network.
    pub fn new(readings: u64) -> Self {
        Self {
            stop: Stop::default(),
            notes: Mutex::default(),
            left: AtomicU64::new(readings),
        }
    }
}

impl Progress for StopAfter {
    fn begin(&self, _: &str, _: u64) {}

    fn at(&self, _: u64, note: &str) {
        if note.contains("loss") && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.stop.ask();
        }
    }

    fn end(&self) {}

    fn note(&self, line: &str) {
        self.notes.lock().expect("notes").push(line.to_owned());
    }
}

/// Runs the method up to `until` in `folder/out`, the set lying in `folder/set`.
pub fn run_until(
    folder: &Path,
    out: &str,
    config: &Config,
    until: &str,
    watch: &StopAfter,
) -> Result<(), StepError> {
    run_until_on(folder, out, config, until, watch, &[])
}

/// Runs the method up to `until`, its trainings on the CPU and further devices.
pub fn run_until_on(
    folder: &Path,
    out: &str,
    config: &Config,
    until: &str,
    watch: &StopAfter,
    further: &[FurtherDevice],
) -> Result<(), StepError> {
    let span = Span {
        until: number(until),
        ..Span::default()
    };
    run_span(folder, out, config, span, watch, further)
}

/// Does one step again, as `--only` does.
pub fn repeat(
    folder: &Path,
    out: &str,
    config: &Config,
    step: &str,
    watch: &StopAfter,
) -> Result<(), StepError> {
    again(folder, out, config, [step, step], watch)
}

/// Does the steps from one to another again, as `--from` and `--until` do.
pub fn again(
    folder: &Path,
    out: &str,
    config: &Config,
    [from, until]: [&str; 2],
    watch: &StopAfter,
) -> Result<(), StepError> {
    let span = Span {
        from: number(from),
        until: number(until),
        again: true,
    };
    run_span(folder, out, config, span, watch, &[])
}

fn number(step: &str) -> usize {
    METHOD
        .iter()
        .position(|s| s.name == step)
        .expect("a step of the table")
}

fn run_span(
    folder: &Path,
    out: &str,
    config: &Config,
    span: Span,
    watch: &StopAfter,
    further: &[FurtherDevice],
) -> Result<(), StepError> {
    let job = Job {
        config,
        base: folder,
        out: &folder.join(out),
        span,
        device: Device::flex(),
        device_name: "cpu",
        further,
        allow_skips: 0,
        progress: watch,
        stop: &watch.stop,
    };
    run(&job).map(drop)
}

/// Contents of files by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Every file below a folder.
pub fn all_files(folder: &Path) -> Files {
    let mut found = Files::new();
    for entry in std::fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let below = all_files(&path).into_iter();
            found.extend(below.map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).expect("read"));
        }
    }
    found
}
