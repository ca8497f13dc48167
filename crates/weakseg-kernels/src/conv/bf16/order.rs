//! Places of the source as an operand.
#![allow(unsafe_code)] // Tasks round places of their own.

use std::ops::Range;

use rayon::prelude::*;

use super::super::planes::Planes;
use super::grid::Grid;
use crate::bf16::{Bf16, HALF, Lines, STEP};

/// Places rounded by one task.
const PIECE: usize = 1024;
/// Pairs of 16 places and 32 channels.
pub(super) const TILE: usize = HALF * HALF;

/// How rounded places lie, and which operand they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// `[block of 32 channels, phase, place, channel]`, the rows of a product: a tap reads the same rows some places
    /// further, and all that a block of places reads lies in one piece. Sums are `[place, destination channel]` and
    /// have to be turned.
    Rows,
    /// `[block of 32 channels, 16 places, pair of channels, place]`, the columns of a product, where there is one tap,
    /// which moves nothing: neither places nor sums are turned.
    Columns,
}

impl Order {
    /// That of a correlation.
    pub fn of(grid: &Grid) -> Self {
        if grid.taps.len() == 1 && grid.reach == 0 {
            Self::Columns
        } else {
            Self::Rows
        }
    }

    /// Rounds the places of a window, a multiple of 16 in [`Order::Columns`].
    pub fn round(
        self,
        bf16: Bf16,
        grid: &Grid,
        planes: &Planes<'_>,
        window: Range<usize>,
        rounded: &mut [f32],
    ) {
        let block = window.len() * HALF;
        assert_eq!(rounded.len() % block, 0);
        assert!(self == Self::Rows || window.len().is_multiple_of(HALF));
        (rounded.par_chunks_mut(block).enumerate()).for_each(|(at, to)| {
            let channel = at / grid.sources.len() * STEP;
            let source = &grid.sources[at % grid.sources.len()];
            (to.par_chunks_mut(PIECE * HALF).enumerate()).for_each(|(piece, to)| {
                let first = window.start + piece * PIECE;
                let lines = Lines {
                    lines: &source.lines(first..first + to.len() / HALF),
                    values: planes.source,
                    channels: planes.channels,
                    pixels: planes.source_size[0] * planes.source_size[1],
                    step: source.step[1],
                };
                let to = to.as_mut_ptr();
                // SAFETY: the lines' places are those of the piece, which holds 32 values of each, in whole tiles if
                // they are wanted.
                unsafe {
                    match self {
                        Self::Rows => bf16.write_places(&lines, channel, to.cast()),
                        Self::Columns => bf16.write_tiles(&lines, channel, to.cast()),
                    }
                }
            });
        });
    }
}
