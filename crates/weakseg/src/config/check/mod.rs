//! Relations between sections that the types alone do not hold; each section checks its own ranges.

mod losses;
mod steps;
#[cfg(test)]
mod tests;
mod training;

use burn::tensor::Device;
use weakseg_data::DataConfig;

use super::Config;
use crate::networks;
use crate::train::Monitor;
use losses::check_losses;

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
        networks::classifier_config(self.without_data(), 1)
            .init(&device)
            .map_err(|e| format!("classifier: {e}"))?;
        networks::segmenter_config(self.without_data(), 1)
            .init(&device)
            .map_err(|e| format!("segmenter: {e}"))?;
        Ok(())
    }

    fn check_layer(&self) -> Result<(), String> {
        let layers = networks::classifier_config(self.without_data(), 1).layers();
        match &self.cams.layer {
            Some(layer) if !layers.contains(&layer.as_str()) => Err(format!(
                "cams.layer is \"{layer}\", which {} does not have; expected one of {}",
                self.classifier.arch,
                layers.join(", ")
            )),
            _ => Ok(()),
        }
    }

    /// The first value out of range, in words that name the key, the value and the range.
    pub(super) fn check(&self) -> Result<(), String> {
        self.image.check()?;
        self.loader.check()?;
        self.classifier.check()?;
        self.cams.check()?;
        self.ir_labels.check()?;
        self.irn.check()?;
        self.pseudo_labels.check()?;
        self.segmenter.check()?;
        self.evaluate.check()?;
        for (name, training) in [
            ("classifier", &self.classifier.training),
            ("irn", &self.irn.training),
            ("segmenter", &self.segmenter.training),
        ] {
            self.check_padding(name, training)?;
            let monitors = Monitor::of(name);
            if !monitors.contains(&training.monitor) {
                let names: Vec<&str> = monitors.iter().map(|m| m.name()).collect();
                return Err(format!(
                    "{name}.training.monitor is \"{}\", which this step does not have; expected {}",
                    training.monitor.name(),
                    names.join(", ")
                ));
            }
        }
        self.check_weights()?;
        self.check_networks()?;
        self.check_layer()?;
        if self.segmenter.min_area > 0.0 && matches!(self.data, DataConfig::Voc(_)) {
            return Err(format!(
                "segmenter.min_area is {}, but it removes regions of findings, and the classes of data.kind = \"voc\" compete for the \
                 pixels; leave it out, or filter what is learned from with pseudo_labels.min_area",
                self.segmenter.min_area
            ));
        }
        if let Some(triplet) = &self.segmenter.triplet {
            self.check_triplet(triplet)?;
        }
        check_losses(&self.segmenter.losses, self.image.size)
    }
}
