//! Bootstrap confidence intervals over images.

use super::{Confusion, InstanceScores, LabelScores};
use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// A two-sided interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Percentile bootstrap: images are drawn again with replacement, as often as there are images, and the figure is
/// computed anew for each draw; the interval spans the middle `level` of the results (Efron & Tibshirani 1993, §13.3).
///
/// It says how much the figure would move with other images of the same kind, not how it would move with another
/// training run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Number of draws.
    pub draws: usize,
    /// Coverage, in `0.0..1.0`.
    pub level: f64,
    /// Seed; the same seed gives the same interval on any machine and with any number of threads.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 1000 draws, 95 %, seed 0.
    fn default() -> Self {
        Self {
            draws: 1000,
            level: 0.95,
            seed: 0,
        }
    }
}

impl Bootstrap {
    /// Interval of any statistic of `n` images: `statistic` is given the drawn image indices, each below `n`.
    ///
    /// Draws in which the statistic is undefined (or not finite) are left out. `None` for fewer than two images, as one
    /// image says nothing about others, or where fewer than half the draws are defined.
    pub fn interval(
        &self,
        n: usize,
        mut statistic: impl FnMut(&[usize]) -> Option<f64>,
    ) -> Option<Interval> {
        if n < 2 || self.draws == 0 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut rows = vec![0usize; n];
        let mut values = Vec::with_capacity(self.draws);
        for _ in 0..self.draws {
            for row in &mut rows {
                // Multiply-shift: independent of the rand crate's sampling code, so intervals do not move with it.
                *row = ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize;
            }
            values.extend(statistic(&rows).filter(|v| v.is_finite()));
        }
        if values.len() * 2 < self.draws {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let tail = (1.0 - self.level.clamp(0.0, 1.0)) / 2.0;
        Some(Interval {
            low: percentile(&values, tail),
            high: percentile(&values, 1.0 - tail),
        })
    }

    /// Interval of the mean of all values of the images, of which one may have several or none: findings of an image go
    /// together. Drawn are the images with a value.
    pub fn of_mean(&self, images: &[Vec<f64>]) -> Option<Interval> {
        let sums: Vec<(f64, usize)> = images
            .iter()
            .filter(|values| !values.is_empty())
            .map(|values| (values.iter().sum(), values.len()))
            .collect();
        self.interval(sums.len(), |rows| {
            let (sum, count) = rows.iter().fold((0.0, 0), |(sum, count), &row| {
                (sum + sums[row].0, count + sums[row].1)
            });
            Some(sum / count as f64)
        })
    }

    /// Interval of the mean IoU over a set, by drawing the images' confusion matrices (all of one class count).
    pub fn of_mean_iou(&self, images: &[Confusion]) -> Option<Interval> {
        let classes = images.first()?.classes();
        self.interval(images.len(), |rows| {
            let mut all = Confusion::new(classes);
            rows.iter().try_for_each(|&r| all.merge(&images[r])).ok()?;
            all.mean_iou()
        })
    }

    /// Interval of the mean average precision, by drawing the images of the scores.
    pub fn of_average_precision(&self, scores: &InstanceScores) -> Option<Interval> {
        self.interval(scores.images(), |rows| scores.mean_of_images(rows))
    }

    /// Interval of a classification figure, by drawing the images of the table.
    pub fn of_labels(
        &self,
        scores: &LabelScores,
        figure: impl Fn(&LabelScores) -> Option<f64>,
    ) -> Option<Interval> {
        self.interval(scores.len(), |rows| figure(&scores.select(rows)))
    }
}

/// Percentile `q` (`0.0..=1.0`) of sorted, non-empty values, linear between neighbours.
pub(crate) fn percentile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::super::mean;
    use super::*;

    /// One value an image.
    fn alone(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|&value| vec![value]).collect()
    }

    #[test]
    fn percentiles_are_linear() {
        assert_eq!(percentile(&[0.0, 10.0], 0.25), 2.5);
        assert_eq!(percentile(&[1.0, 2.0, 3.0], 1.0), 3.0);
        assert_eq!(percentile(&[4.0], 0.3), 4.0);
    }

    #[test]
    fn fewer_than_two_images_have_no_interval() {
        let b = Bootstrap::default();
        assert_eq!(b.of_mean(&[]), None);
        assert_eq!(b.of_mean(&alone(&[0.5])), None);
        assert_eq!(b.of_mean_iou(&[]), None);
        assert_eq!(b.interval(5, |_| None), None);
        assert_eq!(b.interval(5, |_| Some(f64::NAN)), None);
    }

    #[test]
    fn equal_values_have_a_point() {
        assert_eq!(
            Bootstrap::default().of_mean(&alone(&[0.25; 9])),
            Some(Interval {
                low: 0.25,
                high: 0.25
            })
        );
    }

    #[test]
    fn a_mean_lies_in_its_interval() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for images in 2..40 {
            let values: Vec<f64> = (0..images)
                .map(|_| f64::from(rng.next_u32() % 101) / 100.0)
                .collect();
            let interval = Bootstrap::default().of_mean(&alone(&values)).unwrap();
            let value = mean(values).unwrap();
            assert!((interval.low..=interval.high).contains(&value), "{images}");
            assert!(interval.low >= 0.0 && interval.high <= 1.0);
        }
    }

    /// Two equal findings an image say no more than one: as if there were twice the images the interval would be
    /// narrower.
    #[test]
    fn values_of_an_image_are_drawn_together() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let bootstrap = Bootstrap::default();
        let one = bootstrap.of_mean(&alone(&values));
        let twice: Vec<Vec<f64>> = values.iter().map(|&value| vec![value; 2]).collect();
        assert_eq!(bootstrap.of_mean(&twice), one);
        let among = [alone(&values), vec![Vec::new(); 50]].concat();
        assert_eq!(bootstrap.of_mean(&among), one);
        let pairs = bootstrap.of_mean(&alone(&values.repeat(2)));
        let width = |interval: Option<Interval>| interval.map(|i| i.high - i.low).unwrap();
        assert!(width(pairs) < 0.8 * width(one), "{pairs:?} {one:?}");
        assert_eq!(bootstrap.of_mean(&[vec![0.1, 0.9], vec![]]), None);
    }

    #[test]
    fn the_seed_decides() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i) / 39.0).collect();
        let of = |seed| {
            Bootstrap {
                seed,
                ..Bootstrap::default()
            }
            .of_mean(&alone(&values))
            .unwrap()
        };
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }

    /// The mean of n draws from a population of variance v has standard error sqrt(v/n): 1.96 of it either side.
    #[test]
    fn width_agrees_with_the_normal_approximation() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let i = Bootstrap {
            draws: 4000,
            ..Bootstrap::default()
        }
        .of_mean(&alone(&values))
        .unwrap();
        let half = 1.96 * (0.25f64 / 400.0).sqrt();
        assert!(
            (i.low - (0.5 - half)).abs() < 0.005 && (i.high - (0.5 + half)).abs() < 0.005,
            "{i:?}"
        );
    }

    #[test]
    fn mean_iou_is_drawn_by_image() {
        let mut right = Confusion::new(2);
        right.add(&[0, 1], &[0, 1]).unwrap();
        let mut wrong = Confusion::new(2);
        wrong.add(&[0, 1], &[1, 0]).unwrap();
        let b = Bootstrap::default();
        assert_eq!(
            b.of_mean_iou(&[right.clone(), right.clone()]),
            Some(Interval {
                low: 1.0,
                high: 1.0
            })
        );
        // Two images: a draw is (r,r), (r,w) or (w,w): mIoU 1, 1/3, 0, so the interval spans all.
        assert_eq!(
            b.of_mean_iou(&[right, wrong]),
            Some(Interval {
                low: 0.0,
                high: 1.0
            })
        );
    }

    #[test]
    fn labels_are_drawn_by_image() {
        let mut s = LabelScores::new(1);
        for i in 0..30 {
            s.push(&[i as f32 / 30.0], &[i >= 15]).unwrap();
        }
        assert_eq!(
            Bootstrap::default().of_labels(&s, |s| s.auroc(0)),
            Some(Interval {
                low: 1.0,
                high: 1.0
            })
        );
    }
}
