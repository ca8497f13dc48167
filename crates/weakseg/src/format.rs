//! The `format` of a document that we write: a number that rises when an earlier version would misread it.

use serde::Deserialize;

/// The format of a JSON document, which every version can read of every later one; 1 where nothing is said.
pub(crate) fn format_of(text: &[u8]) -> serde_json::Result<u64> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default = "first")]
        format: u64,
    }
    fn first() -> u64 {
        1
    }
    serde_json::from_slice::<Head>(text).map(|head| head.format)
}
