//! Sums over pairs of pixels.

use burn::backend::Backend;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

use super::Tracked;
use crate::ops::Kernels;
use crate::pairs::PairLabels;

pub(super) fn pair_sums<B: Backend + Kernels, C: CheckpointStrategy>(
    edge: Tracked<B, C>,
    displacement: Tracked<B, C>,
    labels: PairLabels,
) -> Tracked<B, C> {
    let nodes = [edge.node(), displacement.node()];
    match PairsBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let inputs = [prep.checkpoint(&edge), prep.checkpoint(&displacement)];
            let (edge, displacement) = (edge.into_primitive(), displacement.into_primitive());
            let output = B::pair_sums_forward(edge, displacement, &labels);
            prep.finish((inputs, labels), output)
        }
        OpsKind::UnTracked(prep) => {
            let (edge, displacement) = (edge.into_primitive(), displacement.into_primitive());
            prep.finish(B::pair_sums_forward(edge, displacement, &labels))
        }
    }
}

/// Backward of [`crate::ops::NetworkOps::pair_sums`]; the parents are the edges and the displacements.
#[derive(Debug)]
struct PairsBackward;

impl<B: Backend + Kernels> Backward<B, 2> for PairsBackward {
    type State = ([NodeId; 2], PairLabels);

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let (inputs, labels) = ops.state;
        let [edge, displacement] =
            inputs.map(|node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node));
        let gradients = B::pair_sums_backward(edge, displacement, &labels, upstream);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}
