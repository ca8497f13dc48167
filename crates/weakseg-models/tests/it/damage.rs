//! Files of weights that are nearly right: none makes the reader panic, or gives more numbers than it has bytes for.

use std::fs;

use safetensors::tensor::{Dtype, TensorView};
use weakseg_models::Normalisation;
use weakseg_models::weights::{
    Metadata, WeightsFile, load_safetensors, read_metadata, save_safetensors,
};

use crate::checkpoints::{Net, oracle};
use crate::mutate::{each, put};

/// Reads files like these, and gives them to a network that some of them fit.
fn read_all(seeds: &[&[u8]], count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    each(seeds, count, |input| {
        put(&path, input);
        let _ = read_metadata(&path);
        let file = WeightsFile::read(&path).map_err(|error| error.to_string())?;
        let sides = |shape: &Vec<usize>| shape.iter().map(|&side| side as f64).product::<f64>();
        let numbers: f64 = file.shapes().values().map(sides).sum();
        // Tied weights share their bytes.
        assert!(numbers <= 4.0 * input.len() as f64, "{numbers}");
        let loaded = load_safetensors(Net::new(), &path);
        loaded.map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours");
    fs::write(&path, oracle("plain.pth")).unwrap();
    let (net, _) = load_safetensors(Net::new(), &path).unwrap();
    let mut card = Metadata::new("net", 2, 1.0, Normalisation::IMAGENET);
    card.extra.insert("card".into(), r#"{"size":32}"#.into());
    save_safetensors(&net, &path, &card).unwrap();
    let ours = fs::read(&path).unwrap();
    // As others write them, without a digest, under names that are brought to ours.
    let one = 1_f32.to_le_bytes();
    let views = [
        ("linear.weight", vec![2, 3], [one; 6].concat()),
        ("linear.bias", vec![2], [one; 2].concat()),
        ("conv.weight", vec![2, 3, 2, 2], [one; 24].concat()),
        ("norm.running_mean", vec![2], [one; 2].concat()),
    ];
    let file = |wrapper: &str| {
        let views = views.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
            (format!("{wrapper}{name}"), view)
        });
        safetensors::serialize(views, None).unwrap()
    };
    read_all(&[&ours, &file(""), &file("module.")], 4000);
}

#[test]
fn checkpoints_of_pytorch() {
    let seeds = [
        "plain",
        "views",
        "plain_legacy",
        "protocol4",
        "state_dict_legacy",
    ];
    let seeds = seeds.map(|name| oracle(&format!("{name}.pth")));
    read_all(&seeds.each_ref().map(Vec::as_slice), 4000);
}

/// Of a tensor without numbers the sides may be anything, and their product is no number.
#[test]
fn sides_of_nothing_are_not_multiplied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let header = r#"{"pre_logits.fc1.weight":{"dtype":"F32","shape":[0,4294967296,4294967296,4294967296],"data_offsets":[0,0]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    fs::write(&path, [&length[..], header.as_bytes()].concat()).unwrap();
    let error = load_safetensors(Net::new(), &path).map(drop).unwrap_err();
    assert!(error.to_string().contains("classifier.0.weight"), "{error}");
}
