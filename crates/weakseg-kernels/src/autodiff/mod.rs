//! Handwritten backward passes.

mod again;
mod conv;
mod gate;
mod nearest;
mod norm;
mod pairs;
mod relu;
mod residual;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use crate::conv::ConvOptions;
use crate::norm::NormOptions;
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::pairs::PairLabels;
use crate::pool::PoolOptions;

/// A tensor of the recording backend.
type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

/// Records an operation with one input, which its backward gets back with `$settings`.
macro_rules! record_unary {
    ($input:ident, $backward:ident, $settings:ident, $forward:expr) => {
        match $backward
            .prepare::<C>([$input.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&$input), $settings);
                let output = $forward($input.into_primitive());
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish($forward($input.into_primitive())),
        }
    };
}

impl<B: Backend + Kernels, C: CheckpointStrategy> NetworkOps for Autodiff<B, C> {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        conv::convolve::<B, C>(x, weight, options)
    }

    fn convolve_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        conv::convolve_biased::<B, C>(x, weight, bias, options)
    }

    /// As two operations, each with its own gradient.
    fn convolve_relu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::rectify(Self::convolve_biased(x, weight, bias, options))
    }

    /// As two operations: the gradients need the convolution's output.
    fn convolve_affine(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        options: ConvOptions,
        relu: bool,
    ) -> FloatTensor<Self> {
        Self::channel_affine(Self::convolve(x, weight, options), scale, shift, relu)
    }

    fn convolve_affine_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let output = Self::convolve(x, weight, options);
        Self::channel_affine_add_relu(output, scale, shift, shortcut)
    }

    fn pair_sums(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: PairLabels,
    ) -> FloatTensor<Self> {
        pairs::pair_sums::<B, C>(edge, displacement, labels)
    }

    fn pool_max(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
        record_unary!(x, PoolBackward, options, |x| B::max_pool_forward(
            x, options
        ))
    }

    fn resize_bilinear(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self> {
        record_unary!(x, ResizeBackward, target, |x| B::resize_forward(x, target))
    }

    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        norm::normalize::<B, C>(x, gamma, beta, options)
    }

    fn channel_affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        norm::channel_affine::<B, C>(x, scale, shift, relu)
    }

    fn batch_norm_add_relu(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        residual::batch_norm_add_relu::<B, C>(x, gamma, beta, shortcut, epsilon)
    }

    fn channel_affine_add_relu(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        residual::channel_affine_add_relu::<B, C>(x, scale, shift, shortcut)
    }

    fn gate(x: FloatTensor<Self>, gate: FloatTensor<Self>) -> FloatTensor<Self> {
        gate::gate::<B, C>(x, gate)
    }

    fn gate_add_relu(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        gate::gate_add_relu::<B, C>(x, gate, shortcut)
    }

    fn global_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        gate::global_mean::<B, C>(x)
    }

    fn resize_nearest(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        nearest::resize_nearest::<B, C>(x, size)
    }

    fn resize_nearest_join(x: FloatTensor<Self>, skip: FloatTensor<Self>) -> FloatTensor<Self> {
        nearest::resize_nearest_join::<B, C>(x, skip)
    }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        relu::rectify::<B, C>(x)
    }
}

/// Defines the backward of an operation with one input.
macro_rules! unary_backward {
    ($(#[$doc:meta])* $name:ident, $settings:ty, $gradient:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        struct $name;

        impl<B: Backend + Kernels> Backward<B, 1> for $name {
            type State = (NodeId, $settings);

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                grads: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let upstream = grads.consume::<B>(&ops.node);
                let (input, settings) = ops.state;
                let input = checkpointer.retrieve_node_output::<FloatTensor<B>>(input);
                if let Some(node) = &ops.parents[0] {
                    let gradient = $gradient(input, settings, upstream);
                    grads.register::<B>(node.id, gradient);
                }
            }
        }
    };
}

unary_backward!(
    /// Backward of [`NetworkOps::pool_max`].
    PoolBackward,
    PoolOptions,
    B::max_pool_backward
);
unary_backward!(
    /// Backward of [`NetworkOps::resize_bilinear`].
    ResizeBackward,
    Resize,
    B::resize_backward
);
