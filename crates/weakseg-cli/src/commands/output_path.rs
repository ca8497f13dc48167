//! Where a command writes: never over what it reads, and under the ending of what is written.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::exit::usage;

/// Refuses files to write that are files to read, or one another, whatever way their paths go.
///
/// # Errors
/// [`crate::exit::Usage`].
pub fn check_distinct(inputs: &[&Path], outputs: &[&Path]) -> Result<()> {
    let mut taken: Vec<PathBuf> = inputs.iter().filter_map(|path| place(path)).collect();
    for output in outputs {
        // A place that cannot be told has no folder yet, and so holds nothing that is read.
        let Some(place) = place(output) else { continue };
        if taken.contains(&place) {
            return usage(format!(
                "{}: is read or written by this command already, and would be overwritten; name another file to write",
                output.display()
            ));
        }
        taken.push(place);
    }
    Ok(())
}

/// Refuses a file to write that is there already, where it may be a user's own table.
///
/// # Errors
/// [`crate::exit::Usage`].
pub fn check_new(output: &Path) -> Result<()> {
    match output.exists() {
        false => Ok(()),
        true => usage(format!(
            "--out {} is there already, and a set may be read by it; remove it first or name another file",
            output.display()
        )),
    }
}

/// Refuses a file to write whose ending says that it is of another kind.
///
/// # Errors
/// [`crate::exit::Usage`].
pub fn check_ending(output: &Path, ending: &str) -> Result<()> {
    match output.extension() {
        Some(other) if !other.eq_ignore_ascii_case(ending) => usage(format!(
            "{}: a .{ending} file is written here, whatever its ending; name it .{ending}",
            output.display()
        )),
        _ => Ok(()),
    }
}

/// Where a path leads, links followed; of a file that is not there, where it would be.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(place) = path.canonicalize() {
        return Some(place);
    }
    let folder = path.parent()?;
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_whatever_path() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir(at("sub")).expect("a folder");
        std::fs::write(at("a.png"), b"").expect("a file");
        let (a, around, b) = (at("a.png"), at("sub/../a.png"), at("b.png"));
        check_distinct(&[&a], &[&b]).expect("another file");
        check_distinct(&[&a], &[&at("none/a.png")]).expect("another file");
        let error = check_distinct(&[&a], &[&b, &around]).expect_err("the same file");
        assert!(error.is::<crate::exit::Usage>(), "{error}");
        check_distinct(&[&a], &[&b, &at("sub/../b.png")]).expect_err("one file for two");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&a, at("link.png")).expect("a link");
            check_distinct(&[&a], &[&at("link.png")]).expect_err("the same file");
        }
    }

    #[test]
    fn an_ending_promises_nothing_else() {
        for name in ["a.png", "a.PNG", "a"] {
            check_ending(Path::new(name), "png").expect(name);
        }
        for name in ["a.jpg", "a.png.npy"] {
            check_ending(Path::new(name), "png").expect_err(name);
        }
    }
}
