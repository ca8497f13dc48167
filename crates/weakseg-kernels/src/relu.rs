//! ReLU of single values.

/// Values of a task; the values know nothing of planes.
pub(crate) const CHUNK: usize = 4096;

/// Whether ReLU lets a value through: above `floor`, or not a number (a network that diverged
/// must not look well).
#[inline(always)]
fn passes(value: f32, floor: f32) -> bool {
    value.is_nan() || value > floor
}

/// The value, at least `floor`: 0 for ReLU, minus infinity for none.
#[inline(always)]
pub(crate) fn rectified(value: f32, floor: f32) -> f32 {
    if passes(value, floor) { value } else { floor }
}

/// The gradient where `value`, ReLU's input or output, was above `floor`; 0 elsewhere.
#[inline(always)]
pub(crate) fn gated(value: f32, floor: f32, gradient: f32) -> f32 {
    if passes(value, floor) { gradient } else { 0.0 }
}
