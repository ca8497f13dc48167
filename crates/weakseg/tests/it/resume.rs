//! A training that was stopped goes on as if nothing had been.

use weakseg::pipeline::StepError;

use crate::tiny::{StopAfter, config, run_until};

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

    let log = |out: &str| {
        std::fs::read_to_string(
            folder
                .path()
                .join(out)
                .join("01-train-classifier/metrics.jsonl"),
        )
    };
    assert_eq!(log("parts").expect("a log"), log("whole").expect("a log"));

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
    assert!(model("other").expect("a model") != whole);
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&[]);
    let until = "train-classifier";
    let stopped = run_until(folder.path(), "run", &config, until, &StopAfter::new(2));
    assert!(matches!(stopped, Err(StepError::Stopped)));
    let checkpoints = folder.path().join("run/01-train-classifier/checkpoints");
    let newest = std::fs::read_dir(checkpoints)
        .expect("checkpoints")
        .filter_map(Result::ok)
        .map(|e| e.path())
        .max()
        .expect("one");
    let file = newest.join("network.safetensors");
    let mut bytes = std::fs::read(&file).expect("a network");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let error = run_until(folder.path(), "run", &config, until, &StopAfter::new(NEVER))
        .expect_err("damaged");
    assert!(
        error
            .to_string()
            .contains("network.safetensors does not match its digest"),
        "{error}"
    );
}
