//! What a few masks buy a finished run.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::program::{Program, keys};

/// Tunes the run `runs/tiny` of the set `set`, 20 phantoms of which 6 are held out, all in val.
pub fn tunes(program: &Program) {
    let before = files(&program.path("runs/tiny"));
    let arguments = ["tune", "runs/tiny", "--masks", "0,2,4,50", "--draws", "5"];
    let told = program.ok(&arguments).stdout;
    for words in [
        "Maps, predicted labels: tuned on val, scored on val (6 cases)",
        "Segmentation network: tuned on val, scored on val (6 cases)",
        "50 masks not drawn: the val split has 6 cases with masks; ask for no more",
        "nobody can have it",
        "tuning: runs/tiny/tuning.json",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let document = program.ok(&[&arguments[..], &["--json", "-q"]].concat());
    assert_eq!(document.stderr, "");
    let written = std::fs::read(program.path("runs/tiny/tuning.json")).expect("a document");
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(document.json(), written);
    assert_eq!(
        keys(&written),
        [
            "draws",
            "format",
            "inputs",
            "rules",
            "seed",
            "stages",
            "unfinished"
        ]
    );
    let mut after = files(&program.path("runs/tiny"));
    after.remove("tuning.json").expect("it is new");
    assert!(after == before, "the run is as it was");

    as_the_report_has_it(program, &written);
    for stage in written["stages"].as_array().expect("stages") {
        let all = |line: &Value| line["dice"]["all"]["mean"].as_f64().expect("a mean");
        let lines = stage["lines"].as_array().expect("lines");
        let bound = lines.last().expect("lines");
        assert_eq!(bound["bound"], true);
        let own = lines.iter().find(|line| line["tuned"] == "nothing");
        assert!(all(bound) >= all(own.expect("told")), "{stage}");
        let drawn: Vec<&Value> = lines.iter().filter(|line| line["masks"] == 4).collect();
        assert!(
            drawn
                .iter()
                .any(|line| line["draws"].as_array().map(Vec::len) == Some(5))
        );
        let settings = stage["settings"].as_array().expect("settings");
        let gain = lines
            .iter()
            .filter(|line| line["bound"] == false && line["tuned"] != "empty")
            .map(|line| line["gain"]["all"]["mean"].as_f64().expect("a mean"));
        assert!(settings.is_empty() || gain.fold(f64::MIN, f64::max) > 0.0);
        let said = stage["verdict"].as_str().expect("words");
        assert!(told.contains(said), "{said}: {told}");
    }

    // Another seed draws other masks; elsewhere means not in the run's folder.
    let elsewhere = ["--seed", "8", "--out", "other.json"];
    program.ok(&[&arguments[..], &elsewhere].concat());
    let other = std::fs::read(program.path("other.json")).expect("a document");
    let other: Value = serde_json::from_slice(&other).expect("JSON");
    assert_eq!((&other["seed"], &written["seed"]), (&8.into(), &0.into()));

    in_the_report(program);
    refuses(program);
}

/// With no masks the rule is the run's own, and its scores those that the run itself has found.
fn as_the_report_has_it(program: &Program, tuning: &Value) {
    let report = std::fs::read(program.path("runs/tiny/report.json")).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    let rows = report["results"].as_array().expect("rows");
    for (stage, labels) in [("cam", "predicted"), ("segmentation", "none")] {
        let stages = tuning["stages"].as_array().expect("stages");
        let tuned = stages.iter().find(|s| s["stage"] == stage).expect("tuned");
        let lines = tuned["lines"].as_array().expect("lines");
        let line = |what: &str| lines.iter().find(|line| line["tuned"] == what);
        let (own, empty) = (line("nothing").expect("told"), line("empty").expect("told"));
        for subset in ["all", "pos", "neg"] {
            for (line, step, labels) in [(own, stage, labels), (empty, "baseline-empty", "none")] {
                let row = rows.iter().find(|row| {
                    row["step"] == step
                        && row["split"] == "val"
                        && row["image_labels"] == labels
                        && row["subset"] == subset
                        && row["metric"] == "dice"
                });
                let expected = row.expect(subset)["value"].as_f64().expect("a figure");
                let found = line["dice"][subset]["mean"].as_f64().expect("a figure");
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{step} {subset}: {found} {expected}"
                );
            }
        }
    }
}

/// A report that is written later shows the tables, and no longer once they are of other maps.
fn in_the_report(program: &Program) {
    const TITLE: &str = "Maps, predicted labels: tuned on val";
    let page = |program: &Program, told: bool| {
        let text = program.ok(&["report", "runs/tiny"]).stdout;
        assert_eq!(text.contains(TITLE), told, "{text}");
        std::fs::read_to_string(program.path("runs/tiny/report.html")).expect("a page")
    };
    assert!(page(program, true).contains("What a few masks buy"));
    let file = program.path("runs/tiny/tuning.json");
    let text = std::fs::read_to_string(&file).expect("a document");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    let kept = document.clone();
    document["inputs"]["make-cams"] = "0".into();
    let mut other_rule = kept;
    other_rule["rules"]["segmenter"] = "0".into();
    for (changed, words) in [
        (document.to_string(), "another make-cams than there is now"),
        (
            other_rule.to_string(),
            "another rule of `segmenter` than there is now",
        ),
        ("{".to_owned(), "damaged or from another version"),
    ] {
        std::fs::write(&file, changed).expect("written");
        let page = page(program, false);
        assert!(
            page.contains(words) && !page.contains("What a few masks buy"),
            "{words}"
        );
    }
    std::fs::write(&file, text).expect("written");
}

fn refuses(program: &Program) {
    program.fails(1, &["tune", "set"], &["not a run of weakseg"]);
    let lock = std::fs::File::options()
        .write(true)
        .open(program.path("runs/tiny/.lock"));
    let lock = lock.expect("the run's lock");
    lock.try_lock().expect("nobody is at work");
    program.fails(1, &["tune", "runs/tiny"], &["runs/tiny: locked by"]);
    drop(lock);
    program.fails(2, &["tune", "runs/tiny", "--draws", "0"], &["--draws"]);
    program.fails(2, &["tune", "runs/tiny", "--masks", "few"], &["--masks"]);
    let labels = std::fs::read(program.path("set/labels.csv")).expect("labels");
    let over = ["tune", "runs/tiny", "--out", "set/labels.csv"];
    program.fails(2, &over, &["is there already"]);
    let kept = std::fs::read(program.path("set/labels.csv")).expect("labels");
    assert_eq!(kept, labels);
    program.fails(2, &["tune", "runs/tiny", "--out", "set"], &["set is there"]);
    // A place that cannot be written is known before any map is read.
    let below_a_file = ["tune", "runs/tiny", "--out", "tiny.toml/tuning.json"];
    let end = program.fails(1, &below_a_file, &["cannot"]);
    assert!(!end.stderr.contains("tune:"), "{}", end.stderr);
    let part = [
        "run",
        "tiny.toml",
        "--until",
        "train-classifier",
        "--out",
        "part",
    ];
    program.ok(&part);
    let unfinished = ["make-cams", "is not finished"];
    program.fails(1, &["tune", "part"], &unfinished);
    let masks = program.path("set/masks");
    let away = program.path("away");
    std::fs::rename(&masks, &away).expect("moved");
    let none = ["no case of the val split", "otsu"];
    program.fails(1, &["tune", "runs/tiny"], &none);
    std::fs::rename(&away, &masks).expect("moved back");
}

/// Every file below a folder, but for the lock, with its bytes.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
    found
}
