//! Real sets, which are not part of this repository.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use weakseg_data::rle::{Form, coco};
use weakseg_data::{
    DataConfig, Limits, Split, TableConfig, Tone, VocConfig, read_picture, read_stored_values,
};

fn shared(name: &str) -> PathBuf {
    let root = std::env::var_os("WEAKSEG_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    root.join("data").join(name)
}

#[test]
#[ignore = "needs ../shared; run: cargo test -p weakseg-data --test it -- --ignored"]
fn voc_subset() {
    let base = shared("voc12");
    let config = DataConfig::Voc(VocConfig::default());
    let cases = config.open_cases(&base).unwrap();
    assert_eq!(cases.classes.len(), 20);
    assert_eq!(Split::ALL.map(|split| cases.count(split)), [311, 158, 0]);
    let truth = config.open_truth(&base, &cases).unwrap();
    assert!(truth.has_masks(Split::Train) && truth.has_masks(Split::Val));
    let report = config.verify(&base);
    println!("{report}");
    assert!(report.passes(false), "{report}");
    assert_eq!((report.cases, report.masks), (469, 469));
}

#[test]
#[ignore = "needs ../shared; run: cargo test -p weakseg-data --test it -- --ignored"]
fn nih_pneumonia() {
    let base = shared("nih_pneumonia");
    let config = DataConfig::Table(TableConfig {
        boxed_patients_held_out: true,
        ..TableConfig::default()
    });
    let cases = config.open_cases(&base).unwrap();
    assert_eq!(cases.cases.len(), 789);
    let positives: usize = Split::ALL
        .map(|split| cases.positives(split, 0))
        .iter()
        .sum();
    assert_eq!((positives, 789 - positives), (383, 406));
    let mut homes = BTreeMap::new();
    for case in &cases.cases {
        let home = homes
            .entry(case.patient.as_deref().unwrap())
            .or_insert(case.split);
        assert_eq!(*home, case.split, "{}", case.id);
    }
    let truth = config.open_truth(&base, &cases).unwrap();
    let boxed: Vec<_> = cases
        .cases
        .iter()
        .filter(|case| !truth.boxes(&case.id).is_empty())
        .collect();
    assert!(boxed.iter().all(|case| case.split == Split::Val));
    for split in Split::ALL {
        println!(
            "{split}: {} cases, {} positive",
            cases.count(split),
            cases.positives(split, 0)
        );
    }
    let report = config.verify(&base);
    println!("{report}\n{} boxed cases", boxed.len());
    assert!(report.passes(false), "{report}");
    assert_eq!(boxed.len(), 28);
}

/// What `tests/oracle/dicom.py` wrote of a file.
#[derive(Deserialize)]
struct DicomOracle {
    syntax: String,
    pixels: Option<String>,
    frames: Option<u32>,
    shape: Option<[usize; 3]>,
    shown: Option<String>,
    every: Option<usize>,
    samples: Option<Vec<i32>>,
}

/// How a file ended.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// Equal to pydicom's in every stored value.
    Equal,
    /// A lossy file, at most one off.
    WithinOne,
    Refused(String),
}

#[test]
#[ignore = "needs ../shared; run: cargo test -p weakseg-data --test it -- --ignored"]
fn dicom_files_are_those_of_pydicom() {
    #[derive(Deserialize)]
    struct Oracle {
        files: BTreeMap<String, DicomOracle>,
    }
    let text = include_str!("../oracle/dicom.json");
    let oracle: Oracle = serde_json::from_str(text).unwrap();
    let mut endings = BTreeMap::new();
    for (name, expected) in &oracle.files {
        let ending = compare(&shared("dicom").join(name), expected);
        println!("{name} ({}): {ending:?}", expected.syntax);
        endings.insert(name.as_str(), ending);
    }
    assert_eq!(endings.len(), 21);
    let refused: Vec<(&str, &str)> = endings
        .iter()
        .filter_map(|(name, ending)| match ending {
            Ending::Refused(why) => Some((*name, why.as_str())),
            _ => None,
        })
        .collect();
    let mut reasons = vec![
        (
            "JPEG-lossy.dcm",
            "12 bits a sample (JPEG Extended, process 4)",
        ),
        ("JPEGLSNearLossless_08.dcm", "JPEG-LS"),
        (
            "JPGExtended.dcm",
            "12 bits a sample (JPEG Extended, process 4)",
        ),
        ("MR_small_jp2klossless.dcm", "feature `jpeg2000`"),
        ("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS"),
        ("RG1_J2KI.dcm", "feature `jpeg2000`"),
        ("RG3_J2KI.dcm", "feature `jpeg2000`"),
        ("emri_small_RLE.dcm", "multi-frame image (10 frames)"),
    ];
    if cfg!(feature = "jpeg2000") {
        reasons.retain(|(_, why)| !why.contains("jpeg2000"));
    }
    assert_eq!(refused.len(), reasons.len(), "{refused:?}");
    for ((name, why), (expected, reason)) in refused.iter().zip(reasons) {
        assert_eq!(*name, expected);
        assert!(why.contains(reason), "{why}");
    }
}

fn compare(path: &std::path::Path, expected: &DicomOracle) -> Ending {
    let limits = Limits::default();
    let digest = |bytes: &[u8]| {
        let digest = Sha256::digest(bytes);
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let values = match read_stored_values(path, &limits, None) {
        Ok(values) => values,
        Err(error) => {
            assert_eq!(
                read_picture(path, &limits, Tone::Window)
                    .unwrap_err()
                    .to_string(),
                error.to_string()
            );
            return Ending::Refused(error.to_string());
        }
    };
    assert_eq!(expected.frames, Some(1), "{}", path.display());
    let shape = [values.channels(), values.height(), values.width()];
    assert_eq!(Some(shape), expected.shape, "{}", path.display());
    let picture = read_picture(path, &limits, Tone::Window).unwrap();
    println!("    notes {:?}", picture.notes);
    let bytes: Vec<u8> = values
        .as_slice()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    if expected.pixels == Some(digest(&bytes)) {
        if let Some(shown) = &expected.shown {
            assert_eq!(
                shown,
                &digest(picture.pixels.as_slice()),
                "{}",
                path.display()
            );
            println!("    8 bits equal");
        }
        return Ending::Equal;
    }
    let (Some(every), Some(samples)) = (expected.every, &expected.samples) else {
        panic!("{}: other values than pydicom's", path.display());
    };
    let found = values.as_slice().iter().step_by(every);
    let worst = found.zip(samples).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(1), "{}: {worst:?} off", path.display());
    Ending::WithinOne
}

#[test]
#[ignore = "needs ../shared; run: cargo test -p weakseg-data --test it -- --ignored"]
fn siim_annotations_come_back_byte_for_byte() {
    let text = std::fs::read_to_string(shared("siim_rle").join("train-rle-sample.csv")).unwrap();
    let (mut healthy, mut ill) = (0, 0);
    for line in text.lines().skip(1) {
        let (id, runs) = line.split_once(',').unwrap();
        let mask = Form::Relative.decode(runs, 1024, 1024);
        let mask = mask.unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(Form::Relative.encode(&mask), runs.trim(), "{id}");
        let columns = coco::encode(&mask);
        assert_eq!(coco::decode(&columns, 1024, 1024).unwrap(), mask, "{id}");
        match runs.trim() {
            "-1" => healthy += 1,
            _ => ill += 1,
        }
    }
    assert_eq!((healthy, ill), (1000, 500));
}
