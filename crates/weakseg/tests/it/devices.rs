//! Trainings that several devices share: they take the steps of one device.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

use burn::tensor::Device;
use safetensors::SafeTensors;
use weakseg::config::Training;
use weakseg::pipeline::StepError;
use weakseg::train::{FurtherDevice, TrainError};

use crate::tiny::{StopAfter, config, run_until_on};
use crate::toy::{Targets, descent, train_on};

/// Never within a tiny run.
const NEVER: u64 = 1_000_000;

/// Further devices, with names of their own; the CPU again.
fn further(count: usize) -> Vec<FurtherDevice> {
    let device = |number: usize| FurtherDevice {
        device: Device::flex(),
        name: format!("cpu:{number}"),
    };
    (1..=count).map(device).collect()
}

/// Files below a folder, by their paths.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        match path.is_dir() {
            true => found.extend(
                files(&path)
                    .into_iter()
                    .map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            ),
            false => {
                let bytes = std::fs::read(&path).expect("a file");
                found.insert(name.into_owned(), bytes);
            }
        }
    }
    found
}

/// Everything that a step does beside adding up gradients.
fn training(accumulate: usize) -> Training {
    Training {
        accumulate,
        clip: Some(0.5),
        ema: Some(0.9),
        ..descent(0.1, 3, 2)
    }
}

/// Seven batches an epoch: the last step of each is not whole, and gives some devices nothing to do.
const CASES: usize = 14;

#[test]
fn devices_together_leave_the_files_that_one_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, devices: usize, accumulate: usize| {
        let folder = folder.path().join(name);
        let mut lesson = Targets::new(CASES, 2.0);
        let further = further(devices - 1);
        train_on(&folder, &mut lesson, &training(accumulate), &further).expect("trained");
        (files(&folder), lesson.elsewhere.load(Ordering::SeqCst))
    };
    // Batches of an epoch's steps, and how many of them are another device's.
    for (devices, accumulate, elsewhere) in [
        (2, 2, 3), // 01 01 01 0
        (2, 4, 3), // 0101 010
        (3, 3, 4), // 012 012 0
        (4, 4, 5), // 0123 012
    ] {
        let (alone, none) = run(&format!("alone-{devices}-{accumulate}"), 1, accumulate);
        let (shared, found) = run(
            &format!("shared-{devices}-{accumulate}"),
            devices,
            accumulate,
        );
        assert_eq!((none, found), (0, 3 * elsewhere), "{devices} devices");
        assert!(alone.contains_key("checkpoints/00003-000000/average.safetensors"));
        assert!(alone == shared, "{devices} devices, {accumulate} a step");
    }
    let (twos, fours) = (run("twos", 2, 2).0, run("fours", 2, 4).0);
    assert!(twos != fours, "the test can fail");
}

#[test]
fn devices_may_join_and_leave_between_two_sittings() {
    let folder = tempfile::tempdir().expect("a folder");
    let go = |name: &str, epochs: usize, devices: usize| {
        let training = Training {
            epochs,
            ..training(2)
        };
        let mut lesson = Targets::new(CASES, 2.0);
        let folder = folder.path().join(name);
        train_on(&folder, &mut lesson, &training, &further(devices - 1)).expect("trained")
    };
    let whole = go("whole", 4, 1);
    for (name, first, second) in [("joins", 1, 2), ("leaves", 2, 1)] {
        assert_ne!(go(name, 2, first), whole);
        assert_eq!(go(name, 4, second), whole, "{name}");
    }
}

#[test]
fn a_device_that_gives_up_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lesson = Targets::new(CASES, 2.0);
    lesson.left_alone = Some(1);
    let error = train_on(folder.path(), &mut lesson, &training(4), &further(1));
    let message = error.expect_err("given up").to_string();
    for words in [
        "the device gave up in epoch 2, batch 1 on cpu:1, with 2 images in a batch",
        "--set toy.training.batch=1 --set toy.training.accumulate=8",
    ] {
        assert!(message.contains(words), "{words} is not in: {message}");
    }
    // Without it the training goes on from the checkpoint of the first epoch.
    let alone = train_on(folder.path(), &mut lesson, &training(4), &[]).expect("goes on");
    let whole = folder.path().join("whole");
    let mut lesson = Targets::new(CASES, 2.0);
    assert_eq!(
        train_on(&whole, &mut lesson, &training(4), &further(1)).expect("trained"),
        alone
    );
}

#[test]
fn a_loss_that_is_no_number_is_told_as_by_one_device() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = |name: &str, devices: usize| {
        let mut lesson = Targets::new(CASES, 2.0);
        lesson.broken = Some(1);
        let folder = folder.path().join(name);
        train_on(&folder, &mut lesson, &training(2), &further(devices - 1))
            .expect_err("not a number")
            .to_string()
    };
    let alone = message("alone", 1);
    assert!(alone.contains("the loss is NaN in epoch 2"), "{alone}");
    assert_eq!(message("shared", 2), alone);
}

#[test]
fn batches_that_cannot_be_shared_evenly_are_refused_before_any_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lesson = Targets::new(CASES, 2.0);
    let error = train_on(folder.path(), &mut lesson, &training(3), &further(1));
    assert!(matches!(error, Err(TrainError::Uneven { .. })), "{error:?}");
    assert!(files(folder.path()).is_empty());

    // In a run every training that is asked for is looked at, the last one too.
    let config = config(&[
        "classifier.training.accumulate=2",
        "irn.training.accumulate=2",
    ]);
    let watch = StopAfter::new(NEVER);
    let go = |until: &str| {
        let further = further(1);
        run_until_on(folder.path(), "run", &config, until, &watch, &further)
    };
    let error = go("train-segmenter").expect_err("refused");
    let message = error.to_string();
    assert!(
        message.starts_with("train-segmenter: training.accumulate is 1, but 2 devices"),
        "{message}"
    );
    assert!(!folder.path().join("run/01-train-classifier").exists());
}

/// The tensors of a network: those of batch norm's running statistics, and all others.
pub type Tensors = [BTreeMap<String, Vec<u8>>; 2];

/// Those of its file.
pub fn tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).expect("a network");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let all = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, view.data().to_vec()));
    let (statistics, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.partition(|(name, _)| name.contains(".running_"));
    [statistics, others]
}

/// Batches of 2, of which each step has two.
const SHARED: [&str; 6] = [
    "classifier.training.batch=2",
    "classifier.training.accumulate=2",
    "irn.training.batch=2",
    "irn.training.accumulate=2",
    "segmenter.training.batch=2",
    "segmenter.training.accumulate=2",
];

#[test]
fn all_three_trainings_are_those_of_one_device() {
    let folder = tempfile::tempdir().expect("a folder");
    // No batch norm before the segmentation network's decoder, so that all it learns from is the same.
    let sets = [
        &SHARED[..],
        &[
            "classifier.arch=vgg16",
            "segmenter.arch=unet-vgg16",
            "segmenter.encoder=random",
        ],
    ];
    let config = config(&sets.concat());
    for (out, devices) in [("alone", 1), ("shared", 2)] {
        let (watch, further) = (StopAfter::new(NEVER), further(devices - 1));
        run_until_on(
            folder.path(),
            out,
            &config,
            "train-segmenter",
            &watch,
            &further,
        )
        .expect("a run");
    }
    for step in ["01-train-classifier", "05-train-irn", "08-train-segmenter"] {
        let [alone, shared] = ["alone", "shared"].map(|out| {
            let step = folder.path().join(out).join(step);
            tensors(&step.join("model.safetensors"))
        });
        assert!(alone[1] == shared[1], "{step} learned something else");
        // Each device has the statistics of its own batches, and the network those of the first.
        let has_any = step == "08-train-segmenter";
        assert_eq!(!alone[0].is_empty(), has_any, "{step}");
        assert_eq!(alone[0] != shared[0], has_any, "{step}");
    }
}

#[test]
fn a_shared_training_that_was_stopped_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&SHARED);
    let go = |out: &str, devices: usize, readings: u64| {
        let (watch, further) = (StopAfter::new(readings), further(devices - 1));
        run_until_on(
            folder.path(),
            out,
            &config,
            "train-classifier",
            &watch,
            &further,
        )
    };
    let model = |out: &str| {
        let step = folder.path().join(out).join("01-train-classifier");
        step.join("model.safetensors")
    };
    go("whole", 2, NEVER).expect("a run");
    // Six batches an epoch: a stop is asked for inside a step of the first epoch, which is finished first.
    for (out, second) in [("same", 2), ("alone", 1)] {
        let stopped = go(out, 2, 3);
        assert!(matches!(stopped, Err(StepError::Stopped)), "{stopped:?}");
        go(out, second, NEVER).expect("the rest");
    }
    let read = |out: &str| std::fs::read(model(out)).expect("a network");
    assert!(read("same") == read("whole"));
    let [whole, alone] = ["whole", "alone"].map(|out| tensors(&model(out)));
    assert!(whole[1] == alone[1], "the weights are the same");
    assert!(whole[0] != alone[0], "the statistics are of more batches");
}
