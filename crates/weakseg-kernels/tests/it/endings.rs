//! Convolutions and what follows them, joined: against the same one after the other, and against Burn's own convolution
//! and primitive operations.

use burn::tensor::module::conv2d as burn_conv2d;
use burn::tensor::{Device, Tensor, TensorData};
use weakseg_kernels::{
    ConvOptions, channel_affine, channel_affine_add_relu, conv2d, conv2d_affine,
    conv2d_affine_add_relu, conv2d_relu, relu,
};

use crate::blocks::{check, rectified, vector};
use crate::conv::{burn_options, filled};
use crate::values;

/// A convolution for each way that the CPU has.
fn cases() -> [([usize; 4], [usize; 4], ConvOptions); 7] {
    let same = ConvOptions::same;
    [
        ([2, 3, 9, 11], [5, 3, 3, 3], same(3, 1)),
        ([2, 3, 17, 13], [6, 3, 7, 7], same(7, 1).with_stride(2)),
        ([1, 8, 15, 16], [8, 2, 3, 3], same(3, 1).with_groups(4)),
        ([2, 6, 12, 11], [6, 1, 3, 3], same(3, 1).with_groups(6)),
        // Winograd's, small maps in panels, the pixels that a stride leaves.
        ([1, 40, 9, 10], [36, 40, 3, 3], same(3, 1)),
        ([2, 260, 5, 7], [65, 260, 1, 1], ConvOptions::default()),
        (
            [2, 9, 8, 7],
            [10, 9, 1, 1],
            ConvOptions::default().with_stride(2),
        ),
    ]
}

/// What a convolution takes, and what may follow it.
struct Inputs {
    x: Tensor<4>,
    weight: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    shortcut: Tensor<4>,
    options: ConvOptions,
}

impl Inputs {
    fn of((x, weight, options): ([usize; 4], [usize; 4], ConvOptions), device: &Device) -> Self {
        let [height, width] = options.output_size([x[2], x[3]], [weight[2], weight[3]]);
        Self {
            x: filled(x, 1, device),
            weight: filled(weight, 2, device),
            scale: filled([weight[0]], 3, device),
            shift: filled([weight[0]], 4, device),
            shortcut: filled([x[0], weight[0], height, width], 5, device),
            options,
        }
    }

    fn convolved(&self, bias: Option<Tensor<1>>) -> Tensor<4> {
        conv2d(self.x.clone(), self.weight.clone(), bias, &self.options)
    }

    /// Each operation in one.
    fn joined(&self) -> [Tensor<4>; 4] {
        let (scale, shift) = (|| self.scale.clone(), || self.shift.clone());
        let (x, weight) = (|| self.x.clone(), || self.weight.clone());
        let options = &self.options;
        let affine = |relu| conv2d_affine(x(), weight(), scale(), shift(), options, relu);
        [
            conv2d_relu(x(), weight(), shift(), options),
            affine(false),
            affine(true),
            conv2d_affine_add_relu(
                x(),
                weight(),
                scale(),
                shift(),
                self.shortcut.clone(),
                options,
            ),
        ]
    }

    /// Each operation in two.
    fn apart(&self) -> [Tensor<4>; 4] {
        let (scale, shift) = (|| self.scale.clone(), || self.shift.clone());
        [
            relu(self.convolved(Some(shift()))),
            channel_affine(self.convolved(None), scale(), shift(), false),
            channel_affine(self.convolved(None), scale(), shift(), true),
            channel_affine_add_relu(
                self.convolved(None),
                scale(),
                shift(),
                self.shortcut.clone(),
            ),
        ]
    }
}

#[test]
fn joined_on_the_cpu_are_the_bytes_of_two_operations() {
    for case in cases() {
        let inputs = Inputs::of(case, &Device::flex());
        for (joined, apart) in inputs.joined().iter().zip(&inputs.apart()) {
            assert_eq!(joined.dims(), apart.dims());
            assert!(values(joined) == values(apart), "{case:?}");
        }
    }
}

#[test]
fn outputs_and_gradients_equal_their_definitions() {
    for (x, weight, options) in cases() {
        let channel = [1, weight[0], 1, 1];
        let [height, width] = options.output_size([x[2], x[3]], [weight[2], weight[3]]);
        let shortcut = [x[0], weight[0], height, width];
        let affine = |t: &[Tensor<4>]| {
            let (x, weight) = (t[0].clone(), t[1].clone());
            let output = burn_conv2d(x, weight, None, burn_options(&options));
            output * t[2].clone() + t[3].clone()
        };
        for relu in [false, true] {
            check(
                &[x, weight, channel, channel],
                |t| {
                    let (x, weight) = (t[0].clone(), t[1].clone());
                    conv2d_affine(x, weight, vector(&t[2]), vector(&t[3]), &options, relu)
                },
                |t| match relu {
                    true => rectified(affine(t)),
                    false => affine(t),
                },
            );
        }
        check(
            &[x, weight, channel, channel, shortcut],
            |t| {
                let (x, weight, shortcut) = (t[0].clone(), t[1].clone(), t[4].clone());
                let (scale, shift) = (vector(&t[2]), vector(&t[3]));
                conv2d_affine_add_relu(x, weight, scale, shift, shortcut, &options)
            },
            |t| rectified(affine(t) + t[4].clone()),
        );
        check(
            &[x, weight, channel],
            |t| conv2d_relu(t[0].clone(), t[1].clone(), vector(&t[2]), &options),
            |t| {
                let (x, weight) = (t[0].clone(), t[1].clone());
                let bias = Some(vector(&t[2]));
                rectified(burn_conv2d(x, weight, bias, burn_options(&options)))
            },
        );
    }
}

/// The same values in one piece.
fn whole<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    let data = TensorData::new(values(tensor), tensor.dims());
    Tensor::from_data(data, &tensor.device())
}

#[test]
fn permuted_and_sliced_tensors_are_read() {
    let device = crate::device();
    for (inputs, outputs) in [(6, 5), (40, 36)] {
        let turned = |shape: [usize; 4], seed| filled(shape, seed, &device).permute([0, 3, 1, 2]);
        let every_second =
            |seed| filled([2 * outputs], seed, &device).slice(burn::tensor::s![..;2]);
        let pieces = Inputs {
            x: turned([2, 9, 12, inputs], 1).slice([0..2, 0..inputs, 0..9, 1..11]),
            weight: filled([inputs, outputs, 3, 3], 2, &device).swap_dims(0, 1),
            scale: every_second(3),
            shift: every_second(4),
            shortcut: turned([2, 9, 10, outputs], 5),
            options: ConvOptions::same(3, 1),
        };
        let wholes = Inputs {
            x: whole(&pieces.x),
            weight: whole(&pieces.weight),
            scale: whole(&pieces.scale),
            shift: whole(&pieces.shift),
            shortcut: whole(&pieces.shortcut),
            options: pieces.options,
        };
        for (found, expected) in pieces.joined().iter().zip(&wholes.apart()) {
            assert_eq!(values(found), values(expected), "{inputs} to {outputs}");
        }
    }
}

#[test]
fn inputs_that_others_hold_keep_their_values() {
    let inputs = Inputs::of(cases()[4], &crate::device());
    let all = || [&inputs.x, &inputs.weight, &inputs.shortcut].map(values);
    let before = all();
    let _ = inputs.joined();
    assert_eq!(all(), before);
}

#[test]
fn not_a_number_stays_one() {
    let device = crate::device();
    let inputs = Inputs {
        x: Tensor::from_data([[[[f32::NAN, -1.0, 2.0]]]], &device),
        weight: Tensor::ones([1, 1, 1, 1], &device),
        scale: Tensor::ones([1], &device),
        shift: Tensor::zeros([1], &device),
        shortcut: Tensor::zeros([1, 1, 1, 3], &device),
        options: ConvOptions::default(),
    };
    let [relu, affine, affine_relu, add_relu] = inputs.joined().map(|y| values(&y));
    assert!(affine[0].is_nan());
    assert_eq!(affine[1..], [-1.0, 2.0]);
    for y in [relu, affine_relu, add_relu] {
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [0.0, 2.0]);
    }
}

#[test]
#[should_panic(expected = "conv2d: bias has 4 values for 5 output channels")]
fn a_bias_must_fit() {
    let mut inputs = Inputs::of(cases()[0], &crate::device());
    inputs.shift = Tensor::ones([4], &crate::device());
    let _ = inputs.joined();
}

#[test]
#[should_panic(expected = "conv2d_affine: the convolution has 5 output channels")]
fn vectors_must_fit_the_outputs() {
    let inputs = Inputs::of(cases()[0], &crate::device());
    let long = Tensor::ones([6], &crate::device());
    let _ = conv2d_affine(
        inputs.x,
        inputs.weight,
        long,
        inputs.shift,
        &inputs.options,
        true,
    );
}

#[test]
#[should_panic(expected = "conv2d_affine_add_relu: the convolution is [2, 5, 9, 11]")]
fn a_shortcut_must_fit_the_output() {
    let mut inputs = Inputs::of(cases()[0], &crate::device());
    inputs.shortcut = Tensor::ones([2, 5, 9, 10], &crate::device());
    let _ = inputs.joined();
}
