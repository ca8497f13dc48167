//! Development kits: lists, labels from a table or annotations, and the index maps.

use weakseg_data::{DataConfig, LabelSpace, Split, VocConfig};

use crate::set::Set;

fn refusal(set: &Set, config: &VocConfig) -> String {
    DataConfig::Voc(config.clone())
        .open_cases(set.root())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_kit_is_read_by_its_lists() {
    let (set, config) = Set::voc();
    let config = DataConfig::Voc(config);
    let cases = config.open_cases(set.root()).unwrap();
    assert_eq!(cases.classes.space, LabelSpace::Exclusive);
    assert_eq!((cases.count(Split::Train), cases.count(Split::Val)), (3, 1));
    assert_eq!(cases.cases[1].labels, [false, true]);
    let truth = config.open_truth(set.root(), &cases).unwrap();
    assert!(
        truth.has_masks(Split::Train)
            && truth.has_masks(Split::Val)
            && !truth.has_masks(Split::Test)
    );
    let mask = truth.mask("2007_000001").unwrap().unwrap();
    assert_eq!(mask.planes.plane(0)[..5], [2, 2, 2, 2, 0]);
    assert!(truth.mask("2007_999999").unwrap().is_none());
}

#[test]
fn augmented_and_main_lists_are_understood() {
    let (set, config) = Set::voc();
    set.text(
        "ImageSets/Segmentation/train.txt",
        "/JPEGImages/2007_000000.jpg /SegmentationClassAug/2007_000000.png\r\n\n2007_000001  1\n2007_000002 -1\n",
    );
    let cases = DataConfig::Voc(config).open_cases(set.root()).unwrap();
    assert_eq!(cases.count(Split::Train), 3);
}

#[test]
fn labels_come_from_annotations_where_there_is_no_table() {
    let (set, config) = Set::voc();
    std::fs::remove_file(set.at("image_labels.csv")).unwrap();
    assert!(refusal(&set, &config).contains("neither `image_labels.csv` nor `cls_labels.npy`"));
    for (index, objects) in ["cat", "dog", "unicorn", "dog"].iter().enumerate() {
        let object =
            format!("<object><name> {objects} </name><part><name>cat</name></part></object>");
        let text = format!("<annotation><folder>x</folder>{object}{object}</annotation>");
        set.text(&format!("Annotations/2007_{index:06}.xml"), &text);
    }
    let cases = DataConfig::Voc(config.clone())
        .open_cases(set.root())
        .unwrap();
    let labels: Vec<&[bool]> = cases
        .cases
        .iter()
        .map(|case| case.labels.as_slice())
        .collect();
    // A part of an object is no object; a name that is no class is passed over.
    assert_eq!(
        labels,
        [[true, false], [false, true], [false, false], [false, true]]
    );

    set.text("Annotations/2007_000001.xml", "<annotation><object>");
    assert!(refusal(&set, &config).contains("2007_000001.xml"));
    set.text("Annotations/2007_000001.xml", "<kml></kml>");
    assert!(refusal(&set, &config).contains("expected an `annotation`"));
}

#[test]
fn labels_come_from_a_pickled_dictionary() {
    let (set, config) = Set::voc();
    std::fs::remove_file(set.at("image_labels.csv")).unwrap();
    // Labels of four classes for 2007_000032, 2007_000039 and 2011_003276.
    let pickled = include_bytes!("../oracle/cls_labels_4.npy");
    std::fs::write(set.at("cls_labels.npy"), pickled).unwrap();
    for id in ["2007_000032", "2007_000039", "2011_003276"] {
        set.image(&format!("JPEGImages/{id}.png"));
    }
    let train = "ImageSets/Segmentation/train.txt";
    set.text(train, "2007_000032\n2007_000039\n");
    set.text("ImageSets/Segmentation/val.txt", "2011_003276\n");
    let four = VocConfig {
        classes: ["a", "b", "c", "d"].map(String::from).to_vec(),
        ..config.clone()
    };
    let cases = DataConfig::Voc(four.clone())
        .open_cases(set.root())
        .unwrap();
    assert_eq!(cases.cases[0].labels, [true, false, false, true]);
    assert_eq!(cases.cases[2].labels, [false, true, true, false]);
    assert!(refusal(&set, &config).contains("has 4 labels, expected 2"));
    set.text(train, "2007_000001\n");
    assert!(refusal(&set, &four).contains("`2007_000001` has no labels in"));
}

#[test]
fn index_maps_may_lie_in_another_folder() {
    let (set, config) = Set::voc();
    let augmented = VocConfig {
        masks: Some("SegmentationClassAug".into()),
        ..config
    };
    let augmented = DataConfig::Voc(augmented);
    let cases = augmented.open_cases(set.root()).unwrap();
    let missing = augmented.open_truth(set.root(), &cases).unwrap_err();
    assert!(
        missing.to_string().contains("SegmentationClassAug"),
        "{missing}"
    );
    set.mask("SegmentationClassAug/2007_000001.png", 1);
    let truth = augmented.open_truth(set.root(), &cases).unwrap();
    assert!(truth.mask("2007_000001").unwrap().is_some());
    assert!(truth.mask("2007_000000").unwrap().is_none());
}

#[test]
fn refusals_say_where_and_what() {
    let (set, config) = Set::voc();
    set.text(
        "ImageSets/Segmentation/train.txt",
        "2007_000000\n2007_000000\n",
    );
    assert!(refusal(&set, &config).contains("lines 1 and 2"));
    set.text(
        "ImageSets/Segmentation/train.txt",
        "2007_000000\n2007_000003\n",
    );
    let error = refusal(&set, &config);
    assert!(
        error.contains("val.txt, line 1") && error.contains("also in the list of train"),
        "{error}"
    );
    set.text(
        "ImageSets/Segmentation/train.txt",
        "2007_000000\n2007_000009\n",
    );
    let cases = DataConfig::Voc(config.clone()).open_cases(set.root());
    let cases = cases.unwrap();
    assert_eq!(cases.left_out, [("2007_000009".into(), "no image".into())]);
    let told = &cases.warnings[0];
    assert!(
        told.contains("train.txt: no image below")
            && told.contains("for 1 row: `2007_000009` (line 2)"),
        "{told}"
    );
    set.image("JPEGImages/2007_000009.png");
    assert!(refusal(&set, &config).contains("has no usable row"));
    set.text("ImageSets/Segmentation/train.txt", "\n");
    assert!(refusal(&set, &config).contains("the split `train` has no cases"));
    let twenty = VocConfig::default();
    assert!(refusal(&set, &twenty).contains("`aeroplane`"));
    let other = VocConfig {
        train: "train_aug".into(),
        ..config
    };
    assert!(refusal(&set, &other).contains("train_aug.txt"));
}
