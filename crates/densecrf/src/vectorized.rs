//! Functions compiled for the machine's vectors.

/// Values that are worked on side by side: neighbouring pixels, mostly.
pub(crate) const LANES: usize = 16;

/// One number for each of [`LANES`] neighbouring pixels.
pub(crate) type Lanes = [f32; LANES];

/// An array of `$count` numbers, made by a plain loop: that becomes vector code, where
/// `array::from_fn` and `map` may become calls of code for the oldest processors.
macro_rules! each {
    ($count:expr, $at:ident => $value:expr) => {{
        let mut out = [0.0f32; $count];
        for $at in 0..$count {
            out[$at] = $value;
        }
        out
    }};
}
pub(crate) use each;

/// Defines a function whose body is compiled for several instruction sets, the best of which is
/// chosen at run time: what the body calls has to be `#[inline(always)]` or a small closure. (The
/// body stands in a struct of its own, since a closure handed to `pulp` is not inlined, and only what
/// is inlined is compiled for the set.) No set contracts a product and a sum to one rounding: the
/// results are the same on all.
macro_rules! vectorized {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident<$lifetime:lifetime>($($argument:ident: $type:ty),* $(,)?)
        $body:block
    ) => {
        $(#[$attribute])*
        $visibility fn $name<$lifetime>($($argument: $type),*) {
            struct Task<$lifetime> {
                $($argument: $type),*
            }
            impl<$lifetime> pulp::NullaryFnOnce for Task<$lifetime> {
                type Output = ();

                #[inline(always)]
                fn call(self) {
                    let Self { $($argument),* } = self;
                    $body
                }
            }
            pulp::Arch::new().dispatch(Task { $($argument),* });
        }
    };
}
pub(crate) use vectorized;
