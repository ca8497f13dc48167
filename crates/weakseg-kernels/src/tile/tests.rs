//! Blocks of every set against sums of one value at a time.

use super::*;

fn numbers(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|at| (at as f32 * seed).sin()).collect()
}

#[test]
fn a_block_adds_its_products_in_order() {
    for tiles in Tiles::available() {
        let baseline = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
        let fused = baseline || tiles.set.set() != Set::Portable;
        for (depth, width) in [(0, 48), (1, 16), (5, 32), (23, 48), (96, 64), (7, 112)] {
            let a = numbers(depth * tiles.rows, 0.7);
            let b = numbers(3 * depth + width + SLACK, 1.3);
            // Neither evenly apart nor in order.
            let offsets: Vec<u32> = (0..depth).map(|k| (k * 7 % (3 * depth)) as u32).collect();
            let row_stride = width + 5;
            let before = numbers(tiles.rows * row_stride, 0.4);
            let firsts = numbers(tiles.rows, 2.1);
            for start in [Start::From(&firsts), Start::Destination] {
                let mut out = before.clone();
                // SAFETY: a, b and out have the sizes that the block is said to have.
                unsafe {
                    tiles.run(
                        &Block {
                            depth,
                            a: a.as_ptr(),
                            b: b.as_ptr(),
                            offsets: offsets.as_ptr(),
                            out: out.as_mut_ptr(),
                            row_stride,
                        },
                        width,
                        start,
                    );
                }
                for (at, found) in out.iter().enumerate() {
                    let (row, column) = (at / row_stride, at % row_stride);
                    let mut expected = match start {
                        Start::From(firsts) if column < width => firsts[row],
                        _ => before[at],
                    };
                    if column < width {
                        for (k, offset) in offsets.iter().enumerate() {
                            let factors = (a[k * tiles.rows + row], b[*offset as usize + column]);
                            expected = match fused {
                                true => factors.0.mul_add(factors.1, expected),
                                false => expected + factors.0 * factors.1,
                            };
                        }
                    }
                    let place =
                        format!("{:?}, {depth} deep, row {row}, column {column}", tiles.set);
                    assert_eq!(found.to_bits(), expected.to_bits(), "{place}");
                }
            }
        }
    }
}

#[test]
fn dots_are_those_of_their_rows() {
    for tiles in Tiles::available() {
        for rows in 1..=tiles.dot_rows() {
            for length in [0, 16, 48, 160] {
                let (a_stride, b_stride) = (length + 3, length + 8);
                let a = numbers(MOST_ROWS * a_stride, 0.7);
                let b = numbers(COLUMNS * b_stride, 1.3);
                let dots = Dots {
                    length,
                    a: a.as_ptr(),
                    a_stride,
                    b: b.as_ptr(),
                    b_stride,
                };
                let mut out = [[f32::NAN; COLUMNS]; MOST_ROWS];
                // SAFETY: a and b have so many rows of so many values.
                unsafe { tiles.dots(&dots, &mut out[..rows]) };
                for (r, sums) in out.iter().enumerate() {
                    for (c, found) in sums.iter().enumerate() {
                        if r >= rows {
                            assert!(found.is_nan(), "a row that was not asked for");
                            continue;
                        }
                        let products = (0..length).map(|l| {
                            f64::from(a[r * a_stride + l]) * f64::from(b[c * b_stride + l])
                        });
                        let (mut expected, mut magnitude) = (0.0, 0.0);
                        for product in products {
                            expected += product;
                            magnitude += product.abs();
                        }
                        // What rounding each of `length` sums can add up to.
                        let tolerance = length as f64 * f64::from(f32::EPSILON) / 2.0 * magnitude;
                        assert!(
                            (f64::from(*found) - expected).abs() <= tolerance,
                            "{:?}, {rows} rows of {length}: {found} for {expected}",
                            tiles.set
                        );
                    }
                }
            }
        }
    }
}
