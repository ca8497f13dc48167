//! The kernels in plain Rust: what those with vector instructions are compared with. Subnormal sums, which those take for zero,
//! stay as they are.
#![allow(unsafe_code)] // Implements the raw-pointer contracts of `Bf16` and `Multiplier`.

use super::{HALF, Lines, Product, SIDE, STEP, Tile};

/// To nearest, ties to even; a NaN stays one, a subnormal value becomes a zero of its sign.
pub(crate) fn rounded(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_subnormal() {
        return (bits >> 16) as u16 & 0x8000;
    }
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
    use super::super::Bf16;
    use super::*;

    #[test]
    fn every_set_rounds_values_to_the_nearest_even() {
        let (values, bits): (Vec<f32>, Vec<u16>) = [
            (1.0, 0x3f80),
            (1.0 + 1.0 / 256.0, 0x3f80),
            (1.0 + 3.0 / 256.0, 0x3f82),
            (-1.005, 0xbf81),
            (f32::MAX, 0x7f80),
            (f32::NEG_INFINITY, 0xff80),
            (0.0, 0),
            (f32::MIN_POSITIVE, 0x0080),
            (f32::MIN_POSITIVE / 2.0, 0),
            (-f32::MIN_POSITIVE / 2.0, 0x8000),
            (f32::NAN, 0x7fc0),
        ]
        .into_iter()
        .unzip();
        let tile = Tile {
            from: values.as_ptr(),
            rows: 1,
            columns: values.len(),
            row_stride: values.len(),
            column_stride: 1,
        };
        for set in Bf16::available() {
            let mut found = [1; HALF * STEP];
            // SAFETY: a row of so many values, and a place for each of a tile.
            unsafe { set.write_tile(&tile, found.as_mut_ptr()) };
            let (row, rest) = found.split_at(values.len());
            assert_eq!(row, bits, "{}", set.name());
            assert!(rest.iter().all(|zero| *zero == 0), "{}", set.name());
        }
    }
}
