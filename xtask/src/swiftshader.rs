//! `cargo xtask swiftshader DRIVER`: tests on SwiftShader, Vulkan in software, where there is no GPU; `cargo xtask
//! swiftshader DRIVER run`: all steps of `configs/tiny.toml` there.
//!
//! DRIVER is its library (`libvk_swiftshader.so`, as it comes with Chromium). In front of it stands a driver of ours,
//! `xtask/driver/shared_memory.c`, which corrects a fault in CubeCL's shaders that only drivers like this one meet; the
//! file says which. It takes a C compiler (`cc`) and Vulkan's loader, and stays for other programs: they use it with
//! the `VK_DRIVER_FILES` that is printed.

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "xtask/driver/shared_memory.c";

/// Runs the tests whose names hold one of `names`, or those of networks, on `library`.
///
/// # Errors
/// What is missing, or that a test failed.
pub fn test(root: &Path, library: &Path, names: &[&str]) -> Result<(), String> {
    let manifest = build(root, library)?;
    let mut tests = match names {
        // But for the network that is not in small, which had not ended here after eight minutes.
        [] => crate::gpu_tests("vulkan", &["devices", "--skip", "irnet_demo"]),
        names => crate::gpu_tests("vulkan", names),
    };
    match crate::run(on_driver(&mut tests, &manifest), root) {
        true => Ok(()),
        false => Err("a test failed, see above".to_owned()),
    }
}

/// Takes the program through a run in small on `library`, from the beginning.
///
/// # Errors
/// What is missing, or that the run did not end well.
pub fn tiny_run(root: &Path, library: &Path) -> Result<(), String> {
    let manifest = build(root, library)?;
    let run = manifest.with_file_name("run");
    if run.exists() {
        std::fs::remove_dir_all(&run).map_err(|error| format!("{}: {error}", run.display()))?;
    }
    let mut program = crate::cargo();
    program
        .args([
            "run",
            "--release",
            "-p",
            "weakseg-cli",
            "--features",
            "vulkan",
            "--",
        ])
        .args(["--device", "vulkan", "run", "configs/tiny.toml", "--out"])
        .arg(&run);
    match crate::run(on_driver(&mut program, &manifest), root) {
        true => Ok(()),
        false => Err("the run did not end well, see above".to_owned()),
    }
}

/// The driver of `manifest` for a command. Every kernel that is tried is compiled for seconds here: few are, and what
/// was chosen is kept apart from a GPU's.
fn on_driver<'a>(command: &'a mut Command, manifest: &Path) -> &'a mut Command {
    eprintln!("VK_DRIVER_FILES={}", manifest.display());
    command
        .env("VK_DRIVER_FILES", manifest)
        .env("CUBECL_ENVIRONMENT", "swiftshader")
        .env("CUBECL_AUTOTUNE_LEVEL", "minimal")
}

/// Builds the driver in front of `library` and returns its manifest.
fn build(root: &Path, library: &Path) -> Result<PathBuf, String> {
    let library = library
        .canonicalize()
        .map_err(|error| format!("{}: {error}; give libvk_swiftshader.so", library.display()))?;
    let folder = crate::target(root).join("swiftshader");
    let write = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(write)?;
    let built = folder.join("libvk_corrected.so");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O1", "-Wall", "-shared", "-fPIC", "-o"])
        .args([&built, &root.join(SOURCE)])
        .arg(format!("-DDRIVER=\"{}\"", library.display()))
        .arg("-ldl");
    if !crate::run(&mut compiler, root) {
        return Err(format!("{SOURCE} could not be compiled, see above"));
    }
    let manifest = folder.join("icd.json");
    let text = serde_json::json!({
        "file_format_version": "1.0.0",
        "ICD": { "library_path": built.display().to_string(), "api_version": "1.3.0" },
    });
    std::fs::write(&manifest, text.to_string()).map_err(write)?;
    Ok(manifest)
}
