//! Whole numbers of coordinates and grey values, without the casts of the language: those look for what does not fit,
//! at each value, and no vectors do that.

/// 3 * 2^22: adding it to a number from -1/2 to below 2^22 leaves the nearest whole one in the low bits.
const WHOLE: f32 = 12_582_912.0;

/// A whole number at most 1 below `at` and not above it; of a whole `at` that itself or the one before, whichever is
/// even: between pixels both mean the same.
#[inline(always)]
pub(super) fn before(at: f32) -> f32 {
    ((at - 0.5) + WHOLE) - WHOLE
}

/// A whole number from 0 to below 2^22 as what it is.
#[inline(always)]
pub(super) fn whole(at: f32) -> u32 {
    (at + WHOLE).to_bits() & 0x003f_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_split_off() {
        for at in [
            0.0_f32, 0.2, 0.5, 0.999, 1.0, 2.0, 2.5, 77.25, 4095.0, 4095.4,
        ] {
            let first = before(at);
            assert_eq!(first, whole(first) as f32);
            assert!((0.0..=1.0).contains(&(at - first)), "{at}: {first}");
        }
    }
}
