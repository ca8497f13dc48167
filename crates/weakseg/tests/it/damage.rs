//! What a run reads of itself and of its configuration, where it is nearly right ([`crate::mutate`]): none of it
//! panics.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use serde_json::Value;
use sha2::{Digest, Sha256};
use weakseg::config::{PRESETS, preset, resolve, to_toml};
use weakseg::networks::{ModelCard, NetworkError};
use weakseg::optim::{OptimConfig, OptimKind, Optimizer};
use weakseg::pipeline::{Claim, Inventory, METHOD, RunDir};
use weakseg::predict::Predictor;
use weakseg::report::{Curve, Report, markdown, plot, reading, tables, text};
use weakseg::train::{MetricLog, Place, checkpoint};
use weakseg_data::Stack;

use crate::mutate::{each, put};
use crate::tiny::{StopAfter, config, few, run_until};
use crate::toy::{Targets, Toy, descent, train};

fn told(error: impl Display) -> String {
    error.to_string()
}

#[test]
fn configurations() {
    let all = PRESETS.map(|name| preset(name).expect("a preset"));
    let tiny = to_toml(&config(&[
        "segmenter.triplet={}",
        "classifier.training.patience=3",
    ]));
    let seeds: Vec<&[u8]> = [&all[..], &[tiny.as_str()]]
        .concat()
        .into_iter()
        .map(str::as_bytes)
        .collect();
    each(&seeds, 500, |input| {
        let text = std::str::from_utf8(input).map_err(told)?;
        let table: toml::Table = text.parse().map_err(told)?;
        let found = resolve(table, "t", None, &[]).map_err(told)?;
        let again = resolve(to_toml(&found).parse().expect("TOML"), "t", None, &[]);
        assert_eq!(again.expect("valid as it was"), found);
        Ok(())
    });
}

/// A run of few images to its end; its folder is `run`.
fn finished() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    run_until(
        folder.path(),
        "run",
        &few(&[]),
        "report",
        &StopAfter::new(0),
    )
    .expect("a run");
    folder
}

/// Each document in the place of the whole one, which is put back in the end.
fn documents(path: &Path, count: usize, read: impl Fn() -> Result<(), String>) {
    let whole = fs::read(path).expect("a document");
    each(&[&whole], count, |input| {
        put(path, input);
        read()
    });
    fs::write(path, whole).expect("put back");
}

#[test]
fn documents_of_a_run() {
    let folder = finished();
    let root = folder.path().join("run");
    let settings = few(&[]);
    let now = Inventory::of_run(&root).expect("read").expect("there");
    let open = || -> Result<(), String> {
        let claim = Claim::of(&root).map_err(told)?;
        let before = Inventory::of_run(&root).map_err(told)?;
        let run =
            RunDir::open(claim, &settings, folder.path(), now.clone(), "cpu").map_err(told)?;
        run.outdated(before.as_ref(), METHOD.len()).map_err(told)?;
        for step in &METHOD[..3] {
            run.finished(step).map_err(told)?;
            run.check_outputs(step, true).map_err(told)?;
        }
        Ok(())
    };
    open().expect("as it was written");
    for name in [
        "run.json",
        "data.json",
        "01-train-classifier/started.json",
        "01-train-classifier/manifest.json",
        "02-make-cams/outputs.json",
    ] {
        documents(&root.join(name), 400, open);
    }

    let path = root.join("report.json");
    documents(&path, 600, || {
        let report = Report::read(&path).map_err(told)?;
        let _ = (reading::read(&report), tables(&report));
        let _ = (text(&report), markdown(&report));
        Ok(())
    });

    let step = root.join("01-train-classifier");
    let path = step.join("metrics.jsonl");
    documents(&path, 1000, || {
        let bytes = fs::metadata(&path).map_err(told)?.len() as usize;
        let lines = MetricLog::read(&path).map_err(told)?;
        for curve in Curve::of(&lines, "train") {
            assert!(plot::lines(&curve).len() < 20_000 + 100 * bytes);
        }
        Ok(())
    });
}

/// The numbers of a file have a digest, its card has none: whatever it says, an image is predicted on or it is refused.
#[test]
fn cards_of_models() {
    let folder = finished();
    let path = folder
        .path()
        .join("run/08-train-segmenter/model.safetensors");
    let file = fs::read(&path).expect("a model");
    let length = u64::from_le_bytes(*file.first_chunk().expect("a length")) as usize;
    let (header, data) = file[8..].split_at(length);
    let header: Value = serde_json::from_slice(header).expect("JSON");
    let about = header["__metadata__"]["weakseg"].as_str().expect("ours");
    let about: Value = serde_json::from_str(about).expect("JSON");
    let card = about["extra"]["card"].as_str().expect("a card");
    // A field that is not written where nothing is said of it.
    let more = card.replace(
        "\"scales\"",
        "\"triplet\":{\"top\":0.9,\"min_area\":0.1},\"scales\"",
    );
    let image = Stack::filled(3, 5, 7, 100);
    let with = |card: &str| {
        let mut about = about.clone();
        about["extra"]["card"] = card.into();
        let mut header = header.clone();
        header["__metadata__"]["weakseg"] = about.to_string().into();
        let header = header.to_string();
        let length = (header.len() as u64).to_le_bytes();
        put(&path, &[&length[..], header.as_bytes(), data].concat());
    };
    each(&[card.as_bytes(), more.as_bytes()], 300, |input| {
        with(&String::from_utf8_lossy(input));
        let card = ModelCard::read(&path).map_err(told)?;
        if card.size > 256 {
            return Ok(()); // of a size that it may have, and that a test has no time for
        }
        let model = Predictor::open(&path, &Device::flex()).map_err(told)?;
        let found = model.predict(std::slice::from_ref(&image)).map_err(told)?;
        let mask = found[0].mask.planes.to_plane(0);
        assert_eq!((mask.height(), mask.width()), (5, 7));
        Ok(())
    });
    // These ended in a panic, or asked for all memory.
    for (from, to, words) in [
        (
            "\"size\":32",
            "\"size\":4611686018427387904",
            "image.size is 4611686018427387904",
        ),
        ("\"size\":32", "\"size\":0", "image.size is 0"),
        (
            "\"scales\":[1.0]",
            "\"scales\":[1e300]",
            "expected a number above 0 and at most 8",
        ),
        (
            "\"threshold\":0.5",
            "\"threshold\":7",
            "threshold is 7; expected 0 to 1",
        ),
        (
            "\"min_area\":0.0",
            "\"min_area\":null",
            "invalid type: null",
        ),
    ] {
        assert!(card.contains(from), "{from} is not in {card}");
        with(&card.replace(from, to));
        let error = ModelCard::read(&path).expect_err(to);
        assert!(matches!(error, NetworkError::Card { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("model.safetensors") && text.contains(words),
            "{text}"
        );
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A checkpoint of the toy, without the digest of its own that would end all further reading.
fn checkpoint_of(folder: &Path, epochs: usize) -> (std::path::PathBuf, Value) {
    let training = weakseg::config::Training {
        optimizer: OptimConfig::adam(OptimKind::Adam, 0.01, 0.0),
        ..descent(0.01, epochs, 4)
    };
    train(folder, &mut Targets::new(8, 2.0), &training).expect("trained");
    let place = folder.join(format!("checkpoints/{epochs:05}-000000"));
    let state = fs::read(place.join("state.json")).expect("a state");
    let mut state: Value = serde_json::from_slice(&state).expect("JSON");
    state.as_object_mut().expect("fields").remove("own");
    (place, state)
}

#[test]
fn checkpoints() {
    let folder = tempfile::tempdir().expect("a folder");
    let (place, state) = checkpoint_of(folder.path(), 2);
    let device = Device::flex().autodiff();
    let resume = || -> Result<(), String> {
        let optimizer = OptimConfig::adam(OptimKind::Adam, 0.01, 0.0);
        let optimizer = Optimizer::new(&optimizer, Vec::new());
        let checkpoints = folder.path().join("checkpoints");
        let course = checkpoint::resume(&checkpoints, Toy::new(&device), optimizer);
        assert_eq!(
            course.map_err(told)?.state.place,
            Place { epoch: 2, step: 0 }
        );
        Ok(())
    };
    let path = place.join("state.json");
    fs::write(&path, state.to_string()).expect("written");
    documents(&path, 1000, resume);
    for (name, file) in [
        ("network", "network.safetensors"),
        ("optimizer", "optimizer.safetensors"),
    ] {
        let file = place.join(file);
        documents(&file, 1000, || {
            let mut state = state.clone();
            state[name] = sha256(&fs::read(&file).expect("read")).into();
            put(&path, state.to_string().as_bytes());
            resume()
        });
    }
}

/// Where a stop came between the last batch of an epoch and its end.
#[test]
fn trainings_that_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("made");
    let (place, mut state) = checkpoint_of(&made, 1);
    state["place"]["step"] = 2.into();
    state["sums"] = serde_json::json!([["loss", 1.25]]);
    state["norms"] = 0.5.into();
    let go = |state: &[u8]| -> Result<(), String> {
        let run = folder.path().join("run");
        if run.exists() {
            fs::remove_dir_all(&run).expect("removed");
        }
        let there = run.join("checkpoints/00001-000002");
        fs::create_dir_all(&there).expect("made");
        for file in ["network.safetensors", "optimizer.safetensors"] {
            fs::copy(place.join(file), there.join(file)).expect("copied");
        }
        fs::write(there.join("state.json"), state).expect("written");
        let training = weakseg::config::Training {
            optimizer: OptimConfig::adam(OptimKind::Adam, 0.01, 0.0),
            ..descent(0.01, 3, 4)
        };
        train(&run, &mut Targets::new(8, 2.0), &training)
            .map(drop)
            .map_err(told)
    };
    let whole = state.to_string();
    go(whole.as_bytes()).expect("trained");
    each(&[whole.as_bytes()], 100, go);
    // It ended in a panic.
    let empty = whole.replace("[[\"loss\",1.25]]", "[]");
    assert!(empty != whole);
    let error = go(empty.as_bytes()).expect_err("no losses");
    let words = "state.json has no losses of the batches that it tells of";
    assert!(error.contains(words), "{error}");
}

/// A line in the midst of the log was left out as if it had never been written.
#[test]
fn figures_that_were_damaged_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("metrics.jsonl");
    let line = r#"{"epoch":1,"step":2,"split":"train","name":"loss","value":0.5}"#;
    let read = |text: String| {
        fs::write(&path, text).expect("written");
        MetricLog::read(&path)
            .map(|lines| lines.len())
            .map_err(told)
    };
    assert_eq!(read(format!("{line}\n{line}\n")), Ok(2));
    assert_eq!(
        read(format!("{line}\n{line}\n{}", &line[..30])),
        Ok(2),
        "torn by a kill"
    );
    let error = read(format!("{line}\n{}\n{line}\n", &line[..30])).expect_err("damaged");
    assert!(
        error.contains("metrics.jsonl: line 2 is no figure"),
        "{error}"
    );
}
