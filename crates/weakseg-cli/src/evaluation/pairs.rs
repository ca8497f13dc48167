//! Which prediction belongs to which truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::stem;

/// A prediction and its truth.
#[derive(Debug)]
pub struct Pair {
    /// The mask that is judged.
    pub pred: PathBuf,
    /// The mask it is compared with.
    pub truth: PathBuf,
}

/// All pairs of two folders.
#[derive(Debug)]
pub struct Pairs {
    /// In order of stem.
    pub pairs: Vec<Pair>,
    /// Stems of truths that have no prediction.
    pub missing: Vec<String>,
    /// Number of predictions that have no truth.
    pub extra: usize,
}

impl Pairs {
    /// Matches the PNGs of two folders by stem.
    ///
    /// # Errors
    /// When a folder cannot be listed, holds no PNG, or the two have no stem in common.
    pub fn find(pred: &Path, truth: &Path) -> Result<Self> {
        let mut preds = png_stems(pred)?;
        let truths = png_stems(truth)?;
        let (mut pairs, mut missing) = (Vec::new(), Vec::new());
        for (stem, truth) in truths {
            match preds.remove(&stem) {
                Some(pred) => pairs.push(Pair { pred, truth }),
                None => missing.push(stem),
            }
        }
        if pairs.is_empty() {
            bail!(
                "no mask in {} has the name of one in {} (for example {}.png); name predictions as their truth",
                pred.display(),
                truth.display(),
                missing.first().map_or("", String::as_str)
            );
        }
        Ok(Self {
            pairs,
            missing,
            extra: preds.len(),
        })
    }
}

impl Pairs {
    /// Masks without truth to compare with, for scores against boxes alone: each stands on both sides, so that what its
    /// values mean can be settled.
    pub fn alone(masks: BTreeMap<String, PathBuf>) -> Self {
        let pairs = masks
            .into_values()
            .map(|path| Pair {
                pred: path.clone(),
                truth: path,
            })
            .collect();
        Self {
            pairs,
            missing: Vec::new(),
            extra: 0,
        }
    }
}

/// The PNG files of a folder by stem, in order.
///
/// # Errors
/// When it cannot be listed or holds none.
pub fn png_stems(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let list = || format!("{}: cannot list the folder", folder.display());
    for entry in std::fs::read_dir(folder).with_context(list)? {
        let path = entry.with_context(list)?.path();
        if path.is_file()
            && path
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
        {
            found.insert(stem(&path), path);
        }
    }
    if found.is_empty() {
        bail!(
            "{}: no PNG in this folder; expected index PNGs, one an image",
            folder.display()
        );
    }
    Ok(found)
}
