//! Seconds of the affinities of all pairs of pixels, forward and backward of their mean: one JSON line, as
//! `cargo xtask bench methods` reads it.
//!
//! `cargo run --release --workspace --example affinity_speed -- [BATCH] [RADIUS] [SIZE] [REPEAT]`; 8, 10, 128 and 3 by
//! default.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use weakseg_kernels::{PathIndex, path_affinity};

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
    let paths = PathIndex::new(radius);
    let mut best = f64::INFINITY;
    // Once more than counts, to warm up.
    for _ in 0..=repeat {
        let began = Instant::now();
        let affinity = path_affinity(edge.clone(), &paths);
        drop(affinity.mean().backward());
        best = best.min(began.elapsed().as_secs_f64());
    }
    println!("{{\"seconds\": {best:.4}}}");
}
