//! Decoders of others at arm's length: a panic in one of them becomes an error of the file it read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::DataError;

/// What `decode` returns, or an error if it panics. Needs `panic = "unwind"`, which is the default.
pub(crate) fn contained<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, DataError>,
) -> Result<T, DataError> {
    // Nothing outlives the call but the result, so no half-changed state can be seen.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(DataError::unreadable(
            path,
            "the decoder gave up on damaged content",
            "copy or export the file again",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_of_its_file() {
        let path = Path::new("a.jpg");
        let outcome = contained(path, || -> Result<u8, _> { panic!("a bug of the decoder") });
        let error = outcome.unwrap_err().to_string();
        assert!(error.starts_with("a.jpg: the decoder gave up"), "{error}");
        assert_eq!(contained(path, || Ok(3)).unwrap(), 3);
    }
}
