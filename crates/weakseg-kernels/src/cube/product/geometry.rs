//! What a product's tensors are like, for its kernel.

use cubecl::prelude::*;

/// What the tensors of a product are like. Channels are counted in pieces.
///
/// One of them, `[B, height, width, channels]`, is read by taps: for pixel (y, x) of the grid and tap (i, j) at
/// y·scale_y + shift_y + i·move_y, and so along x.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub struct Geometry {
    /// Blocks of channels beside each other that have nothing to do with one another; all that follows is of one.
    pub blocks: u32,
    /// Rows and columns of the product, as they are written.
    pub rows: u32,
    pub columns: u32,
    /// Summands, in pieces of taps and channels, or in pixels of the grid for weight gradients.
    pub summands: u32,
    /// How many of them, in steps, a workgroup takes.
    pub steps: u32,
    /// The pixels that rows, or summands of weight gradients, are numbered by.
    pub grid_height: u32,
    pub grid_width: u32,
    /// How far a step of pixels goes on, less whole images and rows.
    pub advance_image: u32,
    pub advance_y: u32,
    pub advance_x: u32,
    pub height: u32,
    pub width: u32,
    pub channels: u32,
    /// Pieces from pixel to pixel there.
    pub row: u32,
    pub scale_y: u32,
    pub scale_x: u32,
    pub shift_y: i32,
    pub shift_x: i32,
    pub move_y: i32,
    pub move_x: i32,
    /// Taps that are met, side by side.
    pub taps_across: u32,
    /// Of the other tensor: pieces from line to line, from block to block, and of a block's line; the first tap that is
    /// met there, and how far apart they are.
    pub other_row: u32,
    pub other_block: u32,
    pub other_channels: u32,
    pub first_tap: u32,
    pub tap_step_y: u32,
    pub tap_step_x: u32,
    /// Values from row to row, block to block and split to split where the product is written.
    pub out_row: u32,
    pub out_block: u32,
    pub out_split: u32,
    /// Where rows are written, if not in their order: the pixel of the grid's first, and how far apart they are.
    pub out_first: u32,
    pub out_image: u32,
    pub out_step_y: u32,
    pub out_step_x: u32,
}

/// A pixel of the grid, and the pixels before its image in the tensor that is read by taps.
#[derive(CubeType, Clone, Copy)]
pub struct Pixel {
    pub image: u32,
    pub y: u32,
    pub x: u32,
}

#[cube]
pub fn pixel_of(geometry: &Geometry, number: u32) -> Pixel {
    let of_image = geometry.grid_height * geometry.grid_width;
    let image = number / of_image;
    let rest = number - image * of_image;
    let y = rest / geometry.grid_width;
    Pixel {
        image,
        y,
        x: rest - y * geometry.grid_width,
    }
}
