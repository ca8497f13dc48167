//! Where a command writes: never over what it reads, and under the ending of what is written.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::exit::usage;

/// Refuses files to write that are files to read, or one another, whatever way their paths go.
///
/// # Errors
/// [`crate::exit::Usage`].
pub fn check_distinct(inputs: &[&Path], outputs: &[&Path]) -> Result<()> {
    let mut taken: Vec<PathBuf> = inputs.iter().map(|path| place(path)).collect();
    for output in outputs {
        let place = place(output);
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

/// Refuses a folder to write that is a folder to read or lies in one, for what is written would be read the next time,
/// and one that belongs to a run.
///
/// # Errors
/// [`crate::exit::Usage`].
pub fn check_folder(inputs: &[PathBuf], output: &Path) -> Result<()> {
    let place = self::place(output);
    for input in inputs.iter().filter(|input| input.is_dir()) {
        if place.starts_with(self::place(input)) {
            return usage(format!(
                "--out {} lies in the input {}, whose images would be overwritten or joined by what is written; give a folder \
                 elsewhere",
                output.display(),
                input.display()
            ));
        }
    }
    let of_step = |folder: &Path| folder.join("started.json").is_file();
    if place.join("run.json").is_file() || place.ancestors().any(of_step) {
        return usage(format!(
            "--out {} belongs to a run, whose files would be overwritten; give another folder",
            output.display()
        ));
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
            "--out {} is there already, and may be needed as it is; remove it first or name another file",
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

/// Where a path leads, links followed; of what is not there, where it would be.
fn place(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for folder in whole.ancestors() {
        if let (Ok(real), Ok(rest)) = (folder.canonicalize(), whole.strip_prefix(folder)) {
            // Of the whole there is no rest, and joined it would end in a separator.
            return if folder == whole {
                real
            } else {
                real.join(rest)
            };
        }
    }
    whole
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
    fn a_folder_is_neither_among_inputs_nor_of_a_run() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        for file in [
            "images/a.png",
            "run/run.json",
            "run/09-evaluate/started.json",
        ] {
            std::fs::create_dir_all(at(file).parent().expect("a folder")).expect("made");
            std::fs::write(at(file), b"").expect("a file");
        }
        let inputs = [at("images"), at("images/a.png")];
        for fine in ["masks", "images-2/masks", "run/predictions"] {
            check_folder(&inputs, &at(fine)).expect(fine);
        }
        for name in ["images", "images/new/masks", "run/../images"] {
            let error = check_folder(&inputs, &at(name)).expect_err(name);
            assert!(error.to_string().contains("lies in the input"), "{error}");
        }
        for name in ["run", "run/09-evaluate", "run/09-evaluate/new/masks"] {
            let error = check_folder(&inputs, &at(name)).expect_err(name);
            assert!(error.to_string().contains("belongs to a run"), "{error}");
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
