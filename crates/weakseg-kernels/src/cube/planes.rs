//! What is done to each plane of an image, in the order `[B, H, W, C]`.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Shape, TensorMetadata};

use super::rows::planes;

/// The size of a `[B, C, H, W]` tensor.
#[derive(Debug, Clone, Copy)]
struct Planes([usize; 4]);

impl Planes {
    fn of<B: Backend>(x: &FloatTensor<B>) -> Self {
        Self(x.shape().dims())
    }

    /// `[B, H·W, C]`.
    fn flat<B: Backend>(self, x: FloatTensor<B>) -> FloatTensor<B> {
        let [batch, channels, height, width] = self.0;
        let shape = Shape::new([batch, height * width, channels]);
        B::float_reshape(B::float_permute(x, &[0, 2, 3, 1]), shape)
    }

    fn whole<B: Backend>(self, flat: FloatTensor<B>) -> FloatTensor<B> {
        let [batch, channels, height, width] = self.0;
        let rows = B::float_reshape(flat, Shape::new([batch, height, width, channels]));
        planes::<B>(rows)
    }

    /// `[B, C, 1, 1]` as `[B, 1, C]`.
    fn rows<B: Backend>(self, gate: FloatTensor<B>) -> FloatTensor<B> {
        let [batch, channels, ..] = self.0;
        B::float_reshape(gate, Shape::new([batch, 1, channels]))
    }

    /// `[B, 1, C]` as `[B, C, 1, 1]`.
    fn gate<B: Backend>(self, rows: FloatTensor<B>) -> FloatTensor<B> {
        let [batch, channels, ..] = self.0;
        B::float_reshape(rows, Shape::new([batch, channels, 1, 1]))
    }
}

/// The mean of each plane: `[B, C, H, W]` → `[B, C, 1, 1]`.
pub fn mean<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let planes = Planes::of::<B>(&x);
    planes.gate::<B>(B::float_mean_dim(planes.flat::<B>(x), 1))
}

/// x times the gate `[B, C, 1, 1]`; with a shortcut, ReLU of that and the shortcut.
pub fn gated<B: Backend>(
    x: FloatTensor<B>,
    gate: FloatTensor<B>,
    shortcut: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let planes = Planes::of::<B>(&x);
    let shortcut = shortcut.map(|shortcut| planes.flat::<B>(shortcut));
    let (flat, rows) = (planes.flat::<B>(x), planes.rows::<B>(gate));
    let product = B::float_mul(flat, rows);
    planes.whole::<B>(match shortcut {
        Some(shortcut) => B::relu(B::float_add(product, shortcut)),
        None => product,
    })
}

/// Gradients with respect to x and the gate.
pub fn gate_gradients<B: Backend>(
    x: FloatTensor<B>,
    gate: FloatTensor<B>,
    output_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let planes = Planes::of::<B>(&x);
    let rows = planes.rows::<B>(gate);
    let (flat, gradient) = (planes.flat::<B>(x), planes.flat::<B>(output_gradient));
    let of_gate = B::float_sum_dim(B::float_mul(gradient.clone(), flat), 1);
    [
        planes.whole::<B>(B::float_mul(gradient, rows)),
        planes.gate::<B>(of_gate),
    ]
}
