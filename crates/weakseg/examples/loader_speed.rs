//! How long a device waits for its images as it comes near the rate at which they are made: one JSON line, as `cargo
//! xtask bench loader` reads it.
//!
//! The device is the thread that takes the batches: for each it sleeps for a fixed time, as one does that a GPU works
//! for. A device without such a time finds the loader's own rate; those that follow take a share of it. Images are
//! phantoms of 1024 pixels, written into a temporary folder and changed by the scope `pneumothorax` at 512. `decoded`:
//! each is decoded whenever it is asked for; `kept`: all are in memory, as they are from the second epoch on.
//!
//! `cargo run --release --workspace --example loader_speed -- [ROUNDS] [BATCHES] [WORKERS] [AHEAD]`; 3, 20, 2 and as
//! many ahead as where nothing is said.

use std::error::Error;
use std::sync::Arc;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weakseg::config::LoaderConfig;
use weakseg::progress::Stop;
use weakseg::train::{Closing, ImageStore, Loader, Pictures, Place};
use weakseg_data::{Augment, Case, DataConfig, DataError, PhantomSetConfig, Scope};

const BATCH: usize = 16;
const OWN_SIZE: usize = 1024;
const SIZE: usize = 512;

/// What devices take of the loader's own rate.
const SHARES: [f64; 5] = [0.5, 0.8, 0.9, 0.95, 1.0];

/// Name, MiB for decoded images, and epochs after the first: more where they are short.
const KINDS: [(&str, usize, usize); 2] = [("decoded", 0, 2), ("kept", 4096, 10)];

fn main() -> Result<(), Box<dyn Error>> {
    let given = std::env::args().skip(1).map(|text| text.parse());
    let given: Vec<usize> = given.collect::<Result<_, _>>()?;
    let number = |at: usize, default| given.get(at).copied().unwrap_or(default);
    let (rounds, batches) = (number(0, 3), number(1, 20));
    let settings = LoaderConfig {
        workers: number(2, 2),
        ahead: number(3, LoaderConfig::default().ahead),
        ..LoaderConfig::default()
    };
    if settings.workers == 0 {
        return Err("workers is 0; expected at least 1".into());
    }
    let folder = tempfile::tempdir()?;
    let set = DataConfig::Phantom(PhantomSetConfig {
        count: batches * BATCH,
        size: OWN_SIZE,
        ..PhantomSetConfig::default()
    });
    let cases = set.open_cases(folder.path())?.cases;
    let mut lines = Vec::new();
    for (kind, memory, later) in KINDS {
        let settings = LoaderConfig {
            memory,
            ..settings.clone()
        };
        let pictures = pictures(&cases, &settings)?;
        for round in 1..=rounds {
            eprintln!("{kind}, {round}/{rounds}");
            lines.push(measure(kind, &pictures, later, &settings)?);
        }
    }
    let output = json!({
        "images": cases.len(), "batch": BATCH, "from": OWN_SIZE, "to": SIZE,
        "workers": settings.workers, "ahead": settings.ahead, "rounds": lines,
    });
    println!("{output}");
    Ok(())
}

/// All images of a set, changed as a training does; those that may be kept are in memory.
fn pictures(cases: &[Case], settings: &LoaderConfig) -> Result<Pictures, DataError> {
    let images = Arc::new(ImageStore::new(cases, SIZE, settings));
    if settings.memory > 0 {
        for case in 0..cases.len() {
            images.get(case)?;
        }
    }
    Ok(Pictures {
        images,
        cases: (0..cases.len()).collect(),
        masks: Vec::new(),
        augment: Augment::scope(Scope::Pneumothorax),
        seed: 0,
    })
}

/// The loader's own rate, in images a second, and the waiting of each of the devices.
fn measure(
    kind: &str,
    pictures: &Pictures,
    later: usize,
    settings: &LoaderConfig,
) -> Result<Value, DataError> {
    let [_, epochs] = train(pictures, later, Duration::ZERO, settings)?;
    let rate = epochs.images as f64 / epochs.took.as_secs_f64();
    let device = |share: f64| {
        let busy = Duration::from_secs_f64(BATCH as f64 / (share * rate));
        let [first, epochs] = train(pictures, later, busy, settings)?;
        let device = epochs.images as f64 / (epochs.took - epochs.waited).as_secs_f64();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        Ok(json!({
            "share": share, "device": device,
            "first_epoch": first.share(), "first_batch_ms": milliseconds(first.first_batches),
            "later_epochs": epochs.share(),
            "later_first_batch_ms": milliseconds(epochs.first_batches) / later as f64,
        }))
    };
    let devices: Vec<Value> = SHARES
        .into_iter()
        .map(device)
        .collect::<Result<_, DataError>>()?;
    Ok(json!({ "kind": kind, "rate": rate, "devices": devices }))
}

/// What was waited for in some epochs.
#[derive(Default)]
struct Waiting {
    images: usize,
    /// For the first batch of each.
    first_batches: Duration,
    /// For all batches.
    waited: Duration,
    took: Duration,
}

impl Waiting {
    /// Share of the time that was waited.
    fn share(&self) -> f64 {
        self.waited.as_secs_f64() / self.took.as_secs_f64()
    }
}

/// An epoch that begins with nothing made yet, and `later` ones after it, on a device that is `busy` for so long with
/// each batch.
fn train(
    pictures: &Pictures,
    later: usize,
    busy: Duration,
    settings: &LoaderConfig,
) -> Result<[Waiting; 2], DataError> {
    let loader = Loader::new(pictures, settings.ahead);
    let order: Vec<usize> = (0..pictures.cases.len()).collect();
    let batches = |epoch| {
        let batches = order.chunks(BATCH).map(<[usize]>::to_vec).enumerate();
        batches.map(move |(step, cases)| (Place { epoch, step }, cases))
    };
    scope(|threads| {
        let _closing = Closing(&loader);
        let mut waiting = [Waiting::default(), Waiting::default()];
        let mut begun = Instant::now();
        let mut free = begun;
        for _ in 0..settings.workers {
            threads.spawn(|| loader.work());
        }
        loader.queue_up(batches(0));
        for epoch in 0..=later {
            // As `fit` does: the next epoch's first batches are made while the last ones of this are used.
            if epoch < later {
                loader.queue_up(batches(epoch + 1));
            }
            let so_far = &mut waiting[usize::from(epoch > 0)];
            for (at, cases) in batches(epoch) {
                let samples = loader.next(&Stop::default())?;
                let waited = loader.waited();
                if at.step == 0 {
                    so_far.first_batches += waited;
                }
                so_far.waited += waited;
                so_far.images += cases.len();
                // Only images hold the device up: a thread that is woken late makes up for it.
                free += waited + busy;
                sleep(free.saturating_duration_since(Instant::now()));
                drop(samples);
            }
            so_far.took += begun.elapsed();
            begun = Instant::now();
        }
        Ok(waiting)
    })
}
