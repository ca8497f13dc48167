//! Resizing by repeating pixels, alone or beside other maps.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Backend, TensorMetadata};

use super::Tracked;
use super::again::Again;
use crate::ops::Kernels;

pub(super) fn resize_nearest<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    size: [usize; 2],
) -> Tracked<B, C> {
    let again = Again::<B, _, 1> {
        inputs: [x.id()],
        settings: size,
        forward: |[x], size| B::nearest_forward(x, size),
    };
    let prep = GrowBackward.prepare::<C>([x.node()]).memory_bound();
    let prep = prep.retro_forward(again).parents([&x]);
    let x = x.into_primitive();
    let shape = x.shape().dims();
    let output = B::nearest_forward(x, size);
    match prep.stateful() {
        OpsKind::Tracked(prep) => prep.finish(shape, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

pub(super) fn resize_nearest_join<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    skip: Tracked<B, C>,
) -> Tracked<B, C> {
    let nodes = [x.node(), skip.node()];
    let again = Again::<B, _, 2> {
        inputs: [x.id(), skip.id()],
        settings: (),
        forward: |[x, skip], ()| B::nearest_join_forward(x, skip),
    };
    let prep = JoinBackward.prepare::<C>(nodes).memory_bound();
    let prep = prep.retro_forward(again).parents([&x, &skip]);
    let x = x.into_primitive();
    let shape = x.shape().dims();
    let output = B::nearest_join_forward(x, skip.into_primitive());
    match prep.stateful() {
        OpsKind::Tracked(prep) => prep.finish(shape, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// Backward of [`crate::ops::NetworkOps::resize_nearest`]; the state is the shape of x.
#[derive(Debug)]
struct GrowBackward;

impl<B: Backend + Kernels> Backward<B, 1> for GrowBackward {
    type State = [usize; 4];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::nearest_backward(ops.state, upstream));
        }
    }
}

/// Backward of [`crate::ops::NetworkOps::resize_nearest_join`]; the state is the shape of x, the parents are x and
/// the maps behind it.
#[derive(Debug)]
struct JoinBackward;

impl<B: Backend + Kernels> Backward<B, 2> for JoinBackward {
    type State = [usize; 4];

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let gradients = B::nearest_join_backward(ops.state, upstream);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}
