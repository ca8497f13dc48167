//! The loop: accumulation, clipping, moving average, checkpoints, early stopping, on a toy.

use std::path::Path;

use serde_json::Value;
use weakseg::config::Training;
use weakseg::optim::{ScheduleConfig, ScheduleKind};
use weakseg::train::{MetricLog, Select, TrainError};

use crate::toy::{Notes, Targets, descent, furthest, train, train_and_note};

fn oracle() -> Value {
    serde_json::from_str(include_str!("../oracle/clip_and_average.json")).expect("JSON")
}

/// Names of the folders in a folder, in order.
fn folders(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// Single precision on both sides, twenty steps: see `optimizers.rs`.
#[test]
fn clipping_and_the_moving_average_equal_pytorchs() {
    let oracle = oracle();
    let clip = oracle["clip"].as_f64();
    let run = |ema| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut lesson = Targets::new(10, 2.0);
        let training = Training {
            clip,
            ema,
            ..descent(0.1, 4, 2)
        };
        let end = train(folder.path(), &mut lesson, &training).expect("trained");
        assert_eq!(lesson.shown.last(), Some(&end), "what is validated is kept");
        let norms: Vec<f64> = MetricLog::read(&folder.path().join("metrics.jsonl"))
            .expect("a log")
            .iter()
            .filter(|line| line.name == "grad_norm")
            .map(|line| line.value)
            .collect();
        (lesson.shown, norms)
    };
    let (weights, norms) = run(None);
    let (averages, _) = run(oracle["decay"].as_f64());
    let recorded = crate::toy::floats(&oracle["norms"]);
    for epoch in 0..4 {
        for (ours, theirs) in [(&weights, "weights"), (&averages, "averages")] {
            let error = furthest(&ours[epoch], &oracle[theirs][epoch]);
            assert!(error < 1e-6, "{theirs}, epoch {epoch}: off by {error:e}");
        }
        let mean: f64 = recorded[epoch * 5..][..5].iter().sum::<f64>() / 5.0;
        assert!((norms[epoch] - mean).abs() < 1e-5, "norms before clipping");
    }
    assert_ne!(weights, averages);
}

#[test]
fn accumulated_batches_equal_one_large_batch() {
    let run = |batch: usize, accumulate: usize, cases: usize| {
        let folder = tempfile::tempdir().expect("a folder");
        let training = Training {
            accumulate,
            ..descent(0.1, 3, batch)
        };
        train(folder.path(), &mut Targets::new(cases, 2.0), &training).expect("trained")
    };
    let apart = |a: &[f32], b: &[f32]| {
        let far = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        far.fold(0.0, f32::max)
    };
    let (whole, parts) = (run(8, 1, 24), run(4, 2, 24));
    assert!(apart(&whole, &parts) < 1e-6, "{}", apart(&whole, &parts));
    assert!(apart(&whole, &run(4, 1, 24)) > 1e-3, "the test can fail");
    // Five batches in twos: the last step is that of one batch, not of half a one.
    let (last_alone, all_alone) = (run(4, 2, 4), run(4, 1, 4));
    assert_eq!(last_alone, all_alone);
}

#[test]
fn the_best_epoch_is_kept_and_can_be_the_result() {
    let losses = vec![0.9, f64::NAN, 0.5, 0.7, 0.5, f64::NAN];
    let run = |folder: &Path, select| {
        let mut lesson = Targets::new(8, 2.0);
        lesson.said = Some(losses.clone());
        let training = Training {
            select,
            keep_every: 2,
            ..descent(0.1, 6, 4)
        };
        let end = train(folder, &mut lesson, &training).expect("trained");
        (end, lesson.shown)
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (last, shown) = run(&folder.path().join("last"), Select::Last);
    assert_eq!(last, shown[5]);
    let (best, again) = run(&folder.path().join("best"), Select::Best);
    assert_eq!(again, shown);
    assert_eq!(best, shown[2], "the third epoch; the fifth is only as good");
    let checkpoints = folder.path().join("last/checkpoints");
    assert_eq!(folders(&checkpoints), ["00006-000000", "best", "every"]);
    assert_eq!(folders(&checkpoints.join("best")), ["00003"]);
    assert_eq!(
        folders(&checkpoints.join("every")),
        ["00002", "00004", "00006"]
    );

    // A training that is over is over; its best checkpoint must be sound.
    let file = folder
        .path()
        .join("best/checkpoints/best/00003/network.safetensors");
    let mut bytes = std::fs::read(&file).expect("a network");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let training = Training {
        select: Select::Best,
        ..descent(0.1, 6, 4)
    };
    let mut lesson = Targets::new(8, 2.0);
    let mut error = || {
        train(&folder.path().join("best"), &mut lesson, &training)
            .expect_err("refused")
            .to_string()
    };
    let message = error();
    assert!(
        message.contains("is damaged (network.safetensors"),
        "{message}"
    );
    std::fs::remove_dir_all(file.parent().expect("its folder")).expect("removed");
    let message = error();
    assert!(
        message.contains("00003: the checkpoint of the best epoch is gone"),
        "{message}"
    );
}

#[test]
fn figures_that_are_never_numbers_give_no_best_epoch() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lesson = Targets::new(8, 2.0);
    lesson.said = Some(vec![f64::NAN; 2]);
    let training = Training {
        select: Select::Best,
        ..descent(0.1, 2, 4)
    };
    let error = train(folder.path(), &mut lesson, &training).expect_err("refused");
    assert!(matches!(error, TrainError::NoBest { .. }), "{error}");
}

#[test]
fn training_ends_when_patience_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, patience| {
        let mut lesson = Targets::new(8, 2.0);
        lesson.said = Some(vec![0.5, 0.6, 0.4, 0.41, f64::NAN, 0.3, 0.2, 0.1]);
        let training = Training {
            patience,
            ..descent(0.1, 8, 4)
        };
        train(&folder.path().join(name), &mut lesson, &training).expect("trained");
        lesson.shown.len()
    };
    assert_eq!(run("patient", 3), 8);
    assert_eq!(run("early", 2), 5);
    assert_eq!(run("early", 2), 0, "it stays over");
    assert_eq!(run("never", 0), 8);
}

#[test]
fn without_validation_the_training_loss_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    // Such a rate makes it worse every epoch.
    let training = Training {
        select: Select::Best,
        ..descent(1.5, 4, 4)
    };
    let mut lesson = Targets::new(8, 2.0);
    train(folder.path(), &mut lesson, &training).expect("trained");
    let losses: Vec<f64> = MetricLog::read(&folder.path().join("metrics.jsonl"))
        .expect("a log")
        .iter()
        .filter(|l| l.name == "loss" && l.split == "train")
        .map(|l| l.value)
        .collect();
    let least = (1..=4).min_by(|&a, &b| losses[a - 1].total_cmp(&losses[b - 1]));
    let kept = folders(&folder.path().join("checkpoints/best"));
    assert_eq!(kept[0], format!("{:05}", least.expect("four epochs")));
}

/// Ten cases in batches of four: eight are learned from.
#[test]
fn a_standstill_is_told_once_however_often_the_training_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let warnings = |name: &str, epochs, chance: fn(usize) -> f64| {
        let mut lesson = Targets::new(10, 2.0);
        lesson.chance = Some(chance);
        let (training, notes) = (descent(1e-9, epochs, 4), Notes::default());
        train_and_note(&folder.path().join(name), &mut lesson, &training, &notes).expect("trained");
        let mut notes = notes.0.into_inner().expect("notes");
        notes.retain(|note| note.starts_with("warning: toy: "));
        notes
    };
    // The loss stays near 2, far above one of these and below the other.
    let of_eight = |drawn| if drawn == 8 { 0.1 } else { 100.0 };
    let found = warnings("still", 3, of_eight);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("in epochs 1 to 3 ") && found[0].ends_with("Do better."),
        "{found:?}"
    );
    assert_eq!(warnings("still", 6, of_eight), [""; 0], "said before");
    let all = warnings("whole", 6, of_eight);
    assert_eq!(all, found);
    assert_eq!(warnings("learned", 6, |_| 100.0), [""; 0]);
}

#[test]
fn the_plateau_lowers_the_rate_that_is_used_and_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lesson = Targets::new(8, 2.0);
    lesson.said = Some(vec![0.5, 0.5, 0.5, 0.5]);
    let training = Training {
        schedule: ScheduleConfig {
            kind: ScheduleKind::Plateau,
            patience: 1,
            factor: 0.5,
            ..ScheduleConfig::default()
        },
        ..descent(0.1, 4, 4)
    };
    let end = train(folder.path(), &mut lesson, &training).expect("trained");
    let rates: Vec<f64> = MetricLog::read(&folder.path().join("metrics.jsonl"))
        .expect("a log")
        .iter()
        .filter(|line| line.name == "lr")
        .map(|line| line.value)
        .collect();
    assert_eq!(rates, [0.1, 0.1, 0.1, 0.05]);
    let constant = folder.path().join("constant");
    let fast = train(&constant, &mut Targets::new(8, 2.0), &descent(0.1, 4, 4)).expect("trained");
    assert_ne!(end, fast);
}

#[test]
fn a_loss_that_is_no_number_ends_it_and_says_what_there_is_to_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lesson = Targets::new(8, 2.0);
    lesson.broken = Some(1);
    let error = train(folder.path(), &mut lesson, &descent(0.1, 3, 4)).expect_err("not a number");
    let message = error.to_string();
    for words in [
        "the loss is NaN in epoch 2, batch 1",
        "learning rate 1e-1",
        "norm of the gradient before it ",
        "cases case-8, case-9, case-10, case-11",
        "--from toy",
        "--set toy.training.clip=1",
    ] {
        assert!(message.contains(words), "{words} is not in: {message}");
    }
    let kept = folders(&folder.path().join("checkpoints"));
    assert_eq!(kept, ["00001-000000", "best"]);
    lesson.broken = None;
    train(folder.path(), &mut lesson, &descent(0.1, 3, 4)).expect("it goes on from there");
}

#[test]
fn a_device_that_gives_up_in_the_validation_is_an_error_with_a_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lesson = Targets::new(8, 2.0);
    lesson.given_up = Some(2);
    let error = train(folder.path(), &mut lesson, &descent(0.1, 3, 4)).expect_err("given up");
    let message = error.to_string();
    for words in [
        "the device gave up in the validation after epoch 2, with 4 images in a batch",
        "training.batch=2",
    ] {
        assert!(message.contains(words), "{words} is not in: {message}");
    }
    lesson.given_up = None;
    train(folder.path(), &mut lesson, &descent(0.1, 3, 4)).expect("it goes on from there");
}

#[test]
fn checkpoints_of_earlier_and_later_versions() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = folder.path().join("whole");
    let wanted = train(&whole, &mut Targets::new(8, 2.0), &descent(0.1, 4, 4)).expect("trained");
    let run = folder.path().join("run");
    train(&run, &mut Targets::new(8, 2.0), &descent(0.1, 2, 4)).expect("trained");
    let path = run.join("checkpoints/00002-000000/state.json");
    let mut state: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("a state")).expect("JSON");
    let write = |state: &Value| std::fs::write(&path, state.to_string()).expect("written");

    state["format"] = 3.into();
    write(&state);
    let error = train(&run, &mut Targets::new(8, 2.0), &descent(0.1, 4, 4)).expect_err("refused");
    assert!(error.to_string().contains("later version"), "{error}");

    // What the first version wrote.
    let fields = state.as_object_mut().expect("an object");
    for new in [
        "format",
        "norms",
        "last_norm",
        "plateau",
        "record",
        "average",
        "own",
    ] {
        assert!(fields.remove(new).is_some(), "{new}");
    }
    fields.insert("seconds".to_owned(), 1.5.into());
    write(&state);
    let found = train(&run, &mut Targets::new(8, 2.0), &descent(0.1, 4, 4)).expect("goes on");
    assert_eq!(found, wanted);
}

#[test]
fn a_kept_checkpoint_can_be_gone_on_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let training = Training {
        keep_every: 2,
        ema: Some(0.5),
        ..descent(0.1, 4, 4)
    };
    let go = || train(folder.path(), &mut Targets::new(8, 2.0), &training).expect("trained");
    let end = go();
    let checkpoints = folder.path().join("checkpoints");
    std::fs::remove_dir_all(checkpoints.join("00004-000000")).expect("removed");
    let kept = checkpoints.join("every/00002");
    std::fs::rename(kept, checkpoints.join("00002-000000")).expect("moved");
    assert_eq!(go(), end);
    assert_eq!(folders(&checkpoints.join("every")), ["00004"]);
}

#[test]
fn what_a_kill_left_behind_is_swept() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = folder.path().join("checkpoints");
    for scratch in [
        "00001-000001.tmp",
        "best/00001.tmp",
        "best/00002.old",
        "every/00002.tmp",
    ] {
        std::fs::create_dir_all(checkpoints.join(scratch)).expect("a folder");
    }
    train(
        folder.path(),
        &mut Targets::new(8, 2.0),
        &descent(0.1, 1, 4),
    )
    .expect("trained");
    assert_eq!(folders(&checkpoints), ["00001-000000", "best", "every"]);
    assert_eq!(folders(&checkpoints.join("best")), ["00001"]);
    assert!(folders(&checkpoints.join("every")).is_empty());
}
