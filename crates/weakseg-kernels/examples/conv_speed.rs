//! Speed of this crate's convolution and of Burn's own, in GFLOP/s, forward and backward.
//!
//! `cargo run --release -p weakseg-kernels --example conv_speed [-- SECONDS_EACH]`

use std::time::Instant;

use burn::tensor::module::conv2d as burn_conv2d;
use burn::tensor::ops::ConvOptions as BurnOptions;
use burn::tensor::{Device, Distribution, Tensor};
use weakseg_kernels::{ConvOptions, conv2d, instruction_set};

// As in the program: fresh pages for every output cost more than many convolutions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Name, input, weight, options.
type Case = (&'static str, [usize; 4], [usize; 4], ConvOptions);

fn cases() -> Vec<Case> {
    let same = ConvOptions::same;
    let plain = ConvOptions::default();
    vec![
        ("vgg first", [4, 3, 224, 224], [64, 3, 3, 3], same(3, 1)),
        ("vgg 64", [4, 64, 128, 128], [64, 64, 3, 3], same(3, 1)),
        ("vgg 256", [4, 256, 32, 32], [256, 256, 3, 3], same(3, 1)),
        ("vgg 512 d2", [4, 512, 32, 32], [512, 512, 3, 3], same(3, 2)),
        ("vgg 512 14", [4, 512, 14, 14], [512, 512, 3, 3], same(3, 1)),
        ("res 1x1 down", [4, 256, 56, 56], [64, 256, 1, 1], plain),
        ("res 1x1 up", [4, 64, 56, 56], [256, 64, 1, 1], plain),
        (
            "res 3x3 s2",
            [4, 128, 56, 56],
            [128, 128, 3, 3],
            same(3, 1).with_stride(2),
        ),
        (
            "res stem",
            [4, 3, 224, 224],
            [64, 3, 7, 7],
            same(7, 1).with_stride(2),
        ),
        ("thin 16", [16, 16, 128, 128], [16, 16, 3, 3], same(3, 1)),
        ("thin 32", [16, 32, 64, 64], [32, 32, 3, 3], same(3, 1)),
        ("thin 128", [16, 128, 16, 16], [128, 128, 3, 3], same(3, 1)),
        (
            "depthwise",
            [4, 256, 32, 32],
            [256, 1, 3, 3],
            same(3, 1).with_groups(256),
        ),
    ]
}

fn main() {
    let seconds: f64 = std::env::args()
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(0.3);
    println!("{} on {} threads", instruction_set(), threads());
    println!(
        "{:<14}{:>8}{:>9}{:>9}{:>9}{:>9}",
        "GFLOP/s", "GFLOP", "ours fw", "ours bw", "burn fw", "burn bw"
    );
    for (name, x, weight, options) in cases() {
        let [height, width] = options.output_size([x[2], x[3]], [weight[2], weight[3]]);
        let products = x[0] * weight.iter().product::<usize>() * height * width;
        let flop = 2e-9 * products as f64;
        // The image itself needs no gradient.
        let input_gradient = x[1] > 3;
        let backward_flop = flop * if input_gradient { 2.0 } else { 1.0 };
        let burn_options = BurnOptions::new(
            options.stride,
            options.padding,
            options.dilation,
            options.groups,
        );
        let ours = measure(seconds, x, weight, input_gradient, |x, w| {
            conv2d(x, w, None, &options)
        });
        let burn = measure(seconds, x, weight, input_gradient, |x, w| {
            burn_conv2d(x, w, None, burn_options.clone())
        });
        println!(
            "{name:<14}{flop:>8.2}{:>9.0}{:>9.0}{:>9.0}{:>9.0}",
            flop / ours.0,
            backward_flop / ours.1,
            flop / burn.0,
            backward_flop / burn.1,
        );
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Best seconds of the forward pass and of the backward pass (with the sum that starts it).
fn measure(
    seconds: f64,
    x: [usize; 4],
    weight: [usize; 4],
    input_gradient: bool,
    convolve: impl Fn(Tensor<4>, Tensor<4>) -> Tensor<4>,
) -> (f64, f64) {
    let device = Device::flex().autodiff();
    let random = |shape| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let x = random(x).set_require_grad(input_gradient);
    let weight = random(weight).require_grad();
    let mut best = (f64::MAX, f64::MAX);
    let begin = Instant::now();
    let mut rounds = 0;
    while rounds < 3 || begin.elapsed().as_secs_f64() < 2.0 * seconds {
        let start = Instant::now();
        let output = convolve(x.clone(), weight.clone());
        let forward = start.elapsed().as_secs_f64();
        let loss = output.sum();
        let start = Instant::now();
        let gradients = loss.backward();
        let backward = start.elapsed().as_secs_f64();
        assert!(weight.grad(&gradients).is_some());
        best = (best.0.min(forward), best.1.min(backward));
        rounds += 1;
    }
    best
}
