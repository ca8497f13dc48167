//! A run's folder belongs to one set of settings, and to one process at a time.

use weakseg::pipeline::{METHOD, RunDir, RunError, StepError};

use crate::tiny::{StopAfter, config, run_until};

#[test]
fn other_settings_are_named_and_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    run_until(
        folder.path(),
        "run",
        &config(&[]),
        "train-classifier",
        &watch,
    )
    .expect("a run");
    let other = config(&["classifier.training.batch=2"]);
    let error =
        run_until(folder.path(), "run", &other, "train-classifier", &watch).expect_err("refused");
    let text = error.to_string();
    assert!(
        matches!(
            error,
            StepError::Run(RunError::OtherRun {
                step: "train-classifier",
                ..
            })
        ),
        "{text}"
    );
    assert!(
        text.contains("classifier.training.batch was 4, is 2"),
        "{text}"
    );
    // What a finished step does not read may change.
    let later = config(&["segmenter.threshold=0.6"]);
    run_until(folder.path(), "run", &later, "train-classifier", &watch).expect("nothing to do");
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("run")).expect("made");
    std::fs::write(folder.path().join("run/thesis.tex"), "years").expect("written");
    let open = RunDir::open(
        &folder.path().join("run"),
        &config(&[]),
        String::new(),
        "cpu",
        10,
    );
    assert!(matches!(open, Err(RunError::NotARun { .. })));
    let names: Vec<_> = std::fs::read_dir(folder.path().join("run"))
        .expect("listed")
        .collect();
    assert_eq!(names.len(), 1, "nothing was added");
}

#[test]
fn two_processes_do_not_share_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    let first = RunDir::open(&path, &config(&[]), String::new(), "cpu", 10).expect("the first");
    assert!(matches!(
        RunDir::open(&path, &config(&[]), String::new(), "cpu", 10),
        Err(RunError::Locked { .. })
    ));
    drop(first);
    RunDir::open(&path, &config(&[]), String::new(), "cpu", 10).expect("free again");
}

#[test]
fn a_report_goes_with_its_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    let run = RunDir::open(&path, &config(&[]), String::new(), "cpu", 10).expect("a run");
    let files = ["report.json", "report.html"].map(|name| path.join(name));
    for file in &files {
        std::fs::write(file, "figures").expect("written");
    }
    let (report, others) = METHOD.split_last().expect("steps");
    for step in others {
        run.clear(step).expect("cleared");
    }
    assert!(files.iter().all(|file| file.exists()));
    run.clear(report).expect("cleared");
    assert!(files.iter().all(|file| !file.exists()));
}
