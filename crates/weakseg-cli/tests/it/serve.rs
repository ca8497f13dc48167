//! A run in the viewer. What the server refuses is tested in its own room, on a model that has learned nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use weakseg_data::{Limits, npy, read_index_png};

use crate::pixels::pixels;
use crate::program::Program;

/// The program, serving.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn new(program: &Program, served: &str) -> Self {
        let line = ["serve", served, "--port", "0", "--json"];
        let mut command = program.command(&line);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let document: Value = serde_json::from_str(&line).expect("JSON");
        let url = document["url"].as_str().expect("an address");
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        Self {
            child,
            address: address.to_owned(),
        }
    }

    /// Status and body of the answer.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let (address, length) = (&self.address, body.len());
        let mut stream = TcpStream::connect(address).expect("a connection");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream
            .write_all(&[head.as_bytes(), body].concat())
            .expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        (status.expect("a status"), answer[end + 4..].to_vec())
    }

    fn json(&self, method: &str, path: &str, body: &[u8]) -> Value {
        let (status, body) = self.ask(method, path, body);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The run `runs/tiny` of the set `set` as the page gets it, after `predicts` has predicted its first image.
pub fn serves(program: &Program) {
    let before = crate::tune::files(&program.path("runs/tiny"));
    let serving = Serving::new(program, "runs/tiny");
    let run = serving.json("GET", "/run", b"");
    assert_eq!(
        (&run["title"], &run["space"]),
        (&json!("Tiny"), &json!("findings"))
    );
    let cases = run["cases"].as_array().expect("a list");
    assert_eq!(cases.len(), 20);
    let of = |split: &str| cases.iter().filter(|case| case["split"] == split).count();
    assert_eq!((of("train"), of("val")), (14, 6));
    let labels = std::fs::read_to_string(program.path("set/labels.csv")).expect("a table");
    for case in cases {
        let id = case["id"].as_str().expect("an id");
        let row = labels.lines().find(|row| row.starts_with(id));
        let positive = row.expect("a row").ends_with(",1");
        let expected = if positive { json!([0]) } else { json!([]) };
        assert_eq!(case["labels"], expected, "{id}");
    }
    for labels in [json!([0]), json!([])] {
        let mut held_out = cases.iter().filter(|case| case["split"] == "val");
        let case = held_out.find(|case| case["labels"] == labels);
        let id = case.expect("one of each kind")["id"].as_str();
        shows_a_case(program, &serving, id.expect("an id"), labels == json!([0]));
    }
    let case = cases.iter().find(|case| case["split"] == "train");
    let id = case.expect("a case")["id"].as_str().expect("an id");
    let shown = serving.json("GET", &format!("/cases/{id}"), b"");
    let prediction = &layer(&shown, "prediction")["planes"];
    assert_eq!(prediction, &json!([]), "only held-out cases have one");
    assert_eq!(serving.ask("GET", "/cases/phantom-99999", b"").0, 404);
    assert_eq!(
        serving
            .ask("GET", "/cases/..%2F..%2Fset%2Flabels.csv", b"")
            .0,
        404
    );
    let (status, page) = serving.ask("GET", "/report", b"");
    let report = std::fs::read(program.path("runs/tiny/report.html")).expect("a report");
    assert!(status == 200 && page == report);

    predicts_an_image(program, &serving);
    #[cfg(unix)]
    ends_by_a_signal(serving);
    let after = crate::tune::files(&program.path("runs/tiny"));
    assert!(after == before, "the run is as it was");
    refuses(program);
}

/// Each layer has the pixels of its file.
fn shows_a_case(program: &Program, serving: &Serving, id: &str, positive: bool) {
    let shown = serving.json("GET", &format!("/cases/{id}"), b"");
    let image = weakseg_data::read_image(
        &program.path(&format!("set/images/{id}.png")),
        &Limits::default(),
    );
    assert_eq!(pixels(&shown["image"]), image.expect("an image").into_vec());
    assert_eq!(shown["notes"], json!([]));
    for (name, folder) in [
        ("pseudo-label", "runs/tiny/06-make-pseudo-labels"),
        ("prediction", "runs/tiny/09-evaluate"),
    ] {
        let mask = indices(&program.path(&format!("{folder}/{id}.png")));
        let planes = &layer(&shown, name)["planes"];
        assert_eq!(planes[0]["class"], 0);
        assert_eq!(pixels(&planes[0]["png"]), mask, "{name}");
    }
    let truth = pixels(&layer(&shown, "truth")["planes"][0]["png"]);
    let expected = match positive {
        true => indices(&program.path(&format!("set/masks/{id}.png")))
            .iter()
            .map(|&v| u8::from(v != 0))
            .collect(),
        // It needs no file.
        false => vec![0; 48 * 48],
    };
    assert_eq!(truth, expected);
    if positive {
        for name in ["cam", "walked"] {
            let heat = layer(&shown, name);
            assert_eq!(heat["kind"], "heat");
            let heat = pixels(&heat["planes"][0]["png"]);
            assert_eq!((heat.len(), heat.iter().max()), (16 * 16, Some(&255)));
        }
    }
}

fn layer<'a>(shown: &'a Value, name: &str) -> &'a Value {
    let layers = shown["layers"].as_array().expect("a list");
    let found = layers.iter().find(|layer| layer["name"] == name);
    found.expect(name)
}

/// Mask and scores are those that `predict` has written.
fn predicts_an_image(program: &Program, serving: &Serving) {
    let image = std::fs::read(program.path("in/phantom-00000.png")).expect("an image");
    let said = serving.json("POST", "/predict", &image);
    let mask = &said["layers"][1]["planes"][0]["png"];
    assert_eq!(
        pixels(mask),
        indices(&program.path("out/phantom-00000.png"))
    );
    let scores = npy::read_f32(&program.path("out/scores/phantom-00000.npy"));
    let steps = scores.expect("scores").1;
    let steps: Vec<u8> = steps.iter().map(|p| (255.0 * p).round() as u8).collect();
    assert_eq!(pixels(&said["layers"][0]["planes"][0]["png"]), steps);
    let probabilities = said["probabilities"]
        .as_array()
        .expect("of the run's classifier");
    assert_eq!(probabilities.len(), 1);
    let (status, refused) = serving.ask("POST", "/predict", b"no picture");
    let refused: Value = serde_json::from_slice(&refused).expect("JSON");
    assert_eq!(
        (status, &refused["error"]["code"]),
        (422, &json!("unreadable"))
    );
}

/// Ctrl-C is how it is meant to end.
#[cfg(unix)]
fn ends_by_a_signal(mut serving: Serving) {
    let id = serving.child.id().to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-INT", &id]).status().expect("kill").success());
    let status = serving.child.wait().expect("its end");
    assert_eq!(status.code(), Some(0));
}

fn refuses(program: &Program) {
    program.fails(
        1,
        &["serve", "set", "--port", "0"],
        &["not a run of weakseg", "set"],
    );
    program.fails(1, &["serve", "gone", "--port", "0"], &["gone"]);
    let model = "runs/tiny/01-train-classifier/model.safetensors";
    program.fails(
        1,
        &["serve", model, "--port", "0"],
        &["classifier", "segmenter"],
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("a port").port().to_string();
    program.fails(
        1,
        &["serve", "runs/tiny", "--port", &port],
        &[&port, "--port"],
    );
    program.fails(
        2,
        &["serve", "runs/tiny", "--max-upload", "0"],
        &["--max-upload"],
    );
}

fn indices(path: &Path) -> Vec<u8> {
    let mask = read_index_png(path, &Limits::default());
    mask.unwrap_or_else(|e| panic!("{e}")).into_vec()
}
