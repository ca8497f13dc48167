//! What a training step sees: images and image-level labels, nothing else.
//!
//! No field and no method of [`Cases`] leads to a mask or a box. Those live in [`Truth`](crate::Truth), which only
//! [`DataConfig::open_truth`](crate::DataConfig::open_truth) makes, for scoring.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DataError, Limits, Picture, Stack, View, read_picture};

/// The part of a set a case belongs to.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Learnt from.
    Train,
    /// Watched while learning, and scored.
    Val,
    /// Scored only.
    Test,
}

impl Split {
    /// All splits, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// `train`, `val` or `test`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|split| split.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("`{text}` is no split: expected train, val or test"))
    }
}

/// How the classes of a set share the pixels of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LabelSpace {
    /// Every pixel has one class: one index map, 0 = background, `k + 1` = class `k`, 255 = void (PASCAL VOC).
    Exclusive,
    /// Findings may overlap: one plane per finding, 0 = absent, 1 = present, 255 = void.
    Findings,
}

/// The classes of a set, background not among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// Their names; position `k` is the class's index everywhere.
    pub names: Vec<String>,
    /// How they share the pixels.
    pub space: LabelSpace,
}

impl Classes {
    /// Number of classes, background not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no class.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The index of a class by its name: exact, else without regard to case.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        let exact = self.names.iter().position(|known| known == name);
        exact.or_else(|| {
            let folded = name.to_lowercase();
            self.names
                .iter()
                .position(|known| known.to_lowercase() == folded)
        })
    }

    /// Planes of a mask: 1 for [`LabelSpace::Exclusive`], else one per finding.
    #[must_use]
    pub fn mask_planes(&self) -> usize {
        match self.space {
            LabelSpace::Exclusive => 1,
            LabelSpace::Findings => self.names.len(),
        }
    }
}

/// One image and what is said of it as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The image's file name without its ending; unique in the set and safe as a file name.
    pub id: String,
    /// Whose image it is, where known.
    pub patient: Option<String>,
    /// The image file.
    pub image: PathBuf,
    /// `labels[k]`: whether class `k` of [`Classes::names`] is somewhere in the image.
    pub labels: Vec<bool>,
    /// The part of the set it belongs to.
    pub split: Split,
    /// What is to be seen of it, if it is a DICOM image.
    pub view: View,
}

impl Case {
    /// Whether any class is present.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.labels.contains(&true)
    }

    /// Reads the image, 1×H×W grey or 3×H×W RGB.
    ///
    /// # Errors
    /// Those of [`read_picture`].
    pub fn read_image(&self, limits: &Limits) -> Result<Stack<u8>, DataError> {
        self.read_picture(limits).map(|picture| picture.pixels)
    }

    /// Reads the image, and what was odd about its file.
    ///
    /// # Errors
    /// Those of [`read_picture`].
    pub fn read_picture(&self, limits: &Limits) -> Result<Picture, DataError> {
        read_picture(&self.image, limits, self.view)
    }
}

/// The images of a set with their labels: all that a training step ever sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cases {
    /// The classes the labels speak of.
    pub classes: Classes,
    /// The cases, in the order of the set's table or list.
    pub cases: Vec<Case>,
    /// Ids of the table that are no cases, having no image that can be read, each with the reason: they count as left
    /// out.
    pub left_out: Vec<(String, String)>,
    /// What is not as it should be though the set can be used, for the user's eyes.
    pub warnings: Vec<String>,
}

impl Cases {
    /// The cases of one split, in order.
    pub fn of(&self, split: Split) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(move |case| case.split == split)
    }

    /// Number of cases in a split.
    #[must_use]
    pub fn count(&self, split: Split) -> usize {
        self.of(split).count()
    }

    /// Number of cases of a split in which class `class` is present.
    #[must_use]
    pub fn positives(&self, split: Split, class: usize) -> usize {
        self.of(split)
            .filter(|case| case.labels.get(class) == Some(&true))
            .count()
    }

    /// The ids of the set: of its cases, and those that are left out.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let cases = self.cases.iter().map(|case| case.id.as_str());
        cases.chain(self.left_out.iter().map(|(id, _)| id.as_str()))
    }

    /// The case of an id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.id == id)
    }
}

/// Why an id cannot be used to name output files, or `None` if it can.
///
/// Refused are: nothing, more than 200 bytes, a leading or trailing dot or blank, separators and other characters
/// some file system forbids, and the device names of Windows. An id is never used as a path without this check.
#[must_use]
pub fn unsafe_id(id: &str) -> Option<&'static str> {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    if id.is_empty() {
        return Some("it is empty");
    }
    if id.len() > 200 {
        return Some("it is longer than 200 bytes");
    }
    if id.starts_with('.') {
        return Some("it begins with a dot");
    }
    if id.starts_with(char::is_whitespace) || id.ends_with(|c: char| c == '.' || c.is_whitespace())
    {
        return Some("it begins or ends with a blank or ends with a dot");
    }
    if id
        .chars()
        .any(|c| c.is_control() || r#"/\:*?"<>|"#.contains(c))
    {
        return Some(r#"it holds a control character or one of / \ : * ? " < > |"#);
    }
    let stem = id.split('.').next().unwrap_or(id).to_ascii_lowercase();
    let numbered = stem.len() == 4
        && (stem.starts_with("com") || stem.starts_with("lpt"))
        && stem.ends_with(|c: char| c.is_ascii_digit());
    if numbered || DEVICES.contains(&stem.as_str()) {
        return Some("it is a device name on Windows");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_the_folder_are_refused() {
        for id in [
            "", ".", "..", "../x", "a/b", "a\\b", ".x", "x.", " x", "x ", "a\nb", "C:x", "nul",
            "COM1", "aux.b",
        ] {
            assert!(unsafe_id(id).is_some(), "{id:?}");
        }
        assert!(unsafe_id(&"x".repeat(201)).is_some());
        for id in [
            "2007_000032",
            "00000061_012",
            "a b",
            "a.b",
            "µ",
            "console",
            "com",
            "x-1",
            "-x",
        ] {
            assert_eq!(unsafe_id(id), None, "{id:?}");
        }
    }

    #[test]
    fn split_names_round_trip() {
        for split in Split::ALL {
            assert_eq!(split.to_string().parse(), Ok(split));
        }
        assert_eq!("Train".parse(), Ok(Split::Train));
        assert!("dev".parse::<Split>().is_err());
    }

    #[test]
    fn classes_are_found_without_regard_to_case() {
        let classes = Classes {
            names: vec!["pneumonia".into(), "Mass".into(), "mass".into()],
            space: LabelSpace::Findings,
        };
        assert_eq!(classes.index("Pneumonia"), Some(0));
        assert_eq!(classes.index("mass"), Some(2));
        assert_eq!(classes.index("effusion"), None);
        assert_eq!(classes.mask_planes(), 3);
    }
}
