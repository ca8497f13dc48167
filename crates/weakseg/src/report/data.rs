//! What the figures were measured on, and by which rules: the `data` of `report.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weakseg_data::{LabelSpace, Split};

/// How an image without finding counts, in words for the reader of `report.json`.
///
/// The rule is the paper's for its Table 3 (columns *pos* and *all*): under it the empty mask
/// scores the share of healthy images, .7886 on SIIM-ACR, which is why it stands in every table.
pub const EMPTY_MASK_POLICY: &str = "per-image metrics count an empty prediction of an empty \
    truth as 1 and any other prediction of an empty truth as 0";

/// How many cases a split has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    /// All cases.
    pub cases: u64,
    /// Cases with one finding or more, by their image labels.
    pub positive: u64,
    /// Cases with a true mask to score against, of which a pixel counts.
    pub masks: u64,
    /// Cases with a true box to score against.
    pub boxes: u64,
}

impl SplitCounts {
    /// `22 cases`, or `13 of 22 cases have a mask` where only these can be scored.
    pub fn words(self) -> String {
        let SplitCounts { cases, masks, .. } = self;
        match (masks, cases) {
            (_, 1) => "1 case".to_owned(),
            (1, _) => format!("1 of {cases} cases has a mask"),
            _ if (1..cases).contains(&masks) => format!("{masks} of {cases} cases have a mask"),
            _ => format!("{cases} cases"),
        }
    }

    /// What is to be told of a split whose masks show less of findings than its labels do, `shown` of them being of
    /// cases with a finding: a healthy case needs no file, and is scored all the same.
    pub fn lacking(self, split: Split, shown: u64) -> Option<String> {
        let (positive, healthy) = (self.positive, self.masks - shown);
        if shown * self.cases >= positive * self.masks {
            return None;
        }
        let scores = match shown {
            0 => "only healthy images",
            _ => "more healthy images than the split has",
        };
        Some(format!(
            "{split}: {shown} of {positive} cases with a finding have a mask, beside {healthy} without a finding: its figures score \
             {scores}; draw more masks, or give it the cases that have some (column `split`)"
        ))
    }
}

/// Cases of the three splits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Trained on, with image labels only.
    pub train: SplitCounts,
    /// Chosen on.
    pub val: SplitCounts,
    /// Scored on.
    pub test: SplitCounts,
}

impl Counts {
    /// The counts of one split.
    pub fn of(&self, split: Split) -> SplitCounts {
        match split {
            Split::Train => self.train,
            Split::Val => self.val,
            Split::Test => self.test,
        }
    }

    /// The counts of one split, to fill in.
    pub fn of_mut(&mut self, split: Split) -> &mut SplitCounts {
        match split {
            Split::Train => &mut self.train,
            Split::Val => &mut self.val,
            Split::Test => &mut self.test,
        }
    }
}

/// A case that a step left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The case's id.
    pub case: String,
    /// The step, by its verb.
    pub step: String,
    /// What was wrong.
    pub reason: String,
}

/// The `data` of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSummary {
    /// The data set: its kind and name or folder.
    pub name: String,
    /// How empty masks count, see [`EMPTY_MASK_POLICY`].
    pub empty_masks: String,
    /// Whether classes exclude each other or are findings that may overlap.
    pub space: LabelSpace,
    /// The classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Cases per split.
    pub counts: Counts,
    /// The seed of every random choice; `null` where none was made.
    pub seed: Option<u64>,
    /// Versions of the program and what it ran on, by name.
    pub versions: BTreeMap<String, String>,
    /// Cases left out.
    pub skipped: Vec<Skipped>,
    /// What is not as it should be with the data set or a step though it was used.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl DataSummary {
    /// A summary with the empty-mask policy filled in and nothing counted yet.
    pub fn new(name: impl Into<String>, space: LabelSpace, classes: Vec<String>) -> Self {
        DataSummary {
            name: name.into(),
            empty_masks: EMPTY_MASK_POLICY.to_owned(),
            space,
            classes,
            counts: Counts::default(),
            seed: None,
            versions: BTreeMap::new(),
            skipped: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Whether a case counts once for each of several findings.
    pub fn counts_pairs(&self) -> bool {
        self.space == LabelSpace::Findings && self.classes.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_that_can_be_scored_are_told_of_the_others() {
        let words = |cases, masks| {
            SplitCounts {
                cases,
                masks,
                ..SplitCounts::default()
            }
            .words()
        };
        assert_eq!(words(22, 13), "13 of 22 cases have a mask");
        assert_eq!(words(22, 1), "1 of 22 cases has a mask");
        assert_eq!(words(22, 22), "22 cases");
        assert_eq!(words(22, 0), "22 cases", "boxes alone");
        assert_eq!(words(1, 1), "1 case");
    }

    #[test]
    fn masks_that_show_fewer_findings_than_the_labels_are_told() {
        let split = |masks| SplitCounts {
            cases: 18,
            positive: 10,
            masks,
            boxes: 0,
        };
        let few = split(10).lacking(Split::Val, 2).expect("2 of 10");
        for part in [
            "val: 2 of 10 cases with a finding have a mask, beside 8 without",
            "more healthy images than",
            "column `split`",
        ] {
            assert!(few.contains(part), "{part}: {few}");
        }
        let none = split(8).lacking(Split::Val, 0).expect("none of 10");
        assert!(none.contains("score only healthy images"), "{none}");
        // All, the same share of both, findings alone, boxes alone.
        for (masks, shown) in [(18, 10), (9, 5), (4, 4), (0, 0)] {
            assert_eq!(split(masks).lacking(Split::Val, shown), None, "{masks}");
        }
    }
}
