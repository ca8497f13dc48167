//! The CPU backend: f32 runs the kernels, other float types the default bodies.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

use super::ops::{self, UpdateOps};
use super::{AdamStep, SgdStep, kernels};
use crate::flex::{contiguous, elementwise_serves, own_values, owned, values};
use crate::instructions::Instructions;

/// The values of a tensor made by [`owned`].
fn written(tensor: &mut FloatTensor<Flex>) -> &mut [f32] {
    own_values(tensor).expect("nobody else holds it")
}

impl UpdateOps for Flex {
    fn descend(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: SgdStep,
    ) -> FloatTensor<Self> {
        if !elementwise_serves(&[&parameter, &gradient]) {
            return ops::descend::<Self>(parameter, gradient, step);
        }
        let (mut parameter, gradient) = (owned(parameter), contiguous(&gradient));
        let set = Instructions::detect();
        kernels::descend(set, written(&mut parameter), values(&gradient), step);
        parameter
    }

    fn descend_with_momentum(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        buffer: FloatTensor<Self>,
        step: SgdStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !elementwise_serves(&[&parameter, &gradient, &buffer]) {
            return ops::descend_with_momentum::<Self>(parameter, gradient, buffer, step);
        }
        let (mut parameter, gradient) = (owned(parameter), contiguous(&gradient));
        let mut buffer = owned(buffer);
        kernels::descend_with_momentum(
            Instructions::detect(),
            written(&mut parameter),
            values(&gradient),
            written(&mut buffer),
            step,
        );
        (parameter, buffer)
    }

    fn descend_adaptively(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        if !elementwise_serves(&[&parameter, &gradient, &first, &second]) {
            return ops::descend_adaptively::<Self>(parameter, gradient, first, second, step);
        }
        let (mut parameter, gradient) = (owned(parameter), contiguous(&gradient));
        let (mut first, mut second) = (owned(first), owned(second));
        kernels::descend_adaptively(
            Instructions::detect(),
            written(&mut parameter),
            values(&gradient),
            [written(&mut first), written(&mut second)],
            step,
        );
        (parameter, first, second)
    }
}
