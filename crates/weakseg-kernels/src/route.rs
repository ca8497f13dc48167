//! What the networks call, handed to a backend's kernels.

/// Implements [`NetworkOps`](crate::ops::NetworkOps) for a backend without a graph by its
/// [`Kernels`](crate::ops::Kernels). (Burn's extension asks for an implementation on each backend, so
/// no blanket one will do.)
macro_rules! route_to_kernels {
    ($backend:ty) => {
        impl NetworkOps for $backend {
            fn convolve(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                options: ConvOptions,
            ) -> FloatTensor<Self> {
                Self::keep_weight(&weight, options.groups);
                Self::conv2d_forward(x, weight, None, options)
            }

            fn convolve_biased(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                options: ConvOptions,
            ) -> FloatTensor<Self> {
                Self::keep_weight(&weight, options.groups);
                Self::conv2d_forward(x, weight, Some(bias), options)
            }

            fn convolve_relu(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                options: ConvOptions,
            ) -> FloatTensor<Self> {
                Self::keep_weight(&weight, options.groups);
                Self::conv2d_relu_forward(x, weight, bias, options)
            }

            fn convolve_affine(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                shift: FloatTensor<Self>,
                options: ConvOptions,
                relu: bool,
            ) -> FloatTensor<Self> {
                Self::keep_weight(&weight, options.groups);
                Self::conv2d_affine_forward(x, weight, scale, shift, options, relu)
            }

            fn convolve_affine_add(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                shift: FloatTensor<Self>,
                shortcut: FloatTensor<Self>,
                options: ConvOptions,
            ) -> FloatTensor<Self> {
                Self::keep_weight(&weight, options.groups);
                Self::conv2d_affine_add_forward(x, weight, scale, shift, shortcut, options)
            }

            fn pair_sums(
                edge: FloatTensor<Self>,
                displacement: FloatTensor<Self>,
                labels: PairLabels,
            ) -> FloatTensor<Self> {
                Self::pair_sums_forward(edge, displacement, &labels)
            }

            fn pool_max(x: FloatTensor<Self>, options: PoolOptions) -> FloatTensor<Self> {
                Self::max_pool_forward(x, options)
            }

            fn resize_bilinear(x: FloatTensor<Self>, target: Resize) -> FloatTensor<Self> {
                Self::resize_forward(x, target)
            }

            fn normalize(
                x: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                options: NormOptions,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                Self::batch_norm_forward(x, gamma, beta, options)
            }

            fn channel_affine(
                x: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                shift: FloatTensor<Self>,
                relu: bool,
            ) -> FloatTensor<Self> {
                Self::channel_affine_forward(x, scale, shift, relu)
            }

            fn batch_norm_add_relu(
                x: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                shortcut: FloatTensor<Self>,
                epsilon: f64,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                Self::batch_norm_add_forward(x, gamma, beta, shortcut, epsilon)
            }

            fn channel_affine_add_relu(
                x: FloatTensor<Self>,
                scale: FloatTensor<Self>,
                shift: FloatTensor<Self>,
                shortcut: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::channel_affine_add_forward(x, scale, shift, shortcut)
            }

            fn gate(x: FloatTensor<Self>, gate: FloatTensor<Self>) -> FloatTensor<Self> {
                Self::gate_forward(x, gate)
            }

            fn gate_add_relu(
                x: FloatTensor<Self>,
                gate: FloatTensor<Self>,
                shortcut: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::gate_add_forward(x, gate, shortcut)
            }

            fn global_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
                Self::global_mean_forward(x)
            }

            fn resize_nearest(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
                Self::nearest_forward(x, size)
            }

            fn resize_nearest_join(
                x: FloatTensor<Self>,
                skip: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::nearest_join_forward(x, skip)
            }

            fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
                Self::relu_forward(x)
            }
        }
    };
}
pub(crate) use route_to_kernels;
