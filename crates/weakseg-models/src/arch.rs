//! The names of the networks, as the command line and the config files spell them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::encoder::{Backbone, StageStrides};

/// The image-level classifiers of step 1: a trunk and where it stops losing resolution. What
/// follows the trunk is [`HeadKind`](crate::HeadKind).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ClassifierArch {
    /// VGG16 (configuration D), the last block dilated by 2: output stride 8.
    #[serde(rename = "vgg16")]
    Vgg16,
    /// VGG16 with batch norm after every convolution, the last block dilated by 2: output stride 8.
    #[serde(rename = "vgg16-bn")]
    Vgg16Bn,
    /// ResNet34 as published: output stride 32.
    #[serde(rename = "resnet34")]
    Resnet34,
    /// ResNet50 (v1.5) as published: output stride 32.
    #[serde(rename = "resnet50-os32")]
    Resnet50Os32,
    /// ResNet50 with the stride of `layer4` replaced by dilation: output stride 16.
    #[serde(rename = "resnet50-os16")]
    Resnet50Os16,
    /// ResNet50 with the strides of `layer3` and `layer4` replaced by dilation: output stride 8.
    #[serde(rename = "resnet50-os8")]
    Resnet50Os8,
    /// ResNet50 with stride 1 and no dilation in `layer4`, the trunk of IRNet's CAM network: output
    /// stride 16.
    #[serde(rename = "resnet50-irn")]
    Resnet50Irn,
    /// SE-ResNeXt50 32x4d as published: output stride 32.
    #[serde(rename = "se_resnext50")]
    SeResnext50,
}

impl ClassifierArch {
    /// Every classifier.
    pub const ALL: [Self; 8] = [
        Self::Vgg16,
        Self::Vgg16Bn,
        Self::Resnet34,
        Self::Resnet50Os32,
        Self::Resnet50Os16,
        Self::Resnet50Os8,
        Self::Resnet50Irn,
        Self::SeResnext50,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vgg16 => "vgg16",
            Self::Vgg16Bn => "vgg16-bn",
            Self::Resnet34 => "resnet34",
            Self::Resnet50Os32 => "resnet50-os32",
            Self::Resnet50Os16 => "resnet50-os16",
            Self::Resnet50Os8 => "resnet50-os8",
            Self::Resnet50Irn => "resnet50-irn",
            Self::SeResnext50 => "se_resnext50",
        }
    }

    /// The trunk.
    pub fn backbone(self) -> Backbone {
        match self {
            Self::Vgg16 => Backbone::Vgg16,
            Self::Vgg16Bn => Backbone::Vgg16Bn,
            Self::Resnet34 => Backbone::Resnet34,
            Self::SeResnext50 => Backbone::SeResnext50,
            _ => Backbone::Resnet50,
        }
    }

    /// Where the trunk stops losing resolution; VGG16 by dilation of its last block.
    pub fn strides(self) -> StageStrides {
        match self {
            Self::Vgg16 | Self::Vgg16Bn | Self::Resnet50Os8 => StageStrides::Stride8,
            Self::Resnet50Os16 => StageStrides::Stride16,
            Self::Resnet50Irn => StageStrides::Irn,
            Self::Resnet34 | Self::Resnet50Os32 | Self::SeResnext50 => StageStrides::Stride32,
        }
    }
}

/// What stands on the encoder of a segmentation network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoder {
    Unet,
    DeeplabV3,
    DeeplabV3Plus,
}

/// The segmentation networks of step 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SegmenterArch {
    /// U-Net on VGG16 without batch norm, as segmentation_models_pytorch builds it.
    #[serde(rename = "unet-vgg16")]
    UnetVgg16,
    /// U-Net on VGG16 with batch norm, as segmentation_models_pytorch builds it.
    #[serde(rename = "unet-vgg16-bn")]
    UnetVgg16Bn,
    /// U-Net on ResNet34, as segmentation_models_pytorch builds it.
    #[serde(rename = "unet-resnet34")]
    UnetResnet34,
    /// U-Net on ResNet50, as segmentation_models_pytorch builds it.
    #[serde(rename = "unet-resnet50")]
    UnetResnet50,
    /// U-Net on SE-ResNeXt50 32x4d, as segmentation_models_pytorch builds it; the paper's best for
    /// X-rays.
    #[serde(rename = "unet-se_resnext50")]
    UnetSeResnext50,
    /// DeepLabv3 on VGG16 without batch norm, the last block dilated by 2, at output stride 8.
    #[serde(rename = "deeplabv3-vgg16")]
    Deeplabv3Vgg16,
    /// DeepLabv3 on ResNet50 at output stride 8, as torchvision builds it.
    #[serde(rename = "deeplabv3-resnet50")]
    Deeplabv3Resnet50,
    /// DeepLabv3+ on ResNet50 at output stride 8.
    #[serde(rename = "deeplabv3plus-resnet50-os8")]
    Deeplabv3PlusResnet50Os8,
    /// DeepLabv3+ on ResNet50 at output stride 16, with half the dilations in its pyramid.
    #[serde(rename = "deeplabv3plus-resnet50-os16")]
    Deeplabv3PlusResnet50Os16,
}

impl SegmenterArch {
    /// Every segmentation network.
    pub const ALL: [Self; 9] = [
        Self::UnetVgg16,
        Self::UnetVgg16Bn,
        Self::UnetResnet34,
        Self::UnetResnet50,
        Self::UnetSeResnext50,
        Self::Deeplabv3Vgg16,
        Self::Deeplabv3Resnet50,
        Self::Deeplabv3PlusResnet50Os8,
        Self::Deeplabv3PlusResnet50Os16,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnetVgg16 => "unet-vgg16",
            Self::UnetVgg16Bn => "unet-vgg16-bn",
            Self::UnetResnet34 => "unet-resnet34",
            Self::UnetResnet50 => "unet-resnet50",
            Self::UnetSeResnext50 => "unet-se_resnext50",
            Self::Deeplabv3Vgg16 => "deeplabv3-vgg16",
            Self::Deeplabv3Resnet50 => "deeplabv3-resnet50",
            Self::Deeplabv3PlusResnet50Os8 => "deeplabv3plus-resnet50-os8",
            Self::Deeplabv3PlusResnet50Os16 => "deeplabv3plus-resnet50-os16",
        }
    }

    /// The encoder.
    pub fn backbone(self) -> Backbone {
        match self {
            Self::UnetVgg16 | Self::Deeplabv3Vgg16 => Backbone::Vgg16,
            Self::UnetVgg16Bn => Backbone::Vgg16Bn,
            Self::UnetResnet34 => Backbone::Resnet34,
            Self::UnetSeResnext50 => Backbone::SeResnext50,
            _ => Backbone::Resnet50,
        }
    }

    /// Where the encoder stops losing resolution.
    pub fn strides(self) -> StageStrides {
        match self {
            Self::Deeplabv3PlusResnet50Os16 => StageStrides::Stride16,
            _ if self.decoder() == Decoder::Unet => StageStrides::Stride32,
            _ => StageStrides::Stride8,
        }
    }

    pub(crate) fn decoder(self) -> Decoder {
        match self {
            Self::UnetVgg16
            | Self::UnetVgg16Bn
            | Self::UnetResnet34
            | Self::UnetResnet50
            | Self::UnetSeResnext50 => Decoder::Unet,
            Self::Deeplabv3Vgg16 | Self::Deeplabv3Resnet50 => Decoder::DeeplabV3,
            Self::Deeplabv3PlusResnet50Os8 | Self::Deeplabv3PlusResnet50Os16 => {
                Decoder::DeeplabV3Plus
            }
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
            "unknown classifier `vgg19`; the classifiers are: vgg16, vgg16-bn, resnet34, \
             resnet50-os32, resnet50-os16, resnet50-os8, resnet50-irn, se_resnext50"
        );
    }
}
