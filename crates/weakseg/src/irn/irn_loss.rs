//! IRNet's losses (reference §4.4; Ahn, Cho and Kwak 2019, eq. 3 to 7).

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use weakseg_kernels::{PairLabels, pair_sums};

/// In denominators; [`pair_sums`] has the same in logarithms.
const EPSILON: f64 = 1e-5;

/// The terms of the loss, each `[1]`.
#[derive(Debug, Clone)]
pub struct IrnLoss {
    /// What is minimised: `affinity + displacement`.
    pub total: Tensor<1>,
    /// (½·positive_background + ½·positive_foreground + negative) / 2.
    pub affinity: Tensor<1>,
    /// (displacement_foreground + displacement_background) / 2.
    pub displacement: Tensor<1>,
    /// Mean of −log affinity over background pairs.
    pub positive_background: Tensor<1>,
    /// Mean of −log affinity over pairs of one class.
    pub positive_foreground: Tensor<1>,
    /// Mean of −log (1 − affinity) over pairs of two classes.
    pub negative: Tensor<1>,
    /// Mean of |D(source) − D(destination) − (dy, dx)| over pairs of one class: pixels of an object point to one
    /// centre.
    pub displacement_foreground: Tensor<1>,
    /// Mean of |D(source) − D(destination)| over background pairs: the background moves as one.
    pub displacement_background: Tensor<1>,
}

/// The loss of a batch.
///
/// `edge` is `[B, 1, h, w]`, *logits* of a class boundary; `displacement` is `[B, 2, h, w]`, (dy, dx) in cells; `pairs`
/// are the labels of the same grid. Every mean is over the pairs of the whole batch, with 1e-5 beside their number, so
/// a kind of pair that does not occur costs 0.
///
/// # Panics
/// If `pairs` was made for another grid.
pub fn irn_loss(edge: Tensor<4>, displacement: Tensor<4>, pairs: &PairLabels) -> IrnLoss {
    let [batch, _, height, width] = edge.dims();
    let edge = sigmoid(edge).reshape([batch, height, width]);
    let sums = pair_sums(edge, displacement, pairs);
    let [background, foreground, negatives] = pairs.counts().map(|n| n as f64);
    let mean = |sum: usize, count: f64| sums.clone().narrow(0, sum, 1) / (count + EPSILON);
    let positive_background = mean(0, background);
    let positive_foreground = mean(1, foreground);
    let negative = mean(2, negatives);
    let affinity =
        (positive_background.clone() * 0.5 + positive_foreground.clone() * 0.5 + negative.clone())
            * 0.5;
    // Both axes of every pair.
    let displacement_foreground = mean(3, 2.0 * foreground);
    let displacement_background = mean(4, 2.0 * background);
    let displacement = (displacement_foreground.clone() + displacement_background.clone()) * 0.5;
    IrnLoss {
        total: affinity.clone() + displacement.clone(),
        affinity,
        displacement,
        positive_background,
        positive_foreground,
        negative,
        displacement_foreground,
        displacement_background,
    }
}

#[cfg(test)]
mod tests {
    use super::super::pair_labels::pair_labels;
    use super::*;
    use burn::tensor::{Device, TensorData};
    use weakseg_data::Stack;
    use weakseg_kernels::PathIndex;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &device())
    }

    fn logit(p: f32) -> f32 {
        (p / (1.0 - p)).ln()
    }

    fn number(t: &Tensor<1>) -> f32 {
        t.clone().into_scalar()
    }

    /// Of a 2 × 3 grid radius 2 has one source, (0, 1), and four directions.
    fn small() -> (PathIndex, PairLabels, Vec<f32>, Vec<f32>) {
        let paths = PathIndex::new(2);
        // (0,1) is class 1; right of it 1, below it 1, below right 0, below left unsure
        let labels = Stack::new(1, 2, 3, vec![0, 1, 1, 255, 1, 0]).unwrap();
        let pairs = pair_labels(&[labels], 2, 3, &paths);
        let edges = [0.9f32, 0.1, 0.3, 0.8, 0.2, 0.6].map(logit).to_vec();
        let field = vec![
            0.0, 0.5, 0.25, 0.0, -0.5, 1.0, /* dx */ 0.0, 1.0, -0.5, 0.0, 2.0, 0.0,
        ];
        (paths, pairs, edges, field)
    }

    #[test]
    fn one_source_by_hand() {
        let (_, pairs, edges, field) = small();
        assert_eq!(pairs.counts(), [0, 2, 1]);
        let loss = irn_loss(
            tensor(&edges, [1, 1, 2, 3]),
            tensor(&field, [1, 2, 2, 3]),
            &pairs,
        );
        // Affinities are one minus the greatest edge of a path; a diagonal of radius 2 has all four cells of its
        // square. right: cells .1 .3 -> .7; below: .1 .2 -> .8; below right: .1 .3 .2 .6 -> .4
        let eps = 1e-5f32;
        let foreground = (-(0.7 + eps).ln() - (0.8 + eps).ln()) / (2.0 + eps);
        let negative = -(1.0 + eps - 0.4f32).ln() / (1.0 + eps);
        // D(source) = (.5, 1). right: (.25, 1.5) against (0, 1) -> .25 + .5; below: (1, −1) against (1, 0) -> 0 + 1
        let moved = (0.75 + 1.0) / (4.0 + eps);
        for (name, ours, wanted) in [
            ("positive background", &loss.positive_background, 0.0),
            ("positive foreground", &loss.positive_foreground, foreground),
            ("negative", &loss.negative, negative),
            (
                "displacement foreground",
                &loss.displacement_foreground,
                moved,
            ),
            (
                "displacement background",
                &loss.displacement_background,
                0.0,
            ),
            (
                "affinity",
                &loss.affinity,
                (0.5 * foreground + negative) / 2.0,
            ),
            ("displacement", &loss.displacement, moved / 2.0),
            (
                "total",
                &loss.total,
                (0.5 * foreground + negative + moved) / 2.0,
            ),
        ] {
            assert!(
                (number(ours) - wanted).abs() < 2e-6,
                "{name}: {} instead of {wanted}",
                number(ours)
            );
        }
    }

    #[test]
    fn background_pairs_by_hand() {
        let (paths, _, edges, field) = small();
        let pairs = pair_labels(&[Stack::filled(1, 2, 3, 0)], 2, 3, &paths);
        assert_eq!(pairs.counts(), [4, 0, 0]);
        let loss = irn_loss(
            tensor(&edges, [1, 1, 2, 3]),
            tensor(&field, [1, 2, 2, 3]),
            &pairs,
        );
        // below left: .9 .1 .8 .2 -> .1
        let wanted: f32 = [0.7f32, 0.8, 0.4, 0.1]
            .iter()
            .map(|a| -(a + 1e-5).ln())
            .sum::<f32>()
            / 4.0;
        assert!((number(&loss.positive_background) - wanted).abs() < 1e-5);
        // |.25| + |1.5|, |1| + |−1|, |−.5| + |1|, |.5| + |1|
        let wanted = (1.75 + 2.0 + 1.5 + 1.5) / 8.0;
        assert!((number(&loss.displacement_background) - wanted).abs() < 1e-5);
        assert_eq!(number(&loss.negative), 0.0);
    }

    #[test]
    fn unsure_batches_cost_nothing() {
        let (paths, _, edges, field) = small();
        let pairs = pair_labels(&[Stack::filled(1, 2, 3, 255)], 2, 3, &paths);
        let edge = tensor(&edges, [1, 1, 2, 3]).require_grad();
        let loss = irn_loss(edge.clone(), tensor(&field, [1, 2, 2, 3]), &pairs);
        assert_eq!(number(&loss.total), 0.0);
        let gradient = edge.grad(&loss.total.backward()).unwrap();
        assert!(
            gradient
                .into_data()
                .try_to_vec::<f32>()
                .unwrap()
                .iter()
                .all(|g| *g == 0.0)
        );
    }

    #[test]
    fn gradient_equals_finite_differences() {
        let paths = PathIndex::new(3);
        let label: Vec<u8> = (0..48u32)
            .map(|i| [0, 1, 1, 255, 2][(i * 7 / 3 % 5) as usize])
            .collect();
        let pairs = pair_labels(&[Stack::new(1, 6, 8, label).unwrap()], 6, 8, &paths);
        assert!(
            pairs.counts().iter().all(|&n| n > 0),
            "{:?}",
            pairs.counts()
        );
        let edges: Vec<f32> = (0..48).map(|i| (i as f32 * 1.7).sin() * 1.5).collect();
        let field: Vec<f32> = (0..96).map(|i| (i as f32 * 0.9).cos() * 1.3).collect();
        let total = |edges: &[f32], field: &[f32]| {
            irn_loss(
                tensor(edges, [1, 1, 6, 8]),
                tensor(field, [1, 2, 6, 8]),
                &pairs,
            )
            .total
        };
        let (edge, displacement) = (
            tensor(&edges, [1, 1, 6, 8]).require_grad(),
            tensor(&field, [1, 2, 6, 8]).require_grad(),
        );
        let gradients = irn_loss(edge.clone(), displacement.clone(), &pairs)
            .total
            .backward();
        let by_edge: Vec<f32> = edge
            .grad(&gradients)
            .unwrap()
            .into_data()
            .try_to_vec()
            .unwrap();
        let by_field: Vec<f32> = displacement
            .grad(&gradients)
            .unwrap()
            .into_data()
            .try_to_vec()
            .unwrap();
        let moved = |values: &[f32], i: usize, by: f32| {
            let mut values = values.to_vec();
            values[i] += by;
            values
        };
        let check = |what: &str, gradient: &[f32], at: &dyn Fn(usize, f32) -> Tensor<1>| {
            let step = 4e-3f32;
            for (i, ours) in gradient.iter().enumerate() {
                let wanted = (number(&at(i, step)) - number(&at(i, -step))) / (2.0 * step);
                assert!(
                    (ours - wanted).abs() < 2e-3,
                    "{what} {i}: {ours} instead of {wanted}"
                );
            }
        };
        check("edge", &by_edge, &|i, by| {
            total(&moved(&edges, i, by), &field)
        });
        check("displacement", &by_field, &|i, by| {
            total(&edges, &moved(&field, i, by))
        });
    }
}
