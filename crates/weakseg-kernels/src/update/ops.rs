//! What a backend must offer for [`crate::sgd_update`] and its like.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, backend_extension};

use super::{AdamStep, SgdStep};

/// Steps of optimizers, routed at run time to the device of their inputs. The default bodies are made
/// of the backend's own operations.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub trait UpdateOps: Backend {
    /// See [`crate::sgd_update`].
    fn descend(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: SgdStep,
    ) -> FloatTensor<Self>;

    /// See [`crate::momentum_update`].
    fn descend_with_momentum(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        buffer: FloatTensor<Self>,
        step: SgdStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// See [`crate::adam_update`].
    fn descend_adaptively(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

fn scaled<B: Backend>(x: FloatTensor<B>, factor: f64) -> FloatTensor<B> {
    B::float_mul_scalar(x, factor.into())
}

/// a·factor + b.
fn scaled_sum<B: Backend>(a: FloatTensor<B>, factor: f64, b: FloatTensor<B>) -> FloatTensor<B> {
    B::float_add(scaled::<B>(a, factor), b)
}

fn decayed<B: Backend>(
    gradient: FloatTensor<B>,
    parameter: &FloatTensor<B>,
    weight_decay: f64,
) -> FloatTensor<B> {
    if weight_decay == 0.0 {
        gradient
    } else {
        scaled_sum::<B>(parameter.clone(), weight_decay, gradient)
    }
}

pub(super) fn descend<B: Backend>(
    parameter: FloatTensor<B>,
    gradient: FloatTensor<B>,
    step: SgdStep,
) -> FloatTensor<B> {
    let gradient = decayed::<B>(gradient, &parameter, step.weight_decay);
    B::float_sub(parameter, scaled::<B>(gradient, step.lr))
}

pub(super) fn descend_with_momentum<B: Backend>(
    parameter: FloatTensor<B>,
    gradient: FloatTensor<B>,
    buffer: FloatTensor<B>,
    step: SgdStep,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let gradient = decayed::<B>(gradient, &parameter, step.weight_decay);
    let buffer = scaled_sum::<B>(buffer, step.momentum, gradient.clone());
    let direction = match step.nesterov {
        true => scaled_sum::<B>(buffer.clone(), step.momentum, gradient),
        false => buffer.clone(),
    };
    let parameter = B::float_sub(parameter, scaled::<B>(direction, step.lr));
    (parameter, buffer)
}

pub(super) fn descend_adaptively<B: Backend>(
    parameter: FloatTensor<B>,
    gradient: FloatTensor<B>,
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    step: AdamStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let [beta1, beta2] = step.betas;
    let gradient = decayed::<B>(gradient, &parameter, step.weight_decay);
    let square = B::float_mul(gradient.clone(), gradient.clone());
    let first = scaled_sum::<B>(first, beta1, scaled::<B>(gradient, 1.0 - beta1));
    let second = scaled_sum::<B>(second, beta2, scaled::<B>(square, 1.0 - beta2));
    let direction = if step.adaptive {
        let root = B::float_div_scalar(B::float_sqrt(second.clone()), step.root.into());
        B::float_div(
            first.clone(),
            B::float_add_scalar(root, step.epsilon.into()),
        )
    } else {
        first.clone()
    };
    let parameter = B::float_sub(
        scaled::<B>(parameter, step.shrink),
        scaled::<B>(direction, step.step),
    );
    (parameter, first, second)
}

impl<B: Backend + UpdateOps, C: CheckpointStrategy> UpdateOps for Autodiff<B, C> {
    fn descend(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: SgdStep,
    ) -> FloatTensor<Self> {
        let parameter = parameter.into_primitive();
        Self::from_inner(B::descend(parameter, gradient.into_primitive(), step))
    }

    fn descend_with_momentum(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        buffer: FloatTensor<Self>,
        step: SgdStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (parameter, buffer) = B::descend_with_momentum(
            parameter.into_primitive(),
            gradient.into_primitive(),
            buffer.into_primitive(),
            step,
        );
        (Self::from_inner(parameter), Self::from_inner(buffer))
    }

    fn descend_adaptively(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (parameter, first, second) = B::descend_adaptively(
            parameter.into_primitive(),
            gradient.into_primitive(),
            first.into_primitive(),
            second.into_primitive(),
            step,
        );
        (
            Self::from_inner(parameter),
            Self::from_inner(first),
            Self::from_inner(second),
        )
    }
}

#[cfg(feature = "cube")]
impl UpdateOps for burn::backend::Cube {
    fn descend(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: SgdStep,
    ) -> FloatTensor<Self> {
        descend::<Self>(parameter, gradient, step)
    }

    fn descend_with_momentum(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        buffer: FloatTensor<Self>,
        step: SgdStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        descend_with_momentum::<Self>(parameter, gradient, buffer, step)
    }

    fn descend_adaptively(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        descend_adaptively::<Self>(parameter, gradient, first, second, step)
    }
}
