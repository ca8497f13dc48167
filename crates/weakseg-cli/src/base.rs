//! The folder that relative paths of a run's configuration start from, as `run.json` notes it, so that a run can be opened by its
//! own folder alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

const KEY: &str = "base";

/// The folder that relative paths of a configuration file start from: its own, or for `config.toml` in a run's folder the one that
/// was noted for the run.
///
/// # Errors
/// When the run's record cannot be read.
pub fn of(config: &Path) -> Result<PathBuf> {
    if let Some(run) = run_of(config) {
        return noted(&run);
    }
    Ok(folder_of(config))
}

/// The run whose resolved configuration a file is.
pub fn run_of(config: &Path) -> Option<PathBuf> {
    let run = folder_of(config);
    let resolved = config.file_name().is_some_and(|name| name == "config.toml");
    (resolved && run.join("run.json").is_file()).then_some(run)
}

fn folder_of(file: &Path) -> PathBuf {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// The base that was noted for a run.
///
/// # Errors
/// When the folder is no run.
pub fn noted(run: &Path) -> Result<PathBuf> {
    let path = run.join("run.json");
    if !path.is_file() {
        bail!(
            "{}: not a run of weakseg (it has no run.json); give the --out folder of a run",
            run.display()
        );
    }
    match read(&path)?[KEY].as_str() {
        Some(base) => Ok(run.join(base)),
        None => bail!(
            "{}: does not say where the configuration's paths start from, for an earlier version of weakseg did not come to \
             note it; go on with the command that it was begun with",
            path.display()
        ),
    }
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("{}: cannot read", path.display()))?;
    let record: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{}: damaged or from another version", path.display()))?;
    if !record.is_object() {
        bail!(
            "{}: damaged or from another version (no record)",
            path.display()
        );
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_base_is_found_from_the_runs_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run, base) = (folder.path().join("runs/x"), folder.path().join("configs"));
        std::fs::create_dir_all(&run).expect("a folder");
        std::fs::create_dir_all(&base).expect("a folder");
        let record = |text: &str| std::fs::write(run.join("run.json"), text).expect("written");
        record("{}");
        noted(&run).expect_err("not noted");
        record(r#"{"base": "../../configs"}"#);
        let found = std::fs::canonicalize(noted(&run).expect("noted")).expect("there");
        assert_eq!(found, std::fs::canonicalize(&base).expect("there"));
        let resolved = run.join("config.toml");
        assert_eq!(of(&resolved).expect("noted"), noted(&run).expect("noted"));
        assert_eq!(of(&run.join("mine.toml")).expect("its own"), run);
        assert_eq!(
            of(Path::new("config.toml")).expect("its own"),
            Path::new(".")
        );
    }
}
