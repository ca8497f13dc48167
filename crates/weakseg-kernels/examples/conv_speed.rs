//! GFLOP/s of the three passes of convolutions, as the networks call them.
//!
//! `cargo run --release --workspace --example conv_speed -- [FILTER] [bf16]`; a filter is part of a row's name, with `bf16` the
//! operands are rounded.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use weakseg_kernels::{ConvOptions, conv2d};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Name; images, inputs, outputs, height and width; kernel; options.
type Row = (&'static str, [usize; 4], usize, ConvOptions);

fn rows() -> Vec<Row> {
    let same = ConvOptions::same;
    let grouped = |stride| same(3, 1).with_groups(32).with_stride(stride);
    vec![
        ("stem 7x7/2", [4, 3, 64, 224], 7, same(7, 1).with_stride(2)),
        ("vgg 3->64 @224", [4, 3, 64, 224], 3, same(3, 1)),
        ("vgg 64->64 @224", [4, 64, 64, 224], 3, same(3, 1)),
        ("vgg 128->128 @112", [4, 128, 128, 112], 3, same(3, 1)),
        ("vgg 256->256 @56", [4, 256, 256, 56], 3, same(3, 1)),
        ("vgg 512->512 @28", [4, 512, 512, 28], 3, same(3, 1)),
        ("vgg 512->512 @14", [4, 512, 512, 14], 3, same(3, 1)),
        ("3x3 64->64 @56", [4, 64, 64, 56], 3, same(3, 1)),
        ("3x3 128->128 @28", [4, 128, 128, 28], 3, same(3, 1)),
        ("3x3 256->256 @14", [4, 256, 256, 14], 3, same(3, 1)),
        ("3x3 512->512 @7", [4, 512, 512, 7], 3, same(3, 1)),
        (
            "3x3/2 128->128 @56",
            [4, 128, 128, 56],
            3,
            same(3, 1).with_stride(2),
        ),
        (
            "3x3/2 512->512 @14",
            [4, 512, 512, 14],
            3,
            same(3, 1).with_stride(2),
        ),
        ("3x3 d2 256->256 @28", [4, 256, 256, 28], 3, same(3, 2)),
        ("3x3 d4 512->512 @28", [4, 512, 512, 28], 3, same(3, 4)),
        ("3x3 d12 2048->256 @28", [4, 2048, 256, 28], 3, same(3, 12)),
        ("3x3 d36 2048->256 @28", [4, 2048, 256, 28], 3, same(3, 36)),
        ("1x1 64->256 @56", [4, 64, 256, 56], 1, same(1, 1)),
        ("1x1 256->64 @56", [4, 256, 64, 56], 1, same(1, 1)),
        ("1x1 512->128 @28", [4, 512, 128, 28], 1, same(1, 1)),
        ("1x1 1024->256 @14", [4, 1024, 256, 14], 1, same(1, 1)),
        ("1x1 256->1024 @14", [4, 256, 1024, 14], 1, same(1, 1)),
        ("1x1 512->2048 @7", [4, 512, 2048, 7], 1, same(1, 1)),
        ("1x1 2048->512 @7", [4, 2048, 512, 7], 1, same(1, 1)),
        ("1x1 2048->512 @28", [4, 2048, 512, 28], 1, same(1, 1)),
        (
            "1x1/2 256->512 @56",
            [4, 256, 512, 56],
            1,
            same(1, 1).with_stride(2),
        ),
        (
            "1x1/2 1024->2048 @14",
            [4, 1024, 2048, 14],
            1,
            same(1, 1).with_stride(2),
        ),
        ("grouped 128 @56", [4, 128, 128, 56], 3, grouped(1)),
        ("grouped 256 @28", [4, 256, 256, 28], 3, grouped(1)),
        ("grouped 512 @14", [4, 512, 512, 14], 3, grouped(1)),
        ("grouped 1024 @7", [4, 1024, 1024, 7], 3, grouped(1)),
        ("grouped/2 512 @28", [4, 512, 512, 28], 3, grouped(2)),
        (
            "depthwise 304 @56",
            [4, 304, 304, 56],
            3,
            same(3, 1).with_groups(304),
        ),
        (
            "depthwise d12 2048 @28",
            [4, 2048, 2048, 28],
            3,
            same(3, 12).with_groups(2048),
        ),
        ("unet 3072->256 @14", [4, 3072, 256, 14], 3, same(3, 1)),
        ("unet 768->128 @28", [4, 768, 128, 28], 3, same(3, 1)),
        ("unet 128->32 @112", [4, 128, 32, 112], 3, same(3, 1)),
        ("unet 32->16 @224", [4, 32, 16, 224], 3, same(3, 1)),
        ("unet 16->16 @224", [4, 16, 16, 224], 3, same(3, 1)),
        ("head 16->1 @224", [4, 16, 1, 224], 3, same(3, 1)),
        ("plus 304->256 @56", [4, 304, 256, 56], 3, same(3, 1)),
    ]
}

fn main() {
    // On the pool's threads, as in the program.
    rayon::scope(|_| run());
}

fn run() {
    let mut filter = String::new();
    for argument in std::env::args().skip(1) {
        if argument == "bf16" {
            weakseg_kernels::use_bf16(true).expect("a processor with bf16 arithmetic");
        } else {
            filter = argument;
        }
    }
    println!(
        "{:<24}{:>8} {:>22} {:>22} {:>22}",
        "GFLOP/s (ms)", "GFLOP", "forward", "input gradient", "weight gradient"
    );
    for (name, [batch, inputs, outputs, size], kernel, options) in rows() {
        if !name.contains(&filter) {
            continue;
        }
        let device = Device::flex();
        let normal =
            |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let x = normal([batch, inputs, size, size]);
        let weight = normal([outputs, inputs / options.groups, kernel, kernel]);
        let y = conv2d(x.clone(), weight.clone(), None, &options);
        let products = y.shape().num_elements() * inputs / options.groups * kernel * kernel;
        let giga = 2e-9 * products as f64;
        let forward = best(|| drop(conv2d(x.clone(), weight.clone(), None, &options)));
        let autodiff = device.autodiff();
        let gradient = |of_input: bool| {
            let lift = |t: &Tensor<4>, required| {
                Tensor::from_data(t.to_data(), &autodiff).set_require_grad(required)
            };
            let (x, weight) = (lift(&x, of_input), lift(&weight, !of_input));
            best_of(|| backward_seconds(conv2d(x.clone(), weight.clone(), None, &options)))
        };
        let leaf = || Tensor::from_inner(y.clone()).set_require_grad(true);
        let around = best_of(|| backward_seconds(leaf()));
        let (input, weights) = (gradient(true) - around, gradient(false) - around);
        let show = |seconds: f64| format!("{:.0} ({:.2})", giga / seconds, seconds * 1e3);
        println!(
            "{name:<24}{giga:>8.2} {:>22} {:>22} {:>22}",
            show(forward),
            show(input),
            show(weights)
        );
    }
}

/// Of the backward pass, which begins with a tensor of ones.
fn backward_seconds(y: Tensor<4>) -> f64 {
    let began = Instant::now();
    drop(y.backward());
    began.elapsed().as_secs_f64()
}

fn best(mut run: impl FnMut()) -> f64 {
    best_of(|| {
        let began = Instant::now();
        run();
        began.elapsed().as_secs_f64()
    })
}

/// The least of the times that `run` gives, over about a third of a second.
fn best_of(mut run: impl FnMut() -> f64) -> f64 {
    run();
    let began = Instant::now();
    let (mut best, mut runs) = (f64::INFINITY, 0);
    while runs < 3 || began.elapsed().as_secs_f64() < 0.3 {
        best = best.min(run());
        runs += 1;
    }
    best
}
