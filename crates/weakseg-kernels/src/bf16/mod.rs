//! Products of bf16 values with sums in f32, where the machine has instructions for them.
//!
//! A bf16 is the upper half of an f32: its range, with 8 significant bits. Operands are rounded to
//! it (to nearest, ties to even) on their way into a kernel and nowhere else: tensors, sums and
//! gradients stay f32. Subnormal operands, below 1.2e-38, become zeros. Two neighbouring summands
//! make a pair, one 32-bit value with the first in its lower half, which is how both AVX512-BF16 and
//! AMX read them.
#![allow(unsafe_code)] // Raw pointers and vector instructions; each block states its contract.

mod lines;
mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use lines::{Line, Lines};
#[cfg(test)]
pub(crate) use portable::rounded;

/// Rows and columns of a block.
pub(crate) const SIDE: usize = 32;
/// Rows and columns of the quarters of a block, and pairs of a step.
pub(crate) const HALF: usize = 16;
/// Summands of a step.
pub(crate) const STEP: usize = 2 * HALF;

/// One block, `out[r, l] = Σ a[r, k] · b[k, l]` with [`SIDE`] rows and columns. Strides are in
/// bytes, as the instructions want them, but `out`'s.
pub(crate) struct Product {
    /// Steps of [`STEP`] summands.
    pub steps: usize,
    /// Rows 0 to 15 and 16 to 31 of `a`: a step's pairs one behind the other.
    pub a: [*const u8; 2],
    /// From one row of `a` to the next, and from one step to the next.
    pub a_stride: usize,
    pub a_step: usize,
    /// Columns 0 to 15 of `b`: row `p` of a step holds pair `p` of each column.
    pub b: *const u8,
    /// From there to columns 16 to 31, from one row to the next, and where each step begins.
    pub b_half: usize,
    pub b_stride: usize,
    pub b_steps: *const usize,
    /// Destination, and the values between its rows.
    pub out: *mut f32,
    pub out_stride: usize,
    /// Whether to add to the destination or write it.
    pub add: bool,
}

/// Rows and columns of a matrix of f32; what is missing of 16 rows and 32 columns is zero.
pub(crate) struct Tile {
    pub from: *const f32,
    pub rows: usize,
    pub columns: usize,
    /// Values from one row, or column, to the next: less than 2^24.
    pub row_stride: usize,
    pub column_stride: usize,
}

/// An instruction set with products of bf16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// Plain Rust, to compare with: it is slower than f32.
    Portable,
    /// AVX512-BF16.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AMX-BF16, with AVX512-BF16 for the rounding.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

/// The kernels of one instruction set: only handed out where the machine runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bf16(Set);

/// Whether convolutions on the CPU multiply in bf16.
static ENABLED: AtomicBool = AtomicBool::new(false);

/// Name of the instruction set that bf16 products would use: `amx` or `avx512`, none where there
/// is none.
#[must_use]
pub fn bf16_instruction_set() -> Option<&'static str> {
    Bf16::detect().map(Bf16::name)
}

/// Whether the CPU's convolutions of this process multiply in bf16, from now on; false, and no change, where bf16 was asked for
/// and the processor has no instructions for it.
pub(crate) fn choose(enabled: bool) -> bool {
    let possible = !enabled || Bf16::detect().is_some();
    if possible {
        ENABLED.store(enabled, Ordering::Relaxed);
    }
    possible
}

impl Bf16 {
    /// The kernels to use, if bf16 was chosen.
    pub fn chosen() -> Option<Self> {
        ENABLED.load(Ordering::Relaxed).then(Self::detect).flatten()
    }

    /// The best set that this machine runs faster than f32.
    fn detect() -> Option<Self> {
        static BEST: OnceLock<Option<Bf16>> = OnceLock::new();
        *BEST.get_or_init(|| {
            let best = Self::available().last().copied();
            best.filter(|best| best.0 != Set::Portable)
        })
    }

    /// Every set this machine runs, the slowest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut sets = vec![Set::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if x86::has_avx512_bf16() {
                sets.push(Set::Avx512);
                if x86::amx::is_granted() {
                    sets.push(Set::Amx);
                }
            }
        }
        sets.into_iter().map(Self).collect()
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Set::Amx => "amx",
        }
    }

    /// Runs `body`, in which this thread may multiply.
    ///
    /// # Safety
    ///
    /// `body` must neither call this nor wait for the thread pool, which may begin another task on this thread: the end of
    /// the inner call would leave the tiles of the outer one released.
    pub unsafe fn with_multiplier<R>(self, body: impl FnOnce(&Multiplier) -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        let _tiles = (self.0 == Set::Amx).then(|| {
            // SAFETY: the set is only handed out where the machine runs it.
            unsafe { x86::amx::Configured::new() }
        });
        body(&Multiplier {
            set: self.0,
            _here: std::marker::PhantomData,
        })
    }

    /// Writes some lines of two planes as pairs, `to[at] = (first[at], second[at])`, zeros where a
    /// line has no source or there is no second plane.
    ///
    /// # Safety
    ///
    /// `to` must be writable for the places of all lines, by nobody else.
    pub unsafe fn write_pairs(self, lines: &Lines<'_>, planes: [Option<usize>; 2], to: *mut u32) {
        lines.assert_inside(planes.into_iter().flatten());
        // SAFETY: the sources lie inside and not too far apart, just asserted; the caller vouches for the places.
        unsafe {
            match self.0 {
                Set::Portable => portable::write_pairs(lines, planes, to),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 | Set::Amx => x86::write_pairs(lines, planes, to),
            }
        }
    }

    /// Writes some lines of one plane, zeros where a line has no source or there is no plane.
    ///
    /// # Safety
    ///
    /// `to` must be writable for the places of all lines, by nobody else.
    pub unsafe fn write_values(self, lines: &Lines<'_>, plane: Option<usize>, to: *mut u16) {
        lines.assert_inside(plane);
        // SAFETY: as above.
        unsafe {
            match self.0 {
                Set::Portable => portable::write_values(lines, plane, to),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 | Set::Amx => x86::write_values(lines, plane, to),
            }
        }
    }

    /// Writes a tile of a matrix, `[16, 32]`.
    ///
    /// # Safety
    ///
    /// The tile's values must be readable, its strides less than 2^24, and 512 places writable, by nobody else.
    pub unsafe fn write_tile(self, tile: &Tile, to: *mut u16) {
        // SAFETY: the caller's contract.
        unsafe {
            match self.0 {
                Set::Portable => portable::write_tile(tile, to),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 | Set::Amx => x86::write_tile(tile, to),
            }
        }
    }
}

/// The permission of one thread to multiply, lent for the time of [`Bf16::with_multiplier`]: AMX has to be set up on each.
pub(crate) struct Multiplier {
    set: Set,
    /// Not to be sent to another thread.
    _here: std::marker::PhantomData<*const ()>,
}

impl Multiplier {
    /// Computes a block.
    ///
    /// # Safety
    ///
    /// All that a [`Product`] says of its operands must be readable, and [`SIDE`] values in each of
    /// [`SIDE`] rows of the destination writable, by nobody else; readable too to be added to.
    #[inline]
    pub unsafe fn multiply(&self, product: &Product) {
        // SAFETY: the caller's contract; the set is only handed out where the machine runs it, and
        // its tiles are configured on this thread as long as the permission is lent.
        unsafe {
            match self.set {
                Set::Portable => portable::multiply(product),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 => x86::multiply(product),
                #[cfg(target_arch = "x86_64")]
                Set::Amx => x86::amx::multiply(product),
            }
        }
    }
}
