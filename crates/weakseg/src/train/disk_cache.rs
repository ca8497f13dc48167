//! [`DiskCache`]: decoded images in a folder, from run to run.

use std::path::{Path, PathBuf};

use weakseg_data::{DataError, Limits, Stack, View, read_image, write_gray_png, write_rgb_png};

use crate::digest::digest;
use crate::files::times;

/// Decoded images at a network's size as PNGs, which lose nothing and can be looked at.
///
/// A file's name is the digest of what the image depends on: the program's version, the path, length and times of its
/// source, the tone, the frame and the size. So a source that changes has another name, and nothing is ever out of
/// date; what is no longer asked for stays until somebody removes the folder.
pub(super) struct DiskCache {
    folder: PathBuf,
}

/// Another version of the program may decode or resize otherwise: its files are left aside.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// To be raised with every change of decoding, tone or resizing between two versions. 1: PNGs of 16 bits by
/// percentiles.
const REVISION: u32 = 1;

impl DiskCache {
    /// In a folder, which need not be there.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The image of `source`, read with `view`, at `size` × `size` pixels: the one in the folder, or the one that
    /// `decode` makes, which is then put there.
    ///
    /// # Errors
    /// When there is none and the source cannot be decoded, or the folder not be written.
    pub(super) fn get(
        &self,
        source: &Path,
        view: View,
        size: usize,
        decode: impl FnOnce() -> Result<Stack<u8>, DataError>,
    ) -> Result<Stack<u8>, DataError> {
        // A source that cannot be looked at is for the decoder to complain about.
        let Some(file) = self.file(source, view, size) else {
            return decode();
        };
        // A file that cannot be read, or is not what it should be, is made anew.
        if let Ok(image) = read_image(&file, &Limits::default())
            && (image.height(), image.width()) == (size, size)
        {
            return Ok(image);
        }
        let image = decode()?;
        match image.channels() {
            1 => write_gray_png(&file, &image.to_plane(0))?,
            _ => write_rgb_png(&file, &image)?,
        }
        Ok(image)
    }

    fn file(&self, source: &Path, view: View, size: usize) -> Option<PathBuf> {
        let path = source.canonicalize().ok()?;
        let about = path.metadata().ok()?;
        let [written, changed] = times(&about);
        let View { tone, frame } = view;
        let mut text = format!(
            "{VERSION}\n{REVISION}\n{}\n{}\n{written}\n{changed}\n{tone:?}\n{size}",
            path.display(),
            about.len()
        );
        if let Some(frame) = frame {
            text += &format!("\nframe {frame}");
        }
        let name = digest(text.as_bytes());
        // Two letters a folder: some file systems are slow with tens of thousands in one.
        Some(
            self.folder
                .join(&name[..2])
                .join(format!("{}.png", &name[2..])),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::num::NonZeroU32;
    use weakseg_data::{Plane, Tone};

    #[test]
    fn an_image_is_decoded_once_until_its_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("source");
        std::fs::write(&source, b"one").expect("written");
        let cache = DiskCache::new(&folder.path().join("cache"));
        let decoded = Cell::new(0);
        let image = |value: u8, channels: usize| {
            let plane = Plane::from_fn(8, 8, |y, x| (y * 8 + x) as u8 ^ value);
            Stack::from_planes(&vec![plane; channels]).expect("planes of one size")
        };
        let get = |value: u8, channels: usize| {
            let decode = || {
                decoded.set(decoded.get() + 1);
                Ok(image(value, channels))
            };
            cache
                .get(&source, View::default(), 8, decode)
                .expect("readable")
        };
        for channels in [1, 3] {
            std::fs::write(&source, vec![0; channels]).expect("written");
            decoded.set(0);
            for _ in 0..3 {
                assert_eq!(get(5, channels), image(5, channels));
            }
            assert_eq!(decoded.get(), 1, "{channels} channels");
        }
        std::fs::write(&source, b"another length").expect("written");
        assert_eq!(get(9, 1), image(9, 1));
        let damaged = cache.file(&source, View::default(), 8).expect("a name");
        let raw = cache.file(&source, Tone::Raw.into(), 8).expect("a name");
        let second = View {
            frame: NonZeroU32::new(2),
            ..View::default()
        };
        let second = cache.file(&source, second, 8).expect("a name");
        assert!(raw != damaged && second != damaged && raw != second);
        std::fs::write(&damaged, b"no image").expect("written");
        assert_eq!(get(9, 1), image(9, 1));
        assert_eq!(decoded.get(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn a_source_in_the_place_of_another_is_told_from_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = DiskCache::new(folder.path());
        let at = |name: &str| folder.path().join(name);
        let name = || {
            cache
                .file(&at("source"), View::default(), 8)
                .expect("a name")
        };
        std::fs::write(at("source"), b"one").expect("written");
        let written = at("source").metadata().and_then(|about| about.modified());
        let before = name();
        // Longer than the clock of a file system takes for a step.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let other = std::fs::File::create(at("other")).expect("made");
        std::io::Write::write_all(&mut &other, b"two").expect("written");
        other.set_modified(written.expect("a time")).expect("set");
        std::fs::rename(at("other"), at("source")).expect("renamed");
        assert_ne!(name(), before);
    }

    #[test]
    fn a_source_that_is_not_there_is_the_decoders_to_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = DiskCache::new(folder.path());
        let missing = folder.path().join("missing.png");
        let error = cache.get(&missing, View::default(), 8, || {
            read_image(&missing, &Limits::default())
        });
        let message = error.expect_err("no such file").to_string();
        assert!(message.contains("missing.png"), "{message}");
    }
}
