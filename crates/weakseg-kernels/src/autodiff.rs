//! Handwritten backward passes.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use crate::conv::ConvOptions;
use crate::ops::{Kernels, NetworkOps};
use crate::path::PathIndex;

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
        match AffinityBackward
            .prepare::<C>([edge.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&edge), paths.clone());
                let output = B::path_affinity_forward(edge.into_primitive(), &paths);
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::path_affinity_forward(edge.into_primitive(), &paths))
            }
        }
    }
}

/// Backward of [`NetworkOps::pair_affinity`].
#[derive(Debug)]
struct AffinityBackward;

impl<B: Backend + Kernels> Backward<B, 1> for AffinityBackward {
    type State = (NodeId, PathIndex);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let (edge, paths) = ops.state;
        let edge = checkpointer.retrieve_node_output::<FloatTensor<B>>(edge);
        if let Some(node) = &ops.parents[0] {
            let value = B::path_affinity_backward(edge, &paths, upstream);
            grads.register::<B>(node.id, value);
        }
    }
}
