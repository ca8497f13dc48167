//! Masks of several findings, which have a folder each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use weakseg::metrics::{Bootstrap, Confusion};
use weakseg::progress::Progress;
use weakseg_data::MaskResize;

use super::reading::{ClassList, Reading, Void};
use super::{Counts, Pairs, Scores, count, rows};

/// Scores the pairs of each finding, by its name: together as a run scores findings, and each over the images that show
/// it.
///
/// A finding is read for itself: masks of one may be 0/1 and those of another 0/255. An image without a true mask of a
/// finding is in no figure of it.
///
/// # Errors
/// Those of [`Reading::settle`] and [`count`], with the finding.
pub fn score_findings(
    findings: &[(String, Pairs)],
    void: Option<Void>,
    resize: Option<MaskResize>,
    bootstrap: &Bootstrap,
    progress: &dyn Progress,
) -> Result<Scores> {
    let mut counts = Vec::with_capacity(findings.len());
    for (name, Pairs { pairs, .. }) in findings {
        let classes = ClassList::Names(vec![name.clone()]);
        let reading = Reading::settle(pairs, Some(classes), void, progress);
        let counted = reading.and_then(|reading| count(pairs, &reading, resize, progress));
        counts.push(counted.with_context(|| format!("finding {name}"))?);
    }
    let stems: BTreeSet<&String> = counts.iter().flat_map(|c| &c.stems).collect();
    let positive: BTreeSet<&String> = counts.iter().flat_map(Counts::positive).collect();
    let names: Vec<String> = findings.iter().map(|(name, _)| name.clone()).collect();
    let mut rows = Vec::new();
    for at in 0..4 {
        let images = counts.iter().map(|counts| {
            let of_step = counts.stems.iter().zip(&counts.steps[at].1);
            let known: BTreeMap<&String, &Confusion> = of_step.collect();
            stems.iter().map(|stem| known.get(stem).copied()).collect()
        });
        let images: Vec<Vec<Option<&Confusion>>> = images.collect();
        let step = counts[0].steps[at].0;
        rows.extend(rows::of_findings(step, &names, &images, bootstrap)?);
    }
    let (images, positive) = (stems.len() as u64, positive.len() as u64);
    let warnings = names.iter().zip(&counts).flat_map(|(name, counts)| {
        let own = counts.warnings.iter();
        own.map(move |warning| format!("{name}: {warning}"))
    });
    Ok(Scores {
        rows,
        images,
        positive,
        warnings: warnings.collect(),
    })
}
