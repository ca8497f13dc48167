//! Maps of an earlier layer of the classifier.

use std::sync::Arc;

use burn::tensor::Device;
use weakseg::cam::autograd;
use weakseg::networks::{ModelCard, open_classifier, stacks};
use weakseg::pipeline::steps::ClassMaps;
use weakseg::train::to_tensor;
use weakseg_data::npy::{Values, read_npz};
use weakseg_data::resize::resize_f32;
use weakseg_data::{Limits, Stack};

use crate::exclusive::{KIT, kit};
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

/// Of two classes a case keeps those of its label and of the classifier's choice, and each is the map that the
/// gradients of all classes give.
#[test]
fn kept_maps_are_those_of_all_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    kit(folder.path());
    let config = config(&[
        KIT,
        "cams.layer=\"block3\"",
        "cams.method=\"layer-cam\"",
        "cams.scales=[1.0]",
        "cams.flip=false",
        "cams.normalise=\"none\"",
        "cams.gate=0.999999",
    ]);
    let watch = StopAfter::new(0);
    run_until(folder.path(), "run", &config, "make-cams", &watch).expect("a run");
    let device = Device::flex();
    let file = folder
        .path()
        .join("run/01-train-classifier/model.safetensors");
    let card = ModelCard::read(&file).expect("a card");
    let network = open_classifier(&file, &card, &device).expect("a network");
    let cases = config
        .data
        .open_cases(folder.path())
        .expect("the kit")
        .cases;
    let images: Vec<Stack<u8>> = cases
        .iter()
        .map(|case| case.read_image(&Limits::default()).expect("an image"))
        .collect();
    let mut kept = 0;
    for (cases, images) in cases.chunks(4).zip(images.chunks(4)) {
        let images: Vec<Arc<Stack<u8>>> = images.iter().cloned().map(Arc::new).collect();
        let images = to_tensor(&images, &card.normalisation(), &device);
        let all = autograd::cams(&config.cams.method, &network, images, "block3", &[0, 1]);
        for (case, all) in cases.iter().zip(stacks(all.expect("maps"))) {
            let folder = folder.path().join("run/02-make-cams");
            let found = ClassMaps::read(&folder, &case.id).expect("maps");
            let sure = usize::from(found.probabilities[1] > found.probabilities[0]);
            let wanted = [0, 1].into_iter().filter(|&c| case.labels[c] || c == sure);
            assert_eq!(found.keys, wanted.collect::<Vec<_>>(), "{}", case.id);
            let all = resize_f32(&all, 8, 8);
            for (plane, &class) in found.keys.iter().enumerate() {
                assert_eq!(found.maps.plane(plane), all.plane(class), "{}", case.id);
                assert!(all.plane(class).iter().any(|&v| v > 0.0));
                kept += 1;
            }
        }
    }
    assert!(kept > 5, "{kept}");
}
