//! Chores of this repository.
//!
//! * `cargo xtask ci`: what must hold before a change lands (`.ci/run`).
//! * `cargo xtask shared [DIR]`: the checks that need real data and recorded peer outputs (default `../shared`): every
//!   ignored test of the workspace, in release.
//! * `cargo xtask fixtures PYTHON`: runs the scripts that record the oracles beside the tests, with a Python that has the
//!   packages named in them.
//! * `cargo xtask interop PYTHON`: takes networks of torchvision, timm and segmentation_models_pytorch through `weakseg
//!   weights` and back, in release, and records what came of it in `crates/weakseg-models/tests/oracle/interop.txt`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

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
        ["fixtures", python] => fixtures(&root, python),
        ["interop", python] => interop(&root, python),
        _ => {
            eprintln!("usage: cargo xtask ci | shared [DIR] | fixtures PYTHON | interop PYTHON");
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
        Command::new("cargo")
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

const INTEROP: &str = "interop.py";

/// Builds the program and hands it to the script that compares it with the libraries.
fn interop(root: &Path, python: &str) -> bool {
    let oracle = root.join("crates/weakseg-models/tests/oracle");
    let mut build = Command::new("cargo");
    run(build.args(["build", "--workspace", "--release"]), root)
        && run(
            Command::new(python)
                .arg(oracle.join(INTEROP))
                .arg(root.join("target/release/weakseg"))
                .arg("--record")
                .arg(oracle.join("interop.txt")),
            root,
        )
}

/// Every `tests/oracle/*.py` of the workspace's crates, in order of name, but the one that [`interop`] runs.
fn fixtures(root: &Path, python: &str) -> bool {
    let mut scripts: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let folder = entry.path().join("tests/oracle");
        for script in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = script.path();
            if path.extension().is_some_and(|e| e == "py") && !path.ends_with(INTEROP) {
                scripts.push(script.path());
            }
        }
    }
    scripts.sort();
    scripts
        .iter()
        .all(|script| run(Command::new(python).arg(script), root))
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
