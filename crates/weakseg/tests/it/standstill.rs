//! A run whose classifier learns nothing.

use weakseg::report::Report;

use crate::tiny::{StopAfter, config, run_until};

#[test]
fn it_is_told_in_time_and_in_the_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    // Steps too small to be any.
    let config = config(&["classifier.training.optimizer.lr=1e-12"]);
    run_until(folder.path(), "run", &config, "report", &watch).expect("a run");
    let notes = watch.notes.into_inner().expect("notes");
    let told: Vec<&str> = notes
        .iter()
        .filter_map(|note| note.strip_prefix("warning: "))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    for words in [
        "train-classifier: in epochs 1 to 2 the training loss did not",
        "AUROC on validation (at best ",
        "--from train-classifier",
    ] {
        assert!(told[0].contains(words), "{words} is not in: {told:?}");
    }
    let report = Report::read(&folder.path().join("run/report.json")).expect("a report");
    assert_eq!(report.data.warnings, told);
}
