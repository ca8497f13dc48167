//! Operations that are done again in the backward pass, on a device with gradient checkpointing.
//!
//! What a convolution reads in its backward pass is most often the output of something cheap: batch norm, a resized map
//! beside another. Such an output need not be kept from the forward pass if what it was made of is kept anyway.
//! Elsewhere, without gradient checkpointing, Burn keeps it as any other.

use std::fmt::{self, Debug, Formatter};

use burn::backend::Backend;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::tensor::FloatTensor;

/// An operation with `N` inputs, all of them tracked, and what else it takes.
pub(super) struct Again<B: Backend, S, const N: usize> {
    pub inputs: [NodeId; N],
    pub settings: S,
    pub forward: fn([FloatTensor<B>; N], S) -> FloatTensor<B>,
}

impl<B: Backend, S: Debug, const N: usize> Debug for Again<B, S, N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again")
            .field("inputs", &self.inputs)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<B: Backend, S: Clone + Debug + Send + 'static, const N: usize> RetroForward
    for Again<B, S, N>
{
    fn forward(&self, states: &mut BackwardStates, out_node: NodeId) {
        let inputs = self.inputs.map(|node| states.get_state(&node));
        states.save(out_node, (self.forward)(inputs, self.settings.clone()));
    }
}
