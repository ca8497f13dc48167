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

/// Rows and columns of a tile, and pairs of a step.
pub(crate) const HALF: usize = 16;
/// Columns of a block, and what channels and places are padded to.
pub(crate) const SIDE: usize = 2 * HALF;
/// Summands of a step.
pub(crate) const STEP: usize = 2 * HALF;

/// `N` blocks of 16 rows (two or three) by the same 32 columns, `out[n][r, l] = Σ a[n][r, k] · b[k, l]`. Strides are in
/// bytes, as the instructions want them, but `out`'s.
pub(crate) struct Product<const N: usize> {
    /// Steps of [`STEP`] summands.
    pub steps: usize,
    /// 16 rows for each block: a step's pairs one behind the other.
    pub a: [*const u8; N],
    /// From one row to the next, and where each step begins.
    pub a_stride: usize,
    pub a_steps: *const usize,
    /// Columns 0 to 15 and 16 to 31, of each step 16 rows of 16 pairs one behind the other: row `p` has pair `p` of
    /// each column.
    pub b: [*const u8; 2],
    /// From one step to the next.
    pub b_step: usize,
    /// Destinations, and the values between their rows.
    pub out: [*mut f32; N],
    pub out_stride: usize,
    /// Whether to add to the destinations or write them.
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

/// Whether the CPU's convolutions of this process multiply in bf16, from now on; false, and no change, where bf16 was
/// asked for and the processor has no instructions for it.
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
    /// `body` must neither call this nor wait for the thread pool, which may begin another task on this thread: the end
    /// of the inner call would leave the tiles of the outer one released.
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

    /// Writes some lines of 32 neighbouring planes, the values of a place side by side: `to[at, channel]`, zeros where
    /// a line has no source and for the planes behind the tensor's last.
    ///
    /// # Safety
    ///
    /// `to` must be writable for 32 values at the places of all lines, by nobody else.
    pub unsafe fn write_places(self, lines: &Lines<'_>, first: usize, to: *mut u16) {
        let count = lines.channels.saturating_sub(first).min(STEP);
        lines.assert_inside(first..first + count);
        // SAFETY: the sources lie inside and not too far apart, just asserted; the caller vouches for the places.
        unsafe {
            match self.0 {
                Set::Portable => portable::write_places(lines, first, count, to),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 | Set::Amx => x86::write_places(lines, first, count, to),
            }
        }
    }

    /// Writes the same in tiles, `to[16 places, pair of planes, place]`.
    ///
    /// # Safety
    ///
    /// `to` must be writable for the tiles of all lines, by nobody else.
    pub unsafe fn write_tiles(self, lines: &Lines<'_>, first: usize, to: *mut u32) {
        let count = lines.channels.saturating_sub(first).min(STEP);
        lines.assert_inside(first..first + count);
        // SAFETY: as above.
        unsafe {
            match self.0 {
                Set::Portable => portable::write_tiles(lines, first, count, to),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 | Set::Amx => x86::write_tiles(lines, first, count, to),
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

    /// Writes a tile of a matrix, `[row, column]`, or if it is to be turned `[pair of columns, row]`.
    ///
    /// # Safety
    ///
    /// The tile's values must be readable, its strides less than 2^24, and 512 places writable, by nobody else.
    pub unsafe fn write_tile(self, tile: &Tile, turned: bool, to: *mut u16) {
        // SAFETY: the caller's contract.
        unsafe {
            match self.0 {
                Set::Portable => portable::write_tile(tile, turned, to),
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 | Set::Amx => x86::write_tile(tile, turned, to),
            }
        }
    }
}

/// The permission of one thread to multiply, lent for the time of [`Bf16::with_multiplier`]: AMX has to be set up on
/// each.
pub(crate) struct Multiplier {
    set: Set,
    /// Not to be sent to another thread.
    _here: std::marker::PhantomData<*const ()>,
}

impl Multiplier {
    /// Computes blocks.
    ///
    /// # Safety
    ///
    /// All that a [`Product`] says of its operands must be readable, and [`SIDE`] values in each of [`HALF`] rows of
    /// every destination writable, by nobody else; readable too to be added to.
    #[inline]
    pub unsafe fn multiply<const N: usize>(&self, product: &Product<N>) {
        const { assert!(N == 2 || N == 3) };
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
