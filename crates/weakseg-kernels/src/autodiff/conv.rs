//! Convolution.

use burn::backend::Backend;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

use super::Tracked;
use crate::conv::ConvOptions;
use crate::ops::Kernels;

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
                let changes = $weight.is_tracked();
                let x = $x.into_primitive();
                let weight = $weight.into_primitive();
                if changes {
                    B::forget_weight(&weight);
                } else {
                    B::keep_weight(&weight, $options.groups);
                }
                prep.finish(state, B::conv2d_forward(x, weight, $bias, $options))
            }
            OpsKind::UnTracked(prep) => {
                let x = $x.into_primitive();
                let weight = $weight.into_primitive();
                // Of a frozen layer.
                B::keep_weight(&weight, $options.groups);
                prep.finish(B::conv2d_forward(x, weight, $bias, $options))
            }
        }
    };
}

pub(super) fn convolve<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    weight: Tracked<B, C>,
    options: ConvOptions,
) -> Tracked<B, C> {
    record!(x, weight, options, [x.node(), weight.node()], None)
}

pub(super) fn convolve_biased<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    weight: Tracked<B, C>,
    bias: Tracked<B, C>,
    options: ConvOptions,
) -> Tracked<B, C> {
    let nodes = [x.node(), weight.node(), bias.node()];
    record!(x, weight, options, nodes, Some(bias.into_primitive()))
}

/// Backward of [`crate::ops::NetworkOps::convolve`]; the parents are x, weight and, with `N` = 3, bias.
#[derive(Debug)]
struct Conv2dBackward;

/// What the backward of a convolution reads.
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
