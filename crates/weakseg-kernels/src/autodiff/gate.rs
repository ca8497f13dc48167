//! Squeeze and excitation: means of planes, planes times gates.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};

use super::Tracked;
use super::again::Again;
use crate::ops::Kernels;

pub(super) fn gate<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    gate: Tracked<B, C>,
) -> Tracked<B, C> {
    let nodes = [x.node(), gate.node()];
    let again = Again::<B, _, 2> {
        inputs: [x.id(), gate.id()],
        settings: (),
        forward: |[x, gate], ()| B::gate_forward(x, gate),
    };
    let prep = GateBackward.prepare::<C>(nodes).memory_bound();
    match prep.retro_forward(again).parents([&x, &gate]).stateful() {
        OpsKind::Tracked(mut prep) => {
            let node = prep.checkpoint(&x);
            let gate = gate.into_primitive();
            let output = B::gate_forward(x.into_primitive(), gate.clone());
            prep.finish((node, gate), output)
        }
        OpsKind::UnTracked(prep) => {
            prep.finish(B::gate_forward(x.into_primitive(), gate.into_primitive()))
        }
    }
}

pub(super) fn gate_add_relu<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
    gate: Tracked<B, C>,
    shortcut: Tracked<B, C>,
) -> Tracked<B, C> {
    let nodes = [x.node(), gate.node(), shortcut.node()];
    match GateAddBackward
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(mut prep) => {
            let node = prep.checkpoint(&x);
            let gate = gate.into_primitive();
            let shortcut = shortcut.into_primitive();
            let output = B::gate_add_forward(x.into_primitive(), gate.clone(), shortcut);
            prep.finish((node, gate, output.clone()), output)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::gate_add_forward(
            x.into_primitive(),
            gate.into_primitive(),
            shortcut.into_primitive(),
        )),
    }
}

pub(super) fn global_mean<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
) -> Tracked<B, C> {
    let prep = MeanBackward.prepare::<C>([x.node()]).compute_bound();
    let x = x.into_primitive();
    let [_, _, height, width] = x.shape().dims();
    let output = B::global_mean_forward(x);
    match prep.stateful() {
        OpsKind::Tracked(prep) => prep.finish([height, width], output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// Backward of [`crate::ops::NetworkOps::gate`]; the parents are x and the gate, the state x and the
/// gate's values.
#[derive(Debug)]
struct GateBackward;

impl<B: Backend + Kernels> Backward<B, 2> for GateBackward {
    type State = (NodeId, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let (x, gate) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let gradients = B::gate_backward(x, gate, upstream);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Backward of [`crate::ops::NetworkOps::gate_add_relu`]; the parents are x, the gate and the shortcut, the
/// state x, the gate's values and the output, which the next layer keeps anyway.
#[derive(Debug)]
struct GateAddBackward;

impl<B: Backend + Kernels> Backward<B, 3> for GateAddBackward {
    type State = (NodeId, FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let (x, gate, output) = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(x);
        let gated = B::relu_gradient(output, upstream);
        let [x_node, gate_node, shortcut_node] = ops.parents;
        if let Some(node) = shortcut_node {
            grads.register::<B>(node.id, gated.clone());
        }
        let gradients = B::gate_backward(x, gate, gated);
        for (node, gradient) in [x_node, gate_node].into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

/// Backward of [`crate::ops::NetworkOps::global_mean`]; the state is the height and width of x.
#[derive(Debug)]
struct MeanBackward;

impl<B: Backend + Kernels> Backward<B, 1> for MeanBackward {
    type State = [usize; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            let gradient = B::global_mean_backward(ops.state, upstream);
            grads.register::<B>(node.id, gradient);
        }
    }
}
