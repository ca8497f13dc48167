use weakseg_data::npy;

use crate::program::{Program, keys};

#[test]
fn a_wall_keeps_the_walk_on_its_side_and_json_has_the_agreed_keys() {
    let program = Program::new();
    let (height, width) = (4, 6);
    // One class on the left; the walk meets a wall in column 3.
    let cam: Vec<f32> = (0..height * width)
        .map(|at| if at % width == 0 { 1.0 } else { 0.0 })
        .collect();
    let edge: Vec<f32> = (0..height * width)
        .map(|at| if at % width == 3 { 1.0 } else { 0.0 })
        .collect();
    npy::write_f32(&program.path("cam.npy"), &[1, height, width], &cam).expect("maps");
    npy::write_f32(&program.path("edge.npy"), &[height, width], &edge).expect("an edge map");
    let end = program.ok(&[
        "walk", "cam.npy", "edge.npy", "--out", "out.npy", "--radius", "2", "--steps", "64",
        "--json",
    ]);
    let json = end.json();
    assert_eq!(keys(&json), ["classes", "height", "seconds", "width"]);
    assert_eq!(
        (&json["height"], &json["width"], &json["classes"]),
        (&4.into(), &6.into(), &1.into())
    );

    let (shape, walked) = npy::read_f32(&program.path("out.npy")).expect("the walked maps");
    assert_eq!(shape, [1, height, width]);
    for y in 0..height {
        let row = &walked[y * width..][..width];
        assert!(
            row[..3].iter().all(|v| *v > 0.1),
            "spread on its side: {row:?}"
        );
        assert!(
            row[3..].iter().all(|v| v.abs() < 1e-6),
            "nothing beyond the wall: {row:?}"
        );
    }
}

#[test]
fn no_steps_leave_the_maps_but_for_the_edge() {
    let program = Program::new();
    npy::write_f32(&program.path("cam.npy"), &[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]).expect("maps");
    npy::write_f32(&program.path("edge.npy"), &[1, 2], &[0.0, 0.5]).expect("an edge map");
    program.ok(&[
        "walk", "cam.npy", "edge.npy", "--out", "out.npy", "--steps", "0",
    ]);
    let (_, walked) = npy::read_f32(&program.path("out.npy")).expect("the maps");
    assert_eq!(
        walked,
        [1.0, 1.0, 3.0, 2.0],
        "class maps are weighed by 1 - edge, as IRNet's are"
    );
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let program = Program::new();
    npy::write_f32(&program.path("cam.npy"), &[2, 3, 4], &[0.5; 24]).expect("maps");
    npy::write_f32(&program.path("edge.npy"), &[4, 3], &[0.5; 12]).expect("an edge map");
    program.fails(
        1,
        &["walk", "cam.npy", "edge.npy", "--out", "o.npy"],
        &["edge.npy", "[4, 3]", "[3, 4]"],
    );
    program.fails(
        1,
        &["walk", "edge.npy", "edge.npy", "--out", "o.npy"],
        &["edge.npy", "[C,H,W]"],
    );
    for out in ["cam.npy", "./edge.npy"] {
        let line = ["walk", "cam.npy", "edge.npy", "--out", out];
        program.fails(2, &line, &[out, "would be overwritten"]);
    }
    for (rest, words) in [
        (["--radius", "0"], "--radius"),
        (["--beta", "nan"], "--beta is NaN"),
        (["--beta", "0"], "--beta is 0"),
        (["--beta", "-1"], "--beta is -1"),
        (["--steps", "10001"], "0..=10000"),
    ] {
        let line = ["walk", "cam.npy", "edge.npy", "--out", "o.npy"];
        program.fails(2, &[&line[..], &rest].concat(), &[words]);
    }
    let line = ["walk", "cam.npy", "edge.npy", "--out", "o.png"];
    program.fails(2, &line, &["o.png", "name it .npy"]);
}
