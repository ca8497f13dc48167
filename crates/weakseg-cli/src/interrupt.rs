//! Ctrl-C and SIGTERM: the first asks the work to stop where it can go on later, the second ends the program at once.

use weakseg::progress::Stop;

use crate::ui::say;

/// A [`Stop`] that the signals ask. For commands that look at it; all others end at the first signal, as programs do.
///
/// # Errors
/// When the system refuses the handler.
pub fn stop() -> anyhow::Result<Stop> {
    let stop = Stop::default();
    let handle = stop.clone();
    ctrlc::set_handler(move || {
        if handle.asked() {
            std::process::exit(130);
        }
        handle.ask();
        say("\nstopping at the next safe place; once more to stop at once");
    })?;
    Ok(stop)
}
