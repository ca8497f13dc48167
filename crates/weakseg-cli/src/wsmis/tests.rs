use super::*;

/// The published X-ray classifier (reference §17), with an anchor as those files have them, and keys of every kind.
const CLASSIFIER: &str = "
project: lid_segmentation
task: pneumothorax_classification
log_path: logs
devices: [1, 2]
train:
  path: Pneumothorax/train/train.csv
  transform: &transform
    size: 512
    augmentation_scope: pneumothorax
    images_normalization: default
    images_output_format_type: float
    size_transform: resize
val:
  path: Pneumothorax/train/val.csv
  transform:
    <<: *transform
    augmentation_scope: none
model:
  arch: resnet50_full
  pretrained: true
  classes: 1
  loss: binary_cross_entropy
  metrics: [f1, accuracy]
  regularize:
    name: dropblock
    parameters:
      drop_prob: 0.2
      block_size: 7
num_epochs: 50
batch_size: 16
optimizer:
  name: Adam
  parameters:
    lr: [0.0001, 0.0002, 1e-3, 2e-3]
    weight_decay: 1e-5
scheduler:
  name: step
  parameters:
    step_size: 5
    gamma: 0.1
monitor:
  method: epochs
  interval: 5
";

/// The published segmentation with a CRF, whose optimizer is spelled flat.
const CRF: &str = "
task: crf_segmentation
train:
  masks: out_masks/irn
  transform:
    size: 513
    augmentation_scope: strong
    masks_normalization: none
model:
  arch: deeplabv3plus_resnet50
  classes: 21
  loss:
    - name: categorical_cross_entropy
      weight: 0.5
      ignore_index: 255
    - name: kldiv
      weight: 0.5
num_epochs: 30
batch_size: 12
optimizer:
  name: sgd
  lr: [0.001, 0.01]
  momentum: 0.9
  weight_decay: 1.0e-6
scheduler:
  name: poly
  power: 0.9
  max_iters: 30
  min_lr: 0.000001
crf:
  scale_factor: 4
  iterations: 4
";

fn imported(text: &str) -> Import {
    let import = import(text).expect("taken over");
    import.check("t").expect("sound");
    import
}

fn value<'a>(import: &'a Import, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let first = import.config.get(keys.next()?)?;
    keys.try_fold(first, |table, key| table.get(key))
}

fn reason<'a>(import: &'a Import, key: &str) -> &'a str {
    let left = import.not_mapped.iter().find(|left| left.key == key);
    &left.expect(key).reason
}

#[test]
fn a_classifier_says_what_the_preset_says_by_hand() {
    let import = imported(CLASSIFIER);
    let over =
        |table: Table, preset| config::resolve(table, "t", Some(preset), &[]).expect("sound");
    let preset = over(Table::new(), "siim-wsmis");
    let mut ours = over(import.config.clone(), "siim-wsmis");
    assert_eq!(ours.title, "lid_segmentation");
    assert_eq!(ours.classifier.training.keep_every, 5);
    ours.classifier.training.keep_every = 0;
    // `true` does not say which of the trunk's files.
    assert_eq!(ours.classifier.weights.to_string(), "resnet50");
    ours.classifier.weights = preset.classifier.weights.clone();
    assert_eq!(ours.classifier, preset.classifier);
    assert_eq!((ours.image, ours.data), (preset.image, preset.data));
}

#[test]
fn every_normalisation_of_that_code_has_its_name_here() {
    for (theirs, ours) in [
        ("default", "imagenet"),
        ("pneumothorax", "pneumothorax"),
        ("float", "float"),
        ("binary", "binary"),
        ("none", "none"),
    ] {
        let given = format!("images_normalization: {theirs}");
        let text = CLASSIFIER.replace("images_normalization: default", &given);
        let import = import(&text).expect("taken over");
        let found = value(&import, "image.normalisation").and_then(Value::as_str);
        assert_eq!(found, Some(ours));
    }
}

#[test]
fn every_leaf_is_in_one_of_the_two_lists() {
    for (text, leaves) in [(CLASSIFIER, 34), (CRF, 24)] {
        let import = imported(text);
        let mut keys = import.mapped.clone();
        keys.extend(import.not_mapped.iter().map(|left| left.key.clone()));
        keys.sort();
        let count = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), count, "{keys:?}");
        assert_eq!(count, leaves, "{keys:#?}");
    }
    let import = imported(CLASSIFIER);
    assert!(reason(&import, "model.regularize.parameters.drop_prob").contains("no DropBlock"));
    assert!(reason(&import, "log_path").contains("--out"));
    assert!(reason(&import, "model.classes").contains("the set"));
    // Taken over or the same in any case.
    for key in [
        "val.transform.size",
        "val.transform.augmentation_scope",
        "monitor.method",
    ] {
        assert!(import.mapped.iter().any(|mapped| mapped == key), "{key}");
    }
}

#[test]
fn a_flat_optimizer_and_the_crf_loss_are_understood() {
    let import = imported(CRF);
    let number = |path: &str| value(&import, path).and_then(Value::as_float).expect(path);
    assert_eq!(number("segmenter.training.optimizer.lr"), 0.01);
    assert_eq!(number("segmenter.training.optimizer.momentum"), 0.9);
    assert!((number("segmenter.training.schedule.min_factor") - 1e-4).abs() < 1e-12);
    assert_eq!(value(&import, "image.size"), Some(&Value::Integer(512)));
    assert!(reason(&import, "train.transform.size").contains("512"));
    assert!(reason(&import, "train.masks").contains("pseudo-labels"));
    let preset = config::resolve(Table::new(), "t", Some("voc-wsmis"), &[]).expect("sound");
    let ours = config::resolve(import.config.clone(), "t", Some("voc-wsmis"), &[]).expect("sound");
    assert_eq!(ours.segmenter.losses, preset.segmenter.losses);
    assert_eq!(ours.segmenter.training, preset.segmenter.training);
}

/// The other files of reference §17, by what it says of them: name, text, network.
const OTHERS: [(&str, &str, &str); 9] = [
    (
        "cam_generation/pascal",
        "{ task: cam_generation, model: { arch: resnet50_full, pretrained: true, classes: 20, loss: binary_cross_entropy,
           metrics: [mlf1, mlaccuracy], regularize: { name: dropblock, parameters: { drop_prob: 0.3, block_size: 7 } } },
           train: { transform: { size: 352, augmentation_scope: strong, images_normalization: default } },
           num_epochs: 50, batch_size: 32,
           optimizer: { name: RAdam, parameters: { lr: [0.00001, 0.0001, 0.0002, 0.001], weight_decay: 0.00001 } },
           scheduler: { name: step, step_size: 10, gamma: 0.1 } }",
        "resnet50-os8",
    ),
    (
        "segmentation/pascal",
        "{ task: segmentation, model: { arch: serexnext_unet, pretrained: false, classes: 21,
           loss: { name: categorical_cross_entropy, ignore_index: 255 }, metrics: [iou] },
           train: { transform: { size: 512, augmentation_scope: strong } }, num_epochs: 40, batch_size: 12,
           optimizer: { name: SGD, parameters: { lr: [0.001, 0.01], momentum: 0.9, weight_decay: 0.000001 } },
           scheduler: { name: poly, parameters: { power: 0.9, max_iters: 40, min_lr: 0.000001 } } }",
        "unet-se_resnext50",
    ),
    (
        "segmentation/pneumothorax",
        "{ task: pneumothorax_segmentation, model: { arch: unet, encoder: resnet50, classes: 2,
           loss: [ { name: binary_cross_entropy } ], metrics: [f1] },
           train: { transform: { size: 256, augmentation_scope: pneumothorax } }, num_epochs: 40, batch_size: 64 }",
        "unet-resnet50",
    ),
    (
        "inference/cam_generation/cam",
        "{ task: cam_generation, model: { arch: resnet50_dropblock, classes: 20,
           regularize: { name: dropblock, parameters: { drop_prob: 0.2, block_size: 7 } } }, batch_size: 32,
           maps_layer: backbone, weights_layer: extra_linear, interpolation: bicubic, background_threshold: 0.2,
           use_predicted_labels: false }",
        "resnet50-os8",
    ),
    (
        "inference/segmentation/pascal",
        "{ task: segmentation, experiment_path: runs/1, model: { arch: deeplabv3plus_resnet50, classes: 21 }, batch_size: 1 }",
        "deeplabv3plus-resnet50-os8",
    ),
    (
        "inference/segmentation/pneumothorax",
        "{ task: segmentation, experiment_path: runs/1, model: { arch: unet, encoder: resnet50, classes: 21 }, batch_size: 1 }",
        "unet-resnet50",
    ),
    (
        "cam_generation/imagenet",
        "{ task: cam_generation, model: { arch: resnet50, classes: 200, loss: binary_cross_entropy, weights_path: a.h5 },
           train: { transform: { size: 352, augmentation_scope: strong } }, num_epochs: 15, batch_size: 24,
           optimizer: { name: adam, lr: [0.00005, 0.0005], weight_decay: 0.00001 },
           scheduler: { name: plateau, mode: max, patience: 2, factor: 0.5, min_lr: 0.0000001 } }",
        "resnet50-os8",
    ),
    (
        "segmentation/imagenet",
        "{ task: segmentation, model: { arch: deeplabv3_resnet50, classes: 201, loss: categorical_cross_entropy },
           num_epochs: 50, batch_size: 12, optimizer: { name: adam, lr: 0.0005, weight_decay: 0.000001 },
           scheduler: { name: plateau, mode: max, patience: 3, factor: 0.5, min_lr: 0.0000001 } }",
        "deeplabv3-resnet50",
    ),
    (
        "segmentation/oaa",
        "{ task: integral_attention_learning, model: { arch: vgg_gap, pretrained: true,
           loss: integral_attention_learning }, num_epochs: 150, batch_size: 8 }",
        "vgg16-bn",
    ),
];

#[test]
fn every_published_file_is_taken_over() {
    for (name, text, network) in OTHERS {
        let import = import(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        import.check(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let section = ["classifier", "segmenter"]
            .into_iter()
            .find(|section| import.config.contains_key(*section));
        let arch = value(&import, &format!("{}.arch", section.expect(name)));
        assert_eq!(arch, Some(&Value::from(network)), "{name}");
        let lost = import
            .not_mapped
            .iter()
            .find(|left| left.reason.starts_with("no key"));
        assert_eq!(lost, None, "{name}");
    }
    let cam = imported(OTHERS[3].1);
    assert_eq!(value(&cam, "cams.threshold"), Some(&Value::Float(0.2)));
    assert_eq!(
        value(&cam, "classifier.dropblock.place"),
        Some(&Value::from("reference"))
    );
    let plateau = imported(OTHERS[6].1);
    assert!(reason(&plateau, "scheduler.mode").contains("the loss"));
    assert_eq!(
        value(&plateau, "classifier.training.schedule.kind"),
        Some(&Value::from("plateau"))
    );
}

#[test]
fn what_a_classifier_cannot_take_as_it_is_is_told_with_the_reason() {
    let import = imported(
        "task: cam_generation
model: { arch: resnet50_dropblock_scheduler,
         loss: { name: binary_cross_entropy, weight: 2, parameters: { pos_weight: [3, 4] } },
         regularize: { name: dropblock, parameters: { drop_prob: 0.3, block_size: 7 } } }
",
    );
    assert_eq!(
        value(&import, "classifier.dropblock.ramp_epochs"),
        Some(&Value::Integer(10))
    );
    assert!(reason(&import, "model.arch").contains("ten forward passes"));
    assert!(reason(&import, "model.loss.weight").contains("one loss"));
    let weights = Value::Array(vec![3.0.into(), 4.0.into()]);
    assert_eq!(value(&import, "classifier.pos_weight"), Some(&weights));
    assert_eq!(value(&import, "classifier.loss"), Some(&Value::from("bce")));
    let import = imported(
        "{ task: cam_generation, model: { arch: vgg_gap, loss: { name: integral_attention_learning, pos_weight: 2 } } }",
    );
    assert!(reason(&import, "model.loss.pos_weight").contains("by itself"));
    assert_eq!(value(&import, "classifier.pos_weight"), None);
    let import = imported(
        "{ task: cam_generation, model: { arch: vgg_gap, loss: { name: binary_cross_entropy, pos_weight: null } } }",
    );
    assert_eq!(value(&import, "classifier.pos_weight"), None);
    // Without a schedule there is no ramp.
    let import = imported(
        "{ task: cam_generation, model: { arch: resnet50_dropblock, loss: { name: binary_cross_entropy, pos_weight: 1 } } }",
    );
    assert_eq!(
        value(&import, "classifier.dropblock.ramp_epochs"),
        Some(&Value::Integer(0))
    );
    assert_eq!(
        value(&import, "classifier.pos_weight"),
        Some(&Value::Float(1.0))
    );
    assert_eq!(import.not_mapped, []);
}

#[test]
fn other_values_of_the_second_half_are_listed_and_unknown_keys_too() {
    let import = imported(
        "task: segmentation
model: { arch: unet, encoder: resnet34, pretrained: false, loss: [binary_cross_entropy] }
train: { transform: { size: [256, 256] } }
val: { transform: { size: 512, augmentation_scope: weak } }
num_epochs: 3
optimizer: { name: RAdam, lr: 0.001, amsgrad: true }
scheduler: { name: poly, max_iters: 40 }
mood: good
",
    );
    assert!(reason(&import, "val.transform.size").contains("one grid"));
    assert!(reason(&import, "scheduler.max_iters").contains("training.epochs"));
    assert!(reason(&import, "mood").contains("no key"));
    assert!(reason(&import, "optimizer.amsgrad").contains("no key"));
    assert!(reason(&import, "model.pretrained").contains("ImageNet"));
    assert_eq!(
        value(&import, "segmenter.pos_weight"),
        Some(&Value::Float(1.0))
    );
    assert_eq!(
        value(&import, "segmenter.training.groups"),
        Some(&Value::Array(vec![]))
    );
}

#[test]
fn what_that_code_does_not_have_is_refused_with_what_it_has() {
    for (text, words) in [
        ("task: dance", "task is \"dance\"; expected cam_generation"),
        ("a: [", "not valid YAML"),
        ("- a", "not a YAML mapping"),
        ("task: segmentation", "model.arch is missing"),
        (
            "{ task: segmentation, model: { arch: resnet50_full } }",
            "model.arch is \"resnet50_full\"; expected deeplabv3_resnet50",
        ),
        (
            "{ task: segmentation, model: { arch: unet, encoder: b7 } }",
            "model.encoder is \"b7\"",
        ),
        (
            "{ task: cam_generation, model: { arch: vgg_gap, loss: hinge } }",
            "model.loss is \"hinge\"",
        ),
        (
            "{ task: cam_generation, model: { arch: vgg_gap }, num_epochs: many }",
            "num_epochs is many; expected a number",
        ),
        (
            "{ task: cam_generation, model: { arch: vgg_gap }, optimizer: { name: Lion, lr: 1 } }",
            "optimizer.name is \"Lion\"; expected SGD, Adam or RAdam",
        ),
        (
            "{ task: cam_generation, model: { arch: vgg_gap }, optimizer: { name: SGD, lr: [1, 2, 3] } }",
            "3 rates",
        ),
        (
            "{ task: cam_generation, model: { arch: vgg_gap }, scheduler: { name: warm } }",
            "scheduler.name is \"warm\"",
        ),
    ] {
        let message = import(text).expect_err(text).to_string();
        assert!(message.contains(words), "{text}: {message}");
    }
}

#[test]
fn the_file_reads_back_and_no_value_leaves_its_comment() {
    let text = format!("{CRF}\nnotes: \"a\\nseed = 7\"\n");
    let import = imported(&text);
    let file = import.to_toml("pascal_crf.yaml");
    assert!(file.contains("# notes = a seed = 7: no key"), "{file}");
    assert_eq!(file.parse::<Table>().expect("TOML"), import.config);
}

/// YAML's merge keys give whole values: what is below a key that the mapping has itself does not leak in.
#[test]
fn merge_keys_are_not_deep() {
    let leaves = |own: &str| {
        let text =
            format!("base: &base {{ a: 1, below: {{ b: 2, c: 3 }} }}\nof: {{ <<: *base{own} }}\n");
        Leaves::read(&text).expect("leaves")
    };
    let mut whole = leaves("");
    assert_eq!(whole.number("of.below.c").expect("a number"), Some(3.0));
    let mut own = leaves(", below: { b: 4 }");
    assert!(own.has("of.a") && !own.has("of.below.c"));
    assert_eq!(own.number("of.below.b").expect("a number"), Some(4.0));
}

#[test]
fn whole_numbers_are_whole_and_a_floor_needs_a_rate() {
    let text = |schedule: &str| {
        format!(
            "task: pneumothorax_classification\nmodel: {{ arch: resnet50, classes: 1, loss: binary_cross_entropy }}\n\
             scheduler: {{ {schedule} }}\n"
        )
    };
    let Err(error) = import(&text("name: step, step_size: 2.5")) else {
        panic!("half an epoch")
    };
    assert!(
        error.to_string().contains("scheduler.step_size is 2.5"),
        "{error}"
    );
    let floor = import(&text("name: poly, min_lr: 0.000001")).expect("a layer");
    let left: Vec<&str> = floor
        .not_mapped
        .iter()
        .map(|left| left.key.as_str())
        .collect();
    assert!(left.contains(&"scheduler.min_lr"), "{left:?}");
}
