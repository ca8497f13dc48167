//! Every figure of the presets a second time, by where it comes from (reference.md), so that none can be mistyped
//! unseen.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::preset;

const ALL: &[&str] = &["siim-paper", "siim-wsmis", "voc-paper", "voc-wsmis", "irn"];
const SEED_CODE: &[&str] = &["siim-paper", "siim-wsmis", "voc-paper", "voc-wsmis"];
const PAPER: &[&str] = &["siim-paper", "voc-paper"];
const CODE: &[&str] = &["siim-wsmis", "voc-wsmis"];
const XRAY: &[&str] = &["siim-paper", "siim-wsmis"];
const PHOTO: &[&str] = &["voc-paper", "voc-wsmis", "irn"];
/// Whose segmentation is that of `segmentation/pascal.yaml`.
const PASCAL: &[&str] = &["voc-paper", "irn"];

/// Source, presets that have it, values.
const FIGURES: &[(&str, &[&str], &str)] = &[
    (
        "§1.6, seeds; §7, normalisation `default`; §4.5 and §6.5, 512 pixels",
        ALL,
        r#"
        seed = 0
        image = { size = 512, normalisation = "imagenet" }
        "#,
    ),
    (
        "§8.2, published counts",
        XRAY,
        r#"data = { kind = "siim", val_counts = [145, 541], test_counts = [145, 541], split_seed = 0 }"#,
    ),
    ("§12.30, stored values", &["siim-wsmis"], r#"data.tone = "raw""#),
    ("ours: DICOM's window", &["siim-paper"], r#"data.tone = "window""#),
    (
        "§8.1, lists",
        PHOTO,
        r#"data = { kind = "voc", train = "train_aug", val = "val" }"#,
    ),
    (
        "§1.1, whole networks",
        ALL,
        "
        classifier = { stages = 5, width = 1.0 }
        classifier.training.accumulate = 1
        ",
    ),
    (
        "§11, the paper's choice; §1.1, `vgg_gap`",
        PAPER,
        r#"classifier = { arch = "vgg16-bn", head = "extra", weights = "vgg16-bn" }"#,
    ),
    (
        "§1.1 and §1.6, `resnet50_full`",
        CODE,
        r#"
        classifier = { arch = "resnet50-os8", head = "linear", weights = "resnet50-19c8e357" }
        "#,
    ),
    (
        "§1.1, batch norm learns; §1.3, BCE; §1.6, lowest validation loss, no early stopping",
        SEED_CODE,
        r#"
        classifier = { frozen_blocks = 0, fixed_statistics = false, loss = "bce" }
        classifier.training = { monitor = "loss", select = "best", patience = 0 }
        "#,
    ),
    (
        "§1.6, IRN CAM",
        &["irn"],
        r#"
        classifier = { arch = "resnet50-irn", head = "conv", weights = "resnet50-19c8e357" }
        classifier.frozen_blocks = 3
        classifier.fixed_statistics = true
        classifier.loss = "soft-margin"
        classifier.training = { epochs = 5, batch = 16, head_lr_factor = 10.0, select = "last", sampler = "shuffle" }
        classifier.training.optimizer = { kind = "sgd-reference", lr = 0.1, weight_decay = 1e-4 }
        classifier.training.schedule = { kind = "poly", per = "iteration", power = 0.9 }
        classifier.training.augment.scope = "irn-cam"
        "#,
    ),
    (
        "§1.2, VOC's probability and block",
        &["voc-paper"],
        "classifier.dropblock = { probability = 0.3, block = 7 }",
    ),
    (
        "§1.2, the X-rays' probability and block",
        &["siim-paper"],
        "classifier.dropblock = { probability = 0.2, block = 7 }",
    ),
    (
        "§1.2, ten stages; ours: form and place",
        PAPER,
        r#"classifier.dropblock = { form = "paper", place = "before-extra", ramp_epochs = 10 }"#,
    ),
    (
        "§1.2, inert in `resnet50_full`; IRNet has none",
        &["siim-wsmis", "voc-wsmis", "irn"],
        "classifier.dropblock = { probability = 0.0, block = 7 }",
    ),
    (
        "§1.6, VOC classifier YAML",
        &["voc-paper", "voc-wsmis"],
        r#"
        classifier.training = { epochs = 50, batch = 32, sampler = "shuffle" }
        classifier.training.optimizer = { kind = "radam", lr = 1e-5, weight_decay = 1e-5 }
        classifier.training.schedule = { kind = "step", step_epochs = 10, gamma = 0.1 }
        classifier.training.augment.scope = "strong"
        classifier.training.groups = [
            { part = "trunk", parameters = "weights", lr = 1e-5 },
            { part = "trunk", parameters = "biases", lr = 1e-4 },
            { part = "head", parameters = "weights", lr = 2e-4 },
            { part = "head", parameters = "biases", lr = 1e-3 },
        ]
        "#,
    ),
    (
        "§1.6, pneumothorax classifier YAML",
        XRAY,
        r#"
        classifier.training = { epochs = 50, batch = 16, sampler = "balanced" }
        classifier.training.optimizer = { kind = "adam", lr = 1e-4, weight_decay = 1e-5 }
        classifier.training.schedule = { kind = "step", step_epochs = 5, gamma = 0.1 }
        classifier.training.groups = [
            { part = "trunk", parameters = "weights", lr = 1e-4 },
            { part = "trunk", parameters = "biases", lr = 2e-4 },
            { part = "head", parameters = "weights", lr = 1e-3 },
            { part = "head", parameters = "biases", lr = 2e-3 },
        ]
        "#,
    ),
    (
        "§1.6 and §6.5, the X-rays' augmentation in the YAMLs",
        &["siim-wsmis"],
        r#"
        classifier.training.augment.scope = "pneumothorax"
        segmenter.training.augment.scope = "pneumothorax"
        "#,
    ),
    (
        "§11 and §6.5, the X-rays' augmentation in the paper",
        &["siim-paper"],
        r#"
        classifier.training.augment.scope = "paper-xray"
        segmenter.training.augment.scope = "paper-xray"
        "#,
    ),
    (
        "§2.5, mirror image and maximum; §2.3, predicted above 0.5",
        ALL,
        r#"cams = { flip = true, normalise = "max", gate = 0.5 }"#,
    ),
    ("§2.5, CAM", &["irn"], r#"cams.method = "cam""#),
    ("§11, Grad-CAM++", PAPER, r#"cams.method = "grad-cam++""#),
    ("§2.4, as coded", CODE, r#"cams.method = "grad-cam++-wsmis""#),
    ("§2.5, scales", PHOTO, "cams.scales = [1.0, 0.5, 1.5, 2.0]"),
    (
        "§2.6, 1024, 768, 512 and 256 of 512 pixels",
        &["siim-wsmis"],
        "cams.scales = [2.0, 1.5, 1.0, 0.5]",
    ),
    ("ours: one scale", &["siim-paper"], "cams.scales = [1.0]"),
    ("§2.5, cam_eval_thres", PASCAL, "cams.threshold = 0.15"),
    (
        "§2.2, background_threshold",
        &["siim-paper", "siim-wsmis", "voc-wsmis"],
        "cams.threshold = 0.2",
    ),
    (
        "§3.1 and §10, conf_fg_thres and conf_bg_thres",
        ALL,
        "
        ir_labels = { foreground = 0.30, background = 0.05, crf = true, gt_prob = 0.7, iterations = 10 }
        ir_labels.gaussian = [3.0, 3.0]
        ir_labels.bilateral = [50.0, 5.0, 10.0]
        ",
    ),
    (
        "§4.5, both columns; §12.1, momentum",
        ALL,
        r#"
        irn.radius = 10
        irn.training = { accumulate = 1, head_lr_factor = 10.0, select = "last" }
        irn.training.optimizer = { kind = "sgd-reference", lr = 0.1, weight_decay = 1e-4 }
        irn.training.schedule = { kind = "poly", per = "iteration", power = 0.9 }
        "#,
    ),
    (
        "§4.5, VOC",
        PHOTO,
        r#"irn.training = { epochs = 3, batch = 32, sampler = "shuffle", augment = { scope = "irn" } }"#,
    ),
    (
        "§4.5, pneumothorax",
        XRAY,
        r#"irn.training = { epochs = 10, batch = 24, sampler = "positives", augment = { scope = "weak" } }"#,
    ),
    (
        "§4.5, radius of inference; §5.2, exponent and 2^8 steps; §5.3, background",
        ALL,
        "pseudo_labels = { radius = 5, beta = 10.0, steps = 256, thin_edges = false, threshold = 0.25, min_confidence = 0.0 }",
    ),
    (
        "§0, no filter in the code",
        &["siim-wsmis", "voc-paper", "voc-wsmis", "irn"],
        "pseudo_labels.min_area = 0.0",
    ),
    (
        "ours: a fifth of §5.6's 1 %",
        &["siim-paper"],
        "pseudo_labels.min_area = 0.002",
    ),
    (
        "§6.2 and §6.3, ImageNet weights, whole networks; §6.5, lowest validation loss, no test-time augmentation",
        ALL,
        r#"
        segmenter = { width = 1.0, encoder = "weights", flip = false }
        segmenter.training = { accumulate = 1, monitor = "loss", select = "best" }
        "#,
    ),
    (
        "§6.3 and §6.5, U-Net without attention, above 0.5, no component filter",
        XRAY,
        r#"
        segmenter = { attention = false, threshold = 0.5, min_area = 0.0 }
        segmenter.losses = [{ kind = "bce", weight = 1.0 }]
        segmenter.training = { epochs = 40, sampler = "balanced" }
        "#,
    ),
    (
        "§6.5, pneumothorax.yaml",
        &["siim-wsmis"],
        r#"
        segmenter = { arch = "unet-resnet50", weights = "resnet50-19c8e357", pos_weight = 1.0, gate = 0.0 }
        segmenter.training.batch = 64
        segmenter.training.optimizer = { kind = "sgd", lr = 1e-3, momentum = 0.9, weight_decay = 1e-6 }
        segmenter.training.groups = [{ part = "trunk", lr = 1e-4 }]
        segmenter.training.schedule = { kind = "poly", per = "epoch", power = 0.9, min_factor = 1e-3 }
        "#,
    ),
    (
        "§6.5, Paper, X-ray; ours: weight of positives, gate, floor of 1e-6",
        &["siim-paper"],
        r#"
        segmenter = { arch = "unet-se_resnext50", weights = "se_resnext50", pos_weight = "from-pixels", gate = 0.5 }
        segmenter.training = { batch = 48, head_lr_factor = 1.0 }
        segmenter.training.optimizer = { kind = "sgd", lr = 6e-5, momentum = 0.9, weight_decay = 1e-6 }
        segmenter.training.schedule = { kind = "poly", per = "epoch", power = 0.9, min_factor = 0.0167 }
        "#,
    ),
    (
        "§6.2 and §6.5, what both VOC files have",
        PHOTO,
        r#"
        segmenter = { arch = "deeplabv3plus-resnet50-os8", weights = "resnet50-19c8e357" }
        segmenter.training = { batch = 12, sampler = "shuffle", augment = { scope = "strong" } }
        segmenter.training.optimizer = { kind = "sgd", lr = 1e-2, momentum = 0.9, weight_decay = 1e-6 }
        segmenter.training.groups = [{ part = "trunk", lr = 1e-3 }]
        segmenter.training.schedule = { kind = "poly", per = "epoch", power = 0.9, min_factor = 1e-4 }
        "#,
    ),
    (
        "§6.2, separable off; §6.4, one scale",
        &["voc-paper", "voc-wsmis"],
        "segmenter = { separable = false, scales = [1.0] }",
    ),
    (
        "§6.5, pascal.yaml",
        PASCAL,
        r#"
        segmenter.losses = [{ kind = "cross-entropy", weight = 1.0 }]
        segmenter.training.epochs = 40
        "#,
    ),
    (
        "§6.5, pascal_crf.yaml; §6.6, SEC's kernels",
        &["voc-wsmis"],
        r#"
        segmenter.losses = [
            { kind = "cross-entropy", weight = 0.5 },
            { kind = "crf-constrained", weight = 0.5, scale_factor = 4, iterations = 4, gaussian = [3.0, 3.0], bilateral = [80.0, 13.0, 10.0] },
        ]
        segmenter.training.epochs = 30
        "#,
    ),
];

/// The values of a table by their dotted paths; lists are values.
fn leaves(table: &Table) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                let below = leaves(inner).into_iter();
                found.extend(below.map(|(path, value)| (format!("{key}.{path}"), value)));
            }
            value => {
                found.insert(key.clone(), value.clone());
            }
        }
    }
    found
}

/// The values of a text, in which a table may be begun more than once.
fn values(text: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut statement = String::new();
    for line in text.lines() {
        statement.push_str(line);
        statement.push('\n');
        if let Ok(table) = statement.parse::<Table>() {
            found.extend(leaves(&table));
            statement.clear();
        }
    }
    assert_eq!(statement.trim(), "", "no TOML");
    found
}

#[test]
fn every_figure_is_that_of_its_source() {
    for &name in ALL {
        let mut wanted = BTreeMap::new();
        for (source, presets, text) in FIGURES {
            for (path, value) in values(text).into_iter().filter(|_| presets.contains(&name)) {
                let twice = wanted.insert(path.clone(), (value, source));
                assert_eq!(twice, None, "{name}: {path} has two sources");
            }
        }
        let table: Table = preset(name).expect(name).parse().expect(name);
        let mut found = leaves(&table);
        found.remove("title");
        for (path, value) in &found {
            let source = wanted.remove(path);
            let (figure, source) = source.unwrap_or_else(|| panic!("{name}: {path}: no source"));
            assert_eq!(*value, figure, "{name}: {path}: {source}");
        }
        assert!(wanted.is_empty(), "{name} leaves out {wanted:?}");
    }
}

/// What the figures above do not say in so many words: floors that are rates in the code and shares here (§1.5).
#[test]
fn no_rate_of_a_segmentation_network_falls_below_a_millionth() {
    for &name in ALL {
        let table: Table = preset(name).expect(name).parse().expect(name);
        let number = |path: &str| leaves(&table)[path].as_float().expect(path);
        let floor = number("segmenter.training.optimizer.lr")
            * number("segmenter.training.schedule.min_factor");
        assert!((floor - 1e-6).abs() < 1e-8, "{name}: {floor}");
    }
}
