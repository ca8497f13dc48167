//! `classifier.weights` and `segmenter.weights`: what `"auto"` means here, and whether the input suits the weights.

use weakseg_data::DataConfig;
use weakseg_models::weights::ChannelOrder;

use super::{Config, EncoderStart, NormalisationName};
use crate::pretrained::{WeightsChoice, entry, for_trunk};

impl Config {
    /// Puts what `"auto"` means in its place.
    pub(super) fn settle_weights(&mut self) {
        if self.segmenter.weights == Some(WeightsChoice::Auto)
            && let Some(entry) = for_trunk(self.segmenter.arch.backbone())
        {
            self.segmenter.weights = Some(WeightsChoice::Named(entry.name.to_owned()));
        }
        let step = &mut self.classifier;
        if step.weights != WeightsChoice::Auto {
            return;
        }
        // Phantoms are learned from noise in minutes; and published weights fit the published width alone.
        let suits = !matches!(self.data, DataConfig::Phantom(_)) && step.width == 1.0;
        step.weights = match for_trunk(step.arch.backbone()) {
            Some(entry) if suits => WeightsChoice::Named(entry.name.to_owned()),
            _ => WeightsChoice::None,
        };
    }

    /// Whether the input that the configuration makes is the one that the weights expect. Of a file only its owner
    /// knows.
    pub(super) fn check_weights(&self) -> Result<(), String> {
        self.check_encoder_weights()?;
        let encoder =
            self.segmenter.encoder == EncoderStart::Weights && self.segmenter.weights.is_none();
        if encoder && self.classifier.weights == WeightsChoice::None {
            return Err(
                "segmenter.encoder is \"weights\", but classifier.weights is \"none\"; set it, or use \"classifier\" or \"random\""
                    .to_owned(),
            );
        }
        let WeightsChoice::Named(name) = &self.classifier.weights else {
            return Ok(());
        };
        let Some(entry) = entry(name) else {
            return Ok(());
        };
        let arch = self.classifier.arch;
        if arch.backbone() != entry.trunk {
            return Err(format!(
                "classifier.weights is \"{name}\", weights of {}, but classifier.arch is {arch}; leave it \"auto\", or give a file or \"none\"",
                entry.trunk.name()
            ));
        }
        let segmenter = &self.segmenter;
        if encoder && (segmenter.arch.backbone() != entry.trunk || segmenter.width != 1.0) {
            return Err(format!(
                "segmenter.encoder is \"weights\", but \"{name}\" (classifier.weights) does not fit {} at width {}; expected a network on {} at width 1, or \"random\"",
                segmenter.arch,
                segmenter.width,
                entry.trunk.name()
            ));
        }
        if self.classifier.width != 1.0 {
            return Err(format!(
                "classifier.weights is \"{name}\", which fits the width 1 alone, but classifier.width is {}; set classifier.weights to \"none\"",
                self.classifier.width
            ));
        }
        let normalisation = self.image.normalisation;
        if normalisation != entry.normalisation {
            return Err(format!(
                "image.normalisation is \"{}\", but the weights \"{name}\" (classifier.weights) expect \"{}\"; change one of the two, or set classifier.weights to \"none\" or a file",
                label(normalisation),
                label(entry.normalisation)
            ));
        }
        let channels = self.classifier.weights_channels;
        if channels != entry.channels {
            return Err(format!(
                "classifier.weights_channels is \"{}\", but the weights \"{name}\" (classifier.weights) are for {}; leave it out, it is for files",
                order(channels),
                order(entry.channels)
            ));
        }
        Ok(())
    }

    /// The same for weights that the segmentation network has of its own.
    fn check_encoder_weights(&self) -> Result<(), String> {
        let step = &self.segmenter;
        let name = match &step.weights {
            Some(WeightsChoice::None) => {
                return Err(
                    "segmenter.weights is \"none\"; for noise set segmenter.encoder to \"random\""
                        .to_owned(),
                );
            }
            Some(WeightsChoice::Named(name)) if step.encoder == EncoderStart::Weights => name,
            _ => return Ok(()),
        };
        let Some(entry) = entry(name) else {
            return Ok(());
        };
        if step.arch.backbone() != entry.trunk || step.width != 1.0 {
            return Err(format!(
                "segmenter.weights is \"{name}\", weights of {} at width 1, but segmenter.arch is {} at width {}; leave it \"auto\", or give a file",
                entry.trunk.name(),
                step.arch,
                step.width
            ));
        }
        if self.image.normalisation != entry.normalisation {
            return Err(format!(
                "image.normalisation is \"{}\", but the weights \"{name}\" (segmenter.weights) expect \"{}\"; change one of the two, or give a file",
                label(self.image.normalisation),
                label(entry.normalisation)
            ));
        }
        Ok(())
    }
}

fn label(name: NormalisationName) -> &'static str {
    match name {
        NormalisationName::Imagenet => "imagenet",
        NormalisationName::Caffe => "caffe",
        NormalisationName::Pneumothorax => "pneumothorax",
        NormalisationName::Float => "float",
        NormalisationName::Binary => "binary",
        NormalisationName::None => "none",
    }
}

fn order(order: ChannelOrder) -> &'static str {
    match order {
        ChannelOrder::Rgb => "rgb",
        ChannelOrder::Bgr => "bgr",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigError, resolve, to_toml};
    use super::*;

    fn config(text: &str) -> Result<Config, ConfigError> {
        resolve(text.parse().expect("toml"), "test", None, &[])
    }

    const TABLE: &str = "data = { kind = \"table\", root = \"x\" }\n";

    #[test]
    fn auto_is_the_trunk_of_real_data_and_nothing_for_phantoms_and_other_widths() {
        let chosen = |text: &str| config(text).expect("sound").classifier.weights.to_string();
        assert_eq!(chosen("data.kind = \"phantom\""), "none");
        assert_eq!(chosen(TABLE), "vgg16-bn");
        assert_eq!(
            chosen("data = { kind = \"voc\", root = \"x\" }"),
            "vgg16-bn"
        );
        assert_eq!(
            chosen(&format!("{TABLE}classifier.arch = \"resnet50-os8\"")),
            "resnet50"
        );
        assert_eq!(chosen(&format!("{TABLE}classifier.width = 0.5")), "none");
        assert_eq!(
            chosen(&format!("{TABLE}classifier.weights = \"none\"")),
            "none"
        );
        assert_eq!(
            chosen(&format!("{TABLE}classifier.weights = \"w/x.pth\"")),
            "w/x.pth"
        );
        // Spelled out, and the same when it is read again.
        let resolved = config(TABLE).expect("sound");
        let text = to_toml(&resolved);
        assert!(text.contains("weights = \"vgg16-bn\""), "{text}");
        assert_eq!(config(&text).expect("sound"), resolved);
    }

    #[test]
    fn an_encoder_may_have_weights_of_its_own() {
        let own =
            "segmenter = { encoder = \"weights\", weights = \"auto\", arch = \"unet-resnet50\" }";
        let resolved =
            config(&format!("{TABLE}{own}")).expect("another trunk than the classifier's");
        assert_eq!(resolved.classifier.weights.to_string(), "vgg16-bn");
        let named = resolved.segmenter.weights.clone().expect("settled");
        assert_eq!(named.to_string(), "resnet50");
        assert_eq!(config(&to_toml(&resolved)).expect("sound"), resolved);
        // Runs from before there was the key keep their digests.
        let without = config(TABLE).expect("sound");
        assert!(
            serde_json::to_value(without.segmenter)
                .expect("JSON")
                .get("weights")
                .is_none()
        );
        config(&format!("{TABLE}segmenter.weights = \"resnet50\"")).expect("not read");
        let error = |text: &str| config(&format!("{TABLE}{text}")).unwrap_err().to_string();
        for (text, words) in [
            (
                "segmenter = { encoder = \"weights\", weights = \"none\" }",
                "segmenter.weights is \"none\"",
            ),
            (
                "segmenter = { encoder = \"weights\", weights = \"resnet50\" }",
                "weights of ResNet50 at width 1, but segmenter.arch is unet-vgg16-bn",
            ),
            (
                "segmenter = { encoder = \"weights\", weights = \"auto\" }\nclassifier.weights = \"none\"\nimage.normalisation = \"float\"",
                "(segmenter.weights) expect \"imagenet\"",
            ),
        ] {
            let message = error(text);
            assert!(message.contains(words), "{text}: {message}");
        }
    }

    #[test]
    fn an_input_that_the_weights_do_not_expect_is_refused_by_name() {
        let error = |text: &str| config(&format!("{TABLE}{text}")).unwrap_err().to_string();
        let caffe = error("image.normalisation = \"caffe\"");
        for part in [
            "image.normalisation",
            "\"caffe\"",
            "\"imagenet\"",
            "vgg16-bn",
        ] {
            assert!(caffe.contains(part), "{part}: {caffe}");
        }
        let bgr = error("classifier.weights_channels = \"bgr\"");
        assert!(bgr.contains("weights_channels is \"bgr\""), "{bgr}");
        let trunk = error("classifier.weights = \"resnet50\"");
        assert!(
            trunk.contains("weights of ResNet50") && trunk.contains("vgg16-bn"),
            "{trunk}"
        );
        let width = error("classifier.weights = \"vgg16-bn\"\nclassifier.width = 0.5");
        assert!(width.contains("width 1 alone"), "{width}");
        let encoder = error("segmenter = { encoder = \"weights\", arch = \"unet-resnet50\" }");
        assert!(encoder.contains("unet-resnet50 at width 1"), "{encoder}");
        let none = error("segmenter.encoder = \"weights\"\nclassifier.weights = \"none\"");
        assert!(none.contains("classifier.weights is \"none\""), "{none}");
    }
}
