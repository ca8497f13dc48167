//! Ranges and relations that the types alone do not hold.

use burn::tensor::Device;
use weakseg_data::DataError;
use weakseg_data::augment::Operation;

use super::{
    Config, ConfigError, EncoderStart, NormalisationName, PosWeight, SamplerKind, Training,
};
use crate::cam::Threshold;
use crate::loss::SegmentationLoss;
use crate::networks;
use crate::pipeline::METHOD;
use crate::train::Monitor;

impl Config {
    /// Whether the steps from number `from` to `until` of the method can pass their networks on: an IRNet, or an encoder that is
    /// to start from the classifier, needs a trunk of its own kind. Asked before hours are spent on the classifier.
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

    /// Puts the lists of named scopes in their place.
    pub(super) fn settle_scopes(&mut self) {
        for training in [
            &mut self.classifier.training,
            &mut self.irn.training,
            &mut self.segmenter.training,
        ] {
            // One that says more than its scope is left to be refused.
            if training.augment.check().is_ok() {
                training.augment = std::mem::take(&mut training.augment).spelled_out();
            }
        }
    }

    /// Whether the networks can be built; nothing is drawn for it.
    fn check_networks(&self) -> Result<(), String> {
        let device = Device::flex();
        networks::classifier_config(self, 1)
            .init(&device)
            .map_err(|e| format!("classifier: {e}"))?;
        networks::segmenter_config(self, 1)
            .init(&device)
            .map_err(|e| format!("segmenter: {e}"))?;
        if self.segmenter.scales.is_empty() {
            return Err("segmenter.scales is empty; expected at least one, as in [1.0]".to_owned());
        }
        for &scale in &self.segmenter.scales {
            positive("segmenter.scales", scale)?;
        }
        Ok(())
    }

    /// What a random crop pads with is a colour; where all that is not black is foreground, that would be foreground too.
    fn check_padding(&self, name: &str, training: &Training) -> Result<(), String> {
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

    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        let size = self.image.size;
        if size == 0 || !size.is_multiple_of(16) || size > 4096 {
            return Err(format!(
                "image.size is {size}; expected a multiple of 16 from 16 to 4096"
            ));
        }
        for (name, training) in [
            ("classifier", &self.classifier.training),
            ("irn", &self.irn.training),
            ("segmenter", &self.segmenter.training),
        ] {
            check_training(name, training)?;
            self.check_padding(name, training)?;
        }
        check_irn_sampler(self.irn.training.sampler)?;
        for (name, monitor) in [
            ("irn", self.irn.training.monitor),
            ("segmenter", self.segmenter.training.monitor),
        ] {
            if monitor != Monitor::Loss {
                return Err(format!(
                    "{name}.training.monitor is \"{}\", which only the classifier has; expected \"loss\"",
                    monitor.name()
                ));
            }
        }
        if self.loader.ahead == 0 || self.loader.workers > 1024 {
            return Err(format!(
                "loader.ahead is {} and loader.workers {}; expected at least 1, and at most 1024",
                self.loader.ahead, self.loader.workers
            ));
        }
        positive("classifier.width", self.classifier.width)?;
        positive("segmenter.width", self.segmenter.width)?;
        self.check_weights()?;
        let drop = &self.classifier.dropblock;
        if !(0.0..1.0).contains(&drop.probability) {
            return Err(format!(
                "classifier.dropblock.probability is {}; expected 0 to below 1",
                drop.probability
            ));
        }
        if drop.block == 0 {
            return Err("classifier.dropblock.block is 0; expected at least 1".to_owned());
        }
        if self.cams.scales.is_empty() {
            return Err(
                "cams.scales is empty; expected at least one scale, as in [1.0]".to_owned(),
            );
        }
        self.check_networks()?;
        let layers = networks::classifier_config(self, 1).layers();
        if let Some(layer) = &self.cams.layer
            && !layers.contains(&layer.as_str())
        {
            return Err(format!(
                "cams.layer is \"{layer}\", which {} does not have; expected one of {}",
                self.classifier.arch,
                layers.join(", ")
            ));
        }
        for scale in &self.cams.scales {
            positive("cams.scales", *scale)?;
        }
        share("cams.gate", self.cams.gate)?;
        if let Threshold::Fixed(threshold) = self.cams.threshold {
            share("cams.threshold", threshold)?;
        }
        let ir = &self.ir_labels;
        share("ir_labels.foreground", ir.foreground.into())?;
        share("ir_labels.background", ir.background.into())?;
        if ir.background > ir.foreground {
            return Err(format!(
                "ir_labels.background ({}) lies above ir_labels.foreground ({}); a pixel cannot be confident background and foreground at once",
                ir.background, ir.foreground
            ));
        }
        if !(ir.gt_prob > 0.0 && ir.gt_prob < 1.0) {
            return Err(format!(
                "ir_labels.gt_prob is {}; expected between 0 and 1",
                ir.gt_prob
            ));
        }
        for (name, radius) in [
            ("irn.radius", self.irn.radius),
            ("pseudo_labels.radius", self.pseudo_labels.radius),
        ] {
            if !(2..=64).contains(&radius) {
                return Err(format!(
                    "{name} is {radius}; expected 2 to 64 (cells of the stride-4 grid)"
                ));
            }
        }
        if self.irn.radius >= size / 8 {
            return Err(format!(
                "irn.radius {} needs a wider grid than image.size {size} gives ({} cells); lower it below {} or raise image.size",
                self.irn.radius,
                size / 4,
                size / 8
            ));
        }
        share(
            "pseudo_labels.threshold",
            self.pseudo_labels.threshold.into(),
        )?;
        check_crf("ir_labels", ir.gaussian, ir.bilateral)?;
        if let Some(crf) = &self.pseudo_labels.crf {
            check_crf("pseudo_labels.crf", crf.gaussian, crf.bilateral)?;
        }
        if let Some(instances) = &self.pseudo_labels.instances {
            let of = |name: &str| format!("pseudo_labels.instances.{name}");
            positive(&of("weak_displacement"), instances.weak_displacement.into())?;
            share(&of("threshold"), instances.threshold.into())?;
            share(&of("min_area"), instances.min_area.into())?;
        }
        share("segmenter.threshold", self.segmenter.threshold)?;
        share("segmenter.gate", self.segmenter.gate)?;
        share("segmenter.min_area", self.segmenter.min_area)?;
        if let Some(triplet) = &self.segmenter.triplet {
            self.check_triplet(triplet)?;
        }
        if let PosWeight::Value(weight) = self.segmenter.pos_weight {
            positive("segmenter.pos_weight", weight)?;
        }
        check_losses(&self.segmenter.losses, size)
    }
}

fn check_losses(losses: &[SegmentationLoss], size: usize) -> Result<(), String> {
    if losses.is_empty() {
        return Err(
            "segmenter.losses is empty; expected at least one, as in [{ kind = \"cross-entropy\" }]"
                .to_owned(),
        );
    }
    for (place, loss) in losses.iter().enumerate() {
        let key = |name: &str| format!("segmenter.losses[{place}].{name}");
        positive(&key("weight"), loss.weight())?;
        match loss {
            SegmentationLoss::CrossEntropy { .. } | SegmentationLoss::Bce { .. } => {}
            SegmentationLoss::SmoothedCrossEntropy { sigma, .. } => {
                positive(&key("sigma"), *sigma)?;
            }
            SegmentationLoss::KlDivergence { sigma, .. } => not_negative(&key("sigma"), *sigma)?,
            SegmentationLoss::SoftIou { smooth, .. } | SegmentationLoss::Dice { smooth, .. } => {
                positive(&key("smooth"), *smooth)?;
            }
            SegmentationLoss::Focal { gamma, alpha, .. } => {
                not_negative(&key("gamma"), *gamma)?;
                share(&key("alpha"), *alpha)?;
            }
            SegmentationLoss::CrfConstrained(crf) => {
                if crf.scale_factor == 0 || !size.is_multiple_of(crf.scale_factor) {
                    return Err(format!(
                        "{} is {}; expected a number that divides image.size ({size}), as 1, 2, 4, 8 and 16 do",
                        key("scale_factor"),
                        crf.scale_factor
                    ));
                }
                if crf.iterations == 0 {
                    return Err(format!("{} is 0; expected at least 1", key("iterations")));
                }
                check_crf(
                    &format!("segmenter.losses[{place}]"),
                    crf.gaussian,
                    crf.bilateral,
                )?;
            }
        }
    }
    Ok(())
}

fn check_crf(name: &str, gaussian: [f32; 2], bilateral: [f32; 3]) -> Result<(), String> {
    for (term, deviations, weight) in [
        ("gaussian", &gaussian[..1], gaussian[1]),
        ("bilateral", &bilateral[..2], bilateral[2]),
    ] {
        for &deviation in deviations {
            positive(&format!("{name}.{term}"), deviation.into())?;
        }
        if !(weight >= 0.0 && weight.is_finite()) {
            return Err(format!(
                "{name}.{term} has the weight {weight}; expected 0 or more"
            ));
        }
    }
    Ok(())
}

fn check_training(name: &str, training: &Training) -> Result<(), String> {
    if training.epochs == 0 {
        return Err(format!("{name}.training.epochs is 0; expected at least 1"));
    }
    if training.batch == 0 {
        return Err(format!("{name}.training.batch is 0; expected at least 1"));
    }
    if training.accumulate == 0 {
        return Err(format!(
            "{name}.training.accumulate is 0; expected at least 1 (batches an optimizer step)"
        ));
    }
    let of = |message| format!("{name}.training.{message}");
    training.optimizer.check().map_err(of)?;
    training.schedule.check().map_err(of)?;
    positive(&of("head_lr_factor".to_owned()), training.head_lr_factor)?;
    for (place, group) in training.groups.iter().enumerate() {
        if !(group.lr.is_finite() && group.lr >= 0.0) {
            return Err(format!(
                "{name}.training.groups[{place}].lr is {}; expected a finite number 0 or above",
                group.lr
            ));
        }
    }
    let refused = |error: DataError| of(error.to_string());
    training.augment.check().map_err(refused)?;
    check_sampler(name, training.sampler)?;
    if let Some(clip) = training.clip {
        positive(&of("clip".to_owned()), clip)?;
    }
    match training.ema {
        Some(decay) if !(decay > 0.0 && decay < 1.0) => Err(format!(
            "{name}.training.ema is {decay}; expected above 0 and below 1, as 0.999"
        )),
        _ => Ok(()),
    }
}

fn check_sampler(name: &str, sampler: SamplerKind) -> Result<(), String> {
    let key = |part: &str| format!("{name}.training.sampler.{part}");
    match sampler {
        SamplerKind::Shuffle | SamplerKind::Balanced | SamplerKind::Positives => Ok(()),
        SamplerKind::Share(positives) => share(&key("share"), positives),
        SamplerKind::Schedule { from, to, epochs } => {
            share(&key("schedule.from"), from)?;
            share(&key("schedule.to"), to)?;
            match epochs {
                0 => Err(format!(
                    "{} is 0; expected at least 1",
                    key("schedule.epochs")
                )),
                _ => Ok(()),
            }
        }
    }
}

/// IRNet learns from positives alone: a sampler that is to draw negatives has none.
fn check_irn_sampler(sampler: SamplerKind) -> Result<(), String> {
    let (key, least) = match sampler {
        SamplerKind::Share(share) => ("share", share),
        SamplerKind::Schedule { from, to, .. } => ("schedule", from.min(to)),
        SamplerKind::Shuffle | SamplerKind::Balanced | SamplerKind::Positives => return Ok(()),
    };
    if least < 1.0 {
        return Err(format!(
            "irn.training.sampler.{key} goes down to a share of {least} positives, but IRNet learns from positives alone; expected \
             \"shuffle\", or \"balanced\" where there are several findings"
        ));
    }
    Ok(())
}

fn positive(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(format!("{name} is {value}; expected a number above 0"))
    }
}

fn not_negative(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(format!("{name} is {value}; expected 0 or more"))
    }
}

pub(super) fn share(name: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(format!("{name} is {value}; expected 0 to 1"))
    }
}

#[cfg(test)]
mod steps {
    use super::super::{Config, resolve};

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
}

#[cfg(test)]
mod loss {
    use super::super::resolve;

    #[test]
    fn losses_out_of_range_are_named_by_their_place() {
        let check = |losses: &str| {
            let table = "[data]\nkind = \"phantom\"".parse().expect("TOML");
            resolve(table, "t", None, &[format!("segmenter.losses={losses}")])
        };
        check(r#"[{ kind = "dice" }, { kind = "crf-constrained", weight = 0.5 }]"#).expect("valid");
        for (losses, words) in [
            ("[]", "segmenter.losses is empty"),
            (
                r#"[{ kind = "dice", weight = 0 }]"#,
                "segmenter.losses[0].weight is 0; expected a number above 0",
            ),
            (
                r#"[{ kind = "dice" }, { kind = "focal", gamma = -1.0 }]"#,
                "segmenter.losses[1].gamma is -1; expected 0 or more",
            ),
            (
                r#"[{ kind = "focal", alpha = 1.5 }]"#,
                "[0].alpha is 1.5; expected 0 to 1",
            ),
            (r#"[{ kind = "soft-iou", smooth = 0 }]"#, "[0].smooth is 0"),
            (
                r#"[{ kind = "smoothed-cross-entropy", sigma = 0 }]"#,
                "[0].sigma is 0",
            ),
            (
                r#"[{ kind = "kl-divergence", sigma = nan }]"#,
                "[0].sigma is NaN",
            ),
            (
                r#"[{ kind = "crf-constrained", scale_factor = 3 }]"#,
                "[0].scale_factor is 3; expected a number that divides image.size (256)",
            ),
            (
                r#"[{ kind = "crf-constrained", iterations = 0 }]"#,
                "[0].iterations is 0",
            ),
            (
                r#"[{ kind = "crf-constrained", bilateral = [80, 0, 10] }]"#,
                "[0].bilateral is 0",
            ),
            (
                r#"[{ kind = "dice", gamma = 2.0 }]"#,
                "unknown field `gamma`, expected `weight` or `smooth` in `segmenter.losses`",
            ),
            (r#"[{ kind = "tversky" }]"#, "unknown variant `tversky`"),
        ] {
            let message = check(losses).expect_err(losses).to_string();
            assert!(message.contains(words), "{losses}: {message}");
        }
    }
}

#[cfg(test)]
mod training {
    use super::super::resolve;
    use super::super::{Config, ConfigError, SamplerKind};
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
        let text = super::super::to_toml(&config);
        let read = resolve(text.parse().expect("TOML"), "t", None, &[]).expect("valid");
        assert_eq!(read, config, "the resolved file holds all of it");
    }

    #[test]
    fn the_documents_examples_are_valid() {
        let text = include_str!("../../../../docs/training.md");
        let examples: Vec<&str> = text
            .split("```toml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().expect("a block"))
            .collect();
        assert_eq!(examples.len(), 9);
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
        let text = super::super::to_toml(&config);
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
                "irn.training.monitor is \"f1\", which only the classifier has",
            ),
            ("segmenter.training.monitor=auroc", "expected \"loss\""),
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

#[cfg(test)]
mod instances {
    use super::super::{Config, ConfigError, InstanceStep, resolve, to_toml};
    use crate::instance::coco::MaskForm;

    fn set(sets: &[&str]) -> Result<Config, ConfigError> {
        let sets: Vec<String> = sets.iter().map(|&s| s.to_owned()).collect();
        let table = "[data]\nkind = \"phantom\"".parse().expect("TOML");
        resolve(table, "t", None, &sets)
    }

    #[test]
    fn instances_are_asked_for_by_a_table_that_may_be_empty() {
        let asked = |sets: &[&str]| set(sets).map(|config| config.pseudo_labels.instances);
        assert_eq!(asked(&[]).expect("valid"), None);
        let empty = asked(&["pseudo_labels.instances={}"]).expect("valid");
        assert_eq!(empty, Some(InstanceStep::default()));
        let sets = [
            "pseudo_labels.instances.masks=polygons",
            "pseudo_labels.instances={}",
        ];
        let config = set(&sets).expect("valid");
        let instances = config.pseudo_labels.instances.clone().expect("asked for");
        assert_eq!(instances.masks, MaskForm::Polygons, "nothing is taken back");
        let text = to_toml(&config);
        let read = resolve(text.parse().expect("TOML"), "t", None, &[]).expect("valid");
        assert_eq!(read, config);
        // Runs from before there were instances keep their digests.
        let without = serde_json::to_value(set(&[]).expect("valid").pseudo_labels);
        assert!(without.expect("JSON").get("instances").is_none());
    }
}

#[cfg(test)]
mod maps {
    use super::super::{Config, ConfigError, resolve, to_toml};
    use crate::cam::Threshold;

    fn of(kind: &str, set: &str) -> Result<Config, ConfigError> {
        let table = format!("[data]\nkind = \"{kind}\"\nroot = \"set\"");
        resolve(table.parse().expect("TOML"), "t", None, &[set.to_owned()])
    }

    #[test]
    fn a_map_is_cut_at_a_number_or_by_otsu() {
        for (value, expected) in [
            ("0.25", Threshold::Fixed(0.25)),
            ("0", Threshold::Fixed(0.0)),
            ("otsu", Threshold::OTSU),
        ] {
            for kind in ["phantom", "voc"] {
                let config = of(kind, &format!("cams.threshold={value}")).expect(value);
                assert_eq!(config.cams.threshold, expected);
                let read = resolve(to_toml(&config).parse().expect("TOML"), "t", None, &[]);
                assert_eq!(read.expect("valid"), config, "the resolved file holds it");
            }
        }
        for value in ["1.5", "ozu", "true"] {
            let set = format!("cams.threshold={value}");
            let message = of("phantom", &set).expect_err(value).to_string();
            assert!(message.contains("threshold"), "{value}: {message}");
        }
    }
}
