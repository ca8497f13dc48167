use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use burn::tensor::{Device, Tensor, TensorData};
use weakseg_data::npy;
use weakseg_models::weights::{Metadata, save_safetensors};
use weakseg_models::{
    ClassifierArch, ClassifierConfig, Normalisation, SegmenterArch, SegmenterConfig,
};

use crate::program::{End, Program, keys};

const WIDTH: f64 = 0.0625;

/// An image, and what a small classifier with fresh weights says of it, all in files of `program`.
fn classifier(program: &Program, name: &str) {
    let arch = ClassifierArch::Vgg16Bn;
    let network = ClassifierConfig {
        width: WIDTH,
        seed: 3,
        ..ClassifierConfig::new(arch, 2)
    }
    .init(&Device::flex())
    .expect("a network");
    let metadata = Metadata::new(arch, 2, WIDTH, Normalisation::IMAGENET);
    save_safetensors(&network, &program.path(name), &metadata).expect("written");
    let shape = [1, 3, 40, 32];
    let image: Vec<f32> = (0..3 * 40 * 32).map(|i| (i as f32 * 0.37).sin()).collect();
    npy::write_f32(&program.path("x.npy"), &shape, &image).expect("written");
    let tensor = Tensor::from_data(TensorData::new(image, shape), &Device::flex());
    let logits: Vec<f32> = network.forward(tensor, None).into_data().iter().collect();
    npy::write_f32(&program.path("y.npy"), &[1, 2], &logits).expect("written");
}

const VERIFY: [&str; 6] = [
    "weights",
    "verify",
    "--arch",
    "vgg16-bn",
    "--weights",
    "w.safetensors",
];
const PAIR: [&str; 4] = ["--input", "x.npy", "--expect", "y.npy"];

#[test]
fn outputs_that_are_known_are_found_again_and_json_says_how_near() {
    let program = Program::new();
    classifier(&program, "w.safetensors");
    let end = program.ok(&[&VERIFY[..], &PAIR, &["--json"]].concat());
    let json = end.json();
    assert_eq!(
        keys(&json),
        [
            "applied",
            "arch",
            "difference",
            "fits",
            "format",
            "misshapen",
            "missing",
            "notes",
            "passed",
            "seconds",
            "unused",
            "weights"
        ]
    );
    assert_eq!(json["passed"], true);
    assert_eq!(json["difference"]["relative"], 0.0);
    assert_eq!(json["difference"]["shape"], serde_json::json!([1, 2]));
    assert!(json["seconds"].as_f64().expect("a number") > 0.0);

    // Somewhat off, and the tolerance decides.
    let (shape, mut logits) = npy::read_f32(&program.path("y.npy")).expect("there");
    let scale = logits.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    logits[0] += 0.01 * scale;
    npy::write_f32(&program.path("y.npy"), &shape, &logits).expect("written");
    let end = program.call(&[&VERIFY[..], &PAIR].concat());
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.stdout.contains("above the tolerance 1.0e-4"), "{end:?}");
    program.ok(&[&VERIFY[..], &PAIR, &["--tolerance", "0.02"]].concat());
}

#[test]
fn without_an_input_the_file_alone_is_checked() {
    let program = Program::new();
    classifier(&program, "w.safetensors");
    let end = program.ok(&VERIFY);
    assert!(end.stdout.contains("all, "), "{end:?}");
    let mut other = VERIFY;
    other[3] = "resnet50-os8";
    let end = program.call(&[&other[..], &["--json"]].concat());
    assert_eq!(end.code, Some(1), "{end:?}");
    let json = end.json();
    assert_eq!(json["fits"], false);
    let listed = |what: &str, key: &str| {
        let keys = json[what].as_array().expect("a list");
        assert!(keys.iter().any(|k| k == key), "{key} is not {what}: {json}");
    };
    listed("missing", "conv1.weight");
    listed("unused", "features.0.weight");
    // Another width: every key is there, in another shape.
    let end = program.call(&[&VERIFY[..], &["--width", "0.125", "--json"]].concat());
    assert_eq!(end.json()["misshapen"][0]["key"], "features.0.weight");
}

#[test]
fn arrays_that_do_not_fit_are_named() {
    let program = Program::new();
    classifier(&program, "w.safetensors");
    npy::write_f32(&program.path("flat.npy"), &[3, 4], &[0.5; 12]).expect("written");
    let with = |input: &'static str, expect: &'static str| {
        [&VERIFY[..], &["--input", input, "--expect", expect]].concat()
    };
    program.fails(1, &with("flat.npy", "y.npy"), &["flat.npy", "[B,3,H,W]"]);
    program.fails(
        1,
        &with("x.npy", "flat.npy"),
        &["flat.npy", "[3, 4]", "[1, 2]"],
    );
    program.fails(
        2,
        &[&VERIFY[..], &["--input", "x.npy"]].concat(),
        &["--expect"],
    );
    program.write("text.pth", b"not weights at all");
    program.fails(
        1,
        &[
            "weights",
            "verify",
            "--arch",
            "vgg16",
            "--weights",
            "text.pth",
        ],
        &["text.pth", "not weights at all"],
    );
    program.fails(
        1,
        &[
            "weights",
            "verify",
            "--arch",
            "vgg16",
            "--weights",
            "no.pth",
        ],
        &["no.pth"],
    );
}

#[test]
fn what_is_converted_is_the_same_network() {
    let program = Program::new();
    let network = SegmenterConfig {
        width: WIDTH,
        ..SegmenterConfig::new(SegmenterArch::UnetVgg16, 2)
    }
    .init(&Device::flex())
    .expect("a network");
    let metadata = Metadata::new("unet-vgg16", 2, WIDTH, Normalisation::IMAGENET);
    save_safetensors(&network, &program.path("in.safetensors"), &metadata).expect("written");
    let convert = [
        "weights",
        "convert",
        "in.safetensors",
        "--arch",
        "unet-vgg16",
        "--out",
        "out.safetensors",
    ];
    let end = program.ok(&[&convert[..], &["--names", "smp", "--json"]].concat());
    assert_eq!(end.json()["names"], "smp");
    let bytes = |name: &str| std::fs::read(program.path(name)).expect("there");
    assert_eq!(bytes("in.safetensors"), bytes("out.safetensors"));
    let mut into = convert;
    into[6] = "new/out.safetensors";
    program.ok(&into);
    assert_eq!(bytes("in.safetensors"), bytes("new/out.safetensors"));
    into[6] = "./in.safetensors";
    program.fails(2, &into, &["would be overwritten"]);
    let verify = [
        "weights",
        "verify",
        "--weights",
        "in.safetensors",
        "--arch",
        "unet-vgg16",
    ];
    let tolerance = ["--tolerance", "nan"];
    program.fails(2, &[&verify[..], &tolerance].concat(), &["--tolerance NaN"]);
    program.fails(
        1,
        &[&convert[..], &["--names", "timm"]].concat(),
        &["timm has no such network", "smp"],
    );
    program.fails(
        2,
        &[&convert[..], &["--names", "keras"]].concat(),
        &["keras", "torchvision, timm, smp"],
    );
    let mut other = convert;
    other[4] = "unet-vgg16-bn";
    other[6] = "other.safetensors";
    program.fails(
        1,
        &other,
        &[
            "does not fit unet-vgg16-bn",
            "missing: ",
            "nothing was written",
        ],
    );
    assert!(!program.path("other.safetensors").exists());
}

#[test]
fn the_list_has_a_line_each_with_everything_that_is_known() {
    let program = Program::new();
    let end = cached(&program, &["weights", "list", "--json"], "");
    let lines: Vec<serde_json::Value> = end
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 6);
    for line in &lines {
        assert_eq!(line["cached"], false);
        assert_eq!(line["mean"], serde_json::json!([0.485, 0.456, 0.406]));
        assert_eq!(line["std"], serde_json::json!([0.229, 0.224, 0.225]));
        assert_eq!(
            (&line["channels"], &line["range"][1]),
            (&"rgb".into(), &1.0.into())
        );
        let url = line["url"].as_str().expect("an address");
        let path = Path::new(line["path"].as_str().expect("a path"));
        assert!(url.ends_with(path.file_name().unwrap().to_str().unwrap()));
        assert!(path.starts_with(program.path("cache")));
    }
    let end = cached(&program, &["weights", "list"], "");
    for part in [
        "vgg16-bn  (trunk VGG16 with batch norm, 553.5 MB, not in the cache)",
        "0676ba61",
        "BSD-3",
        "cache: ",
    ] {
        assert!(end.stdout.contains(part), "{part} is not in {}", end.stdout);
    }
}

/// A call with a cache of its own and another server than the publishers'.
fn cached(program: &Program, arguments: &[&str], mirror: &str) -> End {
    let output = program
        .command(arguments)
        .env("WEAKSEG_CACHE", program.path("cache"))
        .env("WEAKSEG_MIRROR", mirror)
        .output()
        .expect("the program starts");
    End {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A server that says one thing to everybody.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/models", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn what_cannot_be_fetched_ends_with_1_and_a_way_out() {
    let program = Program::new();
    let url = server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let end = cached(&program, &["weights", "fetch", "resnet50"], &url);
    assert_eq!((end.code, end.errors()), (Some(1), 1), "{end:?}");
    for part in [&url, "resnet50-0676ba61.pth", "404", "--weights FILE"] {
        assert!(end.stderr.contains(part), "{part} is not in {}", end.stderr);
    }
    let end = cached(&program, &["weights", "fetch", "se_resnext50"], &url);
    assert_eq!((end.code, end.errors()), (Some(1), 1), "{end:?}");
    assert!(end.stderr.contains("no pinned digest"), "{end:?}");
    program.fails(
        2,
        &["weights", "fetch", "resnet51"],
        &["resnet51", "resnet50"],
    );
}

/// A table of two classes whose images do not matter.
fn table(program: &Program) {
    let mut csv = "image,patient,spot\n".to_owned();
    for i in 0..8 {
        csv.push_str(&format!("{i}.png,{i},{}\n", i % 2));
        let folder = program.path("set/images");
        std::fs::create_dir_all(&folder).expect("a folder");
        let pixels = vec![(i * 30) as u8; 3 * 64 * 64];
        let image = weakseg_data::Stack::new(3, 64, 64, pixels).expect("an image");
        weakseg_data::write_rgb_png(&folder.join(format!("{i}.png")), &image).expect("written");
    }
    program.write("set/labels.csv", csv.as_bytes());
    program.write(
        "set/config.toml",
        b"data = { kind = \"table\", root = \".\" }\nimage.size = 64\nirn.radius = 4\nclassifier.training.batch = 2\n\
          irn.training.batch = 2\nsegmenter.training.batch = 2\n",
    );
}

#[test]
fn a_run_that_cannot_have_its_weights_ends_before_any_work() {
    let program = Program::new();
    table(&program);
    let url = server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let run = ["run", "set/config.toml", "--out", "runs/first"];
    let end = cached(&program, &run, &url);
    assert_eq!((end.code, end.errors()), (Some(1), 1), "{end:?}");
    for part in [
        "vgg16_bn-6c64b313.pth",
        "403",
        "--weights FILE",
        "--weights none",
        "554 MB",
        "cache",
    ] {
        assert!(end.stderr.contains(part), "{part} is not in {}", end.stderr);
    }
    let left = std::fs::read_dir(program.path("runs/first")).expect("a folder");
    let left: Vec<_> = left.map(|entry| entry.expect("read").file_name()).collect();
    assert_eq!(left, [".lock"], "nothing of a run");

    let missing = [&run[..], &["--weights", "none.pth"]].concat();
    let end = cached(&program, &missing, &url);
    assert_eq!(end.code, Some(2), "{end:?}");
    assert!(end.stderr.contains("none.pth: no such file"), "{end:?}");
    let words = ["classifier.weights: ", "none.pth: no such file"];
    let never = ["run", "set/config.toml", "--out", "runs/never"];
    let set = ["--set", "classifier.weights=none.pth"];
    program.fails(2, &[&never[..], &set].concat(), &words);
    assert!(!program.path("runs/never").exists());

    program.write("mine.pth", b"no weights");
    let mine = [
        "run",
        "set/config.toml",
        "--out",
        "runs/mine",
        "--weights",
        "mine.pth",
    ];
    let end = cached(&program, &mine, &url);
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(
        end.stderr.contains("not a sound file of weights"),
        "{end:?}"
    );
}

#[test]
fn a_run_starts_from_the_file_that_is_named() {
    let program = Program::new();
    table(&program);
    classifier(&program, "w.safetensors");
    let run = [
        "run",
        "set/config.toml",
        "--out",
        "runs/first",
        "--weights",
        "w.safetensors",
        "--until",
        "train-classifier",
        "--set",
        "classifier.width=0.0625",
        "--set",
        "classifier.training.epochs=1",
        "--set",
        "data.val_fraction=0.25",
        "--set",
        "data.test_fraction=0.25",
    ];
    // A server that nobody may ask.
    let end = cached(&program, &run, "http://127.0.0.1:9");
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(
        end.stderr.contains("trunk from") && end.stderr.contains("78 keys applied"),
        "{end:?}"
    );
    // It is named from here, and noted from the configuration's folder.
    let resolved = std::fs::read_to_string(program.path("runs/first/config.toml")).expect("there");
    assert!(
        resolved.contains("weights = \"../w.safetensors\""),
        "{resolved}"
    );
}
