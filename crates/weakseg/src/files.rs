//! Reading and naming files; whole writing is [`weakseg_data::atomic`]'s.

use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use weakseg_data::DataError;

/// For `map_err`: the file and what was tried with it, a verb.
pub(crate) fn io<'a>(
    path: &'a Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> DataError + 'a {
    move |source| DataError::Io {
        path: path.to_owned(),
        action,
        source,
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).map_err(io(path, "read"))
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), DataError> {
    std::fs::create_dir_all(path).map_err(io(path, "make the folder"))
}

/// When a file was last written and, on Unix, last changed in any way, which no program can set: a file that is put in
/// the place of another, with its length and its time of writing, is told from it.
pub(crate) fn times(found: &Metadata) -> [i64; 2] {
    let written = found
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let written = written.map_or(0, |since| since.as_nanos() as i64);
    #[cfg(unix)]
    let changed = {
        use std::os::unix::fs::MetadataExt;
        found.ctime() * 1_000_000_000 + found.ctime_nsec()
    };
    #[cfg(not(unix))]
    let changed = 0;
    [written, changed]
}

/// The way from a folder to a file or folder; its absolute path where there is none (another drive).
///
/// # Errors
/// When one of them is not there.
pub fn relative(from: &Path, to: &Path) -> Result<PathBuf, DataError> {
    let absolute = |path: &Path| std::fs::canonicalize(path).map_err(io(path, "open"));
    Ok(way(&absolute(from)?, &absolute(to)?))
}

fn way(from: &Path, to: &Path) -> PathBuf {
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
        let way = |from: &str, to: &str| way(Path::new(from), Path::new(to));
        assert_eq!(way("/a/runs/x", "/a/configs"), Path::new("../../configs"));
        assert_eq!(way("/a", "/a/b"), Path::new("b"));
        assert_eq!(way("/a", "/a"), Path::new(""));
    }
}
