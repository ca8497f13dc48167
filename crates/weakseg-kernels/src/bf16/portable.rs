//! The kernels in plain Rust: what those with vector instructions are compared with. Subnormal sums, which those take
//! for zero, stay as they are.
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
pub(super) unsafe fn multiply<const N: usize>(product: &Product<N>) {
    const ROW: usize = HALF * size_of::<u32>();
    let halves = |pair: u32| [pair << 16, pair & 0xffff_0000].map(f32::from_bits);
    // SAFETY: the caller's contract.
    unsafe {
        for (block, row) in (0..N).flat_map(|block| (0..HALF).map(move |row| (block, row))) {
            let a = product.a[block].add(row * product.a_stride);
            for column in 0..SIDE {
                let b = product.b[column / HALF].add(column % HALF * size_of::<u32>());
                let out = product.out[block].add(row * product.out_stride + column);
                let mut sum = if product.add { *out } else { 0.0 };
                for step in 0..product.steps {
                    let a = a.add(*product.a_steps.add(step));
                    for pair in 0..HALF {
                        let a = a.add(pair * size_of::<u32>()).cast::<u32>();
                        let b = b.add(step * product.b_step + pair * ROW).cast::<u32>();
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
/// As `Bf16::write_places`, with `count` planes from the first on and lines that lie inside them.
pub(super) unsafe fn write_places(lines: &Lines<'_>, first: usize, count: usize, to: *mut u16) {
    for channel in 0..STEP {
        let plane = (channel < count).then_some(first + channel);
        // SAFETY: the caller vouches for the places of the lines.
        write_each(lines, plane, |at, value| unsafe {
            to.add(at * STEP + channel).write(value)
        });
    }
}

/// # Safety
///
/// As `Bf16::write_tiles`, with `count` planes from the first on and lines that lie inside them.
pub(super) unsafe fn write_tiles(lines: &Lines<'_>, first: usize, count: usize, to: *mut u32) {
    for channel in 0..STEP {
        let plane = (channel < count).then_some(first + channel);
        write_each(lines, plane, |at, value| {
            let pair = (at / HALF * HALF + channel / 2) * HALF + at % HALF;
            // SAFETY: the caller vouches for the tiles of the lines.
            unsafe { to.cast::<u16>().add(2 * pair + channel % 2).write(value) };
        });
    }
}

/// # Safety
///
/// As `Bf16::write_values`, with lines that lie inside.
pub(super) unsafe fn write_values(lines: &Lines<'_>, plane: Option<usize>, to: *mut u16) {
    // SAFETY: the caller vouches for the places of the lines.
    write_each(lines, plane, |at, value| unsafe { to.add(at).write(value) });
}

/// Hands each place of some lines and its value to `write`.
fn write_each(lines: &Lines<'_>, plane: Option<usize>, write: impl Fn(usize, u16)) {
    for line in lines.lines {
        for at in 0..line.count {
            let value = match (line.source, plane) {
                (Some(source), Some(plane)) => {
                    rounded(lines.values[lines.start(source, plane) + at * lines.step])
                }
                _ => 0,
            };
            write(line.at + at, value);
        }
    }
}

/// # Safety
///
/// As `Bf16::write_tile`.
pub(super) unsafe fn write_tile(tile: &Tile, turned: bool, to: *mut u16) {
    for row in 0..HALF {
        for column in 0..STEP {
            let inside = row < tile.rows && column < tile.columns;
            // SAFETY: the caller's contract.
            unsafe {
                let from = tile
                    .from
                    .wrapping_add(row * tile.row_stride + column * tile.column_stride);
                let value = if inside { *from } else { 0.0 };
                let pair = if turned {
                    column / 2 * HALF + row
                } else {
                    row * HALF + column / 2
                };
                to.add(2 * pair + column % 2).write(rounded(value));
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
            for turned in [false, true] {
                let mut found = [1; HALF * STEP];
                // SAFETY: a row of so many values, and a place for each of a tile.
                unsafe { set.write_tile(&tile, turned, found.as_mut_ptr()) };
                for (at, found) in found.into_iter().enumerate() {
                    let (row, pair) = (at / 2 / HALF, at / 2 % HALF);
                    let (row, pair) = if turned { (pair, row) } else { (row, pair) };
                    let expected = if row == 0 {
                        bits.get(2 * pair + at % 2)
                    } else {
                        None
                    };
                    assert_eq!(found, *expected.unwrap_or(&0), "{} at {at}", set.name());
                }
            }
        }
    }
}
