//! The losses of the settings are those that training minimises and logs.

use std::path::Path;

use weakseg::train::MetricLog;

use crate::devices::{Tensors, tensors};
use crate::exclusive::{KIT, kit};
use crate::tiny::{StopAfter, config, run_until};

/// Never within a tiny run.
const NEVER: u64 = 1_000_000;

fn train(folder: &Path, out: &str, sets: &[&str], step: &str) {
    run_until(folder, out, &config(sets), step, &StopAfter::new(NEVER)).expect("a run");
}

/// Name and value of each loss that a step logged of its training split.
fn log(folder: &Path, out: &str, step: &str) -> Vec<(String, f64)> {
    MetricLog::read(&folder.join(out).join(step).join("metrics.jsonl"))
        .expect("a log")
        .into_iter()
        .filter(|line| line.split == "train" && line.name.starts_with("loss"))
        .map(|line| (line.name, line.value))
        .collect()
}

/// What was learnt. The whole file knows the settings too.
fn model(folder: &Path, out: &str, step: &str) -> Tensors {
    tensors(&folder.join(out).join(step).join("model.safetensors"))
}

#[test]
fn the_segmenter_logs_each_loss_and_their_sum() {
    let folder = tempfile::tempdir().expect("a folder");
    let step = "08-train-segmenter";
    train(folder.path(), "run", &[], "train-segmenter");
    let before = model(folder.path(), "run", step);
    let alone = log(folder.path(), "run", step);
    let names = |log: &[(String, f64)]| -> Vec<String> {
        log.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&alone), ["loss"]);

    // The same run, its last step again with two losses.
    let losses = r#"segmenter.losses=[{ kind = "cross-entropy", weight = 0.5 }, { kind = "crf-constrained", weight = 0.5 }]"#;
    std::fs::remove_dir_all(folder.path().join("run").join(step)).expect("removed");
    train(folder.path(), "run", &[losses], "train-segmenter");
    let several = log(folder.path(), "run", step);
    assert_eq!(
        names(&several),
        ["loss", "loss/cross-entropy", "loss/crf-constrained"]
    );
    let values: Vec<f64> = several.iter().map(|(_, value)| *value).collect();
    assert!(
        (values[0] - values[1] - values[2]).abs() < 1e-5,
        "{values:?}"
    );
    assert!(values[1] > 0.0 && values[2] > 0.0, "{values:?}");
    assert!(model(folder.path(), "run", step) != before);
}

/// By how much the bias of the finished network's last convolution lies above that of its last checkpoint.
fn bias_moved(folder: &Path, out: &str) -> f32 {
    let step = folder.join(out).join("08-train-segmenter");
    let bias = |file: &str| {
        let [_, learned] = tensors(&step.join(file));
        let bytes = learned["segmentation_head.0.bias"].clone();
        f32::from_le_bytes(bytes.try_into().expect("one output"))
    };
    bias("model.safetensors") - bias("checkpoints/00001-000000/network.safetensors")
}

#[test]
fn the_weight_of_positive_pixels_is_taken_back_where_nothing_else_moves_the_logits() {
    let folder = tempfile::tempdir().expect("a folder");
    let again = |sets: &[&str]| {
        let step = folder.path().join("run/08-train-segmenter");
        std::fs::remove_dir_all(step).expect("removed");
        train(folder.path(), "run", sets, "train-segmenter");
        bias_moved(folder.path(), "run")
    };
    train(folder.path(), "run", &[], "train-segmenter");
    let moved = again(&["segmenter.pos_weight=4.0"]);
    assert!((moved + 4f32.ln()).abs() < 1e-5, "{moved}");
    let dice = r#"segmenter.losses=[{ kind = "bce" }, { kind = "dice" }]"#;
    assert_eq!(again(&["segmenter.pos_weight=4.0", dice]), 0.0);
}

#[test]
fn every_loss_trains_in_both_label_spaces() {
    let folder = tempfile::tempdir().expect("a folder");
    kit(folder.path());
    let losses = r#"segmenter.losses=[{ kind = "cross-entropy" }, { kind = "bce" }, { kind = "smoothed-cross-entropy" },
        { kind = "kl-divergence" }, { kind = "soft-iou" }, { kind = "dice" }, { kind = "focal" }, { kind = "crf-constrained" }]"#;
    for (out, sets) in [("exclusive", &[losses, KIT][..]), ("findings", &[losses])] {
        train(folder.path(), out, sets, "train-segmenter");
        let log = log(folder.path(), out, "08-train-segmenter");
        assert_eq!(log.len(), 9, "{log:?}");
        assert!(
            log.iter().all(|(_, v)| v.is_finite() && *v > 0.0),
            "{log:?}"
        );
        let shares: f64 = log[1..].iter().map(|(_, value)| value).sum();
        assert!((log[0].1 - shares).abs() < 1e-4, "{log:?}");
    }
}

#[test]
fn the_classifier_minimises_the_loss_of_the_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let step = "01-train-classifier";
    let models: Vec<Tensors> = ["bce", "soft-margin", "integral-attention"]
        .iter()
        .map(|loss| {
            let set = format!("classifier.loss={loss}");
            train(folder.path(), loss, &[&set], "train-classifier");
            assert!(
                log(folder.path(), loss, step)
                    .iter()
                    .all(|(_, v)| v.is_finite())
            );
            model(folder.path(), loss, step)
        })
        .collect();
    // With one finding the mean over classes is their sum.
    assert!(models[0] == models[1]);
    assert!(models[0] != models[2]);
    train(folder.path(), "default", &[], "train-classifier");
    assert!(models[0] == model(folder.path(), "default", step));
}
