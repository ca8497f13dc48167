use crate::dicom_file::dicom;
use crate::program::Program;

const MAKE: [&str; 8] = [
    "data", "phantom", "--out", "set", "--count", "10", "--size", "32",
];

#[test]
fn a_phantom_set_is_made_once_and_passes() {
    let program = Program::new();
    let made = program.ok(&[&MAKE[..], &["--json"]].concat()).json();
    assert_eq!(
        (&made["made"], &made["config"]["count"]),
        (&true.into(), &10.into())
    );
    let image = program.path("set/images/phantom-00000.png");
    let pixels = std::fs::read(&image).expect("an image");
    assert!(program.path("set/masks/phantom-00009.png").is_file());
    let again = program.ok(&MAKE).stdout;
    assert!(again.contains("were there already"), "{again}");
    let other = program.ok(&[&MAKE[..], &["--seed", "1"]].concat()).stdout;
    assert!(other.contains("made, seed 1"), "{other}");
    assert_ne!(
        std::fs::read(&image).expect("an image"),
        pixels,
        "another seed gives other pixels"
    );

    let report = program.ok(&["data", "verify", "set"]).stdout;
    assert!(
        report.contains("10 cases") && report.contains("0 errors"),
        "{report}"
    );
    program.write("a.toml", b"[data]\nkind = \"table\"\nroot = \"set\"\n");
    assert_eq!(program.ok(&["data", "verify", "a.toml"]).stdout, report);
}

#[test]
fn every_fault_is_listed_and_ends_with_1() {
    let program = Program::new();
    program.ok(&MAKE);
    program.write("set/images/phantom-00001.png", b"not a picture");
    std::fs::remove_file(program.path("set/images/phantom-00002.png")).expect("was there");
    let end = program.call(&["data", "verify", "set"]);
    assert_eq!(end.code, Some(1), "{end:?}");
    for name in ["phantom-00001", "phantom-00002"] {
        assert!(end.stdout.contains(name), "{}", end.stdout);
    }
    let end = program.call(&["data", "verify", "set", "--json"]);
    assert_eq!(end.code, Some(1));
    let faults = end.json()["faults"].as_array().expect("faults").len();
    assert!(faults >= 2, "{}", end.stdout);
}

#[test]
fn a_warning_fails_only_if_asked() {
    let program = Program::new();
    program.ok(&MAKE);
    let image = std::fs::read(program.path("set/images/phantom-00001.png")).expect("an image");
    program.write("set/images/stray.png", &image);
    let end = program.ok(&["data", "verify", "set"]);
    assert!(end.stdout.contains("warning:"), "{}", end.stdout);
    assert_eq!(
        program.call(&["data", "verify", "set", "--strict"]).code,
        Some(1)
    );
}

#[test]
fn what_is_no_set_is_named() {
    let program = Program::new();
    program.write("empty/readme.txt", b"");
    program.fails(
        2,
        &["data", "verify", "empty"],
        &["empty", "JPEGImages", "labels.csv", "train-rle.csv"],
    );
    program.fails(
        2,
        &["data", "phantom", "--out", "o", "--count", "0"],
        &["count", "1 to 1000000"],
    );
    program.fails(
        2,
        &["data", "phantom", "--out", "o", "--size", "9"],
        &["size", "32 to 2048"],
    );
    assert!(!program.path("o").exists());
    program.write(
        "gone.toml",
        b"[data]\nkind = \"table\"\nroot = \"nowhere\"\n",
    );
    program.fails(2, &["data", "verify", "gone.toml"], &["root", "nowhere"]);
}

#[test]
fn run_lengths_become_masks_and_run_lengths_again() {
    let program = Program::new();
    // As the published table of SIIM-ACR is written: a blank before runs alone.
    let table = "ImageId,EncodedPixels\n1.2.3, 6 3 36 3\n1.2.4,-1\n";
    program.write("a.csv", table.as_bytes());
    let to_masks = [
        "data", "rle", "to-masks", "a.csv", "--out", "masks", "--size", "6x8",
    ];
    program.ok(&to_masks);
    let back = ["data", "rle", "to-csv", "masks", "--out", "b.csv"];
    assert_eq!(
        program.ok(&[&back[..], &["--json"]].concat()).json()["masks"],
        2
    );
    let text = std::fs::read_to_string(program.path("b.csv")).expect("a table");
    assert_eq!(text, table);
    // As `weakseg predict` leaves them: overlays of the same names below.
    let mask = std::fs::read(program.path("masks/1.2.3.png")).expect("a mask");
    program.write("masks/overlays/1.2.3.png", &mask);
    program.fails(2, &back, &["b.csv", "is there already"]);
    std::fs::remove_file(program.path("b.csv")).expect("was written");
    program.ok(&back);
    let again = std::fs::read_to_string(program.path("b.csv")).expect("a table");
    assert_eq!(again, table);
    program.write("none/1.2.3/1.2.3.png", &mask);
    program.fails(
        1,
        &["data", "rle", "to-csv", "none", "--out", "c.csv"],
        &["none", "no masks in this folder"],
    );
    let pixels = program.ok(&["data", "pixels", "masks/1.2.3.png", "--out", "x.npy"]);
    assert!(pixels.stdout.contains("[6, 8]"), "{pixels:?}");
    let over = ["data", "pixels", "masks/1.2.3.png", "--out"];
    program.fails(
        2,
        &[&over[..], &["masks/1.2.3.png"]].concat(),
        &["name it .npy"],
    );
    std::fs::copy(program.path("masks/1.2.3.png"), program.path("mask.npy")).expect("copied");
    let over = ["data", "pixels", "mask.npy", "--out", "./mask.npy"];
    program.fails(2, &over, &["would be overwritten"]);
    program.fails(2, &to_masks, &["masks/1.2.3.png is there already"]);
    program.write("a.csv", b"ImageId,EncodedPixels\n1.2.3,6 3 36 4\n");
    let to_masks = to_masks.map(|word| if word == "masks" { "more" } else { word });
    let end = program.call(&to_masks);
    assert_eq!(end.code, Some(1));
    assert!(
        end.stderr.contains("line 2") && end.stderr.contains("6x8"),
        "{end:?}"
    );
    program.fails(
        2,
        &[
            "data", "rle", "to-masks", "a.csv", "--out", "m", "--size", "6",
        ],
        &["1024x1024"],
    );
    for size in ["99999999x99999", "9223372036854775807x9"] {
        let line = [
            "data", "rle", "to-masks", "a.csv", "--out", "m", "--size", size,
        ];
        program.fails(2, &line, &["--size", "at most 67108864 pixels"]);
    }
    for (rows, words) in [
        ("", &["no rows"][..]),
        (
            "a,-1\na,0 2\n",
            &["line 3", "a mask here and no mask in line 2"],
        ),
        ("A,0 2\na,0 2\n", &["`A` and `a` differ in capitals alone"]),
    ] {
        program.write("a.csv", format!("ImageId,EncodedPixels\n{rows}").as_bytes());
        program.fails(1, &to_masks, words);
    }
}

#[test]
fn stored_values_are_written_of_any_image() {
    let program = Program::new();
    let labels = weakseg_data::Plane::new(1, 3, vec![0, 7, 255]).expect("three values");
    let path = program.path("labels.png");
    weakseg_data::write_index_png(&path, &labels).expect("an image");
    program.ok(&["data", "pixels", "labels.png", "--out", "x.npy", "--raw"]);
    let array = weakseg_data::npy::read(&program.path("x.npy")).expect("an array");
    let weakseg_data::npy::Values::I64(values) = array.values else {
        panic!("stored values are whole numbers, found {:?}", array.shape);
    };
    assert_eq!(values, [0, 7, 255], "indices, not colours");
}

#[test]
fn rows_without_an_image_are_left_out_and_counted() {
    let program = Program::new();
    program.ok(&MAKE);
    std::fs::remove_file(program.path("set/images/phantom-00002.png")).expect("was there");
    let split = ["data", "split", "set", "--out", "split.csv"];
    let end = program.call(&split);
    assert_eq!(end.code, Some(3), "{end:?}");
    for words in [
        "no image below",
        "for 1 row: `phantom-00002.png` (line 4)",
        "left out: 1 id, 0 allowed",
    ] {
        assert!(end.stderr.contains(words), "{end:?}");
    }
    std::fs::remove_file(program.path("split.csv")).expect("was written");
    program.ok(&[&split[..], &["--allow-skips", "1"]].concat());
    let text = std::fs::read_to_string(program.path("split.csv")).expect("a table");
    assert_eq!(text.lines().count(), 10);
}

#[test]
fn a_set_is_verified_and_divided_as_a_run_would_open_it() {
    let program = Program::new();
    program.ok(&MAKE);
    // What a run is given on its command line is needed here too: there is no such folder below this configuration.
    program.write("a.toml", b"title = \"Mine\"\n");
    let data = [
        "--preset",
        "demo",
        "--set",
        "data={kind=\"table\",root=\"set\"}",
    ];
    let report = program.ok(&[&["data", "verify", "a.toml"][..], &data].concat());
    assert!(report.stdout.contains("10 cases"), "{report:?}");
    let split = ["data", "split", "a.toml", "--out", "split.csv"];
    program.ok(&[&split[..], &data].concat());
    let folder = ["data", "verify", "set", "--set", "data.root=x"];
    program.fails(2, &folder, &["set is a folder", "--set"]);
}

#[test]
fn how_large_an_image_may_be_is_for_its_user_to_say() {
    let program = Program::new();
    program.ok(&MAKE);
    let pixels = [
        "data",
        "pixels",
        "set/images/phantom-00000.png",
        "--out",
        "x.npy",
    ];
    program.ok(&[&pixels[..], &["--max-pixels", "1024"]].concat());
    let words = ["1024 pixels", "the limit is 1023", "--max-pixels"];
    program.fails(
        1,
        &[&pixels[..], &["--max-pixels", "1023"]].concat(),
        &words,
    );
}

#[test]
fn a_division_is_written_once() {
    let program = Program::new();
    program.ok(&MAKE);
    let split = ["data", "split", "set", "--out", "split.csv"];
    let told = program.ok(&split).stdout;
    assert!(
        told.contains("train: 8 cases") && told.contains("val: 2 cases"),
        "{told}"
    );
    let text = std::fs::read_to_string(program.path("split.csv")).expect("a table");
    assert_eq!(text.lines().count(), 11);
    std::fs::remove_file(program.path("split.csv")).expect("was written");
    let told = program.ok(&split).stderr;
    assert!(
        told.contains("copy that of split.csv into labels.csv"),
        "{told}"
    );
    program.fails(2, &split, &["split.csv", "is there already"]);
    // Another seed is another division.
    let with = |seed: &str, out: &str| {
        program.ok(&["data", "split", "set", "--out", out, "--seed", seed]);
        std::fs::read_to_string(program.path(out)).expect("a table")
    };
    let [again, other] = [with("0", "again.csv"), with("5", "other.csv")];
    assert!(again == text && other != text, "{other}");
}

#[test]
fn an_incomplete_siim_set_is_divided_and_told() {
    let program = Program::new();
    let mut table = String::from("ImageId, EncodedPixels\n");
    for at in 0..40 {
        let id = format!("1.2.{at}");
        program.write(
            &format!("siim/{at}/{id}.dcm"),
            &dicom(&id, Some(&[at, 2, 3])),
        );
        table += &format!("{id}, {}\n", if at % 2 == 0 { "0 1" } else { "-1" });
    }
    program.write(
        "siim/train-rle.csv",
        format!("{table}1.2.98, -1\n1.2.99, -1\n").as_bytes(),
    );
    let verify = ["data", "verify", "siim"];
    let verified = program.call(&verify);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(
        verified.stdout.contains("2 of 42 ids without a DICOM file"),
        "{verified:?}"
    );
    program.ok(&[&verify[..], &["--allow-skips", "2"]].concat());
    let split = ["data", "split", "siim", "--out", "split.csv"];
    let end = program.call(&split);
    assert_eq!(end.code, Some(3), "{end:?}");
    assert!(
        end.stderr.contains("warning: ") && end.stderr.contains("2 of 42 ids without a DICOM file"),
        "{end:?}"
    );
    assert!(end.stderr.contains("left out: 2 ids, 0 allowed"), "{end:?}");
    std::fs::remove_file(program.path("split.csv")).expect("was written");
    program.ok(&[&split[..], &["--allow-skips", "2"]].concat());
    let text = std::fs::read_to_string(program.path("split.csv")).expect("a table");
    assert_eq!(text.lines().count(), 41);
}

#[test]
fn the_tone_of_an_image_can_be_chosen() {
    let program = Program::new();
    program.write("a.dcm", &dicom("1.2", Some(&[10, 20, 30])));
    let seen = |more: &[&str]| {
        program.ok(&[&["data", "pixels", "a.dcm", "--out", "x.npy"], more].concat());
        weakseg_data::npy::read_f32(&program.path("x.npy"))
            .expect("an array")
            .1
    };
    assert_eq!(seen(&[]), [245.0, 235.0, 225.0]);
    assert_eq!(seen(&["--tone", "percentile"]), [255.0, 127.0, 0.0]);
    assert_eq!(seen(&["--tone", "raw"]), [10.0, 20.0, 30.0]);
    program.fails(
        2,
        &[
            "data", "pixels", "a.dcm", "--out", "x.npy", "--tone", "lung",
        ],
        &["window, percentile or raw"],
    );
}

#[test]
fn a_frame_of_several_can_be_chosen() {
    let program = Program::new();
    let oracle = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../weakseg-data/tests/oracle/frames_8.dcm"
    );
    std::fs::copy(oracle, program.path("a.dcm")).expect("a file");
    let pixels =
        |more: &[&'static str]| [&["data", "pixels", "a.dcm", "--out", "x.npy"], more].concat();
    program.fails(
        1,
        &pixels(&[]),
        &["multi-frame image (3 frames)", "--frame N"],
    );
    // As pydicom reads the first pixel of each: tests/oracle/dicom_frames.json of weakseg-data.
    for (frame, first) in [("1", 95), ("2", 69), ("3", 59)] {
        program.ok(&pixels(&["--frame", frame]));
        let seen = weakseg_data::npy::read_f32(&program.path("x.npy")).expect("an array");
        assert_eq!((seen.0, seen.1[0]), (vec![3, 5], first as f32));
        program.ok(&pixels(&["--frame", frame, "--raw"]));
        let stored = weakseg_data::npy::read(&program.path("x.npy")).expect("an array");
        let weakseg_data::npy::Values::I64(values) = stored.values else {
            panic!("stored values are whole numbers, found {:?}", stored.shape);
        };
        assert_eq!(values[0], first);
    }
    program.fails(
        1,
        &pixels(&["--frame", "4"]),
        &["frame 4 was asked for, but the number of frames is 3"],
    );
    program.fails(2, &pixels(&["--frame", "0"]), &["--frame"]);
}
