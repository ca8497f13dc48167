//! Handwritten backward passes.

mod again;
mod gate;
mod nearest;
mod pairs;
mod residual;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend};

use again::Again;

use crate::conv::ConvOptions;
use crate::norm::NormOptions;
use crate::ops::{Kernels, NetworkOps, Resize};
use crate::pairs::PairLabels;
use crate::path::PathIndex;
use crate::pool::PoolOptions;

/// Backward of [`NetworkOps::convolve`]; the parents are x, weight and, with `N` = 3, bias.
#[derive(Debug)]
struct Conv2dBackward;

/// What the backward of a convolution reads. An input is only kept (or recomputed) when a
/// gradient needs its values: x for the weight's gradient, weight for x's. Otherwise its shape
/// is enough.
#[derive(Debug, Clone)]
struct ConvState {
    x: NodeId,
    weight: NodeId,
    options: ConvOptions,
}

impl<B: Backend + Kernels, const N: usize> Backward<B, N> for Conv2dBackward {
    type State = ConvState;

    fn backward(
        self,
        ops: Ops<ConvState, N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<B>(&ops.node);
        let state = ops.state;
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(state.x);
        let weight = checkpointer.retrieve_node_output::<FloatTensor<B>>(state.weight);
        if let Some(node) = ops.parents.get(2).cloned().flatten() {
            grads.register::<B>(node.id, B::conv2d_bias_gradient(gradient.clone()));
        }
        if let Some(node) = &ops.parents[1] {
            let value = B::conv2d_weight_gradient(
                x.clone(),
                weight.clone(),
                gradient.clone(),
                state.options,
            );
            grads.register::<B>(node.id, value);
        }
        if let Some(node) = &ops.parents[0] {
            let value = B::conv2d_input_gradient(x, weight, gradient, state.options);
            grads.register::<B>(node.id, value);
        }
    }
}

/// Records a convolution; `$bias` is an expression for the primitive of the bias, if any.
macro_rules! record {
    ($x:ident, $weight:ident, $options:ident, $nodes:expr, $bias:expr) => {
        match Conv2dBackward
            .prepare::<C>($nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let state = ConvState {
                    x: prep.checkpoint(&$x),
                    weight: prep.checkpoint(&$weight),
                    options: $options,
                };
                let changes = $weight.is_tracked();
                let x = $x.into_primitive();
                let weight = $weight.into_primitive();
                if changes {
                    B::forget_weight(&weight);
                } else {
                    B::keep_weight(&weight, $options.groups);
                }
                prep.finish(state, B::conv2d_forward(x, weight, $bias, $options))
            }
            OpsKind::UnTracked(prep) => {
                let x = $x.into_primitive();
                let weight = $weight.into_primitive();
                // Of a frozen layer.
                B::keep_weight(&weight, $options.groups);
                prep.finish(B::conv2d_forward(x, weight, $bias, $options))
            }
        }
    };
}

/// Records an operation with one input, which its backward gets back with `$settings`.
macro_rules! record_unary {
    ($input:ident, $backward:ident, $settings:ident, $forward:expr) => {
        match $backward
            .prepare::<C>([$input.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&$input), $settings.clone());
                let output = $forward($input.into_primitive());
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish($forward($input.into_primitive())),
        }
    };
}

impl<B: Backend + Kernels, C: CheckpointStrategy> NetworkOps for Autodiff<B, C> {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        record!(x, weight, options, [x.node(), weight.node()], None)
    }

    fn convolve_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        record!(x, weight, options, nodes, Some(bias.into_primitive()))
    }

    /// As two operations, each with its own gradient.
    fn convolve_relu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        Self::rectify(Self::convolve_biased(x, weight, bias, options))
    }

    /// As two operations: the gradients need the convolution's output.
    fn convolve_affine(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        options: ConvOptions,
        relu: bool,
    ) -> FloatTensor<Self> {
        Self::affine(Self::convolve(x, weight, options), scale, shift, relu)
    }

    fn convolve_affine_add(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        options: ConvOptions,
    ) -> FloatTensor<Self> {
        let output = Self::convolve(x, weight, options);
        Self::affine_add(output, scale, shift, shortcut)
    }

    fn pair_affinity(edge: FloatTensor<Self>, paths: PathIndex) -> FloatTensor<Self> {
        record_unary!(edge, AffinityBackward, paths, |edge| {
            B::path_affinity_forward(edge, &paths)
        })
    }

    fn sum_pairs(
        edge: FloatTensor<Self>,
        displacement: FloatTensor<Self>,
        labels: PairLabels,
    ) -> FloatTensor<Self> {
        pairs::sum_pairs::<B, C>(edge, displacement, labels)
    }

    fn pool_max(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
        record_unary!(x, PoolBackward, options, |x| B::max_pool_forward(
            x, options
        ))
    }

    fn resize(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self> {
        record_unary!(x, ResizeBackward, target, |x| B::resize_forward(x, target))
    }

    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
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
        (output, Self::from_inner(mean), Self::from_inner(variance))
    }

    fn affine(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), scale.node(), shift.node()];
        match AffineBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let node = prep.checkpoint(&x);
                let (scale, shift) = (scale.into_primitive(), shift.into_primitive());
                let output = B::channel_affine_forward(
                    x.into_primitive(),
                    scale.clone(),
                    shift.clone(),
                    relu,
                );
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

    fn normalize_add(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        residual::normalize_add::<B, C>(x, gamma, beta, shortcut, epsilon)
    }

    fn affine_add(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        residual::affine_add::<B, C>(x, scale, shift, shortcut)
    }

    fn weigh(x: FloatTensor<Self>, gate: FloatTensor<Self>) -> FloatTensor<Self> {
        gate::weigh::<B, C>(x, gate)
    }

    fn weigh_add(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        shortcut: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        gate::weigh_add::<B, C>(x, gate, shortcut)
    }

    fn squeeze(x: FloatTensor<Self>) -> FloatTensor<Self> {
        gate::squeeze::<B, C>(x)
    }

    fn grow(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        nearest::grow::<B, C>(x, size)
    }

    fn grow_join(x: FloatTensor<Self>, skip: FloatTensor<Self>) -> FloatTensor<Self> {
        nearest::grow_join::<B, C>(x, skip)
    }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = ReluBackward.prepare::<C>([x.node()]).compute_bound();
        let output = B::relu_forward(x.into_primitive());
        match prep.stateful() {
            OpsKind::Tracked(prep) => prep.finish(output.clone(), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn add_rectify(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [a.node(), b.node()];
        let prep = ReluBackward.prepare::<C>(nodes).compute_bound();
        let output = B::add_relu_forward(a.into_primitive(), b.into_primitive());
        match prep.stateful() {
            OpsKind::Tracked(prep) => prep.finish(output.clone(), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

/// Backward of [`NetworkOps::normalize`]; the parents are x, gamma and beta.
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

/// Backward of [`NetworkOps::affine`]; the parents are x, scale and shift, the state x, the values
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

/// Backward of [`NetworkOps::rectify`] and [`NetworkOps::add_rectify`]. The state is the output:
/// the next layer keeps it anyway, the inputs nobody.
#[derive(Debug)]
struct ReluBackward;

impl<B: Backend + Kernels, const N: usize> Backward<B, N> for ReluBackward {
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let upstream = grads.consume::<B>(&ops.node);
        let gradient = B::relu_gradient(ops.state, upstream);
        for node in ops.parents.into_iter().flatten() {
            grads.register::<B>(node.id, gradient.clone());
        }
    }
}

/// Defines the backward of an operation with one input.
macro_rules! unary_backward {
    ($(#[$doc:meta])* $name:ident, $settings:ty, $gradient:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        struct $name;

        impl<B: Backend + Kernels> Backward<B, 1> for $name {
            type State = (NodeId, $settings);

            fn backward(
                self,
                ops: Ops<Self::State, 1>,
                grads: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let upstream = grads.consume::<B>(&ops.node);
                let (input, settings) = ops.state;
                let input = checkpointer.retrieve_node_output::<FloatTensor<B>>(input);
                if let Some(node) = &ops.parents[0] {
                    let gradient = $gradient(input, settings, upstream);
                    grads.register::<B>(node.id, gradient);
                }
            }
        }
    };
}

unary_backward!(
    /// Backward of [`NetworkOps::pair_affinity`].
    AffinityBackward,
    PathIndex,
    |edge, paths, upstream| B::path_affinity_backward(edge, &paths, upstream)
);
unary_backward!(
    /// Backward of [`NetworkOps::pool_max`].
    PoolBackward,
    PoolOptions,
    B::max_pool_backward
);
unary_backward!(
    /// Backward of [`NetworkOps::resize`].
    ResizeBackward,
    Resize,
    B::resize_backward
);
