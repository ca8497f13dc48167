//! The kernels in plain Rust: what those with vector instructions are compared with.
#![allow(unsafe_code)] // Implements the raw-pointer contracts of `Bf16` and `Multiplier`.

use super::{HALF, Lines, Product, SIDE, STEP, Tile};

/// To nearest, ties to even; a NaN stays one.
pub(crate) fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// # Safety
///
/// As `Multiplier::multiply`.
pub(super) unsafe fn multiply(product: &Product) {
    let halves = |pair: u32| [pair << 16, pair & 0xffff_0000].map(f32::from_bits);
    // SAFETY: the caller's contract.
    unsafe {
        for row in 0..SIDE {
            let a = product.a[row / HALF].add(row % HALF * product.a_stride);
            for column in 0..SIDE {
                let b = (product.b)
                    .add(column / HALF * product.b_half)
                    .add(column % HALF * size_of::<u32>());
                let out = product.out.add(row * product.out_stride + column);
                let mut sum = if product.add { *out } else { 0.0 };
                for step in 0..product.steps {
                    let a = a.add(step * product.a_step);
                    let b = b.add(*product.b_steps.add(step));
                    for pair in 0..HALF {
                        let a = a.add(pair * size_of::<u32>()).cast::<u32>();
                        let b = b.add(pair * product.b_stride).cast::<u32>();
                        let (a, b) = (halves(a.read_unaligned()), halves(b.read_unaligned()));
                        sum += a[0] * b[0];
                        sum += a[1] * b[1];
                    }
                }
                *out = sum;
            }
        }
    }
}

/// # Safety
///
/// As `Bf16::write_pairs`, with lines that lie inside.
pub(super) unsafe fn write_pairs(lines: &Lines<'_>, planes: [Option<usize>; 2], to: *mut u32) {
    for line in lines.lines {
        for at in 0..line.count {
            let value = |plane: Option<usize>| match (line.source, plane) {
                (Some(source), Some(plane)) => {
                    rounded(lines.values[lines.start(source, plane) + at * lines.step])
                }
                _ => 0,
            };
            let pair = u32::from(value(planes[0])) | u32::from(value(planes[1])) << 16;
            // SAFETY: the caller vouches for the places of the line.
            unsafe { to.add(line.at + at).write(pair) };
        }
    }
}

/// # Safety
///
/// As `Bf16::write_values`, with lines that lie inside.
pub(super) unsafe fn write_values(lines: &Lines<'_>, plane: Option<usize>, to: *mut u16) {
    for line in lines.lines {
        for at in 0..line.count {
            let value = match (line.source, plane) {
                (Some(source), Some(plane)) => {
                    rounded(lines.values[lines.start(source, plane) + at * lines.step])
                }
                _ => 0,
            };
            // SAFETY: the caller vouches for the places of the line.
            unsafe { to.add(line.at + at).write(value) };
        }
    }
}

/// # Safety
///
/// As `Bf16::write_tile`.
pub(super) unsafe fn write_tile(tile: &Tile, to: *mut u16) {
    for row in 0..HALF {
        for column in 0..STEP {
            let inside = row < tile.rows && column < tile.columns;
            // SAFETY: the caller's contract.
            unsafe {
                let from = tile
                    .from
                    .wrapping_add(row * tile.row_stride + column * tile.column_stride);
                let value = if inside { *from } else { 0.0 };
                to.add(row * STEP + column).write(rounded(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn values_are_rounded_to_the_nearest_even() {
        for (value, bits) in [
            (1.0, 0x3f80),
            (1.0 + 1.0 / 256.0, 0x3f80),
            (1.0 + 3.0 / 256.0, 0x3f82),
            (-1.005, 0xbf81),
            (f32::MAX, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
            (0.0, 0),
        ] {
            assert_eq!(rounded(value), bits, "{value}");
        }
        assert!(f32::from_bits(u32::from(rounded(f32::NAN)) << 16).is_nan());
    }
}
