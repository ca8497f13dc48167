use crate::program::Program;

const COMMANDS: [&[&str]; 29] = [
    &["demo"],
    &["run"],
    &["predict"],
    &["evaluate"],
    &["tune"],
    &["cam"],
    &["crf"],
    &["walk"],
    &["data"],
    &["data", "phantom"],
    &["data", "verify"],
    &["data", "split"],
    &["data", "pixels"],
    &["data", "rle"],
    &["data", "rle", "to-masks"],
    &["data", "rle", "to-csv"],
    &["weights"],
    &["weights", "list"],
    &["weights", "fetch"],
    &["weights", "convert"],
    &["weights", "verify"],
    &["bench"],
    &["bench", "step"],
    &["report"],
    &["serve"],
    &["config"],
    &["config", "schema"],
    &["config", "show"],
    &["config", "import"],
];

#[test]
fn every_command_explains_itself_with_an_example() {
    let program = Program::new();
    let top = program.ok(&["--help"]).stdout;
    for command in COMMANDS {
        let help = program.ok(&[command, &["--help"]].concat()).stdout;
        assert!(
            top.contains(command[0]),
            "{command:?} is in the list of commands"
        );
        assert!(help.contains("Usage: weakseg"), "{command:?}: {help}");
        assert!(
            help.contains("--device"),
            "{command:?} shows the global options"
        );
        if !matches!(
            command,
            ["data"] | ["data", "rle"] | ["config"] | ["weights"] | ["bench"]
        ) {
            let example = format!("\n  weakseg {}", command.join(" "));
            assert!(
                help.contains("Example") && help.contains(&example),
                "{command:?}: {help}"
            );
        }
    }
}

#[test]
fn the_version_says_what_the_program_is_not() {
    let program = Program::new();
    for flag in ["--version", "-V"] {
        let version = program.ok(&[flag]).stdout;
        assert!(
            version.starts_with("weakseg 0.") && version.contains("not a medical device"),
            "{version}"
        );
    }
}

#[test]
fn usage_errors_end_with_2() {
    let program = Program::new();
    assert_eq!(program.call(&[]).code, Some(2));
    program.fails(2, &["reprot"], &["unrecognized subcommand", "'report'"]);
    program.fails(2, &["crf", "a.png"], &["LABELS.png"]);
    program.fails(2, &["run", "c.toml", "--from", "train-irm"], &["train-irn"]);
    program.fails(
        2,
        &["run", "c.toml", "--only", "report", "--from", "report"],
        &["--only", "--from"],
    );
    program.fails(
        2,
        &["run", "c.toml", "--from", "report", "--until", "make-cams"],
        &["no step lies between"],
    );
    program.fails(
        2,
        &["crf", "a.png", "b.png", "--out", "c.png", "--gaussian", "3"],
        &["2 numbers", "found 1"],
    );
    program.fails(
        2,
        &["crf", "a.png", "b.png", "--out", "c.png", "--gt-prob", "1"],
        &["--gt-prob", "between 0 and 1"],
    );
    program.fails(2, &["demo", "--threads", "0"], &["--threads"]);
    program.fails(2, &["demo", "-v", "-q"], &["--verbose", "--quiet"]);
    program.fails(
        2,
        &[
            "predict",
            "a.png",
            "--model",
            "m",
            "--out",
            "o",
            "--formats",
            "mask,png",
        ],
        &["'png'", "mask, overlay, rle, coco, seg, sc, npy"],
    );
    program.fails(
        2,
        &[
            "cam", "a.png", "--model", "m", "--out", "o", "--method", "grad",
        ],
        &["grad-cam"],
    );
    program.fails(2, &["evaluate", "--pred", "p"], &["--truth"]);
    program.fails(2, &["evaluate"], &["--pred", "--boxes", "--coco"]);
}

#[test]
fn a_device_is_used_or_refused_but_never_replaced() {
    let program = Program::new();
    program.fails(2, &["demo", "--device", "gpu"], &["auto, cpu, cuda[:N]"]);
    program.fails(2, &["demo", "--device", "cpu:1"], &["takes no number"]);
    if !cfg!(feature = "cuda") {
        program.fails(
            2,
            &["demo", "--device", "cuda:0"],
            &["this build has no cuda", "--features vulkan"],
        );
        assert!(
            !program.path("weakseg-demo").exists(),
            "refused before anything is written"
        );
    }
    let walk = [
        "walk", "c.npy", "e.npy", "--out", "o.npy", "--device", "vulkan",
    ];
    program.fails(2, &walk, &["CPU only"]);
}

#[test]
#[cfg(unix)]
fn a_closed_stdout_is_a_quiet_end() {
    let program = Program::new();
    assert_eq!(
        program.unread(&["config", "schema"]),
        (Some(0), String::new())
    );
    // Faults are no less faults for that.
    program.write("set/labels.csv", b"image,finding\n");
    assert_eq!(program.unread(&["data", "verify", "set", "-q"]).0, Some(1));
}

#[test]
#[cfg(unix)]
fn a_closed_stderr_does_not_end_the_work() {
    let program = Program::new();
    let phantoms = "data phantom --out set --count 2 --size 64";
    let arguments: Vec<&str> = phantoms.split(' ').collect();
    assert_eq!(program.unheard(&arguments).0, Some(0));
    assert!(program.path("set/labels.csv").is_file());
    // Errors have their codes.
    let missing = program.unheard(&["predict", "--model", "set", "gone.png", "--out", "masks"]);
    assert_eq!(missing, (Some(1), String::new()));
}
