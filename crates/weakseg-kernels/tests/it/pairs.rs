//! Sums over pairs against their definition and the backend's own operations.

use burn::tensor::{DType, Device, Tensor, TensorData};
use weakseg_kernels::{PairKind, PairLabels, PathIndex, pair_sums};

use crate::{numbers, relative_error, values};

const SUMS: usize = 5;

/// Each term in f32, their sums in f64.
const DEFINITION: f64 = 2e-6;
/// The same of gradients, beside f64's; relative to the greatest.
const BODIES: f32 = 3e-6;
/// Beside quotients of differences, in which f64's sums cancel to about ten digits.
const DIFFERENCES: f32 = 1e-5;

/// Other ones for each sum.
const FACTORS: [f32; SUMS] = [0.5, -0.75, 2.0, 0.25, 1.5];

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
        let factors = TensorData::new(FACTORS.to_vec(), [SUMS]);
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

/// The definition, pair by pair, of edges and displacements in f64.
fn definition(edge: &[f64], field: &[f64], labels: &PairLabels) -> [f64; SUMS] {
    let ([_, height, width], paths) = (labels.shape(), labels.paths());
    let pixels = height * width;
    let sources = paths.sources(height, width);
    let pairs = sources.len() * paths.directions().len();
    let source_pixels = sources.pixels();
    let mut sums = [0.0; SUMS];
    for (at, kind) in labels.kinds().into_iter().enumerate() {
        let (image, number) = (at / pairs, at % pairs / sources.len());
        let (direction, path) = (paths.directions()[number], &paths.paths()[number]);
        let source = source_pixels[at % sources.len()];
        let cell = |cell: [isize; 2]| source.wrapping_add_signed(sources.offset(cell));
        let edges = path.iter().map(|to| edge[image * pixels + cell(*to)]);
        let affinity = 1.0 - edges.fold(f64::MIN, f64::max);
        let near = -(affinity + 1e-5).ln();
        let moved = [0, 1].map(|axis| {
            let plane = &field[(2 * image + axis) * pixels..];
            plane[source] - plane[cell(direction)]
        });
        match kind {
            PairKind::Background => {
                sums[0] += near;
                sums[4] += moved[0].abs() + moved[1].abs();
            }
            PairKind::Foreground => {
                sums[1] += near;
                let off = |axis: usize| (moved[axis] - direction[axis] as f64).abs();
                sums[3] += off(0) + off(1);
            }
            PairKind::Negative => sums[2] -= (1.0 + 1e-5 - affinity).ln(),
            PairKind::Unsure => {}
        }
    }
    sums
}

fn f64s<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    values(tensor).into_iter().map(f64::from).collect()
}

#[test]
fn equals_the_definition() {
    let device = crate::device();
    for (shape, radius) in CASES {
        let case = Case::of(shape, radius, &device);
        let expected = definition(&f64s(&case.edge), &f64s(&case.displacement), &case.labels);
        assert!(expected.iter().all(|sum| *sum > 0.0), "{expected:?}");
        let sums = values(&pair_sums(case.edge, case.displacement, &case.labels));
        for (found, expected) in sums.iter().zip(expected) {
            let error = (f64::from(*found) - expected).abs() / expected;
            assert!(
                error <= DEFINITION,
                "{sums:?} and {expected:?} of {shape:?}"
            );
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let case = Case::of([2, 9, 13], 4, &crate::device().autodiff());
    let [_, of_edge, of_field] = case.run(DType::F32);
    let (edge, field) = (f64s(&case.edge), f64s(&case.displacement));
    let loss = |edge: &[f64], field: &[f64]| -> f64 {
        let sums = definition(edge, field, &case.labels).into_iter();
        sums.zip(FACTORS).map(|(sum, f)| sum * f64::from(f)).sum()
    };
    // Below the smallest gap between two edges, and between a displacement and where its loss has a kink.
    let step = 1e-6;
    let differences = |count: usize, loss: &dyn Fn(usize, f64) -> f64| -> Vec<f32> {
        let slope = |at| (loss(at, step) - loss(at, -step)) / (2.0 * step);
        (0..count).map(|at| slope(at) as f32).collect()
    };
    let moved = |values: &[f64], at: usize, by: f64| {
        let mut values = values.to_vec();
        values[at] += by;
        values
    };
    let expected = differences(edge.len(), &|at, by| loss(&moved(&edge, at, by), &field));
    assert!(relative_error(&of_edge, &expected) <= DIFFERENCES);
    let expected = differences(field.len(), &|at, by| loss(&edge, &moved(&field, at, by)));
    assert!(relative_error(&of_field, &expected) <= DIFFERENCES);
}

#[test]
fn ties_go_to_the_first_cell_of_the_path() {
    let device = crate::device().autodiff();
    for dtype in [DType::F32, DType::F64] {
        let labels = PairLabels::new(&[0; 6], [1, 2, 3], &PathIndex::new(2));
        let edge = Tensor::<3>::full([1, 2, 3], 0.5, &device).cast(dtype);
        let edge = edge.detach().require_grad();
        let field = Tensor::<4>::zeros([1, 2, 2, 3], &device).cast(dtype);
        let sums = pair_sums(edge.clone(), field, &labels).sum();
        let gradient = edge.grad(&sums.backward()).expect("gradient");
        // The only source is (0, 1); its four destinations take one pair each.
        let one = 1.0 / (0.5f32 + 1e-5);
        let gradient = values(&gradient.cast(DType::F32));
        let expected = [0.0, 0.0, one, one, one, one];
        assert!(relative_error(&gradient, &expected) <= BODIES, "{dtype:?}");
    }
}

/// Wherever it lies on a path, and in the sums of its pairs alone.
#[test]
fn an_edge_that_is_no_number_makes_the_sums_of_its_pairs_none() {
    let device = crate::device().autodiff();
    let paths = PathIndex::new(4);
    let (height, width) = (7, 12);
    let at = 3 * width + 5;
    for dtype in [DType::F32, DType::F64] {
        for (label, sum) in [(0, 0), (1, 1)] {
            let labels = vec![label; height * width];
            let labels = PairLabels::new(&labels, [1, height, width], &paths);
            let mut edge = vec![0.5f32; height * width];
            edge[at] = f32::NAN;
            let edge = TensorData::new(edge, [1, height, width]);
            let edge = Tensor::<3>::from_data(edge, &device).cast(dtype).detach();
            let edge = edge.require_grad();
            let field = Tensor::<4>::zeros([1, 2, height, width], &device).cast(dtype);
            let sums = pair_sums(edge.clone(), field, &labels);
            let found = values(&sums.clone().cast(DType::F32));
            let none: Vec<usize> = (0..SUMS).filter(|sum| found[*sum].is_nan()).collect();
            assert_eq!(none, [sum], "{dtype:?}: {found:?}");
            // Every pair whose path meets the cell is lost in it, and no other.
            let gradient = edge.grad(&sums.sum().backward()).expect("gradient");
            let gradient = values(&gradient.cast(DType::F32));
            let lost: Vec<usize> = (0..gradient.len())
                .filter(|p| gradient[*p].is_nan())
                .collect();
            assert_eq!(lost, [at], "{dtype:?}");
        }
    }
}

#[test]
fn a_gradient_stays_with_the_pairs_of_its_sum() {
    let device = crate::device().autodiff();
    let case = Case::of([1, 7, 12], 4, &device);
    let background = PairLabels::new(&[0; 84], [1, 7, 12], &PathIndex::new(4));
    for dtype in [DType::F32, DType::F64] {
        let edge = case.edge.clone().cast(dtype).detach().require_grad();
        let field = case.displacement.clone().cast(dtype).detach();
        let field = field.require_grad();
        let sums = pair_sums(edge.clone(), field.clone(), &background);
        let factors = [1.0, f32::NAN, f32::INFINITY, f32::NAN, 1.0];
        let factors = Tensor::<1>::from_floats(factors, &device).cast(dtype);
        let grads = (sums * factors).sum().backward();
        let of_edge = values(&edge.grad(&grads).expect("gradient").cast(DType::F32));
        let of_field = values(&field.grad(&grads).expect("gradient").cast(DType::F32));
        let finite = of_edge.iter().chain(&of_field).all(|g| g.is_finite());
        assert!(finite, "{dtype:?}");
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
            assert!(error <= BODIES, "{what} of {shape:?}: {error}");
            assert!(default.iter().any(|value| *value != 0.0));
        }
    }
}

/// Edges of 0 and 1 alone: the affinities of a product of thousands are all 0, or what is left of them to 1.
/// As many images, cells and directions as a training step has: a device may take other ways than for few.
#[test]
fn a_training_step_has_the_cpus_sums_and_gradients() {
    let case = |device: Device| Case::of([16, 32, 32], 5, &device.autodiff()).run(DType::F32);
    let [sums, edge, displacement] = case(crate::device());
    let [cpu_sums, cpu_edge, cpu_displacement] = case(Device::flex());
    assert!(relative_error(&sums, &cpu_sums) <= BODIES);
    assert!(relative_error(&edge, &cpu_edge) <= BODIES);
    assert!(relative_error(&displacement, &cpu_displacement) <= BODIES);
}

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
    let factors = Tensor::from_floats(FACTORS, &sums.device());
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
