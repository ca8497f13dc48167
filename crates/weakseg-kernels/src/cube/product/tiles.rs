//! A product in tiles: how many workgroups have which plan.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::axis::Axis;
use super::geometry::GeometryLaunch;
use super::kernel::product;
use super::plan::{DEPTH, PIECE, Plan};

/// Values of a vector that is read at a time.
const VECTOR: usize = 4;

/// Units of a plane, and planes of a workgroup.
pub const LANES: usize = 32;
pub const PLANES: usize = 8;

/// So many workgroups keep a GPU busy: where the product has fewer tiles, its sums are cut, to be added after it.
const BUSY: usize = 512;

/// But no sum into parts of fewer steps.
const FEWEST_STEPS: usize = 16;

/// How values are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// In two parts of bf16 each.
    F32,
    /// Rounded to bf16.
    Bf16,
}

/// What a device has for products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    Matrix,
    /// None; by way of tests alone.
    #[cfg(test)]
    Scalar,
}

/// Where rows that lie apart are written, in pixels.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    pub first: usize,
    pub image: usize,
    pub step: [usize; 2],
}

/// What a product's tensors are like, channels in pieces: [`super::geometry::Geometry`] says what is what.
pub struct Problem {
    pub blocks: usize,
    pub rows: usize,
    pub columns: usize,
    pub summands: usize,
    /// Images, height and width.
    pub grid: [usize; 3],
    /// Height, width and channels.
    pub read: [usize; 3],
    pub axes: [Axis; 2],
    pub other_row: usize,
    pub other_block: usize,
    pub other_channels: usize,
    pub kernel_width: usize,
    pub out_row: usize,
    pub out_block: usize,
    pub written: Option<Written>,
}

impl Problem {
    fn geometry(&self, steps: usize) -> GeometryLaunch {
        let [_, tall, wide] = self.grid;
        let [height, width, channels] = self.read;
        let [down, across] = self.axes;
        let written = self.written.unwrap_or(Written {
            first: 0,
            image: 0,
            step: [0, 0],
        });
        GeometryLaunch::new(
            self.blocks as u32,
            self.rows as u32,
            self.columns as u32,
            self.summands as u32,
            steps as u32,
            tall as u32,
            wide as u32,
            (DEPTH / (tall * wide)) as u32,
            (DEPTH / wide % tall) as u32,
            (DEPTH % wide) as u32,
            height as u32,
            width as u32,
            channels as u32,
            (self.blocks * channels) as u32,
            down.scale as u32,
            across.scale as u32,
            down.shift as i32,
            across.shift as i32,
            down.step as i32,
            across.step as i32,
            across.taps.max(1) as u32,
            self.other_row as u32,
            self.other_block as u32,
            self.other_channels as u32,
            (down.first_tap * self.kernel_width + across.first_tap) as u32,
            (down.tap_step * self.kernel_width) as u32,
            across.tap_step as u32,
            self.out_row as u32,
            self.out_block as u32,
            (self.blocks * self.rows * self.columns) as u32,
            written.first as u32,
            written.image as u32,
            written.step[0] as u32,
            written.step[1] as u32,
        )
    }
}

/// A plan and how often it is carried out.
#[derive(Debug, Clone, Copy)]
pub struct Tiles {
    plan: Plan,
    down: usize,
    across: usize,
    pub splits: usize,
    /// Of a split.
    steps: usize,
}

impl Tiles {
    /// For sums over taps and channels; `summands` and `channels` in pieces.
    pub fn by_taps(
        arithmetic: Arithmetic,
        blocks: usize,
        rows: usize,
        columns: usize,
        summands: usize,
        channels: usize,
    ) -> Self {
        let plan = Plan {
            whole: channels.is_multiple_of(DEPTH / PIECE),
            ..plan(arithmetic, 128, narrow(columns))
        };
        Self::new(plan, blocks, rows, columns, summands)
    }

    /// For sums over pixels.
    pub fn by_pixels(
        arithmetic: Arithmetic,
        blocks: usize,
        rows: usize,
        columns: usize,
        summands: usize,
    ) -> Self {
        let plan = Plan {
            by_pixels: true,
            ..plan(arithmetic, narrow(rows), narrow(columns))
        };
        Self::new(plan, blocks, rows, columns, summands)
    }

    fn new(plan: Plan, blocks: usize, rows: usize, columns: usize, summands: usize) -> Self {
        let (down, across) = (rows.div_ceil(plan.rows), columns.div_ceil(plan.columns));
        let steps = summands.div_ceil(plan.summands_of_step());
        let wanted = (BUSY / (blocks * down * across)).clamp(1, (steps / FEWEST_STEPS).max(1));
        let of_split = steps.div_ceil(wanted).max(1);
        Self {
            plan,
            down,
            across,
            splits: steps.div_ceil(of_split).max(1),
            steps: of_split,
        }
    }

    /// In one part.
    pub fn unsplit(self) -> Self {
        Self {
            steps: self.steps * self.splits,
            splits: 1,
            ..self
        }
    }

    /// Writes the product into `out`.
    pub fn launch(
        &self,
        left: CubeTensor,
        right: CubeTensor,
        out: &CubeTensor,
        problem: &Problem,
        units: Units,
    ) {
        let client = left.client.clone();
        let plan = Plan {
            scattered: problem.written.is_some(),
            matrix_units: units == Units::Matrix,
            ..self.plan
        };
        let count = CubeCount::Static(
            self.across as u32,
            self.down as u32,
            (self.splits * problem.blocks) as u32,
        );
        // SAFETY: the kernel reads and writes inside what `geometry` says, which is what the tensors are.
        unsafe {
            product::launch_unchecked(
                &client,
                count,
                CubeDim::new_2d(LANES as u32, PLANES as u32),
                VECTOR,
                left.binding().into_buffer_arg(),
                right.binding().into_buffer_arg(),
                out.clone().binding().into_buffer_arg(),
                problem.geometry(self.steps),
                plan,
            );
        }
    }
}

/// Rows or columns of a workgroup.
fn narrow(size: usize) -> usize {
    if size <= 64 { 64 } else { 128 }
}

fn plan(arithmetic: Arithmetic, rows: usize, columns: usize) -> Plan {
    let (planes_down, planes_across) = if rows > columns { (4, 2) } else { (2, 4) };
    Plan {
        by_pixels: false,
        whole: false,
        scattered: false,
        split: arithmetic == Arithmetic::F32,
        matrix_units: true,
        rows,
        columns,
        planes_down,
        planes_across,
        lanes: LANES,
    }
}
