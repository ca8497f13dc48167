//! How a product is cut.

/// Summands of a step.
pub const DEPTH: usize = 32;

/// Rows, columns and summands of a fragment of matrix units.
pub const SIDE: usize = 16;

/// Values of a piece.
const PIECE: usize = 8;

/// Which pass of a convolution a product is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Rows: pixels of the output, columns: its channels, summands: taps and input channels.
    Output,
    /// Rows: pixels of the input, columns: its channels, summands: taps and output channels.
    InputGradient,
    /// Rows: output channels, columns: taps and input channels, summands: pixels of the output.
    WeightGradient,
}

/// One kernel is compiled for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plan {
    pub pass: Pass,
    /// Whether values are taken in two parts of bf16, which loses the last 8 of their 24 bits; or rounded to one.
    pub split: bool,
    /// Whether the convolution has steps of more than a pixel. Only input gradients ask.
    pub strided: bool,
    /// Whether matrix units multiply.
    pub matrix_units: bool,
    /// Rows and columns of the product that a workgroup makes, and planes side by side in each direction.
    pub rows: usize,
    pub columns: usize,
    pub planes_down: usize,
    pub planes_across: usize,
    /// Units of a plane.
    pub lanes: usize,
}

impl Plan {
    pub fn planes(&self) -> usize {
        self.planes_down * self.planes_across
    }

    /// Units of a workgroup.
    pub fn units(&self) -> usize {
        self.planes() * self.lanes
    }

    /// Fragments of a plane's share.
    pub fn fragments_down(&self) -> usize {
        self.rows / self.planes_down / SIDE
    }

    pub fn fragments_across(&self) -> usize {
        self.columns / self.planes_across / SIDE
    }

    /// Values of a unit's share, without matrix units.
    pub fn values_of_unit(&self) -> usize {
        self.rows * self.columns / self.units()
    }

    /// Values that a unit keeps; one, unused, where fragments keep them.
    pub fn values_by_units(&self) -> usize {
        if self.matrix_units { 1 } else { self.values_of_unit() }
    }

    /// Pieces of a line of shared memory: a row's summands, or a summand's rows.
    pub fn left_line(&self) -> usize {
        self.line(self.rows)
    }

    pub fn right_line(&self) -> usize {
        self.line(self.columns)
    }

    fn line(&self, across: usize) -> usize {
        match self.pass {
            Pass::WeightGradient => across / PIECE,
            _ => DEPTH / PIECE,
        }
    }

    /// Pieces from line to line: one more, so that fragments' lines begin in different banks.
    pub fn left_stride(&self) -> usize {
        self.left_line() + 1
    }

    pub fn right_stride(&self) -> usize {
        self.right_line() + 1
    }

    /// Pieces of an operand's share of shared memory.
    pub fn left_length(&self) -> usize {
        self.rows * DEPTH / PIECE / self.left_line() * self.left_stride()
    }

    pub fn right_length(&self) -> usize {
        self.columns * DEPTH / PIECE / self.right_line() * self.right_stride()
    }

    /// Pieces for second parts. One where there are none, for nothing has no address.
    pub fn low(&self, length: usize) -> usize {
        if self.split { length } else { 1 }
    }

    /// Pieces that a unit reads in a step.
    pub fn left_loads(&self) -> usize {
        self.rows * DEPTH / PIECE / self.units()
    }

    pub fn right_loads(&self) -> usize {
        self.columns * DEPTH / PIECE / self.units()
    }

    /// Places that a unit works out before the first step.
    pub fn fixed_loads(&self) -> usize {
        match self.pass {
            Pass::WeightGradient => 1,
            _ => self.left_loads(),
        }
    }

    /// How far a step goes in what [`super::kernel::Geometry::summands`] counts.
    pub fn summands_of_step(&self) -> usize {
        match self.pass {
            Pass::WeightGradient => DEPTH,
            _ => DEPTH / PIECE,
        }
    }

    /// Bytes of shared memory.
    pub fn shared_bytes(&self) -> usize {
        let operands = self.left_length() + self.right_length();
        let parts = if self.split { 2 } else { 1 };
        let stage = SIDE * SIDE * self.planes() * size_of::<f32>();
        operands * parts * PIECE * 2 + stage
    }
}
