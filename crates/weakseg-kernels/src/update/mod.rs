//! Steps of optimizers: a parameter and what the optimizer remembers of it, updated in one pass.

mod flex;
mod kernels;
mod ops;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

pub use ops::UpdateOps;

/// Numbers of a step of stochastic gradient descent, `torch.optim.SGD`'s without dampening.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// Factor on the buffer; not read where there is none.
    pub momentum: f64,
    /// Whether the step looks ahead along the buffer.
    pub nesterov: bool,
    /// Factor of the parameter in its gradient.
    pub weight_decay: f64,
}

/// Numbers of a step of the Adam family:
/// p ← shrink·p − step·m / (√v / root + epsilon), or shrink·p − step·m where not `adaptive`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Learning rate with all corrections of the moments' bias but `root`'s.
    pub step: f64,
    /// What the root of the second moment is divided by.
    pub root: f64,
    /// Added to the root.
    pub epsilon: f64,
    /// Decay rates of the first and second moment.
    pub betas: [f64; 2],
    /// Factor of the parameter in its gradient: Adam's L2 term.
    pub weight_decay: f64,
    /// Factor on the parameter: decoupled weight decay, 1 for none.
    pub shrink: f64,
    /// Whether the second moment divides the step.
    pub adaptive: bool,
}

/// A parameter after a step of gradient descent without momentum. On the CPU in one pass, in the
/// parameter's own memory if nobody else holds it. No gradient comes from it.
///
/// # Panics
///
/// If the lengths differ.
#[must_use]
pub fn sgd_update(parameter: Tensor<1>, gradient: Tensor<1>, step: &SgdStep) -> Tensor<1> {
    check("sgd_update", [&parameter, &gradient]);
    Tensor::from_dispatch(<Dispatch as UpdateOps>::descend(
        parameter.into_dispatch(),
        gradient.into_dispatch(),
        *step,
    ))
}

/// As [`sgd_update`] with a momentum buffer, which is zeros before the first step. Returns parameter
/// and buffer.
///
/// # Panics
///
/// If the lengths differ.
#[must_use]
pub fn momentum_update(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    buffer: Tensor<1>,
    step: &SgdStep,
) -> (Tensor<1>, Tensor<1>) {
    check("momentum_update", [&parameter, &gradient, &buffer]);
    let (parameter, buffer) = <Dispatch as UpdateOps>::descend_with_momentum(
        parameter.into_dispatch(),
        gradient.into_dispatch(),
        buffer.into_dispatch(),
        *step,
    );
    (
        Tensor::from_dispatch(parameter),
        Tensor::from_dispatch(buffer),
    )
}

/// A parameter and its first and second moment, zeros before the first step, after a step of the Adam
/// family; in one pass as [`sgd_update`].
///
/// # Panics
///
/// If the lengths differ.
#[must_use]
pub fn adam_update(
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    moments: [Tensor<1>; 2],
    step: &AdamStep,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let [first, second] = moments;
    check("adam_update", [&parameter, &gradient, &first, &second]);
    let (parameter, first, second) = <Dispatch as UpdateOps>::descend_adaptively(
        parameter.into_dispatch(),
        gradient.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        *step,
    );
    let moments = [first, second].map(Tensor::from_dispatch);
    (Tensor::from_dispatch(parameter), moments)
}

fn check<const N: usize>(name: &str, tensors: [&Tensor<1>; N]) {
    let lengths = tensors.map(|tensor| tensor.dims()[0]);
    assert!(
        lengths.iter().all(|&length| length == lengths[0]),
        "{name}: expected tensors of one length, found {lengths:?}"
    );
}
