//! Images that cannot be read are left out before the first step, and the rest of the set goes its way without them.

use std::path::Path;

use burn::tensor::Device;
use weakseg::config::Config;
use weakseg::pipeline::{RunError, StepError};
use weakseg::progress::{Silent, Stop};
use weakseg::tuning::{self, Plan, tune};
use weakseg_data::Case;

use crate::tiny::{Files, StopAfter, again, all_files, config, run_until};

/// Never within a tiny run.
const NEVER: u64 = 1_000_000;
/// The one that is cut off, and the one that becomes a DICOM file of nothing.
const BROKEN: [&str; 2] = ["phantom-00003", "phantom-00006"];

/// The tiny set as a table of files.
fn table() -> Config {
    let mut settings = config(&[]);
    settings.data =
        serde_json::from_str(r#"{"kind": "table", "root": "set", "val_fraction": 0.25}"#)
            .expect("a set");
    settings
}

/// Makes the tiny set in `folder/set`.
fn make_set(folder: &Path) {
    let phantoms = config(&[]).data;
    phantoms.open_cases(folder).expect("a set");
    // By a name without an ending any file of that name is meant.
    let labels = folder.join("set/labels.csv");
    let text = std::fs::read_to_string(&labels).expect("labels");
    std::fs::write(labels, text.replace(".png", "")).expect("written");
}

/// Breaks two of its images.
fn break_two(folder: &Path) {
    let at = |name: String| folder.join("set/images").join(name);
    let [cut, nothing] = BROKEN.map(|id| at(format!("{id}.png")));
    let bytes = std::fs::read(&cut).expect("an image");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).expect("written");
    std::fs::remove_file(nothing).expect("was there");
    let garbage: Vec<u8> = (0..999_u32).map(|i| (i * i % 251) as u8).collect();
    std::fs::write(at(format!("{}.dcm", BROKEN[1])), garbage).expect("written");
}

fn notes(watch: &StopAfter) -> String {
    watch.notes.lock().expect("notes").join("\n")
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// Files of a run but for those that hold times, as manifests and the report's do.
fn timeless(run: &Path) -> Files {
    let mut files = all_files(run);
    files.retain(|name, _| !name.ends_with("manifest.json") && !name.contains("report"));
    files
}

#[test]
fn a_run_goes_on_without_broken_images_and_tells_of_them_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    make_set(folder);
    break_two(folder);
    let settings = table();
    let go = |out: &str, readings| {
        let watch = StopAfter::new(readings);
        let end = run_until(folder, out, &settings, "report", &watch);
        (end, notes(&watch))
    };
    let (end, told) = go("whole", NEVER);
    end.expect("a run");
    let first_step = told.find("1/10 train-classifier").expect("begun");
    for words in [
        "set/labels.csv: 2 images cannot be read: ",
        "phantom-00003.png (",
        "phantom-00006.dcm (not a DICOM file: ",
        "the run goes on without 2 of 16 cases and will end with exit code 3, for 0 are allowed",
    ] {
        assert!(
            told.find(words).is_some_and(|at| at < first_step),
            "{words}: {told}"
        );
    }
    assert_eq!(told.matches("cannot be read").count(), 1, "{told}");

    // As `data verify` has it, and no echo of masks without an image.
    let mut verified = settings.data.verify(folder);
    assert_eq!(verified.warnings().count(), 0, "{verified}");
    assert_eq!(verified.errors().count(), 2, "{verified}");
    for (fault, id) in verified.errors().zip(BROKEN) {
        let text = fault.error.to_string();
        let (_, why) = text.split_once(": ").expect("a path and a reason");
        assert!(text.contains(id) && told.contains(why), "{text}: {told}");
    }
    assert_eq!((verified.cases, verified.left_out), (14, 2));
    verified.allow_skips(2);
    assert!(verified.passes(false) && !verified.passes(true));

    // They are in no figure, no list and no step's folder; the others are in the splits that they were in.
    let run = folder.join("whole");
    let report = json(&run.join("report.json"));
    let cases = settings.data.open_cases(folder).expect("the set");
    let skipped = report["data"]["skipped"].as_array().expect("a list");
    let skipped: Vec<&str> = skipped.iter().filter_map(|s| s["case"].as_str()).collect();
    assert_eq!(skipped, BROKEN);
    let noted = json(&run.join("data.json"));
    for id in BROKEN {
        assert!(noted["unreadable"][id].is_string() && noted["cases"][id].is_null());
    }
    for case in &cases.cases {
        if !BROKEN.contains(&case.id.as_str()) {
            assert_eq!(noted["cases"][&case.id]["split"], case.split.name());
        }
    }
    for split in ["train", "val"] {
        let whole = |case: &&Case| !BROKEN.contains(&case.id.as_str());
        let these: Vec<&Case> = cases.cases.iter().filter(whole).collect();
        let these = || these.iter().filter(|case| case.split.name() == split);
        let counts = &report["data"]["counts"][split];
        assert_eq!(counts["cases"], these().count());
        let positive = these().filter(|case| case.is_positive());
        assert_eq!(counts["positive"], positive.count());
    }
    assert!(
        BROKEN
            .iter()
            .any(|id| cases.get(id).expect("a case").is_positive())
    );
    let files = all_files(&run);
    let named = |id: &str| files.keys().filter(|name| name.contains(id)).count();
    assert_eq!(BROKEN.map(named), [0, 0]);
    assert!(named("phantom-00004") > 0);

    // Who opens the set of the run later has its cases.
    let job = tuning::Job {
        config: &settings,
        base: folder,
        run: &run,
        plan: Plan {
            masks: vec![0],
            draws: 1,
            seed: 0,
        },
        device: Device::flex(),
        device_name: "cpu",
        progress: &Silent,
        stop: &Stop::default(),
    };
    tune(&job).expect("the run's own set");

    // Stopped in its first training, and gone on with.
    let (end, _) = go("parts", 2);
    assert!(matches!(end, Err(StepError::Stopped)), "{end:?}");
    go("parts", NEVER).0.expect("the rest");
    let (whole, parts) = (timeless(&run), timeless(&folder.join("parts")));
    assert_eq!(Vec::from_iter(whole.keys()), Vec::from_iter(parts.keys()));
    for (name, bytes) in &whole {
        assert!(parts[name] == *bytes, "{name} differs");
    }

    // Nothing is left to do.
    let (end, told) = go("whole", NEVER);
    end.expect("nothing to do");
    assert!(told.contains("10/10 report: finished before"), "{told}");

    // A mended image is another case, as one that is added is; one that broke since is another image.
    let path = folder.join(format!("set/images/{}.png", BROKEN[0]));
    let cut = std::fs::read(&path).expect("half an image");
    let other = folder.join("set/images/phantom-00004.png");
    let image = std::fs::read(&other).expect("an image");
    std::fs::write(&path, &image).expect("written");
    let refused = |words: &[&str]| {
        let error = go("whole", NEVER).0.expect_err("another set");
        assert!(
            matches!(error, StepError::Run(RunError::OtherRun { .. })),
            "{error}"
        );
        for words in words {
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    };
    refused(&["new: the cases `phantom-00003`"]);
    std::fs::write(&path, cut).expect("cut again");
    std::fs::write(&other, &image[..9]).expect("written");
    refused(&[
        "gone: the cases `phantom-00004`",
        "another image of `phantom-00004`",
    ]);
    // Asked to begin again, a run does without it.
    let watch = StopAfter::new(NEVER);
    let from = ["train-classifier", "train-classifier"];
    again(folder, "whole", &settings, from, &watch).expect("begun again");
    assert!(
        notes(&watch).contains("3 images cannot be read"),
        "{}",
        notes(&watch)
    );
}

/// Runs that were made before images were decoded have no word of that in `data.json`.
#[test]
fn a_run_of_before_goes_on_and_has_no_other_digests() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    make_set(folder);
    let settings = table();
    let go = |until: &str| {
        let watch = StopAfter::new(NEVER);
        run_until(folder, "run", &settings, until, &watch).map(|()| notes(&watch))
    };
    go("make-cams").expect("a run");
    let file = folder.join("run/data.json");
    let mut data = json(&file);
    let now = data.clone();
    let fields = data.as_object_mut().expect("an object");
    assert!(fields.remove("view").is_some() && !fields.contains_key("unreadable"));
    std::fs::write(&file, data.to_string()).expect("written");
    let told = go("make-cams").expect("the same run");
    assert!(told.contains("2/10 make-cams: finished before"), "{told}");
    assert_eq!(json(&file), now);

    // Then an image was broken all the while, and nothing could be made of it.
    break_two(folder);
    let error = go("make-cams").expect_err("other cases").to_string();
    assert!(
        error.contains("gone: the cases `phantom-00003`, `phantom-00006`"),
        "{error}"
    );
}

#[test]
fn a_set_that_teaches_nothing_without_its_broken_images_is_refused_for_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    make_set(folder);
    let settings = table();
    let cases = settings.data.open_cases(folder).expect("the set").cases;
    for case in cases.iter().filter(|case| case.is_positive()) {
        std::fs::write(&case.image, "no image").expect("written");
    }
    let watch = StopAfter::new(NEVER);
    let error = run_until(folder, "run", &settings, "report", &watch).expect_err("one kind alone");
    let text = error.to_string();
    for words in [
        "images cannot be read: ",
        "(and 1 more;",
        "(neither PNG, JPEG nor DICOM",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!folder.join("run/run.json").exists());
}
