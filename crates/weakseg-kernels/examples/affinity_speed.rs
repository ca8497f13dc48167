//! Seconds of IRNet's losses of all pairs of pixels, forward and backward: one JSON line, as `cargo xtask bench
//! methods` reads it. Every map's label is a disc of one class in an unsure ring on background, as in
//! `xtask/peers/affinity.py`.
//!
//! `cargo run --release --workspace --example affinity_speed -- [BATCH] [RADIUS] [SIZE] [REPEAT]`; 8, 10, 128 and 3 by
//! default.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use weakseg_kernels::{PairLabels, PathIndex, pair_sums};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // On the pool's threads, as in the program.
    rayon::scope(|_| run());
}

fn run() {
    let given: Vec<usize> = std::env::args()
        .skip(1)
        .map(|text| text.parse().expect("whole numbers"))
        .collect();
    let number = |at: usize, default| given.get(at).copied().unwrap_or(default);
    let (batch, radius, size, repeat) = (number(0, 8), number(1, 10), number(2, 128), number(3, 3));
    let device = Device::flex().autodiff();
    let shape = [batch, size, size];
    let edge = Tensor::<3>::random(shape, Distribution::Uniform(0.0, 1.0), &device);
    let edge = edge.set_require_grad(true);
    let field = [batch, 2, size, size];
    let field = Tensor::<4>::random(field, Distribution::Uniform(-3.0, 3.0), &device);
    let field = field.set_require_grad(true);
    let label = |pixel: usize| {
        let [y, x] = [pixel / size % size, pixel % size].map(|at| at as f64 - size as f64 / 2.0);
        match y.hypot(x) / size as f64 {
            ..0.25 => 1,
            ..0.3 => 255,
            _ => 0,
        }
    };
    let labels: Vec<u8> = (0..batch * size * size).map(label).collect();
    let labels = PairLabels::new(&labels, shape, &PathIndex::new(radius));
    // As the loss weighs them: means of background, foreground and negative pairs, then of both axes of the first two.
    let [background, foreground, negative] = labels.counts().map(|count| count as f32);
    let weights = [
        0.25 / background,
        0.25 / foreground,
        0.5 / negative,
        0.25 / foreground,
        0.25 / background,
    ];
    let weights = Tensor::<1>::from_floats(weights, &device);
    let mut best = f64::INFINITY;
    // Once more than counts, to warm up.
    for _ in 0..=repeat {
        let began = Instant::now();
        let sums = pair_sums(edge.clone(), field.clone(), &labels);
        drop((sums * weights.clone()).sum().backward());
        best = best.min(began.elapsed().as_secs_f64());
    }
    println!("{{\"seconds\": {best:.4}}}");
}
