//! Handwritten backward passes.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use crate::conv::ConvOptions;
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::path::PathIndex;
use crate::pool::PoolOptions;

/// Backward of [`NetworkOps::convolve`]; the parents are x, weight and, with `N` = 3, bias.
#[derive(Debug)]
struct Conv2dBackward;

/// What the backward of a convolution reads. An input is only kept (or recomputed) when a
/// gradient needs its values: x for the weight's gradient, weight for x's. Otherwise its shape
/// is enough.
#[derive(Debug, Clone)]
struct ConvState {
    x: NodeId,
    weight: NodeId,
    options: ConvOptions,
}

impl<B: Backend + Kernels, const N: usize> Backward<B, N> for Conv2dBackward {
    type State = ConvState;

    fn backward(
        self,
        ops: Ops<ConvState, N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let state = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(state.x);
        let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(state.weight);
        if let Some(node) = ops.parents.get(2).cloned().flatten() {
            grads.register::<B>(node.id, B::conv2d_bias_gradient(gradient.clone()));
        }
        if let Some(node) = &ops.parents[1] {
            let value = B::conv2d_weight_gradient(
                x.clone(),
                weight.clone(),
                gradient.clone(),
                state.options,
            );
            grads.register::<B>(node.id, value);
        }
        if let Some(node) = &ops.parents[0] {
            let value = B::conv2d_input_gradient(x, weight, gradient, state.options);
            grads.register::<B>(node.id, value);
        }
    }
}

/// Records a convolution; `$bias` is an expression for the primitive of the bias, if any.
macro_rules! record {
    ($x:ident, $weight:ident, $options:ident, $nodes:expr, $bias:expr) => {
        match Conv2dBackward
            .prepare::<C>($nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let state = ConvState {
                    x: prep.checkpoint(&$x),
                    weight: prep.checkpoint(&$weight),
                    options: $options,
                };
                let x = $x.into_primitive();
                let weight = $weight.into_primitive();
                prep.finish(state, B::conv2d_forward(x, weight, $bias, $options))
            }
            OpsKind::UnTracked(prep) => {
                let x = $x.into_primitive();
                let weight = $weight.into_primitive();
                prep.finish(B::conv2d_forward(x, weight, $bias, $options))
            }
        }
    };
}

/// Records an operation with one input, which its backward gets back with `$settings`.
macro_rules! record_unary {
    ($input:ident, $backward:ident, $settings:ident, $forward:expr) => {
        match $backward
            .prepare::<C>([$input.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&$input), $settings.clone());
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
        record!(x, weight, options, [x.node(), weight.node()], None)
    }

    fn convolve_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        record!(x, weight, options, nodes, Some(bias.into_primitive()))
    }

    fn pair_affinity(edge: FloatTensor<Self>, paths: PathIndex) -> FloatTensor<Self> {
        record_unary!(edge, AffinityBackward, paths, |edge| {
            B::path_affinity_forward(edge, &paths)
        })
    }

    fn pool_max(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
        record_unary!(x, PoolBackward, options, |x| B::max_pool_forward(
            x, options
        ))
    }

    fn resize(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self> {
        record_unary!(x, ResizeBackward, target, |x| B::resize_forward(x, target))
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
    /// Backward of [`NetworkOps::pair_affinity`].
    AffinityBackward,
    PathIndex,
    |edge, paths, upstream| B::path_affinity_backward(edge, &paths, upstream)
);
unary_backward!(
    /// Backward of [`NetworkOps::pool_max`].
    PoolBackward,
    PoolOptions,
    B::max_pool_backward
);
unary_backward!(
    /// Backward of [`NetworkOps::resize`].
    ResizeBackward,
    Resize,
    B::resize_backward
);
