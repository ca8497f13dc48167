//! Settings of a training.

use weakseg_data::augment::Operation;

use super::super::{Config, NormalisationName, Training};

impl Config {
    /// What a random crop pads with is a colour; where all that is not black is foreground, that would be foreground
    /// too.
    pub(super) fn check_padding(&self, name: &str, training: &Training) -> Result<(), String> {
        let steps = training.augment.list();
        let pads = steps.iter().filter(|step| step.p > 0.0).any(|step| {
            let mut kinds = step.one_of.iter();
            kinds.any(|kind| matches!(kind, Operation::RandomCrop(_)))
        });
        if pads && self.image.normalisation == NormalisationName::Binary {
            return Err(format!(
                "image.normalisation is \"binary\", which makes foreground of what random-crop pads with \
                 ({name}.training.augment); leave random-crop out, or set another normalisation"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::resolve;
    use super::super::super::{Config, ConfigError, SamplerKind};
    use crate::train::{Monitor, Select};

    fn set(sets: &[&str]) -> Result<Config, ConfigError> {
        let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
        let table = "[data]\nkind = \"phantom\"".parse().expect("TOML");
        resolve(table, "t", None, &sets)
    }

    #[test]
    fn every_setting_can_be_set() {
        let config = set(&[
            "classifier.training.clip=1",
            "classifier.training.ema=0.999",
            "classifier.training.accumulate=4",
            "classifier.training.monitor=auroc",
            "classifier.training.select=best",
            "classifier.training.patience=3",
            "classifier.training.keep_every=5",
            "classifier.training.optimizer.kind=sgd",
            "classifier.training.optimizer.nesterov=true",
            "classifier.training.schedule.kind=plateau",
            "classifier.training.schedule.patience=2",
            r#"classifier.training.groups=[{ part = "trunk", parameters = "biases", lr = 1e-4 }, { part = "head", lr = 1 }]"#,
        ])
        .expect("valid");
        let training = &config.classifier.training;
        assert_eq!((training.clip, training.ema), (Some(1.0), Some(0.999)));
        assert_eq!(
            (training.monitor, training.select),
            (Monitor::Auroc, Select::Best)
        );
        assert_eq!(training.groups[1].lr, 1.0);
        let again = set(&[]).expect("valid");
        assert_eq!(
            again.classifier.training.clip, None,
            "nothing of it is a default"
        );
        let text = super::super::super::to_toml(&config);
        let read = resolve(text.parse().expect("TOML"), "t", None, &[]).expect("valid");
        assert_eq!(read, config, "the resolved file holds all of it");
    }

    #[test]
    fn the_documents_examples_are_valid() {
        let text = include_str!("../../../../../docs/training.md");
        let examples: Vec<&str> = text
            .split("```toml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().expect("a block"))
            .collect();
        assert_eq!(examples.len(), 12);
        for example in examples {
            let table = format!("{example}\n[data]\nkind = \"phantom\"\n");
            resolve(table.parse().expect("TOML"), "docs/training.md", None, &[]).expect(example);
        }
    }

    #[test]
    fn a_scope_is_spelled_out_in_the_resolved_file() {
        let config = set(&["classifier.training.augment.scope=pneumothorax"]).expect("valid");
        let augment = &config.classifier.training.augment;
        assert_eq!((augment.scope, augment.steps.len()), (None, 3));
        assert_eq!(augment.steps, weakseg_data::Scope::Pneumothorax.steps());
        let text = super::super::super::to_toml(&config);
        assert!(text.contains("optical-distortion"), "{text}");
        let read = resolve(text.parse().expect("TOML"), "t", None, &[]).expect("valid");
        assert_eq!(read, config);
        // Over a preset that says it by keys, and over what a run has written.
        let demo = [
            "segmenter.training.augment.scope=weak".to_owned(),
            "classifier.training.augment.scope=none".to_owned(),
        ];
        let over = resolve(text.parse().expect("TOML"), "t", Some("demo"), &demo).expect("valid");
        assert_eq!(over.segmenter.training.augment.steps.len(), 1);
        assert_eq!(
            over.classifier.training.augment,
            weakseg_data::Augment::default()
        );
        let keys = set(&["irn.training.augment.hflip=0.5"]).expect("old keys");
        assert_eq!(keys.irn.training.augment.hflip, 0.5);
    }

    #[test]
    fn a_crop_does_not_pad_masks_with_foreground() {
        let of = |normalisation: &str, augment: &str| {
            let normalisation = format!("image.normalisation={normalisation}");
            set(&[&normalisation, &format!("irn.training.augment={augment}")])
        };
        let message = of("binary", r#"{ scope = "irn" }"#).expect_err("padded");
        let words = "what random-crop pads with (irn.training.augment)";
        assert!(message.to_string().contains(words), "{message}");
        of("imagenet", r#"{ scope = "irn" }"#).expect("0 to the network");
        of(
            "binary",
            r#"{ steps = [{ p = 1.0, one_of = [{ kind = "center-crop" }] }] }"#,
        )
        .expect("nothing is padded");
    }

    #[test]
    fn irnet_has_no_negatives_to_draw() {
        let irn = |value: &str| set(&[&format!("irn.training.sampler={value}")]);
        for (value, key) in [
            ("{ share = 0.5 }", "share"),
            (
                "{ schedule = { from = 1, to = 0.5, epochs = 3 } }",
                "schedule",
            ),
        ] {
            let message = irn(value).expect_err(value).to_string();
            let words = format!("irn.training.sampler.{key} goes down to a share of 0.5");
            assert!(message.contains(&words), "{message}");
        }
        for value in ["shuffle", "positives", "balanced", "{ share = 1.0 }"] {
            irn(value).expect(value);
        }
    }

    #[test]
    fn samplers_are_set_by_name_or_with_their_share() {
        let sampler = |value: &str| {
            let text = format!("segmenter.training.sampler={value}");
            set(&[&text]).map(|config| config.segmenter.training.sampler)
        };
        let schedule = SamplerKind::Schedule {
            from: 0.8,
            to: 0.2,
            epochs: 10,
        };
        for (value, expected) in [
            ("shuffle", SamplerKind::Shuffle),
            ("balanced", SamplerKind::Balanced),
            ("positives", SamplerKind::Positives),
            ("{ share = 0.5 }", SamplerKind::Share(0.5)),
            (
                "{ schedule = { from = 0.8, to = 0.2, epochs = 10 } }",
                schedule,
            ),
        ] {
            assert_eq!(sampler(value).expect(value), expected);
        }
        for (value, words) in [
            ("{ share = 1.5 }", "segmenter.training.sampler.share is 1.5"),
            (
                "{ schedule = { from = 0.5, to = -1, epochs = 3 } }",
                "segmenter.training.sampler.schedule.to is -1",
            ),
            (
                "{ schedule = { from = 0.5, to = 0.1, epochs = 0 } }",
                "segmenter.training.sampler.schedule.epochs is 0",
            ),
            ("weighted", "weighted"),
        ] {
            let message = sampler(value).expect_err(value).to_string();
            assert!(message.contains(words), "{value}: {message}");
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (sets, words) in [
            (
                "irn.training.augment.hflip=2",
                "irn.training.augment.hflip is 2; expected 0 to 1, a chance",
            ),
            (
                r#"classifier.training.augment={ scope = "weak", tone = 0.5 }"#,
                "classifier.training.augment is scope = \"weak\" and keys such as hflip; expected one of",
            ),
            ("loader.ahead=0", "loader.ahead is 0"),
            ("irn.training.accumulate=0", "irn.training.accumulate is 0"),
            (
                "irn.training.clip=0",
                "irn.training.clip is 0; expected a number above 0",
            ),
            (
                "segmenter.training.clip=inf",
                "segmenter.training.clip is inf",
            ),
            (
                "irn.training.ema=1",
                "irn.training.ema is 1; expected above 0 and below 1",
            ),
            (
                "irn.training.monitor=f1",
                "irn.training.monitor is \"f1\", which this step does not have; expected loss",
            ),
            (
                "segmenter.training.monitor=auroc",
                "expected loss, dice, miou",
            ),
            (
                "classifier.training.monitor=dice",
                "expected loss, auroc, f1",
            ),
            ("classifier.training.monitor=mood", "mood"),
            (
                "classifier.training.schedule.factor=1",
                "schedule.factor is 1",
            ),
            (
                "classifier.training.optimizer.nesterov=true",
                "optimizer.nesterov is on",
            ),
            (
                r#"classifier.training.groups=[{ part = "head", lr = -1 }]"#,
                "classifier.training.groups[0].lr is -1",
            ),
            (
                r#"classifier.training.groups=[{ part = "head", rate = 1 }]"#,
                "rate",
            ),
            (
                "pseudo_labels.instances.weak_displacement=0",
                "pseudo_labels.instances.weak_displacement is 0; expected a number above 0",
            ),
            (
                "pseudo_labels.instances.min_area=2",
                "pseudo_labels.instances.min_area is 2; expected 0 to 1",
            ),
            (
                "pseudo_labels.instances.mask=rle",
                "did you mean `pseudo_labels.instances.masks`?",
            ),
            ("pseudo_labels.instances=true", "pseudo_labels"),
            (
                "classifier.training.clipp=1",
                "did you mean `classifier.training.clip`?",
            ),
        ] {
            let message = set(&[sets]).expect_err(sets).to_string();
            assert!(message.contains(words), "{sets}: {message}");
        }
    }
}
