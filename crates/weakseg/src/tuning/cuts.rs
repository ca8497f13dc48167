//! The thresholds that are tried.

use super::document::Stage;
use super::rule::Rule;
use crate::cam::Threshold;

/// Cuts of the grid in 0..1.
const STEPS: u32 = 50;

/// Thresholds in ascending order: 0.02, 0.04 … 0.98, and those that a run is set to.
///
/// A finer grid would not be a better one: the best of these lies within a hundredth of any threshold, and which of two
/// closer ones a few masks prefer is chance.
#[derive(Debug, Clone, PartialEq)]
pub struct Cuts {
    cuts: Vec<f64>,
    /// What a value of single precision must exceed to lie above each of them.
    levels: Vec<f32>,
}

impl Cuts {
    /// Those of a stage whose run is set to the rule `own`.
    pub fn of_stage(stage: Stage, own: &Rule) -> Self {
        let mut known: Vec<f64> = own.triplet.map(|triplet| triplet.top).into_iter().collect();
        if let Threshold::Fixed(cut) = own.threshold {
            known.push(cut);
        }
        match stage {
            Stage::Cam => Self::of_maps(&known),
            Stage::Segmentation => Self::of_scores(&known),
        }
    }

    /// For maps, which are compared with the threshold in single precision
    /// ([`Threshold::of`](crate::cam::Threshold::of)).
    pub fn of_maps(own: &[f64]) -> Self {
        Self::new(own, |cut| cut as f32)
    }

    /// For probabilities, which are compared with the threshold in double precision
    /// ([`FindingRule`](crate::finding_rule::FindingRule)): v > cut just where v > the greatest single number that is
    /// not above it.
    pub fn of_scores(own: &[f64]) -> Self {
        Self::new(own, |cut| {
            let nearest = cut as f32;
            match f64::from(nearest) > cut {
                true => nearest.next_down(),
                false => nearest,
            }
        })
    }

    fn new(own: &[f64], level: impl Fn(f64) -> f32) -> Self {
        let mut cuts = Self::grid();
        // -0 is 0, and would be another cut beside it.
        cuts.extend(own.iter().map(|cut| cut + 0.0));
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        let levels = cuts.iter().map(|&cut| level(cut)).collect();
        Self { cuts, levels }
    }

    /// Those that are tried whatever the run is set to.
    pub fn grid() -> Vec<f64> {
        (1..STEPS)
            .map(|step| f64::from(step) / f64::from(STEPS))
            .collect()
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.cuts.len()
    }

    /// Never: the grid is there.
    pub fn is_empty(&self) -> bool {
        self.cuts.is_empty()
    }

    /// How many of them `value` lies above.
    pub fn below(&self, value: f32) -> usize {
        self.levels.partition_point(|&level| value > level)
    }

    /// What a value must exceed to lie above each, in order.
    pub fn levels(&self) -> &[f32] {
        &self.levels
    }

    /// The place of a cut.
    ///
    /// # Panics
    /// If it is none of these: rules are made from them and from what the run is set to.
    pub fn place(&self, cut: f64) -> usize {
        self.cuts
            .binary_search_by(|known| known.total_cmp(&(cut + 0.0)))
            .expect("one of the cuts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_own_cut_is_among_them_once() {
        let cuts = Cuts::of_scores(&[0.3, 0.123, 0.0]);
        assert_eq!(cuts.len(), 49 + 2);
        assert_eq!((cuts.place(0.0), cuts.place(0.02)), (0, 1));
        assert_eq!(cuts.place(0.123), cuts.place(0.12) + 1);
        assert_eq!(cuts.below(0.5), cuts.place(0.5), "not above itself");
    }

    #[test]
    fn zero_has_no_sign() {
        for cuts in [Cuts::of_scores(&[-0.0, 0.0]), Cuts::of_maps(&[0.0, -0.0])] {
            assert_eq!(cuts.len(), 49 + 1);
            assert_eq!((cuts.place(-0.0), cuts.place(0.0)), (0, 0));
        }
    }

    #[test]
    fn a_stage_has_the_cuts_of_its_rule() {
        let own = Rule {
            threshold: Threshold::Fixed(0.111),
            gate: 0.0,
            triplet: Some(crate::config::Triplet {
                top: 0.777,
                min_area: 0.1,
            }),
        };
        let cuts = Cuts::of_stage(Stage::Segmentation, &own);
        assert_eq!(cuts, Cuts::of_scores(&[0.111, 0.777]));
        let own = Rule {
            threshold: Threshold::OTSU,
            triplet: None,
            ..own
        };
        assert_eq!(Cuts::of_stage(Stage::Cam, &own), Cuts::of_maps(&[]));
    }

    /// 0.3 is no single number: the nearest is a little above it, and 0.7's a little below.
    #[test]
    fn values_beside_a_cut_fall_as_they_do_in_use() {
        for cut in [0.3f64, 0.7] {
            let (maps, scores) = (Cuts::of_maps(&[]), Cuts::of_scores(&[]));
            let place = maps.place(cut);
            let nearest = cut as f32;
            for value in [nearest.next_down(), nearest, nearest.next_up()] {
                assert_eq!(maps.below(value) > place, value > nearest);
                assert_eq!(scores.below(value) > place, f64::from(value) > cut);
            }
        }
    }
}
