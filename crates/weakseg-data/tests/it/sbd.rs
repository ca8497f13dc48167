//! Maps of the Semantic Boundaries Dataset; files and what SciPy reads of them by `tests/oracle/sbd.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use weakseg_data::{
    DataConfig, DataError, Limits, Plane, SbdMap, VocConfig, read_index_map, read_sbd,
    write_index_png,
};

use crate::set::Set;

#[derive(Deserialize)]
struct Oracle {
    maps: BTreeMap<String, Vec<Vec<u8>>>,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/oracle")
        .join(name)
}

fn expected(name: &str) -> Plane<u8> {
    let oracle: Oracle = serde_json::from_str(include_str!("../oracle/sbd.json")).unwrap();
    let rows = &oracle.maps[name];
    Plane::new(rows.len(), rows[0].len(), rows.concat()).unwrap()
}

fn refusal(name: &str, map: SbdMap) -> String {
    read_sbd(&file(name), map, &Limits::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn maps_are_those_that_scipy_reads() {
    for (name, map) in [
        ("sbd_cls.mat", SbdMap::Classes),
        ("sbd_cls_plain.mat", SbdMap::Classes),
        ("sbd_cls_big_endian.mat", SbdMap::Classes),
        ("sbd_inst.mat", SbdMap::Instances),
    ] {
        let found = read_sbd(&file(name), map, &Limits::default()).unwrap();
        assert_eq!(found, expected(name), "{name}");
    }
}

#[test]
fn what_is_not_the_map_is_told() {
    let objects = refusal("sbd_inst.mat", SbdMap::Classes);
    assert!(
        objects.ends_with(
            "sbd_inst.mat: the file holds `GTinst`, expected the variable `GTcls`; take the files below `dataset/cls` of \
             the Semantic Boundaries Dataset"
        ),
        "{objects}"
    );
    let lacking = refusal("sbd_no_map.mat", SbdMap::Classes);
    assert!(lacking.contains("no field `Segmentation`"), "{lacking}");
    let wide = refusal("sbd_double.mat", SbdMap::Classes);
    assert!(
        wide.contains("of class 6, expected a real matrix of bytes"),
        "{wide}"
    );
    assert!(refusal("gray.jpg", SbdMap::Classes).contains("not a MAT-file of version 5"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mat");
    let mut newer = std::fs::read(file("sbd_cls.mat")).unwrap();
    newer[124..126].copy_from_slice(&[0, 2]);
    std::fs::write(&path, newer).unwrap();
    let error = read_index_map(&path, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("version 0x0200"), "{error}");
}

#[test]
fn a_png_is_no_mat_file_whatever_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let map = Plane::from_fn(3, 4, |y, x| (y * 4 + x) as u8);
    write_index_png(&path, &map).unwrap();
    // A comment behind the header chunk that has the mark of a MAT-file in the right place.
    let mut chunk = b"tEXtcomment\0".to_vec();
    chunk.resize(126 - 33 - 4, b'x');
    chunk.extend(b"IM");
    let mut sum = flate2::Crc::new();
    sum.update(&chunk);
    let mut bytes = std::fs::read(&path).unwrap();
    let rest = bytes.split_off(33);
    bytes.extend((chunk.len() as u32 - 4).to_be_bytes());
    bytes.extend(chunk);
    bytes.extend(sum.sum().to_be_bytes());
    bytes.extend(rest);
    assert_eq!(bytes[126..128], *b"IM");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(read_index_map(&path, &Limits::default()).unwrap(), map);
}

#[test]
fn a_map_asks_for_no_more_than_the_limits_allow() {
    let tight = Limits {
        max_pixels: 11 * 14 - 1,
        ..Limits::default()
    };
    for name in ["sbd_cls.mat", "sbd_cls_plain.mat"] {
        let found = read_sbd(&file(name), SbdMap::Classes, &tight);
        assert!(
            matches!(found, Err(DataError::TooLarge { found: 154, .. })),
            "{found:?}"
        );
    }
    let few = Limits {
        max_bytes: 1000,
        ..Limits::default()
    };
    let error = read_sbd(&file("sbd_cls.mat"), SbdMap::Classes, &few).unwrap_err();
    assert!(error.to_string().contains("1000 are allowed"), "{error}");
}

#[test]
fn a_kit_takes_them_for_its_index_maps_and_prefers_a_png() {
    let (set, config) = Set::voc();
    let config = VocConfig {
        masks: Some("cls".into()),
        classes: (1..=20).map(|number| format!("c{number}")).collect(),
        ..config
    };
    let header: Vec<String> = config.classes.clone();
    let row = "0,".repeat(14) + "1,0,0,0,0,1";
    let mut csv = format!("image,{}\n", header.join(","));
    for index in 0..4 {
        csv += &format!("2007_{index:06},{row}\n");
    }
    set.text("image_labels.csv", &csv);
    let image = Plane::filled(11, 14, 9_u8);
    for index in [0, 1, 3] {
        weakseg_data::write_gray_png(&set.at(&format!("JPEGImages/2007_{index:06}.png")), &image)
            .unwrap();
    }
    std::fs::create_dir(set.at("cls")).unwrap();
    for index in [0, 1, 2] {
        std::fs::copy(
            file("sbd_cls.mat"),
            set.at(&format!("cls/2007_{index:06}.mat")),
        )
        .unwrap();
    }
    std::fs::copy(file("sbd_inst.mat"), set.at("cls/2007_000003.mat")).unwrap();
    let png = Plane::filled(11, 14, 3_u8);
    write_index_png(&set.at("cls/2007_000001.png"), &png).unwrap();

    let data = DataConfig::Voc(config);
    let cases = data.open_cases(set.root()).unwrap();
    let truth = data.open_truth(set.root(), &cases).unwrap();
    assert!(truth.has_masks(weakseg_data::Split::Val));
    let mask = |id: &str| truth.mask(id).map(|mask| mask.unwrap().planes.to_plane(0));
    assert_eq!(mask("2007_000000").unwrap(), expected("sbd_cls.mat"));
    assert_eq!(mask("2007_000001").unwrap(), png);
    // Its image is 6x8.
    assert!(matches!(
        mask("2007_000002"),
        Err(DataError::MaskSize { .. })
    ));
    // Numbers of objects are no class numbers.
    let objects = mask("2007_000003").unwrap_err().to_string();
    assert!(objects.contains("`GTinst`"), "{objects}");
}
