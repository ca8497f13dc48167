//! Instances in COCO's JSON: both kinds of files, and what is refused.

use weakseg_data::coco::CocoFile;
use weakseg_data::{Limits, Plane};

use crate::set::Set;

/// One image of 2x3 with a cat in its middle column, compressed (`3`, `2`, `1` would be characters of small counts).
const DOCUMENT: &str = r#"{"info": {"year": 2026},
    "images": [{"id": 7, "file_name": "a.b.png", "height": 2, "width": 3}, {"id": 8, "file_name": "c.png", "height": 2, "width": 3}],
    "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat", "supercategory": "animal"}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "area": 2, "segmentation": {"size": [2, 3], "counts": "222"}}]}"#;

fn read(text: &str) -> Result<CocoFile, String> {
    let set = Set::new();
    set.text("found.json", text);
    CocoFile::read(&set.at("found.json"), &Limits::default()).map_err(|e| e.to_string())
}

#[test]
fn documents_and_results_are_told_apart() {
    let document = read(DOCUMENT).unwrap();
    let head = document.head.unwrap();
    assert_eq!(head.images[0].name(), "a.b");
    let names: Vec<&str> = head.categories.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["cat", "dog"], "by their ids");
    let [cat] = document.instances[&7].as_slice() else {
        panic!("one instance: {:?}", document.instances);
    };
    assert_eq!((cat.category, cat.score, cat.size()), (2, None, [2, 3]));
    assert_eq!(
        cat.mask(),
        Plane::new(2, 3, vec![0, 1, 0, 0, 1, 0]).unwrap()
    );

    let results = r#" [
        {"image_id": 4, "category_id": 1, "score": 0.5, "segmentation": {"size": [1, 2], "counts": [0, 1, 1]}},
        {"image_id": 3, "category_id": 1, "score": 1, "segmentation": {"size": [1, 2], "counts": [1, 1]}},
        {"image_id": 4, "category_id": 2, "score": 0.25, "segmentation": {"size": [1, 2], "counts": [0, 2]}}]"#;
    let results = read(results).unwrap();
    assert_eq!(results.head, None);
    let scores: Vec<Option<f32>> = results.instances[&4].iter().map(|i| i.score).collect();
    assert_eq!(scores, [Some(0.5), Some(0.25)], "in the order of the file");
    assert_eq!(results.instances[&3][0].mask().as_slice(), [0, 1]);
    assert!(read("[]").unwrap().instances.is_empty());
}

#[test]
fn what_cannot_be_compared_is_named() {
    for (from, to, part) in [
        (
            r#"{"size": [2, 3], "counts": "222"}"#,
            "[[1, 0, 2, 0, 2, 2, 1, 2]]",
            "annotation 1: its mask is polygons; write its mask as run lengths",
        ),
        (
            r#"{"size": [2, 3], "counts": "222"}"#,
            "7",
            "invalid type: integer `7`, expected a mask: run lengths with their size, or polygons at line 4",
        ),
        (
            r#""counts": "222""#,
            r#""counts": [-1, 7]"#,
            "invalid value: integer `-1`, expected u64",
        ),
        (
            r#""counts": "222""#,
            r#""counts": null"#,
            "expected run lengths: COCO's string, or a list of numbers",
        ),
        (r#""size": [2, 3], "#, "", "missing field `size`"),
        (
            r#""counts": "222""#,
            r#""counts": "22""#,
            "annotation 1: the counts add up to 4 pixels",
        ),
        (
            r#""counts": "222""#,
            r#""counts": "2~2""#,
            "none of theirs (character 2)",
        ),
        (
            r#""counts": "222""#,
            r#""counts": "6""#,
            "its mask has no pixel; leave it out",
        ),
        (
            r#""counts": "222""#,
            r#""counts": [6, 0]"#,
            "its mask has no pixel",
        ),
        (
            r#""size": [2, 3]"#,
            r#""size": [3, 2]"#,
            "its mask is 3x2 (height x width), its image 2x3",
        ),
        (
            r#""area": 2"#,
            r#""iscrowd": 1"#,
            "annotation 1: it is a crowd",
        ),
        (
            r#""image_id": 7"#,
            r#""image_id": 6"#,
            "no image has its id 6",
        ),
        (
            r#""category_id": 2"#,
            r#""category_id": 3"#,
            "no category has its id 3",
        ),
        (r#""id": 8"#, r#""id": 7"#, "two images have the id 7"),
        ("c.png", "x/a.b.jpg", "two images have the file name a.b"),
        (r#""id": 9"#, r#""id": 2"#, "two categories have the id 2"),
        ("dog", "cat", "two categories have the name cat"),
        (r#""image_id": 7"#, r#""image_id": "7""#, "expected u64"),
        (r#""images""#, r#""pictures""#, "missing field `images`"),
        ("]}", "", "no instances in COCO's form"),
    ] {
        assert!(DOCUMENT.contains(from), "{from}");
        let error = read(&DOCUMENT.replacen(from, to, 1)).unwrap_err();
        assert!(
            error.contains("found.json: ") && error.contains(part),
            "{error}"
        );
    }
    let nowhere = CocoFile::read(std::path::Path::new("gone.json"), &Limits::default());
    assert!(nowhere.unwrap_err().to_string().contains("gone.json"));
}

#[test]
fn a_file_of_more_bytes_than_can_be_held_is_not_read() {
    let set = Set::new();
    set.text("found.json", DOCUMENT);
    let path = set.at("found.json");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len((1 << 27) + 1).unwrap();
    let error = CocoFile::read(&path, &Limits::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("found.json: 134217729 bytes, but the limit is 134217728"),
        "{error}"
    );
    let few = Limits {
        max_bytes: 100,
        ..Limits::default()
    };
    let error = CocoFile::read(&path, &few).unwrap_err().to_string();
    assert!(error.contains("the limit is 100"), "{error}");
}
