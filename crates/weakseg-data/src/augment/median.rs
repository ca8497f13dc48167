//! The median of a square.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chance::below;
use crate::{DataError, Stack};

/// Each value becomes the median of the square around it; the border pixels go on outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MedianBlur {
    /// Least and greatest side of the square, odd numbers of pixels; every odd one between them is as likely.
    pub size: [usize; 2],
}

impl Default for MedianBlur {
    fn default() -> Self {
        Self { size: [3, 7] }
    }
}

impl MedianBlur {
    pub(super) fn check(&self) -> Result<(), DataError> {
        let [least, greatest] = self.size;
        let odd = least % 2 == 1 && greatest % 2 == 1;
        if odd && least >= 3 && least <= greatest && greatest <= 31 {
            return Ok(());
        }
        Err(DataError::Setting {
            key: "size".into(),
            found: format!("[{least}, {greatest}]"),
            expected: "two odd numbers from 3 to 31, the lesser first".into(),
        })
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        let [least, greatest] = self.size;
        least + 2 * below(rng, (greatest - least) / 2 + 1)
    }
}

/// Medians of `size` × `size` values (Huang et al. 1979): a histogram moves along the row, and the median with it.
pub(super) fn median(image: &Stack<u8>, size: usize) -> Stack<u8> {
    let (height, width) = (image.height(), image.width());
    let (radius, half) = (size / 2, (size * size / 2) as u16);
    let mut out = image.clone();
    let mut wide = vec![0_u8; size * (width + 2 * radius)];
    for channel in 0..image.channels() {
        let plane = image.plane(channel);
        for (y, out) in out.plane_mut(channel).chunks_exact_mut(width).enumerate() {
            // Column by column, so that what enters and leaves the square lies together.
            for (x, column) in wide.chunks_exact_mut(size).enumerate() {
                let x = x.saturating_sub(radius).min(width - 1);
                for (tap, value) in column.iter_mut().enumerate() {
                    let y = (y + tap).saturating_sub(radius).min(height - 1);
                    *value = plane[y * width + x];
                }
            }
            let mut counts = [0_u16; 256];
            for value in &wide[..size * size] {
                counts[usize::from(*value)] += 1;
            }
            // `below` values are less than `middle`, which is the median.
            let (mut middle, mut below) = (0_usize, 0_u16);
            for x in 0..width {
                while below > half {
                    middle -= 1;
                    below -= counts[middle];
                }
                while below + counts[middle] <= half {
                    below += counts[middle];
                    middle += 1;
                }
                out[x] = middle as u8;
                if x + 1 == width {
                    break;
                }
                for value in &wide[x * size..][..size] {
                    counts[usize::from(*value)] -= 1;
                    below -= u16::from(usize::from(*value) < middle);
                }
                for value in &wide[(x + size) * size..][..size] {
                    counts[usize::from(*value)] += 1;
                    below += u16::from(usize::from(*value) < middle);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plane;

    #[test]
    fn an_impulse_is_removed() {
        let mut image = Stack::filled(1, 6, 7, 40_u8);
        image.plane_mut(0)[2 * 7 + 3] = 255;
        image.plane_mut(0)[0] = 0;
        assert_eq!(median(&image, 3), Stack::filled(1, 6, 7, 40));
    }

    #[test]
    fn it_is_the_middle_of_the_sorted_square() {
        let image = Plane::from_fn(9, 8, |y, x| ((y * 83 + x * 57 + y * x * 31) % 256) as u8);
        for size in [3, 5, 7] {
            let got = median(&image.clone().into_stack(), size);
            for (y, x) in [(0, 0), (4, 4), (8, 7), (3, 0), (0, 5)] {
                let clip = |at: usize, tap: usize, last: usize| {
                    (at + tap).saturating_sub(size / 2).min(last)
                };
                let mut square: Vec<u8> = (0..size * size)
                    .map(|k| image.get(clip(y, k / size, 8), clip(x, k % size, 7)))
                    .collect();
                square.sort_unstable();
                assert_eq!(got.plane(0)[y * 8 + x], square[size * size / 2]);
            }
        }
    }
}
