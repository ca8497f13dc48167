//! Weights in and out: round trips, keys, refusals.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use weakseg_models::weights::{
    Metadata, WeightsError, load_safetensors, parameters, read_metadata, save_safetensors,
};
use weakseg_models::{
    Classifier, ClassifierArch, ClassifierConfig, ClassifierHead, IrnetConfig, Normalisation,
    SegmenterArch, SegmenterConfig,
};

use super::{WIDTH, picture, values};

fn config(arch: ClassifierArch, seed: u64) -> ClassifierConfig {
    ClassifierConfig {
        width: WIDTH,
        seed,
        ..ClassifierConfig::new(arch, 2)
    }
}

fn classifier(arch: ClassifierArch, seed: u64) -> Classifier {
    config(arch, seed).init(&Device::flex()).unwrap()
}

fn metadata() -> Metadata {
    let mut metadata = Metadata::new(ClassifierArch::Vgg16Bn, 2, WIDTH, Normalisation::IMAGENET);
    metadata.extra.insert("classes".into(), "left,right".into());
    metadata.extra.insert("size".into(), "352".into());
    metadata
}

/// Writes f32 tensors without metadata.
fn write(path: &Path, tensors: &[(&str, Vec<usize>, Vec<f32>)]) {
    let bytes: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, shape, values)| {
            (
                *name,
                shape.clone(),
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, data)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
        )
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn every_network_comes_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let images = picture([1, 3, 33, 47], &device);
    for arch in ClassifierArch::ALL {
        let path = folder.path().join(format!("{arch}.safetensors"));
        let saved = classifier(arch, 1);
        save_safetensors(&saved, &path, &metadata()).unwrap();
        let (loaded, report) = load_safetensors(classifier(arch, 2), &path).unwrap();
        assert!(report.is_complete(), "{report}");
        assert_eq!(
            values(saved.forward(images.clone(), None)),
            values(loaded.forward(images.clone(), None))
        );

        let irnet = |seed| {
            let config = IrnetConfig {
                width: WIDTH,
                seed,
                ..IrnetConfig::new(arch)
            };
            config.init(&device).unwrap()
        };
        let mut saved = irnet(1);
        saved.set_mean_shift([0.25, -3.0]);
        save_safetensors(&saved, &path, &metadata()).unwrap();
        let (loaded, _) = load_safetensors(irnet(2), &path).unwrap();
        assert_eq!(loaded.mean_shift(), [0.25, -3.0]);
        let (a, b) = (saved.levels(images.clone()), loaded.levels(images.clone()));
        assert_eq!(values(saved.edge(&a)), values(loaded.edge(&b)));
        assert_eq!(
            values(saved.displacement(&a)),
            values(loaded.displacement(&b))
        );
    }
    for arch in SegmenterArch::ALL {
        let network = |seed| {
            let config = SegmenterConfig {
                width: WIDTH,
                seed,
                ..SegmenterConfig::new(arch, 2)
            };
            config.init(&device).unwrap()
        };
        let path = folder.path().join(format!("{arch}.safetensors"));
        let saved = network(1);
        save_safetensors(&saved, &path, &metadata()).unwrap();
        let (loaded, _) = load_safetensors(network(2), &path).unwrap();
        assert_eq!(
            values(saved.forward(images.clone())),
            values(loaded.forward(images.clone()))
        );
    }
}

#[test]
fn running_statistics_are_saved_and_loaded_as_they_are_now() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex().autodiff();
    let trained = config(ClassifierArch::Vgg16Bn, 1).init(&device).unwrap();
    // A forward pass leaves its update pending; saving must not miss it.
    trained.forward(picture([2, 3, 32, 32], &device), None);
    let path = folder.path().join("w.safetensors");
    save_safetensors(&trained, &path, &metadata()).unwrap();

    let other = config(ClassifierArch::Vgg16Bn, 1).init(&device).unwrap();
    // A pending update of the network loaded into must not overwrite what was loaded.
    other.forward(picture([3, 3, 48, 32], &device), None);
    let (loaded, _) = load_safetensors(other, &path).unwrap();
    let images = picture([1, 3, 32, 32], &Device::flex());
    assert_eq!(
        values(trained.valid().forward(images.clone(), None)),
        values(loaded.valid().forward(images.clone(), None))
    );
    let fresh = config(ClassifierArch::Vgg16Bn, 1).init(&device).unwrap();
    assert_ne!(
        values(trained.valid().forward(images.clone(), None)),
        values(fresh.valid().forward(images, None))
    );
}

#[test]
fn keys_are_torchvisions_and_smps() {
    let folder = tempfile::tempdir().unwrap();
    let keys = |name: &str, save: &dyn Fn(&Path)| -> Vec<String> {
        let path = folder.path().join(name);
        save(&path);
        let bytes = fs::read(path).unwrap();
        SafeTensors::deserialize(&bytes)
            .unwrap()
            .names()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let has = |keys: &[String], wanted: &[&str]| {
        for key in wanted {
            assert!(keys.iter().any(|k| k == key), "{key} is not among {keys:?}");
        }
    };
    let vgg = keys("vgg", &|p| {
        save_safetensors(&classifier(ClassifierArch::Vgg16Bn, 0), p, &metadata()).unwrap();
    });
    has(
        &vgg,
        &[
            "features.0.weight",
            "features.1.running_var",
            "features.41.bias",
            "extra_convs.2.bias",
            "extra_linear.weight",
        ],
    );
    let resnet = keys("resnet", &|p| {
        save_safetensors(&classifier(ClassifierArch::Resnet50Os8, 0), p, &metadata()).unwrap();
    });
    has(
        &resnet,
        &[
            "conv1.weight",
            "bn1.running_mean",
            "layer3.5.bn3.weight",
            "layer4.0.downsample.1.bias",
        ],
    );
    let unet = keys("unet", &|p| {
        let config = SegmenterConfig {
            width: WIDTH,
            ..SegmenterConfig::new(SegmenterArch::UnetVgg16, 1)
        };
        save_safetensors(&config.init(&Device::flex()).unwrap(), p, &metadata()).unwrap();
    });
    has(
        &unet,
        &[
            "encoder.features.28.bias",
            "decoder.center.1.1.running_var",
            "decoder.blocks.4.conv2.0.weight",
            "segmentation_head.0.bias",
        ],
    );
    let deeplab = keys("deeplab", &|p| {
        let arch = SegmenterArch::Deeplabv3PlusResnet50Os8;
        let config = SegmenterConfig {
            width: WIDTH,
            ..SegmenterConfig::new(arch, 1)
        };
        save_safetensors(&config.init(&Device::flex()).unwrap(), p, &metadata()).unwrap();
    });
    has(
        &deeplab,
        &[
            "backbone.layer1.0.conv1.weight",
            "classifier.project.0.weight",
            "classifier.aspp.convs.0.0.weight",
            "classifier.aspp.convs.4.1.weight",
            "classifier.aspp.convs.4.2.running_mean",
            "classifier.aspp.project.1.weight",
            "classifier.classifier.3.bias",
        ],
    );
}

#[test]
fn metadata_comes_back_and_files_are_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let network = classifier(ClassifierArch::Vgg16, 1);
    save_safetensors(&network, &a, &metadata()).unwrap();
    save_safetensors(&network, &b, &metadata()).unwrap();
    assert_eq!(read_metadata(&a).unwrap(), metadata());
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    // Nothing but the two files: the temporary ones are gone.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn missing_unused_and_misshapen_keys_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let network = classifier(ClassifierArch::Vgg16, 1);
    write(
        &path,
        &[
            ("extra_linear.bias", vec![2], vec![0.5, -0.5]),
            ("extra_linear.weight", vec![3, 32], vec![0.0; 96]),
            ("fc.weight", vec![1], vec![0.0]),
            ("features.1.num_batches_tracked", vec![1], vec![7.0]),
        ],
    );
    let error = load_safetensors(network.clone(), &path).unwrap_err();
    let WeightsError::Mismatch { report, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(report.applied, ["extra_linear.bias"]);
    assert_eq!(report.unused, ["fc.weight"]);
    assert_eq!(report.misshapen[0].name, "extra_linear.weight");
    assert_eq!(report.misshapen[0].expected, [2, 32]);
    assert_eq!(report.missing.len(), parameters(&network).len() - 2);
    let message = error.to_string();
    for part in [
        "w.safetensors",
        "features.0.weight",
        "fc.weight",
        "expected [2, 32], found [3, 32]",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn bad_files_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let network = || classifier(ClassifierArch::Vgg16, 1);
    let refuse = |path: &Path| load_safetensors(network(), path).map(|_| ()).unwrap_err();

    assert!(matches!(refuse(&path), WeightsError::Read { .. }));

    write(
        &path,
        &[("extra_linear.bias", vec![2], vec![0.0, f32::NAN])],
    );
    let error = refuse(&path);
    assert!(
        matches!(&error, WeightsError::NotFinite { key, index: 1, .. } if key == "extra_linear.bias"),
        "{error}"
    );

    save_safetensors(&network(), &path, &metadata()).unwrap();
    let whole = fs::read(&path).unwrap();
    // The last of them is whole as JSON, but not as long as it says.
    let short = [&90_000_000_u64.to_le_bytes()[..], b"{}"].concat();
    fs::write(&path, short).unwrap();
    let error = read_metadata(&path).unwrap_err().to_string();
    assert!(error.contains("its header is cut off"), "{error}");
    for length in [0, 7, 200, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = refuse(&path);
        assert!(
            matches!(error, WeightsError::Format { .. }),
            "{length} bytes: {error}"
        );
    }

    let data = [1_u8, 2];
    let view = TensorView::new(Dtype::U8, vec![2], &data).unwrap();
    let bytes =
        safetensors::serialize([("extra_linear.bias", view)], None::<HashMap<_, _>>).unwrap();
    fs::write(&path, bytes).unwrap();
    assert!(matches!(refuse(&path), WeightsError::ElementType { .. }));
    assert!(matches!(
        read_metadata(&path),
        Err(WeightsError::NoMetadata { .. })
    ));
}

#[test]
fn a_diverged_network_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut network = classifier(ClassifierArch::Vgg16, 1);
    let ClassifierHead::Extra(head) = &mut network.head else {
        panic!("extra convolutions are the default")
    };
    head.extra_linear.bias = head.extra_linear.bias.clone().map(|bias| bias * f32::NAN);
    let error = save_safetensors(&network, &path, &metadata()).unwrap_err();
    assert!(
        matches!(&error, WeightsError::Diverged { key, .. } if key == "extra_linear.bias"),
        "{error}"
    );
    assert!(!path.exists());
}

#[test]
fn frozen_and_trainable_parameters_stay_so_when_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    save_safetensors(&classifier(ClassifierArch::Vgg16, 1), &path, &metadata()).unwrap();
    let device = Device::flex().autodiff();
    let network = ClassifierConfig {
        frozen_blocks: 1,
        ..config(ClassifierArch::Vgg16, 2)
    }
    .init(&device)
    .unwrap();
    let (network, _) = load_safetensors(network, &path).unwrap();
    struct Learns(Vec<bool>);
    impl burn::module::ModuleVisitor for Learns {
        fn visit_float<const D: usize>(
            &mut self,
            param: &burn::module::Param<burn::tensor::Tensor<D>>,
        ) {
            self.0.push(param.val().is_require_grad());
        }
    }
    let mut learns = Learns(Vec::new());
    network.visit(&mut learns);
    // Weight and bias of the two convolutions of block 1 do not learn, everything after does.
    assert_eq!(learns.0[..4], [false; 4]);
    assert!(learns.0[4..].iter().all(|&learns| learns));
}
