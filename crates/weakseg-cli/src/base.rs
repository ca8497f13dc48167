//! The folder that relative paths of a run's configuration start from, noted in `run.json` so that a run can be opened by
//! its own folder alone. Noted from the run's folder, so that both may be moved together.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use weakseg_data::atomic;

const KEY: &str = "base";

/// Notes `base` in the record of `run`, if there is one.
///
/// # Errors
/// When the record cannot be read or written.
pub fn note(run: &Path, base: &Path) -> Result<()> {
    let path = run.join("run.json");
    if !path.is_file() {
        return Ok(());
    }
    let mut record = read(&path)?;
    let from = std::fs::canonicalize(run).with_context(|| run.display().to_string())?;
    let to = std::fs::canonicalize(base).with_context(|| base.display().to_string())?;
    record[KEY] = relative(&from, &to).to_string_lossy().into();
    let text = serde_json::to_vec_pretty(&record)?;
    Ok(atomic::write(&path, &text)?)
}

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
            "{}: does not say where the configuration's paths start from, for the run was killed before it had ended or stopped \
             once; go on with the command that it was begun with",
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

/// The way from one folder to another, both absolute; the other itself where there is none (another drive).
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if common == 0 {
        return to.iter().collect();
    }
    let up = from[common..].iter().map(|_| Component::ParentDir);
    up.chain(to[common..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_up_and_down() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(way("/a/runs/x", "/a/configs"), Path::new("../../configs"));
        assert_eq!(way("/a", "/a/b"), Path::new("b"));
        assert_eq!(way("/a", "/a"), Path::new(""));
    }

    #[test]
    fn a_noted_base_is_found_again_beside_the_rest_of_the_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let (run, base) = (folder.path().join("runs/x"), folder.path().join("configs"));
        std::fs::create_dir_all(&run).expect("a folder");
        std::fs::create_dir_all(&base).expect("a folder");
        note(&run, &base).expect("nothing to do without a record");
        std::fs::write(run.join("run.json"), r#"{"seed": 18446744073709551615}"#)
            .expect("a record");
        noted(&run).expect_err("killed before it was noted");
        note(&run, &base).expect("noted");
        let found = std::fs::canonicalize(noted(&run).expect("noted")).expect("there");
        assert_eq!(found, std::fs::canonicalize(&base).expect("there"));
        let resolved = run.join("config.toml");
        assert_eq!(of(&resolved).expect("noted"), noted(&run).expect("noted"));
        assert_eq!(of(&run.join("mine.toml")).expect("its own"), run);
        assert_eq!(
            of(Path::new("config.toml")).expect("its own"),
            Path::new(".")
        );
        assert_eq!(
            read(&run.join("run.json")).expect("a record")["seed"],
            u64::MAX
        );
    }
}
