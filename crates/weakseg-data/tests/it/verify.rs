//! Each rule of verification: a set that breaks it, and one that nearly does.

use std::fs;

use weakseg_data::{DataConfig, Plane, Rule, Severity, TableConfig, VerifyReport, write_gray_png};

use crate::set::Set;

fn verify(set: &Set) -> VerifyReport {
    DataConfig::Table(TableConfig::default()).verify(set.root())
}

/// The one fault of a set.
fn only(report: &VerifyReport) -> (Rule, Severity, String) {
    assert_eq!(report.faults.len(), 1, "{report}");
    let fault = &report.faults[0];
    (fault.rule, fault.severity, fault.error.to_string())
}

fn append(set: &Set, name: &str, rows: &str) {
    let text = fs::read_to_string(set.at(name)).unwrap();
    set.text(name, &format!("{text}{rows}"));
}

#[test]
fn faultless_sets_have_no_faults() {
    let (set, _) = Set::table();
    let report = verify(&set);
    assert!(report.passes(true), "{report}");
    assert_eq!((report.cases, report.masks, report.boxes), (20, 20, 2));
    assert_eq!(
        report.to_string(),
        "train: 16 cases, 8 with `mass`\nval: 4 cases, 2 with `mass`\n\
         20 cases of 10 patients, masks of 20 cases, 2 boxes: 0 errors, 0 warnings"
    );
    for id in ["p5_0", "p9_1"] {
        fs::remove_file(set.at(&format!("masks/{id}.png"))).unwrap();
    }
    let report = verify(&set);
    assert_eq!((report.masks, report.taken_as_empty), (18, 2));
    let told = "masks of 18 cases (empty ones taken for 2 cases without a finding)";
    assert!(report.to_string().contains(told), "{report}");
    let (set, config) = Set::voc();
    let report = DataConfig::Voc(config).verify(set.root());
    assert!(report.passes(true), "{report}");
    assert_eq!((report.cases, report.masks), (4, 4));
}

#[test]
fn readable_table() {
    let (set, _) = Set::table();
    fs::remove_file(set.at("labels.csv")).unwrap();
    let (rule, severity, _) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::ReadableTable, Severity::Error));
    let (set, _) = Set::table();
    set.text("boxes.csv", "image,x\n");
    assert_eq!(only(&verify(&set)).0, Rule::ReadableTable);
}

#[test]
fn rows_ids_and_images_are_listed_all_at_once() {
    let (set, _) = Set::table();
    append(
        &set,
        "labels.csv",
        "p0_0.png,p0,0\n..,p1,0\ngone.png,p8,0\nlost.png,p8,1\np9_1.png,p9,maybe\n",
    );
    let mut report = verify(&set);
    let rules: Vec<Rule> = report.errors().map(|fault| fault.rule).collect();
    let expected = [
        Rule::UniqueId,
        Rule::UniqueId,
        Rule::SafeId,
        Rule::ReadableRow,
    ];
    assert_eq!(rules, expected, "{report}");
    let told: Vec<String> = report.warnings().map(ToString::to_string).collect();
    let [warning] = told.as_slice() else {
        panic!("{report}");
    };
    let told = "images for 2 rows: `gone.png` (line 24), `lost.png` (line 25); they are left out";
    assert!(warning.contains(told), "{warning}");
    assert_eq!((report.cases, report.left_out), (20, 2));
    report.allow_skips(2);
    assert_eq!(report.errors().count(), 4);
    report.allow_skips(1);
    assert_eq!(report.errors().count(), 5);
}

#[test]
fn images_of_rows_that_cannot_be_used_are_not_told_to_have_none() {
    let (set, _) = Set::table();
    let table = fs::read_to_string(set.at("labels.csv")).unwrap();
    set.text("labels.csv", &table.replace("p3_", r"images\p3_"));
    let report = verify(&set);
    let images = report
        .warnings()
        .filter(|fault| fault.rule == Rule::RowOfImage);
    assert_eq!(
        (report.errors().count(), images.count()),
        (1, 0),
        "{report}"
    );
}

#[test]
fn row_of_image() {
    let (set, _) = Set::table();
    set.image("images/stray.png");
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::RowOfImage, Severity::Warning));
    assert!(
        text.contains("1 image without") && text.contains("`stray.png`"),
        "{text}"
    );
    let (set, _) = Set::table();
    set.text("images/readme.txt", "no image");
    assert!(verify(&set).passes(true));
}

#[test]
fn readable_image() {
    let (set, _) = Set::table();
    let path = set.at("images/p3_0.png");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::ReadableImage, Severity::Error));
    assert!(
        text.contains("p3_0.png") && text.contains("cut off"),
        "{text}"
    );
    let mut report = verify(&set);
    let told = report.to_string();
    assert!(told.contains("val: 3 cases, 1 with `mass`"), "{told}");
    assert_eq!((report.cases, report.masks, report.left_out), (19, 19, 1));
    report.allow_skips(1);
    assert_eq!(only(&report).1, Severity::Warning);
    report.allow_skips(0);
    assert_eq!(only(&report).1, Severity::Error);
    fs::write(&path, &bytes).unwrap();
    assert!(verify(&set).passes(true));
}

#[test]
fn not_empty_split_not_empty_two_classes() {
    let (set, _) = Set::table();
    set.text("labels.csv", "image,mass\n");
    assert!(
        verify(&set)
            .errors()
            .any(|fault| fault.rule == Rule::NotEmpty)
    );
    set.text("labels.csv", "image,mass\np0_0,1\n");
    assert!(
        verify(&set)
            .errors()
            .any(|fault| fault.rule == Rule::SplitNotEmpty)
    );
    let negatives: String = (5..10)
        .map(|patient| format!("p{patient}_0,{}\n", 0))
        .collect();
    set.text("labels.csv", &format!("image,mass\n{negatives}"));
    assert!(
        verify(&set)
            .errors()
            .any(|fault| fault.rule == Rule::TwoClasses)
    );
    // One positive for each of both splits is enough.
    set.text(
        "labels.csv",
        "image,split,mass\np0_0,train,1\np5_0,train,0\np1_0,val,1\n",
    );
    assert_eq!(verify(&set).errors().count(), 0);
}

#[test]
fn class_in_scoring_and_splits_that_stay_empty() {
    let (set, _) = Set::table();
    let rows = |val: u8| {
        let test = "p1_0,test,1\np6_0,test,0\n";
        format!("image,split,mass\np0_0,train,1\np5_0,train,0\np2_0,val,1\np7_0,val,{val}\n{test}")
    };
    set.text("labels.csv", &rows(0));
    let told = |report: &VerifyReport| {
        let of = report
            .warnings()
            .filter(|fault| fault.rule == Rule::ClassInScoring);
        of.map(|fault| fault.error.to_string()).collect::<Vec<_>>()
    };
    assert!(told(&verify(&set)).is_empty());
    set.text("labels.csv", &rows(1));
    let text = told(&verify(&set)).concat();
    assert!(
        text.contains("0 negatives of `mass` among 2 cases of the split `val`"),
        "{text}"
    );
    // Two patients cannot fill three splits.
    set.text(
        "labels.csv",
        "image,patient,mass\np0_0,a,1\np5_0,b,0\np2_0,a,1\np7_0,b,0\n",
    );
    let report = |test_fraction: f64| {
        let config = TableConfig {
            test_fraction,
            ..TableConfig::default()
        };
        DataConfig::Table(config).verify(set.root()).to_string()
    };
    assert!(
        report(0.3).contains("a test split was asked for and has none of 4 cases"),
        "{}",
        report(0.3)
    );
    assert!(!report(0.0).contains("a test split"));
}

#[test]
fn class_in_training() {
    let (set, _) = Set::table();
    let rows = |mass: u8| {
        format!(
            "image,split,mass,node\np0_0,train,{mass},0\np5_0,train,0,1\np1_0,val,1,0\np6_0,val,0,1\n"
        )
    };
    set.text("labels.csv", &rows(0));
    fs::remove_dir_all(set.at("masks")).unwrap();
    fs::remove_dir_all(set.at("images")).unwrap();
    for id in ["p0_0", "p5_0", "p1_0", "p6_0"] {
        set.image(&format!("images/{id}.png"));
    }
    fs::remove_file(set.at("boxes.csv")).unwrap();
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::ClassInTraining, Severity::Warning));
    assert!(text.contains("`mass`"), "{text}");
    set.text("labels.csv", &rows(1));
    assert!(verify(&set).passes(true));
}

#[test]
fn patient_in_one_split() {
    let (set, _) = Set::table();
    fs::remove_dir_all(set.at("images")).unwrap();
    fs::remove_dir_all(set.at("masks")).unwrap();
    fs::remove_file(set.at("boxes.csv")).unwrap();
    for id in ["a", "b", "c", "d"] {
        set.image(&format!("images/{id}.png"));
    }
    let rows = |patient: &str| {
        format!("image,patient,split,mass\na,p,train,1\nb,q,train,0\nc,{patient},val,1\nd,,val,0\n")
    };
    set.text("labels.csv", &rows("p"));
    let report = verify(&set);
    let (rule, severity, text) = only(&report);
    assert_eq!(
        (rule, severity),
        (Rule::PatientInOneSplit, Severity::Warning)
    );
    assert!(text.contains("train (`a`) and val (`c`)"), "{text}");
    assert!(report.passes(false) && !report.passes(true));
    // A run tells it too, of all patients at once.
    let opened = DataConfig::Table(TableConfig::default()).open_cases(set.root());
    let warnings = opened.unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("1 patient, one in train (`a`) and val (`c`)"),
        "{warnings:?}"
    );
    set.text("labels.csv", &rows("r"));
    assert!(verify(&set).passes(true));
}

#[test]
fn different_images() {
    let (set, _) = Set::table();
    fs::copy(set.at("images/p3_0.png"), set.at("images/p7_1.png")).unwrap();
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::DifferentImages, Severity::Warning));
    assert!(
        text.contains("p7_1.png") && text.contains("`p3_0`"),
        "{text}"
    );
}

#[test]
fn readable_mask_size_and_values() {
    for (change, expected) in [
        (
            Box::new(|set: &Set| set.text("masks/p0_0.png", "")) as Box<dyn Fn(&Set)>,
            Rule::ReadableMask,
        ),
        (
            Box::new(|set: &Set| {
                write_gray_png(&set.at("masks/p0_0.png"), &Plane::filled(8, 6, 1)).unwrap()
            }),
            Rule::MaskSize,
        ),
        (
            Box::new(|set: &Set| set.mask("masks/p0_0.png", 2)),
            Rule::MaskValues,
        ),
    ] {
        let (set, _) = Set::table();
        change(&set);
        let (rule, severity, text) = only(&verify(&set));
        assert_eq!((rule, severity), (expected, Severity::Error));
        assert!(text.contains("p0_0.png"), "{text}");
    }
    let (set, _) = Set::table();
    set.mask("masks/p0_0.png", 255);
    assert!(verify(&set).passes(true));
}

#[test]
fn mask_agrees_with_label() {
    let (set, _) = Set::table();
    set.mask("masks/p9_0.png", 1);
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!(
        (rule, severity),
        (Rule::MaskAgreesWithLabel, Severity::Warning)
    );
    assert!(text.contains("its mask shows `mass`"), "{text}");
    let (set, _) = Set::table();
    set.mask("masks/p0_0.png", 0);
    assert!(only(&verify(&set)).2.contains("its labels name `mass`"));
}

/// One finding's PNG does not hide the JPEG of another.
#[test]
fn jpegs_of_masks_are_refused_beside_pngs_too() {
    let (set, _) = Set::table();
    set.text("labels.csv", "image,a,b\np0_0.png,1,1\np0_1.png,0,0\n");
    fs::remove_file(set.at("boxes.csv")).unwrap();
    for id in ["p0_0", "p0_1"] {
        set.mask(&format!("masks/a/{id}.png"), u8::from(id == "p0_0"));
    }
    set.text("masks/b/p0_0.jpg", "blurred");
    let report = verify(&set);
    let told: Vec<String> = report.errors().map(ToString::to_string).collect();
    let of_mask = told.iter().filter(|error| error.contains("masks/"));
    let of_mask: Vec<&String> = of_mask.collect();
    assert!(
        of_mask.len() == 1 && of_mask[0].contains("b/p0_0.jpg: the mask is a JPEG"),
        "{report}"
    );
}

#[test]
fn case_of_mask() {
    let (set, _) = Set::table();
    set.mask("masks/p99.png", 1);
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::CaseOfMask, Severity::Warning));
    assert!(text.contains("`p99.png`"), "{text}");
    let (set, _) = Set::table();
    set.text("masks/readme.txt", "no mask");
    assert!(verify(&set).passes(true));
}

#[test]
fn folders_of_masks_are_named_as_their_findings() {
    let (set, _) = Set::table();
    set.mask("masks/mass/p0_0.png", 1);
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::CaseOfMask, Severity::Warning));
    let told = "1 folder of masks that are not read: `mass`; with one finding masks lie in this folder itself";
    assert!(text.contains(told), "{text}");

    let (set, config) = Set::table();
    for folder in ["images", "masks"] {
        fs::remove_dir_all(set.at(folder)).unwrap();
    }
    fs::remove_file(set.at("boxes.csv")).unwrap();
    let rows = "a,train,1,0\nb,train,0,1\nc,train,0,0\nd,val,1,0\ne,val,0,1\nf,val,0,0\n";
    set.text("labels.csv", &format!("image,split,Mass,node\n{rows}"));
    for id in ["a", "b", "c", "d", "e", "f"] {
        set.image(&format!("images/{id}.png"));
    }
    for name in ["mass/a.png", "mass/d.png", ".thumbnails/a.png"] {
        set.mask(&format!("masks/{name}"), 1);
    }
    let report = verify(&set);
    let told: Vec<String> = report.warnings().map(ToString::to_string).collect();
    let [folder, val] = told.as_slice() else {
        panic!("{report}");
    };
    let expected = "`mass`; name each folder as its finding, capitals included: `Mass`, `node`";
    assert!(folder.contains(expected), "{folder}");
    let expected = "no mask of any of the 2 cases with a finding in the split `val`";
    assert!(val.contains(expected), "{val}");
    // A run tells the same.
    let data = DataConfig::Table(config);
    let cases = data.open_cases(set.root()).unwrap();
    let truth = data.open_truth(set.root(), &cases).unwrap();
    let told: Vec<String> = told
        .iter()
        .map(|text| text["warning: ".len()..].to_owned())
        .collect();
    assert_eq!(truth.warnings(), told);

    fs::rename(set.at("masks/mass"), set.at("masks/Mass")).unwrap();
    let (_, _, text) = only(&verify(&set));
    let expected = "no mask of 1 of the 2 cases with a finding in the split `val`: `e`";
    assert!(text.contains(expected), "{text}");
    set.mask("masks/node/e.Png", 1);
    let report = verify(&set);
    let told: Vec<String> = report.warnings().map(ToString::to_string).collect();
    assert!(
        told.len() == 2 && told[0].contains("`node/e.Png`"),
        "{report}"
    );
    fs::rename(set.at("masks/node/e.Png"), set.at("masks/node/e.png")).unwrap();
    assert!(verify(&set).passes(true), "{}", verify(&set));
}

#[test]
fn class_of_objects() {
    let (set, config) = Set::voc();
    for id in ["2007_000000", "2007_000002"] {
        set.mask(&format!("SegmentationObject/{id}.png"), 1);
        fs::remove_file(set.at(&format!("SegmentationClass/{id}.png"))).unwrap();
    }
    let data = DataConfig::Voc(config);
    let (rule, severity, text) = only(&data.verify(set.root()));
    assert_eq!((rule, severity), (Rule::ClassOfObjects, Severity::Warning));
    let told = "2 object maps without a class map, which tells the classes of objects: `2007_000000.png`, `2007_000002.png`";
    assert!(text.contains(told), "{text}");
    for id in ["2007_000000", "2007_000002"] {
        set.mask(&format!("SegmentationClass/{id}.png"), 1);
    }
    assert!(data.verify(set.root()).passes(true));
}

#[test]
fn box_in_image() {
    let (set, _) = Set::table();
    append(&set, "boxes.csv", "p2_0.png,mass,4,0,6,6\n");
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::BoxInImage, Severity::Error));
    assert!(text.contains("p2_0.png") && text.contains("6x8"), "{text}");
    let (set, _) = Set::table();
    append(&set, "boxes.csv", "p2_0.png,mass,4,0,4.5,6.9\n");
    assert!(verify(&set).passes(true));
}

#[test]
fn case_of_box() {
    let (set, _) = Set::table();
    append(&set, "boxes.csv", "p7_0.png,mass,0,0,4,4\n");
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::CaseOfBox, Severity::Warning));
    assert!(text.contains("a box of mass, its labels do not"), "{text}");
    let (set, _) = Set::table();
    append(&set, "boxes.csv", "elsewhere.png,mass,0,0,4,4\n");
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::CaseOfBox, Severity::Warning));
    assert!(text.contains("`elsewhere`"), "{text}");
    let (set, _) = Set::table();
    append(&set, "boxes.csv", "p2_0.png,nodule,0,0,4,4\n");
    assert!(only(&verify(&set)).2.contains("`nodule`"));
}

#[test]
fn a_report_is_written_as_json() {
    let (set, _) = Set::table();
    set.mask("masks/p0_0.png", 2);
    let json = serde_json::to_value(verify(&set)).unwrap();
    assert_eq!(json["cases"], 20);
    assert_eq!(json["faults"][0]["rule"], "mask-values");
    assert_eq!(json["faults"][0]["severity"], "error");
    assert!(
        json["faults"][0]["message"]
            .as_str()
            .unwrap()
            .contains("p0_0.png")
    );
}
