//! The folder that relative paths of a run's configuration start from, as `run.json` notes it, so that a run can be
//! opened by its own folder alone.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use weakseg::pipeline::RunRecord;

/// The folder that relative paths of a configuration file start from: its own, or for `config.toml` in a run's folder
/// the one that was noted for the run.
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

/// The folder that a file lies in.
pub fn folder_of(file: &Path) -> PathBuf {
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
    if !run.exists() {
        bail!(
            "{}: no such file or folder; give the --out folder of a run",
            run.display()
        );
    }
    if !run.join("run.json").is_file() {
        bail!(
            "{}: not a run of weakseg (it has no run.json); give the --out folder of a run",
            run.display()
        );
    }
    match RunRecord::read(run)?.base {
        Some(base) => Ok(run.join(base)),
        None => bail!(
            "{}: run.json does not say where the configuration's paths start from, for an earlier version of weakseg did not \
             come to note it; go on with the command that it was begun with",
            run.display()
        ),
    }
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
        let record = |base: Option<&str>| {
            let record = RunRecord {
                format: 1,
                versions: Default::default(),
                device: "cpu".to_owned(),
                seed: 0,
                data: String::new(),
                base: base.map(str::to_owned),
                steps: Vec::new(),
            };
            let text = serde_json::to_vec(&record).expect("plain fields");
            std::fs::write(run.join("run.json"), text).expect("written");
        };
        record(None);
        noted(&run).expect_err("not noted");
        record(Some("../../configs"));
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
