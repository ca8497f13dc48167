//! Chores of this repository.
//!
//! * `cargo xtask ci`: what must hold before a change lands (`.ci/run`).
//! * `cargo xtask shared [DIR]`: the checks that need real data and recorded peer outputs (default `../shared`): every
//!   ignored test of the workspace, in release.
//! * `cargo xtask gpu [vulkan|wgpu] [NAME…]`: kernels, PyTorch's parity and each network beside itself on the CPU, on a
//!   GPU (default `vulkan`); with names, the tests whose names hold one: `gpu vulkan devices` is the table of networks.
//!   The tests that compute in f64 beside it need a GPU that does.
//! * `cargo xtask swiftshader DRIVER [run|NAME…]`: the table of networks, a run in small, or the tests of these names,
//!   on SwiftShader; see [`swiftshader`].
//! * `cargo xtask fixtures PYTHON [NAME…]`: runs the scripts that record the oracles beside the tests, all or those of
//!   these names, with a Python that has the packages named in them.
//! * `cargo xtask interop PYTHON`: takes networks of torchvision, timm and segmentation_models_pytorch through `weakseg
//!   weights` and back, in release, and records what came of it in `crates/weakseg-models/tests/oracle/interop.txt`.
//! * `cargo xtask made-dicom PYTHON`: pydicom and highdicom read the DICOM files that `weakseg predict` makes; records
//!   what came of it in `crates/weakseg-data/tests/oracle/made_dicom.txt`.
//! * `cargo xtask siim-twin SHARED OUT`: a set of the form of SIIM-ACR whose truth is known; see [`twin`].
//! * `cargo xtask bench peers PYTHON …`: the program beside PyTorch, in alternation; see [`peers`].
//! * `cargo xtask bench augment PYTHON …`: augmentation beside albumentations, in alternation; see [`augment`].
//! * `cargo xtask bench loader …`: how long a device waits for its images; see [`loader`].
//! * `cargo xtask bench methods PYTHON …`: CRF, walk and affinities beside their peers, likewise; see [`methods`].
//! * `cargo xtask paper-tables RUN…`: the figures of runs beside the paper's, in Markdown; see [`paper_tables`].

mod augment;
mod loader;
mod methods;
mod options;
mod paper_tables;
mod peers;
mod sample;
mod spread;
mod swiftshader;
mod twin;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
        .to_owned();
    let done = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["ci"] => run(Command::new("bash").arg(".ci/run"), &root),
        ["shared"] => shared(&root, &root.join("../shared")),
        ["shared", folder] => shared(&root, Path::new(folder)),
        ["gpu"] => gpu(&root, "vulkan", &GPU_TESTS),
        ["gpu", device @ ("vulkan" | "wgpu")] => gpu(&root, device, &GPU_TESTS),
        ["gpu", device @ ("vulkan" | "wgpu"), names @ ..] => gpu(&root, device, names),
        ["swiftshader", driver, "run"] => told(swiftshader::tiny_run(&root, Path::new(driver))),
        ["swiftshader", driver, names @ ..] => {
            told(swiftshader::test(&root, Path::new(driver), names))
        }
        ["fixtures", python, names @ ..] => fixtures(&root, python, names),
        ["siim-twin", shared, out] => told(twin::make(Path::new(shared), Path::new(out))),
        ["interop", python] => interop(&root, python),
        ["made-dicom", python] => made_dicom(&root, python),
        ["paper-tables", folders @ ..] => told(paper_tables::print(folders)),
        ["bench", "peers", arguments @ ..] => told(peers::bench(&root, arguments)),
        ["bench", "augment", arguments @ ..] => told(augment::bench(&root, arguments)),
        ["bench", "loader", arguments @ ..] => told(loader::bench(&root, arguments)),
        ["bench", "methods", arguments @ ..] => told(methods::bench(&root, arguments)),
        _ => {
            eprintln!(
                "usage: cargo xtask ci | shared [DIR] | gpu [vulkan|wgpu] [NAME…] | swiftshader DRIVER [run|NAME…] | siim-twin SHARED OUT | fixtures PYTHON [NAME…] | interop PYTHON | made-dicom PYTHON | paper-tables RUN… | bench peers|augment|methods PYTHON … | bench loader …"
            );
            return ExitCode::from(2);
        }
    };
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Ignored tests find their data through `WEAKSEG_SHARED`.
fn shared(root: &Path, folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else {
        eprintln!(
            "{}: no such folder; give the one that holds data/ and fixtures/",
            folder.display()
        );
        return false;
    };
    run(
        cargo()
            .args([
                "test",
                "--workspace",
                "--release",
                "--",
                "--ignored",
                "--nocapture",
            ])
            .env("WEAKSEG_SHARED", folder),
        root,
    )
}

/// Whether a chore was done; says why if not.
fn told(done: Result<(), String>) -> bool {
    if let Err(why) = &done {
        eprintln!("{why}");
    }
    done.is_ok()
}

/// What `cargo xtask gpu` runs unless it is told: modules of tests that ask for their device.
const GPU_TESTS: [&str; 13] = [
    "soundness",
    "product",
    "depthwise",
    "batch_norm",
    "affinity",
    "blocks",
    "conv",
    "norm",
    "pairs",
    "planes",
    "updates",
    "parity",
    "devices",
];

/// Tests find their device through `WEAKSEG_TEST_DEVICE`. One at a time: they would choose kernels by timing each
/// other's. One that fails keeps no other from running, but a driver that crashes takes the rest of its crate's with
/// it.
fn gpu(root: &Path, device: &str, names: &[&str]) -> bool {
    run(&mut gpu_tests(device, names), root)
}

fn gpu_tests(device: &str, names: &[&str]) -> Command {
    let build = format!(
        "test --release -p weakseg-cli -p weakseg-kernels -p weakseg-models --tests --no-fail-fast \
         --features weakseg-cli/{device},weakseg-models/{device}"
    );
    let how = "-- --test-threads 1 --include-ignored --nocapture";
    let mut test = cargo();
    test.args(build.split(' ')).args(how.split(' ')).args(names);
    test.env("WEAKSEG_TEST_DEVICE", device);
    test
}

/// Builds an example of the workspace in release; where it lies then.
fn example(root: &Path, name: &str) -> Result<PathBuf, String> {
    let mut build = cargo();
    build.args(["build", "--release", "--workspace", "--example", name]);
    if run(&mut build, root) {
        Ok(target(root).join("release/examples").join(name))
    } else {
        Err(format!("the example {name} could not be built"))
    }
}

/// Where cargo builds.
fn target(root: &Path) -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR");
    root.join(given.unwrap_or_else(|| "target".into()))
}

/// Cargo without what the cargo that runs this program has told it: some build scripts look at that, and would build
/// anew what `cargo build` had built.
fn cargo() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let told = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if told {
            command.env_remove(name);
        }
    }
    command
}

const INTEROP: &str = "interop.py";

/// Builds the program and hands it to the script that compares it with the libraries.
fn interop(root: &Path, python: &str) -> bool {
    let oracle = root.join("crates/weakseg-models/tests/oracle");
    let mut build = cargo();
    run(build.args(["build", "--workspace", "--release"]), root)
        && run(
            Command::new(python)
                .arg(oracle.join(INTEROP))
                .arg(target(root).join("release/weakseg"))
                .arg("--record")
                .arg(oracle.join("interop.txt")),
            root,
        )
}

const MADE_DICOM: &str = "made_dicom.py";

/// Builds the example that makes the files and hands it to the script that has others read them.
fn made_dicom(root: &Path, python: &str) -> bool {
    let oracle = root.join("crates/weakseg-data/tests/oracle");
    told(example(root, "made_dicom").and_then(|example| {
        let mut script = Command::new(python);
        script.arg(oracle.join(MADE_DICOM)).arg(example);
        script.arg("--record").arg(oracle.join("made_dicom.txt"));
        match run(&mut script, root) {
            true => Ok(()),
            false => Err("the files are not read as they were made, see above".to_owned()),
        }
    }))
}

/// Every `tests/oracle/*.py` of the workspace's crates, in order of name, but those that [`interop`] and [`made_dicom`]
/// run. Each runs in its own folder; what it prints is its oracle, `NAME.json` beside it, and what it writes itself
/// stays where it is.
fn fixtures(root: &Path, python: &str, names: &[&str]) -> bool {
    let mut scripts: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let folder = entry.path().join("tests/oracle");
        for script in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = script.path();
            let own_chore = [INTEROP, MADE_DICOM]
                .iter()
                .any(|name| path.ends_with(name));
            if path.extension().is_some_and(|e| e == "py") && !own_chore {
                scripts.push(path);
            }
        }
    }
    let name = |script: &PathBuf| {
        script
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    if let Some(unknown) = names
        .iter()
        .find(|asked| !scripts.iter().any(|s| name(s).as_deref() == Some(asked)))
    {
        let known: Vec<String> = scripts.iter().filter_map(name).collect();
        eprintln!("no script `{unknown}`; there are {}", known.join(", "));
        return false;
    }
    scripts.retain(|script| {
        names.is_empty() || name(script).is_some_and(|name| names.contains(&name.as_str()))
    });
    scripts.sort();
    scripts.iter().all(|script| record(python, script))
}

fn record(python: &str, script: &Path) -> bool {
    eprintln!("{}", script.display());
    let folder = script.parent().expect("a script lies in a folder");
    let mut command = Command::new(python);
    command.arg(script).current_dir(folder);
    match command.stderr(Stdio::inherit()).output() {
        Err(error) => {
            eprintln!("{command:?}: {error}");
            false
        }
        Ok(output) if !output.status.success() => false,
        Ok(output) if output.stdout.is_empty() => true,
        Ok(output) => {
            let oracle = script.with_extension("json");
            let written = std::fs::write(&oracle, output.stdout);
            if let Err(error) = &written {
                eprintln!("{}: {error}", oracle.display());
            }
            written.is_ok()
        }
    }
}

fn run(command: &mut Command, folder: &Path) -> bool {
    match command.current_dir(folder).status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("{command:?}: {error}");
            false
        }
    }
}
