//! Which pixels taps meet, along one axis.

/// For pixel p of the grid and tap i of those that are met, the pixel p·scale + shift + i·step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    pub scale: usize,
    pub shift: isize,
    pub step: isize,
    /// How many taps are met; which is the first, and how many further is the next.
    pub taps: usize,
    pub first_tap: usize,
    pub tap_step: usize,
}

/// Input gradients of a convolution: for each remainder r of the input's pixels p·stride + r, the pixels of the output
/// whose taps read them.
pub fn phases(stride: usize, padding: usize, dilation: usize, kernel: usize) -> Vec<Axis> {
    let phase = |remainder: usize| {
        // Tap i of output pixel o reads o·stride − padding + i·dilation.
        let start = (remainder + padding) as isize;
        let from = |tap: usize| start - (tap * dilation) as isize;
        let met: Vec<usize> = (0..kernel)
            .filter(|tap| from(*tap) % stride as isize == 0)
            .collect();
        let first_tap = met.first().copied().unwrap_or(0);
        let tap_step = met.get(1).map_or(1, |second| second - first_tap);
        Axis {
            scale: 1,
            shift: from(first_tap) / stride as isize,
            step: -((tap_step * dilation / stride) as isize),
            taps: met.len(),
            first_tap,
            tap_step,
        }
    };
    (0..stride).map(phase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of an input and an output pixel that a tap joins comes up once, in its phase.
    #[test]
    fn phases_are_the_convolution_turned() {
        for (stride, padding, dilation, kernel) in [
            (1, 1, 1, 3),
            (2, 1, 1, 3),
            (2, 3, 1, 7),
            (2, 0, 1, 1),
            (3, 2, 2, 3),
            (2, 2, 2, 3),
            (4, 0, 1, 2),
        ] {
            let outputs = 9;
            let mut expected = vec![];
            for output in 0..outputs {
                for tap in 0..kernel {
                    let input = output as isize * stride as isize - padding as isize
                        + (tap * dilation) as isize;
                    if input >= 0 {
                        expected.push((input, tap, output as isize));
                    }
                }
            }
            let last = expected.iter().map(|(input, ..)| *input).max().unwrap_or(0);
            let mut found = vec![];
            for (remainder, axis) in phases(stride, padding, dilation, kernel)
                .into_iter()
                .enumerate()
            {
                for pixel in 0..=last {
                    let input = pixel * stride as isize + remainder as isize;
                    for index in 0..axis.taps {
                        let output =
                            pixel * axis.scale as isize + axis.shift + index as isize * axis.step;
                        if input <= last && (0..outputs as isize).contains(&output) {
                            found.push((input, axis.first_tap + index * axis.tap_step, output));
                        }
                    }
                }
            }
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{stride} {padding} {dilation} {kernel}");
        }
    }
}
