//! One body for every instruction set.

/// Compiles a function generic over [`Vector`] for every instruction set, and a function of the
/// given name that calls the one of a [`crate::tile::Tiles`], with the same contract.
macro_rules! for_every_set {
    ($(#[$attribute:meta])* $visibility:vis $name:ident, $generic:ident, $arguments:ty) => {
        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// As the function that is compiled, but for the instruction set: tiles have one that the machine runs.
        $visibility unsafe fn $name(tiles: &$crate::tile::Tiles, arguments: &$arguments) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f")]
            unsafe fn avx512(arguments: &$arguments) {
                // SAFETY: the caller vouches for the arguments; the set is enabled here.
                unsafe { $generic::<std::arch::x86_64::__m512>(arguments) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2(arguments: &$arguments) {
                // SAFETY: as above.
                unsafe { $generic::<std::arch::x86_64::__m256>(arguments) }
            }
            // SAFETY: the caller vouches for the arguments; tiles are only handed out where the
            // machine runs their set.
            unsafe {
                match tiles.set.set() {
                    $crate::instructions::Set::Portable => $generic::<$crate::tile::Four>(arguments),
                    #[cfg(target_arch = "x86_64")]
                    $crate::instructions::Set::Avx2 => avx2(arguments),
                    #[cfg(target_arch = "x86_64")]
                    $crate::instructions::Set::Avx512 => avx512(arguments),
                }
            }
        }
    };
}
pub(crate) use for_every_set;
