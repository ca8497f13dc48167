//! SIIM-ACR as it is downloaded: labels from run lengths, masks for scoring alone, patients kept together.

use std::collections::BTreeMap;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};
use weakseg_data::{
    Cases, DataConfig, DataError, LabelSpace, Limits, Rule, Severity, SiimConfig, Split, Tone,
    VerifyReport, write_splits,
};

use crate::dicom_file::{DicomFile, baseline_jpeg};
use crate::set::Set;

/// One image of 6 rows and 8 columns, in JPEG as the published ones are.
fn image(set: &Set, name: &str, patient: &str) {
    let id = name.rsplit('/').next().unwrap();
    let salt = id
        .bytes()
        .fold(3_usize, |sum, byte| sum * 31 % 251 + usize::from(byte));
    let samples: Vec<u8> = (0..48).map(|at| (at * salt % 256) as u8).collect();
    let mut file = DicomFile::grey(6, 8, 8, &[]);
    file.text(tags::PATIENT_ID, VR::LO, patient);
    file.text(tags::SOP_INSTANCE_UID, VR::UI, id);
    let file = file.fragments(
        uids::JPEG_BASELINE8_BIT,
        vec![baseline_jpeg(6, 8, false, &samples)],
    );
    let path = set.at(&format!("dicom-images-train/{name}.dcm"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, file.encode()).unwrap();
}

/// 12 patients of two images, every fourth image positive, in folders of their own as the challenge has them.
pub fn set() -> (Set, String) {
    let set = Set::new();
    let mut rows = String::from("ImageId, EncodedPixels\r\n");
    for at in 0..24 {
        let id = format!("1.2.276.{at}");
        image(
            &set,
            &format!("study{at}/series{at}/{id}"),
            &format!("p{}", at / 2),
        );
        rows += &match at % 4 {
            // Column 1, rows 0 to 2, and the lower half of the last but one.
            0 => format!("{id}, 6 3 36 3\r\n"),
            _ => format!("{id}, -1\r\n"),
        };
    }
    set.text("train-rle.csv", &rows);
    (set, rows)
}

pub fn config() -> SiimConfig {
    SiimConfig {
        val_fraction: 0.25,
        test_fraction: 0.25,
        ..SiimConfig::default()
    }
}

fn open(set: &Set, config: &SiimConfig) -> Result<Cases, DataError> {
    DataConfig::Siim(config.clone()).open_cases(set.root())
}

fn verify(set: &Set) -> VerifyReport {
    DataConfig::Siim(config()).verify(set.root())
}

fn only(report: &VerifyReport) -> (Rule, Severity, String) {
    assert_eq!(report.faults.len(), 1, "{report}");
    let fault = &report.faults[0];
    (fault.rule, fault.severity, fault.error.to_string())
}

#[test]
fn labels_come_from_rows_and_masks_from_the_truth_alone() {
    let (set, _) = set();
    let cases = open(&set, &config()).unwrap();
    assert_eq!(cases.classes.names, ["pneumothorax"]);
    assert_eq!(cases.classes.space, LabelSpace::Findings);
    assert_eq!(cases.cases.len(), 24);
    let first = &cases.cases[0];
    assert_eq!((first.id.as_str(), first.labels[0]), ("1.2.276.0", true));
    assert_eq!(first.patient.as_deref(), Some("p0"));
    assert!(!cases.cases[1].labels[0]);
    let truth = DataConfig::Siim(config())
        .open_truth(set.root(), &cases)
        .unwrap();
    let mask = truth.mask("1.2.276.0").unwrap().unwrap().planes.to_plane(0);
    let present: Vec<(usize, usize)> = (0..6)
        .flat_map(|y| (0..8).map(move |x| (y, x)))
        .filter(|&(y, x)| mask.get(y, x) == 1)
        .collect();
    // 6 + 3 + 36 = 45: column 7, rows 3 to 5.
    assert_eq!(present, [(0, 1), (1, 1), (2, 1), (3, 7), (4, 7), (5, 7)]);
    let healthy = truth.mask("1.2.276.1").unwrap().unwrap();
    assert!(healthy.planes.as_slice().iter().all(|&value| value == 0));
    assert!(truth.mask("1.2.276.99").unwrap().is_none());
    assert!(truth.has_masks(Split::Train) && truth.has_masks(Split::Val));
    let report = verify(&set);
    assert!(report.passes(true), "{report}");
    assert_eq!((report.masks, report.taken_as_empty), (6, 18));
}

#[test]
fn patients_stay_together_and_splits_outlive_as_a_file() {
    let (set, _) = set();
    for seed in 0..5 {
        let cases = open(
            &set,
            &SiimConfig {
                split_seed: seed,
                ..config()
            },
        )
        .unwrap();
        let mut homes = BTreeMap::new();
        for case in &cases.cases {
            let home = homes.entry(case.patient.clone()).or_insert(case.split);
            assert_eq!(*home, case.split, "{}", case.id);
        }
        assert_eq!(Split::ALL.map(|split| cases.count(split)), [12, 6, 6]);
    }
    let cases = open(&set, &config()).unwrap();
    write_splits(&set.at("split.csv"), &cases).unwrap();
    let other = SiimConfig {
        split_seed: 99,
        ..config()
    };
    assert_eq!(open(&set, &other).unwrap(), cases, "the file decides");
    let text = std::fs::read_to_string(set.at("split.csv")).unwrap();
    assert!(
        text.starts_with("image,patient,split\n1.2.276.0,p0,"),
        "{text}"
    );

    set.text("split.csv", &text.replace("1.2.276.3,", "1.2.276.77,"));
    let error = open(&set, &other).unwrap_err().to_string();
    assert!(
        error.contains("1 case without a usable row: `1.2.276.3`"),
        "{error}"
    );
    let report = verify(&set);
    assert!(
        report
            .to_string()
            .contains("1 row without a case: `1.2.276.77`"),
        "{report}"
    );
    set.text("split.csv", &text.replacen("train", "trian", 1));
    let error = open(&set, &other).unwrap_err().to_string();
    assert!(error.contains("`trian` is no split"), "{error}");
    let named = SiimConfig {
        split: Some("gone.csv".into()),
        ..config()
    };
    assert!(
        open(&set, &named)
            .unwrap_err()
            .to_string()
            .contains("gone.csv")
    );
}

#[test]
fn numbers_of_cases_can_be_given_as_in_the_paper() {
    let (set, _) = set();
    let config = SiimConfig {
        val_counts: Some([1, 3]),
        test_counts: Some([2, 6]),
        ..config()
    };
    let cases = open(&set, &config).unwrap();
    assert_eq!(Split::ALL.map(|split| cases.count(split)), [12, 4, 8]);
    assert_eq!(Split::ALL.map(|split| cases.positives(split, 0)), [3, 1, 2]);
    let error = |config: &SiimConfig| open(&set, config).unwrap_err().to_string();
    let many = SiimConfig {
        test_counts: Some([5, 0]),
        ..config.clone()
    };
    assert!(error(&many).contains("fewer than the 6 positive cases"));
    let half = SiimConfig {
        test_counts: None,
        ..config
    };
    assert!(error(&half).contains("data.test_counts = none"));
    let much = SiimConfig {
        val_fraction: 0.9,
        test_fraction: 0.2,
        ..SiimConfig::default()
    };
    assert!(error(&much).contains("data.test_fraction = 0.2"));
    let none = SiimConfig {
        val_fraction: 0.0,
        ..SiimConfig::default()
    };
    assert!(error(&none).contains("data.val_fraction = 0"));
}

#[test]
fn a_configuration_says_no_more_than_there_is() {
    let config: DataConfig = toml::from_str(
        "kind = \"siim\"\nval_counts = [145, 541]\ntest_counts = [145, 541]\nroot = \"siim\"\n",
    )
    .unwrap();
    assert!(matches!(config, DataConfig::Siim(set) if set.val_counts == Some([145, 541])));
    assert!(toml::from_str::<DataConfig>("kind = \"siim\"\nmasks = \"x\"\n").is_err());
}

#[test]
fn several_rows_of_one_image_are_one_mask() {
    let (set, rows) = set();
    set.text(
        "train-rle.csv",
        &format!("{rows}1.2.276.0,0 2\n1.2.276.0, 1 6\n"),
    );
    let cases = open(&set, &config()).unwrap();
    assert_eq!(cases.cases.len(), 24);
    let truth = DataConfig::Siim(config())
        .open_truth(set.root(), &cases)
        .unwrap();
    let mask = truth.mask("1.2.276.0").unwrap().unwrap();
    let count = mask
        .planes
        .as_slice()
        .iter()
        .filter(|&&value| value == 1)
        .count();
    assert_eq!(count, 12, "column 0 and six more, two of them in two rows");
}

#[test]
fn images_and_rows_that_lack_each_other_are_listed() {
    let (set, rows) = set();
    image(&set, "study99/series99/1.2.276.99", "p99");
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::RowOfImage, Severity::Warning));
    assert!(
        text.contains("1 image without a row") && text.contains("`1.2.276.99`"),
        "{text}"
    );
    assert_eq!(open(&set, &config()).unwrap().cases.len(), 24);

    set.text(
        "train-rle.csv",
        &format!("{rows}1.2.276.98, -1\n1.2.276.97, 1 1\n"),
    );
    let report = verify(&set);
    assert!(report.passes(false), "{report}");
    let missing: Vec<_> = report
        .warnings()
        .filter(|fault| fault.rule == Rule::ImageOfRow)
        .collect();
    assert_eq!(missing.len(), 1, "{report}");
    let text = missing[0].error.to_string();
    assert!(
        text.contains("2 of 26 ids without a DICOM file")
            && text.contains("`1.2.276.98`, `1.2.276.97`"),
        "{text}"
    );
    let cases = open(&set, &config()).unwrap();
    assert_eq!(cases.cases.len(), 24);
    let ids: Vec<&str> = cases.left_out.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["1.2.276.98", "1.2.276.97"]);
    assert_eq!(cases.warnings.len(), 2, "{:?}", cases.warnings);
}

#[test]
fn pictures_that_are_no_dicom_are_no_images() {
    let (set, _) = set();
    // As `weakseg data rle to-masks` leaves them, beside the X-rays, for cases with and without a file of their own.
    set.image("masks/1.2.276.3.png");
    set.image("masks/1.2.276.4.png");
    std::fs::remove_file(set.at("dicom-images-train/study4/series4/1.2.276.4.dcm")).unwrap();
    let cases = open(&set, &config()).unwrap();
    assert_eq!(cases.left_out, [("1.2.276.4".into(), "no image".into())]);
    assert!(
        cases
            .get("1.2.276.3")
            .unwrap()
            .image
            .ends_with("1.2.276.3.dcm")
    );
    assert!(
        cases.warnings[0].contains("2 pictures other than DICOM: `1.2.276.3.png`"),
        "{:?}",
        cases.warnings
    );
    // A picture that is called DICOM is none either.
    set.image("again.png");
    std::fs::rename(set.at("again.png"), set.at("1.2.276.4.dcm")).unwrap();
    let cases = open(&set, &config()).unwrap();
    assert!(cases.get("1.2.276.4").is_none());
}

#[test]
fn what_is_neither_healthy_nor_a_mask_is_no_label() {
    let (set, rows) = set();
    for cell in [
        "nan", "None", "no", "-1.0", "-1 -1", "1 0", "0", "\"-1\"", "", "6 -3",
    ] {
        set.text(
            "train-rle.csv",
            &rows.replace("1.2.276.1, -1", &format!("1.2.276.1, {cell}")),
        );
        let error = open(&set, &config()).unwrap_err();
        assert!(
            matches!(error, DataError::Row { line: 3, .. }),
            "{cell}: {error}"
        );
        let (rule, severity, _) = only(&verify(&set));
        assert_eq!((rule, severity), (Rule::ReadableRow, Severity::Error));
    }
}

#[test]
fn only_the_beginning_of_a_file_is_read_for_its_patient() {
    let (set, _) = set();
    let path = set.at("dicom-images-train/study3/series3/1.2.276.3.dcm");
    let mut file = DicomFile::grey(300, 300, 8, &[7; 90_000]);
    file.text(tags::PATIENT_ID, VR::LO, "far");
    let bytes = file.encode();
    std::fs::write(&path, &bytes[..70_000]).unwrap();
    let cases = open(&set, &config()).unwrap();
    let patient = |cases: &Cases| cases.get("1.2.276.3").unwrap().patient.clone();
    assert_eq!(
        patient(&cases).as_deref(),
        Some("far"),
        "its pixels are cut off"
    );
    // Where much stands before it, the whole file is.
    file.bytes(Tag(0x0009, 0x1010), VR::OB, &[0; 100_000]);
    file.text(Tag(0x0009, 0x0010), VR::LO, "OTHER");
    std::fs::write(&path, file.encode()).unwrap();
    assert_eq!(
        patient(&open(&set, &config()).unwrap()).as_deref(),
        Some("far")
    );
}

#[test]
fn the_tone_of_a_set_is_that_of_its_images() {
    let (set, _) = set();
    let path = set.at("dicom-images-train/study3/series3/1.2.276.3.dcm");
    let mut file = DicomFile::grey(1, 3, 8, &[10, 20, 30]);
    file.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    std::fs::write(&path, file.encode()).unwrap();
    for (tone, expected) in [
        ("window", [245, 235, 225]),
        ("percentile", [255, 127, 0]),
        ("raw", [10, 20, 30]),
    ] {
        let text = format!("kind = \"siim\"\ntone = \"{tone}\"\n");
        let config: DataConfig = toml::from_str(&text).unwrap();
        let cases = config.open_cases(set.root()).unwrap();
        let image = cases
            .get("1.2.276.3")
            .unwrap()
            .read_image(&Limits::default());
        assert_eq!(image.unwrap().as_slice(), expected, "{tone}");
        assert_eq!(config.view().tone, tone.parse().unwrap());
    }
    assert!(toml::from_str::<DataConfig>("kind = \"siim\"\ntone = \"lung\"\n").is_err());
    let table: DataConfig = toml::from_str("kind = \"table\"\ntone = \"raw\"\n").unwrap();
    assert_eq!(table.view().tone, Tone::Raw);
}

#[test]
fn a_patient_of_nearly_all_images_is_told() {
    let set = Set::new();
    let mut rows = String::from("ImageId,EncodedPixels\n");
    for at in 0..24 {
        image(
            &set,
            &format!("1.2.{at}"),
            if at == 0 { "X" } else { "ANON" },
        );
        rows += &format!("1.2.{at},{}\n", if at % 2 == 0 { "0 1" } else { "-1" });
    }
    set.text("train-rle.csv", &rows);
    let report = verify(&set).to_string();
    assert!(
        report
            .contains("one patient has 23 of 24 cases, more than a split was to have (6): `1.2.1`"),
        "{report}"
    );
    assert!(
        report.contains("a test split was asked for and has none of 24 cases"),
        "{report}"
    );
    assert!(
        report.contains("0 negatives of `pneumothorax` among 1 case of the split `val`"),
        "{report}"
    );
    assert!(!report.contains("ANON"), "{report}");
}

#[test]
fn an_image_under_another_name_is_found_by_its_uid() {
    let (set, _) = set();
    let folder = set.at("dicom-images-train/study3/series3");
    std::fs::rename(folder.join("1.2.276.3.dcm"), folder.join("IM0001")).unwrap();
    let cases = open(&set, &config()).unwrap();
    assert!(cases.get("1.2.276.3").unwrap().image.ends_with("IM0001"));
    // A copy elsewhere is a second image of one row.
    image(&set, "again/1.2.276.3", "p1");
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!((rule, severity), (Rule::UniqueId, Severity::Error));
    assert!(text.contains("a second image of `1.2.276.3`"), "{text}");
}

#[test]
fn contradictions_name_both_lines() {
    let (set, rows) = set();
    let told = |more: &str| {
        set.text("train-rle.csv", &format!("{rows}{more}"));
        only(&verify(&set))
    };
    let (rule, severity, text) = told("1.2.276.0, -1\n");
    assert_eq!((rule, severity), (Rule::ReadableRow, Severity::Error));
    assert!(
        text.contains("line 26") && text.contains("a mask in line 2"),
        "{text}"
    );
    let (_, _, text) = told("1.2.276.1,0 1\n");
    assert!(text.contains("a mask here and no mask in line 3"), "{text}");
    let (rule, severity, _) = told("1.2.276.1,-1\n");
    assert_eq!((rule, severity), (Rule::UniqueId, Severity::Warning));
    let (_, _, text) = told("1.2.276.55,\n");
    assert!(
        text.contains("no runs at all") && text.contains("or -1 for an image without"),
        "{text}"
    );
    let (rule, severity, text) = told("../../etc/x,-1\n");
    assert_eq!((rule, severity), (Rule::ImageOfRow, Severity::Warning));
    assert!(
        text.contains("without a DICOM file") && text.contains(": `x`"),
        "the folders of a name are no part of its id: {text}"
    );
    for id in ["..", "..\\x", ".x", "nul", "a:b", "/", &"9".repeat(300)] {
        let (rule, severity, text) = told(&format!("{id},-1\n"));
        assert_eq!((rule, severity), (Rule::SafeId, Severity::Error), "{text}");
    }
    set.text("train-rle.csv", &format!("{rows}A.1,-1\na.1,-1\n"));
    let report = verify(&set);
    let doubled = report.errors().next().unwrap();
    assert_eq!(doubled.rule, Rule::UniqueId, "{report}");
    let (rule, _, text) = told("1.2.276.55\n");
    assert_eq!(rule, Rule::ReadableRow);
    assert!(text.contains("1 cells, but the header has 2"), "{text}");
}

#[test]
fn every_broken_mask_is_listed_at_once() {
    let (set, rows) = set();
    let broken = rows
        .replace("1.2.276.0, 6 3 36 3", "1.2.276.0, 6 3 36")
        .replace("1.2.276.4, 6 3 36 3", "1.2.276.4, 6 3 36 4")
        .replace("1.2.276.8, 6 3 36 3", "1.2.276.8, 6 3 x 4");
    set.text("train-rle.csv", &broken);
    // Whether a run fits its image is no business of training; whether there is one is.
    let error = open(&set, &config()).unwrap_err().to_string();
    assert!(
        error.contains("line 2") && error.contains("1 more"),
        "{error}"
    );
    image(&set, "study99/1.2.276.99", "p99");
    std::fs::write(
        set.at("dicom-images-train/study5/series5/1.2.276.5.dcm"),
        b"no image",
    )
    .unwrap();
    let report = verify(&set);
    let all = report.to_string();
    assert_eq!(report.errors().count(), 4, "{report}");
    // A stray image, and nobody knows whose the broken one is.
    assert_eq!(report.warnings().count(), 2, "{report}");
    for part in [
        "train-rle.csv, line 2: the run lengths of `1.2.276.0`: 3 numbers",
        "line 6: the mask of `1.2.276.4`",
        "pixels 45 to 48 leaves the image of 6x8",
        "token 3 is `x`",
        "1.2.276.5.dcm: not a DICOM file",
        "1 image without a row",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
}

/// Eight images of these patients, every second one positive.
fn of_patients(patient: impl Fn(usize) -> String) -> Set {
    let set = Set::new();
    let mut rows = String::from("ImageId,EncodedPixels\n");
    for at in 0..8 {
        image(&set, &format!("1.2.{at}"), &patient(at));
        rows += &format!("1.2.{at},{}\n", if at % 2 == 0 { "0 1" } else { "-1" });
    }
    set.text("train-rle.csv", &rows);
    set
}

#[test]
fn one_patient_for_all_is_no_patient() {
    let set = of_patients(|_| "ANONYMOUS".to_owned());
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!(
        (rule, severity),
        (Rule::PatientInOneSplit, Severity::Warning)
    );
    assert!(
        text.contains("all 8 images have one Patient ID") && !text.contains("ANONYMOUS"),
        "{text}"
    );
    let cases = open(&set, &config()).unwrap();
    assert!(cases.cases.iter().all(|case| case.patient.is_none()));
    assert!(Split::ALL.iter().all(|&split| cases.count(split) > 0));
}

/// As files are that were made anonymous by a blank.
#[test]
fn patients_that_nobody_names_are_told() {
    let set = of_patients(|at| match at {
        0..5 => String::new(),
        _ => format!("p{at}"),
    });
    let (rule, severity, text) = only(&verify(&set));
    assert_eq!(
        (rule, severity),
        (Rule::PatientInOneSplit, Severity::Warning)
    );
    let expected = "no patient is named for 5 of 8 cases";
    assert!(text.contains(expected), "{text}");
    // Whoever divides them knows better.
    let splits = (0..8).map(|at| format!("1.2.{at},{}\n", if at < 4 { "train" } else { "val" }));
    set.text(
        "split.csv",
        &format!("image,split\n{}", splits.collect::<String>()),
    );
    assert_eq!(verify(&set).warnings().count(), 0);
}

#[test]
fn tables_of_another_kind_are_named() {
    let (set, _) = set();
    set.text("train-rle.csv", "image;runs\na;-1\n");
    let error = open(&set, &config()).unwrap_err().to_string();
    assert!(
        error.contains("`ImageId`, `EncodedPixels`") && error.contains("image;runs"),
        "{error}"
    );
    std::fs::remove_file(set.at("train-rle.csv")).unwrap();
    assert!(
        open(&set, &config())
            .unwrap_err()
            .to_string()
            .contains("train-rle.csv")
    );
}
