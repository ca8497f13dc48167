//! The table of pretrained trunks.

use weakseg_models::Normalisation;
use weakseg_models::encoder::Backbone;
use weakseg_models::weights::ChannelOrder;

use crate::config::NormalisationName;

/// A file of weights that this program knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pretrained {
    /// Its name in `classifier.weights` and on the command line.
    pub name: &'static str,
    /// The trunk it starts.
    pub trunk: Backbone,
    /// Where it is published.
    pub url: &'static str,
    /// Its size in bytes; none where only the publisher knows.
    pub size: Option<u64>,
    /// Its SHA-256; none where only the first digits are published, and then it is not fetched.
    pub sha256: Option<&'static str>,
    /// Terms of use.
    pub licence: &'static str,
    /// Colour statistics of the input it was trained on.
    pub normalisation: NormalisationName,
    /// Order of the colours it was trained on.
    pub channels: ChannelOrder,
    /// Who trained it, and on what.
    pub source: &'static str,
}

const TORCHVISION: &str =
    "BSD-3-Clause (torchvision); trained on ImageNet, whose terms allow research and teaching";

/// Every file. The first of a trunk is its default.
///
/// torchvision puts the first eight hexadecimal digits of the SHA-256 into its file names; the digests agree with them.
pub const REGISTRY: [Pretrained; 6] = [
    Pretrained {
        name: "vgg16",
        trunk: Backbone::Vgg16,
        url: "https://download.pytorch.org/models/vgg16-397923af.pth",
        size: Some(553_433_881),
        sha256: Some("397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"),
        licence: TORCHVISION,
        normalisation: NormalisationName::Imagenet,
        channels: ChannelOrder::Rgb,
        source: "torchvision VGG16_Weights.IMAGENET1K_V1, ImageNet-1k",
    },
    Pretrained {
        name: "vgg16-bn",
        trunk: Backbone::Vgg16Bn,
        url: "https://download.pytorch.org/models/vgg16_bn-6c64b313.pth",
        size: Some(553_507_836),
        sha256: Some("6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a"),
        licence: TORCHVISION,
        normalisation: NormalisationName::Imagenet,
        channels: ChannelOrder::Rgb,
        source: "torchvision VGG16_BN_Weights.IMAGENET1K_V1, ImageNet-1k",
    },
    Pretrained {
        name: "resnet34",
        trunk: Backbone::Resnet34,
        url: "https://download.pytorch.org/models/resnet34-b627a593.pth",
        size: Some(87_319_819),
        sha256: Some("b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f"),
        licence: TORCHVISION,
        normalisation: NormalisationName::Imagenet,
        channels: ChannelOrder::Rgb,
        source: "torchvision ResNet34_Weights.IMAGENET1K_V1, ImageNet-1k",
    },
    Pretrained {
        name: "resnet50",
        trunk: Backbone::Resnet50,
        url: "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        size: Some(102_530_333),
        sha256: Some("0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"),
        licence: TORCHVISION,
        normalisation: NormalisationName::Imagenet,
        channels: ChannelOrder::Rgb,
        source: "torchvision ResNet50_Weights.IMAGENET1K_V1, ImageNet-1k",
    },
    Pretrained {
        name: "resnet50-19c8e357",
        trunk: Backbone::Resnet50,
        url: "https://download.pytorch.org/models/resnet50-19c8e357.pth",
        size: Some(102_502_400),
        sha256: Some("19c8e3572231adff6824a2da93fd67b5986919a2e65f8b6007eab4edee220097"),
        licence: TORCHVISION,
        normalisation: NormalisationName::Imagenet,
        channels: ChannelOrder::Rgb,
        source: "torchvision's ResNet50 of 2017, ImageNet-1k, as the published code of the method had it",
    },
    Pretrained {
        name: "se_resnext50",
        trunk: Backbone::SeResnext50,
        url: "http://data.lip6.fr/cadene/pretrainedmodels/se_resnext50_32x4d-a260b3a4.pth",
        size: None,
        sha256: None,
        licence: "BSD-3-Clause (Cadene's pretrained-models.pytorch); trained on ImageNet, whose terms allow research and teaching",
        normalisation: NormalisationName::Imagenet,
        channels: ChannelOrder::Rgb,
        source: "Cadene's se_resnext50_32x4d, ImageNet-1k, as segmentation_models_pytorch has it",
    },
];

/// A file by its name.
pub fn entry(name: &str) -> Option<&'static Pretrained> {
    REGISTRY.iter().find(|entry| entry.name == name)
}

/// The default file of a trunk.
pub fn for_trunk(trunk: Backbone) -> Option<&'static Pretrained> {
    REGISTRY.iter().find(|entry| entry.trunk == trunk)
}

/// Every name, with commas between.
pub fn names() -> String {
    REGISTRY.map(|entry| entry.name).join(", ")
}

impl Pretrained {
    /// Its file name, the last part of the address.
    pub fn file_name(&self) -> &'static str {
        self.url.rsplit('/').next().unwrap_or(self.url)
    }

    /// Mean and standard deviation of its input, of pixel values 0..=255.
    pub fn statistics(&self) -> Normalisation {
        crate::networks::statistics(self.normalisation)
    }
}

#[cfg(test)]
mod tests {
    use weakseg_models::ClassifierArch;

    use super::*;

    #[test]
    fn digests_agree_with_torchvisions_file_names() {
        for entry in REGISTRY {
            let Some(sha256) = entry.sha256 else { continue };
            assert_eq!(sha256.len(), 64, "{}", entry.name);
            assert!(
                sha256
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            );
            let stem = entry.file_name().strip_suffix(".pth").unwrap();
            assert_eq!(
                stem.rsplit('-').next(),
                Some(&sha256[..8]),
                "{}",
                entry.name
            );
            assert!(entry.url.starts_with("https://") && entry.size.is_some());
        }
    }

    #[test]
    fn names_differ_and_every_classifier_has_a_default() {
        let mut all: Vec<&str> = REGISTRY.iter().map(|entry| entry.name).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), REGISTRY.len());
        for arch in ClassifierArch::ALL {
            assert!(for_trunk(arch.backbone()).is_some(), "{arch}");
        }
        let default = for_trunk(Backbone::Resnet50).map(|entry| entry.name);
        assert_eq!(default, Some("resnet50"));
    }
}
