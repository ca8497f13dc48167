//! [`DataError`]: what went wrong with a file or a set, where, what was expected, and what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Everything that reading, checking or writing data can end with instead of a result.
///
/// Every message names the file (or the value), what was expected and what was found, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb ("read", "write", "list").
        action: &'static str,
        /// The system's own reason.
        source: io::Error,
    },
    /// A file is not what it claims to be, is cut off, or uses a form that is not supported.
    #[error("{}: {problem}; {remedy}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A DICOM file that holds something else than an image: a report, a document, an index of others.
    #[error("{}: no image: the file has no pixel data (SOP class {class}); leave the file out", path.display())]
    NoImage {
        /// The file.
        path: PathBuf,
        /// What it is, as a UID.
        class: String,
    },
    /// A file of several frames, of which none was named.
    #[error(
        "{}: a multi-frame image ({frames} frames), expected a single frame; name one with `--frame N`, or in a set with \
         `data.frame`, counted from 1",
        path.display()
    )]
    MultiFrame {
        /// The file.
        path: PathBuf,
        /// How many there are, by its header.
        frames: u32,
    },
    /// A frame that a file has not.
    #[error("{}: frame {frame} was asked for, but the number of frames is {frames}; they are counted from 1", path.display())]
    FrameRange {
        /// The file.
        path: PathBuf,
        /// How many there are.
        frames: u32,
        /// The one that was asked for.
        frame: u32,
    },
    /// A file asks for more memory than the limits allow; refused before any is allocated.
    #[error(
        "{}: {found} {unit}, but the limit is {limit}; if the file is genuine, {remedy}",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What was counted ("pixels", "bytes").
        unit: &'static str,
        /// What to do about it.
        remedy: &'static str,
        /// What the file declares.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// An array of another size than its place needs.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// What has the wrong size.
        what: String,
        /// The size it should have.
        expected: String,
        /// The size it has.
        found: String,
    },
    /// A mask of another size than its image.
    #[error(
        "{}: the mask is {found_height}x{found_width} (height x width), its image is {height}x{width}; \
         save the mask on the image's own grid, or let it be resized (`data.resize_masks = \"nearest\"`)",
        path.display()
    )]
    MaskSize {
        /// The mask.
        path: PathBuf,
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
        /// Rows of the mask.
        found_height: usize,
        /// Columns of the mask.
        found_width: usize,
    },
    /// A mask with values that stand for nothing.
    #[error("{}: mask values {} found, allowed are {allowed}", path.display(), List(values))]
    MaskValues {
        /// The mask.
        path: PathBuf,
        /// Every value found that is not allowed.
        values: Vec<u8>,
        /// The allowed values, in words.
        allowed: String,
    },
    /// An object that is not of one class.
    #[error(
        "{}: object {object} lies over {found} in the class map; more than half of its pixels must be of one class, \
         correct one of the two maps",
        path.display()
    )]
    ObjectClass {
        /// The object map.
        path: PathBuf,
        /// The object's number in it.
        object: u8,
        /// What the class map has on its pixels, in words.
        found: String,
    },
    /// A table without a column it needs.
    #[error(
        "{}: expected the columns {}, found {}; {}",
        path.display(), Names(expected), Names(found), header_remedy(found)
    )]
    Columns {
        /// The table.
        path: PathBuf,
        /// The columns it needs.
        expected: Vec<String>,
        /// The columns it has.
        found: Vec<String>,
    },
    /// A row of a table that cannot be understood.
    #[error("{}, line {line}: {problem}; {remedy}", path.display())]
    Row {
        /// The table or list.
        path: PathBuf,
        /// Line number, counted from 1, the header included.
        line: u64,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// One case named twice.
    #[error(
        "{}, lines {first} and {second}: {}; an id is the image's file name without its ending and must be unique",
        path.display(), Twice(other, id)
    )]
    DuplicateId {
        /// The table or list.
        path: PathBuf,
        /// The id, as its second row has it.
        id: String,
        /// The id, as its first row has it: the same but for capitals.
        other: String,
        /// Line of its first row.
        first: u64,
        /// Line of its second row.
        second: u64,
    },
    /// An id that cannot be used as a file name for outputs.
    #[error("{}: the id `{}` cannot name a file ({reason}); rename the image", path.display(), id.escape_debug())]
    UnsafeId {
        /// Where the id was read.
        path: PathBuf,
        /// The id.
        id: String,
        /// Why it is refused.
        reason: &'static str,
    },
    /// A set nobody can learn from: empty, of one class only, or with an empty split.
    #[error("{}: {problem}; {remedy}", path.display())]
    Set {
        /// The set's root or table.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A setting that makes no sense.
    #[error("data.{key} = {found}: expected {expected}")]
    Config {
        /// The key, below `data`.
        key: &'static str,
        /// The value given.
        found: String,
        /// The values allowed.
        expected: String,
    },
    /// A setting of a training that makes no sense.
    #[error("{key} is {found}; expected {expected}")]
    Setting {
        /// The key, below the training's.
        key: String,
        /// The value given.
        found: String,
        /// The values allowed.
        expected: String,
    },
    /// Several faults of one set; the first is shown, `weakseg data verify` lists them all.
    #[error("{first} (and {others} more; `weakseg data verify` lists them all)")]
    Several {
        /// The first fault.
        first: Box<DataError>,
        /// How many more there are.
        others: usize,
    },
}

impl DataError {
    /// An [`DataError::Io`] to hand to `map_err`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }

    /// An [`DataError::Unreadable`].
    pub(crate) fn unreadable(
        path: &Path,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// What is wrong with what the file at `path` holds, and what to do about it, without its name; `None` where the
    /// system did not give the file, which may be whole.
    #[must_use]
    pub fn of_content(&self, path: &Path) -> Option<String> {
        if let Self::Io { .. } = self {
            return None;
        }
        let text = self.to_string();
        let name = format!("{}: ", path.display());
        Some(text.strip_prefix(&name).unwrap_or(&text).to_owned())
    }

    /// All faults as one error, or `Ok` if there are none.
    pub(crate) fn gather(faults: Vec<Self>) -> Result<(), Self> {
        let others = faults.len().saturating_sub(1);
        match faults.into_iter().next() {
            None => Ok(()),
            Some(first) if others == 0 => Err(first),
            Some(first) => Err(Self::Several {
                first: Box::new(first),
                others,
            }),
        }
    }
}

/// Numbers as `1, 2, 3 …`, at most twelve.
struct List<'a>(&'a [u8]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().take(12).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{value}")?;
        }
        if self.0.len() > 12 {
            write!(f, " and {} more", self.0.len() - 12)?;
        }
        Ok(())
    }
}

/// One id twice, or two ids whose files would be one on systems that do not look at capitals.
struct Twice<'a>(&'a str, &'a str);

impl fmt::Display for Twice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, second) = self;
        match first == second {
            true => write!(f, "the id `{second}` occurs twice"),
            false => write!(
                f,
                "the ids `{first}` and `{second}` differ in capitals alone, and on some systems their files are one"
            ),
        }
    }
}

fn header_remedy(found: &[String]) -> &'static str {
    match found {
        [one] if one.contains([';', '\t']) => "save the table with commas between its cells",
        _ => "check the header line and that the delimiter is a comma",
    }
}

/// Names as `` `a`, `b` ``.
struct Names<'a>(&'a [String]);

/// More are no help to anybody: the file is another one.
const MOST_NAMES: usize = 40;

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, name) in self.0.iter().take(MOST_NAMES).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        match self.0.len().saturating_sub(MOST_NAMES) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_system_does_not_give_may_be_whole() {
        let path = Path::new("set/a.png");
        let error = DataError::unreadable(path, "cut off", "export it again");
        assert_eq!(error.of_content(path).unwrap(), "cut off; export it again");
        let error = DataError::io(path, "read")(io::ErrorKind::PermissionDenied.into());
        assert_eq!(error.of_content(path), None);
    }
}
