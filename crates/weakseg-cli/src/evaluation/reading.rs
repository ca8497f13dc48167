//! What the values of somebody's masks mean.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Result, bail};
use weakseg::progress::Progress;
use weakseg_data::{Limits, Plane, VOC_CLASSES, VOID, read_index_map, read_index_png};

use super::pairs::Pair;
use super::read_all;

/// Classes, the background among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassList {
    /// So many, without names.
    Count(usize),
    /// The names of all but the background.
    Names(Vec<String>),
}

impl FromStr for ClassList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(count) = text.parse::<usize>() {
            return match count {
                2..=255 => Ok(Self::Count(count)),
                _ => Err("expected 2 to 255 classes, the background among them".to_owned()),
            };
        }
        if text == "voc" {
            return Ok(Self::Names(VOC_CLASSES.map(str::to_owned).to_vec()));
        }
        let mut names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.len() > 1 && names[0] == "background" {
            names.remove(0);
        }
        let repeated = (1..names.len()).any(|at| names[..at].contains(&names[at]));
        if names.len() > 254 || repeated || names.iter().any(String::is_empty) {
            return Err(
                "expected a number, or at most 254 different names with commas between".to_owned(),
            );
        }
        Ok(Self::Names(names))
    }
}

impl ClassList {
    /// How many, with the background.
    pub fn count(&self) -> usize {
        match self {
            Self::Count(count) => *count,
            Self::Names(names) => names.len() + 1,
        }
    }

    /// The names of all but the background.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Count(count) => (1..*count).map(|class| format!("class {class}")).collect(),
            Self::Names(names) => names.clone(),
        }
    }
}

/// The value of truth pixels that are not scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Void {
    /// This one.
    Value(u8),
    /// There is none.
    None,
}

impl FromStr for Void {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        text.parse()
            .map(Self::Value)
            .map_err(|_| "expected 0 to 255, or none".to_owned())
    }
}

/// How the values of both folders are read.
#[derive(Debug)]
pub struct Reading {
    /// Classes.
    pub classes: ClassList,
    void: Option<u8>,
    /// 255 stands for 1 in the truth, in the predictions.
    white: [bool; 2],
}

impl Reading {
    /// Settles what was left open by looking at every mask: the number of classes, and whether masks of one class are
    /// 0/1 or 0/255.
    ///
    /// # Errors
    /// When a mask cannot be read, or the truth of several classes is black and white and nobody said what white is.
    pub fn settle(
        pairs: &[Pair],
        classes: Option<ClassList>,
        void: Option<Void>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let given = match void {
            None => Some(VOID),
            Some(Void::Value(value)) => Some(value),
            Some(Void::None) => None,
        };
        if let Some(classes) = classes.as_ref().filter(|classes| classes.count() > 2) {
            if void.is_none() {
                refuse_white(pairs, classes)?;
            }
            return Ok(Self {
                classes: classes.clone(),
                void: given,
                white: [false; 2],
            });
        }
        let mut seen = [[false; 256]; 2];
        for values in read_all(pairs, progress, "reading masks", |pair| {
            Ok([values(&pair.truth)?, values(&pair.pred)?])
        })? {
            for (all, image) in seen.iter_mut().zip(values) {
                all.iter_mut()
                    .zip(image)
                    .for_each(|(all, here)| *all |= here);
            }
        }
        // 255 cannot be void where nothing else stands for the finding: such masks are black and white.
        let white_side = |side: usize| seen[side][255] && !seen[side][1..255].contains(&true);
        let white = [
            white_side(0) && void != Some(Void::Value(255)),
            white_side(1),
        ];
        let of = match &classes {
            Some(ClassList::Names(names)) => format!(" of {}", names.join(", ")),
            _ => String::new(),
        };
        for (white, what) in white.into_iter().zip(["truth", "predicted"]) {
            if white {
                progress.note(&format!(
                    "the {what} masks{of} hold 0 and 255 only: 255 is read as class 1"
                ));
            }
        }
        let void = if white[0] && given == Some(255) {
            None
        } else {
            given
        };
        let largest = |side: usize| {
            (0..=254)
                .rev()
                .find(|&v| seen[side][v] && (side == 1 || void != Some(v as u8)))
        };
        let found = largest(0).max(largest(1)).unwrap_or(0) + 1;
        Ok(Self {
            classes: classes.unwrap_or(ClassList::Count(found.max(2))),
            void,
            white,
        })
    }

    /// A true mask: class numbers, and [`VOID`] where nothing is scored.
    ///
    /// # Errors
    /// When it cannot be read, or holds 255 where that is neither void nor a class.
    pub fn truth(&self, path: &Path) -> Result<Plane<u8>> {
        let mut plane = read_index_map(path, &Limits::default())?;
        if self.white[0] {
            plane
                .as_mut_slice()
                .iter_mut()
                .for_each(|v| *v = u8::from(*v == 255));
        }
        if let Some(at) = plane
            .as_slice()
            .iter()
            .position(|&v| v == VOID && self.void != Some(VOID))
        {
            bail!(
                "{}: the value 255 at row {}, column {} is no class, and void is {}; give --void 255 if it is not to be scored",
                path.display(),
                at / plane.width(),
                at % plane.width(),
                self.void.map_or("none".to_owned(), |void| void.to_string())
            );
        }
        if let Some(void) = self.void {
            plane
                .as_mut_slice()
                .iter_mut()
                .filter(|v| **v == void)
                .for_each(|v| *v = VOID);
        }
        Ok(plane)
    }

    /// A predicted mask: class numbers.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn pred(&self, path: &Path) -> Result<Plane<u8>> {
        let mut plane = read_index_png(path, &Limits::default())?;
        if self.white[1] {
            plane
                .as_mut_slice()
                .iter_mut()
                .for_each(|v| *v = u8::from(*v == 255));
        }
        Ok(plane)
    }
}

/// Refuses masks of several classes that hold 0 and 255 alone: white would count as void, and no pixel of a finding be
/// scored.
///
/// Reads no further than to the first mask that holds a class.
fn refuse_white(pairs: &[Pair], classes: &ClassList) -> Result<()> {
    let mut white = None;
    for Pair { truth, .. } in pairs {
        let seen = values(truth)?;
        if seen[1..255].contains(&true) {
            return Ok(());
        }
        if seen[255] {
            white = white.or(Some(truth));
        }
    }
    match white {
        None => Ok(()),
        Some(path) => bail!(
            "{}: this mask and all others hold 0 and 255 only, but --classes says that a mask tells {} classes apart; findings \
             have a folder of masks each: evaluate one after the other with --classes FINDING, or give --void 255 if white is \
             not to be scored",
            path.display(),
            classes.names().len()
        ),
    }
}

/// Which values a mask holds.
fn values(path: &Path) -> Result<[bool; 256]> {
    let mut seen = [false; 256];
    for &value in read_index_map(path, &Limits::default())?.as_slice() {
        seen[usize::from(value)] = true;
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_a_number_or_names() {
        assert_eq!("21".parse(), Ok(ClassList::Count(21)));
        let names: ClassList = "background, cat,dog".parse().expect("names");
        assert_eq!(
            (names.count(), names.names()),
            (3, vec!["cat".to_owned(), "dog".to_owned()])
        );
        let voc: ClassList = "voc".parse().expect("a known list");
        assert_eq!((voc.count(), voc.names()[14].as_str()), (21, "person"));
        for text in ["0", "1", "256", "", "a,a", "a,,b"] {
            assert!(text.parse::<ClassList>().is_err(), "{text}");
        }
    }
}
