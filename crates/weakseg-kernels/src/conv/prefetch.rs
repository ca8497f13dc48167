//! Cache lines that are asked for before they are used.

/// Asks for the cache line of a value that will be used soon; any address will do.
#[inline(always)]
#[allow(unsafe_code)] // A hint is an instruction of its own.
pub(super) fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which reads nothing; SSE is part of every x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
