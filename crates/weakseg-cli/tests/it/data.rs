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
}

#[test]
fn run_lengths_become_masks_and_run_lengths_again() {
    let program = Program::new();
    let table = "ImageId,EncodedPixels\n1.2.3,6 3 36 3\n1.2.4,-1\n";
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
    let pixels = program.ok(&["data", "pixels", "masks/1.2.3.png", "--out", "x.npy"]);
    assert!(pixels.stdout.contains("[6, 8]"), "{pixels:?}");
    program.fails(
        1,
        &[
            "data",
            "pixels",
            "masks/1.2.3.png",
            "--out",
            "y.npy",
            "--raw",
        ],
        &["not a DICOM file"],
    );
    program.write("a.csv", b"ImageId,EncodedPixels\n1.2.3,6 3 36 4\n");
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
    program.fails(2, &split, &["split.csv", "is there already"]);
}
