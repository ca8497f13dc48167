//! Masks, objects and boxes: how they are found, what their values mean, and what is refused.

use weakseg_data::{
    BoundingBox, DataConfig, DataError, MaskResize, PhantomSetConfig, Plane, Split, TableConfig,
    TrueInstance, Truth, VOID, VocConfig, write_gray_png, write_index_png,
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
}

#[test]
fn a_set_without_masks_has_none() {
    let (set, config) = Set::table();
    std::fs::remove_dir_all(set.at("masks")).unwrap();
    std::fs::remove_file(set.at("boxes.csv")).unwrap();
    let without = truth(&set, &config);
    assert!(without.mask("p0_0").unwrap().is_none() && without.mask("p9_0").unwrap().is_none());
    assert!(!without.has_masks(Split::Train) && without.boxes("p1_1").is_empty());
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
fn masks_end_in_png_in_either_case_and_others_are_told() {
    let (set, config) = Set::table();
    std::fs::rename(set.at("masks/p0_0.png"), set.at("masks/p0_0.PNG")).unwrap();
    std::fs::rename(set.at("masks/p1_0.png"), set.at("masks/p1_0.tif")).unwrap();
    let truth = truth(&set, &config);
    let mask = truth.mask("p0_0").unwrap().unwrap();
    assert_eq!(mask.planes.plane(0)[..5], [1, 1, 1, 1, 0]);
    assert!(truth.mask("p1_0").unwrap().is_none());
    let [told] = truth.warnings() else {
        panic!("{:?}", truth.warnings());
    };
    assert!(
        told.contains("p1_0.tif") && told.contains("save masks as PNG"),
        "{told}"
    );
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
        resize_masks: Some(MaskResize::Nearest),
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

#[test]
fn boxes_that_are_left_out_are_told_and_those_outside_refused() {
    let (set, config) = Set::table();
    let data = DataConfig::Table(config.clone());
    let cases = data.open_cases(set.root()).unwrap();
    let open = |rows: &str| {
        let text = format!("image,label,x,y,width,height\np0_0.png,mass,0,0,4,4\n{rows}");
        set.text("boxes.csv", &text);
        data.open_truth(set.root(), &cases)
    };
    assert!(open("").unwrap().warnings().is_empty());
    let odd = open("p0_0.png,nodule,0,0,4,4\nelsewhere.png,mass,0,0,4,4\n").unwrap();
    let [finding, image] = odd.warnings() else {
        panic!("{:?}", odd.warnings());
    };
    assert!(finding.contains("`nodule`") && image.contains("`elsewhere`"));
    // Images are 6 high and 8 wide.
    let text = open("p0_1.png,mass,500,500,4,4\n").unwrap_err().to_string();
    assert!(text.contains("leaves the image of 6x8"), "{text}");
}

#[test]
fn its_files_are_those_that_are_there() {
    let (set, config) = Set::table();
    let names = |set: &Set, config: &TableConfig| -> Vec<String> {
        let files = truth(set, config).files();
        let below = files
            .iter()
            .map(|path| path.strip_prefix(set.root()).unwrap());
        below.map(|path| path.display().to_string()).collect()
    };
    let all = names(&set, &config);
    assert_eq!(all.len(), 21, "20 masks and the boxes: {all:?}");
    assert!(all.contains(&"boxes.csv".to_owned()) && all.contains(&"masks/p0_0.png".to_owned()));
    std::fs::remove_file(set.at("masks/p0_0.png")).unwrap();
    set.text("masks/stray.png", "nobody's");
    set.text("instances.json", "{}");
    let now = names(&set, &config);
    assert_eq!(now.len(), 21, "{now:?}");
    assert!(
        now.contains(&"instances.json".to_owned()) && !now.contains(&"masks/p0_0.png".to_owned())
    );
}

fn truth_of_kit(set: &Set, config: &VocConfig) -> Truth {
    let config = DataConfig::Voc(config.clone());
    let cases = config.open_cases(set.root()).unwrap();
    config.open_truth(set.root(), &cases).unwrap()
}

#[test]
fn a_kits_objects_are_told_by_its_object_maps() {
    let (set, config) = Set::voc();
    let without = truth_of_kit(&set, &config);
    assert_eq!(without.instances("2007_000000").unwrap(), None);
    // Two cats, and a dog between void.
    let class_map = Plane::from_fn(6, 8, |y, _| [1, 1, 1, 255, 2, 0][y]);
    write_index_png(&set.at("SegmentationClass/2007_000000.png"), &class_map).unwrap();
    let objects = Plane::from_fn(6, 8, |y, x| [1 + u8::from(x > 3), 1, 2, 255, 4, 0][y]);
    let path = set.at("SegmentationObject/2007_000000.png");
    write_index_png(&path, &objects).unwrap();
    let truth = truth_of_kit(&set, &config);
    let found = truth.instances("2007_000000").unwrap().unwrap();
    let of = |class, number| TrueInstance {
        class,
        mask: objects.map(|&v| if v == VOID { v } else { u8::from(v == number) }),
    };
    assert_eq!(found, [of(0, 1), of(0, 2), of(1, 4)]);
    // An image without an object map, and none at all.
    assert_eq!(truth.instances("2007_000001").unwrap(), None);
    assert_eq!(truth.instances("2007_999999").unwrap(), None);
    // Half of an object, 24 of 48 pixels, is not most of it.
    write_index_png(&path, &objects.map(|_| 9)).unwrap();
    let error = truth.instances("2007_000000").unwrap_err();
    assert!(matches!(error, DataError::ObjectClass { object: 9, .. }));
    let text = error.to_string();
    for part in [
        "SegmentationObject",
        "object 9",
        "8 pixels of the background",
        "24 of `cat`",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn object_maps_that_fit_nothing_are_refused_and_listed() {
    let (set, config) = Set::voc();
    let object = "SegmentationObject/2007_000000.png";
    write_index_png(&set.at(object), &Plane::filled(6, 7, 1)).unwrap();
    let truth = truth_of_kit(&set, &config);
    let error = truth.instances("2007_000000").unwrap_err();
    assert!(matches!(error, DataError::MaskSize { .. }), "{error}");
    set.mask(object, 1);
    assert_eq!(truth.instances("2007_000000").unwrap().unwrap().len(), 1);
    std::fs::remove_file(set.at("SegmentationClass/2007_000000.png")).unwrap();
    assert_eq!(truth.instances("2007_000000").unwrap(), None);
    set.mask("SegmentationClass/2007_000000.png", 1);
    write_index_png(&set.at(object), &Plane::filled(6, 8, 3)).unwrap();
    let report = DataConfig::Voc(config).verify(set.root());
    let faults: Vec<String> = report.errors().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("object 3 lies over"), "{faults:?}");
}

/// The left half of the first rows of a 6x8 image, as run lengths down its columns.
const DOCUMENT: &str = r#"{
    "images": [
        {"id": 11, "file_name": "images/p0_0.png", "height": 6, "width": 8},
        {"id": 12, "file_name": "p9_0", "height": 6, "width": 8}
    ],
    "categories": [{"id": 5, "name": "Mass"}],
    "annotations": [
        {"id": 1, "image_id": 11, "category_id": 5, "iscrowd": 0,
         "segmentation": {"size": [6, 8], "counts": [0, 2, 46]}},
        {"id": 2, "image_id": 11, "category_id": 5,
         "segmentation": {"size": [6, 8], "counts": [4, 2, 42]}}
    ]
}"#;

#[test]
fn a_tables_objects_are_those_of_a_document_beside_it() {
    let (set, config) = Set::table();
    assert_eq!(truth(&set, &config).instances("p0_0").unwrap(), None);
    set.text("instances.json", DOCUMENT);
    let known = truth(&set, &config);
    let column = |rows: std::ops::Range<usize>| TrueInstance {
        class: 0,
        mask: Plane::from_fn(6, 8, |y, x| u8::from(x == 0 && rows.contains(&y))),
    };
    let found = known.instances("p0_0").unwrap().unwrap();
    assert_eq!(found, [column(0..2), column(4..6)]);
    // It is read once.
    std::fs::remove_file(set.at("instances.json")).unwrap();
    assert_eq!(known.instances("p9_0").unwrap(), Some(Vec::new()));
    assert_eq!(known.instances("p1_0").unwrap(), None);
    set.text("instances.json", DOCUMENT);
    let data = DataConfig::Table(config.clone());
    assert_eq!(data.verify(set.root()).faults.len(), 0);

    // What is of another size, of nobody, or of no class.
    set.text("instances.json", &DOCUMENT.replace("p9_0", "p77"));
    let strays = data.verify(set.root()).faults;
    assert_eq!(strays.len(), 1);
    assert!(
        strays[0]
            .to_string()
            .contains("1 image without a case: `p77`")
    );
    set.text(
        "instances.json",
        &DOCUMENT
            .replace("[6, 8]", "[8, 6]")
            .replace("\"height\": 6, \"width\": 8", "\"height\": 8, \"width\": 6"),
    );
    let error = truth(&set, &config).instances("p0_0").unwrap_err();
    assert!(matches!(error, DataError::MaskSize { .. }), "{error}");
    for (text, part) in [
        (
            DOCUMENT.replace("Mass", "node").as_str(),
            "the category `node` is none of the classes `mass`",
        ),
        ("[]", "a list of results"),
    ] {
        set.text("instances.json", text);
        let error = truth(&set, &config).instances("p0_0").unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        let report = data.verify(set.root());
        assert_eq!(report.errors().count(), 1);
        assert_eq!(report.masks, 20);
    }
}

/// Its scores are of masks and boxes; nobody asks for objects.
#[test]
fn a_document_that_is_not_the_tables_hinders_no_score_but_that_of_objects() {
    let (set, config) = Set::table();
    set.text("instances.json", "{\"panels\": 3}");
    let known = truth(&set, &config);
    assert!(known.mask("p0_0").unwrap().is_some());
    let error = known.instances("p0_0").unwrap_err().to_string();
    assert!(error.contains("instances.json: no instances"), "{error}");

    let of = |name: &str| TableConfig {
        instances: Some(name.into()),
        ..config.clone()
    };
    set.text("objects.json", DOCUMENT);
    let found = truth(&set, &of("objects.json")).instances("p0_0").unwrap();
    assert_eq!(found.unwrap().len(), 2);
    let none = DataConfig::Table(of("none"));
    assert_eq!(truth(&set, &of("none")).instances("p0_0").unwrap(), None);
    assert!(none.verify(set.root()).passes(true));
    let gone = DataConfig::Table(of("gone.json"));
    let cases = gone.open_cases(set.root()).unwrap();
    let error = gone.open_truth(set.root(), &cases).unwrap_err().to_string();
    assert!(
        error.contains("data.instances = gone.json: expected a file"),
        "{error}"
    );
}

#[test]
fn objects_of_a_document_are_resized_with_the_masks() {
    let (set, config) = Set::table();
    // Three columns of four pixels: the middle one, and the upper half of the last.
    set.text(
        "instances.json",
        r#"{"images": [{"id": 1, "file_name": "p0_0.png", "height": 4, "width": 3}],
            "categories": [{"id": 1, "name": "mass"}],
            "annotations": [
                {"image_id": 1, "category_id": 1, "segmentation": {"size": [4, 3], "counts": [4, 4, 4]}},
                {"image_id": 1, "category_id": 1, "segmentation": {"size": [4, 3], "counts": [8, 2, 2]}}
            ]}"#,
    );
    let error = truth(&set, &config).instances("p0_0").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("4x3") && text.contains("6x8"), "{text}");
    let nearest = TableConfig {
        resize_masks: Some(MaskResize::Nearest),
        ..config
    };
    let found = truth(&set, &nearest).instances("p0_0").unwrap().unwrap();
    // Of eight columns the centres 3/16, 9/16, 15/16 | 21/16, 27/16 | 33/16, 39/16, 45/16 lie in three; of six rows
    // three in the upper half.
    let of = |inside: fn(usize, usize) -> bool| TrueInstance {
        class: 0,
        mask: Plane::from_fn(6, 8, |y, x| u8::from(inside(y, x))),
    };
    let expected = [of(|_, x| x == 3 || x == 4), of(|y, x| y < 3 && x > 4)];
    assert_eq!(found, expected);
}

#[test]
fn a_phantoms_mask_is_one_object() {
    let folder = tempfile::tempdir().unwrap();
    let set = DataConfig::Phantom(PhantomSetConfig {
        count: 8,
        size: 64,
        ..PhantomSetConfig::default()
    });
    let cases = set.open_cases(folder.path()).unwrap();
    let truth = set.open_truth(folder.path(), &cases).unwrap();
    for case in &cases.cases {
        let mask = truth.mask(&case.id).unwrap().unwrap().planes.to_plane(0);
        let expected = case
            .is_positive()
            .then_some(TrueInstance { class: 0, mask });
        let found = truth.instances(&case.id).unwrap().unwrap();
        assert_eq!(found, Vec::from_iter(expected));
    }
}
