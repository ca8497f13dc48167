//! A training that was stopped goes on as if nothing had been.

use std::path::{Path, PathBuf};

use weakseg::pipeline::StepError;

use crate::devices::tensors;
use crate::tiny::{Files, StopAfter, all_files, config, run_until};

/// Never within a tiny run.
const NEVER: u64 = 1_000_000;

#[test]
fn a_stopped_training_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&[]);
    let model = |out: &str| {
        std::fs::read(
            folder
                .path()
                .join(out)
                .join("01-train-classifier/model.safetensors"),
        )
    };
    let until = "train-classifier";
    run_until(
        folder.path(),
        "whole",
        &config,
        until,
        &StopAfter::new(NEVER),
    )
    .expect("a run");
    let whole = model("whole").expect("a model");

    // Three steps an epoch: stopped inside the first epoch, then inside the second.
    for readings in [2, 2] {
        let stopped = run_until(
            folder.path(),
            "parts",
            &config,
            until,
            &StopAfter::new(readings),
        );
        assert!(matches!(stopped, Err(StepError::Stopped)), "{stopped:?}");
        assert!(model("parts").is_err(), "no model before the end");
    }
    run_until(
        folder.path(),
        "parts",
        &config,
        until,
        &StopAfter::new(NEVER),
    )
    .expect("the rest");
    assert!(
        model("parts").expect("a model") == whole,
        "weights differ after stops"
    );

    // And with the same files but for the times in two of them.
    let files = |out: &str| all_files(&folder.path().join(out));
    let (whole_run, parts) = (files("whole"), files("parts"));
    assert_eq!(
        Vec::from_iter(whole_run.keys()),
        Vec::from_iter(parts.keys())
    );
    let differing = whole_run
        .iter()
        .filter(|(name, bytes)| parts[*name] != **bytes);
    let differing: Vec<&String> = differing.map(|(name, _)| name).collect();
    assert_eq!(differing, ["01-train-classifier/manifest.json"]);
    let outputs = |files: &Files| {
        let manifest = &files["01-train-classifier/manifest.json"];
        let manifest: serde_json::Value = serde_json::from_slice(manifest).expect("JSON");
        manifest["outputs"].clone()
    };
    assert_eq!(outputs(&parts), outputs(&whole_run));

    // The comparison can fail: another seed gives other weights.
    let other = crate::tiny::config(&["seed=1"]);
    run_until(
        folder.path(),
        "other",
        &other,
        until,
        &StopAfter::new(NEVER),
    )
    .expect("a run");
    let learnt = |out: &str| {
        let step = folder.path().join(out).join("01-train-classifier");
        tensors(&step.join("model.safetensors"))
    };
    assert!(learnt("other") != learnt("whole"));
}

/// Everything that a training remembers beside its weights: averages, a mean over batches, a rate that has fallen, the
/// best epoch, epochs without a better one.
const REMEMBERING: [&str; 12] = [
    "classifier.training.epochs=4",
    "classifier.training.batch=2",
    "classifier.training.accumulate=2",
    "classifier.training.clip=0.5",
    "classifier.training.ema=0.8",
    "classifier.training.select=best",
    "classifier.training.patience=4",
    "classifier.training.keep_every=2",
    "classifier.training.schedule.kind=plateau",
    "classifier.training.schedule.patience=0",
    // No epoch is so much better: the rate falls after the second one, and again.
    "classifier.training.schedule.threshold=1",
    "classifier.training.schedule.factor=0.5",
];

#[test]
fn what_a_training_remembers_outlives_a_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&REMEMBERING);
    let until = "train-classifier";
    let step = |out: &str| folder.path().join(out).join("01-train-classifier");
    let go = |out: &str, readings: u64| {
        let watch = StopAfter::new(readings);
        run_until(folder.path(), out, &config, until, &watch)
    };
    go("whole", NEVER).expect("a run");
    let log = std::fs::read_to_string(step("whole").join("metrics.jsonl")).expect("a log");
    let falls = |text: &str| text.lines().filter(|l| l.contains("\"lr\"")).count();
    assert_eq!(falls(&log), 4);
    assert!(
        log.contains("\"lr\",\"value\":0.00005"),
        "the rate fell: {log}"
    );

    // Six batches and three optimizer steps an epoch. Two epochs and two; then a stop in the middle of every epoch,
    // asked for inside a group of batches, which is finished first; then both.
    for (out, sittings) in [
        ("halves", &[12][..]),
        ("inside", &[3, 5, 7]),
        ("mixed", &[1, 11, 5]),
    ] {
        for &readings in sittings {
            let stopped = go(out, readings);
            assert!(matches!(stopped, Err(StepError::Stopped)), "{stopped:?}");
        }
        go(out, NEVER).expect("the rest");
        same(
            &step("whole"),
            &step(out),
            &["model.safetensors", "metrics.jsonl", EVENTS],
        );
        let best = |out: &str| {
            let folder = step(out).join("checkpoints/best");
            let only = std::fs::read_dir(&folder).expect("the best").next();
            only.expect("one").expect("a folder").path()
        };
        assert_eq!(best("whole").file_name(), best(out).file_name());
        for kept in [best(out), step(out).join("checkpoints/every/00002")] {
            let beside = step("whole").join(kept.strip_prefix(step(out)).expect("below it"));
            same(&beside, &kept, &CHECKPOINT);
        }
        let last = "checkpoints/00004-000000";
        same(
            &step("whole").join(last),
            &step(out).join(last),
            &CHECKPOINT,
        );
    }
}

const EVENTS: &str = "events.out.tfevents.0.weakseg";

/// Files of a checkpoint.
const CHECKPOINT: [&str; 4] = [
    "network.safetensors",
    "average.safetensors",
    "optimizer.safetensors",
    "state.json",
];

fn same(a: &Path, b: &Path, files: &[&str]) {
    for file in files {
        let read = |folder: &Path| {
            let path = folder.join(file);
            std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        assert!(read(a) == read(b), "{file} of {} differs", b.display());
    }
}

#[test]
fn the_segmenter_watches_pseudo_labels_of_the_validation_split() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&[
        "segmenter.training.epochs=2",
        "segmenter.training.select=best",
        "segmenter.training.monitor=dice",
        "segmenter.training.ema=0.5",
    ]);
    let until = "train-segmenter";
    run_until(folder.path(), "run", &config, until, &StopAfter::new(NEVER)).expect("a run");
    let run = folder.path().join("run");
    let log =
        |step: &str| std::fs::read_to_string(run.join(step).join("metrics.jsonl")).expect("a log");
    let watched = |step: &str, name: &str| -> Vec<f64> {
        let lines = log(step);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines
            .filter(|line| line["split"] == "val" && line["name"] == name)
            .map(|line| line["value"].as_f64().expect("a number"))
            .collect()
    };
    for name in ["loss", "dice", "miou"] {
        assert_eq!(watched("08-train-segmenter", name).len(), 2, "{name}");
        let none = watched("05-train-irn", name);
        assert!(none.is_empty(), "IRNet has no validation figures");
    }
    let dice = watched("08-train-segmenter", "dice");
    let best = usize::from(dice[1] > dice[0]) + 1;
    let folder = run.join(format!("08-train-segmenter/checkpoints/best/{best:05}"));
    assert!(folder.is_dir(), "{dice:?}");
    for (step, loss) in [
        ("01-train-classifier", "train/loss"),
        ("05-train-irn", "train/loss"),
        ("08-train-segmenter", "val/loss"),
    ] {
        let events = std::fs::read(run.join(step).join(EVENTS)).expect("events");
        let told = events.windows(loss.len()).any(|w| w == loss.as_bytes());
        assert!(told, "no {loss} in the events of {step}");
    }
    let masks = std::fs::read_dir(run.join("06-make-pseudo-labels"))
        .expect("pseudo-labels")
        .filter_map(Result::ok)
        .filter(|e| e.path().extension().is_some_and(|e| e == "png"))
        .count();
    assert_eq!(masks, 16, "12 to learn from and 4 to watch");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&[]);
    let until = "train-classifier";
    let stopped = run_until(folder.path(), "run", &config, until, &StopAfter::new(2));
    assert!(matches!(stopped, Err(StepError::Stopped)));
    let checkpoints = folder.path().join("run/01-train-classifier/checkpoints");
    let newest = checkpoint_folders(&checkpoints).pop().expect("one");
    let file = newest.join("network.safetensors");
    let network = std::fs::read(&file).expect("a network");
    let mut bytes = network.clone();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let go = |watch: &StopAfter| run_until(folder.path(), "run", &config, until, watch);
    let text = go(&StopAfter::new(NEVER)).expect_err("damaged").to_string();
    for words in [
        "network.safetensors does not match its digest",
        "there is none before it",
        "01-train-classifier to begin this step anew",
    ] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
    // A place that is not the one that was reached; a state that is none; none at all.
    let state = newest.join("state.json");
    let whole = std::fs::read_to_string(&state).expect("a state");
    std::fs::write(&file, &network).expect("put back");
    for (changed, words) in [
        (
            whole.replace("\"step\": 2", "\"step\": 3"),
            "state.json does not match its digest",
        ),
        (
            whole.replace("\"norms\": ", "\"norms\": 1"),
            "state.json does not match its digest",
        ),
        (
            whole[..whole.len() / 2].to_owned(),
            "state.json is not the JSON that was written",
        ),
    ] {
        assert!(changed != whole, "{words}");
        std::fs::write(&state, changed).expect("written");
        let text = go(&StopAfter::new(NEVER)).expect_err("damaged").to_string();
        assert!(text.contains(words), "{words} is not in: {text}");
    }
    // As earlier versions wrote it, which have the folder's name alone.
    let mut fields: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    fields
        .as_object_mut()
        .expect("fields")
        .remove("own")
        .expect("its digest");
    fields["place"]["epoch"] = 9999.into();
    std::fs::write(&state, fields.to_string()).expect("written");
    let text = go(&StopAfter::new(NEVER)).expect_err("damaged").to_string();
    assert!(
        text.contains("another place than the folder's name"),
        "{text}"
    );
    for (lost, name) in [(&state, "state.json"), (&file, "network.safetensors")] {
        std::fs::write(&state, &whole).expect("put back");
        std::fs::remove_file(lost).expect("removed");
        let text = go(&StopAfter::new(NEVER)).expect_err("damaged").to_string();
        assert!(text.contains(&format!("{name} is missing")), "{text}");
    }
    // Without it training begins again, and says so.
    std::fs::remove_dir_all(&newest).expect("removed");
    let watch = StopAfter::new(4);
    assert!(matches!(go(&watch), Err(StepError::Stopped)));
    let notes = watch.notes.lock().expect("notes").join("\n");
    assert!(notes.contains("begins with its first epoch"), "{notes}");
    // In the second epoch now, with a checkpoint of the end of the first.
    let mut all = checkpoint_folders(&checkpoints);
    let newest = all.pop().expect("two");
    std::fs::write(newest.join("network.safetensors"), "x").expect("written");
    let text = go(&StopAfter::new(NEVER)).expect_err("damaged").to_string();
    assert!(text.contains("to go on from the one before it"), "{text}");
    // What is told where there is none before it helps.
    let step = checkpoints.parent().expect("the step's folder");
    std::fs::remove_dir_all(step).expect("removed");
    go(&StopAfter::new(NEVER)).expect("begun anew");
}

/// As a stop leaves it that comes before the first batch.
#[test]
fn a_checkpoint_of_the_first_moment_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&[]);
    let go =
        |watch: &StopAfter| run_until(folder.path(), "run", &config, "train-classifier", watch);
    assert!(matches!(go(&StopAfter::new(1)), Err(StepError::Stopped)));
    let checkpoints = folder.path().join("run/01-train-classifier/checkpoints");
    let first = checkpoints.join("00000-000000");
    std::fs::rename(checkpoints.join("00000-000001"), &first).expect("renamed");
    let file = first.join("state.json");
    let text = std::fs::read(&file).expect("a state");
    let mut state: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    state["place"]["step"] = 0.into();
    // As before states had a digest of their own.
    state.as_object_mut().expect("fields").remove("own");
    std::fs::write(&file, state.to_string()).expect("written");
    let watch = StopAfter::new(1);
    assert!(matches!(go(&watch), Err(StepError::Stopped)));
    let notes = watch.notes.lock().expect("notes").join("\n");
    assert!(!notes.contains("begins with its first epoch"), "{notes}");
}

#[test]
fn a_training_that_lost_its_checkpoints_does_not_begin_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&["classifier.training.epochs=4"]);
    let until = "train-classifier";
    let go = |readings| {
        run_until(
            folder.path(),
            "run",
            &config,
            until,
            &StopAfter::new(readings),
        )
    };
    // Three steps an epoch: in the third one.
    assert!(matches!(go(7), Err(StepError::Stopped)));
    let checkpoints = folder.path().join("run/01-train-classifier/checkpoints");
    std::fs::remove_dir_all(checkpoints).expect("removed");
    let text = go(NEVER).expect_err("all is gone").to_string();
    assert!(
        text.contains("epoch 2 is over") && text.contains("01-train-classifier to begin"),
        "{text}"
    );
}

fn checkpoint_folders(checkpoints: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(checkpoints).expect("checkpoints");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.join("state.json").exists())
        .collect();
    paths.sort();
    paths
}
