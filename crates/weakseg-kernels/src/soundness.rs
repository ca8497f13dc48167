//! Whether a device computes at all: a driver whose faulty kernels do nothing is not told apart by speed, which is what
//! Burn chooses kernels by, and gives masks of nothing without a word.

use burn::tensor::{Device, Int, Tensor, module};

/// Values that the threads of a workgroup share come out wrong, and with them matrix products and convolutions.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "this device, or its driver, computes wrong results: a sum over values that its threads share came out as {found} in \
     place of {expected}"
)]
pub struct Unsound {
    /// What the device gave.
    pub found: f32,
    /// What it is by a closed form.
    pub expected: f32,
}

/// Steps of time, labels to be met in them, and classes: the labels and the blank.
const STEPS: usize = 16;
const LABELS: usize = 8;
const CLASSES: usize = LABELS + 1;

/// Ways to spread 8 labels, each another than the one before it, over 16 steps with blanks: (16 + 8) over (16 - 8).
const WAYS: f64 = 735_471.0;

/// The paths differ in what they sum, not in how: f32 in another order, and a GPU's own logarithm.
const TOLERANCE: f32 = 1e-3;

/// Lets `device` compute one sum whose result is known. Burn's connectionist temporal classification is the operation
/// that keeps its values in the memory that a workgroup shares, as matrix products do, and of which there is one
/// kernel: nothing is tried and timed before. Where every class is as likely, each path has the probability
/// `CLASSES`^-`STEPS`.
///
/// It takes the time of compiling one small kernel. A device that passes may be wrong in other kernels.
///
/// # Errors
/// If the result is wrong.
pub fn check_sound(device: &Device) -> Result<(), Unsound> {
    let likely = Tensor::<3>::full([STEPS, 1, CLASSES], -(CLASSES as f64).ln(), device);
    let labels: [i32; LABELS] = std::array::from_fn(|label| label as i32 + 1);
    let length = |length: usize| Tensor::<1, Int>::from_ints([length as i32], device);
    let loss = module::ctc_loss(
        likely,
        Tensor::<2, Int>::from_ints([labels], device),
        length(STEPS),
        length(LABELS),
        0,
    );
    // What cannot be read is as wrong as what is not a number.
    let read = loss.into_data().convert::<f32>().try_to_vec::<f32>();
    judge(
        read.ok()
            .and_then(|loss| loss.first().copied())
            .unwrap_or(f32::NAN),
    )
}

fn judge(found: f32) -> Result<(), Unsound> {
    let expected = (STEPS as f64 * (CLASSES as f64).ln() - WAYS.ln()) as f32;
    // Not a number is not close to anything.
    let close = (found - expected).abs() < TOLERANCE * expected;
    close.then_some(()).ok_or(Unsound { found, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_are_counted_right() {
        // (24 over 8) = 24·23·…·17 / 8!
        let over: f64 = (17..=24).map(f64::from).product();
        let under: f64 = (1..=8).map(f64::from).product();
        assert_eq!(over / under, WAYS);
    }

    #[test]
    fn what_a_kernel_that_does_nothing_leaves_is_refused() {
        for found in [0.0, -1.0, 21.0, f32::INFINITY, f32::NAN] {
            let refused = judge(found).expect_err("wrong");
            // 16 ln 9 - ln 735471 = 35.1556 - 13.5083
            assert!((refused.expected - 21.6473).abs() < 1e-3, "{refused}");
        }
        assert_eq!(judge(21.6473), Ok(()));
    }
}
