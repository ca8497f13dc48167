//! What is done to each channel, in the order `[B, H, W, C]`.
//!
//! Burn joins neighbouring operations into one kernel, and what is called here is written for that:
//! - What concerns channels alone is done on `[C]` vectors, and these are reshaped before the pixels' turn: a reshape
//!   between two operations keeps them apart. Together, every pixel would write the vector's results, all to the same
//!   few places, which takes longer than the pixels.
//! - Pixels are `[pixels, C]`: each further axis costs every vector that is read two divisions.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Shape, TensorMetadata};

use super::rows::planes;
use crate::norm::NormOptions;

/// Sums are taken in so many parts at most, and then over the parts: one sum for each channel would leave most of a GPU
/// idle.
const MOST_PARTS: usize = 512;

/// The pixels of a `[B, C, H, W]` tensor as `[pixels, C]`.
#[derive(Debug, Clone, Copy)]
struct Pixels {
    shape: [usize; 4],
}

impl Pixels {
    fn of<B: Backend>(x: &FloatTensor<B>) -> Self {
        Self {
            shape: x.shape().dims(),
        }
    }

    fn count(self) -> usize {
        let [batch, _, height, width] = self.shape;
        batch * height * width
    }

    fn flat<B: Backend>(self, x: FloatTensor<B>) -> FloatTensor<B> {
        let shape = Shape::new([self.count(), self.shape[1]]);
        B::float_reshape(B::float_permute(x, &[0, 2, 3, 1]), shape)
    }

    fn whole<B: Backend>(self, flat: FloatTensor<B>) -> FloatTensor<B> {
        let [batch, channels, height, width] = self.shape;
        let rows = B::float_reshape(flat, Shape::new([batch, height, width, channels]));
        planes::<B>(rows)
    }

    /// `[pixels, C]` as `[parts, pixels of a part, C]`.
    fn parts<B: Backend>(self, flat: FloatTensor<B>) -> FloatTensor<B> {
        let pixels = self.count();
        let divides = |parts: &usize| pixels.is_multiple_of(*parts);
        let parts = (1..=MOST_PARTS).rev().find(divides).unwrap_or(1);
        B::float_reshape(flat, Shape::new([parts, pixels / parts, self.shape[1]]))
    }

    /// `[pixels, C]` → `[C]`.
    fn sums<B: Backend>(self, flat: FloatTensor<B>) -> FloatTensor<B> {
        let sums = B::float_sum_dim(B::float_sum_dim(self.parts::<B>(flat), 1), 0);
        B::float_reshape(sums, Shape::new([self.shape[1]]))
    }

    /// `[pixels, C]` → `[C]`. The parts are of one size, so the mean of their means is the mean.
    fn means<B: Backend>(self, flat: FloatTensor<B>) -> FloatTensor<B> {
        let means = B::float_mean_dim(B::float_mean_dim(self.parts::<B>(flat), 1), 0);
        B::float_reshape(means, Shape::new([self.shape[1]]))
    }
}

/// Sums over images and pixels: `[B, C, H, W]` → `[C]`.
pub fn channel_sums<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let pixels = Pixels::of::<B>(&x);
    pixels.sums::<B>(pixels.flat::<B>(x))
}

/// `[C]` as `[1, C]`.
fn row<B: Backend>(vector: FloatTensor<B>) -> FloatTensor<B> {
    let [channels] = vector.shape().dims();
    B::float_reshape(vector, Shape::new([1, channels]))
}

/// x plus a `[C]` vector.
pub fn add_per_channel<B: Backend>(x: FloatTensor<B>, vector: FloatTensor<B>) -> FloatTensor<B> {
    let pixels = Pixels::of::<B>(&x);
    let (flat, row) = (pixels.flat::<B>(x), row::<B>(vector));
    pixels.whole::<B>(B::float_add(flat, row))
}

/// x·scale + shift, both `[C]`, plus a shortcut if there is one, then ReLU if asked for.
pub fn affine<B: Backend>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    shift: FloatTensor<B>,
    shortcut: Option<FloatTensor<B>>,
    relu: bool,
) -> FloatTensor<B> {
    let pixels = Pixels::of::<B>(&x);
    let (scale, shift) = (row::<B>(scale), row::<B>(shift));
    let shortcut = shortcut.map(|shortcut| pixels.flat::<B>(shortcut));
    let flat = pixels.flat::<B>(x);
    let mut output = B::float_add(B::float_mul(flat, scale), shift);
    if let Some(shortcut) = shortcut {
        output = B::float_add(output, shortcut);
    }
    if relu {
        output = B::relu(output);
    }
    pixels.whole::<B>(output)
}

/// Batch norm of a tensor, as [`crate::batch_norm`] defines it.
pub struct BatchNorm<B: Backend> {
    pixels: Pixels,
    relu: bool,
    /// `[pixels, C]`.
    x: FloatTensor<B>,
    /// `[C]`, as all that follow.
    mean: FloatTensor<B>,
    variance: FloatTensor<B>,
    /// 1 / √(variance + ε).
    inverse: FloatTensor<B>,
    /// γ / √(variance + ε).
    scale: FloatTensor<B>,
    beta: FloatTensor<B>,
}

impl<B: Backend> BatchNorm<B> {
    /// With statistics of x itself.
    pub fn of(
        x: FloatTensor<B>,
        gamma: FloatTensor<B>,
        beta: FloatTensor<B>,
        options: NormOptions,
    ) -> Self {
        let pixels = Pixels::of::<B>(&x);
        let x = pixels.flat::<B>(x);
        let mean = pixels.means::<B>(x.clone());
        let row = row::<B>(mean.clone());
        // Not the mean of squares less the square of the mean, which loses what is small beside the mean.
        let squares = {
            let centered = B::float_sub(x.clone(), row);
            B::float_mul(centered.clone(), centered)
        };
        let variance = pixels.means::<B>(squares);
        Self::new(pixels, x, [gamma, beta, mean, variance], options)
    }

    /// With the statistics, both `[C]`, that it had.
    pub fn again(x: FloatTensor<B>, channels: [FloatTensor<B>; 4], options: NormOptions) -> Self {
        let pixels = Pixels::of::<B>(&x);
        let x = pixels.flat::<B>(x);
        Self::new(pixels, x, channels, options)
    }

    fn new(
        pixels: Pixels,
        x: FloatTensor<B>,
        [gamma, beta, mean, variance]: [FloatTensor<B>; 4],
        options: NormOptions,
    ) -> Self {
        let spread = B::float_add_scalar(variance.clone(), options.epsilon.into());
        let inverse = B::float_recip(B::float_sqrt(spread));
        Self {
            pixels,
            relu: options.relu,
            x,
            mean,
            variance,
            scale: B::float_mul(gamma, inverse.clone()),
            inverse,
            beta,
        }
    }

    /// y of x's shape plus the shortcut if there is one, mean and biased variance, both `[C]`.
    pub fn output(
        self,
        shortcut: Option<FloatTensor<B>>,
    ) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
        let pixels = self.pixels;
        let shortcut = shortcut.map(|shortcut| pixels.flat::<B>(shortcut));
        let [mean, scale, beta] = [self.mean.clone(), self.scale, self.beta].map(row::<B>);
        let mut output = linear::<B>(self.x, mean, scale, beta);
        if let Some(shortcut) = shortcut {
            output = B::float_add(output, shortcut);
        }
        if self.relu {
            output = B::relu(output);
        }
        (pixels.whole::<B>(output), self.mean, self.variance)
    }

    /// Gradients with respect to x, gamma and beta.
    pub fn gradients(self, output_gradient: FloatTensor<B>) -> [FloatTensor<B>; 3] {
        let pixels = self.pixels;
        let upstream = pixels.flat::<B>(output_gradient);
        let [mean, scale, beta] = [self.mean, self.scale.clone(), self.beta].map(row::<B>);
        let gradient = if self.relu {
            // What ReLU lets through shows before it as well as after.
            let output = linear::<B>(self.x.clone(), mean.clone(), scale.clone(), beta);
            B::relu_backward(output, upstream)
        } else {
            upstream
        };
        let centered = B::float_sub(self.x.clone(), mean.clone());
        let products = B::float_mul(gradient.clone(), centered);
        let of_beta = pixels.sums::<B>(gradient.clone());
        let of_gamma = B::float_mul(pixels.sums::<B>(products), self.inverse.clone());
        // x's gradient is scale·(g − mean of g − x̂ · mean of g·x̂), with x̂ = (x − mean)·inverse.
        let share = |sums: FloatTensor<B>| {
            let mean = B::float_div_scalar(sums, (pixels.count() as f64).into());
            B::float_mul(mean, self.scale.clone())
        };
        let constant = row::<B>(share(of_beta.clone()));
        let slope = row::<B>(share(B::float_mul(of_gamma.clone(), self.inverse)));
        let explained = B::float_add(B::float_mul(B::float_sub(self.x, mean), slope), constant);
        let of_x = B::float_sub(B::float_mul(gradient, scale), explained);
        [pixels.whole::<B>(of_x), of_gamma, of_beta]
    }
}

/// (x − mean)·scale + beta of `[pixels, C]` and `[1, C]`.
fn linear<B: Backend>(
    x: FloatTensor<B>,
    mean: FloatTensor<B>,
    scale: FloatTensor<B>,
    beta: FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_add(B::float_mul(B::float_sub(x, mean), scale), beta)
}
