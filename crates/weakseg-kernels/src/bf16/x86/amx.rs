//! AMX: tiles of 16 rows of 64 bytes.
//!
//! The compiler of stable Rust knows the instructions in assembly only, and no tile registers
//! outside of it: all that a block needs stands in one piece of assembly. The shape of the tiles is
//! a state of the thread, set by [`Configured`].
#![allow(unsafe_code)] // Assembly; implements the raw-pointer contract of `Multiplier`.

use std::arch::asm;
use std::marker::PhantomData;

use super::super::{HALF, Product};

/// Whether the processor has AMX-BF16 and the system lets this process use it.
#[cfg(target_os = "linux")]
pub(in super::super) fn is_granted() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: usize = 0x1023;
    const TILE_DATA: usize = 18;
    if __cpuid(0).eax < 7 || __cpuid_count(7, 0).edx & (AMX_BF16 | AMX_TILE) != AMX_BF16 | AMX_TILE
    {
        return false;
    }
    let mut result = ARCH_PRCTL;
    // SAFETY: asks for the tiles' state to be kept for this process; changes no memory. A system
    // that does not know it answers with an error.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Elsewhere nobody has asked how to be granted it.
#[cfg(not(target_os = "linux"))]
pub(in super::super) fn is_granted() -> bool {
    false
}

/// `LDTILECFG`'s operand: palette 1, rows and bytes of eight tiles.
#[repr(C, align(64))]
struct Shapes([u8; 64]);

static SHAPES: Shapes = {
    let mut shapes = [0; 64];
    shapes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        shapes[16 + 2 * tile] = 64;
        shapes[48 + tile] = HALF as u8;
        tile += 1;
    }
    Shapes(shapes)
};

/// As long as it lives this thread's tiles have 16 rows of 64 bytes.
pub(in super::super) struct Configured {
    /// The state is this thread's.
    _here: PhantomData<*const ()>,
}

impl Configured {
    /// # Safety
    ///
    /// [`is_granted`] must have said so.
    pub unsafe fn new() -> Self {
        // SAFETY: the operand has the form that the instruction wants.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly, preserves_flags));
        }
        Self { _here: PhantomData }
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: nobody else uses this thread's tiles. One without content need not be saved.
        unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
    }
}

/// Bytes of a row of a tile.
const ROW: usize = HALF * size_of::<u32>();

/// # Safety
///
/// As `Multiplier::multiply`, while this thread is [`Configured`].
#[inline]
pub(in super::super) unsafe fn multiply<const N: usize>(product: &Product<N>) {
    // SAFETY: the caller's contract.
    unsafe {
        if N == 2 {
            two_blocks(product);
        } else {
            three_blocks(product);
        }
    }
}

/// Both tiles of an operand of two blocks stay where they are for two products each.
///
/// # Safety
///
/// As [`multiply`], of two blocks.
#[inline]
unsafe fn two_blocks<const N: usize>(product: &Product<N>) {
    // SAFETY: reads and writes what the caller vouches for.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "test {at}, {at}",
            "jz 2f",
            "mov {at}, [{out}]",
            "tileloadd tmm0, [{at} + {out_stride}*1]",
            "tileloadd tmm1, [{at} + {out_stride}*1 + 64]",
            "mov {at}, [{out} + 8]",
            "tileloadd tmm2, [{at} + {out_stride}*1]",
            "tileloadd tmm3, [{at} + {out_stride}*1 + 64]",
            "2:",
            "test {steps}, {steps}",
            "jz 4f",
            "3:",
            "mov {at}, [{a_steps}]",
            "add {at}, {a_first}",
            "tileloadd tmm4, [{at} + {a_stride}*1]",
            "tileloadd tmm6, [{b_first} + {row}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b_second} + {row}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "mov {at}, [{a_steps}]",
            "add {at}, {a_second}",
            "tileloadd tmm5, [{at} + {a_stride}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a_steps}, 8",
            "add {b_first}, {b_step}",
            "add {b_second}, {b_step}",
            "dec {steps}",
            "jnz 3b",
            "4:",
            "mov {at}, [{out}]",
            "tilestored [{at} + {out_stride}*1], tmm0",
            "tilestored [{at} + {out_stride}*1 + 64], tmm1",
            "mov {at}, [{out} + 8]",
            "tilestored [{at} + {out_stride}*1], tmm2",
            "tilestored [{at} + {out_stride}*1 + 64], tmm3",
            row = in(reg) ROW,
            out = in(reg) product.out.as_ptr(),
            out_stride = in(reg) product.out_stride * size_of::<f32>(),
            steps = inout(reg) product.steps => _,
            a_first = in(reg) product.a[0],
            a_second = in(reg) product.a[1],
            a_stride = in(reg) product.a_stride,
            a_steps = inout(reg) product.a_steps => _,
            b_first = inout(reg) product.b[0] => _,
            b_second = inout(reg) product.b[1] => _,
            b_step = in(reg) product.b_step,
            at = inout(reg) usize::from(product.add) => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// Six tiles of sums leave two for operands: those of the columns are read anew for each block, from the first-level
/// cache.
///
/// # Safety
///
/// As [`multiply`], of three blocks.
#[inline]
unsafe fn three_blocks<const N: usize>(product: &Product<N>) {
    // SAFETY: reads and writes what the caller vouches for.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "tilezero tmm4",
            "tilezero tmm5",
            "test {at}, {at}",
            "jz 2f",
            "mov {at}, [{out}]",
            "tileloadd tmm0, [{at} + {out_stride}*1]",
            "tileloadd tmm1, [{at} + {out_stride}*1 + 64]",
            "mov {at}, [{out} + 8]",
            "tileloadd tmm2, [{at} + {out_stride}*1]",
            "tileloadd tmm3, [{at} + {out_stride}*1 + 64]",
            "mov {at}, [{out} + 16]",
            "tileloadd tmm4, [{at} + {out_stride}*1]",
            "tileloadd tmm5, [{at} + {out_stride}*1 + 64]",
            "2:",
            "test {steps}, {steps}",
            "jz 4f",
            "3:",
            "mov {at}, [{a_steps}]",
            "add {at}, {a_first}",
            "tileloadd tmm6, [{at} + {a_stride}*1]",
            "tileloadd tmm7, [{b_first} + {row}*1]",
            "tdpbf16ps tmm0, tmm6, tmm7",
            "tileloadd tmm7, [{b_second} + {row}*1]",
            "tdpbf16ps tmm1, tmm6, tmm7",
            "mov {at}, [{a_steps}]",
            "add {at}, {a_second}",
            "tileloadd tmm6, [{at} + {a_stride}*1]",
            "tdpbf16ps tmm3, tmm6, tmm7",
            "tileloadd tmm7, [{b_first} + {row}*1]",
            "tdpbf16ps tmm2, tmm6, tmm7",
            "mov {at}, [{a_steps}]",
            "add {at}, {a_third}",
            "tileloadd tmm6, [{at} + {a_stride}*1]",
            "tdpbf16ps tmm4, tmm6, tmm7",
            "tileloadd tmm7, [{b_second} + {row}*1]",
            "tdpbf16ps tmm5, tmm6, tmm7",
            "add {a_steps}, 8",
            "add {b_first}, {b_step}",
            "add {b_second}, {b_step}",
            "dec {steps}",
            "jnz 3b",
            "4:",
            "mov {at}, [{out}]",
            "tilestored [{at} + {out_stride}*1], tmm0",
            "tilestored [{at} + {out_stride}*1 + 64], tmm1",
            "mov {at}, [{out} + 8]",
            "tilestored [{at} + {out_stride}*1], tmm2",
            "tilestored [{at} + {out_stride}*1 + 64], tmm3",
            "mov {at}, [{out} + 16]",
            "tilestored [{at} + {out_stride}*1], tmm4",
            "tilestored [{at} + {out_stride}*1 + 64], tmm5",
            row = in(reg) ROW,
            out = in(reg) product.out.as_ptr(),
            out_stride = in(reg) product.out_stride * size_of::<f32>(),
            steps = inout(reg) product.steps => _,
            a_first = in(reg) product.a[0],
            a_second = in(reg) product.a[1],
            a_third = in(reg) product.a[2],
            a_stride = in(reg) product.a_stride,
            a_steps = inout(reg) product.a_steps => _,
            b_first = inout(reg) product.b[0] => _,
            b_second = inout(reg) product.b[1] => _,
            b_step = in(reg) product.b_step,
            at = inout(reg) usize::from(product.add) => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
