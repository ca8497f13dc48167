//! How a product is cut.

/// Summands of a step.
pub const DEPTH: usize = 32;

/// Rows, columns and summands of a fragment of matrix units.
pub const SIDE: usize = 16;

/// Values of a piece: what a unit carries from global to shared memory at a time.
pub const PIECE: usize = 8;

/// Shared memory of a workgroup, which every device with matrix units has.
pub const SHARED_BYTES: usize = 48 * 1024;

/// One kernel is compiled for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Whether pixels are summed, as for weight gradients: the left operand is `[pixels, rows]` then, the right one
    /// `[pixels, columns]` and read by taps. Else taps and channels are: the left operand is `[rows, summands]` and
    /// read by taps, the right one `[columns, summands]`.
    pub by_pixels: bool,
    /// Of sums over taps and channels, whether a step's channels are all of one tap.
    pub whole: bool,
    /// Whether rows are written apart from each other.
    pub scattered: bool,
    /// Whether values are taken in two parts of bf16, which loses the last 7 of their 24 bits; or rounded to one.
    pub split: bool,
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
        if self.matrix_units {
            1
        } else {
            self.values_of_unit()
        }
    }

    /// Pieces of a line of shared memory: a row's summands, or a summand's rows.
    pub fn left_line(&self) -> usize {
        self.line(self.rows)
    }

    pub fn right_line(&self) -> usize {
        self.line(self.columns)
    }

    fn line(&self, across: usize) -> usize {
        if self.by_pixels {
            across / PIECE
        } else {
            DEPTH / PIECE
        }
    }

    /// Pieces from line to line: one more, so that fragments' lines begin in different banks.
    pub fn stride(&self, line: usize) -> usize {
        line + 1
    }

    /// Pieces of an operand's share of shared memory.
    pub fn left_length(&self) -> usize {
        self.rows * DEPTH / PIECE / self.left_line() * self.stride(self.left_line())
    }

    pub fn right_length(&self) -> usize {
        self.columns * DEPTH / PIECE / self.right_line() * self.stride(self.right_line())
    }

    /// Parts of each value.
    pub fn parts(&self) -> usize {
        if self.split { 2 } else { 1 }
    }

    /// Pieces that a unit reads in a step.
    pub fn left_loads(&self) -> usize {
        self.loads(self.left_length(), self.left_line())
    }

    pub fn right_loads(&self) -> usize {
        self.loads(self.right_length(), self.right_line())
    }

    /// The same, of shared memory of such a length and line.
    pub fn loads(&self, length: usize, line: usize) -> usize {
        length / self.stride(line) * line / self.units()
    }

    /// How far a step goes in what [`super::geometry::Geometry::summands`] counts.
    pub fn summands_of_step(&self) -> usize {
        if self.by_pixels { DEPTH } else { DEPTH / PIECE }
    }

    /// Two buffers, one to read from while the other is written, where they fit.
    pub fn buffers(&self) -> usize {
        // Without them, that of a driver in software.
        let most = if self.matrix_units {
            SHARED_BYTES
        } else {
            32 * 1024
        };
        if self.bytes(2) <= most { 2 } else { 1 }
    }

    /// Bytes of shared memory with so many buffers.
    pub fn bytes(&self, buffers: usize) -> usize {
        let operands = self.left_length() + self.right_length();
        let stage = if self.matrix_units {
            SIDE * SIDE * self.planes() * size_of::<f32>()
        } else {
            0
        };
        operands * self.parts() * buffers * PIECE * 2 + stage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_has_room_for_what_it_shares_and_keeps() {
        for rows in [64, 128] {
            for columns in [64, 128] {
                for (by_pixels, split) in
                    [(false, false), (false, true), (true, false), (true, true)]
                {
                    let plan = Plan {
                        by_pixels,
                        split,
                        whole: false,
                        scattered: false,
                        matrix_units: true,
                        rows,
                        columns,
                        planes_down: 2,
                        planes_across: 4,
                        lanes: 32,
                    };
                    assert!(plan.bytes(plan.buffers()) <= SHARED_BYTES, "{plan:?}");
                    // Each unit carries as much as the others, and all of it.
                    let pieces = plan.units() * plan.left_loads();
                    assert_eq!(pieces, rows * DEPTH / PIECE, "{plan:?}");
                    let pieces = plan.units() * plan.right_loads();
                    assert_eq!(pieces, columns * DEPTH / PIECE, "{plan:?}");
                }
            }
        }
    }
}
