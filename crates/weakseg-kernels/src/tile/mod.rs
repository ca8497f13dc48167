//! The innermost kernel: a small block of a matrix product whose right-hand rows lie anywhere.
//!
//! Every convolution pass is the same sum,
//! `out[r, l] = Σ_k a[k, r] · b[offset(k) + l]`: a short column of `a` (packed weights or packed
//! gradients) times a run of consecutive values of `b` that starts at a place looked up in a
//! table. Forward: `l` runs over pixels and `k` over channels and taps. Weight gradient: `l` runs
//! over channels and `k` over pixels. With the table no patch matrix (im2col) has to be written.
//!
//! Where both operands lie with the summed index innermost, [`Dots`] takes them as they are.
//!
//! The instruction set is chosen once at run time: AVX-512, AVX2 with FMA, or portable code that
//! the compiler vectorises for the target's baseline (SSE2, NEON). The sums run in the order of
//! `k` on all of them; FMA rounds once where the portable code without it rounds twice.
#![allow(unsafe_code)] // Raw pointers and vector instructions; each block states its contract.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod dots;
mod every_set;
mod portable;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

use crate::bf16::Bf16;
use crate::instructions::{Instructions, Set};

pub(crate) use dots::{COLUMNS, Dots, MOST_ROWS};
pub(crate) use every_set::for_every_set;
pub(crate) use portable::Four;
pub(crate) use vector::Vector;

/// Values a row of a destination or a run of `b` is rounded up to: every vector length divides it.
pub(crate) const RUN: usize = 16;

/// Readable values every `b` needs behind the last one that matters.
pub(crate) const SLACK: usize = 64;

/// Where the first summand of a block comes from.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// The destination is overwritten; row `r` starts from `values[r]`, one for each row.
    From(&'a [f32]),
    /// The sum is added to the destination.
    Destination,
}

/// One block product. All pointers are to f32.
pub(crate) struct Block {
    /// Number of summands.
    pub depth: usize,
    /// `a`: `depth` times [`Tiles::rows`] values, contiguous.
    pub a: *const f32,
    /// `b`: run `k` starts at `b + offsets[k]`.
    pub b: *const f32,
    /// `depth` offsets into `b`.
    pub offsets: *const u32,
    /// Destination: row `r` at `out + r * row_stride`.
    pub out: *mut f32,
    /// Values between two rows of the destination.
    pub row_stride: usize,
}

/// `(block, first values or null)`; null adds to the destination.
type Kernel = unsafe fn(&Block, *const f32);

/// The kernels of one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    /// The set, which the machine runs.
    pub set: Instructions,
    /// Rows of a block: the length of a packed column of `a`.
    pub rows: usize,
    lanes: usize,
    /// Kernel for 1, 2, 3 vectors.
    kernels: [Kernel; 3],
    /// Dot products of 1, 2, … rows.
    dots: &'static [dots::Kernel],
    /// For convolutions that shall round their operands to bf16.
    pub bf16: Option<Bf16>,
}

impl Tiles {
    /// The best set this machine runs.
    pub fn detect() -> &'static Tiles {
        static BEST: OnceLock<Tiles> = OnceLock::new();
        BEST.get_or_init(|| Self::of(Instructions::detect()))
    }

    /// The best set with the arithmetic that was chosen for this process.
    pub fn chosen() -> Tiles {
        Tiles {
            bf16: Bf16::chosen(),
            ..*Self::detect()
        }
    }

    /// Every set this machine runs, the slowest first.
    #[cfg(test)]
    pub fn available() -> Vec<Tiles> {
        let sets = Instructions::available().into_iter();
        sets.map(Self::of).collect()
    }

    /// The same, for convolutions that round by `bf16`.
    #[cfg(test)]
    pub fn rounding(self, bf16: Bf16) -> Self {
        Self {
            bf16: Some(bf16),
            ..self
        }
    }

    fn of(set: Instructions) -> Tiles {
        match set.set() {
            Set::Portable => portable::tiles(set),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => x86::avx2(set),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => x86::avx512(set),
        }
    }

    /// Computes `width` consecutive values (a multiple of [`RUN`]) of each row of a block.
    ///
    /// # Safety
    ///
    /// `block.a` must be readable for `depth * rows` values, `block.b` for
    /// `offsets[k] + width` values for every `k`, `block.offsets` for `depth` values, and
    /// `block.out` writable for `width` values in each of [`Tiles::rows`] rows, by nobody else.
    pub unsafe fn run(&self, block: &Block, width: usize, start: Start<'_>) {
        debug_assert!(width.is_multiple_of(RUN));
        let first = match start {
            Start::From(values) => {
                assert!(values.len() >= self.rows, "one first value a row");
                values.as_ptr()
            }
            Start::Destination => std::ptr::null(),
        };
        let mut at = 0;
        while at < width {
            // Four vectors are two and two: a block of one is short of multiply-adds in flight.
            let vectors = match (width - at) / self.lanes {
                4 => 2,
                left => left.min(3),
            };
            // SAFETY: at + vectors * lanes <= width, so the kernel stays within what the caller
            // vouched for; the set is only handed out where the machine runs it.
            unsafe {
                let part = Block {
                    b: block.b.add(at),
                    out: block.out.add(at),
                    ..*block
                };
                self.kernels[vectors - 1](&part, first);
            }
            at += vectors * self.lanes;
        }
    }
}

#[cfg(test)]
mod tests;
