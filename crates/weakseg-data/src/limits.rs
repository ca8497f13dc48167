//! [`Limits`]: how much memory a file may ask for, checked in 64 bits before any is allocated.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::DataError;

/// Most pixels of one image, unless a caller says otherwise.
static MAX_PIXELS: AtomicU64 = AtomicU64::new(1 << 26);

/// What a file may ask for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (height times width) of one image; by default 2^26, an 8192×8192 image, or as
    /// [`Limits::set_max_pixels`] has it.
    pub max_pixels: u64,
    /// Most bytes of one file on disk, or of one array once unpacked; by default 2^30.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: MAX_PIXELS.load(Ordering::Relaxed),
            max_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Makes another number of pixels the default of this process: how large an image may be is for its user to say,
    /// once and for all that is read.
    pub fn set_max_pixels(pixels: u64) {
        MAX_PIXELS.store(pixels, Ordering::Relaxed);
    }

    /// Refuses an image of `height` by `width` that is too large or has no pixels.
    pub(crate) fn check_size(&self, path: &Path, height: u64, width: u64) -> Result<(), DataError> {
        if height == 0 || width == 0 {
            return Err(DataError::unreadable(
                path,
                format!("the image is {height}x{width} (height x width), it has no pixels"),
                "export it again",
            ));
        }
        let found = height.saturating_mul(width);
        if found > self.max_pixels {
            return Err(DataError::TooLarge {
                path: path.to_owned(),
                unit: "pixels",
                remedy: "raise the limit with --max-pixels N, or scale the image down",
                found,
                limit: self.max_pixels,
            });
        }
        Ok(())
    }

    /// Refuses a number of bytes.
    pub(crate) fn check_bytes(&self, path: &Path, found: u64) -> Result<(), DataError> {
        if found > self.max_bytes {
            return Err(DataError::TooLarge {
                path: path.to_owned(),
                unit: "bytes",
                remedy: "scale it down or cut it into parts",
                found,
                limit: self.max_bytes,
            });
        }
        Ok(())
    }

    /// Refuses so many masks of `height` by `width` as would take too many bytes together, one a pixel.
    pub(crate) fn check_masks(
        &self,
        path: &Path,
        masks: usize,
        height: usize,
        width: usize,
    ) -> Result<(), DataError> {
        let factors = [masks, height, width].map(|factor| factor as u64);
        let bytes = factors.into_iter().fold(1, u64::saturating_mul);
        self.check_bytes(path, bytes)
    }

    /// Reads a whole file, after a look at its size and kind: a device or a pipe has no size, and no end.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::TooLarge`]; [`DataError::Unreadable`] for what is no file.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        let read = DataError::io(path, "read");
        let about = fs::metadata(path).map_err(DataError::io(path, "read"))?;
        if !about.is_file() {
            let problem = if about.is_dir() {
                "a folder, expected a file"
            } else {
                "neither a file nor a folder but a device or a pipe"
            };
            return Err(DataError::unreadable(path, problem, "name a file"));
        }
        self.check_bytes(path, about.len())?;
        let mut bytes = Vec::with_capacity(about.len() as usize);
        // It may grow while it is read.
        let file = fs::File::open(path).map_err(DataError::io(path, "read"))?;
        file.take(self.max_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(read)?;
        self.check_bytes(path, bytes.len() as u64)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let read = |path: &Path| Limits::default().read(path).map_err(|e| e.to_string());
        assert!(
            read(folder.path())
                .unwrap_err()
                .contains("a folder, expected a file")
        );
        let path = folder.path().join("a");
        fs::write(&path, b"abc").unwrap();
        assert_eq!(read(&path).unwrap(), b"abc");
        #[cfg(unix)]
        {
            let error = read(Path::new("/dev/zero")).unwrap_err();
            assert!(
                error.contains("/dev/zero: neither a file nor a folder"),
                "{error}"
            );
        }
    }
}
