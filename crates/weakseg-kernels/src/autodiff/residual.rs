//! The end of a residual block: batch norm, shortcut and ReLU in one.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend};

use super::Tracked;
use crate::ops::Kernels;

pub(super) fn batch_norm_add_relu<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    gamma: Tracked<B, C>,
    beta: Tracked<B, C>,
    shortcut: Tracked<B, C>,
    epsilon: f64,
) -> (Tracked<B, C>, Tracked<B, C>, Tracked<B, C>) {
    let nodes = [x.node(), gamma.node(), beta.node(), shortcut.node()];
    let prep = NormAddBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful();
    let forward = |x, gamma, beta, shortcut: Tracked<B, C>| {
        B::batch_norm_add_forward(x, gamma, beta, shortcut.into_primitive(), epsilon)
    };
    let (output, mean, variance) = match prep {
        OpsKind::Tracked(mut prep) => {
            let node = prep.checkpoint(&x);
            let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
            let (output, mean, variance) =
                forward(x.into_primitive(), gamma.clone(), beta.clone(), shortcut);
            let state = NormAddState {
                x: node,
                channels: [gamma, beta, mean.clone(), variance.clone()],
                epsilon,
                output: output.clone(),
            };
            (prep.finish(state, output), mean, variance)
        }
        OpsKind::UnTracked(prep) => {
            let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
            let (output, mean, variance) = forward(x.into_primitive(), gamma, beta, shortcut);
            (prep.finish(output), mean, variance)
        }
    };
    let constant = <Autodiff<B, C> as AutodiffBackend>::from_inner;
    (output, constant(mean), constant(variance))
}

pub(super) fn channel_affine_add_relu<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    scale: Tracked<B, C>,
    shift: Tracked<B, C>,
    shortcut: Tracked<B, C>,
) -> Tracked<B, C> {
    let nodes = [x.node(), scale.node(), shift.node(), shortcut.node()];
    let prep = AffineAddBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful();
    match prep {
        OpsKind::Tracked(mut prep) => {
            let node = prep.checkpoint(&x);
            let (scale, shift) = (scale.into_primitive(), shift.into_primitive());
            let output = B::channel_affine_add_forward(
                x.into_primitive(),
                scale.clone(),
                shift.clone(),
                shortcut.into_primitive(),
            );
            let state = AffineAddState {
                x: node,
                channels: [scale, shift],
                output: output.clone(),
            };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::channel_affine_add_forward(
            x.into_primitive(),
            scale.into_primitive(),
            shift.into_primitive(),
            shortcut.into_primitive(),
        )),
    }
}

/// Backward of [`crate::ops::NetworkOps::batch_norm_add_relu`]; the parents are x, gamma, beta and the shortcut.
#[derive(Debug)]
struct NormAddBackward;

/// What the backward reads. The output, which ReLU's mask is taken from, the next layer keeps anyway,
/// the shortcut perhaps nobody.
#[derive(Debug, Clone)]
struct NormAddState<T> {
    x: NodeId,
    channels: [T; 4],
    epsilon: f64,
    output: T,
}

impl<B: Backend + Kernels> Backward<B, 4> for NormAddBackward {
    type State = NormAddState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let state = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(state.x);
        let gradients =
            B::batch_norm_add_backward(x, state.channels, state.epsilon, state.output, upstream);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Backward of [`crate::ops::NetworkOps::channel_affine_add_relu`]; the parents are x, scale, shift and the shortcut.
#[derive(Debug)]
struct AffineAddBackward;

/// What the backward reads.
#[derive(Debug, Clone)]
struct AffineAddState<T> {
    x: NodeId,
    channels: [T; 2],
    output: T,
}

impl<B: Backend + Kernels> Backward<B, 4> for AffineAddBackward {
    type State = AffineAddState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let AffineAddState {
            x,
            channels: [scale, shift],
            output,
        } = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let gated = B::relu_gradient(output, upstream);
        let [x_node, scale_node, shift_node, shortcut_node] = ops.parents;
        if scale_node.is_some() || shift_node.is_some() {
            let gradients = B::channel_affine_parameter_gradients(
                x.clone(),
                scale.clone(),
                shift.clone(),
                false,
                gated.clone(),
            );
            for (node, gradient) in [scale_node, shift_node].into_iter().zip(gradients) {
                if let Some(node) = node {
                    grads.register::<B>(node.id, gradient);
                }
            }
        }
        if let Some(node) = x_node {
            let gradient = B::channel_affine_input_gradient(x, scale, shift, false, gated.clone());
            grads.register::<B>(node.id, gradient);
        }
        if let Some(node) = shortcut_node {
            grads.register::<B>(node.id, gated);
        }
    }
}
