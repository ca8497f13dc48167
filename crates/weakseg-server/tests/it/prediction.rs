//! What the page and a program get of a model.

use serde_json::{Value, json};

use crate::client::{Serving, bounds};
use crate::model::{image, png, predictor, site};
use crate::pixels::pixels;

#[test]
fn an_image_is_answered_as_the_library_has_it() {
    let serving = Serving::new(site(), bounds());
    let origin = format!("Origin: http://{}\r\n", serving.address());
    let answer = serving.post(&origin, &png());
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = answer.json();
    let expected = predictor().predict(&[image()]).expect("masks").remove(0);
    assert_eq!(pixels(&said["image"]), image().into_vec());
    let [scores, mask] = [0, 1].map(|place| &said["layers"][place]);
    assert_eq!(
        (&scores["name"], &scores["kind"]),
        (&json!("scores"), &json!("heat"))
    );
    assert_eq!(
        (&mask["name"], &mask["kind"]),
        (&json!("prediction"), &json!("mask"))
    );
    for class in 0..2 {
        assert_eq!(mask["planes"][class]["class"], class);
        assert_eq!(
            pixels(&mask["planes"][class]["png"]),
            expected.mask.planes.plane(class)
        );
        let steps = expected.scores.plane(class).iter();
        let steps: Vec<u8> = steps.map(|p| (255.0 * p).round() as u8).collect();
        assert_eq!(pixels(&scores["planes"][class]["png"]), steps);
    }
    assert_eq!(
        said["probabilities"],
        Value::Null,
        "a file has no classifier"
    );
    assert_eq!(said["open"], json!([0, 1]));
}

#[test]
fn the_page_learns_of_a_model_without_a_run() {
    let serving = Serving::new(site(), bounds());
    let run = serving.get("/run").json();
    assert_eq!(run["classes"], json!(["mass", "<b>node</b>"]));
    assert_eq!(
        (&run["space"], &run["cases"]),
        (&json!("findings"), &Value::Null)
    );
    assert_eq!(run["model"]["threshold"], 0.5);
    assert_eq!(
        (&run["model"]["gate"], &run["model"]["lost_gate"]),
        (&Value::Null, &json!(0.25)),
        "a file cannot gate"
    );
    assert_eq!(run["max_upload"], 1 << 20);
    assert_eq!(serving.get("/cases/mass").refused(404), "not_found");
    assert_eq!(serving.get("/report").refused(404), "not_found");
}

#[test]
fn hostile_images_are_refused_and_the_next_is_answered() {
    let serving = Serving::new(site(), bounds());
    let png = png();
    // The length of the first chunk's name is the width: 2^31 - 1 by 40.
    let mut huge = png.clone();
    huge[16..20].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    for (file, status, code) in [
        (&b""[..], 422, "unreadable"),
        (b"<script>alert(1)</script>", 422, "unreadable"),
        (&png[..png.len() / 2], 422, "unreadable"),
        (b"\x89PNG\r\n\x1a\n", 422, "unreadable"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", 422, "unreadable"),
        (
            &[&[0; 128][..], b"DICM\x02\x00"].concat(),
            422,
            "unreadable",
        ),
    ] {
        assert_eq!(serving.post("", file).refused(status), code, "{file:?}");
    }
    // Its checksum is wrong too, which may be seen first.
    let refused = serving.post("", &huge);
    assert!([413, 422].contains(&refused.status), "{refused:?}");
    assert_eq!(serving.post("", &png).status, 200);
}

#[test]
fn every_answer_tells_browsers_what_they_may_do() {
    let serving = Serving::new(site(), bounds());
    for path in [
        "/",
        "/viewer/main.js",
        "/viewer/style.css",
        "/run",
        "/nothing",
    ] {
        let answer = serving.get(path);
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'self';"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let page = serving.get("/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let text = String::from_utf8(page.body).expect("text");
    assert!(text.contains("not a medical device"), "{text}");
}
