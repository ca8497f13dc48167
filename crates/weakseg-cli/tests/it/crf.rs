use weakseg_data::{
    Limits, Plane, Stack, npy, read_index_png, write_gray_png, write_index_png, write_rgb_png,
};

use crate::dicom_file::dicom;
use crate::program::{Program, keys};

/// An image dark on the left, bright on the right, and a label map whose border lies three pixels too far left.
fn scene(program: &Program) {
    let image = Plane::from_fn(12, 16, |_, x| if x < 8 { 30u8 } else { 220 });
    let labels = Plane::from_fn(12, 16, |_, x| u8::from(x >= 5));
    write_gray_png(&program.path("grey.png"), &image).expect("an image");
    let rgb = Stack::from_planes(&[image.clone(), image.clone(), image]).expect("three planes");
    write_rgb_png(&program.path("rgb.png"), &rgb).expect("an image");
    write_index_png(&program.path("labels.png"), &labels).expect("a label map");
}

#[test]
fn labels_move_to_the_edge_and_json_has_the_agreed_keys() {
    let program = Program::new();
    scene(&program);
    let end = program.ok(&[
        "crf",
        "rgb.png",
        "labels.png",
        "--out",
        "out.png",
        "--marginals",
        "q.npy",
        "--json",
    ]);
    let json = end.json();
    assert_eq!(keys(&json), ["height", "labels", "seconds", "width"]);
    assert_eq!(
        (&json["height"], &json["width"], &json["labels"]),
        (&12.into(), &16.into(), &2.into())
    );
    assert!(json["seconds"].as_f64().expect("a number") > 0.0);
    assert_eq!(end.stderr, "");

    let refined =
        read_index_png(&program.path("out.png"), &Limits::default()).expect("the refined map");
    let row = refined.row(6);
    assert_eq!(
        row,
        [vec![0; 8], vec![1; 8]].concat(),
        "the border lies on the edge of the image"
    );
    let (shape, q) = npy::read_f32(&program.path("q.npy")).expect("the marginals");
    assert_eq!(shape, [2, 12, 16]);
    for pixel in 0..12 * 16 {
        assert!((q[pixel] + q[12 * 16 + pixel] - 1.0).abs() < 1e-5);
        assert_eq!(
            u8::from(q[12 * 16 + pixel] > q[pixel]),
            refined.as_slice()[pixel]
        );
    }
}

#[test]
fn grey_counts_as_rgb() {
    let program = Program::new();
    scene(&program);
    for image in ["grey", "rgb"] {
        let (image, out, q) = (
            format!("{image}.png"),
            format!("{image}.out.png"),
            format!("{image}.npy"),
        );
        let text = program
            .ok(&[
                "crf",
                &image,
                "labels.png",
                "--out",
                &out,
                "--marginals",
                &q,
            ])
            .stdout;
        assert!(
            text.contains("12x16") && text.contains("2 labels"),
            "{text}"
        );
    }
    let read = |name: &str| std::fs::read(program.path(name)).expect(name);
    assert_eq!(read("grey.npy"), read("rgb.npy"));
}

/// Three grey levels ten apart are near each other to the bilateral term; from the 0.5th to the 99.5th percentile they
/// are not.
#[test]
fn the_tone_of_a_dicom_image_can_be_chosen() {
    let program = Program::new();
    program.write("a.dcm", &dicom("1.2", Some(&[10, 20, 30])));
    // As `weakseg data pixels` reads it, by default and with percentiles.
    for (name, seen) in [("window", [245, 235, 225]), ("percentile", [255, 127, 0])] {
        let seen = Plane::new(1, 3, seen.to_vec()).expect("three pixels");
        write_gray_png(&program.path(&format!("{name}.png")), &seen).expect("an image");
    }
    let labels = Plane::new(1, 3, vec![0, 0, 1]).expect("three pixels");
    write_index_png(&program.path("three.png"), &labels).expect("a label map");
    let marginals = |image: &str, more: &[&str]| {
        let call = [
            "crf",
            image,
            "three.png",
            "--out",
            "o.png",
            "--marginals",
            "q.npy",
            "--bilateral",
            "50,20,10",
        ];
        program.ok(&[&call, more].concat());
        std::fs::read(program.path("q.npy")).expect("marginals")
    };
    let (window, percentile) = (
        marginals("window.png", &[]),
        marginals("percentile.png", &[]),
    );
    assert_ne!(window, percentile);
    assert_eq!(marginals("a.dcm", &[]), window);
    assert_eq!(marginals("a.dcm", &["--tone", "percentile"]), percentile);
}

#[test]
fn without_pairwise_weights_the_map_stays() {
    let program = Program::new();
    scene(&program);
    program.ok(&[
        "crf",
        "rgb.png",
        "labels.png",
        "--out",
        "out.png",
        "--gaussian",
        "3,0",
        "--bilateral",
        "50,5,0",
        "--labels",
        "3",
    ]);
    let read = |name: &str| read_index_png(&program.path(name), &Limits::default()).expect(name);
    assert_eq!(read("out.png"), read("labels.png"));
}

#[test]
fn what_does_not_fit_is_named() {
    let program = Program::new();
    scene(&program);
    write_index_png(&program.path("small.png"), &Plane::filled(4, 4, 1)).expect("a label map");
    program.fails(
        1,
        &["crf", "rgb.png", "small.png", "--out", "o.png"],
        &["small.png", "4x4", "12x16"],
    );
    program.fails(
        2,
        &[
            "crf",
            "rgb.png",
            "labels.png",
            "--out",
            "o.png",
            "--labels",
            "1",
        ],
        &[
            "labels.png holds the label 1 at row 0, column 5",
            "--labels",
        ],
    );
    let with = |rest: &[&'static str]| {
        [
            &["crf", "rgb.png", "labels.png", "--out", "o.png"][..],
            rest,
        ]
        .concat()
    };
    for (rest, words) in [
        (["--gaussian", "0,3"], "SXY is 0"),
        (["--gaussian", "-1,3"], "SXY is -1"),
        (["--gaussian", "3,-1"], "COMPAT is -1"),
        (["--bilateral", "50,nan,10"], "SRGB is NaN"),
        (["--bilateral", "50,5,1e12"], "COMPAT is 1000000000000"),
        (["--bilateral", "1e-30,5,10"], "deviations are too small"),
        (["--labels", "300"], "1..=256"),
        (["--marginals", "q.png"], "name it .npy"),
        (["--marginals", "./o"], "would be overwritten"),
    ] {
        let mut line = with(&rest);
        if rest[1] == "./o" {
            line[4] = "o";
        }
        program.fails(2, &line, &[words]);
    }
    assert!(!program.path("o.png").exists() && !program.path("o").exists());
}

#[test]
fn nothing_that_is_read_is_written_over() {
    let program = Program::new();
    scene(&program);
    let before =
        ["rgb.png", "labels.png"].map(|name| std::fs::read(program.path(name)).expect(name));
    for out in ["rgb.png", "./labels.png"] {
        let line = ["crf", "rgb.png", "labels.png", "--out", out];
        program.fails(2, &line, &[out, "would be overwritten"]);
    }
    let line = ["crf", "rgb.png", "labels.png", "--out", "o.jpg"];
    program.fails(2, &line, &["o.jpg", "name it .png"]);
    let after =
        ["rgb.png", "labels.png"].map(|name| std::fs::read(program.path(name)).expect(name));
    assert_eq!(before, after);
}
