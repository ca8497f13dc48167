//! Files that cannot be written, each in its turn: the error names it, and the same call goes on once it can be.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use weakseg::pipeline::StepError;

use crate::tiny::{Files, StopAfter, all_files, few, run_until};

/// Something that stands where a file is to be written; what stood there before is kept meanwhile.
struct Obstacle {
    place: PathBuf,
    kept: PathBuf,
}

impl Obstacle {
    fn at(place: PathBuf, kept: PathBuf) -> Self {
        if place.exists() {
            fs::rename(&place, &kept).expect("kept");
        }
        fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        // A folder in the place of a file, or a file in that of a folder: not even a superuser writes over it.
        match place.ends_with("checkpoints") {
            true => fs::write(&place, "").expect("written"),
            false => fs::create_dir(&place).expect("made"),
        }
        Self { place, kept }
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.place).or_else(|_| fs::remove_file(&self.place));
        if self.kept.exists() {
            fs::rename(&self.kept, &self.place).expect("put back");
        }
    }
}

/// What a step writes before anything else, some of it again and again.
const FIRST: [&str; 4] = [
    "started.json",
    "checkpoints",
    "metrics.jsonl",
    "events.out.tfevents.0.weakseg",
];

/// The files of a run in the order in which they were first written; of the checkpoints, their folder.
fn places(run: &Path) -> Vec<String> {
    let written = |name: &String| -> SystemTime {
        let about = fs::metadata(run.join(name)).expect("there");
        about.modified().expect("a time")
    };
    let mut names: Vec<String> = all_files(run)
        .into_keys()
        .map(|name| match name.split_once("/checkpoints/") {
            Some((step, _)) => format!("{step}/checkpoints"),
            None => name,
        })
        .collect();
    names.sort();
    names.dedup();
    names.sort_by_cached_key(|name| {
        let (step, file) = name.split_once('/').unwrap_or(("10-report", name));
        let turn = FIRST.iter().position(|first| *first == file);
        (step.to_owned(), turn.unwrap_or(FIRST.len()), written(name))
    });
    names
}

/// Without what tells of times.
fn timeless(run: &Path) -> Files {
    let mut files = all_files(run);
    let times = [
        "manifest.json",
        "report.json",
        "report.html",
        "10-report/outputs.json",
    ];
    files.retain(|name, _| !times.iter().any(|end| name.ends_with(end)));
    files
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_costs_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = few(&["pseudo_labels.instances={}"]);
    let go =
        |out: &str, watch: &StopAfter| run_until(folder.path(), out, &settings, "report", watch);
    go("whole", &StopAfter::new(0)).expect("a run");
    let (whole, run) = (folder.path().join("whole"), folder.path().join("run"));
    // Before there is a record the folder is nobody's.
    assert!(matches!(
        go("run", &StopAfter::new(1)),
        Err(StepError::Stopped)
    ));

    // These are written at every call.
    let mut again = ["run.json", "config.toml", "data.json", ".lock"]
        .map(str::to_owned)
        .to_vec();
    again.extend(FIRST.map(|name| format!("01-train-classifier/{name}")));
    let mut others = places(&whole);
    others.retain(|name| !again.contains(name));
    let (mut blocked, mut passed) = (0, Vec::new());
    for name in again.iter().chain(&others) {
        if run.join(name).exists() && !again.contains(name) {
            // With another of its batch.
            passed.push(name);
            continue;
        }
        let obstacle = Obstacle::at(run.join(name), folder.path().join("kept"));
        let error = go("run", &StopAfter::new(0)).expect_err(name).to_string();
        let file = Path::new(name)
            .file_name()
            .expect("a name")
            .to_string_lossy();
        assert!(error.contains(&*file), "{name} is not in: {error}");
        drop(obstacle);
        blocked += 1;
    }
    assert!(
        blocked > 2 * passed.len() && blocked > 60,
        "{blocked}; not {passed:?}"
    );
    go("run", &StopAfter::new(0)).expect("to its end");
    let (whole, run) = (timeless(&whole), timeless(&run));
    assert_eq!(Vec::from_iter(whole.keys()), Vec::from_iter(run.keys()));
    for (name, bytes) in &whole {
        assert!(run[name] == *bytes, "{name} is another");
    }
}
