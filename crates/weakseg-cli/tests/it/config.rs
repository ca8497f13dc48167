use crate::program::Program;

#[test]
fn the_schema_is_json_that_describes_the_steps() {
    let schema = Program::new().ok(&["config", "schema"]).json();
    assert!(schema["properties"]["classifier"].is_object(), "{schema}");
}

#[test]
fn a_shown_configuration_is_whole_and_reads_back() {
    let program = Program::new();
    program.write("a.toml", b"[data]\nkind = \"phantom\"\n[irn]\nradius = 4\n");
    let shown = program
        .ok(&[
            "config",
            "show",
            "a.toml",
            "--set",
            "classifier.training.epochs=3",
            "--seed",
            "9",
        ])
        .stdout;
    assert!(
        shown.contains("seed = 9") && shown.contains("radius = 4") && shown.contains("epochs = 3"),
        "{shown}"
    );
    program.write("b.toml", shown.as_bytes());
    assert_eq!(program.ok(&["config", "show", "b.toml"]).stdout, shown);
    let json = program.ok(&["config", "show", "b.toml", "--json"]).json();
    assert_eq!(json["irn"]["radius"], 4);
}

#[test]
fn a_preset_is_a_file_to_start_from() {
    let program = Program::new();
    let demo = program.ok(&["config", "show", "--preset", "demo"]).stdout;
    assert!(demo.contains("[data]"), "{demo}");
    program.fails(2, &["config", "show"], &["CONFIG.toml"]);
    program.fails(2, &["config", "show", "--preset", "demmo"], &["demo"]);
}

#[test]
fn a_wrong_configuration_ends_with_2_and_names_the_key() {
    let program = Program::new();
    program.write(
        "a.toml",
        b"[data]\nkind = \"phantom\"\n[classifier.training]\nepocs = 7\n",
    );
    for command in [
        &["run", "a.toml"][..],
        &["config", "show", "a.toml"],
        &["data", "verify", "a.toml"],
    ] {
        program.fails(
            2,
            command,
            &[
                "a.toml",
                "classifier.training.epocs",
                "did you mean",
                "classifier.training.epochs",
            ],
        );
    }
    assert!(
        !program.path("runs").exists(),
        "refused before anything is written"
    );
    program.write("b.toml", b"[data\nkind");
    program.fails(2, &["run", "b.toml"], &["b.toml", "not valid TOML"]);
    program.write("c.toml", b"[data]\nkind = \"phantom\"\n");
    program.fails(
        2,
        &["run", "c.toml", "--set", "irn.radius=1"],
        &["irn.radius", "2 to 64"],
    );
    program.fails(2, &["run", "c.toml", "--set", "irn.radius"], &["KEY=VALUE"]);
    program.fails(2, &["run", "gone.toml"], &["gone.toml"]);
}

#[test]
fn every_preset_is_shown_and_its_folder_may_be_set() {
    let program = Program::new();
    for preset in ["siim-paper", "siim-wsmis", "voc-paper", "voc-wsmis", "irn"] {
        let shown = program
            .ok(&[
                "config",
                "show",
                "--preset",
                preset,
                "--set",
                "data.root=sets",
            ])
            .stdout;
        assert!(shown.contains("root = \"sets\""), "{preset}: {shown}");
    }
}

#[test]
fn the_file_to_start_from_is_sound() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/mine.toml");
    let shown = Program::new()
        .ok(&["config", "show", file, "--json"])
        .json();
    assert_eq!(shown["classifier"]["weights"], "vgg16-bn");
}

#[test]
fn a_yaml_of_the_published_code_becomes_a_layer() {
    let program = Program::new();
    let yaml = b"task: segmentation\nlog_path: logs\nmodel: { arch: unet }\nnum_epochs: 4\n";
    program.write("a.yaml", yaml);
    let done = program.ok(&["config", "import", "a.yaml", "--out", "a.toml"]);
    assert_eq!(done.stdout, "");
    assert!(done.stderr.contains("log_path = logs: "), "{}", done.stderr);
    let shown = program
        .ok(&["config", "show", "a.toml", "--preset", "voc-wsmis"])
        .stdout;
    assert!(shown.contains("arch = \"unet-resnet50\""), "{shown}");
    // On stdout the same file, and never over one that is there.
    let text = program.ok(&["config", "import", "a.yaml"]).stdout;
    let written = std::fs::read_to_string(program.path("a.toml")).expect("written");
    assert_eq!(text, written);
    let again = ["config", "import", "a.yaml", "--out", "a.toml"];
    program.fails(2, &again, &["a.toml is there already"]);
    let json = program.ok(&["config", "import", "a.yaml", "--json"]).json();
    assert_eq!(json["not_mapped"][0]["key"], "log_path", "{json}");
    let misspelt = b"task: segmentation\nmodel: { arch: unet, dropblok: 1 }\n";
    program.write("b.yaml", misspelt);
    let end = program.call(&["config", "import", "b.yaml"]);
    assert_eq!((end.code, end.errors()), (Some(1), 1), "{end:?}");
    let told = "error: b.yaml: unknown, misspelt perhaps: model.dropblok";
    assert!(end.stderr.contains(told), "{end:?}");
    assert!(end.stdout.contains("arch = \"unet-resnet50\""), "{end:?}");
    program.write("b.yaml", b"task: dance\n");
    program.fails(2, &["config", "import", "b.yaml"], &["b.yaml: task is"]);
}
