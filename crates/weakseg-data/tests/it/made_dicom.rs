//! DICOM files made from a mask: what stands in them, and that every pixel comes back. What pydicom and highdicom say
//! of such files, `tests/oracle/made_dicom.py` checks.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject, open_file};
use weakseg_data::{
    Classes, LabelSpace, Limits, Mask, Origin, Plane, Stack, read_image, write_gray_png,
    write_secondary_capture, write_segmentation,
};

use crate::dicom_file::DicomFile;

const STUDY: &str = "1.2.3.5";
const SERIES: &str = "1.2.3.6";

/// An X-ray of 3x5 with a study.
fn radiograph() -> DicomFile {
    let mut file = DicomFile::grey(3, 5, 8, &[7; 15]);
    file.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    file.text(tags::PATIENT_NAME, VR::PN, "Müller^Jörg");
    file.text(tags::STUDY_INSTANCE_UID, VR::UI, STUDY);
    file.text(tags::SERIES_INSTANCE_UID, VR::UI, SERIES);
    file.text(tags::STUDY_DATE, VR::DA, "20200229");
    file
}

fn classes(names: &[&str], space: LabelSpace) -> Classes {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Classes { names, space }
}

fn written(folder: &Path, file: &DicomFile) -> PathBuf {
    let path = folder.join("in.dcm");
    std::fs::write(&path, file.encode()).unwrap();
    path
}

fn origin(path: &Path) -> Origin {
    Origin::read(path, &Limits::default(), None).unwrap()
}

fn text(object: &InMemDicomObject, tag: Tag) -> String {
    object.element(tag).unwrap().to_str().unwrap().trim().into()
}

fn item(object: &InMemDicomObject, tag: Tag, place: usize) -> InMemDicomObject {
    object.element(tag).unwrap().items().unwrap()[place].clone()
}

/// The segment and the pixels of each frame.
fn frames(object: &DefaultDicomObject) -> Vec<(u16, Vec<u8>)> {
    let number = |tag: Tag| object.element(tag).unwrap().to_int::<usize>().unwrap();
    let size = number(tags::ROWS) * number(tags::COLUMNS);
    let bytes = object
        .element(tags::PIXEL_DATA)
        .unwrap()
        .to_bytes()
        .unwrap();
    let frames = number(tags::NUMBER_OF_FRAMES);
    assert_eq!(bytes.len(), (frames * size).div_ceil(8).next_multiple_of(2));
    (0..frames)
        .map(|frame| {
            let groups = item(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frame);
            let identity = item(&groups, tags::SEGMENT_IDENTIFICATION_SEQUENCE, 0);
            let segment = identity.element(tags::REFERENCED_SEGMENT_NUMBER).unwrap();
            let bits = (0..size).map(|at| frame * size + at);
            let pixels = bits.map(|bit| bytes[bit / 8] >> (bit % 8) & 1).collect();
            (segment.to_int().unwrap(), pixels)
        })
        .collect()
}

#[test]
fn every_pixel_of_a_segmentation_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let origin = origin(&written(folder.path(), &radiograph()));
    let names = classes(&["mass", "node", "pleural\\effusion"], LabelSpace::Findings);
    let mass = Plane::from_fn(3, 5, |y, x| u8::from((x + y) % 3 == 0));
    let node = Plane::filled(3, 5, 0);
    let mut effusion = Plane::from_fn(3, 5, |y, _| u8::from(y == 2));
    effusion.set(0, 0, 255);
    let planes = Stack::from_planes(&[mass.clone(), node, effusion]).unwrap();
    let path = folder.path().join("out/seg.dcm");
    write_segmentation(&path, &origin, &names, &Mask { planes }).unwrap();

    let object = open_file(&path).unwrap();
    let lowest = [vec![0; 10], vec![1; 5]].concat();
    assert_eq!(frames(&object), [(1, mass.into_vec()), (3, lowest)]);
    assert_eq!(text(&object, tags::PATIENT_NAME), "Müller^Jörg");
    assert_eq!(text(&object, tags::PATIENT_ID), "p1");
    assert_eq!(text(&object, tags::STUDY_INSTANCE_UID), STUDY);
    assert_eq!(text(&object, tags::CONTENT_DATE), "20200229");
    assert_ne!(text(&object, tags::SERIES_INSTANCE_UID), SERIES);
    let series = item(&object, tags::REFERENCED_SERIES_SEQUENCE, 0);
    assert_eq!(text(&series, tags::SERIES_INSTANCE_UID), SERIES);
    let image = item(&series, tags::REFERENCED_INSTANCE_SEQUENCE, 0);
    assert_eq!(text(&image, tags::REFERENCED_SOP_INSTANCE_UID), "1.2.3.4");
    let label = |place| {
        let segment = item(&object, tags::SEGMENT_SEQUENCE, place);
        assert_eq!(text(&segment, tags::SEGMENT_ALGORITHM_TYPE), "AUTOMATIC");
        text(&segment, tags::SEGMENT_LABEL)
    };
    assert_eq!([0, 1, 2].map(label), ["mass", "node", "pleural_effusion"]);
    assert_eq!(
        object.meta().media_storage_sop_instance_uid(),
        text(&object, tags::SOP_INSTANCE_UID)
    );
}

#[test]
fn an_index_map_has_a_segment_a_class_and_an_empty_mask_one_frame() {
    let folder = tempfile::tempdir().unwrap();
    let origin = origin(&written(folder.path(), &radiograph()));
    let names = classes(&["cat", "dog"], LabelSpace::Exclusive);
    let path = folder.path().join("seg.dcm");
    let write = |values: Vec<u8>| {
        let planes = Plane::new(3, 5, values).unwrap().into_stack();
        write_segmentation(&path, &origin, &names, &Mask { planes }).unwrap();
        open_file(&path).unwrap()
    };
    let dog = write([vec![255, 2], vec![0; 12], vec![2]].concat());
    let expected = [vec![0, 1], vec![0; 12], vec![1]].concat();
    assert_eq!(frames(&dog), [(2, expected)]);
    let none = write(vec![0; 15]);
    assert_eq!(frames(&none), [(1, vec![0; 15])]);
    let segments = none.element(tags::SEGMENT_SEQUENCE).unwrap();
    assert_eq!(segments.items().unwrap().len(), 2);

    // One mask has one UID, another mask another.
    let instance = |object: &DefaultDicomObject| text(object, tags::SOP_INSTANCE_UID);
    let bytes = std::fs::read(&path).unwrap();
    assert_ne!(instance(&dog), instance(&none));
    write(vec![0; 15]);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn the_frame_of_several_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = radiograph();
    file.text(tags::NUMBER_OF_FRAMES, VR::IS, "2");
    let path = written(folder.path(), &file);
    let origin = Origin::read(&path, &Limits::default(), NonZeroU32::new(2)).unwrap();
    let names = classes(&["mass"], LabelSpace::Findings);
    let planes = Stack::filled(1, 3, 5, 1);
    let out = folder.path().join("seg.dcm");
    write_segmentation(&out, &origin, &names, &Mask { planes }).unwrap();
    let object = open_file(&out).unwrap();
    let groups = item(&object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, 0);
    let derivation = item(&groups, tags::DERIVATION_IMAGE_SEQUENCE, 0);
    let source = item(&derivation, tags::SOURCE_IMAGE_SEQUENCE, 0);
    assert_eq!(text(&source, tags::REFERENCED_FRAME_NUMBER), "2");
}

#[test]
fn what_cannot_be_referred_to_has_no_segmentation() {
    let folder = tempfile::tempdir().unwrap();
    let names = classes(&["mass"], LabelSpace::Findings);
    let out = folder.path().join("seg.dcm");
    let refused = |path: &Path| {
        let planes = Stack::filled(1, 3, 5, 1);
        let done = write_segmentation(&out, &origin(path), &names, &Mask { planes });
        assert!(!out.exists());
        done.unwrap_err().to_string()
    };
    let png = folder.path().join("a.png");
    write_gray_png(&png, &Plane::filled(3, 5, 7)).unwrap();
    let error = refused(&png);
    assert!(
        error.contains("a.png: not a DICOM image") && error.contains("`sc`"),
        "{error}"
    );
    for tag in [tags::STUDY_INSTANCE_UID, tags::SERIES_INSTANCE_UID] {
        let mut file = radiograph();
        file.object.remove_element(tag);
        let error = refused(&written(folder.path(), &file));
        assert!(
            error.contains("in.dcm: the image has no Study or no"),
            "{error}"
        );
    }
    for uid in ["1.".repeat(32) + "1", "1.2.x".to_owned()] {
        let mut file = radiograph();
        file.text(tags::SOP_INSTANCE_UID, VR::UI, &uid);
        let error = refused(&written(folder.path(), &file));
        assert!(error.contains("at most 64"), "{error}");
    }
}

#[test]
fn a_picture_comes_back_from_its_secondary_capture() {
    let folder = tempfile::tempdir().unwrap();
    let values = (0..45).map(|value| 5 * value).collect();
    let picture = Stack::new(3, 3, 5, values).unwrap();
    let png = folder.path().join("a.png");
    write_gray_png(&png, &Plane::filled(3, 5, 7)).unwrap();
    let dcm = written(folder.path(), &radiograph());
    let out = folder.path().join("sc.dcm");
    let colours = "Erguß #e8914a, mass #4fae6c";
    let write_told = |path: &Path, colours: &str| {
        write_secondary_capture(&out, &origin(path), &picture, colours).unwrap();
        let back = read_image(&out, &Limits::default()).unwrap();
        assert_eq!(back, picture);
        open_file(&out).unwrap()
    };
    let write = |path: &Path| write_told(path, colours);
    let of_dicom = write(&dcm);
    assert_eq!(text(&of_dicom, tags::IMAGE_COMMENTS), colours);
    assert_eq!(text(&of_dicom, tags::STUDY_INSTANCE_UID), STUDY);
    assert_eq!(text(&of_dicom, tags::PATIENT_NAME), "Müller^Jörg");
    let source = item(&of_dicom, tags::SOURCE_IMAGE_SEQUENCE, 0);
    assert_eq!(text(&source, tags::REFERENCED_SOP_INSTANCE_UID), "1.2.3.4");
    let of_png = write(&png);
    assert_eq!(text(&of_png, tags::PATIENT_NAME), "");
    assert!(text(&of_png, tags::STUDY_INSTANCE_UID).starts_with("2.25."));
    assert!(of_png.get(tags::SOURCE_IMAGE_SEQUENCE).is_none());
    assert_ne!(
        text(&of_dicom, tags::SOP_INSTANCE_UID),
        text(&of_png, tags::SOP_INSTANCE_UID)
    );
    // The same pixels with other meanings are another instance.
    let other = write_told(&png, "");
    assert_eq!(text(&other, tags::IMAGE_COMMENTS), "");
    assert_ne!(
        text(&other, tags::SOP_INSTANCE_UID),
        text(&of_png, tags::SOP_INSTANCE_UID)
    );
    let grey = Stack::filled(1, 3, 5, 7);
    let error = write_secondary_capture(&out, &origin(&png), &grey, "").unwrap_err();
    assert!(error.to_string().contains("expected 3 channels"), "{error}");
}

/// What stands behind a change of character sets is not decoded; in a file of UTF-8 it would be noise.
#[test]
fn names_keep_the_ways_to_write_them_that_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let name_of = |charset: &str, name: &[u8]| {
        let mut file = radiograph();
        file.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, charset);
        file.bytes(tags::PATIENT_NAME, VR::PN, name);
        // Beside it a text of another kind.
        file.bytes(tags::STUDY_DESCRIPTION, VR::LO, b"\x1b$B;XIt\x1b(B ");
        let path = written(folder.path(), &file);
        let out = folder.path().join("sc.dcm");
        let picture = Stack::filled(3, 3, 5, 9);
        write_secondary_capture(&out, &origin(&path), &picture, "").unwrap();
        let made = open_file(&out).unwrap();
        let described = made.get(tags::STUDY_DESCRIPTION);
        assert!(described.is_none_or(|text| !text.to_str().unwrap().contains('\x1b')));
        text(&made, tags::PATIENT_NAME)
    };
    let japanese =
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B ";
    assert_eq!(name_of("\\ISO 2022 IR 87", japanese), "Yamada^Tarou");
    let korean = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7";
    assert_eq!(name_of("\\ISO 2022 IR 149", korean), "Hong^Gildong");
    assert_eq!(name_of("ISO_IR 100", b"M\xfcller^J\xf6rg"), "Müller^Jörg");
}
