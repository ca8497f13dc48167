//! Convolutions with operands rounded to bf16 ([`crate::bf16`]): one group, many channels.

mod correlate;
mod grid;
mod order;
#[cfg(test)]
mod tests;
mod weight;
mod weight_gradient;

use super::ending::Ending;
use super::lattice::Correlation;
use super::layouts::{Layouts, Weight};
use super::planes::{Planes, WeightStrides};
use super::shape::ConvShape;
use crate::bf16::SIDE;
use crate::scratch::{Shared, written_by, written_or_zero};
use crate::tile::Tiles;
use grid::Grid;
use order::Order;
pub(super) use weight::WeightSteps;

/// The forward pass and its grid, if bf16 serves a shape.
fn forward_pass(shape: &ConvShape) -> Option<(Correlation, Grid)> {
    let few = shape.inputs.min(shape.outputs) < SIDE;
    // Rows of the weight are read by offsets of 32 bits.
    let far = shape.inputs.max(shape.outputs) * shape.taps() >= 1 << 24;
    if few || far || shape.options.groups > 1 {
        return None;
    }
    let forward = Correlation::forward(shape);
    let grid = Grid::new(shape.batch, &forward, shape.size, shape.output_size)?;
    Some((forward, grid))
}

/// Output, or none where f32 was chosen or is the better way.
#[allow(unsafe_code)] // The output is written by tasks.
pub(super) fn forward(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    weight: Weight<'_>,
    ending: &Ending<'_>,
) -> Option<Vec<f32>> {
    let bf16 = tiles.bf16?;
    let (correlation, grid) = forward_pass(shape)?;
    let planes = Planes::forward(shape, x, *ending);
    let strides = WeightStrides::forward(shape);
    let pack = || {
        let order = Order::of(&grid);
        WeightSteps::new(bf16, weight.values, strides, &planes, &correlation, order)
    };
    let run = |packed: &WeightSteps| {
        // SAFETY: the output has the destination's size and is this pass's alone; the grid is of a correlation that
        // writes all of it.
        unsafe {
            written_by(shape.output_len(), |output| {
                correlate::correlate(tiles.set, bf16, &grid, &planes, packed, output);
            })
        }
    };
    Some(Layouts::with(weight.layouts, |kept| &kept.steps, pack, run))
}

/// Gradient with respect to x, or none as there.
#[allow(unsafe_code)] // The gradient is written by tasks.
pub(super) fn input_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    weight: &[f32],
    output_gradient: &[f32],
) -> Option<Vec<f32>> {
    let bf16 = tiles.bf16?;
    // What goes forward in f32 goes back in f32.
    forward_pass(shape)?;
    let parts: Option<Vec<(Correlation, Grid)>> = Correlation::input_gradient(shape)
        .into_iter()
        .map(|part| {
            let grid = Grid::new(shape.batch, &part, shape.output_size, shape.size)?;
            Some((part, grid))
        })
        .collect();
    let parts = parts?;
    let planes = Planes::input_gradient(shape, output_gradient);
    let strides = WeightStrides::input_gradient(shape);
    let fill = |gradient: Shared| {
        for (correlation, grid) in &parts {
            let order = Order::of(grid);
            let packed = WeightSteps::new(bf16, weight, strides, &planes, correlation, order);
            // SAFETY: the gradient has the destination's size and is this pass's alone.
            unsafe { correlate::correlate(tiles.set, bf16, grid, &planes, &packed, gradient) };
        }
    };
    let written: usize = (parts.iter())
        .map(|(part, _)| part.extent[0] * part.extent[1])
        .sum();
    // Pixels no tap reaches keep the zero.
    let all = written == shape.size[0] * shape.size[1];
    // SAFETY: the parts' pixels are distinct: all of them if they are as many as the gradient has.
    Some(unsafe { written_or_zero(shape.input_len(), all, fill) })
}

/// Gradient with respect to the weight, or none as there.
pub(super) fn weight_gradient(
    tiles: &Tiles,
    shape: &ConvShape,
    x: &[f32],
    output_gradient: &[f32],
) -> Option<Vec<f32>> {
    let bf16 = tiles.bf16?;
    assert_eq!(x.len(), shape.input_len(), "input size");
    assert_eq!(
        output_gradient.len(),
        shape.output_len(),
        "output gradient size"
    );
    let (_, grid) = forward_pass(shape)?;
    let set = tiles.set;
    Some(weight_gradient::weight_gradient(
        set,
        bf16,
        &grid,
        shape,
        x,
        output_gradient,
    ))
}
