//! A convolution's sizes, and its tensors in whole pieces and blocks of channels.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, FloatDType, Shape, Slice, TensorData, TensorMetadata};

use super::axis::Axis;
use super::plan::PIECE;
use crate::conv::ConvOptions;

/// Channels of a block that groups are put into.
const BLOCK: usize = 64;

/// How many blocks a convolution's channels come in: one, or for groups so many of [`BLOCK`] channels; none, if these
/// do not fit.
pub fn blocks(weight: &FloatTensor<Cube>, options: ConvOptions) -> Option<usize> {
    let [outputs, of_group, _, _] = weight.shape().dims();
    if options.groups == 1 {
        return Some(1);
    }
    let fits = outputs == of_group * options.groups
        && of_group > 1
        && BLOCK.is_multiple_of(of_group)
        && outputs.is_multiple_of(BLOCK);
    fits.then_some(outputs / BLOCK)
}

/// A convolution's sizes; inputs and outputs of a block.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub batch: usize,
    pub blocks: usize,
    pub inputs: usize,
    pub height: usize,
    pub width: usize,
    pub outputs: usize,
    pub tall: usize,
    pub wide: usize,
    pub kernel: [usize; 2],
    pub options: ConvOptions,
}

impl Sizes {
    pub fn of(x: &FloatTensor<Cube>, weight: &FloatTensor<Cube>, options: ConvOptions) -> Self {
        let [batch, inputs, height, width] = x.shape().dims();
        let [outputs, _, kh, kw] = weight.shape().dims();
        let [tall, wide] = options.output_size([height, width], [kh, kw]);
        let blocks = blocks(weight, options).unwrap_or(1);
        Self {
            batch,
            blocks,
            inputs: inputs / blocks,
            height,
            width,
            outputs: outputs / blocks,
            tall,
            wide,
            kernel: [kh, kw],
            options,
        }
    }

    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Which pixels of the input the output's taps read.
    pub fn axes(&self) -> [Axis; 2] {
        [0, 1].map(|axis| Axis {
            scale: self.options.stride[axis],
            shift: -(self.options.padding[axis] as isize),
            step: self.options.dilation[axis] as isize,
            taps: self.kernel[axis],
            first_tap: 0,
            tap_step: 1,
        })
    }

    /// Groups of a block.
    fn groups(&self) -> usize {
        self.options.groups / self.blocks
    }

    /// `[1, groups of a block, 1, groups of a block, 1, 1, 1]`: ones where they are the same.
    fn same_group(&self, like: &FloatTensor<Cube>) -> FloatTensor<Cube> {
        let groups = self.groups();
        let ones = (0..groups * groups).map(|at| if at % (groups + 1) == 0 { 1.0f32 } else { 0.0 });
        let ones = TensorData::new(ones.collect::<Vec<_>>(), [1, groups, 1, groups, 1, 1, 1]);
        Cube::float_from_data(ones, &like.device())
    }

    /// A weight `[O, I / groups, KH, KW]` as `[O, I of a block, KH, KW]`: zeros for channels of other groups.
    pub fn blocked(&self, weight: FloatTensor<Cube>) -> FloatTensor<Cube> {
        if self.options.groups == 1 {
            return weight;
        }
        let [outputs, of_group, kh, kw] = weight.shape().dims();
        let groups = self.groups();
        let same = self.same_group(&weight);
        let apart = [self.blocks, groups, of_group, 1, of_group, kh, kw];
        let weight = Cube::float_reshape(weight, Shape::new(apart));
        let blocked = Cube::float_mul(weight, same);
        Cube::float_reshape(blocked, Shape::new([outputs, groups * of_group, kh, kw]))
    }

    /// A weight `[O, I of a block, KH, KW]` as `[I, KH, KW, O of a block]`.
    pub fn turned(&self, weight: FloatTensor<Cube>) -> FloatTensor<Cube> {
        let [kh, kw] = self.kernel;
        if self.options.groups == 1 {
            return Cube::float_permute(padded(weight, 0), &[1, 2, 3, 0]);
        }
        let apart = [self.blocks, self.outputs, self.inputs, kh, kw];
        let weight = Cube::float_reshape(weight, Shape::new(apart));
        let turned = Cube::float_permute(weight, &[0, 2, 3, 4, 1]);
        let together = [self.blocks * self.inputs, kh, kw, self.outputs];
        Cube::float_reshape(turned, Shape::new(together))
    }

    /// Of a gradient `[O, KH, KW, I of a block]` what belongs to a weight, `[O, KH, KW, I / groups]`.
    pub fn of_groups(&self, gradient: FloatTensor<Cube>) -> FloatTensor<Cube> {
        if self.options.groups == 1 {
            return gradient;
        }
        let [outputs, kh, kw, inputs] = gradient.shape().dims();
        let groups = self.groups();
        let of_group = inputs / groups;
        // [blocks, groups, of group, taps, groups, of group]
        let apart = [self.blocks, groups, of_group, kh * kw, groups, of_group];
        let gradient = Cube::float_reshape(gradient, Shape::new(apart));
        let same = self.same_group(&gradient);
        let same = Cube::float_reshape(same, Shape::new([1, groups, 1, 1, groups, 1]));
        let sum = Cube::float_sum_dim(Cube::float_mul(gradient, same), 4);
        Cube::float_reshape(sum, Shape::new([outputs, kh, kw, of_group]))
    }
}

pub fn pieces(channels: usize) -> usize {
    channels.div_ceil(PIECE)
}

/// With zeros along an axis, so that it has whole pieces.
pub fn padded(tensor: FloatTensor<Cube>, axis: usize) -> FloatTensor<Cube> {
    let mut shape = tensor.shape();
    let inside: Vec<_> = shape.iter().map(|size| Slice::from(0..*size)).collect();
    if shape[axis].is_multiple_of(PIECE) {
        return tensor;
    }
    shape[axis] = shape[axis].next_multiple_of(PIECE);
    let zeros = Cube::float_zeros(shape, &tensor.device(), FloatDType::F32);
    Cube::float_slice_assign(zeros, &inside, tensor)
}
