//! The setting `classifier.weights`: what a trunk starts from.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Cache, FetchError, Patience, entry, names};
use crate::progress::{Progress, Stop};

/// What a trunk starts from; in a configuration `"auto"`, `"none"`, a name of `weakseg weights list`, or a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum WeightsChoice {
    /// The pretrained weights of the trunk where there is data from outside, none for phantoms and for another width
    /// than
    /// 1. A resolved configuration says which.
    #[default]
    Auto,
    /// Noise.
    None,
    /// A file of the registry, by its name.
    Named(String),
    /// A file, relative to the configuration's folder.
    File(PathBuf),
}

impl From<String> for WeightsChoice {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" => Self::Auto,
            "none" => Self::None,
            name if entry(name).is_some() => Self::Named(text),
            _ => Self::File(text.into()),
        }
    }
}

impl FromStr for WeightsChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_owned().into())
    }
}

impl From<WeightsChoice> for String {
    fn from(choice: WeightsChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for WeightsChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Named(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl WeightsChoice {
    /// Whether the file is there that is meant, if it is one of the user's own.
    ///
    /// # Errors
    /// [`FetchError::NoFile`].
    pub fn check(&self, base: &Path) -> Result<(), FetchError> {
        match self {
            Self::File(path) if !base.join(path).is_file() => Err(FetchError::NoFile {
                path: base.join(path),
                names: names(),
            }),
            _ => Ok(()),
        }
    }

    /// The file itself, fetched if need be; none for noise.
    ///
    /// # Errors
    /// [`FetchError`] if it is not there and cannot be had; each says how to go on without.
    pub fn obtain(
        &self,
        base: &Path,
        cache: &Cache,
        patience: &Patience,
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<Option<PathBuf>, FetchError> {
        match self {
            // A configuration that was loaded is resolved; `auto` remains only where somebody built one by hand.
            Self::None | Self::Auto => Ok(None),
            Self::Named(name) => {
                let entry = entry(name).ok_or_else(|| FetchError::Unknown {
                    name: name.clone(),
                    names: names(),
                })?;
                cache.obtain(entry, patience, progress, stop).map(Some)
            }
            Self::File(path) => {
                self.check(base)?;
                Ok(Some(base.join(path)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_what_it_looks_like_and_comes_back() {
        for (text, choice) in [
            ("auto", WeightsChoice::Auto),
            ("none", WeightsChoice::None),
            ("resnet50", WeightsChoice::Named("resnet50".into())),
            ("./resnet50", WeightsChoice::File("./resnet50".into())),
            ("a/b.pth", WeightsChoice::File("a/b.pth".into())),
        ] {
            let read: WeightsChoice =
                serde_json::from_value(serde_json::Value::from(text)).expect("a string");
            assert_eq!(read, choice);
            assert_eq!(serde_json::to_value(&read).expect("a string"), text);
        }
    }
}
