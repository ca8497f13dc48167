//! Masks and boxes: how they are found, what their values mean, and what is refused.

use weakseg_data::{
    BoundingBox, DataConfig, Plane, Split, TableConfig, Truth, VOID, write_gray_png,
    write_index_png,
};

use crate::set::Set;

fn truth(set: &Set, config: &TableConfig) -> Truth {
    let config = DataConfig::Table(config.clone());
    let cases = config.open_cases(set.root()).unwrap();
    config.open_truth(set.root(), &cases).unwrap()
}

#[test]
fn masks_and_boxes_are_found_by_id() {
    let (set, config) = Set::table();
    let truth = truth(&set, &config);
    let mask = truth.mask("p0_0").unwrap().unwrap();
    assert_eq!(mask.planes.plane(0)[..5], [1, 1, 1, 1, 0]);
    let expected = BoundingBox {
        label: 0,
        x: 0.0,
        y: 1.0,
        width: 3.5,
        height: 2.0,
    };
    assert_eq!(truth.boxes("p1_1"), [expected]);
    assert!(truth.boxes("p2_0").is_empty() && truth.boxes("nobody").is_empty());
    assert!(truth.has_masks(Split::Train) && !truth.has_masks(Split::Test));
    assert!(truth.has_boxes(Split::Train) || truth.has_boxes(Split::Val));
}

#[test]
fn a_set_without_masks_has_none() {
    let (set, config) = Set::table();
    std::fs::remove_dir_all(set.at("masks")).unwrap();
    std::fs::remove_file(set.at("boxes.csv")).unwrap();
    let without = truth(&set, &config);
    assert!(without.mask("p0_0").unwrap().is_none() && without.mask("p9_0").unwrap().is_none());
    assert!(!without.has_masks(Split::Train) && !without.has_boxes(Split::Val));
    // What is named must exist; what is usual may.
    let named = TableConfig {
        masks: Some("masks".into()),
        ..config
    };
    let data = DataConfig::Table(named);
    let cases = data.open_cases(set.root()).unwrap();
    assert!(
        data.open_truth(set.root(), &cases)
            .unwrap_err()
            .to_string()
            .contains("masks")
    );
}

#[test]
fn negatives_need_no_mask_and_positives_do() {
    let (set, config) = Set::table();
    std::fs::remove_file(set.at("masks/p0_0.png")).unwrap();
    std::fs::remove_file(set.at("masks/p9_0.png")).unwrap();
    let truth = truth(&set, &config);
    assert!(truth.mask("p0_0").unwrap().is_none());
    let empty = truth.mask("p9_0").unwrap().unwrap();
    assert_eq!(empty.planes.as_slice(), [0; 48]);
}

#[test]
fn several_findings_have_their_folders_and_unknown_ones_are_void() {
    let (set, config) = Set::table();
    set.text(
        "labels.csv",
        "image,mass,node\np0_0,1,1\np1_0,1,0\np5_0,0,0\np6_0,0,1\np7_0,0,0\n",
    );
    set.mask("masks/mass/p0_0.png", 255);
    set.mask("masks/mass/p1_0.png", 1);
    let truth = truth(&set, &config);
    let mask = truth.mask("p0_0").unwrap().unwrap();
    assert_eq!(mask.planes.plane(0)[..5], [1, 1, 1, 1, 0]);
    assert_eq!(mask.planes.plane(1), [VOID; 48]);
    assert_eq!(
        truth.mask("p1_0").unwrap().unwrap().planes.plane(1),
        [0; 48]
    );
    assert!(truth.mask("p6_0").unwrap().is_none());
    assert_eq!(
        truth.mask("p5_0").unwrap().unwrap().planes.as_slice(),
        [0; 96]
    );
}

#[test]
fn values_mean_something_or_are_refused() {
    let (set, config) = Set::table();
    let error = |truth: &Truth| truth.mask("p0_0").unwrap_err().to_string();
    let truth = truth(&set, &config);
    set.mask("masks/p0_0.png", 255);
    assert_eq!(
        truth.mask("p0_0").unwrap().unwrap().planes.plane(0)[..5],
        [1, 1, 1, 1, 0]
    );
    set.mask("masks/p0_0.png", 128);
    assert!(
        error(&truth).contains("values 0, 128 found"),
        "{}",
        error(&truth)
    );
    let small = Plane::filled(6, 7, 0);
    write_gray_png(&set.at("masks/p0_0.png"), &small).unwrap();
    let text = error(&truth);
    assert!(text.contains("6x7") && text.contains("6x8"), "{text}");
    set.text("masks/p0_0.png", "not a png");
    assert!(error(&truth).contains("p0_0.png"));
    std::fs::rename(set.at("masks/p0_0.png"), set.at("masks/p0_0.jpg")).unwrap();
    assert!(error(&truth).contains("JPEG"));
}

#[test]
fn masks_of_another_size_are_resized_only_if_that_is_asked_for() {
    let (set, config) = Set::table();
    // Twice the height, half the width of the image: the left half is there.
    let mask = Plane::from_fn(12, 4, |_, x| u8::from(x < 2));
    write_gray_png(&set.at("masks/p0_0.png"), &mask).unwrap();
    let refused = truth(&set, &config).mask("p0_0").unwrap_err().to_string();
    assert!(
        refused.contains("12x4") && refused.contains("data.resize_masks = \"nearest\""),
        "{refused}"
    );
    let data: DataConfig =
        toml::from_str("kind = \"table\"\nresize_masks = \"nearest\"\n").unwrap();
    let cases = data.open_cases(set.root()).unwrap();
    let found = data.open_truth(set.root(), &cases).unwrap().mask("p0_0");
    let expected = Plane::from_fn(6, 8, |_, x| u8::from(x < 4));
    assert_eq!(found.unwrap().unwrap().planes.to_plane(0), expected);
    assert!(data.verify(set.root()).passes(true));
    assert!(!DataConfig::Table(config).verify(set.root()).passes(false));
    for kind in ["table", "voc"] {
        let other = format!("kind = \"{kind}\"\nresize_masks = \"area\"\n");
        assert!(toml::from_str::<DataConfig>(&other).is_err());
        let plain: DataConfig = toml::from_str(&format!("kind = \"{kind}\"\n")).unwrap();
        assert!(!toml::to_string(&plain).unwrap().contains("resize_masks"));
    }
    let (set, config) = Set::voc();
    let small = Plane::from_fn(3, 4, |_, x| if x < 2 { 2 } else { 255 });
    write_index_png(&set.at("SegmentationClass/2007_000001.png"), &small).unwrap();
    let data = DataConfig::Voc(weakseg_data::VocConfig {
        resize_masks: Some(weakseg_data::MaskResize::Nearest),
        ..config
    });
    let cases = data.open_cases(set.root()).unwrap();
    let mask = data
        .open_truth(set.root(), &cases)
        .unwrap()
        .mask("2007_000001");
    let expected = Plane::from_fn(6, 8, |_, x| if x < 4 { 2 } else { 255 });
    assert_eq!(mask.unwrap().unwrap().planes.to_plane(0), expected);
}

#[test]
fn index_maps_are_read_by_index_and_hold_classes_and_void() {
    let (set, config) = Set::voc();
    let data = DataConfig::Voc(config);
    let cases = data.open_cases(set.root()).unwrap();
    let truth = data.open_truth(set.root(), &cases).unwrap();
    let path = set.at("SegmentationClass/2007_000000.png");
    let map = Plane::from_fn(6, 8, |y, _| [0, 1, 2, 255, 255, 0][y]);
    write_index_png(&path, &map).unwrap();
    assert_eq!(
        truth
            .mask("2007_000000")
            .unwrap()
            .unwrap()
            .planes
            .to_plane(0),
        map
    );
    write_index_png(&path, &map.map(|&v| if v == 2 { 3 } else { v })).unwrap();
    let error = truth.mask("2007_000000").unwrap_err().to_string();
    assert!(error.contains("values 3 found"), "{error}");
}

#[test]
fn boxes_that_cannot_be_understood_are_refused() {
    let (set, config) = Set::table();
    let config = DataConfig::Table(config);
    let cases = config.open_cases(set.root()).unwrap();
    let header = "image,label,x,y,width,height\n";
    for (rows, part) in [
        ("p0_0.png,mass,0,0,four,6\n", "line 2: `width` = `four`"),
        ("p0_0.png,mass,0,0,0,6\n", "0 wide"),
        ("p0_0.png,mass,NaN,0,1,6\n", "`NaN`"),
        ("p0_0.png,mess,0,0,1,6\n", "`mess`"),
    ] {
        set.text("boxes.csv", &format!("{header}{rows}"));
        let error = config
            .open_truth(set.root(), &cases)
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
    }
    set.text("boxes.csv", "image,x,y,w,h\n");
    let error = config
        .open_truth(set.root(), &cases)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`width`") && error.contains("`w`"),
        "{error}"
    );
}
