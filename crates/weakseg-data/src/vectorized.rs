//! Functions compiled for the machine's vectors. (`densecrf`, which stands alone, has the same macro of its own.)

/// Defines a function whose body is compiled for several instruction sets, the best of which is chosen at run time:
/// what the body calls has to be `#[inline(always)]` or a small closure. (The body stands in a struct of its own, since
/// a closure handed to `pulp` is not inlined, and only what is inlined is compiled for the set.) No set contracts a
/// product and a sum to one rounding: the results are the same on all.
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
