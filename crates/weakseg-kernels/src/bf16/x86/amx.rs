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

/// # Safety
///
/// As `Multiplier::multiply`, while this thread is [`Configured`].
#[inline]
pub(in super::super) unsafe fn multiply(product: &Product) {
    let stride = product.out_stride * size_of::<f32>();
    // SAFETY: reads and writes what the caller vouches for.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            // The lower half's destination: there are registers enough if it is computed twice.
            "test {b}, {b}",
            "jz 2f",
            "mov {b}, {stride}",
            "shl {b}, 4",
            "add {b}, {out}",
            "tileloadd tmm0, [{out} + {stride}*1]",
            "tileloadd tmm1, [{out} + {stride}*1 + 64]",
            "tileloadd tmm2, [{b} + {stride}*1]",
            "tileloadd tmm3, [{b} + {stride}*1 + 64]",
            "2:",
            "test {steps}, {steps}",
            "jz 4f",
            "3:",
            "mov {b}, [{b_steps}]",
            "add {b}, {b_base}",
            "tileloadd tmm6, [{b} + {b_stride}*1]",
            "add {b}, {b_half}",
            "tileloadd tmm4, [{a_upper} + {a_stride}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b} + {b_stride}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a_lower} + {a_stride}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a_upper}, {a_step}",
            "add {a_lower}, {a_step}",
            "add {b_steps}, 8",
            "dec {steps}",
            "jnz 3b",
            "4:",
            "mov {b}, {stride}",
            "shl {b}, 4",
            "add {b}, {out}",
            "tilestored [{out} + {stride}*1], tmm0",
            "tilestored [{out} + {stride}*1 + 64], tmm1",
            "tilestored [{b} + {stride}*1], tmm2",
            "tilestored [{b} + {stride}*1 + 64], tmm3",
            out = in(reg) product.out,
            stride = in(reg) stride,
            steps = inout(reg) product.steps => _,
            a_upper = inout(reg) product.a[0] => _,
            a_lower = inout(reg) product.a[1] => _,
            a_stride = in(reg) product.a_stride,
            a_step = in(reg) product.a_step,
            b = inout(reg) usize::from(product.add) => _,
            b_base = in(reg) product.b,
            b_half = in(reg) product.b_half,
            b_stride = in(reg) product.b_stride,
            b_steps = inout(reg) product.b_steps => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
