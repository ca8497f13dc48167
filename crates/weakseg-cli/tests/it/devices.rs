//! Trainings on several devices, from the command line.

use crate::program::Program;

const CONFIG: &str = r#"
[data]
kind = "phantom"
root = "set"
count = 16
size = 48
val_fraction = 0.25

[image]
size = 32

[classifier]
arch = "vgg16"
# Wide enough for kernels that work on the pool's threads.
width = 0.25

[classifier.training]
epochs = 1
batch = 2
accumulate = 2

[irn]
radius = 3

[pseudo_labels]
radius = 3

[segmenter]
encoder = "random"
"#;

const UNTIL: [&str; 4] = ["run", "tiny.toml", "--until", "train-classifier"];

/// With one thread, the one that trains is the only one of the pool, which the other device's share needs too.
#[test]
fn a_training_on_two_devices_is_that_of_one_with_any_number_of_threads() {
    let program = Program::new();
    program.write("tiny.toml", CONFIG.as_bytes());
    let model = |out: &str, rest: &[&str]| {
        program.ok(&[&UNTIL[..], &["--out", out], rest].concat());
        let path = program.path(&format!("{out}/01-train-classifier/model.safetensors"));
        std::fs::read(path).expect("a model")
    };
    let alone = model("alone", &["--device", "cpu"]);
    for threads in ["1", "3"] {
        let rest = ["--devices", "cpu,cpu", "--threads", threads];
        assert!(model(threads, &rest) == alone, "{threads} threads");
    }
    let record = std::fs::read(program.path("1/run.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    assert_eq!(record["device"], "cpu, cpu");
}

/// The other device is at work then, and its thread is waited for.
#[test]
fn an_error_ends_a_shared_training_with_one_thread() {
    let program = Program::new();
    program.write("tiny.toml", CONFIG.as_bytes());
    let rest = ["--devices", "cpu,cpu", "--threads", "1", "--set"];
    let rate = "classifier.training.optimizer.lr=1e30";
    let line = [&UNTIL[..], &rest, &[rate]].concat();
    program.fails(1, &line, &["in epoch 1, batch", "a lower learning rate"]);
}

#[test]
fn what_cannot_be_shared_is_refused_before_anything_is_trained() {
    let program = Program::new();
    program.write("tiny.toml", CONFIG.as_bytes());
    let with = |rest: &[&'static str]| [&UNTIL[..], rest].concat();
    program.fails(
        2,
        &with(&["--device", "cpu", "--devices", "cpu,cpu"]),
        &["exclude each other"],
    );
    program.fails(2, &with(&["--devices", "cpu,vulkan"]), &["two kinds"]);
    program.fails(2, &with(&["--devices", "cpu,gpu"]), &["cuda[:N]"]);
    program.fails(
        2,
        &with(&["--devices", "cpu,cpu,cpu"]),
        &[
            "train-classifier: training.accumulate is 2, but 3 devices",
            "--set classifier.training.batch=1 --set classifier.training.accumulate=3",
        ],
    );
    assert!(!program.path("runs").exists());
}
