//! A segmentation network that has learned nothing, in a file as a run leaves it.

use std::path::Path;

use burn::tensor::Device;
use weakseg::config::{Config, resolve};
use weakseg::networks::ModelCard;
use weakseg::predict::Predictor;
use weakseg_data::{Classes, LabelSpace, Plane, Stack, View, encode_png};
use weakseg_models::weights::save_safetensors;
use weakseg_models::{SegmenterArch, SegmenterConfig};
use weakseg_server::{Model, Site};

const CONFIG: &str = r#"
[data]
kind = "phantom"
root = "set"
[image]
size = 32
[classifier]
width = 0.0625
[segmenter]
arch = "unet-vgg16-bn"
width = 0.0625
gate = 0.25
threshold = 0.5
"#;

/// A predictor of two findings.
pub fn predictor() -> Predictor {
    let toml = CONFIG.parse().expect("TOML");
    let config: Config = resolve(toml, "model", None, &[]).expect("a configuration");
    let classes = Classes {
        names: vec!["mass".to_owned(), "<b>node</b>".to_owned()],
        space: LabelSpace::Findings,
    };
    let card = ModelCard::segmenter(config.without_data(), &classes);
    let network = SegmenterConfig {
        width: card.width,
        seed: 3,
        ..SegmenterConfig::new(SegmenterArch::UnetVgg16Bn, card.outputs())
    };
    let device = Device::flex();
    let network = network.init(&device).expect("a network");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.safetensors");
    save_safetensors(&network, &file, &card.metadata()).expect("written");
    open(&file, &device)
}

fn open(file: &Path, device: &Device) -> Predictor {
    Predictor::open(file, device).expect("a model")
}

/// It alone.
pub fn site() -> Site {
    Site {
        title: "model".to_owned(),
        run: None,
        model: Some(Model {
            predictor: predictor(),
            view: View::default(),
        }),
    }
}

pub fn image() -> Stack<u8> {
    Plane::from_fn(40, 48, |y, x| ((y * 131 + x * x * 17) % 251) as u8).into_stack()
}

pub fn png() -> Vec<u8> {
    encode_png(&image()).expect("a PNG")
}
