//! From the probabilities of a finding to its mask.

use weakseg_data::Plane;

use crate::config::Triplet;
use crate::irn::filter::remove_weak_regions;
use crate::mask_rule::MaskRule;

/// How the probabilities of a finding become its mask, in an image that the gate lets through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FindingRule {
    /// Probability above which a pixel belongs to the finding.
    pub threshold: f64,
    /// The triplet rule, asked of the probabilities as they are, before regions are removed.
    pub triplet: Option<Triplet>,
    /// Regions smaller than this share of the image are removed.
    pub min_area: f64,
}

impl FindingRule {
    /// The part of a segmentation network's rule that is of single findings.
    pub fn of(rule: &MaskRule) -> Self {
        Self {
            threshold: rule.threshold,
            triplet: rule.triplet,
            min_area: rule.min_area,
        }
    }

    /// 1 where the finding is, H × W. `scores` are probabilities, H × W.
    pub fn mask(&self, scores: &Plane<f32>) -> Plane<u8> {
        let above = |cut: f64| scores.map(|&v| u8::from(f64::from(v) > cut));
        if let Some(triplet) = &self.triplet {
            let sure = above(triplet.top)
                .as_slice()
                .iter()
                .filter(|&&v| v == 1)
                .count();
            if !triplet.is_met(sure as u64, scores.len() as u64) {
                return Plane::filled(scores.height(), scores.width(), 0);
            }
        }
        remove_weak_regions(&above(self.threshold), scores, self.min_area as f32, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 of 8 pixels above 0.3, of which 2 above 0.7; the pixel at the end stands alone.
    fn scores() -> Plane<f32> {
        Plane::new(1, 8, vec![0.1, 0.8, 0.9, 0.2, 0.0, 0.0, 0.0, 0.5]).unwrap()
    }

    fn mask(triplet: Option<Triplet>, min_area: f64) -> Vec<u8> {
        let rule = FindingRule {
            threshold: 0.3,
            triplet,
            min_area,
        };
        rule.mask(&scores()).into_vec()
    }

    #[test]
    fn a_finding_that_is_nowhere_sure_is_nowhere() {
        let whole = [0, 1, 1, 0, 0, 0, 0, 1];
        assert_eq!(mask(None, 0.0), whole);
        for (top, min_area, met) in [
            (0.7, 0.25, true),
            (0.7, 0.26, false),
            (0.85, 0.125, true),
            (0.85, 0.2, false),
            (0.95, 0.0, true),
            (0.95, 0.01, false),
        ] {
            let expected = if met { whole } else { [0; 8] };
            let found = mask(Some(Triplet { top, min_area }), 0.0);
            assert_eq!(found, expected, "{top} {min_area}");
        }
    }

    #[test]
    fn sure_pixels_count_before_small_regions_go() {
        // Above 0.4 there are 3 pixels, one of them in a region that is removed.
        let triplet = Triplet {
            top: 0.4,
            min_area: 0.375,
        };
        assert_eq!(mask(Some(triplet), 0.2), [0, 1, 1, 0, 0, 0, 0, 0]);
    }
}
