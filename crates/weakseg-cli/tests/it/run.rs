//! The whole method in very small, from images to a report and a model that predicts.

#[cfg(unix)]
use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::process::{Command, Stdio};

use weakseg_data::{Limits, npy, read_index_png, rle};
use weakseg_kernels::bf16_instruction_set;

use crate::predict::predicts;
use crate::program::Program;
use crate::serve::serves;
use crate::tune::tunes;

/// `configs/tiny.toml` as it is, but for its data, which lie in the test's folder.
pub fn write_tiny(program: &Program) {
    let text = include_str!("../../../../configs/tiny.toml");
    let here = text.replace("../target/tiny-phantoms", "set");
    assert!(here != text);
    program.write("tiny.toml", here.as_bytes());
}

#[test]
fn neither_threads_nor_gradient_checkpointing_change_a_byte() {
    let program = Program::new();
    write_tiny(&program);
    let models = |threads: &str, set: &str| -> Vec<Vec<u8>> {
        let out = format!("runs/{threads}-{}", set.replace('=', "-"));
        program.ok(&[
            "run",
            "tiny.toml",
            "--until",
            "train-segmenter",
            "--out",
            &out,
            "--threads",
            threads,
            // Wide enough for the kernels that the published widths run on.
            "--set",
            "classifier.width=0.25",
            "--set",
            "segmenter.width=0.25",
            "--set",
            set,
        ]);
        ["01-train-classifier", "05-train-irn", "08-train-segmenter"]
            .iter()
            .map(|step| {
                let path = program.path(&format!("{out}/{step}/model.safetensors"));
                std::fs::read(path).expect("a model")
            })
            .collect()
    };
    let fp32 = models("1", "precision=fp32");
    assert!(fp32 == models("3", "precision=fp32"), "the networks differ");
    let checkpointed = models("2", "gradient_checkpointing=true");
    assert!(fp32 == checkpointed, "the networks differ");
    if bf16_instruction_set().is_some() {
        let bf16 = models("1", "precision=bf16");
        assert!(bf16 == models("3", "precision=bf16"), "the networks differ");
        // The whole file knows the settings too.
        let learnt = |models: &[Vec<u8>]| models.iter().map(|file| numbers(file)).collect();
        let [fp32, bf16]: [Vec<Vec<u8>>; 2] = [learnt(&fp32), learnt(&bf16)];
        assert!(fp32 != bf16, "bf16 changed nothing");
    }
}

/// A safetensors file without its header.
fn numbers(file: &[u8]) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk().expect("a length");
    rest[u64::from_le_bytes(*length) as usize..].to_vec()
}

/// What makes a recipe small enough to be tried: its networks, optimizers, groups, losses, samplers and augmentation
/// stay.
const SMALL: &str = r#"
[data]
kind = "phantom"
root = "set"
count = 16
size = 48
val_fraction = 0.3

[image]
size = 64

[classifier]
width = 0.0625
weights = "none"
# Fixed statistics are those of pretrained weights.
fixed_statistics = false

[classifier.training]
epochs = 1
batch = 4

[irn]
radius = 3

[irn.training]
epochs = 1
batch = 4

[pseudo_labels]
steps = 8

[segmenter]
width = 0.0625
encoder = "random"

[segmenter.training]
epochs = 1
batch = 4
"#;

#[test]
fn every_recipe_goes_from_images_to_a_segmentation_network() {
    let program = Program::new();
    program.write("small.toml", SMALL.as_bytes());
    for preset in ["siim-paper", "siim-wsmis", "voc-paper", "voc-wsmis", "irn"] {
        program.ok(&[
            "run",
            "small.toml",
            "--preset",
            preset,
            "--out",
            preset,
            "--until",
            "train-segmenter",
        ]);
        let model = program.path(&format!("{preset}/08-train-segmenter/model.safetensors"));
        assert!(model.exists(), "{preset}");
    }
}

#[test]
fn an_encoder_starts_from_a_file_of_its_own_or_the_run_does_not_begin() {
    let program = Program::new();
    write_tiny(&program);
    program.ok(&[
        "run",
        "tiny.toml",
        "--until",
        "train-classifier",
        "--out",
        "a",
    ]);
    let run = |file: &str| {
        let weights = format!("segmenter.weights=\"{file}\"");
        let layers = [
            "run",
            "tiny.toml",
            "--out",
            "b",
            "--until",
            "train-segmenter",
            "--set",
            "segmenter.arch=unet-vgg16-bn",
            "--set",
            "segmenter.encoder=weights",
            "--set",
            &weights,
        ];
        program.call(&layers)
    };
    let missing = run("no.pth");
    assert_eq!(missing.code, Some(2), "{missing:?}");
    for part in ["segmenter.weights: ", "no.pth", "segmenter.encoder=random"] {
        assert!(missing.stderr.contains(part), "{part}: {missing:?}");
    }
    assert!(!program.path("b").exists());
    let done = run("a/01-train-classifier/model.safetensors");
    assert_eq!(done.code, Some(0), "{done:?}");
    let named = |line: &str| {
        line.starts_with("    trunk from")
            && line.contains("a/01-train-classifier/model.safetensors: ")
    };
    assert!(done.stderr.lines().any(named), "{done:?}");
}

#[test]
fn bf16_is_refused_where_it_would_not_be_what_it_says() {
    let program = Program::new();
    write_tiny(&program);
    let first = ["run", "tiny.toml", "--until", "train-classifier"];
    if bf16_instruction_set().is_none() {
        let asked = [&first[..], &["--set", "precision=\"bf16\""]].concat();
        let what = [
            "this processor has no bf16 arithmetic",
            "set precision = \"fp32\"",
        ];
        program.fails(2, &asked, &what);
        return;
    }
    program.ok(&first);
    let other = ["run", "tiny.toml", "--set", "precision=\"bf16\""];
    let what = [
        "step train-classifier was made with other settings",
        "precision",
    ];
    program.fails(1, &other, &what);
}

#[test]
fn from_images_to_a_report_and_a_model() {
    let program = Program::new();
    write_tiny(&program);

    // Among the images a run's pictures would be images of the next call.
    let among = ["run", "tiny.toml", "--out", "set/images/run"];
    program.fails(1, &among, &["among the images of the set"]);
    assert!(!program.path("set/images/run").exists());

    // In two parts: the second call goes on where the first was told to stop.
    let part = program.ok(&["run", "tiny.toml", "--until", "make-cams"]);
    assert_eq!(part.stdout.trim(), "run: runs/tiny");
    assert!(part.stderr.contains("2/10 make-cams"), "{}", part.stderr);
    let start = "trunk from noise: no published weights fit another classifier.width than 1";
    assert!(part.stderr.contains(start), "{}", part.stderr);
    let early = ["run", "tiny.toml", "--only", "train-irn"];
    program.fails(1, &early, &["train-irn needs make-ir-labels"]);
    let image = std::fs::read(program.path("set/images/phantom-00000.png")).expect("an image");
    program.write("set/images/stray.png", &image);
    let whole = program.ok(&["run", "tiny.toml", "--instances"]);
    let stray = "1 image without a row in the table: `stray.png`";
    assert!(whole.stderr.contains(stray), "{}", whole.stderr);
    assert!(
        whole.stderr.contains("2/10 make-cams: finished before"),
        "{}",
        whole.stderr
    );
    assert!(
        whole.stdout.contains("Segmentation") && whole.stdout.contains("Empty mask"),
        "{}",
        whole.stdout
    );
    // One split speaks, here val, and its classifier.
    for title in ["Steps, ", "Image-level classifier, val"] {
        assert_eq!(whole.stdout.matches(title).count(), 1, "{}", whole.stdout);
    }
    assert!(
        whole.stdout.contains("report: runs/tiny/report.html"),
        "{}",
        whole.stdout
    );

    // Nothing is left to do; the figures are those of report.json.
    let again = program.ok(&["run", "tiny.toml", "--instances", "--json", "-q"]);
    // Of a quiet call too one hears what is odd, and nothing else.
    let told = &again.stderr;
    let warned = told.lines().all(|line| line.starts_with("warning: "));
    assert!(warned && told.contains(stray), "{told}");
    let text = std::fs::read_to_string(program.path("runs/tiny/report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(again.json()["results"], report["results"]);
    let warnings = report["data"]["warnings"].as_array().expect("warnings");
    assert!(
        warnings
            .iter()
            .any(|warning| warning.as_str().is_some_and(|text| text.contains(stray))),
        "{warnings:?}"
    );
    assert_eq!(
        report["timings"].as_array().expect("timings").len(),
        9,
        "every step but the report itself"
    );

    // Other settings are not mixed into a finished run.
    let other = ["run", "tiny.toml", "--set", "irn.training.epochs=2"];
    program.fails(
        1,
        &other,
        &[
            "train-irn",
            "irn.training.epochs was 1, is 2",
            "--from train-irn",
        ],
    );
    program.fails(
        1,
        &["run", "tiny.toml"],
        &["make-pseudo-labels", "pseudo_labels.instances was {"],
    );
    lists_instances(&program);
    scores_instances(&program);

    let last = program.ok(&["run", "tiny.toml", "--instances", "--only", "report"]);
    assert!(
        last.stderr.contains("10/10 report:") && !last.stderr.contains("9/10"),
        "{}",
        last.stderr
    );
    let text = std::fs::read_to_string(program.path("runs/tiny/report.json")).expect("a report");
    assert!(
        text.contains("in 1 of 20 cases more than 100 clusters"),
        "{text}"
    );

    // The run is found by its own folder, and its data by the run, wherever both are moved to.
    std::fs::remove_file(program.path("runs/tiny/report.html")).expect("was there");
    std::fs::create_dir(program.path("moved")).expect("a folder");
    for name in ["runs", "set"] {
        std::fs::rename(program.path(name), program.path("moved").join(name)).expect("moved");
    }
    let anew = program.ok(&["report", "moved/runs/tiny"]);
    assert!(
        program.path("moved/runs/tiny/report.html").is_file(),
        "{anew:?}"
    );
    // And so by the configuration that lies in it, whose paths start where they did.
    let resolved = program.ok(&["run", "moved/runs/tiny/config.toml"]);
    assert!(
        resolved.stderr.contains("10/10 report: finished before"),
        "{}",
        resolved.stderr
    );
    program.ok(&["data", "verify", "moved/runs/tiny/config.toml"]);
    let shown = program.ok(&["config", "show", "moved/runs/tiny"]).stdout;
    assert!(
        shown.starts_with("# Relative paths start from /"),
        "{shown}"
    );
    assert!(
        !program.path("moved/runs/tiny/set").exists(),
        "the data is not made a second time"
    );
    for name in ["runs", "set"] {
        std::fs::rename(program.path("moved").join(name), program.path(name)).expect("moved back");
    }

    predicts(&program);
    looks(&program);
    serves(&program);
    tunes(&program);
}

#[test]
fn broken_images_are_skips_that_can_be_allowed() {
    let program = Program::new();
    write_tiny(&program);
    let verify = ["data", "verify", "tiny.toml"];
    program.ok(&verify);
    let image = |id: &str| format!("set/images/phantom-{id}.png");
    let bytes = std::fs::read(program.path(&image("00003"))).expect("an image");
    program.write(&image("00003"), &bytes[..bytes.len() / 2]);
    program.write(
        &image("00006"),
        &[&[0; 128][..], b"DICM of nothing"].concat(),
    );
    let allow = ["--allow-skips", "2"];

    let told = program.call(&verify);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("2 errors, 0 warnings"), "{told:?}");
    let told = program.ok(&[&verify[..], &allow].concat()).stdout;
    let faults: Vec<&str> = told
        .lines()
        .filter_map(|l| l.strip_prefix("warning: "))
        .collect();
    assert_eq!(faults.len(), 2, "{told}");

    let run = ["run", "tiny.toml", "--until", "train-classifier"];
    let end = program.call(&run);
    assert_eq!(end.code, Some(3), "{end:?}");
    let (before, after) = end
        .stderr
        .split_once("1/10 train-classifier")
        .expect("begun");
    for fault in faults {
        let (_, why) = fault.split_once(": ").expect("a path and a reason");
        assert!(before.contains(why), "{why}: {before}");
    }
    for words in [
        "2 images cannot be read: ",
        "without 2 of 20 cases and will end with exit code 3, for 0 are allowed (--allow-skips)",
    ] {
        assert!(before.contains(words), "{words}: {before}");
    }
    for id in ["00003", "00006"] {
        assert!(
            after.contains(&format!("left out phantom-{id}: ")),
            "{after}"
        );
    }
    let told = program.ok(&[&run[..], &allow].concat()).stderr;
    assert!(!told.contains("exit code"), "{told}");
}

/// The step's COCO document holds every case of the splits that are learnt from, and its numbers lead somewhere. What
/// the hardly trained networks find is anybody's guess, but something is: the maximum of a map is above any threshold.
fn lists_instances(program: &Program) {
    let folder = "runs/tiny/06-make-pseudo-labels";
    let text = std::fs::read_to_string(program.path(&format!("{folder}/instances.json")));
    let document: serde_json::Value = serde_json::from_str(&text.expect("there")).expect("JSON");
    let list = |name: &str| document[name].as_array().expect("a list").clone();
    let images = list("images");
    assert_eq!(images.len(), 20);
    assert!(images.iter().all(|i| i["height"] == 48 && i["width"] == 48));
    let names: Vec<&str> = images
        .iter()
        .filter_map(|i| i["file_name"].as_str())
        .collect();
    assert!(names.contains(&"phantom-00000.png"), "{names:?}");
    let categories = list("categories");
    assert_eq!(categories.len(), 1);
    assert_eq!(categories[0]["id"], 1);
    let annotations = list("annotations");
    assert!(!annotations.is_empty());
    for annotation in annotations {
        assert!(images.iter().any(|i| i["id"] == annotation["image_id"]));
        assert_eq!(annotation["category_id"], 1);
        let counts = annotation["segmentation"]["counts"]
            .as_str()
            .expect("counts");
        let mask = rle::coco::decode(counts, 48, 48).expect("of the image's size");
        let area = mask.as_slice().iter().filter(|value| **value != 0);
        assert_eq!(annotation["area"], area.count());
        let score = annotation["score"].as_f64().expect("a score");
        assert!(score > 0.25 && score <= 1.0, "{score}");
    }
    let fields: Vec<_> = std::fs::read_dir(program.path(&format!("{folder}/displacements")))
        .expect("a folder")
        .map(|entry| npy::read_f32(&entry.expect("an entry").path()).expect("an array"))
        .collect();
    assert!(!fields.is_empty() && fields.iter().all(|(shape, _)| *shape == [2, 8, 8]));
}

/// The instances are scored by the phantoms' masks, each of which is one object, in a document of their own and in the
/// report; with the true masks for instances nothing is missed.
fn scores_instances(program: &Program) {
    let scores = || {
        let path = program.path("runs/tiny/07-eval-pseudo-labels/instances.json");
        let text = std::fs::read_to_string(path).expect("there");
        let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        figures["results"].as_array().expect("a list").clone()
    };
    let (mut images, mut objects) = (0, 0);
    for result in scores() {
        images += result["images"].as_u64().expect("a number");
        objects += result["classes"][0]["objects"].as_u64().expect("a number");
        assert_eq!(result["classes"][0]["class"], "pneumothorax");
        assert_eq!(result["image_labels"], "truth");
    }
    assert_eq!((images, objects), (20, 10), "half of the phantoms have one");
    let html = std::fs::read_to_string(program.path("runs/tiny/report.html")).expect("a report");
    assert!(html.contains("Objects of one class told apart"));

    let labels = std::fs::read_to_string(program.path("set/labels.csv")).expect("labels");
    for line in labels.lines().skip(1) {
        let id = line.split(['.', ',']).next().expect("a name");
        let path = program.path(&format!("set/masks/{id}.png"));
        let mut instances = Vec::new();
        if path.exists() {
            let mask = read_index_png(&path, &Limits::default()).expect("a mask");
            if mask.as_slice().contains(&255) || mask.as_slice().contains(&1) {
                instances.push(serde_json::json!({
                    "category_id": 1, "score": 0.5, "area": 0, "bbox": [0, 0, 0, 0], "iscrowd": 0,
                    "segmentation": {"size": [48, 48], "counts": rle::coco::encode(&mask)},
                }));
            }
        }
        let text = serde_json::json!({"size": [48, 48], "instances": instances}).to_string();
        let case = format!("runs/tiny/06-make-pseudo-labels/instances/{id}.json");
        assert!(program.path(&case).is_file(), "{case}");
        program.write(&case, text.as_bytes());
    }
    let only = |step: &str| -> Vec<String> {
        let words = ["run", "tiny.toml", "--instances", "--only", step];
        words.map(str::to_owned).to_vec()
    };
    let scored = only("eval-pseudo-labels");
    let scored: Vec<&str> = scored.iter().map(String::as_str).collect();
    // What lies there is not what the step wrote, until it has gone over it again.
    program.fails(1, &scored, &["make-pseudo-labels", "`instances/phantom-"]);
    let taken_over = || {
        let manifest = "runs/tiny/06-make-pseudo-labels/manifest.json";
        std::fs::remove_file(program.path(manifest)).expect("was there");
        let line = only("make-pseudo-labels");
        program.ok(&line.iter().map(String::as_str).collect::<Vec<_>>());
    };
    taken_over();
    program.ok(&scored);
    for result in scores() {
        assert_eq!(result["average_precision"], 1.0, "{result}");
    }
    let broken = program.write(
        "runs/tiny/06-make-pseudo-labels/instances/phantom-00000.json",
        br#"{"size": [48, 48], "instances": 7}"#,
    );
    program.fails(
        1,
        &scored,
        &["phantom-00000.json", "--from make-pseudo-labels"],
    );
    // As after a field of noise.
    let noise = r#"{"size": [48, 48], "instances": [], "left_out": 3}"#;
    std::fs::write(broken, noise).expect("written");
    taken_over();
    program.ok(&scored);
}

/// SIGTERM and Ctrl-C end a run with 130 at a place from which the same command goes on.
#[test]
#[cfg(unix)]
fn a_stopped_run_goes_on() {
    let program = Program::new();
    write_tiny(&program);
    let arguments = [
        "run",
        "tiny.toml",
        "--out",
        "a run",
        "--set",
        "classifier.training.epochs=100000",
    ];
    let mut epochs = Vec::new();
    for signal in ["-TERM", "-INT"] {
        let mut child = program
            .command(&arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let mut line = || lines.next().expect("a line of progress").expect("text");
        let epoch = loop {
            if let Some(epoch) = epoch_of(&line()) {
                break epoch;
            }
        };
        epochs.push(epoch);
        let killed = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .expect("kill");
        assert!(killed.success());
        assert_eq!(child.wait().expect("the program ends").code(), Some(130));
        let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
        let end = rest.join("\n");
        assert!(
            end.contains("stopped; the same command goes on from there"),
            "{end}"
        );
        assert!(
            end.contains("run tiny.toml --out 'a run' --set classifier.training.epochs=100000"),
            "{end}"
        );
    }
    assert!(
        epochs[0] == 1 && epochs[1] > 1,
        "the second call began after epoch 1: {epochs:?}"
    );
}

/// `… epoch 7/100: …` of a line about a finished epoch.
#[cfg(unix)]
fn epoch_of(line: &str) -> Option<usize> {
    let (number, _) = line.split_once("epoch ")?.1.split_once('/')?;
    number.parse().ok()
}

/// The classifier of the run shows where it looks.
fn looks(program: &Program) {
    let image = "set/images/phantom-00000.png";
    let text = program
        .ok(&["cam", image, "--model", "runs/tiny", "--out", "look"])
        .stdout;
    assert!(
        text.contains("look.png") && text.contains("pneumothorax"),
        "{text}"
    );
    let (shape, map) = npy::read_f32(&program.path("look.npy")).expect("a map");
    assert_eq!(shape, [48, 48]);
    assert!(map.iter().all(|v| v.is_finite()));
    let end = program.ok(&[
        "cam",
        image,
        "--model",
        "runs/tiny",
        "--out",
        "m",
        "--method",
        "cam,layer-cam",
        "--json",
    ]);
    assert_eq!(end.stdout.lines().count(), 2);
    assert!(program.path("m.cam.png").is_file() && program.path("m.layer-cam.npy").is_file());
    for line in end.stdout.lines() {
        let item: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        assert_eq!(item["layer"], "extra", "the last one");
    }
    let cam = ["cam", image, "--model", "runs/tiny", "--out"];
    let over = image.strip_suffix(".png").expect("a PNG");
    program.fails(2, &[&cam[..], &[over]].concat(), &["would be overwritten"]);
    program.fails(2, &[&cam[..], &["maps/"]].concat(), &["without ending"]);
    assert!(!program.path("maps").exists());
    program.fails(
        2,
        &[
            "cam",
            image,
            "--model",
            "runs/tiny",
            "--out",
            "x",
            "--class",
            "mass",
        ],
        &["mass", "pneumothorax"],
    );
    program.fails(
        2,
        &[
            "cam",
            image,
            "--model",
            "runs/tiny",
            "--out",
            "x",
            "--layer",
            "top",
        ],
        &["top", "layers are"],
    );
    let wrong = "runs/tiny/01-train-classifier/model.safetensors";
    program.fails(
        1,
        &["predict", "--model", wrong, image, "--out", "x"],
        &["classifier", "segmenter"],
    );
}
