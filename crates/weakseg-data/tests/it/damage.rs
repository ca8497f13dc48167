//! Every reader of a data set on inputs that are nearly right ([`crate::mutate`]): none panics, none gives more than
//! its input can hold, and what is read comes back from what is written of it. DICOM files and JPEGs have such tests of
//! their own.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::Path;

use weakseg_data::coco::CocoFile;
use weakseg_data::rle::{Form, coco};
use weakseg_data::{
    Cases, DataConfig, Limits, Plane, RunTable, SbdMap, TableForm, VocConfig, npy, read_index_map,
    read_index_png, read_sbd, unsafe_id, write_index_png,
};

use crate::mutate::{each, put};
use crate::set::Set;
use crate::siim;

fn told(error: impl Display) -> String {
    error.to_string()
}

fn text(input: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(input).map_err(told)
}

fn oracle(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    fs::read(folder.join(name)).unwrap()
}

#[test]
fn run_lengths() {
    let size = |mask: &Plane<u8>| assert_eq!((mask.height(), mask.width()), (6, 8));
    let seeds = ["1 3 2 4", " 6 3 36 3", "-1", "2 3 9 1 20 4\t40 2", "0 48"].map(str::as_bytes);
    for form in [Form::Relative, Form::Absolute] {
        each(&seeds, 3000, |input| {
            let text = text(input)?;
            let mask = form.decode(text, 6, 8).map_err(told)?;
            size(&mask);
            let empty = mask.as_slice().iter().all(|&value| value == 0);
            assert_eq!(form.is_empty(text), Ok(empty));
            assert_eq!(form.decode(&form.encode(&mask), 6, 8), Ok(mask));
            Ok(())
        });
    }
    // 48 pixels by counts of which some are as long as they can be.
    let seeds = ["<4", "62O22T1", "`1", "oooooooooO6", "0`1"].map(str::as_bytes);
    each(&seeds, 3000, |input| {
        let counts = coco::unpack(text(input)?).map_err(told)?;
        assert!(counts.len() <= input.len());
        assert_eq!(coco::unpack(&coco::pack(&counts)).as_ref(), Ok(&counts));
        let mask = coco::from_counts(&counts, 6, 8).map_err(told)?;
        size(&mask);
        assert_eq!(coco::decode(&coco::encode(&mask), 6, 8), Ok(mask));
        Ok(())
    });
}

#[test]
fn documents_of_objects() {
    let set = Set::new();
    let path = set.at("found.json");
    let document = br#"{"images": [{"id": 7, "file_name": "a.png", "height": 2, "width": 3}, {"id": 8, "file_name": "b.png", "height": 2, "width": 3}],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "segmentation": {"size": [2, 3], "counts": "222"}},
        {"id": 2, "image_id": 8, "category_id": 9, "iscrowd": 0, "segmentation": {"size": [2, 3], "counts": [0, 1, 5]}}]}"#;
    let results = br#"[{"image_id": 4, "category_id": 1, "score": 0.5, "segmentation": {"size": [1, 2], "counts": [0, 1, 1]}},
        {"image_id": 3, "category_id": 1, "score": 1, "segmentation": {"size": [1, 2], "counts": "11"}}]"#;
    each(&[document, results], 3000, |input| {
        put(&path, input);
        let file = CocoFile::read(&path, &Limits::default()).map_err(told)?;
        for instance in file.instances.values().flatten() {
            let mask = instance.mask();
            assert_eq!([mask.height(), mask.width()], instance.size());
            assert!(mask.as_slice().contains(&1));
        }
        Ok(())
    });
}

#[test]
fn tables_of_run_lengths() {
    let set = Set::new();
    let path = set.at("masks.csv");
    let seeds = [
        &b"ImageId, EncodedPixels\r\n1.2.3, 6 3 36 3\r\n1.2.4, -1\r\n1.2.3,0 2\r\n"[..],
        b"\xef\xbb\xbfImageId,EncodedPixels\na.png,2 3 9 1\nb.png,\n\"c,d\",1 48\n",
    ];
    for form in [TableForm::Siim, TableForm::Kaggle, TableForm::Coco] {
        each(&seeds, 1000, |input| {
            put(&path, input);
            let table = RunTable::read(&path, form).map_err(told)?;
            for id in table.ids() {
                assert_eq!(unsafe_id(id), None);
                if let Ok(mask) = table.mask(id, 6, 8) {
                    assert_eq!(mask.expect("an id of the table").len(), 48);
                }
            }
            Ok(())
        });
    }
}

/// What holds for the cases of any set that is read at all.
fn sound(cases: &Cases, rows: &[u8]) {
    let lines = rows.iter().filter(|&&byte| b"\r\n".contains(&byte)).count() + 1;
    assert!(cases.cases.len() + cases.left_out.len() <= lines);
    let mut ids = BTreeSet::new();
    for case in &cases.cases {
        assert_eq!(unsafe_id(&case.id), None);
        assert!(ids.insert(case.id.to_lowercase()), "{} twice", case.id);
        assert_eq!(case.labels.len(), cases.classes.len());
    }
}

#[test]
fn tables_of_labels_and_boxes() {
    let (set, config) = Set::table();
    let labels = fs::read_to_string(set.at("labels.csv")).unwrap();
    let mut split = String::from("\u{feff}image, split ,mass,odem\r\n");
    for at in 0..20 {
        let (name, row) = (["train", "VAL", "test"][at % 3], at % 2);
        split += &format!("p{}_{} , {name},{row},{}.0\r\n", at / 2, at % 2, 1 - row);
    }
    let data = DataConfig::Table(config);
    each(&[labels.as_bytes(), split.as_bytes()], 1000, |input| {
        put(&set.at("labels.csv"), input);
        let cases = data.open_cases(set.root()).map_err(told)?;
        sound(&cases, input);
        Ok(())
    });

    set.text("labels.csv", &labels);
    let cases = data.open_cases(set.root()).unwrap();
    let boxes = fs::read(set.at("boxes.csv")).unwrap();
    let more =
        b"x,y,width,height,label,image\r\n7,5,1,1,MASS,p4_1\r\n0.5,0,1e0,2,mass,p0_0.png\r\n";
    each(&[&boxes, more], 1000, |input| {
        put(&set.at("boxes.csv"), input);
        let truth = data.open_truth(set.root(), &cases).map_err(told)?;
        for found in cases.cases.iter().flat_map(|case| truth.boxes(&case.id)) {
            assert!(found.width > 0.0 && found.height > 0.0 && found.label < 1);
            assert!(found.x >= -1.0 && found.x + found.width <= 9.0);
            assert!(found.y >= -1.0 && found.y + found.height <= 7.0);
        }
        Ok(())
    });
}

#[test]
fn tables_of_the_challenge_and_of_splits() {
    let (set, rows) = siim::set();
    let data = DataConfig::Siim(siim::config());
    let open = |input: &[u8]| {
        let cases = data.open_cases(set.root()).map_err(told)?;
        sound(&cases, input);
        Ok(())
    };
    each(&[rows.as_bytes()], 150, |input| {
        put(&set.at("train-rle.csv"), input);
        open(input)
    });
    set.text("train-rle.csv", &rows);
    let cases = data.open_cases(set.root()).unwrap();
    weakseg_data::write_splits(&set.at("split.csv"), &cases).unwrap();
    let splits = fs::read(set.at("split.csv")).unwrap();
    each(&[&splits], 150, |input| {
        put(&set.at("split.csv"), input);
        open(rows.as_bytes())
    });
}

#[test]
fn lists_labels_and_annotations_of_a_kit() {
    let (set, config) = Set::voc();
    let data = DataConfig::Voc(config);
    for name in ["image_labels.csv", "ImageSets/Segmentation/train.txt"] {
        let whole = fs::read(set.at(name)).unwrap();
        each(&[&whole], 1000, |input| {
            put(&set.at(name), input);
            let cases = data.open_cases(set.root()).map_err(told)?;
            sound(&cases, &[whole.as_slice(), input, b"\n\n\n\n\n"].concat());
            Ok(())
        });
        fs::write(set.at(name), whole).unwrap();
    }
    fs::remove_file(set.at("image_labels.csv")).unwrap();
    let annotation = "<annotation><object><name>cat</name></object></annotation>";
    for index in 0..4 {
        set.text(&format!("Annotations/2007_{index:06}.xml"), annotation);
    }
    each(&[annotation.as_bytes()], 1000, |input| {
        put(&set.at("Annotations/2007_000001.xml"), input);
        data.open_cases(set.root()).map(drop).map_err(told)
    });
}

#[test]
fn pickled_labels() {
    let (set, config) = Set::voc();
    fs::remove_file(set.at("image_labels.csv")).unwrap();
    for id in ["2007_000032", "2007_000039", "2011_003276"] {
        set.image(&format!("JPEGImages/{id}.png"));
    }
    let lists = "ImageSets/Segmentation";
    set.text(&format!("{lists}/train.txt"), "2007_000032\n2007_000039\n");
    set.text(&format!("{lists}/val.txt"), "2011_003276\n");
    let data = DataConfig::Voc(VocConfig {
        classes: ["a", "b", "c", "d"].map(String::from).to_vec(),
        ..config
    });
    let seeds = [2, 3, 4].map(|protocol| oracle(&format!("cls_labels_{protocol}.npy")));
    each(&seeds.each_ref().map(Vec::as_slice), 3000, |input| {
        put(&set.at("cls_labels.npy"), input);
        let cases = data.open_cases(set.root()).map_err(told)?;
        assert_eq!(cases.cases.len(), 3);
        Ok(())
    });
}

#[test]
fn arrays() {
    let set = Set::new();
    let (path, again) = (set.at("a.npy"), set.at("again.npy"));
    let seeds = ["cam_f32.npy", "cam_fortran_f64.npy", "pickled.npy"].map(oracle);
    let whole = |array: &npy::Array, input: &[u8]| {
        let cells = array.shape.iter().product::<usize>();
        let bytes = match &array.values {
            npy::Values::F32(values) => 4 * values.len(),
            npy::Values::U8(values) => values.len(),
            npy::Values::I64(values) => 8 * values.len(),
        };
        assert!([1, 4, 8].map(|width| width * cells).contains(&bytes));
        assert!(bytes <= 8 * input.len());
    };
    each(&seeds.each_ref().map(Vec::as_slice), 3000, |input| {
        put(&path, input);
        let array = npy::read(&path).map_err(told)?;
        whole(&array, input);
        if let npy::Values::F32(values) = &array.values {
            let _ = fs::remove_file(&again);
            npy::write_f32(&again, &array.shape, values).unwrap();
            let (shape, found) = npy::read_f32(&again).unwrap();
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!((shape, bits(&found)), (array.shape, bits(values)));
        }
        let maps = npy::read_maps(&path).map_err(told)?;
        assert!(maps.as_slice().iter().all(|value| value.is_finite()));
        Ok(())
    });
    npy::NpzWriter::new()
        .f32("maps", &[2, 1, 3], vec![0.5; 6])
        .i64("keys", &[2], vec![0, 7])
        .write(&path)
        .unwrap();
    each(
        &[&oracle("mixed.npz"), &fs::read(&path).unwrap()],
        3000,
        |input| {
            put(&path, input);
            let arrays = npy::read_npz(&path).map_err(told)?;
            // Packed by a factor of a thousand at most.
            arrays
                .values()
                .for_each(|array| whole(array, &[0; 1 << 20]));
            Ok(())
        },
    );
}

#[test]
fn maps_of_the_boundaries_dataset() {
    let set = Set::new();
    let path = set.at("a.mat");
    let seeds = [
        "sbd_cls.mat",
        "sbd_cls_plain.mat",
        "sbd_cls_big_endian.mat",
        "sbd_inst.mat",
        "sbd_double.mat",
    ]
    .map(oracle);
    each(&seeds.each_ref().map(Vec::as_slice), 3000, |input| {
        put(&path, input);
        let limits = Limits::default();
        let objects = read_sbd(&path, SbdMap::Instances, &limits);
        let map = read_index_map(&path, &limits).or(objects).map_err(told)?;
        assert_eq!(map.len(), map.height() * map.width());
        // Those that are packed may hold a thousand times as much.
        assert!(map.len() <= 1100 * input.len());
        Ok(())
    });
}

#[test]
fn label_maps() {
    let set = Set::new();
    let (path, again) = (set.at("a.png"), set.at("again.png"));
    let map = Plane::from_fn(9, 13, |y, x| ((y * 13 + x) % 21) as u8);
    write_index_png(&path, &map).unwrap();
    let stored = |color, depth, row: usize| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 5, 4);
        encoder.set_color(color);
        encoder.set_depth(depth);
        // As they are, so that what is changed of them is changed in the picture.
        encoder.set_compression(png::Compression::NoCompression);
        encoder.set_animated(1, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![0; 4 * row]).unwrap();
        writer.finish().unwrap();
        bytes
    };
    use png::{BitDepth, ColorType};
    let seeds = [
        fs::read(&path).unwrap(),
        oracle("classes_palette.png"),
        oracle("classes_palette_2bit.png"),
        stored(ColorType::Grayscale, BitDepth::One, 1),
        stored(ColorType::Grayscale, BitDepth::Sixteen, 10),
        stored(ColorType::Rgba, BitDepth::Eight, 20),
    ];
    each(&seeds.each_ref().map(Vec::as_slice), 5000, |input| {
        put(&path, &with_checksums(input));
        let map = read_index_png(&path, &Limits::default()).map_err(told)?;
        // DEFLATE packs by a factor of 1032 at most, and a pixel may have a bit.
        assert!(map.len() <= 8 * 1100 * input.len());
        let _ = fs::remove_file(&again);
        write_index_png(&again, &map).unwrap();
        assert_eq!(read_index_png(&again, &Limits::default()).unwrap(), map);
        Ok(())
    });
}

/// A PNG whose chunks have their checksums: else a decoder looks no further.
fn with_checksums(input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let mut at = 8;
    while let Some(&[a, b, c, d]) = bytes.get(at..at + 4).and_then(<[u8]>::first_chunk) {
        let end = (at + 8).saturating_add(u32::from_be_bytes([a, b, c, d]) as usize);
        if end + 4 > bytes.len() {
            break;
        }
        let mut sum = flate2::Crc::new();
        sum.update(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.sum().to_be_bytes());
        at = end + 4;
    }
    bytes
}
