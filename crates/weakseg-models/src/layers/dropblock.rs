//! DropBlock (Ghiasi, Lin and Le 2018): dropout for feature maps, in square blocks.

use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DropNoise;

/// Which of the two published ways draws the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DropBlockForm {
    /// The paper's (eq. 1 and algorithm 1): a mask for each channel; seeds only where the whole
    /// block fits, at rate γ = p/b² · HW / ((H − b + 1)(W − b + 1)).
    #[default]
    Paper,
    /// The reference code's: one mask shared by all channels, seeds everywhere at rate γ = p/b²,
    /// blocks cut by the border.
    Reference,
}

/// Drops blocks of `block_size`² pixels and scales what is left so that the mean stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropBlock {
    /// Side of a block, in pixels of the feature map; a smaller map is dropped whole or not at all
    /// along that side.
    pub block_size: usize,
    /// How the blocks are drawn.
    pub form: DropBlockForm,
}

impl DropBlock {
    /// Multiplies by a fresh mask. Without noise (inference) or at probability 0 the input comes
    /// back unchanged.
    ///
    /// The mask is normalised over the whole batch: x · keep · numel(keep) / Σ keep.
    ///
    /// # Shapes
    /// `[B, C, H, W]` → the same
    pub fn forward(&self, x: Tensor<4>, noise: Option<&mut DropNoise>) -> Tensor<4> {
        let Some(noise) = noise else { return x };
        if noise.probability() <= 0.0 || self.block_size == 0 {
            return x;
        }
        let (mask, dims) = self.mask(x.dims(), noise);
        let device = x.device();
        x * Tensor::from_data(TensorData::new(mask, dims), &device)
    }

    /// The mask, already scaled: `[B, C, H, W]` in the paper's form, `[B, 1, H, W]` in the
    /// reference's.
    fn mask(&self, dims: [usize; 4], noise: &mut DropNoise) -> (Vec<f32>, [usize; 4]) {
        let [batch, channels, height, width] = dims;
        let p = noise.probability();
        let planes = match self.form {
            DropBlockForm::Paper => channels,
            DropBlockForm::Reference => 1,
        };
        let mut mask = vec![1.0_f32; batch * planes * height * width];
        for plane in mask.chunks_exact_mut((height * width).max(1)) {
            match self.form {
                DropBlockForm::Paper => self.drop_inside(plane, height, width, p, noise),
                DropBlockForm::Reference => self.drop_anywhere(plane, height, width, p, noise),
            }
        }
        let kept = mask.iter().filter(|&&keep| keep > 0.0).count();
        if kept > 0 {
            let scale = mask.len() as f32 / kept as f32;
            mask.iter_mut().for_each(|keep| *keep *= scale);
        }
        (mask, [batch, planes, height, width])
    }

    /// Seeds are the top left corners of blocks that fit.
    fn drop_inside(
        &self,
        plane: &mut [f32],
        height: usize,
        width: usize,
        p: f64,
        noise: &mut DropNoise,
    ) {
        let (block_h, block_w) = (self.block_size.min(height), self.block_size.min(width));
        let (rows, columns) = (height - block_h + 1, width - block_w + 1);
        let gamma =
            p / (block_h * block_w) as f64 * (height * width) as f64 / (rows * columns) as f64;
        for y in 0..rows {
            for x in 0..columns {
                if noise.flip(gamma) {
                    clear(plane, width, y..y + block_h, x..x + block_w);
                }
            }
        }
    }

    /// A pixel goes when a seed lies in its window [y − ⌊b/2⌋, y − ⌊b/2⌋ + b), as max-pooling the
    /// seeds with padding ⌊b/2⌋ and cutting to the size does.
    fn drop_anywhere(
        &self,
        plane: &mut [f32],
        height: usize,
        width: usize,
        p: f64,
        noise: &mut DropNoise,
    ) {
        let block = self.block_size;
        let gamma = p / (block * block) as f64;
        let reach = |seed: usize, end: usize| {
            let first = (seed + block / 2 + 1).saturating_sub(block);
            first..(seed + block / 2 + 1).min(end)
        };
        for y in 0..height {
            for x in 0..width {
                if noise.flip(gamma) {
                    clear(plane, width, reach(y, height), reach(x, width));
                }
            }
        }
    }
}

fn clear(
    plane: &mut [f32],
    width: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) {
    for row in rows {
        plane[row * width + columns.start..row * width + columns.end].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const DIMS: [usize; 4] = [4, 16, 24, 28];

    fn drop(form: DropBlockForm, p: f64, seed: u64) -> Vec<f32> {
        let layer = DropBlock {
            block_size: 5,
            form,
        };
        let x = Tensor::<4>::ones(DIMS, &Device::flex());
        let mut noise = DropNoise::new(seed, 3, p);
        layer
            .forward(x, Some(&mut noise))
            .into_data()
            .try_to_vec()
            .unwrap()
    }

    #[test]
    fn without_noise_nothing_changes() {
        let layer = DropBlock {
            block_size: 5,
            form: DropBlockForm::Paper,
        };
        let x = Tensor::<4>::ones(DIMS, &Device::flex());
        let y: Vec<f32> = layer.forward(x, None).into_data().try_to_vec().unwrap();
        assert!(y.iter().all(|&v| v == 1.0));
        assert!(drop(DropBlockForm::Paper, 0.0, 1).iter().all(|&v| v == 1.0));
    }

    #[test]
    fn the_mean_is_kept_and_the_share_is_near_p() {
        for form in [DropBlockForm::Paper, DropBlockForm::Reference] {
            let (mut share, mut mean) = (0.0, 0.0);
            for seed in 0..20 {
                let y = drop(form, 0.1, seed);
                share += y.iter().filter(|&&v| v == 0.0).count() as f64 / y.len() as f64 / 20.0;
                mean += y.iter().map(|&v| f64::from(v)).sum::<f64>() / y.len() as f64 / 20.0;
            }
            // Blocks overlap, so the share lies a little below p; at the border the reference form
            // loses parts of blocks as well.
            assert!((0.075..=0.105).contains(&share), "{form:?}: {share}");
            assert!((mean - 1.0).abs() < 1e-4, "{form:?}: {mean}");
        }
    }

    #[test]
    fn the_reference_form_shares_its_mask_between_channels() {
        let plane = DIMS[2] * DIMS[3];
        let shared = |y: &[f32]| {
            y.chunks_exact(plane * DIMS[1]).all(|sample| {
                sample
                    .chunks_exact(plane)
                    .all(|map| map == &sample[..plane])
            })
        };
        assert!(shared(&drop(DropBlockForm::Reference, 0.3, 5)));
        assert!(!shared(&drop(DropBlockForm::Paper, 0.3, 5)));
    }

    #[test]
    fn the_paper_form_drops_whole_blocks() {
        // One seed in a map barely larger than a block: 25 zeros, in a square.
        let layer = DropBlock {
            block_size: 5,
            form: DropBlockForm::Paper,
        };
        let hit = (0..200).find_map(|seed| {
            let (mask, _) = layer.mask([1, 1, 6, 6], &mut DropNoise::new(seed, 0, 0.2));
            let dropped = mask.iter().filter(|&&v| v == 0.0).count();
            (dropped > 0).then_some(dropped)
        });
        assert_eq!(hit, Some(25));
    }

    #[test]
    fn an_even_block_of_the_reference_form_reaches_down_and_right() {
        let layer = DropBlock {
            block_size: 2,
            form: DropBlockForm::Reference,
        };
        // Window of pixel y is [y - 1, y]: a seed at y clears y and y + 1.
        let mut plane = vec![1.0; 9];
        let seed = (0..10_000).find(|&seed| {
            let mut noise = DropNoise::new(seed, 0, 0.5);
            (0..9)
                .map(|_| noise.flip(0.125))
                .enumerate()
                .all(|(i, hit)| hit == (i == 4))
        });
        let mut noise = DropNoise::new(seed.unwrap(), 0, 0.5);
        layer.drop_anywhere(&mut plane, 3, 3, 0.5, &mut noise);
        assert_eq!(plane, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn masks_depend_on_seed_and_step_alone() {
        assert_eq!(
            drop(DropBlockForm::Paper, 0.2, 9),
            drop(DropBlockForm::Paper, 0.2, 9)
        );
        assert_ne!(
            drop(DropBlockForm::Paper, 0.2, 9),
            drop(DropBlockForm::Paper, 0.2, 10)
        );
    }

    #[test]
    fn a_map_smaller_than_the_block_is_dropped_whole_or_kept() {
        let layer = DropBlock {
            block_size: 9,
            form: DropBlockForm::Paper,
        };
        for seed in 0..50 {
            let (mask, _) = layer.mask([1, 1, 4, 4], &mut DropNoise::new(seed, 0, 0.4));
            assert!(mask.iter().all(|&v| v == mask[0]));
        }
    }
}
