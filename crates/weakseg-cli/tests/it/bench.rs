use serde_json::Value;

use crate::program::{Program, keys};

#[test]
fn a_line_of_figures_for_each_network() {
    let program = Program::new();
    let small = ["--batch", "1", "--size", "32", "--repeat", "1"];
    let nets = ["bench", "step", "--net", "resnet34", "unet-resnet34"];
    let output = program.ok(&[&nets[..], &small, &["--threads", "1", "--device", "cpu"]].concat());
    let lines: Vec<Value> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    for (line, net) in lines.iter().zip(&nets[3..]) {
        let expected = [
            "batch", "device", "infer_s", "mode", "net", "size", "threads", "train_s",
        ];
        let mut sorted = keys(line);
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
        assert_eq!(
            (&line["net"], &line["mode"]),
            (&Value::from(*net), &Value::from("fp32"))
        );
        assert_eq!(
            (line["size"].as_u64(), line["threads"].as_u64()),
            (Some(32), Some(1))
        );
        assert!(line["train_s"].as_f64() > line["infer_s"].as_f64());
    }
}

#[test]
fn irnet_is_timed_with_its_heads() {
    let program = Program::new();
    let small = ["--batch", "1", "--size", "32", "--repeat", "1"];
    for net in ["irnet-resnet50", "irnet-vgg16"] {
        let output = program.ok(&[&["bench", "step", "--net", net][..], &small].concat());
        let line: Value = serde_json::from_str(output.stdout.trim()).expect("JSON");
        assert_eq!(line["net"], net);
        assert!(line["train_s"].as_f64() > Some(0.0), "{line}");
    }
}

#[test]
fn bf16_is_timed_where_the_processor_has_it() {
    let program = Program::new();
    let small = ["--batch", "1", "--size", "32", "--repeat", "1"];
    let asked = ["bench", "step", "--net", "resnet34", "--modes", "bf16"];
    let asked = [&asked[..], &small].concat();
    if weakseg_kernels::bf16_instruction_set().is_none() {
        program.fails(2, &asked, &["--modes bf16: this processor has no bf16"]);
        return;
    }
    let line: Value = serde_json::from_str(program.ok(&asked).stdout.trim()).expect("JSON");
    assert_eq!(line["mode"], "bf16");
}

#[test]
fn networks_and_modes_that_do_not_exist_are_usage_errors() {
    let program = Program::new();
    for wrong in [
        &["--net", "resnet49"][..],
        &["--net", "resnet34", "--modes", "int4"],
        &["--net", "resnet34", "--size", "8"],
        &["--net", "resnet34", "--batch", "0"],
        &[],
    ] {
        let end = program.call(&[&["bench", "step"], wrong].concat());
        assert_eq!(end.code, Some(2), "{wrong:?}: {}", end.stderr);
    }
}
