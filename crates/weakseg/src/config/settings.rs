//! [`Settings`]: what a step may know of a [`Config`].

use super::{
    CamStep, ClassifierStep, Config, EvaluateStep, ImageConfig, IrLabelStep, IrnStep, LoaderConfig,
    Precision, PseudoLabelStep, SegmenterStep,
};

/// A [`Config`] but for its section `data`, by which masks and boxes are opened.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// As [`Config::title`].
    pub title: &'a str,
    /// As [`Config::seed`].
    pub seed: u64,
    /// As [`Config::precision`].
    pub precision: Precision,
    /// As [`Config::gradient_checkpointing`].
    pub gradient_checkpointing: bool,
    /// `[image]`.
    pub image: &'a ImageConfig,
    /// `[classifier]`.
    pub classifier: &'a ClassifierStep,
    /// `[cams]`.
    pub cams: &'a CamStep,
    /// `[ir_labels]`.
    pub ir_labels: &'a IrLabelStep,
    /// `[irn]`.
    pub irn: &'a IrnStep,
    /// `[pseudo_labels]`.
    pub pseudo_labels: &'a PseudoLabelStep,
    /// `[segmenter]`.
    pub segmenter: &'a SegmenterStep,
    /// `[evaluate]`.
    pub evaluate: &'a EvaluateStep,
    /// `[loader]`.
    pub loader: &'a LoaderConfig,
}

impl Config {
    /// What a step may know of it.
    #[must_use]
    pub fn without_data(&self) -> Settings<'_> {
        Settings {
            title: &self.title,
            seed: self.seed,
            precision: self.precision,
            gradient_checkpointing: self.gradient_checkpointing,
            image: &self.image,
            classifier: &self.classifier,
            cams: &self.cams,
            ir_labels: &self.ir_labels,
            irn: &self.irn,
            pseudo_labels: &self.pseudo_labels,
            segmenter: &self.segmenter,
            evaluate: &self.evaluate,
            loader: &self.loader,
        }
    }
}
