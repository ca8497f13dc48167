//! Channels to the innermost place.

#[cfg(target_arch = "x86_64")]
use crate::bf16::x86::transposed;
use crate::instructions::Instructions;
#[cfg(target_arch = "x86_64")]
use crate::instructions::Set;

/// Side of the square blocks.
pub(super) const SIDE: usize = 4;
/// Pixels of a cache line.
const LINE: usize = 16;
/// Channels of a block of packed weights where vectors have 16 lanes.
#[cfg(target_arch = "x86_64")]
const EIGHT: usize = LINE / 2;

/// Writes `from[channel * stride + pixel]` to `to[pixel * width + channel]`, and zeros to the
/// channels from `channels` up to `width`.
#[allow(unsafe_code)] // As below.
pub(super) fn transpose(
    set: Instructions,
    from: &[f32],
    stride: usize,
    channels: usize,
    pixels: usize,
    to: &mut [f32],
    width: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if channels == EIGHT && set.set() == Set::Avx512 {
        assert!(width >= EIGHT && pixels * width <= to.len());
        assert!((EIGHT - 1) * stride + pixels <= from.len());
        for first in (0..pixels).step_by(2 * LINE) {
            let some = (pixels - first).min(2 * LINE);
            let to = &mut to[first * width..][..some * width];
            // SAFETY: these pixels of all channels lie in both, just asserted; the machine has the set.
            unsafe {
                transpose_eight(
                    from.as_ptr().add(first),
                    stride,
                    some,
                    to.as_mut_ptr(),
                    width,
                )
            };
            if width > EIGHT {
                for pixel in to.chunks_exact_mut(width) {
                    pixel[EIGHT..].fill(0.0);
                }
            }
        }
        return;
    }
    transpose_blocks(set, from, stride, channels, pixels, to, width);
}

/// [`transpose`] of any number of channels, in square blocks.
#[allow(unsafe_code)] // Blocks by vector instructions.
fn transpose_blocks(
    set: Instructions,
    from: &[f32],
    stride: usize,
    channels: usize,
    pixels: usize,
    to: &mut [f32],
    width: usize,
) {
    let whole_channels = channels / SIDE * SIDE;
    let whole_pixels = pixels / SIDE * SIDE;
    // Some pixels of every channel at a time: the channels lie far apart, so that each part of a
    // cache line should be read when the line is there.
    for first in (0..whole_pixels).step_by(LINE) {
        let end = whole_pixels.min(first + LINE);
        let mut channel = 0;
        #[cfg(target_arch = "x86_64")]
        if end - first == LINE && set.set() == Set::Avx512 {
            while channel + LINE <= channels {
                let from = &from[channel * stride + first..][..(LINE - 1) * stride + LINE];
                let to = &mut to[first * width + channel..][..(LINE - 1) * width + LINE];
                // SAFETY: 16 rows of 16 values are in each, just sliced; the machine has the set.
                unsafe { transpose_line(from.as_ptr(), stride, to.as_mut_ptr(), width) };
                channel += LINE;
            }
        }
        #[cfg(target_arch = "x86_64")]
        if end - first == LINE && set.set() == Set::Avx2 {
            while channel + SIDE <= channels {
                let from = &from[channel * stride + first..][..(SIDE - 1) * stride + LINE];
                let to = &mut to[first * width + channel..][..(LINE - 1) * width + SIDE];
                // SAFETY: 4 rows of 16 values and 16 of 4, just sliced; the machine has the set.
                unsafe { transpose_four(from.as_ptr(), stride, to.as_mut_ptr(), width) };
                channel += SIDE;
            }
        }
        for channel in (channel..whole_channels).step_by(SIDE) {
            for pixel in (first..end).step_by(SIDE) {
                let rows: [&[f32; SIDE]; SIDE] = std::array::from_fn(|c| {
                    let at = (channel + c) * stride + pixel;
                    from[at..at + SIDE].try_into().expect("a slice of SIDE")
                });
                let columns = transpose_block(rows);
                for (p, column) in columns.iter().enumerate() {
                    let at = (pixel + p) * width + channel;
                    to[at..at + SIDE].copy_from_slice(column);
                }
            }
        }
    }
    let mut single = |channel: usize, pixels: std::ops::Range<usize>| {
        for pixel in pixels {
            to[pixel * width + channel] = if channel < channels {
                from[channel * stride + pixel]
            } else {
                0.0
            };
        }
    };
    for channel in 0..whole_channels {
        single(channel, whole_pixels..pixels);
    }
    for channel in whole_channels..width {
        single(channel, 0..pixels);
    }
}

/// A block of [`LINE`] channels and pixels.
///
/// # Safety
///
/// 16 values must be readable and writable in each of 16 rows, and the machine have AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code)] // Loads and stores of whole registers.
unsafe fn transpose_line(from: *const f32, stride: usize, to: *mut f32, width: usize) {
    use std::arch::x86_64::{_mm512_loadu_si512, _mm512_setzero_si512, _mm512_storeu_si512};
    // SAFETY: the caller's contract.
    unsafe {
        let mut rows = [_mm512_setzero_si512(); LINE];
        for (row, values) in rows.iter_mut().enumerate() {
            *values = _mm512_loadu_si512(from.add(row * stride).cast());
        }
        for (row, values) in transposed(rows).into_iter().enumerate() {
            _mm512_storeu_si512(to.add(row * width).cast(), values);
        }
    }
}

/// A block of [`SIDE`] channels and [`LINE`] pixels.
///
/// # Safety
///
/// 16 values must be readable in each of 4 rows and 4 writable in each of 16, and the machine have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code)] // Loads and stores of registers.
unsafe fn transpose_four(from: *const f32, stride: usize, to: *mut f32, width: usize) {
    use std::arch::x86_64::{
        _mm_storeu_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_loadu_ps,
        _mm256_shuffle_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };
    /// Pixels of a register, and of a half.
    const PIXELS: usize = LINE / 2;
    const HALF: usize = PIXELS / 2;
    for first in (0..LINE).step_by(PIXELS) {
        // SAFETY: the caller's contract.
        unsafe {
            let row = |channel: usize| _mm256_loadu_ps(from.add(channel * stride + first));
            let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
            let ab = [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)];
            let cd = [_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d)];
            // Each register holds the channels of a pixel of either half.
            let pixels = [
                _mm256_shuffle_ps::<0b01_00_01_00>(ab[0], cd[0]),
                _mm256_shuffle_ps::<0b11_10_11_10>(ab[0], cd[0]),
                _mm256_shuffle_ps::<0b01_00_01_00>(ab[1], cd[1]),
                _mm256_shuffle_ps::<0b11_10_11_10>(ab[1], cd[1]),
            ];
            for (pixel, channels) in pixels.into_iter().enumerate() {
                let to = to.add((first + pixel) * width);
                _mm_storeu_ps(to, _mm256_castps256_ps128(channels));
                _mm_storeu_ps(to.add(HALF * width), _mm256_extractf128_ps::<1>(channels));
            }
        }
    }
}

/// A block of [`EIGHT`] channels and up to 32 pixels.
///
/// # Safety
///
/// So many values must be readable in each of 8 rows and 8 writable in each of so many, and the machine have AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code)] // Loads and stores of registers.
unsafe fn transpose_eight(
    from: *const f32,
    stride: usize,
    pixels: usize,
    to: *mut f32,
    width: usize,
) {
    use std::arch::x86_64::{
        _mm256_storeu_si256, _mm512_castsi512_si256, _mm512_extracti64x4_epi64,
        _mm512_maskz_loadu_epi32, _mm512_setzero_si512,
    };
    let masks = (u32::MAX >> (32 - pixels)).to_le_bytes();
    let [lower, upper] = [[masks[0], masks[1]], [masks[2], masks[3]]].map(u16::from_le_bytes);
    // SAFETY: the caller's contract; lanes behind the last pixel are not read.
    unsafe {
        // The second 16 pixels of the channels as eight more rows: each column is then two pixels' channels.
        let mut rows = [_mm512_setzero_si512(); LINE];
        for row in 0..EIGHT {
            let from = from.add(row * stride);
            rows[row] = _mm512_maskz_loadu_epi32(lower, from.cast());
            rows[row + EIGHT] = _mm512_maskz_loadu_epi32(upper, from.wrapping_add(LINE).cast());
        }
        for (pixel, values) in transposed(rows).into_iter().enumerate() {
            if pixel < pixels {
                let to = to.add(pixel * width);
                _mm256_storeu_si256(to.cast(), _mm512_castsi512_si256(values));
            }
            if pixel + LINE < pixels {
                let to = to.add((pixel + LINE) * width);
                _mm256_storeu_si256(to.cast(), _mm512_extracti64x4_epi64::<1>(values));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)] // Loads and stores of whole registers; SSE is part of every x86-64.
pub(super) fn transpose_block(rows: [&[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    use std::arch::x86_64::{
        _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };
    let mut columns = [[0.0; SIDE]; SIDE];
    // SAFETY: each row and column holds the four values of a register.
    unsafe {
        let [a, b, c, d] = rows.map(|row| _mm_loadu_ps(row.as_ptr()));
        let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        _mm_storeu_ps(columns[0].as_mut_ptr(), _mm_movelh_ps(ab_low, cd_low));
        _mm_storeu_ps(columns[1].as_mut_ptr(), _mm_movehl_ps(cd_low, ab_low));
        _mm_storeu_ps(columns[2].as_mut_ptr(), _mm_movelh_ps(ab_high, cd_high));
        _mm_storeu_ps(columns[3].as_mut_ptr(), _mm_movehl_ps(cd_high, ab_high));
    }
    columns
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn transpose_block(rows: [&[f32; SIDE]; SIDE]) -> [[f32; SIDE]; SIDE] {
    std::array::from_fn(|p| std::array::from_fn(|c| rows[c][p]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_finds_its_place() {
        for (channels, pixels, width) in [
            (8, 8, 8),
            (5, 7, 16),
            (3, 9, 3),
            (1, 4, 4),
            (16, 16, 16),
            (8, 32, 8),
            (8, 75, 8),
            (8, 64, 11),
            (8, 9, 8),
            (8, 17, 8),
            (37, 50, 48),
        ] {
            let stride = pixels + 3;
            let from: Vec<f32> = (0..channels * stride).map(|v| v as f32).collect();
            for set in Instructions::available() {
                let mut to = vec![-1.0; pixels * width];
                transpose(set, &from, stride, channels, pixels, &mut to, width);
                for (at, value) in to.iter().enumerate() {
                    let (pixel, channel) = (at / width, at % width);
                    let expected = if channel < channels {
                        (channel * stride + pixel) as f32
                    } else {
                        0.0
                    };
                    assert_eq!(*value, expected, "{set:?}");
                }
            }
        }
    }
}
