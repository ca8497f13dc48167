//! What a person sees while work is under way: progress and notes, on stderr.
//!
//! On a terminal a moving line with rate and time left; elsewhere plain lines, at most one in ten seconds.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use weakseg::progress::Progress;

/// Plain lines are this far apart.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Prints a line on stderr, if anybody reads it: what is said of the work does not end it.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Errors and warnings (`-q`).
    Quiet,
    /// Progress and notes.
    Normal,
    /// Also what was decided on the way (`-v`).
    Verbose,
}

/// The one watcher of all long work.
pub struct Ui {
    level: Level,
    terminal: bool,
    work: Mutex<Option<Work>>,
}

struct Work {
    what: String,
    total: u64,
    began: Instant,
    /// Time and count of the first report: what went before may have been done by an earlier run.
    first: Option<(Instant, u64)>,
    done: u64,
    note: String,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Ui {
    /// Watches at `level`.
    pub fn new(level: Level) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            level,
            terminal: std::io::stderr().is_terminal() && !dumb,
            work: Mutex::new(None),
        }
    }

    /// A line for those who asked for more with `-v`.
    pub fn detail(&self, line: &str) {
        if self.level >= Level::Verbose {
            self.say(line);
        }
    }

    /// Prints without disturbing the moving line.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match self.lock().as_ref().and_then(|work| work.bar.as_ref()) {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn say(&self, line: &str) {
        self.suspend(|| say(line));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Ui {
    fn begin(&self, what: &str, total: u64) {
        if self.level == Level::Quiet {
            return;
        }
        let bar = self.terminal.then(|| {
            let bar =
                ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos}/{len} {wide_msg}");
            bar.set_style(style.expect("a valid template").progress_chars("=> "));
            bar.set_prefix(what.to_owned());
            bar
        });
        let now = Instant::now();
        let work = Work {
            what: what.to_owned(),
            total,
            began: now,
            first: None,
            done: 0,
            note: String::new(),
            last_line: now,
            bar,
        };
        if let Some(before) = self.lock().replace(work) {
            before.close();
        }
    }

    fn at(&self, done: u64, note: &str) {
        let mut guard = self.lock();
        let Some(work) = guard.as_mut() else { return };
        let now = Instant::now();
        work.first.get_or_insert((now, done));
        work.done = done;
        note.clone_into(&mut work.note);
        match &work.bar {
            Some(bar) => {
                bar.set_message(work.reading(now));
                bar.set_position(done);
            }
            None if now - work.last_line >= BETWEEN_LINES => {
                work.last_line = now;
                let reading = work.reading(now);
                say(format_args!(
                    "{} {done}/{} {reading}",
                    work.what, work.total
                ));
            }
            None => {}
        }
    }

    fn end(&self) {
        let work = self.lock().take();
        if let Some(work) = work {
            work.close();
        }
    }

    fn note(&self, line: &str) {
        if self.level >= Level::Normal {
            self.say(line);
        }
    }

    fn warn(&self, line: &str) {
        self.say(line);
    }
}

impl Work {
    /// `12.3/s, 1 min 20 s left, loss 0.31`.
    fn reading(&self, now: Instant) -> String {
        let mut parts = Vec::new();
        if let Some((since, from)) = self.first
            && self.done > from
        {
            let each = (now - since).as_secs_f64() / (self.done - from) as f64;
            parts.push(rate(each));
            let left = self.total.saturating_sub(self.done) as f64 * each;
            if left > 0.0 {
                parts.push(format!("{} left", span(left)));
            }
        }
        if !self.note.is_empty() {
            parts.push(self.note.clone());
        }
        parts.join(", ")
    }

    /// Removes the moving line; plain lines get a last one if there were any.
    fn close(self) {
        match self.bar {
            Some(bar) => bar.finish_and_clear(),
            None if self.last_line > self.began => {
                let seconds = self.began.elapsed().as_secs_f64();
                say(format_args!(
                    "{} {}/{} in {}",
                    self.what,
                    self.done,
                    self.total,
                    span(seconds)
                ));
            }
            None => {}
        }
    }
}

/// Units a second, or seconds a unit where that is the larger number.
fn rate(each: f64) -> String {
    match each {
        e if e <= 0.0 => "at once".to_owned(),
        e if e < 0.1 => format!("{:.0}/s", 1.0 / e),
        e if e <= 1.0 => format!("{:.1}/s", 1.0 / e),
        e if e < 10.0 => format!("{e:.1} s each"),
        e => format!("{} each", span(e)),
    }
}

/// A length of time in its two largest units.
fn span(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_two_units() {
        let cases = [
            (0.4, "0 s"),
            (59.6, "1 min 0 s"),
            (75.0, "1 min 15 s"),
            (3700.0, "1 h 1 min"),
            (90000.0, "1 d 1 h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(
            (rate(0.01), rate(0.5), rate(3.25)),
            ("100/s".into(), "2.0/s".into(), "3.2 s each".into())
        );
    }

    #[test]
    fn the_rate_leaves_out_what_an_earlier_run_did() {
        let ui = Ui {
            level: Level::Normal,
            terminal: false,
            work: Mutex::new(None),
        };
        ui.begin("train", 400);
        ui.at(300, "");
        let now = Instant::now();
        let mut guard = ui.lock();
        let work = guard.as_mut().expect("begun");
        work.first = Some((now - Duration::from_secs(10), 300));
        work.done = 310;
        work.note = "loss 0.5".to_owned();
        assert_eq!(work.reading(now), "1.0/s, 1 min 30 s left, loss 0.5");
    }
}
