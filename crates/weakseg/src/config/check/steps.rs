//! Whether the steps of a run can pass their networks on.

use super::super::{Config, ConfigError, EncoderStart};
use crate::pipeline::METHOD;

impl Config {
    /// Whether the steps from number `from` to `until` of the method can pass their networks on: an IRNet, or an
    /// encoder that is to start from the classifier, needs a trunk of its own kind, and pixels that IRNet joins have to
    /// lie in the image. Asked before hours are spent on the classifier.
    ///
    /// # Errors
    /// [`ConfigError::Value`] that names the keys.
    pub fn check_steps(&self, from: usize, until: usize) -> Result<(), ConfigError> {
        let asked = |name: &str| {
            let number = METHOD.iter().position(|step| step.name == name);
            number.is_some_and(|number| (from..=until).contains(&number))
        };
        let error = |message: String| {
            Err(ConfigError::Value {
                origin: "the configuration".to_owned(),
                message,
            })
        };
        let (classifier, segmenter) = (&self.classifier, &self.segmenter);
        if classifier.stages < 5 && asked("train-irn") {
            return error(format!(
                "classifier.stages is {}, but IRNet stands on all five stages of a trunk; set it to 5, or end the run with `--until eval-cams`",
                classifier.stages
            ));
        }
        let (radius, size) = (self.irn.radius, self.image.size);
        if radius >= size / 8 && asked("train-irn") {
            return error(format!(
                "irn.radius {radius} needs a wider grid than image.size {size} gives ({} cells); lower it below {}, raise image.size, \
                 or end the run with `--until eval-cams`",
                size / 4,
                size / 8
            ));
        }
        let alike = classifier.arch.backbone() == segmenter.arch.backbone()
            && classifier.width == segmenter.width
            && classifier.stages == 5;
        if segmenter.encoder == EncoderStart::Classifier && !alike && asked("train-segmenter") {
            return error(format!(
                "segmenter.encoder is \"classifier\", but the trunk of {} (width {}) cannot start the encoder of {} (width {}); \
                 set segmenter.arch to a network on {} and segmenter.width to {}, or segmenter.encoder to \"weights\" or \"random\"",
                classifier.arch,
                classifier.width,
                segmenter.arch,
                segmenter.width,
                classifier.arch.backbone().name(),
                classifier.width,
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Config, resolve};

    fn config(set: &str) -> Config {
        let table = "[data]\nkind = \"phantom\"".parse().expect("TOML");
        resolve(table, "t", None, &[set.to_owned()]).expect("valid alone")
    }

    #[test]
    fn the_defaults_go_together() {
        config("seed=1").check_steps(0, 9).expect("all steps");
    }

    #[test]
    fn a_trunk_that_a_later_step_cannot_use_is_refused_only_where_that_step_is_asked_for() {
        for (set, words, before) in [
            ("classifier.arch=resnet34", "segmenter.arch", 6),
            ("classifier.width=0.5", "segmenter.width to 0.5", 6),
        ] {
            let config = config(set);
            let message = config.check_steps(0, 9).expect_err(set).to_string();
            assert!(message.contains(words), "{message}");
            config.check_steps(0, before).expect("not asked for");
        }
        let config = config("classifier={ arch = \"resnet34\", stages = 4 }");
        let message = config.check_steps(0, 4).expect_err("IRNet").to_string();
        assert!(message.contains("--until eval-cams"), "{message}");
        config.check_steps(0, 2).expect("maps alone");
    }

    #[test]
    fn a_grid_too_small_for_irnet_is_enough_for_maps() {
        let config = config("image.size=16");
        config.check_steps(0, 2).expect("maps alone");
        let message = config.check_steps(0, 4).expect_err("IRNet").to_string();
        assert!(message.contains("lower it below 2"), "{message}");
    }
}
