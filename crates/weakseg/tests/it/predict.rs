//! A model on images that are not of its set: the mirror, the gate.

use std::path::Path;

use burn::tensor::Device;
use weakseg::networks::{ModelCard, mirror};
use weakseg::pipeline::METHOD;
use weakseg::predict::{Prediction, Predictor};
use weakseg_data::{Classes, LabelSpace, Plane, Stack};
use weakseg_models::weights::save_safetensors;
use weakseg_models::{ClassifierArch, ClassifierConfig, SegmenterArch, SegmenterConfig};

use crate::tiny::config;

fn classes(space: LabelSpace) -> Classes {
    Classes {
        names: vec!["cat".to_owned(), "dog".to_owned()],
        space,
    }
}

/// A folder as a run leaves it, with networks that have learned nothing.
fn untrained(folder: &Path, space: LabelSpace, sets: &[&str]) {
    let config = config(sets);
    let classes = classes(space);
    let device = Device::flex();
    let segmenter = ModelCard::segmenter(config.without_data(), &classes);
    let network = SegmenterConfig {
        width: segmenter.width,
        seed: 3,
        ..SegmenterConfig::new(SegmenterArch::UnetVgg16Bn, segmenter.outputs())
    };
    let network = network.init(&device).expect("a network");
    let path = step(folder, "train-segmenter");
    save_safetensors(&network, &path, &segmenter.metadata()).expect("written");

    let classifier = ModelCard::classifier(config.without_data(), &classes);
    let network = ClassifierConfig {
        width: classifier.width,
        seed: 4,
        ..ClassifierConfig::new(ClassifierArch::Vgg16Bn, classes.len())
    };
    let network = network.init(&device).expect("a network");
    let path = step(folder, "train-classifier");
    save_safetensors(&network, &path, &classifier.metadata()).expect("written");
}

/// The place of a finished step's network.
fn step(folder: &Path, name: &str) -> std::path::PathBuf {
    let number = METHOD.iter().position(|step| step.name == name);
    let folder = folder.join(format!("{:02}-{name}", number.expect("a step") + 1));
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("manifest.json"), "{}").expect("written");
    folder.join("model.safetensors")
}

fn image() -> Stack<u8> {
    Plane::from_fn(40, 48, |y, x| ((y * 131 + x * x * 17) % 251) as u8).into_stack()
}

fn predict(model: &Path, image: &Stack<u8>) -> Prediction {
    let predictor = Predictor::open(model, &Device::flex()).expect("a model");
    let mut found = predictor
        .predict(std::slice::from_ref(image))
        .expect("a mask");
    found.remove(0)
}

/// The greatest difference between the scores of an image and those of its mirror, brought back.
fn asymmetry(model: &Path) -> f32 {
    let image = image();
    let [plain, mirrored] = [predict(model, &image), predict(model, &mirror(&image))];
    let scores = plain.scores.as_slice().chunks(48);
    let pairs = scores.zip(mirrored.scores.as_slice().chunks(48));
    pairs
        .flat_map(|(a, b)| a.iter().zip(b.iter().rev()).map(|(a, b)| (a - b).abs()))
        .fold(0.0, f32::max)
}

#[test]
fn with_flip_an_image_and_its_mirror_have_mirrored_scores() {
    for space in [LabelSpace::Findings, LabelSpace::Exclusive] {
        let off = [false, true].map(|flip| {
            let folder = tempfile::tempdir().expect("a folder");
            let set = format!("segmenter.flip={flip}");
            untrained(folder.path(), space, &[&set, "segmenter.gate=0.0"]);
            asymmetry(folder.path())
        });
        assert!(off[0] > 1e-3 && off[1] < 1e-5, "{space:?}: {off:?}");
    }
}

/// With flip, scores are the mean over an image and its mirror: half of each, no more.
#[test]
fn flip_is_the_mean_of_both() {
    let [alone, both] = [false, true].map(|flip| {
        let folder = tempfile::tempdir().expect("a folder");
        let set = format!("segmenter.flip={flip}");
        untrained(
            folder.path(),
            LabelSpace::Findings,
            &[&set, "segmenter.gate=0.0"],
        );
        let image = image();
        [
            predict(folder.path(), &image),
            predict(folder.path(), &mirror(&image)),
        ]
    });
    let rows = |prediction: &Prediction| -> Vec<Vec<f32>> {
        prediction
            .scores
            .as_slice()
            .chunks(48)
            .map(<[f32]>::to_vec)
            .collect()
    };
    let mirrored = rows(&alone[1]);
    for ((found, plain), mirrored) in rows(&both[0]).iter().zip(rows(&alone[0])).zip(mirrored) {
        for (x, value) in found.iter().enumerate() {
            let mean = (plain[x] + mirrored[47 - x]) / 2.0;
            assert!((value - mean).abs() < 1e-5, "{value} instead of {mean}");
        }
    }
}

/// A gate between the probabilities of the two classes stops one of them.
#[test]
fn what_the_gate_stops_is_in_no_mask() {
    for space in [LabelSpace::Findings, LabelSpace::Exclusive] {
        let folder = tempfile::tempdir().expect("a folder");
        // Every pixel of a finding lies above this threshold.
        let threshold = "segmenter.threshold=0.000001";
        untrained(folder.path(), space, &[threshold, "segmenter.gate=0.0"]);
        let asked = Predictor::open_with_classifier(folder.path(), &Device::flex());
        let open = asked
            .expect("both models")
            .predict(&[image()])
            .expect("a mask")
            .remove(0);
        assert_eq!(open.open, [0, 1]);
        let probabilities = open.probabilities.expect("a classifier");
        let sure = usize::from(probabilities[1] > probabilities[0]);
        let gate = (probabilities[0] + probabilities[1]) / 2.0;
        assert!(probabilities[0] != probabilities[1]);

        let set = format!("segmenter.gate={gate}");
        untrained(folder.path(), space, &[threshold, &set]);
        let gated = predict(folder.path(), &image());
        assert_eq!(gated.open, [sure], "{space:?}");
        assert_eq!(gated.scores, open.scores);
        let stopped = gated.mask.of_class(space, 1 - sure);
        assert!(stopped.as_slice().iter().all(|&v| v == 0), "{space:?}");
        let file = folder.path().join("08-train-segmenter/model.safetensors");
        let alone = predict(&file, &image());
        assert_eq!((&alone.mask, alone.open), (&open.mask, vec![0, 1]));
        if space == LabelSpace::Findings {
            assert!(gated.mask.of_class(space, sure).as_slice().contains(&1));
            assert!(open.mask.of_class(space, 1 - sure).as_slice().contains(&1));
        }
    }
}

#[test]
fn a_model_file_says_that_it_is_not_gated() {
    let folder = tempfile::tempdir().expect("a folder");
    let lost = |path: &Path| {
        Predictor::open(path, &Device::flex())
            .expect("a model")
            .lost_gate()
    };
    let file = folder.path().join("08-train-segmenter/model.safetensors");
    untrained(
        folder.path(),
        LabelSpace::Findings,
        &["segmenter.gate=0.25"],
    );
    assert_eq!((lost(&file), lost(folder.path())), (Some(0.25), None));
    untrained(folder.path(), LabelSpace::Findings, &["segmenter.gate=0.0"]);
    assert_eq!((lost(&file), lost(folder.path())), (None, None));
}

/// The CRF sees the image: what the network makes of noise is smoother behind it, and is in the form that it was.
#[test]
fn a_dense_crf_refines_the_probabilities() {
    for space in [LabelSpace::Findings, LabelSpace::Exclusive] {
        let folder = tempfile::tempdir().expect("a folder");
        untrained(folder.path(), space, &[]);
        let plain = predict(folder.path(), &image());
        untrained(folder.path(), space, &["segmenter.crf={}"]);
        let refined = predict(folder.path(), &image());
        assert_eq!(refined.scores.channels(), plain.scores.channels());
        assert!(
            refined
                .scores
                .as_slice()
                .iter()
                .all(|p| (0.0..=1.0).contains(p))
        );
        let spread = |scores: &Stack<f32>| {
            let plane = scores.plane(0);
            let steps = plane.windows(2).map(|pair| (pair[0] - pair[1]).abs());
            let range = plane
                .iter()
                .fold(0.0, |range: f32, p| range.max((p - plane[0]).abs()));
            steps.sum::<f32>() / range
        };
        let (before, after) = (spread(&plain.scores), spread(&refined.scores));
        assert!(after < before, "{space:?} {after} {before}");
        if space == LabelSpace::Exclusive {
            for at in 0..refined.scores.plane(0).len() {
                let sum: f32 = (0..3).map(|class| refined.scores.plane(class)[at]).sum();
                assert!((sum - 1.0).abs() < 1e-4, "{sum}");
            }
        }
    }
}
