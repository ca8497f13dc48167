//! A run's folder belongs to one set of settings, and to one process at a time.

use weakseg::config::{Config, resolve};
use weakseg::pipeline::{METHOD, RunDir, RunError, StepError};

use crate::tiny::{StopAfter, config, repeat, run_until};

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

/// A mask of another size is found when there are networks already, which have nothing to do with it.
#[test]
fn what_truth_is_read_by_may_change_and_costs_no_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
        let text = "[data]\nkind = \"table\"\n[classifier]\nweights = \"none\"";
        resolve(text.parse().expect("TOML"), "table", None, &sets).expect("valid")
    };
    let open =
        |config: &Config, from| RunDir::open(folder.path(), config, String::new(), "cpu", from);
    let run = open(&table(&[]), METHOD.len()).expect("a run");
    for step in &METHOD[..3] {
        run.begin(step).expect("begun");
        run.finish(step, 1.0, 1, None, Vec::new())
            .expect("finished");
    }
    drop(run);
    let resized = table(&["data.resize_masks=nearest"]);
    let error = open(&resized, METHOD.len()).expect_err("scores are old");
    let text = error.to_string();
    assert!(
        text.contains("step eval-cams was made with other settings (data.resize_masks was null, is \"nearest\")"),
        "{text}"
    );
    let run = open(&resized, 2).expect("scored again");
    let finished = METHOD[..3]
        .iter()
        .map(|step| run.finished(step).expect("read").is_some());
    assert_eq!(Vec::from_iter(finished), [true, true, false]);
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

#[test]
fn a_repeated_step_takes_those_made_from_it_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let settings = config(&[]);
    run_until(folder.path(), "run", &settings, "eval-cams", &watch).expect("a run");
    let finished = |name: &str| {
        let number = METHOD.iter().position(|s| s.name == name).expect("a step");
        let path = format!("run/{:02}-{name}/manifest.json", number + 1);
        folder.path().join(path).exists()
    };
    assert!(finished("train-classifier") && finished("make-cams") && finished("eval-cams"));
    repeat(folder.path(), "run", &settings, "make-cams", &watch).expect("once more");
    assert!(finished("train-classifier") && finished("make-cams"));
    assert!(!finished("eval-cams"), "its maps are gone");
    repeat(folder.path(), "run", &settings, "eval-cams", &watch).expect("made anew");
    assert!(finished("make-cams") && finished("eval-cams"));
}

#[test]
fn half_written_files_of_a_kill_are_swept() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || RunDir::open(folder.path(), &config(&[]), String::new(), "cpu", 10);
    let step = open().expect("a run").begin(&METHOD[0]).expect("begun");
    let halves = [folder.path().join(".tmp-1E3IXd"), step.join(".tmpzvDnAc")];
    for half in &halves {
        std::fs::write(half, "half").expect("written");
    }
    open().expect("a run").begin(&METHOD[0]).expect("goes on");
    assert!(halves.iter().all(|half| !half.exists()));
    assert!(step.join("started.json").exists());
}

#[test]
fn seconds_count_every_sitting() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = RunDir::open(folder.path(), &config(&[]), String::new(), "cpu", 10).expect("a run");
    let step = &METHOD[0];
    let finish = |seconds| {
        run.begin(step).expect("begun");
        run.finish(step, seconds, 1, None, Vec::new())
            .expect("finished");
        run.finished(step).expect("read").expect("a manifest")
    };
    let at_once = finish(8.0);
    run.clear(step).expect("cleared");
    for seconds in [2.0, 3.0] {
        run.begin(step).expect("begun");
        run.pause(step, seconds).expect("noted");
    }
    let in_three = finish(8.0);
    assert_eq!((at_once.seconds, in_three.seconds), (8.0, 13.0));
    assert_eq!(at_once.outputs, in_three.outputs);
}

#[test]
fn a_sampler_that_cannot_draw_is_refused_before_the_first_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let until = |out: &str, until: &str| {
        let settings = config(&["irn.training.sampler=balanced"]);
        run_until(folder.path(), out, &settings, until, &watch)
    };
    let message = until("run", "report").expect_err("one finding").to_string();
    for words in [
        "irn.training.sampler is \"balanced\" over ",
        " positives and 0 negatives",
        "the step train-irn",
    ] {
        assert!(message.contains(words), "{words} is not in: {message}");
    }
    assert!(!folder.path().join("run/01-train-classifier").exists());
    until("other", "train-classifier").expect("IRNet is not asked for");
}

#[test]
fn decoded_images_lie_beside_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let settings = config(&["loader.cache=a-cache-of-this-test"]);
    run_until(folder.path(), "run", &settings, "train-classifier", &watch).expect("a run");
    let kept = std::fs::read_dir(folder.path().join("a-cache-of-this-test"));
    assert!(kept.expect("a folder of images").count() > 0);
}
