//! GFLOP/s of the three passes of convolutions, as the networks call them.
//!
//! `cargo run --release --workspace --example conv_speed -- [FILTER] [bf16] [vulkan] [N]`; a filter is part of a row's
//! name, with `bf16` the operands are rounded, `vulkan` is the first such GPU (build with `--features
//! weakseg-kernels/vulkan`), N is the number of images (4).

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use weakseg_kernels::{ConvOptions, conv2d};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Name; inputs, outputs, height and width; kernel; options.
type Row = (&'static str, [usize; 3], usize, ConvOptions);

fn rows() -> Vec<Row> {
    let same = ConvOptions::same;
    let grouped = |stride| same(3, 1).with_groups(32).with_stride(stride);
    vec![
        ("stem 7x7/2", [3, 64, 224], 7, same(7, 1).with_stride(2)),
        ("vgg 3->64 @224", [3, 64, 224], 3, same(3, 1)),
        ("vgg 64->64 @224", [64, 64, 224], 3, same(3, 1)),
        ("vgg 128->128 @112", [128, 128, 112], 3, same(3, 1)),
        ("vgg 256->256 @56", [256, 256, 56], 3, same(3, 1)),
        ("vgg 512->512 @28", [512, 512, 28], 3, same(3, 1)),
        ("vgg 512->512 @14", [512, 512, 14], 3, same(3, 1)),
        ("3x3 64->64 @56", [64, 64, 56], 3, same(3, 1)),
        ("3x3 128->128 @28", [128, 128, 28], 3, same(3, 1)),
        ("3x3 256->256 @14", [256, 256, 14], 3, same(3, 1)),
        ("3x3 512->512 @7", [512, 512, 7], 3, same(3, 1)),
        (
            "3x3/2 128->128 @56",
            [128, 128, 56],
            3,
            same(3, 1).with_stride(2),
        ),
        (
            "3x3/2 512->512 @14",
            [512, 512, 14],
            3,
            same(3, 1).with_stride(2),
        ),
        ("3x3 d2 256->256 @28", [256, 256, 28], 3, same(3, 2)),
        ("3x3 d4 512->512 @28", [512, 512, 28], 3, same(3, 4)),
        ("3x3 d12 2048->256 @28", [2048, 256, 28], 3, same(3, 12)),
        ("3x3 d36 2048->256 @28", [2048, 256, 28], 3, same(3, 36)),
        ("1x1 64->256 @56", [64, 256, 56], 1, same(1, 1)),
        ("1x1 256->64 @56", [256, 64, 56], 1, same(1, 1)),
        ("1x1 512->128 @28", [512, 128, 28], 1, same(1, 1)),
        ("1x1 1024->256 @14", [1024, 256, 14], 1, same(1, 1)),
        ("1x1 256->1024 @14", [256, 1024, 14], 1, same(1, 1)),
        ("1x1 512->2048 @7", [512, 2048, 7], 1, same(1, 1)),
        ("1x1 2048->512 @7", [2048, 512, 7], 1, same(1, 1)),
        ("1x1 2048->512 @28", [2048, 512, 28], 1, same(1, 1)),
        ("1x1 256->64 @128", [256, 64, 128], 1, same(1, 1)),
        ("1x1 256->1024 @64", [256, 1024, 64], 1, same(1, 1)),
        ("1x1 1024->256 @64", [1024, 256, 64], 1, same(1, 1)),
        ("1x1 1024->256 @60", [1024, 256, 60], 1, same(1, 1)),
        (
            "1x1/2 256->512 @56",
            [256, 512, 56],
            1,
            same(1, 1).with_stride(2),
        ),
        (
            "1x1/2 1024->2048 @14",
            [1024, 2048, 14],
            1,
            same(1, 1).with_stride(2),
        ),
        ("grouped 128 @56", [128, 128, 56], 3, grouped(1)),
        ("grouped 256 @28", [256, 256, 28], 3, grouped(1)),
        ("grouped 512 @14", [512, 512, 14], 3, grouped(1)),
        ("grouped 1024 @7", [1024, 1024, 7], 3, grouped(1)),
        ("grouped/2 512 @28", [512, 512, 28], 3, grouped(2)),
        (
            "depthwise 304 @56",
            [304, 304, 56],
            3,
            same(3, 1).with_groups(304),
        ),
        (
            "depthwise d12 2048 @28",
            [2048, 2048, 28],
            3,
            same(3, 12).with_groups(2048),
        ),
        ("unet 3072->256 @14", [3072, 256, 14], 3, same(3, 1)),
        ("unet 768->128 @28", [768, 128, 28], 3, same(3, 1)),
        ("unet 128->32 @112", [128, 32, 112], 3, same(3, 1)),
        ("unet 32->16 @224", [32, 16, 224], 3, same(3, 1)),
        ("unet 16->16 @224", [16, 16, 224], 3, same(3, 1)),
        ("head 16->1 @224", [16, 1, 224], 3, same(3, 1)),
        ("plus 304->256 @56", [304, 256, 56], 3, same(3, 1)),
    ]
}

fn main() {
    // On the pool's threads, as in the program.
    rayon::scope(|_| run());
}

/// What is asked for on the command line.
struct Wish {
    filter: String,
    images: usize,
    bf16: bool,
    device: Device,
}

impl Wish {
    fn read() -> Self {
        let mut wish = Self {
            filter: String::new(),
            images: 4,
            bf16: false,
            device: Device::flex(),
        };
        for argument in std::env::args().skip(1) {
            match (argument.as_str(), argument.parse()) {
                ("bf16", _) => wish.bf16 = true,
                #[cfg(feature = "vulkan")]
                ("vulkan", _) => {
                    wish.device = Device::vulkan(burn::tensor::DeviceKind::DefaultDevice);
                }
                (_, Ok(images)) => wish.images = images,
                (filter, _) => wish.filter = filter.to_owned(),
            }
        }
        wish
    }
}

fn run() {
    let Wish {
        filter,
        images,
        bf16,
        device,
    } = Wish::read();
    weakseg_kernels::use_bf16(bf16, &device).expect("a device with bf16 arithmetic");
    println!(
        "{:<24}{:>8} {:>22} {:>22} {:>22}",
        "GFLOP/s (ms)", "GFLOP", "forward", "input gradient", "weight gradient"
    );
    for (name, [inputs, outputs, size], kernel, options) in rows() {
        if !name.contains(&filter) {
            continue;
        }
        let normal =
            |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let x = normal([images, inputs, size, size]);
        let weight = normal([outputs, inputs / options.groups, kernel, kernel]);
        let y = conv2d(x.clone(), weight.clone(), None, &options);
        let products = y.shape().num_elements() * inputs / options.groups * kernel * kernel;
        let giga = 2e-9 * products as f64;
        let forward = best_of(|| {
            seconds(&device, || {
                conv2d(x.clone(), weight.clone(), None, &options)
            })
        });
        let autodiff = device.clone().autodiff();
        let gradient = |of_input: bool| {
            let lift = |t: &Tensor<4>, required| {
                Tensor::from_data(t.to_data(), &autodiff).set_require_grad(required)
            };
            let (x, weight) = (lift(&x, of_input), lift(&weight, !of_input));
            best_of(|| {
                let y = conv2d(x.clone(), weight.clone(), None, &options);
                seconds(&device, || y.backward())
            })
        };
        let leaf = || Tensor::from_inner(y.clone()).set_require_grad(true);
        let around = best_of(|| {
            let y = leaf();
            seconds(&device, || y.backward())
        });
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

/// From when the device has done all else to when it has done this. (A backward pass begins with a tensor of ones.)
fn seconds<R>(device: &Device, work: impl FnOnce() -> R) -> f64 {
    device.sync().expect("a device that works");
    let began = Instant::now();
    drop(work());
    device.sync().expect("a device that works");
    began.elapsed().as_secs_f64()
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
