//! [`MaskResize`]: what is done about a mask of another size than its image.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Plane;
use crate::resize::resize_nearest;

/// How a mask of another size than its image is brought to it. Where nothing is said, such a mask is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaskResize {
    /// Each pixel takes the value of the mask at its centre, so that no class numbers arise which are not there.
    Nearest,
}

impl MaskResize {
    /// The mask at `height`×`width`.
    ///
    /// # Panics
    /// If the mask has no pixels and the other size has some.
    #[must_use]
    pub fn apply(self, mask: &Plane<u8>, height: usize, width: usize) -> Plane<u8> {
        match self {
            Self::Nearest => resize_nearest(mask, height, width),
        }
    }
}

impl FromStr for MaskResize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "nearest" => Ok(Self::Nearest),
            _ => Err("expected nearest".to_owned()),
        }
    }
}
