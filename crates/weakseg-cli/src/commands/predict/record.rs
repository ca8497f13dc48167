//! OUT/predicted.jsonl: which image each mask of a folder is of, and what it was when it was written.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use weakseg::digest::digest_file;

use crate::exit::usage;

const FILE: &str = "predicted.jsonl";

/// One line: masks of one image. Of several lines of an id, of one image, all count, and of each mask the last.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    id: String,
    /// Where the image lay; as all paths here as text, a name that is none as well as can be.
    image: String,
    /// SHA-256 of the image's file.
    sha256: String,
    /// SHA-256 of each mask, by its path below OUT.
    masks: BTreeMap<String, String>,
}

/// What a folder tells of its masks.
pub struct Record {
    folder: PathBuf,
    lines: BTreeMap<String, Line>,
}

impl Record {
    /// Reads what an earlier call noted; nothing where there was none. A last line that was cut off by a kill is passed
    /// over: its mask was not noted, and counts as somebody's own.
    ///
    /// # Errors
    /// For a file that cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let mut lines = BTreeMap::new();
        if path.exists() {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{}: cannot read", path.display()))?;
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            for (number, line) in text[..whole].lines().enumerate() {
                let line: Line = serde_json::from_str(line).with_context(|| {
                    format!(
                        "{}: line {} tells of no mask; put the file back, or give another --out",
                        path.display(),
                        number + 1
                    )
                })?;
                take(&mut lines, line);
            }
            if whole < text.len() {
                std::fs::write(&path, &text[..whole])
                    .with_context(|| format!("{}: cannot write", path.display()))?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            lines,
        })
    }

    /// Refuses to write of the image `id`, which lies at `image`, where something of another image of that name is, or
    /// where one of `masks` is no longer what was written: it may have been corrected by hand.
    ///
    /// # Errors
    /// [`crate::exit::Usage`]; another error for a file that cannot be read.
    pub fn check(&self, id: &str, image: &Path, masks: &[PathBuf]) -> Result<()> {
        let line = self.lines.get(id);
        if let Some(line) = line
            && line.image != absolute(image)
            && line.sha256 != digest_file(image)?.1
        {
            return usage(format!(
                "what {} has of `{id}` is of {}, and {} is another image of that name; give another folder (--out)",
                self.folder.display(),
                line.image,
                image.display()
            ));
        }
        for mask in masks.iter().filter(|mask| mask.exists()) {
            let below = self.below(mask);
            let Some(written) = line.and_then(|line| line.masks.get(&below)) else {
                return usage(format!(
                    "{} is there already, and {FILE} beside it does not say that `weakseg predict` wrote it; give another folder (--out), or \
                     move it away",
                    mask.display()
                ));
            };
            if digest_file(mask)?.1 != *written {
                return usage(format!(
                    "{} is no longer what `weakseg predict` wrote, and would be lost; give another folder (--out), or move it away",
                    mask.display()
                ));
            }
        }
        Ok(())
    }

    fn below(&self, mask: &Path) -> String {
        let below = mask.strip_prefix(&self.folder).unwrap_or(mask);
        below.to_string_lossy().into_owned()
    }

    /// Notes that something was written of an image, and masks that may be corrected.
    ///
    /// # Errors
    /// For a file that cannot be read or written.
    pub fn add(&mut self, id: &str, image: &Path, masks: &[PathBuf]) -> Result<()> {
        let digest = |mask: &PathBuf| Ok((self.below(mask), digest_file(mask)?.1));
        let line = Line {
            id: id.to_owned(),
            image: absolute(image),
            sha256: digest_file(image)?.1,
            masks: masks.iter().map(digest).collect::<Result<_>>()?,
        };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        let path = self.folder.join(FILE);
        let mut file = std::fs::OpenOptions::new();
        file.create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("{}: cannot write", path.display()))?;
        take(&mut self.lines, line);
        Ok(())
    }
}

/// Adds a line to those before it.
fn take(lines: &mut BTreeMap<String, Line>, mut line: Line) {
    if let Some(before) = lines.remove(&line.id)
        && before.sha256 == line.sha256
    {
        let masks = std::mem::replace(&mut line.masks, before.masks);
        line.masks.extend(masks);
    }
    lines.insert(line.id.clone(), line);
}

fn absolute(path: &Path) -> String {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_of_an_image_is_written_over() {
        let root = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(&path, text).expect("written");
            path
        };
        let (a, b) = (file("a/x.png", "an image"), file("b/x.png", "another"));
        let out = root.path().join("out");
        let mask = file("out/x.png", "a mask");
        let masks = [mask.clone()];
        let check = |image: &Path| {
            let record = Record::read(&out).expect("a record");
            record.check("x", image, &masks).map_err(|e| e.to_string())
        };
        assert!(check(&a).expect_err("drawn").contains("is there already"));
        let mut record = Record::read(&out).expect("none");
        record.add("x", &a, &masks).expect("noted");
        assert_eq!(check(&a), Ok(()));
        assert!(check(&b).expect_err("another").contains("is another image"));
        // Another call wrote another of its files.
        let seg = file("out/seg/x.dcm", "a mask too");
        record
            .add("x", &a, std::slice::from_ref(&seg))
            .expect("noted");
        let both = [mask.clone(), seg];
        let read = Record::read(&out).expect("a record");
        read.check("x", &a, &both).expect("both are known");
        // Nothing of its own is left, and yet it is another image.
        assert!(read.check("x", &b, &[]).is_err());
        // The same image elsewhere, and its file with another content in its place.
        assert_eq!(check(&file("c/x.png", "an image")), Ok(()));
        file("a/x.png", "scanned again");
        assert_eq!(check(&a), Ok(()));
        file("out/x.png", "corrected");
        assert!(check(&a).expect_err("corrected").contains("no longer"));
        // A kill in the middle of a line; of each mask the last line counts.
        file("out/x.png", "a mask");
        record.add("x", &a, &masks).expect("noted");
        let path = out.join(FILE);
        let text = std::fs::read_to_string(&path).expect("lines");
        std::fs::write(&path, format!("{text}{{\"id\": \"y")).expect("written");
        assert_eq!(check(&a), Ok(()));
        assert_eq!(std::fs::read_to_string(&path).expect("lines"), text);
        std::fs::write(&path, "nonsense\n").expect("written");
        assert!(Record::read(&out).is_err());
    }
}
