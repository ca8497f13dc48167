//! Ranges and relations that the types alone do not hold.

mod losses;
mod ranges;
mod steps;
#[cfg(test)]
mod tests;
mod training;

use burn::tensor::Device;

use super::{Config, PosWeight};
use crate::cam::Threshold;
use crate::networks;
use crate::train::Monitor;
use losses::{check_crf, check_losses};
use ranges::positive;
pub(super) use ranges::share;
use training::{check_irn_sampler, check_training};

impl Config {
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
