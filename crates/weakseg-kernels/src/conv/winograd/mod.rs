//! Convolutions with a 3x3 kernel and stride 1 by F(4x4, 3x3): 36 products for 4x4 pixels where
//! the definition has 144.
//!
//! [`transform`] has the arithmetic, [`tiling`] says where tiles lie (dilations are interleaved
//! plain convolutions). [`forward`] computes outputs and input gradients, [`source`], [`weight`]
//! and [`destination`] are its three transforms; [`weight_gradient`] has its own layout, with the
//! channels innermost ([`pixels`]). [`choice`] says where the method pays.

pub(super) mod choice;
mod destination;
mod forward;
mod pass;
mod pixels;
mod source;
mod tiling;
mod transform;
mod weight;
mod weight_gradient;

use super::ending::Ending;
use super::layouts::{Layouts, Weight};
use super::shape::ConvShape;
use crate::tile::Tiles;
use pass::Pass;
pub(super) use weight::GatheredKernels;

/// Whether a convolution can be computed this way.
pub(super) fn possible(shape: &ConvShape) -> bool {
    shape.kernel == [3, 3] && shape.options.stride == [1, 1] && shape.options.groups == 1
}

/// `[B, O, OH, OW]` from x `[B, I, H, W]` and weight `[O, I, 3, 3]`, with what follows but a shortcut.
pub(super) fn forward(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: Weight<'_>,
    ending: &Ending<'_>,
) -> Vec<f32> {
    assert!(possible(shape), "3x3, stride 1, one group");
    let pass = Pass::forward(shape, x, weight.values, ending);
    if weight.layouts.is_none() {
        // Each task gathers its own kernels, and transforms them while they are in its cache.
        return forward::run(tiles, &pass);
    }
    let make = || GatheredKernels::new(tiles, &pass);
    Layouts::with(
        weight.layouts,
        |kept| &kept.kernels,
        make,
        |kernels| {
            let kernels = Some(kernels);
            forward::run(tiles, &Pass { kernels, ..pass })
        },
    )
}

/// Gradient with respect to x, `[B, I, H, W]`.
pub(super) fn input_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    weight: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    assert!(possible(shape), "3x3, stride 1, one group");
    forward::run(tiles, &Pass::input_gradient(shape, weight, output_gradient))
}

/// Gradient with respect to the weight, `[O, I, 3, 3]`.
pub(super) fn weight_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
) -> Vec<f32> {
    assert!(possible(shape), "3x3, stride 1, one group");
    weight_gradient::run(tiles, shape, x, output_gradient)
}

#[cfg(test)]
mod tests;
