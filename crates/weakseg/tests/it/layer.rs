//! Maps of an earlier layer of the classifier.

use weakseg_data::npy::{Values, read_npz};

use crate::tiny::{StopAfter, config, run_until};

#[test]
fn maps_of_an_earlier_layer_are_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let maps = |out: &str, sets: &[&str]| -> Vec<f32> {
        run_until(
            folder.path(),
            out,
            &config(sets),
            "make-cams",
            &StopAfter::new(0),
        )
        .expect("a run");
        let labels = std::fs::read_to_string(folder.path().join("set/labels.csv")).expect("labels");
        let positive = labels
            .lines()
            .find(|line| line.ends_with(",1"))
            .and_then(|line| line.split(".png").next())
            .expect("a positive case");
        let file = folder
            .path()
            .join(out)
            .join(format!("02-make-cams/{positive}.npz"));
        let arrays = read_npz(&file).expect("maps");
        match &arrays["maps"].values {
            Values::F32(values) => values.clone(),
            other => panic!("maps are floats, found {other:?}"),
        }
    };
    let last = maps("last", &[]);
    let named = maps("named", &["cams.layer=\"extra\""]);
    assert_eq!(last, named, "the last layer is the default");
    let early = maps(
        "early",
        &["cams.layer=\"block3\"", "cams.method=\"layer-cam\""],
    );
    assert_eq!(early.len(), last.len());
    assert_ne!(early, last);
    let top = early.iter().copied().fold(0.0, f32::max);
    assert!(
        (0.9..=1.0).contains(&top) && early.iter().all(|v| *v >= 0.0),
        "{top}"
    );
}
