//! tmp
use burn::tensor::{Device, Distribution, Tensor, activation::relu, module::*};
use burn::nn::{BatchNormConfig};
use burn::tensor::ops::{MaxPoolOptions, InterpolateMode, InterpolateOptions};
use std::time::Instant;
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn time(name: &str, shape: [usize;4], f: impl Fn(Tensor<4>) -> Tensor<4>) {
    let device = Device::flex().autodiff();
    let x = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device).require_grad();
    let (mut a, mut b) = (f64::MAX, f64::MAX);
    for _ in 0..4 {
        let x2 = x.clone() * 1.0;
        let t = Instant::now(); let y = f(x2); let d = t.elapsed().as_secs_f64(); a = a.min(d);
        let g = Tensor::<4>::ones(y.dims(), &device); let l = (y*g).sum();
        let t = Instant::now(); let gr = l.backward(); b = b.min(t.elapsed().as_secs_f64()); assert!(x.grad(&gr).is_some());
    }
    println!("{name:<22} {shape:?} fwd {:.1} ms  bwd {:.1} ms", a*1e3, b*1e3);
}
fn main() {
    let s=[4,64,128,128];
    time("identity (baseline)", s, |x| x);
    time("relu", s, relu);
    time("max_pool 2", s, |x| max_pool2d(x, MaxPoolOptions::new([2,2])));
    time("max_pool 3s2p1", s, |x| max_pool2d(x, MaxPoolOptions{stride:[2,2],padding:[(1,1),(1,1)],..MaxPoolOptions::new([3,3])}));
    let d=Device::flex().autodiff();
    let bn=BatchNormConfig::new(64).init(&d);
    time("batch_norm", s, move |x| bn.forward(x));
    time("interpolate bilinear x2", [4,64,64,64], |x| interpolate(x,InterpolateOptions::new(InterpolateMode::Bilinear).with_output_size([128,128])));
    time("interpolate nearest x2", [4,64,64,64], |x| interpolate(x,InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([128,128])));
    time("max_pool 2 ours", s, |x| weakseg_kernels::max_pool2d(x, &weakseg_kernels::PoolOptions::new(2,2,0)));
    time("max_pool 3s2p1 ours", s, |x| weakseg_kernels::max_pool2d(x, &weakseg_kernels::PoolOptions::new(3,2,1)));
    time("bilinear ours", [4,64,64,64], |x| weakseg_kernels::resize_bilinear(x, [128,128], false));
    time("add", s, |x| x.clone()+x);
    time("sigmoid", s, burn::tensor::activation::sigmoid);
    time("cat", s, |x| Tensor::cat(vec![x.clone(),x],1));
    time("conv3x3 ours", s, |x| { let w=Tensor::<4>::ones([64,64,3,3],&x.device()).require_grad(); weakseg_kernels::conv2d(x,w,None,&weakseg_kernels::ConvOptions::same(3,1)) });
}
