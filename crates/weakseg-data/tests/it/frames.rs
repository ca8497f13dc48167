//! DICOM files of several frames; files and what pydicom reads of them by `tests/oracle/dicom_frames.py`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use serde::Deserialize;
use weakseg_data::{
    DataConfig, DataError, Limits, Split, View, read_image, read_image_size, read_picture,
    read_stored_values,
};

use crate::dicom_file::{DicomFile, lossless_jpeg};
use crate::set::Set;

#[derive(Deserialize)]
struct Oracle {
    frames: BTreeMap<String, Vec<Vec<Vec<i32>>>>,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle")
        .join(name)
}

fn values(path: &Path, frame: u32) -> Result<Vec<i32>, DataError> {
    let frame = NonZeroU32::new(frame);
    read_stored_values(path, &Limits::default(), frame).map(|values| values.as_slice().to_vec())
}

fn view(frame: u32) -> View {
    View {
        frame: NonZeroU32::new(frame),
        ..View::default()
    }
}

/// A file on disk, and the folder that it goes with.
fn written(file: &DicomFile) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dcm");
    std::fs::write(&path, file.encode()).unwrap();
    (folder, path)
}

#[test]
fn each_frame_has_the_values_that_pydicom_reads() {
    let oracle: Oracle = serde_json::from_str(include_str!("../oracle/dicom_frames.json")).unwrap();
    for (name, frames) in &oracle.frames {
        let path = file(name);
        for (frame, expected) in (1..).zip(frames) {
            assert_eq!(
                values(&path, frame).unwrap(),
                expected.concat(),
                "{name}, {frame}"
            );
        }
        let rows = frames[0].len();
        let size = read_image_size(&path, &Limits::default()).unwrap();
        assert_eq!(size, (rows, frames[0][0].len()), "{name}");
        let count = frames.len() as u32;
        let none = read_image(&path, &Limits::default());
        assert!(
            matches!(none, Err(DataError::MultiFrame { frames, .. }) if frames == count),
            "{none:?}"
        );
        let beyond = read_picture(&path, &Limits::default(), view(count + 1));
        assert!(
            matches!(beyond, Err(DataError::FrameRange { frames, frame, .. })
                if (frames, frame) == (count, count + 1)),
            "{beyond:?}"
        );
    }
    assert_eq!(oracle.frames.len(), 3);
    // 8 bits without a window are shown as they are.
    let picture = read_picture(&file("frames_8.dcm"), &Limits::default(), view(2)).unwrap();
    let shown: Vec<i32> = picture
        .pixels
        .as_slice()
        .iter()
        .map(|&v| v.into())
        .collect();
    assert_eq!(shown, oracle.frames["frames_8.dcm"][1].concat());
    assert_eq!(picture.notes, [""; 0]);
}

#[test]
fn fragments_go_by_the_offset_table() {
    // Two fragments a frame by pydicom's table, where RLE has one.
    let error = values(&file("frames_split.dcm"), 3)
        .unwrap_err()
        .to_string();
    assert!(error.contains("in 2 fragments, expected one"), "{error}");

    // A JPEG in one fragment, and one in two.
    let [one, two] = [[10_u16, 20, 30, 40], [5000, 50, 5, 0]];
    let [first, mut second] = [one, two].map(|frame| lossless_jpeg(2, 2, 16, &frame));
    let rest = second.split_off(second.len() / 2 / 2 * 2);
    let even = |bytes: &[u8]| bytes.len().next_multiple_of(2) as u32;
    let offsets = vec![0, 8 + even(&first)];
    let mut file = DicomFile::grey(2, 2, 16, &[]);
    file.text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
    let fragments = vec![first, second, rest];
    let told = file
        .clone()
        .packed(uids::JPEG_LOSSLESS_SV1, offsets, fragments.clone());
    let (_folder, path) = written(&told);
    assert_eq!(values(&path, 1).unwrap(), one.map(i32::from));
    assert_eq!(values(&path, 2).unwrap(), two.map(i32::from));

    let untold = file.fragments(uids::JPEG_LOSSLESS_SV1, fragments);
    let (_folder, path) = written(&untold);
    let error = values(&path, 1).unwrap_err().to_string();
    assert!(
        error.contains("2 frames lie in 3 fragments without an offset table"),
        "{error}"
    );
}

#[test]
fn frames_that_are_not_there_are_no_frames() {
    let mut file = DicomFile::grey(2, 2, 8, &[1, 2, 3, 4]);
    let (_folder, path) = written(&file);
    assert_eq!(values(&path, 1).unwrap(), [1, 2, 3, 4]);
    let error = values(&path, 2).unwrap_err().to_string();
    assert!(
        error.contains("frame 2 was asked for, but the number of frames is 1"),
        "{error}"
    );
    // A header that lies is told, whichever frame is asked for, and nothing is made for what it claims.
    for (count, needed) in [("2", "8"), ("1000000000", "4000000000")] {
        file.text(tags::NUMBER_OF_FRAMES, VR::IS, count);
        let (_folder, path) = written(&file);
        let error = values(&path, 1).unwrap_err().to_string();
        let expected = format!("has 4 bytes, {count} frames of 2 rows of 2 columns need {needed}");
        assert!(error.contains(&expected), "{error}");
    }
    let png = Set::new();
    png.image("a.png");
    let path = png.at("a.png");
    assert!(read_picture(&path, &Limits::default(), view(1)).is_ok());
    let error = read_picture(&path, &Limits::default(), view(2)).unwrap_err();
    assert!(
        matches!(error, DataError::FrameRange { frames: 1, .. }),
        "{error}"
    );
}

#[test]
fn functional_groups_are_noted() {
    let mut file = DicomFile::grey(1, 2, 8, &[1, 2, 3, 4]);
    file.text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
    file.item(
        tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
        InMemDicomObject::new_empty(),
    );
    let (_folder, path) = written(&file);
    let picture = read_picture(&path, &Limits::default(), view(2)).unwrap();
    assert_eq!(picture.pixels.as_slice(), [3, 4]);
    assert!(
        picture.notes[0].contains("functional groups"),
        "{:?}",
        picture.notes
    );
}

#[test]
fn a_set_may_name_the_frame_of_its_files() {
    let (set, _) = Set::table();
    let path = set.at("images/p0_0.png");
    std::fs::remove_file(&path).unwrap();
    std::fs::copy(file("frames_8.dcm"), set.at("images/p0_0.dcm")).unwrap();
    let csv = std::fs::read_to_string(set.at("labels.csv")).unwrap();
    set.text("labels.csv", &csv.replace("p0_0.png", "p0_0.dcm"));
    for (setting, first) in [
        ("", None),
        ("frame = 1\n", Some(95)),
        ("frame = 3\n", Some(59)),
    ] {
        let data: DataConfig = toml::from_str(&format!("kind = \"table\"\n{setting}")).unwrap();
        let cases = data.open_cases(set.root()).unwrap();
        let image = cases.get("p0_0").unwrap().read_image(&Limits::default());
        assert_eq!(
            image.ok().map(|image| image.as_slice()[0]),
            first,
            "{setting}"
        );
        assert!(cases.count(Split::Train) > 0);
        // A setting that is not made leaves no trace in a run's file.
        let stands = toml::to_string(&data).unwrap().contains("frame = ");
        assert_eq!(stands, first.is_some());
    }
    assert!(toml::from_str::<DataConfig>("kind = \"table\"\nframe = 0\n").is_err());
}
