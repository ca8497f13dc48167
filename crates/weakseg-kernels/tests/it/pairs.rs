//! Sums over pairs against their definition and the backend's own operations.

use burn::tensor::{DType, Device, Tensor, TensorData};
use weakseg_kernels::{PairKind, PairLabels, PathIndex, pair_sums, path_affinity};

use crate::{numbers, relative_error, values};

const SUMS: usize = 5;

/// Edges between 0.05 and 0.95, displacements between -3 and 3, some of them whole numbers, and labels of every kind.
struct Case {
    edge: Tensor<3>,
    displacement: Tensor<4>,
    labels: PairLabels,
}

impl Case {
    fn of([batch, height, width]: [usize; 3], radius: usize, device: &Device) -> Self {
        let count = batch * height * width;
        let edge: Vec<f32> = numbers(count, 5).iter().map(|v| 0.5 + 0.45 * v).collect();
        let field: Vec<f32> = (numbers(2 * count, 6).iter().enumerate())
            .map(|(at, v)| {
                if at % 3 == 0 {
                    (3.0 * v).round()
                } else {
                    3.0 * v
                }
            })
            .collect();
        let labels: Vec<u8> = (0..count)
            .map(|at| [0, 0, 1, 1, 255, 2, 0][at * 5 / 4 % 7])
            .collect();
        Self {
            edge: Tensor::from_data(TensorData::new(edge, [batch, height, width]), device),
            displacement: Tensor::from_data(
                TensorData::new(field, [batch, 2, height, width]),
                device,
            ),
            labels: PairLabels::new(&labels, [batch, height, width], &PathIndex::new(radius)),
        }
    }

    /// The sums and the gradients of the edges and displacements, with other factors for each sum.
    fn run(&self, dtype: DType) -> [Vec<f32>; 3] {
        let edge = self.edge.clone().cast(dtype).detach().require_grad();
        let displacement = self
            .displacement
            .clone()
            .cast(dtype)
            .detach()
            .require_grad();
        let sums = pair_sums(edge.clone(), displacement.clone(), &self.labels);
        let factors = TensorData::new(vec![0.5f32, -0.75, 2.0, 0.25, 1.5], [SUMS]);
        let factors = Tensor::<1>::from_data(factors, &sums.device()).cast(dtype);
        let grads = (sums.clone() * factors).sum().backward();
        [
            values(&sums.cast(DType::F32)),
            values(&edge.grad(&grads).expect("gradient").cast(DType::F32)),
            values(
                &displacement
                    .grad(&grads)
                    .expect("gradient")
                    .cast(DType::F32),
            ),
        ]
    }
}

/// Wide, narrow and single pairs; more directions than a task takes; a map with a single row of sources.
const CASES: [([usize; 3], usize); 4] = [
    ([2, 9, 60], 4),
    ([1, 12, 31], 6),
    ([3, 7, 11], 3),
    ([1, 10, 27], 10),
];

#[test]
fn equals_the_definition() {
    let device = crate::device();
    for (shape, radius) in CASES {
        let case = Case::of(shape, radius, &device);
        let [_, height, width] = shape;
        let paths = case.labels.paths();
        let sources = paths.sources(height, width);
        let affinity = values(&path_affinity(case.edge.clone(), paths));
        let field = values(&case.displacement);
        let mut expected = [0.0f64; SUMS];
        let pairs = sources.len() * paths.directions().len();
        for (at, kind) in case.labels.kinds().into_iter().enumerate() {
            let (image, direction) = (at / pairs, paths.directions()[at % pairs / sources.len()]);
            let source = sources.pixels()[at % sources.len()];
            let affinity = f64::from(affinity[at]);
            let near = -(affinity + 1e-5).ln();
            let moved = [0, 1].map(|axis| {
                let plane = &field[(2 * image + axis) * height * width..];
                let to = source.wrapping_add_signed(sources.offset(direction));
                f64::from(plane[source]) - f64::from(plane[to])
            });
            match kind {
                PairKind::Background => {
                    expected[0] += near;
                    expected[4] += moved[0].abs() + moved[1].abs();
                }
                PairKind::Foreground => {
                    expected[1] += near;
                    let off = |axis: usize| (moved[axis] - direction[axis] as f64).abs();
                    expected[3] += off(0) + off(1);
                }
                PairKind::Negative => expected[2] -= (1.0 + 1e-5 - affinity).ln(),
                PairKind::Unsure => {}
            }
        }
        assert!(expected.iter().all(|sum| *sum > 0.0), "{expected:?}");
        let sums = values(&pair_sums(case.edge, case.displacement, &case.labels));
        for (found, expected) in sums.iter().zip(expected) {
            let error = (f64::from(*found) - expected).abs() / expected;
            assert!(error <= 2e-6, "{sums:?} and {expected:?} of {shape:?}");
        }
    }
}

/// The body made of the backend's operations, which f64 takes.
#[test]
fn the_default_body_gives_the_same() {
    let device = crate::device().autodiff();
    for (shape, radius) in CASES {
        let case = Case::of(shape, radius, &device);
        let (fused, default) = (case.run(DType::F32), case.run(DType::F64));
        for (what, (fused, default)) in ["sums", "edge", "displacement"]
            .into_iter()
            .zip(fused.iter().zip(&default))
        {
            let error = relative_error(fused, default);
            assert!(error <= 3e-6, "{what} of {shape:?}: {error}");
            assert!(default.iter().any(|value| *value != 0.0));
        }
    }
}

/// Edges of 0 and 1 alone: the affinities of a product of thousands are all 0, or what is left of them to 1.
#[test]
fn the_greatest_and_least_edges_have_finite_logarithms() {
    let device = crate::device();
    let (shape, paths) = ([1, 40, 1200], PathIndex::new(3));
    let cells = 40 * 1200;
    for (edge, label, sum) in [(1.0, [0, 0], 0), (1.0, [254, 254], 1), (0.0, [0, 254], 2)] {
        let labels: Vec<u8> = (0..cells)
            .map(|at| label[(at / 1200 + at % 1200) % 2])
            .collect();
        let labels = PairLabels::new(&labels, shape, &paths);
        let kind = [
            PairKind::Background,
            PairKind::Foreground,
            PairKind::Negative,
        ][sum];
        let count = labels.kinds().into_iter().filter(|k| *k == kind).count();
        assert_eq!(count as u64, labels.counts()[sum]);
        let maps = (
            Tensor::<3>::full(shape, edge, &device),
            Tensor::<4>::zeros([1, 2, 40, 1200], &device),
        );
        let found = values(&pair_sums(maps.0, maps.1, &labels))[sum];
        // 1 + 1e-5 - 1 in f32 is 1.001358e-5.
        let each = f64::from(match sum {
            2 => (1.0f32 + 1e-5) - 1.0,
            _ => 1e-5f32,
        });
        let expected = -each.ln() * count as f64;
        let error = (f64::from(found) - expected).abs() / expected;
        assert!(count > 100_000 && error < 1e-6, "{found} and {expected}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let device = crate::device().autodiff();
    let case = Case::of([2, 9, 60], 6, &device);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a thread pool")
            .install(|| case.run(DType::F32))
    };
    let one = run(1);
    assert_eq!(run(2), one);
    assert_eq!(run(5), one);
}

#[test]
fn no_pairs_are_zeros_with_a_gradient() {
    for side in [3, 4, 6] {
        no_pairs_of(side);
    }
}

/// A map of which no pixel is a source of radius 4.
fn no_pairs_of(side: usize) {
    let device = crate::device().autodiff();
    let case = Case::of([2, side, side], 4, &device);
    assert_eq!(case.labels.counts(), [0; 3]);
    let [sums, edge, displacement] = case.run(DType::F32);
    assert_eq!(sums, [0.0; SUMS]);
    assert!(
        edge.iter()
            .chain(&displacement)
            .all(|gradient| *gradient == 0.0)
    );
}

#[test]
fn one_map_alone_gets_its_gradient() {
    let device = crate::device().autodiff();
    let case = Case::of([1, 8, 20], 3, &device);
    let [_, expected, _] = case.run(DType::F32);
    let edge = case.edge.clone().detach().require_grad();
    let sums = pair_sums(
        edge.clone(),
        case.displacement.clone().detach(),
        &case.labels,
    );
    let factors = Tensor::from_floats([0.5, -0.75, 2.0, 0.25, 1.5], &sums.device());
    let grads = (sums * factors).sum().backward();
    assert_eq!(values(&edge.grad(&grads).expect("gradient")), expected);
}

#[test]
#[should_panic(expected = "pair_sums")]
fn maps_are_those_of_the_labels() {
    let device = crate::device();
    let case = Case::of([1, 8, 20], 3, &device);
    let other = Case::of([1, 8, 21], 3, &device);
    let _ = pair_sums(other.edge, other.displacement, &case.labels);
}
