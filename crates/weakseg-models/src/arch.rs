//! The names of the networks, as the command line and the config files spell them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// The image-level classifiers of step 1. Each is a trunk at output stride 8, three extra 3x3
/// convolutions with ReLU, global average pooling and a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ClassifierArch {
    /// VGG16 (configuration D), the last block dilated by 2.
    #[serde(rename = "vgg16")]
    Vgg16,
    /// VGG16 with batch norm after every convolution, the last block dilated by 2.
    #[serde(rename = "vgg16-bn")]
    Vgg16Bn,
    /// ResNet50 (v1.5) with the strides of `layer3` and `layer4` replaced by dilation.
    #[serde(rename = "resnet50-os8")]
    Resnet50Os8,
}

impl ClassifierArch {
    /// Every classifier.
    pub const ALL: [Self; 3] = [Self::Vgg16, Self::Vgg16Bn, Self::Resnet50Os8];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vgg16 => "vgg16",
            Self::Vgg16Bn => "vgg16-bn",
            Self::Resnet50Os8 => "resnet50-os8",
        }
    }

    /// Names of the layers whose activations can be had, in order of depth. A VGG block's activation
    /// is what its last ReLU gives, before the pool; `extra` is what the head averages.
    pub fn layers(self) -> [&'static str; 6] {
        match self {
            Self::Vgg16 | Self::Vgg16Bn => VGG_LAYERS,
            Self::Resnet50Os8 => RESNET_LAYERS,
        }
    }
}

pub(crate) const VGG_LAYERS: [&str; 6] =
    ["block1", "block2", "block3", "block4", "block5", "extra"];
pub(crate) const RESNET_LAYERS: [&str; 6] =
    ["stem", "layer1", "layer2", "layer3", "layer4", "extra"];

/// The segmentation networks of step 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SegmenterArch {
    /// U-Net on VGG16 without batch norm, as segmentation_models_pytorch builds it.
    #[serde(rename = "unet-vgg16")]
    UnetVgg16,
    /// U-Net on VGG16 with batch norm, as segmentation_models_pytorch builds it.
    #[serde(rename = "unet-vgg16-bn")]
    UnetVgg16Bn,
    /// U-Net on ResNet50, as segmentation_models_pytorch builds it.
    #[serde(rename = "unet-resnet50")]
    UnetResnet50,
    /// DeepLabv3 on VGG16 without batch norm, the last block dilated by 2, at output stride 8.
    #[serde(rename = "deeplabv3-vgg16")]
    Deeplabv3Vgg16,
    /// DeepLabv3 on ResNet50 at output stride 8, as torchvision builds it.
    #[serde(rename = "deeplabv3-resnet50")]
    Deeplabv3Resnet50,
    /// DeepLabv3+ on ResNet50 at output stride 8.
    #[serde(rename = "deeplabv3plus-resnet50-os8")]
    Deeplabv3PlusResnet50Os8,
}

impl SegmenterArch {
    /// Every segmentation network.
    pub const ALL: [Self; 6] = [
        Self::UnetVgg16,
        Self::UnetVgg16Bn,
        Self::UnetResnet50,
        Self::Deeplabv3Vgg16,
        Self::Deeplabv3Resnet50,
        Self::Deeplabv3PlusResnet50Os8,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnetVgg16 => "unet-vgg16",
            Self::UnetVgg16Bn => "unet-vgg16-bn",
            Self::UnetResnet50 => "unet-resnet50",
            Self::Deeplabv3Vgg16 => "deeplabv3-vgg16",
            Self::Deeplabv3Resnet50 => "deeplabv3-resnet50",
            Self::Deeplabv3PlusResnet50Os8 => "deeplabv3plus-resnet50-os8",
        }
    }
}

macro_rules! named {
    ($arch:ty, $family:literal) => {
        impl fmt::Display for $arch {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $arch {
            type Err = ModelError;

            fn from_str(name: &str) -> Result<Self, ModelError> {
                Self::ALL
                    .into_iter()
                    .find(|arch| arch.name() == name)
                    .ok_or_else(|| ModelError::UnknownArch {
                        family: $family,
                        name: name.to_owned(),
                        valid: Self::ALL.map(Self::name).join(", "),
                    })
            }
        }
    };
}

named!(ClassifierArch, "classifier");
named!(SegmenterArch, "segmenter");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_serialise_alike() {
        for arch in ClassifierArch::ALL {
            assert_eq!(arch.to_string().parse(), Ok(arch));
            assert_eq!(serde_json::to_string(&arch).unwrap(), format!("\"{arch}\""));
        }
        for arch in SegmenterArch::ALL {
            assert_eq!(arch.to_string().parse(), Ok(arch));
            assert_eq!(serde_json::to_string(&arch).unwrap(), format!("\"{arch}\""));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "vgg19".parse::<ClassifierArch>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown classifier `vgg19`; the classifiers are: vgg16, vgg16-bn, resnet50-os8"
        );
    }
}
