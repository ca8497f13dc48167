//! What a model was shown of its images when it was trained.

use std::num::NonZeroU32;
use std::path::Path;

use anyhow::Result;
use weakseg::config;
use weakseg_data::{Tone, View};

/// The tone and the frame given, else those of the run's configuration, else the usual ones: a file of weights alone
/// says nothing of them.
pub fn of_model(model: &Path, tone: Option<Tone>, frame: Option<NonZeroU32>) -> Result<View> {
    let file = model.join("config.toml");
    let usual = if file.is_file() {
        config::load(&file, None, &[])?.data.view()
    } else {
        View::default()
    };
    Ok(View {
        tone: tone.unwrap_or(usual.tone),
        frame: frame.or(usual.frame),
    })
}
