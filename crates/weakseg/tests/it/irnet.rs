//! What IRNet's training leaves behind.

use std::sync::Arc;

use burn::tensor::Device;
use weakseg::networks::{ModelCard, open_irnet, stacks};
use weakseg::pipeline::RunRecord;
use weakseg::train::{ImageStore, to_tensor};
use weakseg_data::Split;

use crate::tiny::{StopAfter, config, run_until};

/// Reference §4.1: what is found of an object must not lean to a side, so the mean over the images that it learned from
/// is taken off.
#[test]
fn displacements_of_the_training_images_have_no_mean() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&[]);
    let watch = StopAfter::new(0);
    run_until(folder.path(), "run", &config, "train-irn", &watch).expect("a run");
    let device = Device::flex();
    let file = folder.path().join("run/05-train-irn/model.safetensors");
    let card = ModelCard::read(&file).expect("a card");
    let record = std::fs::read(folder.path().join("run/run.json")).expect("a record");
    let record: RunRecord = serde_json::from_slice(&record).expect("JSON");
    let step = record.steps.into_iter().find(|s| s.step == "train-irn");
    assert!(card.inputs.is_some() && card.inputs == step.expect("a step").inputs);
    let irnet = open_irnet(&file, &card, &device).expect("a network");

    let cases = config
        .data
        .open_cases(folder.path())
        .expect("the set")
        .cases;
    let store = ImageStore::new(&cases, config.image.size, &config.loader);
    let learned =
        (0..cases.len()).filter(|&i| cases[i].split == Split::Train && cases[i].is_positive());
    let images: Vec<Arc<_>> = learned.map(|i| store.get(i).expect("an image")).collect();
    assert!(images.len() > 1);
    let levels = irnet.levels(to_tensor(&images, &card.normalisation(), &device));
    let fields = stacks(irnet.displacement(&levels));
    let values = |axis: usize| {
        fields
            .iter()
            .flat_map(move |field| field.plane(axis).to_vec())
    };
    for axis in [0, 1] {
        let count = values(axis).count() as f64;
        let mean = values(axis).map(f64::from).sum::<f64>() / count;
        let size = values(axis).map(|v| f64::from(v).abs()).sum::<f64>() / count;
        assert!(
            mean.abs() < 1e-5 + 1e-4 * size,
            "axis {axis}: {mean} of {size}"
        );
        // The heads alone lean.
        assert!(
            irnet.mean_shift()[axis].abs() > 1e-3,
            "{:?}",
            irnet.mean_shift()
        );
    }
}
