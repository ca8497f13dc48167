//! A finished run on images that it has not seen.

#[cfg(unix)]
use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::process::{Command, Stdio};

use weakseg_data::{Limits, npy, read_index_png, rle};

use crate::dicom_file::dicom;
use crate::program::Program;

/// The model of the run segments an image, and its masks can be scored.
pub fn predicts(program: &Program) {
    program.write("in/bad.png", b"no picture");
    // A report beside the images is told of, and no failure.
    program.write("in/report.dcm", &dicom("1.2.3", None));
    std::fs::copy(
        program.path("set/images/phantom-00000.png"),
        program.path("in/phantom-00000.png"),
    )
    .expect("an image");
    let arguments = [
        "predict",
        "--model",
        "runs/tiny",
        "in",
        "--out",
        "out",
        "--formats",
        "mask,overlay,npy,rle,coco",
        "--json",
    ];
    let end = program.call(&arguments);
    assert_eq!(end.code, Some(3), "one image could not be read: {end:?}");
    assert!(end.stderr.contains("bad.png"), "{}", end.stderr);
    assert!(
        end.stderr
            .contains("passed over, no image in it: 1 DICOM file\n"),
        "{}",
        end.stderr
    );
    let items: Vec<serde_json::Value> = end
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect();
    assert_eq!(items.len(), 3);
    for (item, words) in items.iter().zip(["bad.png", "report.dcm: no image"]) {
        let error = item["error"].as_str().expect("an error");
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(items[2]["masks"][0], "out/phantom-00000.png");
    let (shape, scores) =
        npy::read_f32(&program.path("out/scores/phantom-00000.npy")).expect("scores");
    assert_eq!(shape, [1, 48, 48], "at the image's own size");
    assert!(scores.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(program.path("out/overlays/phantom-00000.png").is_file());
    program.ok(&[&arguments[..], &["--allow-skips", "1"]].concat());
    // One that is asked for by its name is missed.
    let named = [&arguments[..], &["in/report.dcm", "--allow-skips", "1"]].concat();
    assert_eq!(program.call(&named).code, Some(3));
    program.ok(&[&arguments[..], &["in/report.dcm", "--allow-skips", "2"]].concat());
    // So are files that are none, or not there, and the rest is done.
    let more = [
        &arguments[..],
        &["in/gone.png", "tiny.toml", "--allow-skips"],
    ]
    .concat();
    assert_eq!(program.call(&[&more[..], &["2"]].concat()).code, Some(3));
    let end = program.ok(&[&more[..], &["3"]].concat());
    assert_eq!(end.stdout.lines().count(), 5, "{end:?}");
    #[cfg(unix)]
    {
        predicts_for_nobody_and_strange_names(program);
        a_stop_leaves_tables_of_what_is_done(program);
    }

    program.ok(&["data", "rle", "to-csv", "out", "--out", "submission.csv"]);
    let rows = std::fs::read_to_string(program.path("submission.csv")).expect("a table");
    assert!(
        rows.lines().count() == 2 && rows.contains("phantom-00000,"),
        "{rows}"
    );
    let table = std::fs::read_to_string(program.path("out/predictions.csv")).expect("a table");
    assert_eq!(table, rows, "the format rle is the same table");
    is_described(program);
    predicts_dicom(program);

    is_never_lost(program);

    let model = "runs/tiny/08-train-segmenter/model.safetensors";
    program.ok(&[
        "predict",
        "--model",
        model,
        "in/phantom-00000.png",
        "--out",
        "alone",
    ]);
    let read = |name: &str| std::fs::read(program.path(name)).expect(name);
    assert_eq!(
        read("alone/phantom-00000.png"),
        read("out/phantom-00000.png"),
        "the file alone says the same"
    );
    a_file_does_not_gate(program, &read(model));
    a_file_knows_its_tone(program, &read(model));
    tells_shares_and_probabilities(program, &read(model));
    program.ok(&[
        "evaluate",
        "--pred",
        "out",
        "--truth",
        "set/masks",
        "--allow-skips",
        "19",
    ]);
}

/// A file of a network that its settings gate is used without the classifier, and that is told.
/// What was drawn, and what an earlier call's tables tell.
fn is_never_lost(program: &Program) {
    let drawn = program.write("drawn/phantom-00000.png", b"by hand");
    let predict = ["predict", "--model", "runs/tiny"];
    let image = "in/phantom-00000.png";
    let words = ["drawn/phantom-00000.png is there already", "model.json"];
    program.fails(
        2,
        &[&predict[..], &[image, "--out", "drawn"]].concat(),
        &words,
    );
    let kept = std::fs::read(&drawn).expect("the mask");
    assert_eq!(kept, b"by hand");
    assert!(!program.path("drawn/model.json").exists());
    // Nor what was drawn over a mask that was predicted, nor that of another image of the same name.
    let mask = "mended/phantom-00000.png";
    let to = [
        &predict[..],
        &[image, "--out", "mended", "--formats", "mask"],
    ]
    .concat();
    program.ok(&to);
    program.ok(&to);
    let written = std::fs::read(program.path(mask)).expect("the mask");
    program.write(mask, b"by hand");
    program.fails(2, &to, &[mask, "no longer what"]);
    program.write(mask, &written);
    let another = std::fs::read(program.path("set/images/phantom-00001.png")).expect("an image");
    program.write("elsewhere/phantom-00000.png", &another);
    let other = [
        "elsewhere/phantom-00000.png",
        "--out",
        "mended",
        "--formats",
        "mask",
    ];
    program.fails(
        2,
        &[&predict[..], &other].concat(),
        &["is another image of that name"],
    );
    // Beside them there is room.
    let other = ["set/images/phantom-00001.png", "--out", "drawn"];
    program.ok(&[&predict[..], &other].concat());

    let tables = |image, formats| {
        let rest = [image, "--out", "tables", "--formats", formats];
        [&predict[..], &rest].concat()
    };
    program.ok(&tables(image, "mask,rle,coco"));
    let other = "set/images/phantom-00001.png";
    for (formats, table) in [("rle", "predictions.csv"), ("coco", "predictions.json")] {
        let words = [table, "tells of 1 image that this call does not predict"];
        program.fails(2, &tables(other, formats), &words);
    }
    program.ok(&tables(other, "mask"));
    let both = [&tables(image, "rle,coco")[..], &[other]].concat();
    program.ok(&both);
}

fn a_file_does_not_gate(program: &Program, model: &[u8]) {
    program.write("gated.safetensors", &gated(model, b'5'));
    let image = "in/phantom-00000.png";
    let call = |model: &str, out: &str| {
        program.ok(&[
            "predict", "--model", model, image, "--out", out, "--json", "-q",
        ])
    };
    let end = call("gated.safetensors", "file");
    assert!(
        end.stderr.contains("segmenter.gate = 0.5") && end.stderr.contains("run's folder"),
        "{}",
        end.stderr
    );
    assert_eq!(end.json()["id"], "phantom-00000");
    let model = "runs/tiny/08-train-segmenter/model.safetensors";
    assert_eq!(call(model, "other").stderr, "");
    // What one model has made the other does not add to, even by other formats.
    let line = ["predict", "--model", model, image, "--out", "file"];
    let refused = [
        "--out file holds predictions of gated.safetensors",
        "differ in segmenter;",
        "give another folder",
    ];
    program.fails(2, &[&line[..], &["--formats", "npy"]].concat(), &refused);
    assert!(!program.path("file/scores").exists());
    program.ok(&[&line[..4], &["--out", "other", "--formats", "npy"]].concat());
}

/// A model's file that learned from stored values is shown them wherever it lies.
fn a_file_knows_its_tone(program: &Program, model: &[u8]) {
    let (window, raw): (&[u8], &[u8]) = (br#"\\\"window\\\""#, br#"\\\"raw\\\"   "#);
    let place = model.windows(window.len()).position(|w| w == window);
    let mut other = model.to_vec();
    other[place.expect("a card")..][..window.len()].copy_from_slice(raw);
    program.write("raw.safetensors", &other);
    for (more, tone) in [(&[][..], "raw"), (&["--tone", "window"], "window")] {
        let image = "in/phantom-00000.png";
        let line = [
            "predict",
            "--model",
            "raw.safetensors",
            image,
            "--out",
            tone,
        ];
        program.ok(&[&line[..], more].concat());
        let note = std::fs::read(program.path(&format!("{tone}/model.json"))).expect("a note");
        let note: serde_json::Value = serde_json::from_slice(&note).expect("JSON");
        assert_eq!(note["tone"], tone);
    }
}

/// A model's file with a gate of 0.`digit` instead of none.
fn gated(model: &[u8], digit: u8) -> Vec<u8> {
    let without: &[u8] = br#"gate\\\":0.0"#;
    let place = model.windows(without.len()).position(|w| w == without);
    let mut gated = model.to_vec();
    gated[place.expect("a card") + without.len() - 1] = digit;
    gated
}

/// What covers how much of an image is no probability, and an empty mask has its reason.
fn tells_shares_and_probabilities(program: &Program, model: &[u8]) {
    let image = "in/phantom-00000.png";
    let call = |out: &str| {
        let line = ["predict", "--model", "runs/tiny", image, "--out", out];
        program.ok(&line).stdout
    };
    let text = call("text");
    let (first, last) = text.trim_end().split_once('\n').expect("two lines");
    assert!(
        first.starts_with("in/phantom-00000.png: pneumothorax ")
            && first.ends_with(" % of the image"),
        "{text}"
    );
    let files = "images: 1, files: text/NAME.png, text/overlays/NAME.png";
    assert_eq!(last, files);
    // No classifier of a run as small is so sure. What the run is set to counts, not what its network was trained
    // beside.
    let file = "runs/tiny/08-train-segmenter/model.safetensors";
    program.write(file, &gated(model, b'8'));
    let config = std::fs::read_to_string(program.path("runs/tiny/config.toml")).expect("settings");
    let (before, segmenter) = config.split_once("[segmenter]").expect("a section");
    let set = format!(
        "{before}[segmenter]{}",
        segmenter.replacen("gate = 0.0", "gate = 0.9", 1)
    );
    assert_ne!(set, config);
    program.write("runs/tiny/config.toml", set.as_bytes());
    let text = call("gated");
    program.write("runs/tiny/config.toml", config.as_bytes());
    program.write(file, model);
    assert!(
        text.contains(": nothing found (most probable: pneumothorax 0.")
            && text.contains("; gate 0.9)\n"),
        "{text}"
    );
}

/// Masks are written though nobody reads what is printed, and of files whose names are no text.
#[cfg(unix)]
fn predicts_for_nobody_and_strange_names(program: &Program) {
    use std::os::unix::ffi::OsStrExt;
    let line = [
        "predict",
        "--model",
        "runs/tiny",
        "set/images",
        "--out",
        "unread",
        "--json",
    ];
    assert_eq!(
        program.unread(&[&line[..], &["-q"]].concat()),
        (Some(0), String::new())
    );
    let masks = std::fs::read_dir(program.path("unread")).expect("masks");
    let images = std::fs::read_dir(program.path("set/images")).expect("images");
    let more = "the overlays, model.json and predicted.jsonl";
    assert_eq!(masks.count(), images.count() + 3, "{more}");

    let image = std::fs::read(program.path("set/images/phantom-00000.png")).expect("an image");
    let name = std::ffi::OsStr::from_bytes(b"odd\xff.png");
    std::fs::create_dir(program.path("odd")).expect("a folder");
    std::fs::write(program.path("odd").join(name), image).expect("an image");
    let line = [
        "predict",
        "--model",
        "runs/tiny",
        "odd",
        "--out",
        "odd-out",
        "--json",
    ];
    let item = program.ok(&line).json();
    assert_eq!(item["image"], "odd/odd\u{fffd}.png");
}

/// Ctrl-C in the middle: the tables tell of the images that have masks.
#[cfg(unix)]
fn a_stop_leaves_tables_of_what_is_done(program: &Program) {
    let image = std::fs::read(program.path("set/images/phantom-00000.png")).expect("an image");
    // More than a pipe holds lines of, so that the program cannot come to its end before it is told to stop.
    for number in 0..2000 {
        program.write(&format!("many/{number:04}.png"), &image);
    }
    let line = [
        "predict",
        "--model",
        "runs/tiny",
        "many",
        "--out",
        "many-out",
        "--formats",
        "mask,rle,coco",
        "--json",
    ];
    let mut child = program
        .command(&line)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    lines.next().expect("a first image").expect("text");
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("kill").success());
    let printed = 1 + lines.count();
    assert_eq!(child.wait().expect("the program ends").code(), Some(130));
    assert!((1..2000).contains(&printed), "{printed}");
    let masks = std::fs::read_dir(program.path("many-out")).expect("masks");
    let masks = masks.filter(|entry| {
        let path = entry.as_ref().expect("an entry").path();
        path.extension().is_some_and(|ending| ending == "png")
    });
    assert_eq!(masks.count(), printed);
    let table = std::fs::read_to_string(program.path("many-out/predictions.csv")).expect("a table");
    assert_eq!(table.lines().count(), 1 + printed);
    let text = std::fs::read(program.path("many-out/predictions.json")).expect("a document");
    let document: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(document["images"].as_array().map(Vec::len), Some(printed));
}

/// A DICOM image has its mask as segmentation where it has a series to refer to; an overlay can always be had.
fn predicts_dicom(program: &Program) {
    let bytes: Vec<u8> = (0..=255).collect();
    program.write("x-ray.dcm", &dicom("1.2.9", Some(&bytes)));
    let arguments = [
        "predict",
        "--model",
        "runs/tiny",
        "x-ray.dcm",
        "in/phantom-00000.png",
        "--out",
        "in-dicom",
        "--formats",
        "overlay,seg,sc",
        "--json",
    ];
    let end = program.call(&arguments);
    assert_eq!(end.code, Some(3), "neither has a series: {end:?}");
    program.ok(&[&arguments[..], &["--allow-skips", "2"]].concat());
    let words = ["not a DICOM image", "no Study or no Series"];
    assert_eq!(end.stdout.lines().count(), 2);
    for (line, words) in end.stdout.lines().zip(words) {
        let item: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        let error = item["error"].as_str().expect("an error");
        assert!(error.contains(words) && item["seg"].is_null(), "{item}");
        assert!(end.stderr.contains(error), "{}", end.stderr);
        let picture = |key: &str| {
            let file = program.path(item[key].as_str().expect("a path"));
            weakseg_data::read_image(&file, &Limits::default()).expect("a picture")
        };
        assert_eq!(picture("sc"), picture("overlay"));
    }
    // With a study and a series.
    let whole = dicom("1.2.9", Some(&bytes));
    let at = whole.windows(4).position(|tag| tag == [0x28, 0, 2, 0]);
    let (head, rest) = whole.split_at(at.expect("samples per pixel"));
    let uid = |tag: u8| [&[0x20, 0, tag, 0], &b"UI\x06\x001.2.9\0"[..]].concat();
    program.write("x-ray.dcm", &[head, &uid(0x0d), &uid(0x0e), rest].concat());
    let end = program.ok(&[
        "predict",
        "--model",
        "runs/tiny",
        "x-ray.dcm",
        "--out",
        "in-dicom",
        "--formats",
        "seg",
        "--json",
    ]);
    assert_eq!(end.json()["seg"], "in-dicom/seg/x-ray.dcm");
    assert!(program.path("in-dicom/seg/x-ray.dcm").is_file());
}

/// The COCO document of the prediction has the pixels of its mask, each once, and their mean probabilities.
fn is_described(program: &Program) {
    let text = std::fs::read(program.path("out/predictions.json")).expect("a document");
    let document: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(document["images"].as_array().expect("a list").len(), 1);
    assert_eq!(document["images"][0]["file_name"], "phantom-00000.png");
    assert_eq!(document["categories"][0]["name"], "pneumothorax");
    let mask = read_index_png(&program.path("out/phantom-00000.png"), &Limits::default());
    let mask = mask.expect("a mask");
    let (_, scores) = npy::read_f32(&program.path("out/scores/phantom-00000.npy")).expect("scores");
    let mut described = vec![0; mask.len()];
    let annotations = document["annotations"].as_array().expect("a list");
    assert!(!annotations.is_empty(), "the model finds something");
    for annotation in annotations {
        assert_eq!(annotation["image_id"], document["images"][0]["id"]);
        let counts = annotation["segmentation"]["counts"]
            .as_str()
            .expect("counts");
        let region = rle::coco::decode(counts, 48, 48).expect("of the image's size");
        let pixels = region.as_slice().iter().zip(&scores);
        let inside: Vec<f64> = pixels
            .filter(|(value, _)| **value == 1)
            .map(|(_, score)| f64::from(*score))
            .collect();
        let mean = inside.iter().sum::<f64>() / inside.len() as f64;
        let score = annotation["score"].as_f64().expect("a score");
        assert!((score - mean).abs() < 1e-6, "{score} and {mean}");
        for (sum, value) in described.iter_mut().zip(region.as_slice()) {
            *sum += value;
        }
    }
    assert_eq!(described, mask.as_slice());
}
