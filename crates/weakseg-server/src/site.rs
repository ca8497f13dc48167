//! [`Site`]: what is shown.

use weakseg::pipeline::RunReader;
use weakseg::predict::Predictor;
use weakseg_data::{Classes, View};

/// A run, a model, or both. At least one of them, or there is nothing to see.
pub struct Site {
    /// What the page is called.
    pub title: String,
    /// The run whose cases are shown.
    pub run: Option<RunReader>,
    /// The model that can be tried.
    pub model: Option<Model>,
}

/// A model, and what it is shown of an image.
pub struct Model {
    /// The network.
    pub predictor: Predictor,
    /// How DICOM images are read.
    pub view: View,
}

impl Site {
    /// The classes that the run and the model know; none where there is neither.
    pub(crate) fn classes(&self) -> Option<&Classes> {
        let run = self.run.as_ref().map(|run| &run.cases().classes);
        run.or_else(|| self.model.as_ref().map(|model| model.predictor.classes()))
    }
}
