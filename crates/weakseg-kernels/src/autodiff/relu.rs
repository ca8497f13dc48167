//! ReLU.

use burn::backend::Backend;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

use super::Tracked;
use crate::ops::Kernels;

pub(super) fn rectify<B: Backend + Kernels, C: CheckpointStrategy>(
    x: Tracked<B, C>,
) -> Tracked<B, C> {
    let prep = ReluBackward.prepare::<C>([x.node()]).compute_bound();
    let output = B::relu_forward(x.into_primitive());
    match prep.stateful() {
        OpsKind::Tracked(prep) => prep.finish(output.clone(), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

/// Backward of [`crate::ops::NetworkOps::rectify`]. The state is the output: the next layer keeps it anyway, the input
/// nobody.
#[derive(Debug)]
struct ReluBackward;

impl<B: Backend + Kernels> Backward<B, 1> for ReluBackward {
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            let gradient = B::relu_gradient(ops.state, upstream);
            grads.register::<B>(node.id, gradient);
        }
    }
}
