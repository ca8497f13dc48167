//! AVX512-BF16 kernels.
#![allow(unsafe_code)] // Vector instructions; implements the raw-pointer contracts of `Bf16`.

pub(super) mod amx;

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_i32gather_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_i32gather_ps, _mm512_mask_storeu_epi16,
    _mm512_mask_storeu_epi32, _mm512_maskz_loadu_ps, _mm512_mullo_epi32, _mm512_permutexvar_epi16,
    _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_shuffle_i32x4, _mm512_storeu_ps, _mm512_storeu_si512, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::mem::transmute;

use super::{HALF, Line, Lines, Product, STEP, Tile};

pub(super) fn has_avx512_bf16() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// The same bits.
#[inline(always)]
fn as_bf16(pairs: __m512i) -> __m512bh {
    // SAFETY: registers of the same size, of which any bits are valid.
    unsafe { transmute::<__m512i, __m512bh>(pairs) }
}

/// Rows of a block summed at a time: with two vectors each, they leave registers for operands.
const ROWS: usize = 8;

/// # Safety
///
/// As `Multiplier::multiply`, on a machine with AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn multiply<const N: usize>(product: &Product<N>) {
    const ROW: usize = HALF * size_of::<u32>();
    // SAFETY: the caller's contract.
    unsafe {
        for (a, out) in product.a.into_iter().zip(product.out) {
            for first in (0..HALF).step_by(ROWS) {
                let a = a.add(first * product.a_stride);
                let out = out.add(first * product.out_stride);
                let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
                if product.add {
                    for (row, sums) in sums.iter_mut().enumerate() {
                        for (half, sum) in sums.iter_mut().enumerate() {
                            *sum = _mm512_loadu_ps(out.add(row * product.out_stride + half * HALF));
                        }
                    }
                }
                for step in 0..product.steps {
                    let a = a.add(*product.a_steps.add(step));
                    let b = product.b.map(|half| half.add(step * product.b_step));
                    for pair in 0..HALF {
                        let a = a.add(pair * size_of::<u32>());
                        let b = [
                            _mm512_loadu_si512(b[0].add(pair * ROW).cast()),
                            _mm512_loadu_si512(b[1].add(pair * ROW).cast()),
                        ];
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let a = a.add(row * product.a_stride).cast::<i32>();
                            let a = _mm512_set1_epi32(a.read_unaligned());
                            for (sum, b) in sums.iter_mut().zip(b) {
                                *sum = _mm512_dpbf16_ps(*sum, as_bf16(a), as_bf16(b));
                            }
                        }
                    }
                }
                for (row, sums) in sums.iter().enumerate() {
                    for (half, sum) in sums.iter().enumerate() {
                        _mm512_storeu_ps(out.add(row * product.out_stride + half * HALF), *sum);
                    }
                }
            }
        }
    }
}

/// The lanes below `count`.
#[inline(always)]
fn below(count: usize) -> u16 {
    if count >= 16 {
        u16::MAX
    } else {
        (1 << count) - 1
    }
}

/// Values of a plane from `at` on, zeros from `count` on.
///
/// # Safety
///
/// The first `count` values (16 at most) must be readable.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(from: *const f32, count: usize) -> __m512 {
    // SAFETY: masked lanes are not read.
    unsafe { _mm512_maskz_loadu_ps(below(count), from) }
}

/// # Safety
///
/// As `Bf16::write_places`, with `planes` from the first on and lines that lie inside them, on a machine with
/// AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn write_places(lines: &Lines<'_>, first: usize, planes: usize, to: *mut u16) {
    // SAFETY: sources and places by the contract.
    unsafe {
        for line in lines.lines {
            let to = to.add(line.at * STEP);
            let Some(source) = line.source else {
                to.write_bytes(0, line.count * STEP);
                continue;
            };
            let from = lines.values.as_ptr().add(lines.start(source, first));
            for at in (0..line.count).step_by(HALF) {
                let some = line.count - at;
                let from = from.wrapping_add(at * lines.step);
                let mut pairs = [_mm512_setzero_si512(); HALF];
                for (pair, values) in pairs.iter_mut().enumerate() {
                    let mut two = [_mm512_setzero_ps(); 2];
                    for (value, channel) in two.iter_mut().zip(2 * pair..planes) {
                        let from = from.wrapping_add(channel * lines.pixels);
                        *value = load_strided(from, lines.step, some);
                    }
                    *values = paired(two[0], two[1]);
                }
                for (place, values) in transposed(pairs).into_iter().enumerate() {
                    if place < some {
                        _mm512_storeu_si512(to.add((at + place) * STEP).cast(), values);
                    }
                }
            }
        }
    }
}

/// # Safety
///
/// As `Bf16::write_tiles`, with `planes` from the first on and lines that lie inside them, on a machine with
/// AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn write_tiles(lines: &Lines<'_>, first: usize, planes: usize, to: *mut u32) {
    // SAFETY: sources and places by the contract.
    unsafe {
        for line in lines.lines {
            let planes = if line.source.is_some() { planes } else { 0 };
            let from = line.source.map_or(0, |source| lines.start(source, first));
            let from = lines.values.as_ptr().wrapping_add(from);
            let mut at = 0;
            while at < line.count {
                // Up to the end of a tile.
                let (tile, lane) = ((line.at + at) / HALF, (line.at + at) % HALF);
                let some = (line.count - at).min(HALF - lane);
                let from = from.wrapping_add(at * lines.step);
                for pair in 0..HALF {
                    let mut two = [_mm512_setzero_ps(); 2];
                    for (value, channel) in two.iter_mut().zip(2 * pair..planes) {
                        let from = from.wrapping_add(channel * lines.pixels);
                        *value = load_strided(from, lines.step, some);
                    }
                    let to = to.add((tile * HALF + pair) * HALF + lane);
                    _mm512_mask_storeu_epi32(to.cast(), below(some), paired(two[0], two[1]));
                }
                at += some;
            }
        }
    }
}

/// # Safety
///
/// As `Bf16::write_values`, with lines that lie inside, on a machine with AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn write_values(lines: &Lines<'_>, plane: Option<usize>, to: *mut u16) {
    // SAFETY: sources and places by the contract.
    unsafe {
        for line in lines.lines {
            let source = Source::new(lines, line, plane);
            let to = to.add(line.at);
            for at in (0..line.count).step_by(STEP) {
                let count = line.count - at;
                let values = rounded(source.load(at), source.load(at + HALF));
                let upper = u32::from(below(count.saturating_sub(HALF))) << 16;
                let mask = u32::from(below(count)) | upper;
                _mm512_mask_storeu_epi16(to.add(at).cast(), mask, values);
            }
        }
    }
}

/// Where the values of a line lie.
struct Source {
    from: *const f32,
    step: usize,
    /// Values: none of zeros.
    count: usize,
}

impl Source {
    #[inline(always)]
    fn new(lines: &Lines<'_>, line: &Line, plane: Option<usize>) -> Self {
        let from = lines.values.as_ptr();
        match line.source.zip(plane) {
            Some((source, plane)) => Self {
                from: from.wrapping_add(lines.start(source, plane)),
                step: lines.step,
                count: line.count,
            },
            None => Self {
                from,
                step: 1,
                count: 0,
            },
        }
    }

    /// 16 values from `at` on, zeros behind the last.
    ///
    /// # Safety
    ///
    /// All values must be readable; a step of less than 2^24.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(&self, at: usize) -> __m512 {
        // SAFETY: no value behind the last is read.
        unsafe {
            let from = self.from.wrapping_add(at * self.step);
            load_strided(from, self.step, self.count.saturating_sub(at))
        }
    }
}

/// Values `stride` apart, zeros from `count` on.
///
/// # Safety
///
/// The first `count` values (16 at most) must be readable; `stride` less than 2^24.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_strided(from: *const f32, stride: usize, count: usize) -> __m512 {
    if stride == 1 {
        // SAFETY: the caller's contract.
        return unsafe { load(from, count) };
    }
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let offsets = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(stride as i32));
    // SAFETY: masked lanes are not read.
    unsafe {
        if count >= HALF {
            _mm512_i32gather_ps::<4>(offsets, from)
        } else {
            _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), below(count), offsets, from)
        }
    }
}

/// Two vectors one behind the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn rounded(first: __m512, second: __m512) -> __m512i {
    // SAFETY: registers of the same size, of which any bits are valid.
    unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first)) }
}

/// Two vectors as pairs: the lower half of each is the first's value.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn paired(first: __m512, second: __m512) -> __m512i {
    // 16-bit lane 2n from the lower half's n, 2n + 1 from the upper half's.
    const LANES: [u16; 32] = {
        let mut lanes = [0; 32];
        let mut lane = 0;
        while lane < 32 {
            lanes[lane] = (lane / 2 + lane % 2 * 16) as u16;
            lane += 1;
        }
        lanes
    };
    // SAFETY: an array of the register's size, of which any bits are valid.
    let lanes = unsafe { transmute::<[u16; 32], __m512i>(LANES) };
    _mm512_permutexvar_epi16(lanes, rounded(first, second))
}

/// # Safety
///
/// As `Bf16::write_tile`, on a machine with AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) unsafe fn write_tile(tile: &Tile, turned: bool, to: *mut u16) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut tile_rows = [_mm512_setzero_si512(); HALF];
        // A column's values may lie closer together than a row's.
        let by_rows = tile.column_stride <= tile.row_stride;
        for (at, values) in tile_rows.iter_mut().enumerate() {
            *values = if by_rows {
                let row = Source {
                    from: tile.from.wrapping_add(at * tile.row_stride),
                    step: tile.column_stride,
                    count: if at < tile.rows { tile.columns } else { 0 },
                };
                rounded(row.load(0), row.load(HALF))
            } else {
                let [even, odd] = [2 * at, 2 * at + 1].map(|column| Source {
                    from: tile.from.wrapping_add(column * tile.column_stride),
                    step: tile.row_stride,
                    count: if column < tile.columns { tile.rows } else { 0 },
                });
                paired(even.load(0), odd.load(0))
            };
        }
        if by_rows == turned {
            tile_rows = transposed(tile_rows);
        }
        for (at, values) in tile_rows.into_iter().enumerate() {
            _mm512_storeu_si512(to.add(at * STEP).cast(), values);
        }
    }
}

/// Column `n` of 16 rows of 32-bit lanes as row `n`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn transposed(rows: [__m512i; HALF]) -> [__m512i; HALF] {
    let mut twos = rows;
    for at in (0..HALF).step_by(2) {
        twos[at] = _mm512_unpacklo_epi32(rows[at], rows[at + 1]);
        twos[at + 1] = _mm512_unpackhi_epi32(rows[at], rows[at + 1]);
    }
    // Quarter k of fours[4 i + j] is column 4 k + j of the rows from 4 i on.
    let mut fours = twos;
    for at in (0..HALF).step_by(4) {
        fours[at] = _mm512_unpacklo_epi64(twos[at], twos[at + 2]);
        fours[at + 1] = _mm512_unpackhi_epi64(twos[at], twos[at + 2]);
        fours[at + 2] = _mm512_unpacklo_epi64(twos[at + 1], twos[at + 3]);
        fours[at + 3] = _mm512_unpackhi_epi64(twos[at + 1], twos[at + 3]);
    }
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let mut columns = fours;
    for at in 0..4 {
        let (a, b) = (fours[at], fours[at + 4]);
        let (c, d) = (fours[at + 8], fours[at + 12]);
        let low = _mm512_shuffle_i32x4::<EVEN>(a, b);
        let high = _mm512_shuffle_i32x4::<EVEN>(c, d);
        columns[at] = _mm512_shuffle_i32x4::<EVEN>(low, high);
        columns[at + 8] = _mm512_shuffle_i32x4::<ODD>(low, high);
        let low = _mm512_shuffle_i32x4::<ODD>(a, b);
        let high = _mm512_shuffle_i32x4::<ODD>(c, d);
        columns[at + 4] = _mm512_shuffle_i32x4::<EVEN>(low, high);
        columns[at + 12] = _mm512_shuffle_i32x4::<ODD>(low, high);
    }
    columns
}
