//! What pixel values a network's weights expect.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Per RGB channel, on pixel values 0..=255: (pixel − mean) / std, or whether the pixel is not black.
///
/// Weights are always stored for RGB input; a file made for BGR is turned on import.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Red, green, blue.
    pub mean: [f32; 3],
    /// Red, green, blue; positive.
    pub std: [f32; 3],
    /// Whether every pixel above 0 becomes 1 before that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub binary: bool,
}

impl Normalisation {
    /// torchvision's and smp's: mean .485/.456/.406 and std .229/.224/.225 of a 0..1 range.
    pub const IMAGENET: Self = Self {
        mean: [123.675, 116.28, 103.53],
        std: [58.395, 57.12, 57.375],
        binary: false,
    };

    /// The original VGG's: the mean colour taken off, 0..255 kept.
    pub const CAFFE: Self = Self {
        mean: [123.68, 116.779, 103.939],
        std: [1.0, 1.0, 1.0],
        binary: false,
    };

    /// The reference's for X-rays: mean .490 and std .230 of a 0..1 range.
    pub const XRAY: Self = Self {
        mean: [124.95, 124.95, 124.95],
        std: [58.65, 58.65, 58.65],
        binary: false,
    };

    /// 0..255 to 0..1.
    pub const UNIT: Self = Self {
        mean: [0.0, 0.0, 0.0],
        std: [255.0, 255.0, 255.0],
        binary: false,
    };

    /// 0..255 as they are.
    pub const NONE: Self = Self {
        mean: [0.0, 0.0, 0.0],
        std: [1.0, 1.0, 1.0],
        binary: false,
    };

    /// 0 stays 0, all above is 1: for images that are masks.
    pub const BINARY: Self = Self {
        mean: [0.0, 0.0, 0.0],
        std: [1.0, 1.0, 1.0],
        binary: true,
    };

    /// Normalises a batch.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` of 0..=255 → the same
    pub fn apply(&self, images: Tensor<4>) -> Tensor<4> {
        let device = images.device();
        let channels =
            |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let images = match self.binary {
            true => images.greater_elem(0.0).float(),
            false => images,
        };
        (images - channels(self.mean)) / channels(self.std)
    }

    /// One value of a channel (0 red, 1 green, 2 blue).
    pub fn value(&self, channel: usize, pixel: f32) -> f32 {
        let pixel = match self.binary {
            true => f32::from(u8::from(pixel > 0.0)),
            false => pixel,
        };
        (pixel - self.mean[channel]) / self.std[channel]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn tensor_and_scalar_agree() {
        let images =
            Tensor::<1>::from_floats([10.0, 100.0, 255.0], &Device::flex()).reshape([1, 3, 1, 1]);
        for norm in [
            Normalisation::IMAGENET,
            Normalisation::CAFFE,
            Normalisation::XRAY,
            Normalisation::UNIT,
            Normalisation::NONE,
            Normalisation::BINARY,
        ] {
            let found: Vec<f32> = norm.apply(images.clone()).into_data().try_to_vec().unwrap();
            for (channel, pixel) in [10.0, 100.0, 255.0].into_iter().enumerate() {
                assert!((found[channel] - norm.value(channel, pixel)).abs() < 1e-5);
            }
        }
        assert!((Normalisation::XRAY.value(1, 255.0) - 0.51 / 0.23).abs() < 1e-5);
        assert_eq!(Normalisation::UNIT.value(0, 51.0), 0.2);
        // (255/255 - .406) / .225
        assert!((Normalisation::IMAGENET.value(2, 255.0) - 2.64).abs() < 1e-5);
        assert_eq!(Normalisation::NONE.value(1, 51.0), 51.0);
        let binary = [0.0, 1.0, 255.0].map(|pixel| Normalisation::BINARY.value(1, pixel));
        assert_eq!(binary, [0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_file_of_an_older_version_is_understood() {
        let older = r#"{"mean":[0.0,0.0,0.0],"std":[255.0,255.0,255.0]}"#;
        assert_eq!(
            serde_json::from_str::<Normalisation>(older).unwrap(),
            Normalisation::UNIT
        );
        assert_eq!(serde_json::to_string(&Normalisation::UNIT).unwrap(), older);
    }
}
