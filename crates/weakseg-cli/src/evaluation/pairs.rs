//! Which prediction belongs to which truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::stem;

/// Endings of true masks; of two files of one stem the latter counts.
const MASKS: [&str; 2] = ["mat", "png"];

/// A prediction and its truth.
#[derive(Debug, Clone)]
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
    /// Matches the masks of two folders by stem: PNGs, and of the truth `.mat` files of the Semantic Boundaries Dataset
    /// too, where there is no PNG of their name.
    ///
    /// # Errors
    /// When a folder cannot be listed, holds no mask or two of one kind and stem, or the two folders have no stem in
    /// common.
    pub fn find(pred: &Path, truth: &Path) -> Result<Self> {
        let mut preds = png_stems(pred)?;
        let truths = stems(truth, &MASKS)?;
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

/// The folders of findings in one of true masks, in order: those with a mask, where it has none itself.
///
/// # Errors
/// When it cannot be listed.
pub fn finding_folders(truth: &Path) -> Result<Vec<String>> {
    if holds_masks(truth) {
        return Ok(Vec::new());
    }
    let list = || format!("{}: cannot list the folder", truth.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(truth).with_context(list)? {
        let path = entry.with_context(list)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && holds_masks(&path) {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn holds_masks(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut endings = entries.filter_map(|entry| Some(entry.path().extension()?.to_owned()));
    endings.any(|ending| MASKS.iter().any(|mask| ending.eq_ignore_ascii_case(mask)))
}

/// The PNG files of a folder by stem, in order.
///
/// # Errors
/// When it cannot be listed, holds none, or two have one stem.
pub fn png_stems(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    stems(folder, &["png"])
}

/// The files with one of some endings, by stem, in order; of several with one stem that of the last ending.
fn stems(folder: &Path, endings: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut found: BTreeMap<String, (usize, PathBuf)> = BTreeMap::new();
    let list = || format!("{}: cannot list the folder", folder.display());
    for entry in std::fs::read_dir(folder).with_context(list)? {
        let path = entry.with_context(list)?.path();
        let ending = path.extension().unwrap_or_default();
        let rank = endings
            .iter()
            .position(|known| ending.eq_ignore_ascii_case(known));
        let Some(rank) = rank.filter(|_| path.is_file()) else {
            continue;
        };
        let stem = stem(&path);
        match found.get(&stem) {
            Some((known, _)) if *known > rank => continue,
            Some((known, other)) if *known == rank => bail!(
                "{} and {} have one name, and one of them would be left out; rename or remove one",
                other.display(),
                path.display()
            ),
            _ => found.insert(stem, (rank, path)),
        };
    }
    if found.is_empty() {
        let kinds = match endings.contains(&"mat") {
            true => "PNG or .mat file in this folder; expected index maps",
            false => "PNG in this folder; expected index PNGs",
        };
        bail!(
            "{}: no {kinds}, one an image; of several findings each has its own folder, name that of one",
            folder.display()
        );
    }
    Ok(found
        .into_iter()
        .map(|(stem, (_, path))| (stem, path))
        .collect())
}
