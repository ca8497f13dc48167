//! Images, masks and maps to another size.
//!
//! Every filter is separable: along each axis, an output value is a weighted mean of a few neighbouring input values.
//! Pixel centres lie at `i + 0.5`, so an output pixel looks at `(i + 0.5) * input / output`. Nothing here depends on
//! the number of threads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vectorized::vectorized;
use crate::{Plane, Stack};

/// How an 8-bit image is brought to another size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Mean over the area an output pixel covers (OpenCV's `INTER_AREA`); bilinear along an axis that grows.
    #[default]
    Area,
    /// Triangle, widened where the image shrinks so that it does not alias (Pillow's `BILINEAR`).
    Bilinear,
    /// Cubic convolution with a = -0.5, widened where the image shrinks (Pillow's `BICUBIC`).
    Bicubic,
    /// The pixel at the centre (Pillow's `NEAREST`).
    Nearest,
}

/// Resizes an 8-bit image, C×H×W to C×`height`×`width`.
///
/// # Panics
/// If the image has no rows or no columns and another size is asked for.
#[must_use]
pub fn resize_u8(image: &Stack<u8>, height: usize, width: usize, filter: Filter) -> Stack<u8> {
    if (image.height(), image.width()) == (height, width) {
        return image.clone();
    }
    assert_pixels(image.height(), image.width());
    let whole = |from: usize, to: usize| to > 0 && from.is_multiple_of(to);
    if filter == Filter::Area && whole(image.height(), height) && whole(image.width(), width) {
        return block_means(image, height, width);
    }
    let rows = axis(image.height(), height, filter);
    let columns = axis(image.width(), width, filter);
    let load = |value: &u8| f32::from(*value);
    let round = |value: f32| (value + 0.5).floor().clamp(0.0, 255.0) as u8;
    let (channels, values) = (image.channels(), image.as_slice());
    // Pillow rounds between its two passes, so their order shows: along rows first, unless that would make the rows
    // longer and the other pass makes them fewer.
    let resized = if height < image.height() && width >= image.width() {
        let low = along_columns(
            values,
            channels,
            image.height(),
            image.width(),
            &rows,
            load,
            round,
        );
        along_rows(
            &low,
            channels * height,
            image.width(),
            &columns,
            load,
            round,
        )
    } else {
        let narrow = along_rows(
            values,
            channels * image.height(),
            image.width(),
            &columns,
            load,
            round,
        );
        along_columns(&narrow, channels, image.height(), width, &rows, load, round)
    };
    stack(channels, height, width, resized)
}

fn assert_pixels(height: usize, width: usize) {
    assert!(
        height > 0 && width > 0,
        "an image of {height}x{width} pixels has no other size"
    );
}

/// Means of blocks of equal size, rounded once, in whole numbers.
fn block_means(image: &Stack<u8>, height: usize, width: usize) -> Stack<u8> {
    let (down, across) = (image.height() / height, image.width() / width);
    let count = (down * across) as u64;
    if (down, across) == (2, 2) {
        // The common case, an X-ray of 1024 pixels for a network of 512.
        let mut out = Stack::filled(image.channels(), height, width, 0_u8);
        halve(image.as_slice(), width, out.as_mut_slice());
        return out;
    }
    let mut out = Vec::with_capacity(image.channels() * height * width);
    let mut sums = vec![0_u64; image.width()];
    for rows in image.as_slice().chunks_exact(down * image.width()) {
        sums.fill(0);
        for row in rows.chunks_exact(image.width()) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += u64::from(value);
            }
        }
        let blocks = sums.chunks_exact(across);
        out.extend(blocks.map(|block| ((block.iter().sum::<u64>() + count / 2) / count) as u8));
    }
    stack(image.channels(), height, width, out)
}

vectorized! {
    /// Means of blocks of 2×2, into rows of `width` of them.
    fn halve<'a>(image: &'a [u8], width: usize, out: &'a mut [u8]) {
        for (rows, out) in image.chunks_exact(4 * width).zip(out.chunks_exact_mut(width)) {
            let (upper, lower) = rows.split_at(2 * width);
            let (upper, lower) = (upper.as_chunks::<2>().0, lower.as_chunks::<2>().0);
            for (out, (u, l)) in out.iter_mut().zip(upper.iter().zip(lower)) {
                let sum = u16::from(u[0]) + u16::from(u[1]) + u16::from(l[0]) + u16::from(l[1]);
                *out = ((sum + 2) >> 2) as u8;
            }
        }
    }
}

/// Resizes maps bilinearly, C×H×W to C×`height`×`width`, without widening the filter: PyTorch's
/// `interpolate(mode="bilinear", align_corners=False, antialias=False)` of a given size.
///
/// # Panics
/// If the maps have no rows or no columns and another size is asked for.
#[must_use]
pub fn resize_f32(maps: &Stack<f32>, height: usize, width: usize) -> Stack<f32> {
    if (maps.height(), maps.width()) == (height, width) {
        return maps.clone();
    }
    assert_pixels(maps.height(), maps.width());
    let rows = bilinear_axis(maps.height(), height);
    let columns = bilinear_axis(maps.width(), width);
    let narrow = along_rows(
        maps.as_slice(),
        maps.channels() * maps.height(),
        maps.width(),
        &columns,
        |v| *v,
        |v| v,
    );
    let resized = along_columns(
        &narrow,
        maps.channels(),
        maps.height(),
        width,
        &rows,
        |v| *v,
        |v| v,
    );
    stack(maps.channels(), height, width, resized)
}

/// Resizes a mask to `height`×`width`: each pixel takes the value of the one at its centre, so no new values arise.
///
/// # Panics
/// If the mask has no pixels and the other size has some.
#[must_use]
pub fn resize_nearest(mask: &Plane<u8>, height: usize, width: usize) -> Plane<u8> {
    let sources = |from: usize, to: usize| -> Vec<usize> {
        (0..to).map(|index| centre(from, to, index)).collect()
    };
    let (rows, columns) = (sources(mask.height(), height), sources(mask.width(), width));
    Plane::from_fn(height, width, |y, x| mask.get(rows[y], columns[x]))
}

/// The inputs of one output along an axis: those from `first` on, with their weights, which sum to 1.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn axis(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    match filter {
        Filter::Area if to < from => area_axis(from, to),
        Filter::Area => bilinear_axis(from, to),
        Filter::Bilinear => widened_axis(from, to, 1.0, |x| (1.0 - x.abs()).max(0.0)),
        Filter::Bicubic => widened_axis(from, to, 2.0, cubic),
        Filter::Nearest => (0..to)
            .map(|index| Taps {
                first: centre(from, to, index),
                weights: vec![1.0],
            })
            .collect(),
    }
}

/// Input at the centre of output `index`: `floor((index + 0.5) * from / to)`, in whole numbers.
fn centre(from: usize, to: usize, index: usize) -> usize {
    ((2 * index + 1) * from / (2 * to)).min(from.saturating_sub(1))
}

/// Keys' cubic convolution kernel with a = -0.5 (IEEE Trans. ASSP 29, 1981, eq. 15).
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn widened_axis(from: usize, to: usize, support: f64, kernel: impl Fn(f64) -> f64) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = support * stretch;
    (0..to)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            let first = ((centre - support + 0.5) as usize).min(from - 1);
            let end = ((centre + support + 0.5) as usize).clamp(first + 1, from);
            normalised(
                first,
                (first..end).map(|at| kernel((at as f64 + 0.5 - centre) / stretch)),
            )
        })
        .collect()
}

fn area_axis(from: usize, to: usize) -> Vec<Taps> {
    // Output i covers inputs [i * from, (i + 1) * from) in units of 1 / to: whole numbers, hence exact.
    (0..to)
        .map(|index| {
            let (low, high) = (index * from, (index + 1) * from);
            let (first, end) = (low / to, high.div_ceil(to));
            normalised(
                first,
                (first..end).map(|at| (((at + 1) * to).min(high) - (at * to).max(low)) as f64),
            )
        })
        .collect()
}

fn bilinear_axis(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f32 / to as f32;
    (0..to)
        .map(|index| {
            // In f32 and fused, as PyTorch's build computes it.
            let source = scale.mul_add(index as f32 + 0.5, -0.5).max(0.0);
            let first = (source as usize).min(from - 1);
            let weight = source - first as f32;
            let weights = if first + 1 < from {
                vec![1.0 - weight, weight]
            } else {
                vec![1.0]
            };
            Taps { first, weights }
        })
        .collect()
}

fn normalised(first: usize, weights: impl Iterator<Item = f64>) -> Taps {
    let weights: Vec<f64> = weights.collect();
    let sum: f64 = weights.iter().sum();
    Taps {
        first,
        weights: weights.iter().map(|weight| (weight / sum) as f32).collect(),
    }
}

/// Resamples each of `rows` rows of `width` values.
fn along_rows<T, U>(
    values: &[T],
    rows: usize,
    width: usize,
    taps: &[Taps],
    load: impl Fn(&T) -> f32,
    store: impl Fn(f32) -> U,
) -> Vec<U> {
    let mut out = Vec::with_capacity(rows * taps.len());
    for row in values.chunks_exact(width.max(1)).take(rows) {
        out.extend(taps.iter().map(|tap| {
            let inputs = row[tap.first..].iter().zip(&tap.weights);
            store(inputs.map(|(value, weight)| load(value) * weight).sum())
        }));
    }
    out
}

/// Resamples each of `channels` planes of `height` rows of `width` values down its columns.
fn along_columns<T, U>(
    values: &[T],
    channels: usize,
    height: usize,
    width: usize,
    taps: &[Taps],
    load: impl Fn(&T) -> f32,
    store: impl Fn(f32) -> U,
) -> Vec<U> {
    let mut out = Vec::with_capacity(channels * taps.len() * width);
    let mut sums = vec![0.0_f32; width];
    for plane in values.chunks_exact((height * width).max(1)).take(channels) {
        for tap in taps {
            sums.fill(0.0);
            for (offset, weight) in tap.weights.iter().enumerate() {
                let row = &plane[(tap.first + offset) * width..][..width];
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += load(value) * weight;
                }
            }
            out.extend(sums.iter().map(|&sum| store(sum)));
        }
    }
    out
}

fn stack<T>(channels: usize, height: usize, width: usize, values: Vec<T>) -> Stack<T> {
    Stack::new(channels, height, width, values).expect("one value per output pixel was computed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(height: usize, width: usize) -> Stack<u8> {
        Plane::from_fn(height, width, |y, x| {
            ((y * 37 + x * 11 + y * x) % 251) as u8
        })
        .into_stack()
    }

    #[test]
    fn area_is_the_block_mean_for_whole_factors() {
        let image = ramp(6, 8);
        let small = resize_u8(&image, 3, 2, Filter::Area);
        for y in 0..3 {
            for x in 0..2 {
                let mut sum = 0.0;
                for dy in 0..2 {
                    for dx in 0..4 {
                        sum += f64::from(image.plane(0)[(2 * y + dy) * 8 + 4 * x + dx]);
                    }
                }
                let got = f64::from(small.plane(0)[y * 2 + x]);
                assert!((got - sum / 8.0).abs() <= 0.5, "{got} {sum}");
            }
        }
    }

    #[test]
    fn a_quarter_is_the_mean_of_four() {
        let image = ramp(6, 10);
        let small = resize_u8(&image, 3, 5, Filter::Area);
        let at = |y: usize, x: usize| u32::from(image.plane(0)[y * 10 + x]);
        for (place, &got) in small.plane(0).iter().enumerate() {
            let (y, x) = (place / 5 * 2, place % 5 * 2);
            let sum = at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1);
            assert_eq!(u32::from(got), (sum + 2) / 4);
        }
    }

    #[test]
    fn the_mean_of_a_block_of_any_size_is_exact() {
        // 17 million times 255 is above 2^32.
        let image = Stack::filled(1, 17, 1_000_000, 255_u8);
        assert_eq!(
            resize_u8(&image, 1, 1, Filter::Area),
            Stack::filled(1, 1, 1, 255)
        );
    }

    #[test]
    #[should_panic(expected = "an image of 3x0 pixels has no other size")]
    fn an_image_without_columns_has_no_other_size() {
        let _ = resize_u8(&Stack::filled(1, 3, 0, 0_u8), 1, 1, Filter::Area);
    }

    #[test]
    fn constants_stay_and_sizes_may_be_one() {
        for filter in [
            Filter::Area,
            Filter::Bilinear,
            Filter::Bicubic,
            Filter::Nearest,
        ] {
            for (h, w) in [(1, 1), (1, 9), (7, 1), (13, 17), (5, 5)] {
                let image = Stack::filled(3, 5, 5, 200_u8);
                assert_eq!(resize_u8(&image, h, w, filter), Stack::filled(3, h, w, 200));
                let dot = Stack::filled(3, 1, 1, 9_u8);
                assert_eq!(resize_u8(&dot, h, w, filter), Stack::filled(3, h, w, 9));
            }
        }
    }

    #[test]
    fn nearest_takes_the_centre_and_makes_no_new_values() {
        let mask = Plane::new(1, 4, vec![0, 10, 20, 255]).unwrap();
        assert_eq!(resize_nearest(&mask, 1, 2).as_slice(), [10, 255]);
        assert_eq!(
            resize_nearest(&mask, 1, 8).as_slice(),
            [0, 0, 10, 10, 20, 20, 255, 255]
        );
        assert_eq!(resize_nearest(&mask, 1, 3).as_slice(), [0, 20, 255]);
        let through = resize_u8(&mask.clone().into_stack(), 2, 3, Filter::Nearest);
        assert_eq!(through.to_plane(0), resize_nearest(&mask, 2, 3));
    }
}
