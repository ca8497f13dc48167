//! A run's folder belongs to one set of settings, and to one process at a time.

use std::path::Path;

use burn::tensor::Device;
use weakseg::config::{Config, resolve};
use weakseg::pipeline::{
    Claim, Inventory, Job, METHOD, RunDir, RunError, RunRecord, Span, Step, StepError,
};
use weakseg::predict::Predictor;
use weakseg::progress::Progress;

use crate::tiny::{Files, StopAfter, again, all_files, config, few, repeat, run_until};

/// Opens a run of no data in particular, to be done again from number `from` on.
fn open(root: &Path, config: &Config, from: usize) -> Result<RunDir, RunError> {
    open_on(root, config, from, "cpu")
}

fn open_on(root: &Path, config: &Config, from: usize, device: &str) -> Result<RunDir, RunError> {
    let claim = Claim::of(root)?;
    let run = RunDir::open(claim, config, root, Inventory::default(), device)?;
    let before = Inventory::of_run(root)?;
    for (step, _) in run.outdated(before.as_ref(), from)? {
        run.clear(step)?;
    }
    run.write(config)?;
    Ok(run)
}

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
    let open = |config: &Config, from| open(folder.path(), config, from);
    let run = open(&table(&[]), METHOD.len()).expect("a run");
    for step in &METHOD[..3] {
        run.begin(step).expect("begun");
        run.finish(step, 1.0, 1, None).expect("finished");
    }
    drop(run);
    let resized = table(&["data.resize_masks=nearest"]);
    let error = open(&resized, METHOD.len()).expect_err("scores are old");
    let text = error.to_string();
    assert!(
        text.contains("step eval-cams was made with other settings or data (data.resize_masks was null, is \"nearest\")"),
        "{text}"
    );
    assert!(
        text.contains("--only eval-cams, and then without it"),
        "{text}"
    );
    let run = open(&resized, 2).expect("scored again");
    let finished = METHOD[..3]
        .iter()
        .map(|step| run.finished(step).expect("read").is_some());
    assert_eq!(Vec::from_iter(finished), [true, true, false]);
}

/// A run of the first format stays one, also when `run.json` was damaged and is written anew.
#[test]
fn a_run_of_the_first_format_goes_on_as_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let watch = StopAfter::new(0);
    let settings = few(&[]);
    let go = |until: &str| run_until(folder.path(), "run", &settings, until, &watch);
    go("train-classifier").expect("a run");
    let record = run.join("run.json");
    let text = std::fs::read_to_string(&record).expect("a record");
    let first = text.replace("\"format\": 2", "\"format\": 1");
    assert_ne!(text, first);
    std::fs::write(&record, first).expect("written");
    go("make-cams").expect("goes on");
    let started = std::fs::read_to_string(run.join("02-make-cams/started.json")).expect("a note");
    assert!(
        started.contains("\"threshold\""),
        "a whole section: {started}"
    );
    let before = all_files(&run.join("02-make-cams"));
    std::fs::remove_file(&record).expect("removed");
    go("eval-cams").expect("goes on");
    assert!(before == all_files(&run.join("02-make-cams")));
    let text = std::fs::read_to_string(&record).expect("a record");
    assert!(text.contains("\"format\": 1"), "{text}");
}

/// Thresholds are read where masks are made and scored: another one costs that step, and no training.
#[test]
fn how_masks_are_made_may_change_and_costs_no_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let watch = StopAfter::new(0);
    let until = |sets: &[&str], until: &str| {
        run_until(folder.path(), "run", &few(sets), until, &watch).map_err(|e| e.to_string())
    };
    until(&[], "report").expect("a run");
    let before = all_files(&run);
    let rule = ["segmenter.threshold=0.000001", "segmenter.flip=false"];
    let refused = until(&rule, "report").expect_err("another rule");
    for words in [
        "segmenter.threshold was 0.5, is 1e-6",
        "segmenter.flip was true, is false",
        "--only evaluate",
    ] {
        assert!(refused.contains(words), "{words} is not in: {refused}");
    }
    assert!(before == all_files(&run));
    // What was trained is read and left as it is.
    again(
        folder.path(),
        "run",
        &few(&rule),
        ["evaluate", "report"],
        &watch,
    )
    .expect("scored anew");
    let after = all_files(&run);
    let differ = |step: &str| {
        let of = |files: &Files| -> Files {
            let of = files.iter().filter(|(name, _)| name.starts_with(step));
            of.map(|(name, bytes)| (name.clone(), bytes.clone()))
                .collect()
        };
        of(&before) != of(&after)
    };
    assert!(!differ("08-train-segmenter") && !differ("03-eval-cams"));
    assert!(differ("09-evaluate") && differ("report.json"));
    // The run's folder has the rule that it is set to now, the network's file that of its training.
    let rule_of = |path: &Path| {
        let model = Predictor::open(path, &Device::flex()).expect("a model");
        model.card().rule.threshold
    };
    let file = run.join("08-train-segmenter/model.safetensors");
    assert_eq!((rule_of(&run), rule_of(&file)), (0.000001, 0.5));

    let maps = [&rule[..], &["cams.threshold=otsu"]].concat();
    let refused = until(&maps, "report").expect_err("another threshold");
    assert!(
        refused.contains("cams.threshold was 0.3, is \"otsu\"")
            && refused.contains("--only eval-cams"),
        "{refused}"
    );
    again(
        folder.path(),
        "run",
        &few(&maps),
        ["eval-cams", "eval-cams"],
        &watch,
    )
    .expect("scored");
    until(&maps, "report").expect("the report is gathered anew");
    let now = all_files(&run);
    let same = |step: &str| {
        let mut names = now.keys().filter(|name| name.starts_with(step));
        names.all(|name| now.get(name) == after.get(name))
    };
    assert!(same("02-make-cams") && same("08-train-segmenter") && same("09-evaluate"));
    assert!(!same("03-eval-cams") && !same("report.json"));
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("run")).expect("made");
    std::fs::write(folder.path().join("run/thesis.tex"), "years").expect("written");
    let open = open(&folder.path().join("run"), &config(&[]), 10);
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
    let first = open(&path, &config(&[]), 10).expect("the first");
    let error = open(&path, &config(&[]), 10).expect_err("locked");
    let text = error.to_string();
    assert!(matches!(error, RunError::Locked { .. }), "{text}");
    let by = format!("locked by pid {} since 2", std::process::id());
    assert!(
        cfg!(windows) || (text.contains(&by) && text.contains(" UTC")),
        "{text}"
    );
    drop(first);
    assert_eq!(std::fs::read(path.join(".lock")).expect("a file"), b"");
    open(&path, &config(&[]), 10).expect("free again");
}

#[test]
fn a_report_goes_with_its_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    let run = open(&path, &config(&[]), 10).expect("a run");
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
    // With other settings as with the same.
    for sets in [&[][..], &["cams.gate=0.4"]] {
        let (settings, watch) = (config(sets), StopAfter::new(0));
        repeat(folder.path(), "run", &settings, "make-cams", &watch).expect("once more");
        assert!(finished("train-classifier") && finished("make-cams"));
        assert!(!finished("eval-cams"), "its maps are gone");
        let told = "eval-cams: removed, it was made from the make-cams that is done again now";
        let notes = watch.notes.lock().expect("notes").clone();
        assert_eq!(
            notes.iter().filter(|note| *note == told).count(),
            1,
            "{notes:?}"
        );
        repeat(folder.path(), "run", &settings, "eval-cams", &watch).expect("made anew");
        assert!(finished("make-cams") && finished("eval-cams"));
    }
    // And where nothing that it was made from is done again.
    let (settings, watch) = (config(&["cams.gate=0.4"]), StopAfter::new(0));
    let longer = config(&["cams.gate=0.4", "irn.training.epochs=2"]);
    run_until(folder.path(), "run", &longer, "train-irn", &watch).expect("goes on");
    let network = std::fs::read(folder.path().join("run/05-train-irn/model.safetensors"));
    // A network that was trained is not lost for a call that is about something else.
    let error = repeat(folder.path(), "run", &settings, "eval-cams", &watch).expect_err("lost");
    let text = error.to_string();
    for words in ["irn.training.epochs was 2, is 1", "--from train-irn"] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
    let now = std::fs::read(folder.path().join("run/05-train-irn/model.safetensors"));
    assert_eq!(now.expect("a network"), network.expect("a network"));
    repeat(folder.path(), "run", &longer, "eval-cams", &watch).expect("once more");
    assert!(finished("train-irn"));
}

#[test]
fn half_written_files_of_a_kill_are_swept() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || open(folder.path(), &config(&[]), 10);
    let step = open().expect("a run").begin(&METHOD[0]).expect("begun");
    let halves = [
        folder.path().join(".tmp-1E3IXd"),
        step.join(".tmpzvDnAc"),
        step.join("scores/.tmp-zvDnAc"),
    ];
    std::fs::create_dir(step.join("scores")).expect("made");
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
    let run = open(folder.path(), &config(&[]), 10).expect("a run");
    let step = &METHOD[0];
    let finish = |seconds| {
        run.begin(step).expect("begun");
        run.finish(step, seconds, 1, None).expect("finished");
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

#[test]
fn a_run_that_was_killed_in_its_first_moments_begins_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, half) = (
        folder.path().join("run"),
        folder.path().join("run/.tmp-YT7kyb"),
    );
    std::fs::create_dir(&run).expect("made");
    std::fs::write(run.join(".lock"), "").expect("written");
    std::fs::write(&half, "half").expect("written");
    open(&run, &config(&[]), 10).expect("a run");
    assert!(!half.exists());
    // The same without a lock is somebody's file.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("made");
    std::fs::write(other.join(".tmp-YT7kyb"), "half").expect("written");
    let refused = open(&other, &config(&[]), 10);
    assert!(matches!(refused, Err(RunError::NotARun { .. })));
    assert!(other.join(".tmp-YT7kyb").exists());
    let file = open(&other.join(".tmp-YT7kyb"), &config(&[]), 10);
    assert!(matches!(file, Err(RunError::NotAFolder { .. })));
}

/// What is said is to be done about a damaged file does away with the damage.
#[test]
fn a_damaged_record_is_written_anew_once_it_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let step = open(&run, &config(&[]), 10)
        .expect("a run")
        .begin(&METHOD[0])
        .expect("begun");
    for (file, advice) in [
        (
            run.join("run.json"),
            "remove it: `weakseg run` writes it anew",
        ),
        (
            run.join("data.json"),
            "remove it: `weakseg run` writes it anew",
        ),
        (
            step.join("started.json"),
            "01-train-classifier to do its step again",
        ),
    ] {
        std::fs::write(&file, "{").expect("written");
        let text = open(&run, &config(&[]), 10)
            .expect_err("damaged")
            .to_string();
        assert!(text.contains(advice), "{text}");
        match advice.starts_with("remove it") {
            true => std::fs::remove_file(&file).expect("removed"),
            false => std::fs::remove_dir_all(&step).expect("removed"),
        }
        open(&run, &config(&[]), 10).expect("a run");
        assert!(run.join("run.json").exists() && run.join("config.toml").exists());
    }
}

/// Other files than the finished steps wrote are neither used nor made again without a word.
#[test]
fn files_that_were_changed_are_named_and_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let settings = config(&[]);
    let go = |until: &str| run_until(folder.path(), "run", &settings, until, &watch);
    go("report").expect("a run");
    let run = folder.path().join("run");
    let map = "02-make-cams/phantom-00003.npz";
    let label = "06-make-pseudo-labels/phantom-00000.png";
    type Damage = fn(&Path);
    let truncated: Damage = |path| std::fs::write(path, "x").expect("written");
    let removed: Damage = |path| std::fs::remove_file(path).expect("removed");
    let edited: Damage = |path| {
        let mut bytes = std::fs::read(path).expect("read");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).expect("written");
    };
    for (file, damage, words) in [
        (
            "01-train-classifier/model.safetensors",
            truncated,
            "has 1 bytes",
        ),
        (
            "05-train-irn/model.safetensors",
            edited,
            "holds something else",
        ),
        (map, removed, "is gone"),
        (label, truncated, "has 1 bytes"),
        ("09-evaluate/rows.json", edited, "holds something else"),
        ("09-evaluate/outputs.json", edited, "outputs.json"),
        ("report.json", edited, "holds something else"),
    ] {
        let path = run.join(file);
        let kept = std::fs::read(&path).expect("written by the run");
        damage(&path);
        let text = go("report").expect_err("changed").to_string();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        for words in [name.as_str(), words] {
            assert!(text.contains(words), "{file}: {words} is not in: {text}");
        }
        assert!(
            file.ends_with("outputs.json") || text.contains("with --from "),
            "{text}"
        );
        std::fs::write(&path, kept).expect("put back");
        go("report").expect("as it was");
    }
    // Of single cases what a step is about to read is read to its end.
    let path = run.join(label);
    let kept = std::fs::read(&path).expect("a label map");
    edited(&path);
    go("report").expect("nothing reads it");
    let text = repeat(folder.path(), "run", &settings, "train-segmenter", &watch)
        .expect_err("learnt from")
        .to_string();
    assert!(
        text.contains("step make-pseudo-labels") && text.contains("phantom-00000.png"),
        "{text}"
    );
    assert!(
        run.join("08-train-segmenter/manifest.json").exists(),
        "nothing was cleared"
    );
    std::fs::write(&path, kept).expect("put back");
    // A report is gathered again, and said to be.
    removed(&run.join("report.html"));
    go("report").expect("gathered");
    assert!(run.join("report.html").exists() && run.join("report.json").exists());
    let notes = watch.notes.lock().expect("notes");
    assert!(
        notes
            .iter()
            .any(|note| note.contains("report.html is gone")),
        "{notes:?}"
    );
}

#[test]
fn other_data_and_another_seed_are_named_and_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let settings = config(&[]);
    let go =
        |settings: &Config, until: &str| run_until(folder.path(), "run", settings, until, &watch);
    go(&settings, "eval-cams").expect("a run");
    let refused = |settings: &Config, until: &str, words: &[&str]| {
        let error = go(settings, until).expect_err("other data");
        let text = error.to_string();
        assert!(
            matches!(error, StepError::Run(RunError::OtherRun { .. })),
            "{text}"
        );
        for words in words {
            assert!(text.contains(words), "{words} is not in: {text}");
        }
    };
    refused(
        &config(&["seed=7"]),
        "eval-cams",
        &["train-classifier", "seed was 0, is 7"],
    );
    let set = folder.path().join("set");
    let [first, second] = ["00000", "00001"].map(|id| set.join(format!("images/phantom-{id}.png")));
    let kept = std::fs::read(&first).expect("an image");
    std::fs::copy(&second, &first).expect("another image");
    refused(
        &settings,
        "make-cams",
        &["train-classifier", "another image of `phantom-00000`"],
    );
    std::fs::write(&first, kept).expect("put back");
    go(&settings, "eval-cams").expect("the same set with other times");
    // Labels.
    let table = set.join("labels.csv");
    let kept = std::fs::read_to_string(&table).expect("labels");
    let row = kept.lines().nth(1).expect("a row");
    let flipped = match row.strip_suffix('1') {
        Some(start) => format!("{start}0"),
        None => format!("{}1", row.strip_suffix('0').expect("0 or 1")),
    };
    std::fs::write(&table, kept.replace(row, &flipped)).expect("written");
    refused(&settings, "make-cams", &["labels of `phantom-00000`: "]);
    std::fs::write(&table, kept).expect("put back");
    // Masks are nothing to what is learnt.
    let masks = ["00002", "00003"].map(|id| set.join(format!("masks/phantom-{id}.png")));
    let [a, b] = masks
        .each_ref()
        .map(|path| std::fs::read(path).expect("a mask"));
    assert_ne!(a, b, "one of the two is healthy");
    std::fs::write(&masks[0], b).expect("another mask");
    go(&settings, "make-cams").expect("no step of these scores");
    refused(
        &settings,
        "eval-cams",
        &[
            "step eval-cams",
            "masks/phantom-00002.png`",
            "--only eval-cams",
        ],
    );
    repeat(folder.path(), "run", &settings, "eval-cams", &watch).expect("scored anew");
    go(&settings, "eval-cams").expect("fits again");
}

#[test]
fn what_scores_need_is_read_before_the_first_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let settings = config(&[]);
    run_until(folder.path(), "made", &settings, "train-classifier", &watch).expect("a set");
    let boxes = folder.path().join("set/boxes.csv");
    let columns = "image,label,x,y,width,height\n";
    for (text, words) in [
        ("image;label;x;y;width;height\n", "boxes.csv"),
        (
            &format!("{columns}phantom-00000,pneumothorax,500,500,9,9\n"),
            "leaves the image of 48x48",
        ),
    ] {
        std::fs::write(&boxes, text).expect("written");
        let error = run_until(folder.path(), "run", &settings, "report", &watch).expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!folder.path().join("run").exists());
    }
    let odd = "phantom-00000,odem,1,1,9,9\nphantom-00000,pneumothorax,1,1,9,9\nnobody,pneumothorax,1,1,9,9\n";
    std::fs::write(&boxes, [columns, odd].concat()).expect("written");
    run_until(folder.path(), "run", &settings, "report", &watch).expect("a run");
    let report = std::fs::read_to_string(folder.path().join("run/report.json")).expect("a report");
    let notes = watch.notes.lock().expect("notes").join("\n");
    for words in [
        "has no labels for: `odem`",
        "boxes of 1 image without a case: `nobody`",
    ] {
        assert!(notes.contains(words), "{words} is not in: {notes}");
        assert!(report.contains(words), "{words} is not in: {report}");
    }
}

#[test]
fn nothing_is_made_for_a_folder_that_cannot_be_the_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    std::fs::write(folder.path().join("run"), "a file").expect("written");
    run_until(folder.path(), "run", &config(&[]), "report", &watch).expect_err("a file");
    assert!(!folder.path().join("set").exists(), "no images were made");
}

#[test]
fn a_batch_that_no_epoch_fills_is_refused_before_the_first_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let go = |batch: usize| {
        let settings = config(&[&format!("classifier.training.batch={batch}")]);
        run_until(folder.path(), "run", &settings, "train-classifier", &watch)
    };
    let text = go(13).expect_err("12 cases").to_string();
    for words in [
        "classifier.training.batch is 13",
        "draws 12 images",
        "train-classifier",
    ] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
    assert!(!folder.path().join("run/01-train-classifier").exists());
    go(12).expect("one batch an epoch");
}

/// All that may refuse a call is asked before anything is cleared for it.
#[test]
fn a_refused_call_leaves_a_run_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    run_until(folder.path(), "run", &config(&[]), "report", &watch).expect("a run");
    let run = folder.path().join("run");
    let refused = |sets: &[&str], from: &str, until: &str, words: &str| {
        let before = all_files(&run);
        let error = again(folder.path(), "run", &config(sets), [from, until], &watch);
        let text = error.expect_err(words).to_string();
        assert!(text.contains(words), "{words} is not in: {text}");
        let after = all_files(&run);
        let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{words}");
        assert!(before == after, "{words}: a file is another");
    };
    let batch = "classifier.training.batch=13";
    refused(&[batch], "train-classifier", "report", "batch is 13");
    let own = ["segmenter.encoder=weights", "segmenter.weights=no.pth"];
    refused(&own, "train-segmenter", "report", "no such file");
    let sampler = "irn.training.sampler=balanced";
    refused(&[sampler], "train-irn", "report", "irn.training.sampler");
    refused(&["seed=7"], "make-cams", "report", "seed was 0, is 7");
    let record = run.join("run.json");
    let kept = std::fs::read_to_string(&record).expect("a record");
    let newer = kept.replace("\"format\": 2", "\"format\": 3");
    std::fs::write(&record, newer).expect("written");
    let words =
        "a run of a later version of weakseg (format 3 in run.json, this one knows up to 2)";
    refused(&[], "train-classifier", "report", words);
    std::fs::write(&record, kept).expect("put back");
    // Maps are no longer as they were written.
    let map = run.join("02-make-cams/phantom-00003.npz");
    let kept = std::fs::read(&map).expect("a map");
    std::fs::write(&map, "x").expect("written");
    refused(&[], "eval-cams", "eval-cams", "phantom-00003.npz");
    std::fs::write(&map, kept).expect("put back");
    // What a step is made from is gone, and what else it reads.
    for (gone, words) in [
        ("04-make-ir-labels", "train-irn needs make-ir-labels"),
        ("01-train-classifier", "train-irn needs train-classifier"),
    ] {
        let (place, aside) = (run.join(gone), folder.path().join(gone));
        std::fs::rename(&place, &aside).expect("moved");
        refused(&[], "train-irn", "train-irn", words);
        std::fs::rename(&aside, &place).expect("moved back");
    }
    run_until(folder.path(), "run", &config(&[]), "report", &watch).expect("nothing to do");
}

#[test]
fn a_report_tells_of_ids_that_come_to_be_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let go = || run_until(folder.path(), "run", &config(&[]), "report", &watch).expect("a run");
    let report = || std::fs::read_to_string(folder.path().join("run/report.json")).expect("there");
    let gathered = || {
        let notes = watch.notes.lock().expect("notes");
        notes
            .iter()
            .filter(|note| note.starts_with("10/10 report: gather"))
            .count()
    };
    go();
    let table = folder.path().join("set/labels.csv");
    let kept = std::fs::read_to_string(&table).expect("labels");
    std::fs::write(&table, format!("{kept}nobody,nobody,0\n")).expect("written");
    for _ in 0..2 {
        go();
        assert!(report().contains(r#""case": "nobody""#), "{}", report());
        assert_eq!(gathered(), 2, "once, and once more for the new row");
    }
    std::fs::write(&table, kept).expect("put back");
    go();
    assert!(!report().contains("nobody"), "{}", report());
    assert_eq!(gathered(), 3);
}

/// The error that ended a step, though its pause cannot be noted.
#[test]
fn what_ended_a_step_is_told_whatever_comes_after() {
    struct Damages<'a>(&'a Path, StopAfter);
    impl Progress for Damages<'_> {
        fn begin(&self, what: &str, _: u64) {
            if what == "train-classifier" {
                std::fs::write(self.0, "{").expect("written");
                self.1.stop.ask();
            }
        }
        fn at(&self, _: u64, _: &str) {}
        fn end(&self) {}
        fn note(&self, line: &str) {
            self.1.note(line);
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let started = out.join("01-train-classifier/started.json");
    let watch = Damages(&started, StopAfter::new(0));
    let settings = config(&[]);
    let job = Job {
        config: &settings,
        base: folder.path(),
        out: &out,
        span: Span::default(),
        device: Device::flex(),
        device_name: "cpu",
        further: &[],
        allow_skips: 0,
        progress: &watch,
        stop: &watch.1.stop,
    };
    let ended = weakseg::pipeline::run(&job);
    assert!(matches!(ended, Err(StepError::Stopped)), "{ended:?}");
    let notes = watch.1.notes.lock().expect("notes").join("\n");
    assert!(notes.contains("started.json: damaged"), "{notes}");
}

/// Not of the last call: a report can be drawn anew on any machine.
#[test]
fn a_record_tells_where_networks_ran_and_where_paths_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("run");
    let record = || -> RunRecord {
        let text = std::fs::read(root.join("run.json")).expect("a record");
        serde_json::from_slice(&text).expect("JSON")
    };
    let does = |device: &str, steps: &[Step]| {
        let run = open_on(&root, &config(&[]), METHOD.len(), device).expect("a run");
        for step in steps {
            run.begin(step).expect("begun");
            run.finish(step, 1.0, 1, None).expect("finished");
        }
    };
    does("gpu", &METHOD[..7]);
    std::fs::write(root.join("report.json"), "figures").expect("written");
    does("cpu", &METHOD[9..]);
    assert_eq!(record().device, "gpu");
    does("cpu", &METHOD[7..9]);
    assert_eq!(record().device, "gpu; cpu");
    assert_eq!(record().versions["weakseg"], env!("CARGO_PKG_VERSION"));
    assert_eq!(record().base.as_deref(), Some(""), "the run's own folder");
}
