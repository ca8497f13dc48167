use serde_json::Value;
use weakseg_data::{Plane, write_gray_png, write_index_png};

use crate::program::Program;

fn mask(program: &Program, name: &str, values: [u8; 4]) {
    let path = program.path(name);
    write_index_png(
        &path,
        &Plane::new(2, 2, values.to_vec()).expect("four values"),
    )
    .expect("a mask");
}

/// The value of a row of `--json`.
fn value(json: &Value, step: &str, subset: &str, metric: &str) -> f64 {
    let rows = json["results"].as_array().expect("rows");
    let found = rows
        .iter()
        .find(|r| r["step"] == step && r["subset"] == subset && r["metric"] == metric);
    found.unwrap_or_else(|| panic!("no row {step} {subset} {metric} in {json}"))["value"]
        .as_f64()
        .expect("a number")
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "found {found}, expected {expected}"
    );
}

/// Three images: a half-right positive, a positive that was missed, a healthy one left empty.
fn one_class(program: &Program) {
    for (name, truth, pred) in [
        ("a", [1, 1, 0, 0], [1, 0, 0, 0]),
        ("b", [0, 0, 0, 1], [0; 4]),
        ("c", [0; 4], [0; 4]),
    ] {
        mask(program, &format!("truth/{name}.png"), truth);
        mask(program, &format!("pred/{name}.png"), pred);
    }
}

#[test]
fn one_class_has_the_figures_of_the_paper_beside_the_baselines() {
    let program = Program::new();
    one_class(&program);
    let json = program
        .ok(&["evaluate", "--pred", "pred", "--truth", "truth", "--json"])
        .json();
    let judged = |subset, metric| value(&json, "segmentation", subset, metric);
    close(judged("pos", "iou"), 0.25); // (1/2 + 0) / 2
    close(judged("all", "iou"), 0.5); // (1/2 + 0 + 1) / 3
    close(judged("neg", "iou"), 1.0);
    close(judged("pos", "dice"), 1.0 / 3.0); // (2/3 + 0) / 2
    close(judged("all", "f1"), 0.5); // pooled: TP 1, FP 0, FN 2
    close(judged("all", "miou"), (1.0 / 3.0 + 9.0 / 11.0) / 2.0);
    close(judged("all", "sensitivity"), 0.5);
    close(judged("all", "specificity"), 1.0);
    close(value(&json, "baseline-empty", "all", "iou"), 1.0 / 3.0);
    close(value(&json, "baseline-empty", "pos", "iou"), 0.0);
    close(
        value(&json, "baseline-full", "pos", "iou"),
        (0.5 + 0.25) / 2.0,
    );
    close(value(&json, "baseline-full", "all", "f1"), 6.0 / 15.0);
    assert_eq!(json["data"]["counts"]["test"]["positive"], 2);
    assert!(
        json["data"]["empty_masks"]
            .as_str()
            .expect("the policy")
            .contains("as 1")
    );
    for row in json["results"].as_array().expect("rows") {
        assert_eq!(row.as_object().expect("a row").len(), 8, "{row}");
        assert_eq!(
            (&row["split"], &row["image_labels"]),
            (&"test".into(), &"none".into())
        );
    }
    let text = program
        .ok(&["evaluate", "--pred", "pred", "--truth", "truth"])
        .stdout;
    assert!(
        text.contains("Empty mask") && text.contains("Segmentation") && text.contains("0.250"),
        "{text}"
    );
}

#[test]
fn the_prior_is_drawn_from_the_other_images() {
    let program = Program::new();
    for name in ["a", "b", "c"] {
        mask(&program, &format!("truth/{name}.png"), [1, 0, 0, 0]);
        mask(&program, &format!("pred/{name}.png"), [0, 1, 0, 0]);
    }
    mask(&program, "truth/d.png", [0, 0, 0, 1]);
    mask(&program, "pred/d.png", [0, 0, 0, 1]);
    let json = program
        .ok(&["evaluate", "--pred", "pred", "--truth", "truth", "--json"])
        .json();
    // Right on the three that are alike, wrong on the one that no other resembles.
    close(value(&json, "baseline-prior", "pos", "iou"), 0.75);
    close(value(&json, "segmentation", "pos", "iou"), 0.25);
    assert_eq!(
        json["data"]["versions"]["weakseg"],
        env!("CARGO_PKG_VERSION")
    );
}

#[test]
fn the_prior_has_every_class() {
    let program = Program::new();
    for name in ["a", "b", "c"] {
        mask(&program, &format!("truth/{name}.png"), [1, 0, 0, 2]);
        mask(&program, &format!("pred/{name}.png"), [0; 4]);
    }
    mask(&program, "truth/d.png", [0, 1, 2, 0]);
    mask(&program, "pred/d.png", [0; 4]);
    let json = program
        .ok(&["evaluate", "--pred", "pred", "--truth", "truth", "--json"])
        .json();
    // Of d the others say [1, 0, 0, 2]; of the three a cut at the height that fits most keeps what two have, and drops
    // what d has: each class has 3 pixels right, 1 too many, 1 missed.
    for class in ["class 1", "class 2"] {
        close(value(&json, "baseline-prior", class, "iou"), 3.0 / 5.0);
    }
    // Background: 6 pixels right, and in d two of four are taken for classes and two missed.
    close(
        value(&json, "baseline-prior", "background", "iou"),
        6.0 / 10.0,
    );
}

#[test]
fn black_and_white_masks_are_read_as_one_class() {
    let program = Program::new();
    let white = |name: &str, values: [u8; 4]| {
        write_gray_png(
            &program.path(name),
            &Plane::new(2, 2, values.to_vec()).expect("four values"),
        )
        .expect("a mask");
    };
    white("truth/a.png", [255, 255, 0, 0]);
    white("pred/a.png", [255, 0, 0, 0]);
    let end = program.ok(&["evaluate", "--pred", "pred", "--truth", "truth", "--json"]);
    close(value(&end.json(), "segmentation", "pos", "iou"), 0.5);
    assert!(
        end.stderr.contains("255 is read as class 1"),
        "{}",
        end.stderr
    );
    // Said to be void, the white pixels of the truth are not scored: nothing is left that is positive.
    let json = program
        .ok(&[
            "evaluate", "--pred", "pred", "--truth", "truth", "--void", "255", "--json",
        ])
        .json();
    close(value(&json, "segmentation", "all", "iou"), 1.0);
    // So they were, unasked, where the names of two findings were given for two classes.
    let two = [
        "evaluate",
        "--pred",
        "pred",
        "--truth",
        "truth",
        "--classes",
        "a,b",
    ];
    program.fails(1, &two, &["a.png", "0 and 255 only", "--classes FINDING"]);
    program.ok(&[&two[..], &["--void", "255"]].concat());
    // A folder of findings has no masks of its own.
    std::fs::create_dir(program.path("out")).expect("a folder");
    std::fs::rename(program.path("pred"), program.path("out/a")).expect("moved");
    let above = ["evaluate", "--pred", "out", "--truth", "truth"];
    program.fails(1, &above, &["out: no PNG", "name that of one"]);
}

/// As `predict` writes them, and a table set has them.
#[test]
fn several_findings_are_scored_together_and_one_by_one() {
    let program = Program::new();
    for (name, values) in [
        ("truth/mass/a", [1, 1, 0, 0]),
        ("truth/mass/b", [0; 4]),
        ("truth/node/c", [0; 4]),
        ("out/mass/a", [1, 0, 0, 0]),
        ("out/mass/b", [0; 4]),
        ("out/node/a", [0, 0, 0, 1]),
        ("out/node/c", [1, 0, 0, 0]),
        ("out/overlays/a", [1; 4]),
    ] {
        mask(&program, &format!("{name}.png"), values);
    }
    // Each finding is read for itself.
    let white = Plane::new(2, 2, vec![0, 0, 0, 255]).expect("four values");
    write_gray_png(&program.path("truth/node/a.png"), &white).expect("a mask");
    let folders = ["evaluate", "--pred", "out", "--truth", "truth", "--json"];
    let end = program.ok(&folders);
    let json = end.json();
    let judged = |subset, metric| value(&json, "segmentation", subset, metric);
    // Of mass a 1/2, of mass b 1, of node a 1, of node c 0; of mass c and of node b nothing is known.
    close(judged("all", "iou"), 2.5 / 4.0);
    close(judged("pos", "iou"), 0.75);
    close(judged("neg", "iou"), 0.5);
    close(judged("mass", "iou"), 0.5);
    close(judged("node", "iou"), 1.0);
    close(judged("all", "f1"), 4.0 / 6.0); // pooled: TP 2, FP 1, FN 1
    close(judged("all", "specificity"), 0.5);
    close(value(&json, "baseline-full", "pos", "iou"), 0.375);
    close(value(&json, "baseline-full", "node", "iou"), 0.25);
    let data = &json["data"];
    assert_eq!(data["classes"], serde_json::json!(["mass", "node"]));
    let counts = &data["counts"]["test"];
    assert_eq!(
        (&counts["cases"], &counts["positive"]),
        (&3.into(), &1.into())
    );
    let told = "the truth masks of node hold 0 and 255 only";
    assert!(end.stderr.contains(told), "{}", end.stderr);
    // Those that are named, and what one call alone says of one.
    let one = program
        .ok(&[&folders[..], &["--classes", "mass"]].concat())
        .json();
    let alone = [
        "evaluate",
        "--pred",
        "out/mass",
        "--truth",
        "truth/mass",
        "--json",
    ];
    let alone = program.ok(&alone).json();
    for subset in ["all", "pos"] {
        let of = |json: &Value| value(json, "segmentation", subset, "iou");
        close(of(&one), of(&alone));
    }
    let fails = |code, more: &[&str], words: &[&str]| {
        program.fails(code, &[&folders[..], more].concat(), words)
    };
    fails(2, &["--classes", "3"], &["name the findings", "mass, node"]);
    fails(2, &["--boxes", "boxes.csv"], &["one finding a call"]);
    fails(1, &["--classes", "mass,cyst"], &["out/cyst", "--classes"]);
    mask(&program, "truth/mass/d.png", [0; 4]);
    let end = program.call(&folders);
    assert_eq!(end.code, Some(3), "{end:?}");
    assert!(end.stderr.contains("1 of the truth (mass/d)"), "{end:?}");
    assert_eq!(end.json()["data"]["skipped"][0]["case"], "mass/d");
}

#[test]
fn several_classes_have_a_pooled_miou_and_void_does_not_count() {
    let program = Program::new();
    mask(&program, "truth/a.png", [0, 1, 2, 255]);
    mask(&program, "pred/a.png", [0, 1, 1, 2]);
    mask(&program, "pred/extra.png", [0; 4]);
    let arguments = [
        "evaluate",
        "--pred",
        "pred",
        "--truth",
        "truth",
        "--classes",
        "cat,dog",
        "--json",
    ];
    let end = program.ok(&arguments);
    let json = end.json();
    close(value(&json, "segmentation", "background", "iou"), 1.0);
    close(value(&json, "segmentation", "cat", "iou"), 0.5);
    close(value(&json, "segmentation", "dog", "iou"), 0.0);
    close(value(&json, "segmentation", "all", "miou"), 0.5);
    close(value(&json, "baseline-empty", "all", "miou"), 1.0 / 9.0);
    assert!(
        end.stderr
            .contains("not scored, without a truth: 1 prediction (a healthy"),
        "{}",
        end.stderr
    );
    let json = program
        .ok(&["evaluate", "--pred", "pred", "--truth", "truth", "--json"])
        .json();
    assert_eq!(
        json["data"]["classes"],
        serde_json::json!(["class 1", "class 2"]),
        "as many as the masks hold"
    );
    program.fails(
        1,
        &[
            "evaluate",
            "--pred",
            "pred",
            "--truth",
            "truth",
            "--classes",
            "2",
        ],
        &["a.png", "truth holds the value 2"],
    );
}

#[test]
fn a_truth_may_be_a_map_of_the_semantic_boundaries_dataset() {
    let program = Program::new();
    let map = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../weakseg-data/tests/oracle/sbd_cls.mat"
    );
    std::fs::create_dir(program.path("cls")).expect("a folder");
    std::fs::copy(map, program.path("cls/a.mat")).expect("a map");
    // A person at rows 1 to 4, columns 2 to 8, of which the last column is missed; a monitor from row 6, column 10.
    let pred = Plane::from_fn(11, 14, |y, x| match (y, x) {
        (1..=4, 2..=7) => 15,
        (6.., 10..) => 20,
        _ => 0,
    });
    write_index_png(&program.path("pred/a.png"), &pred).expect("a mask");
    let json = program
        .ok(&[
            "evaluate",
            "--pred",
            "pred",
            "--truth",
            "cls",
            "--classes",
            "voc",
            "--json",
        ])
        .json();
    let iou = |class| value(&json, "segmentation", class, "iou");
    close(iou("person"), 24.0 / 28.0);
    close(iou("tvmonitor"), 1.0);
    close(iou("aeroplane"), 0.0);
}

#[test]
fn predictions_of_another_size_are_resized_only_if_that_is_asked_for() {
    let program = Program::new();
    one_class(&program);
    let large = Plane::from_fn(4, 4, |y, x| u8::from(y < 2 && x < 2));
    write_index_png(&program.path("pred/a.png"), &large).expect("a mask");
    let folders = ["evaluate", "--pred", "pred", "--truth", "truth", "--json"];
    program.fails(1, &folders, &["4x4", "2x2", "--resize-masks nearest"]);
    let end = program.ok(&[&folders[..], &["--resize-masks", "nearest"]].concat());
    // The quarter that is left of it is the pixel that it was.
    close(value(&end.json(), "segmentation", "pos", "iou"), 0.25);
    assert!(
        end.stderr
            .contains("brought to the size of its truth: 1 prediction\n"),
        "{end:?}"
    );
    program.fails(
        2,
        &[&folders[..], &["--resize-masks", "area"]].concat(),
        &["expected nearest"],
    );
}

#[test]
fn predictions_are_resized_for_boxes_too() {
    let program = Program::new();
    // Twice the size of its image: the first two pixels of the first row.
    let large = Plane::from_fn(8, 8, |y, x| u8::from(y < 2 && x < 4));
    write_index_png(&program.path("pred/a.png"), &large).expect("a mask");
    let truth = Plane::from_fn(4, 4, |y, x| u8::from(y == 0 && x == 0));
    write_index_png(&program.path("truth/a.png"), &truth).expect("a mask");
    program.write(
        "boxes.csv",
        b"image,label,x,y,width,height\na.png,1,0,0,1,1\n",
    );
    let boxes = [
        "evaluate",
        "--pred",
        "pred",
        "--boxes",
        "boxes.csv",
        "--json",
    ];
    let resize = ["--resize-masks", "nearest"];
    let json = program
        .ok(&[&boxes[..], &["--truth", "truth"], &resize].concat())
        .json();
    close(value(&json, "segmentation", "pos", "hit_rate"), 0.5);
    close(value(&json, "segmentation", "pos", "box_iou"), 0.5);
    // Without a truth nobody knows the image's size.
    program.fails(2, &[&boxes[..], &resize].concat(), &["--truth"]);
}

#[test]
fn a_truth_that_is_void_everywhere_is_counted_and_not_scored() {
    let program = Program::new();
    one_class(&program);
    let folders = ["evaluate", "--pred", "pred", "--truth", "truth", "--json"];
    let without = program.ok(&folders).json();
    mask(&program, "truth/d.png", [255; 4]);
    mask(&program, "pred/d.png", [0; 4]);
    let end = program.ok(&folders);
    let warning = "not scored, for it is void everywhere: 1 true mask";
    assert!(end.stderr.contains(warning), "{}", end.stderr);
    let quiet = program.ok(&[&folders[..], &["-q"]].concat());
    assert_eq!(quiet.stderr, format!("{warning}\n"), "progress is not told");
    assert_eq!(without["data"]["warnings"], serde_json::json!([]));
    assert_eq!(end.json()["data"]["warnings"], serde_json::json!([warning]));
    assert_eq!(end.json()["results"], without["results"]);
    assert_eq!(end.json()["data"]["counts"]["test"]["masks"], 3);
    program.write("all-void/readme.txt", b"");
    mask(&program, "all-void/d.png", [255; 4]);
    program.fails(
        1,
        &[
            "evaluate", "--pred", "pred", "--truth", "all-void", "--void", "255",
        ],
        &["all true masks (1) are void everywhere"],
    );
}

#[test]
fn a_truth_without_prediction_is_told_and_ends_with_3() {
    let program = Program::new();
    one_class(&program);
    std::fs::remove_file(program.path("pred/b.png")).expect("was there");
    let arguments = ["evaluate", "--pred", "pred", "--truth", "truth", "--json"];
    let end = program.call(&arguments);
    assert_eq!(end.code, Some(3), "{end:?}");
    assert!(
        end.stderr
            .contains("without a prediction in pred: 1 of the truth (b)"),
        "{}",
        end.stderr
    );
    let json = end.json();
    assert_eq!(json["data"]["skipped"][0]["case"], "b");
    close(value(&json, "segmentation", "pos", "iou"), 0.5);
    program.ok(&[&arguments[..], &["--allow-skips", "1"]].concat());
}

#[test]
fn boxes_are_hit_by_the_share_of_the_mask_inside() {
    let program = Program::new();
    let wide = Plane::from_fn(4, 4, |y, x| u8::from(y == 0 && x < 2));
    write_index_png(&program.path("pred/a.png"), &wide).expect("a mask");
    program.write(
        "boxes.csv",
        b"image,label,x,y,width,height\na.png,Pneumonia,0,0,1,1\n",
    );
    let json = program
        .ok(&[
            "evaluate",
            "--pred",
            "pred",
            "--boxes",
            "boxes.csv",
            "--json",
        ])
        .json();
    close(value(&json, "segmentation", "pos", "hit_rate"), 0.5);
    close(value(&json, "segmentation", "pos", "box_iou"), 0.5);
    close(value(&json, "baseline-empty", "pos", "hit_rate"), 0.0);
    close(value(&json, "baseline-full", "pos", "box_iou"), 1.0 / 16.0);

    // A mask of the whole image is hit by the share of it inside, as the full mask that stands beside it is for its
    // centre.
    write_index_png(&program.path("whole/a.png"), &Plane::filled(4, 4, 1)).expect("a mask");
    program.write(
        "most.csv",
        b"image,label,x,y,width,height\na.png,\"Pneumo\nnia\",0,0,4,3\n,,,,,\n",
    );
    let line = [
        "evaluate", "--pred", "whole", "--boxes", "most.csv", "--json",
    ];
    let json = program.ok(&line).json();
    close(value(&json, "segmentation", "pos", "hit_rate"), 0.75);
    close(value(&json, "segmentation", "pos", "box_iou"), 0.75);
    program.write(
        "odd.csv",
        b"image,label,x,y,width,height\na.png,\"Pneumo\nnia\",0,0,1,1\na.png,\"Pneumo\nnia\",0,0,0,1\n",
    );
    program.fails(
        1,
        &["evaluate", "--pred", "pred", "--boxes", "odd.csv"],
        &["odd.csv, line 4"],
    );

    program.write(
        "outside.csv",
        b"image,label,x,y,width,height\na.png,Pneumonia,9,0,3,1\n",
    );
    program.fails(
        1,
        &["evaluate", "--pred", "pred", "--boxes", "outside.csv"],
        &["outside.csv", "outside its prediction"],
    );
    let named = [
        "evaluate",
        "--pred",
        "pred",
        "--boxes",
        "boxes.csv",
        "--classes",
        "cat,dog",
    ];
    program.fails(1, &named, &["Pneumonia", "cat, dog"]);
}

/// A run reads the same table so.
#[test]
fn boxes_are_read_as_in_a_run() {
    let program = Program::new();
    mask(&program, "pred/1.2.840.5.png", [1, 0, 0, 0]);
    program.write(
        "boxes.csv",
        b"image,label,x,y,width,height\n\
          1.2.840.5,mass,-0.5,0,1.5,1\n\
          1.2.840.5.dcm,mass,0,0,1,1\n\
          1.2.840.5,node,0,0,1,1\n",
    );
    let boxes = [
        "--pred",
        "pred",
        "--boxes",
        "boxes.csv",
        "--classes",
        "mass",
    ];
    let end = program.ok(&[&["evaluate", "--json"][..], &boxes].concat());
    close(value(&end.json(), "segmentation", "pos", "hit_rate"), 1.0);
    let words = "boxes of node, none of the classes mass, are left out";
    assert!(end.stderr.contains(words), "{}", end.stderr);
}

#[test]
#[cfg(unix)]
fn two_predictions_of_one_name_are_refused() {
    let program = Program::new();
    mask(&program, "truth/a.png", [0, 1, 1, 0]);
    mask(&program, "pred/a.png", [0, 1, 1, 0]);
    std::fs::copy(program.path("pred/a.png"), program.path("pred/a.PNG")).expect("a mask");
    program.fails(
        1,
        &["evaluate", "--pred", "pred", "--truth", "truth"],
        &["pred/a.png", "pred/a.PNG", "one name"],
    );
}

#[test]
fn folders_that_do_not_fit_are_named() {
    let program = Program::new();
    one_class(&program);
    program.fails(
        1,
        &["evaluate", "--pred", "gone", "--truth", "truth"],
        &["gone"],
    );
    program.write("empty/readme.txt", b"");
    program.fails(
        1,
        &["evaluate", "--pred", "pred", "--truth", "empty"],
        &["empty", "no PNG or .mat file in this folder"],
    );
    mask(&program, "other/z.png", [0; 4]);
    program.fails(
        1,
        &["evaluate", "--pred", "other", "--truth", "truth"],
        &["no mask in other", "a.png"],
    );
    let large = Plane::filled(3, 3, 0);
    write_index_png(&program.path("large/a.png"), &large).expect("a mask");
    program.fails(
        1,
        &["evaluate", "--pred", "large", "--truth", "truth"],
        &["large", "3x3", "2x2"],
    );
}

/// pycocotools' figures, by `tests/oracle/coco_files.py`.
fn oracle() -> Value {
    serde_json::from_str(include_str!("../oracle/coco_files.json")).expect("the oracle")
}

const INSTANCES: [&str; 5] = [
    "evaluate",
    "--coco",
    "found.json",
    "--coco-truth",
    "truth.json",
];

/// A list of results as a document that has other numbers and names its images and categories.
fn document(oracle: &Value) -> Value {
    let (truth, mut results) = (&oracle["truth"], oracle["results"].clone());
    let mut lists = [truth["images"].clone(), truth["categories"].clone()];
    for (list, key) in lists.iter_mut().zip(["image_id", "category_id"]) {
        let list = list.as_array_mut().expect("a list");
        let numbers: Vec<Value> = list.iter().map(|one| one["id"].clone()).collect();
        for (number, one) in (1..).zip(list) {
            one["id"] = Value::from(number);
        }
        for result in results.as_array_mut().expect("a list") {
            let place = numbers.iter().position(|id| *id == result[key]);
            result[key] = Value::from(place.expect("a known one") + 1);
        }
    }
    let [mut images, categories] = lists;
    for image in images.as_array_mut().expect("a list") {
        let name = image["file_name"]
            .as_str()
            .expect("a name")
            .replace("jpg", "png");
        image["file_name"] = Value::from(format!("elsewhere/{name}"));
    }
    serde_json::json!({ "images": images, "categories": categories, "annotations": results })
}

/// Its quotients are those of these very whole numbers in f64, but for its 2^-52 beside a denominator.
#[test]
fn instances_have_the_figures_of_pycocotools() {
    let oracle = oracle();
    let program = Program::new();
    program.write("truth.json", oracle["truth"].to_string().as_bytes());
    for found in [oracle["results"].clone(), document(&oracle)] {
        program.write("found.json", found.to_string().as_bytes());
        let json = program.ok(&[&INSTANCES[..], &["--json"]].concat()).json();
        assert_eq!(
            (&json["iou"], json["results"].as_array().map(Vec::len)),
            (&0.5.into(), Some(1))
        );
        let result = &json["results"][0];
        assert_eq!(
            (&result["split"], &result["images"]),
            (&"test".into(), &5.into())
        );
        let classes = result["classes"].as_array().expect("classes");
        assert_eq!(classes.len(), 4);
        let (mut sum, mut n) = (0.0, 0.0);
        for class in classes {
            let theirs = &oracle["average_precision"][class["class"].as_str().expect("a name")];
            match (class["average_precision"].as_f64(), theirs.as_f64()) {
                (Some(ours), Some(theirs)) => {
                    close(ours, theirs);
                    (sum, n) = (sum + theirs, n + 1.0);
                }
                (ours, theirs) => assert_eq!(ours, theirs, "{class}"),
            }
        }
        close(
            result["average_precision"].as_f64().expect("a mean"),
            sum / n,
        );
        let ends = result["ci95"]
            .as_array()
            .expect("an interval of five images");
        assert!(
            ends[0].as_f64() < Some(sum / n) && Some(sum / n) < ends[1].as_f64(),
            "{ends:?}"
        );
    }
    let text = program.ok(&INSTANCES).stdout;
    for part in [
        "Instances, test (5 images",
        "AP at IoU 0.5",
        "all classes",
        "cat",
        "0.222",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn images_without_found_instances_are_told_from_images_not_looked_at() {
    let oracle = oracle();
    let program = Program::new();
    program.write("truth.json", oracle["truth"].to_string().as_bytes());
    // Nothing found anywhere, in a list that cannot say where one looked.
    program.write("found.json", b"[]");
    let json = program.ok(&[&INSTANCES[..], &["--json"]].concat()).json();
    assert_eq!(json["results"][0]["average_precision"], 0.0);
    // A document that lacks an image, and has another one.
    let mut found = document(&oracle);
    found["images"][0]["file_name"] = "another.png".into();
    program.write("found.json", found.to_string().as_bytes());
    let end = program.call(&INSTANCES);
    assert_eq!(end.code, Some(3), "{end:?}");
    for part in [
        "without a prediction in found.json: 1 of the truth (090)",
        "without a truth: 1 prediction\n",
    ] {
        assert!(end.stderr.contains(part), "{}", end.stderr);
    }
    assert!(end.stdout.contains("(4 images"), "{}", end.stdout);
    program.ok(&[&INSTANCES[..], &["--allow-skips", "1"]].concat());
}

#[test]
fn instances_that_cannot_be_compared_are_named() {
    let oracle = oracle();
    let program = Program::new();
    let results = oracle["results"].to_string();
    let truth = oracle["truth"].to_string();
    let size = r#""size":[16,16]"#;
    assert!(results.contains(size) && results.contains(r#""category_id":17"#));
    for (found, known, words) in [
        (&results, &results, &["truth.json", "a list of results"][..]),
        (&truth, &truth, &["found.json", "has no score"]),
        (
            &results.replace(r#""category_id":17"#, r#""category_id":18"#),
            &truth,
            &["found.json", "has the category 18"],
        ),
        (
            &document(&oracle).to_string().replace("cow", "ox"),
            &truth,
            &["found.json", "the category `ox` is not in the truth"],
        ),
        (
            &document(&oracle).to_string().replace("elsewhere/", "x"),
            &truth,
            &["found.json", "no image of truth.json"],
        ),
        (
            &results.replace(r#""image_id":33"#, r#""image_id":5"#),
            &truth,
            &["found.json", "image `005`", "16x16"],
        ),
    ] {
        program.write("found.json", found.as_bytes());
        program.write("truth.json", known.as_bytes());
        program.fails(1, &INSTANCES, words);
    }
    let empty = r#"{"images": [], "categories": [], "annotations": []}"#;
    program.write("truth.json", empty.as_bytes());
    program.fails(1, &INSTANCES, &["no image of truth.json"]);
    program.fails(2, &["evaluate", "--coco", "found.json"], &["--coco-truth"]);
    program.fails(2, &[&INSTANCES[..], &["--pred", "x"]].concat(), &["--pred"]);
    program.fails(2, &["evaluate"], &["--pred"]);
}
