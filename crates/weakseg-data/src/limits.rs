//! [`Limits`]: how much memory a file may ask for, checked in 64 bits before any is allocated.

use std::path::Path;

use crate::DataError;

/// What a file may ask for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (height times width) of one image; by default 2^26, an 8192×8192 image.
    pub max_pixels: u64,
    /// Most bytes of one file on disk, or of one array once unpacked; by default 2^30.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 1 << 26,
            max_bytes: 1 << 30,
        }
    }
}

impl Limits {
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
                field: "max_pixels",
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
                field: "max_bytes",
                found,
                limit: self.max_bytes,
            });
        }
        Ok(())
    }

    /// Reads a whole file, after a look at its size.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        let size = std::fs::metadata(path)
            .map_err(DataError::io(path, "read"))?
            .len();
        self.check_bytes(path, size)?;
        std::fs::read(path).map_err(DataError::io(path, "read"))
    }
}
