//! Where a figure stands beside the trivial baselines.
//!
//! A mask that looks at no image can score high: under the paper's empty-mask rule the empty mask
//! reaches .7886 over all SIIM-ACR images, above every *all* figure of the paper's Table 3. So each
//! figure carries what it is worth beside the best of the baselines.

use std::collections::HashMap;

use weakseg_data::Split;

use super::keys::{Metric, Step, Subset};
use super::rows::{Report, Row};

/// A figure beside the highest trivial baseline of the same split, subset and metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// Above it, interval included.
    Above(Step, f64),
    /// Above it, but the interval reaches it.
    Unclear(Step, f64),
    /// Equal to it: nothing was gained by looking at the images.
    Level(Step, f64),
    /// Below it.
    Below(Step, f64),
    /// Nothing to compare with: the row is a baseline itself, or the baselines were not measured,
    /// or one of them is perfect in this column by construction.
    Alone,
}

impl Standing {
    /// The mark beside the figure: `▼` below, `=` level, `~` unclear.
    pub fn mark(self) -> &'static str {
        match self {
            Standing::Below(..) => "▼",
            Standing::Level(..) => "=",
            Standing::Unclear(..) => "~",
            Standing::Above(..) | Standing::Alone => "",
        }
    }

    /// The remark in words, such as `below the empty mask (0.789)`.
    pub fn words(self) -> Option<String> {
        let (relation, step, value) = match self {
            Standing::Below(step, value) => ("below", step, value),
            Standing::Level(step, value) => ("no better than", step, value),
            Standing::Unclear(step, value) => ("not clearly above", step, value),
            Standing::Above(..) | Standing::Alone => return None,
        };
        Some(format!(
            "{relation} the {} ({value:.3})",
            step.title().to_lowercase()
        ))
    }

    /// Whether the method does not beat a mask that looks at no image.
    pub fn is_bad(self) -> bool {
        matches!(self, Standing::Below(..) | Standing::Level(..))
    }
}

/// The highest trivial baseline of each split, subset and metric of a report.
pub struct Baselines<'a> {
    best: HashMap<(Split, &'a Subset, Metric), (Step, f64)>,
}

impl<'a> Baselines<'a> {
    /// Those of a report.
    pub fn of(report: &'a Report) -> Self {
        let mut best = HashMap::new();
        for row in report
            .results()
            .iter()
            .filter(|row| row.step().is_baseline())
        {
            let entry = best
                .entry((row.split(), row.subset(), row.metric()))
                .or_insert((row.step(), row.value()));
            if row.value() > entry.1 {
                *entry = (row.step(), row.value());
            }
        }
        Baselines { best }
    }

    /// Where `row` stands.
    ///
    /// Images without finding alone (`neg`), sensitivity and specificity are not compared: the
    /// empty mask is perfect in the first and the last, the full mask in the other, and no method
    /// could be above.
    pub fn standing(&self, row: &Row) -> Standing {
        use Metric::{Auroc, Sensitivity, Specificity};
        let one_sided = *row.subset() == Subset::Neg
            || matches!(row.metric(), Auroc | Sensitivity | Specificity);
        if !row.step().is_method() || one_sided {
            return Standing::Alone;
        }
        let Some(&(step, best)) = self.best.get(&(row.split(), row.subset(), row.metric())) else {
            return Standing::Alone;
        };
        if row.value() < best {
            Standing::Below(step, best)
        } else if row.value() == best {
            Standing::Level(step, best)
        } else if row.ci95().is_some_and(|[low, _]| low <= best) {
            Standing::Unclear(step, best)
        } else {
            Standing::Above(step, best)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::ImageLabels;
    use super::super::sample;
    use super::*;

    fn row(step: Step, subset: Subset, value: f64, ci95: Option<[f64; 2]>) -> Row {
        let (split, labels) = (Split::Test, ImageLabels::None);
        Row::new(step, split, labels, subset, Metric::Iou, value, ci95, 686).expect("in range")
    }

    fn standing(value: f64, ci95: Option<[f64; 2]>) -> Standing {
        let report = sample::report(vec![
            row(Step::BaselineEmpty, Subset::All, 0.7886, None),
            row(Step::BaselineFull, Subset::All, 0.01, None),
        ]);
        let row = row(Step::Segmentation, Subset::All, value, ci95);
        Baselines::of(&report).standing(&row)
    }

    #[test]
    fn the_paper_s_table_3_lies_below_the_empty_mask() {
        for value in [0.7633, 0.7645, 0.7649, 0.7590, 0.7607, 0.7677] {
            let standing = standing(value, None);
            assert_eq!(standing, Standing::Below(Step::BaselineEmpty, 0.7886));
            assert_eq!(
                standing.words().as_deref(),
                Some("below the empty mask (0.789)")
            );
        }
    }

    #[test]
    fn equal_and_overlapping_are_not_above() {
        assert_eq!(
            standing(0.7886, None),
            Standing::Level(Step::BaselineEmpty, 0.7886)
        );
        assert_eq!(
            standing(0.80, Some([0.77, 0.83])),
            Standing::Unclear(Step::BaselineEmpty, 0.7886)
        );
        assert_eq!(
            standing(0.85, Some([0.82, 0.88])),
            Standing::Above(Step::BaselineEmpty, 0.7886)
        );
    }

    #[test]
    fn healthy_images_alone_and_baselines_are_not_compared() {
        let report = sample::report(vec![row(Step::BaselineEmpty, Subset::Neg, 1.0, None)]);
        let baselines = Baselines::of(&report);
        let neg = row(Step::Cam, Subset::Neg, 0.9, None);
        assert_eq!(baselines.standing(&neg), Standing::Alone);
        assert_eq!(baselines.standing(&report.results()[0]), Standing::Alone);
    }
}
