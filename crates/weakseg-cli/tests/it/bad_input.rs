//! Each command, handed each kind of wrong file, ends with 1 or 2 and one error that names the file; never a panic.

use weakseg_data::{Plane, npy, write_gray_png};

use crate::program::Program;

/// Files that are none of what they are named.
fn bad_files(program: &Program) -> Vec<String> {
    write_gray_png(&program.path("good.png"), &Plane::filled(8, 8, 9)).expect("an image");
    npy::write_f32(&program.path("good.npy"), &[1, 8, 8], &[0.5; 64]).expect("an array");
    let png = std::fs::read(program.path("good.png")).expect("a PNG");
    let array = std::fs::read(program.path("good.npy")).expect("an array");
    let mut huge = png.clone();
    // A header of 2^31 - 1 by 2^31 - 1 pixels that is sound by its checksum.
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let sum = checksum(&huge[12..29]).to_be_bytes();
    huge[29..33].copy_from_slice(&sum);
    let mut flipped = array.clone();
    flipped[8] ^= 0xff; // length of the header
    let files: [(&str, &[u8]); 9] = [
        ("empty.png", b""),
        ("empty.npy", b""),
        ("text.png", b"this is no picture"),
        ("text.npy", b"this is no array"),
        ("cut.png", &png[..png.len() / 2]),
        ("cut.npy", &array[..array.len() - 7]),
        ("huge.png", &huge),
        ("flipped.npy", &flipped),
        ("jpeg.png", b"\xff\xd8\xff\xe0\x00\x10JFIF"),
    ];
    let mut names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (name, bytes) in files {
        program.write(name, bytes);
    }
    std::fs::create_dir(program.path("folder.png")).expect("a folder");
    names.extend([
        "folder.png".to_owned(),
        "gone.png".to_owned(),
        "gone.npy".to_owned(),
    ]);
    names
}

/// CRC-32 as PNG chunks carry it (ISO 3309).
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

#[test]
fn a_picture_that_claims_to_be_huge_is_refused_by_its_header() {
    let program = Program::new();
    bad_files(&program);
    program.fails(
        1,
        &["crf", "huge.png", "good.png", "--out", "o.png"],
        &["huge.png", "pixels", "limit"],
    );
}

#[test]
fn images_and_arrays() {
    let program = Program::new();
    for bad in bad_files(&program) {
        let bad = bad.as_str();
        for arguments in [
            &["crf", bad, "good.png", "--out", "o.png"][..],
            &["crf", "good.png", bad, "--out", "o.png"],
            &["walk", bad, "good.npy", "--out", "o.npy"],
            &["walk", "good.npy", bad, "--out", "o.npy"],
            &["cam", bad, "--model", "gone", "--out", "o"],
            &["predict", bad, "--model", "gone", "--out", "o"],
            &["run", bad, "--out", "o"],
            &["config", "show", bad],
        ] {
            let end = program.call(arguments);
            assert!(matches!(end.code, Some(1 | 2)), "{arguments:?}: {end:?}");
            assert_eq!(end.errors(), 1, "{arguments:?}: {}", end.stderr);
            assert!(!program.path("o").exists(), "{arguments:?} wrote something");
        }
    }
}

#[test]
fn masks_and_sets() {
    let program = Program::new();
    for bad in bad_files(&program)
        .into_iter()
        .filter(|name| name.ends_with(".png") && name != "gone.png")
    {
        let good = std::fs::read(program.path("good.png")).expect("a PNG");
        if program.path(&bad).is_file() {
            let bytes = std::fs::read(program.path(&bad)).expect("a bad file");
            program.write("pred/a.png", &bytes);
            program.write("truth/a.png", &good);
            program.fails(
                1,
                &["evaluate", "--pred", "pred", "--truth", "truth"],
                &["pred"],
            );
            program.fails(
                1,
                &["evaluate", "--pred", "truth", "--truth", "pred"],
                &["pred"],
            );
            program.write(
                "set/labels.csv",
                b"image,finding\na.png,1\nb.png,0\nc.png,1\nd.png,0\n",
            );
            program.write("set/images/a.png", &bytes);
            for name in ["b", "c", "d"] {
                program.write(&format!("set/images/{name}.png"), &good);
            }
            let end = program.call(&["data", "verify", "set"]);
            assert_eq!(end.code, Some(1), "{bad}: {end:?}");
            assert!(end.stdout.contains("a.png"), "{bad}: {}", end.stdout);
        }
    }
}

#[test]
fn tables() {
    let program = Program::new();
    bad_files(&program);
    let good = std::fs::read(program.path("good.png")).expect("a PNG");
    program.write("set/images/a.png", &good);
    for table in [
        "",
        "image\n",
        "image;finding\na.png;1\n",
        "image,finding\na.png,maybe\n",
        "image,finding\ngone.png,1\n",
    ] {
        program.write("set/labels.csv", table.as_bytes());
        assert_eq!(
            program.call(&["data", "verify", "set"]).code,
            Some(1),
            "{table:?}"
        );
        program.write("a.toml", b"[data]\nkind = \"table\"\nroot = \"set\"\n");
        program.fails(1, &["run", "a.toml", "--out", "o"], &["labels.csv"]);
        assert!(
            !program.path("o/01-train-classifier").exists(),
            "{table:?}: stopped before any work"
        );
    }
    let boxes = [
        "",
        "image,label\n",
        "image,label,x,y,width,height\ngood.png,f,a,0,1,1\n",
    ];
    program.write("pred/good.png", &good);
    let header = "image,label,x,y,width,height\n";
    for (table, words) in [
        (boxes[0], "found none"),
        (boxes[1], "found `image`, `label`"),
        (boxes[2], "boxes.csv"),
        (header, "the table has no boxes"),
        (
            &header.replace(',', ";"),
            "found `image;label;x;y;width;height`",
        ),
    ] {
        program.write("boxes.csv", table.as_bytes());
        program.fails(
            1,
            &["evaluate", "--pred", "pred", "--boxes", "boxes.csv"],
            &["boxes.csv", words],
        );
    }
}

#[test]
fn runs_and_models() {
    let program = Program::new();
    bad_files(&program);
    program.write("run/run.json", b"{");
    program.write("run/config.toml", b"[data]\nkind = \"phantom\"\n");
    program.write("foreign/notes.txt", b"mine");
    program.write("model.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\xff{}");
    program.fails(1, &["report", "foreign"], &["foreign", "not a run"]);
    program.fails(1, &["report", "run"], &["run"]);
    for model in ["foreign", "gone", "model.safetensors", "good.png"] {
        program.fails(
            1,
            &["predict", "good.png", "--model", model, "--out", "o"],
            &[model],
        );
        program.fails(
            1,
            &["cam", "good.png", "--model", model, "--out", "o"],
            &[model],
        );
    }
    let inside = ["predict", "good.png", "--model", "gone", "--out", "."];
    program.fails(2, &inside, &["good.png", "overwrite"]);
    let below = ["predict", ".", "--model", "gone", "--out", "masks"];
    program.fails(2, &below, &["masks lies in the input ."]);
    program.write(
        "a.toml",
        b"[data]\nkind = \"phantom\"\ncount = 8\nsize = 32\n",
    );
    program.fails(
        1,
        &["run", "a.toml", "--out", "foreign"],
        &["foreign", "not a run"],
    );
    program.fails(
        2,
        &["demo", "--out", "good.png"],
        &["good.png", "is a file"],
    );
    program.fails(1, &["demo", "--out", "foreign"], &["foreign", "not a run"]);
    program.fails(
        2,
        &["run", "a.toml", "--out", "good.png"],
        &["good.png", "is a file"],
    );
    for images in ["good.png-images", "foreign-images"] {
        assert!(
            !program.path(images).exists(),
            "refused before {images} is made"
        );
    }
}
