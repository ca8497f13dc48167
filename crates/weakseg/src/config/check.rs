//! Ranges and relations that the types alone do not hold.

use super::{Config, PosWeight, Training};
use crate::train::Monitor;

impl Config {
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
        }
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
        positive("classifier.width", self.classifier.width)?;
        positive("segmenter.width", self.segmenter.width)?;
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
        let layers = self.classifier.arch.layers();
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
        share("cams.threshold", self.cams.threshold)?;
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
        share("segmenter.threshold", self.segmenter.threshold)?;
        share("segmenter.gate", self.segmenter.gate)?;
        if let PosWeight::Value(weight) = self.segmenter.pos_weight {
            positive("segmenter.pos_weight", weight)?;
        }
        Ok(())
    }
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

fn positive(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(format!("{name} is {value}; expected a number above 0"))
    }
}

fn share(name: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(format!("{name} is {value}; expected 0 to 1"))
    }
}
