//! Batch norm and affine maps of channels.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend};

use super::Tracked;
use super::again::Again;
use crate::norm::NormOptions;
use crate::ops::Kernels;

pub(super) fn normalize<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    gamma: Tracked<B, C>,
    beta: Tracked<B, C>,
    options: NormOptions,
) -> (Tracked<B, C>, Tracked<B, C>, Tracked<B, C>) {
    let nodes = [x.node(), gamma.node(), beta.node()];
    let again = Again::<B, _, 3> {
        inputs: [x.id(), gamma.id(), beta.id()],
        settings: options,
        forward: |[x, gamma, beta], options| B::batch_norm_forward(x, gamma, beta, options).0,
    };
    let prep = NormBackward
        .prepare::<C>(nodes)
        .memory_bound()
        .retro_forward(again)
        .parents([&x, &gamma, &beta])
        .stateful();
    let (output, mean, variance) = match prep {
        OpsKind::Tracked(mut prep) => {
            let node = prep.checkpoint(&x);
            let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
            let (output, mean, variance) =
                B::batch_norm_forward(x.into_primitive(), gamma.clone(), beta.clone(), options);
            let state = NormState {
                x: node,
                channels: [gamma, beta, mean.clone(), variance.clone()],
                options,
            };
            (prep.finish(state, output), mean, variance)
        }
        OpsKind::UnTracked(prep) => {
            let (output, mean, variance) = B::batch_norm_forward(
                x.into_primitive(),
                gamma.into_primitive(),
                beta.into_primitive(),
                options,
            );
            (prep.finish(output), mean, variance)
        }
    };
    let constant = <Autodiff<B, C> as AutodiffBackend>::from_inner;
    (output, constant(mean), constant(variance))
}

pub(super) fn channel_affine<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    scale: Tracked<B, C>,
    shift: Tracked<B, C>,
    relu: bool,
) -> Tracked<B, C> {
    let nodes = [x.node(), scale.node(), shift.node()];
    match AffineBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(mut prep) => {
            let node = prep.checkpoint(&x);
            let (scale, shift) = (scale.into_primitive(), shift.into_primitive());
            let output =
                B::channel_affine_forward(x.into_primitive(), scale.clone(), shift.clone(), relu);
            prep.finish((node, [scale, shift], relu), output)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::channel_affine_forward(
            x.into_primitive(),
            scale.into_primitive(),
            shift.into_primitive(),
            relu,
        )),
    }
}

/// Backward of [`crate::ops::NetworkOps::normalize`]; the parents are x, gamma and beta.
#[derive(Debug)]
struct NormBackward;

/// What the backward of a batch norm reads: x, and gamma, beta, mean and variance, which are small
/// enough to keep.
#[derive(Debug, Clone)]
struct NormState<T> {
    x: NodeId,
    channels: [T; 4],
    options: NormOptions,
}

impl<B: Backend + Kernels> Backward<B, 3> for NormBackward {
    type State = NormState<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let NormState {
            x,
            channels: [gamma, beta, mean, variance],
            options,
        } = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let gradients = B::batch_norm_backward(x, gamma, beta, mean, variance, options, upstream);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Backward of [`crate::ops::NetworkOps::channel_affine`]; the parents are x, scale and shift, the state x, the values
/// of the two others, and whether ReLU follows.
#[derive(Debug)]
struct AffineBackward;

impl<B: Backend + Kernels> Backward<B, 3> for AffineBackward {
    type State = (NodeId, [FloatTensor<B>; 2], bool);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let (x, [scale, shift], relu) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let [x_node, scale_node, shift_node] = ops.parents;
        if scale_node.is_some() || shift_node.is_some() {
            let gradients = B::channel_affine_parameter_gradients(
                x.clone(),
                scale.clone(),
                shift.clone(),
                relu,
                upstream.clone(),
            );
            for (node, gradient) in [scale_node, shift_node].into_iter().zip(gradients) {
                if let Some(node) = node {
                    grads.register::<B>(node.id, gradient);
                }
            }
        }
        if let Some(node) = x_node {
            let gradient = B::channel_affine_input_gradient(x, scale, shift, relu, upstream);
            grads.register::<B>(node.id, gradient);
        }
    }
}
