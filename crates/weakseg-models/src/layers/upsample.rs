//! Making maps larger: bilinear with half-pixel centres, nearest.

use burn::tensor::Tensor;
use weakseg_kernels::{resize_bilinear, resize_nearest};

/// Bilinear resize with half-pixel centres, PyTorch's `align_corners=False`.
///
/// # Shapes
/// `[B, C, h, w]` → `[B, C, size[0], size[1]]`
pub fn bilinear(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    if [height, width] == size {
        return x;
    }
    resize_bilinear(x, size, false)
}

/// Bilinear resize by a whole factor, see [`bilinear`].
///
/// # Shapes
/// `[B, C, h, w]` → `[B, C, factor·h, factor·w]`
pub fn bilinear_by(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    bilinear(x, [height * factor, width * factor])
}

/// Resize by repeating pixels, PyTorch's `mode="nearest"`: pixel i of n comes from ⌊i·m/n⌋ of m.
///
/// # Shapes
/// `[B, C, h, w]` → `[B, C, size[0], size[1]]`
pub fn nearest(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    resize_nearest(x, size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn bilinear_uses_half_pixel_centres() {
        // torch.nn.functional.interpolate([[0, 1], [2, 3]], scale_factor=2, mode="bilinear"), torch 2.11
        let x =
            Tensor::<1>::from_floats([0.0, 1.0, 2.0, 3.0], &Device::flex()).reshape([1, 1, 2, 2]);
        let y: Vec<f32> = bilinear_by(x, 2).into_data().try_to_vec().unwrap();
        let expected = [
            0.0, 0.25, 0.75, 1.0, 0.5, 0.75, 1.25, 1.5, 1.5, 1.75, 2.25, 2.5, 2.0, 2.25, 2.75, 3.0,
        ];
        for (found, expected) in y.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{y:?}");
        }
    }

    #[test]
    fn nearest_repeats_pixels() {
        let x = Tensor::<1>::from_floats([1.0, 2.0], &Device::flex()).reshape([1, 1, 1, 2]);
        let y: Vec<f32> = nearest(x.clone(), [2, 4]).into_data().try_to_vec().unwrap();
        assert_eq!(y, [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
        // torch.nn.functional.interpolate(size=(1, 3), mode="nearest"), torch 2.11
        let y: Vec<f32> = nearest(x, [1, 3]).into_data().try_to_vec().unwrap();
        assert_eq!(y, [1.0, 1.0, 2.0]);
    }
}
