//! How the program ends: exit codes, and errors in words.
//!
//! 0 done, 1 failed, 2 usage or configuration, 3 finished but more cases were left out than allowed, 130 interrupted
//! (`weakseg run` and `weights fetch` go on from there, other commands begin again). `serve` ends with 0 when it is
//! interrupted, for that is its end.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal};
use std::process::ExitCode;

use weakseg::config::ConfigError;
use weakseg::pipeline::StepError;
use weakseg::predict::PredictError;
use weakseg::pretrained::FetchError;
use weakseg::train::TrainError;
use weakseg::tuning::TuneError;
use weakseg_data::DataError;

use crate::ui::say;

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All of it.
    Whole,
    /// All of it, and what was looked at has faults.
    Faulty,
    /// All but more cases than `--allow-skips` allows.
    Skipped,
}

/// A command line that asks for something impossible.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A [`Usage`] as an error, for `bail`-like returns.
pub fn usage<T>(message: impl Into<String>) -> anyhow::Result<T> {
    Err(Usage(message.into()).into())
}

/// Work was stopped on request before it was over.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {done} of {total} {what}; the same command begins again")]
pub struct Stopped {
    /// What is done and will not be undone.
    pub done: usize,
    /// Of how many.
    pub total: usize,
    /// What was counted.
    pub what: &'static str,
}

/// The exit code of a command's end. An error is told on stderr, once, with its causes and without a backtrace.
pub fn code(end: anyhow::Result<Done>) -> ExitCode {
    match end {
        Ok(Done::Whole) => ExitCode::SUCCESS,
        Ok(Done::Faulty) => ExitCode::from(1),
        Ok(Done::Skipped) => ExitCode::from(3),
        Err(error) => {
            let code = code_of(&error);
            match code {
                130 => {
                    let command = command_line(std::env::args_os());
                    say(format_args!("{}\n  {command}", words(&error)));
                }
                _ => say(format_args!("{} {}", label(), words(&error))),
            }
            ExitCode::from(code)
        }
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Usage>() || cause.is::<ConfigError>() {
            return 2;
        }
        // What --class and --layer name is not in the model.
        if matches!(
            cause.downcast_ref(),
            Some(PredictError::NoClass { .. } | PredictError::NoLayer(_))
        ) {
            return 2;
        }
        if cause.is::<Stopped>() || matches!(cause.downcast_ref(), Some(FetchError::Stopped)) {
            return 130;
        }
        let step = match cause.downcast_ref() {
            Some(TuneError::Run(step)) => Some(step),
            _ => cause.downcast_ref(),
        };
        match step {
            Some(StepError::Stopped) => return 130,
            Some(StepError::Data(DataError::Config { .. }) | StepError::Config(_)) => return 2,
            // What --devices names does not go with the configuration.
            Some(StepError::Train(TrainError::Uneven { .. })) => return 2,
            _ => {}
        }
        if matches!(
            cause.downcast_ref::<DataError>(),
            Some(DataError::Config { .. })
        ) {
            return 2;
        }
    }
    1
}

/// The error and its causes in one line. Many errors tell their cause themselves; such a cause is not told twice. Of a
/// full disk all have one remedy, whoever was writing.
fn words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let mut system = error.chain().filter_map(|e| e.downcast_ref::<io::Error>());
    if system.any(|e| matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) {
        text += "; free space there and give the same command again: what is finished is kept";
    }
    text
}

/// The command as it was given, ready to be pasted.
fn command_line(arguments: impl Iterator<Item = OsString>) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
    let quoted = arguments.map(|argument| {
        let text = argument.to_string_lossy().into_owned();
        if !text.is_empty() && text.chars().all(plain) {
            text
        } else {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// `error:`, red where colour is wanted.
pub fn label() -> &'static str {
    if colour() {
        "\x1b[1;31merror:\x1b[0m"
    } else {
        "error:"
    }
}

/// Whether stderr takes colour: a terminal, and no `NO_COLOR` (<https://no-color.org>).
fn colour() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    std::io::stderr().is_terminal()
        && unset("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_is_told_once() {
        let error = Err::<(), _>(Usage("b.png: no file".into()))
            .context("image b.png: no file")
            .context("case a")
            .expect_err("an error");
        assert_eq!(words(&error), "case a: image b.png: no file");
        assert_eq!(code_of(&error), 2);
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let full = |kind: ErrorKind| {
            let error = DataError::Io {
                path: "runs/a/run.json".into(),
                action: "write",
                source: kind.into(),
            };
            words(&StepError::Run(error.into()).into())
        };
        let text = full(ErrorKind::StorageFull);
        assert!(
            text.starts_with("runs/a/run.json: cannot write: "),
            "{text}"
        );
        assert!(
            text.ends_with(
                "; free space there and give the same command again: what is finished is kept"
            ),
            "{text}"
        );
        assert!(!full(ErrorKind::PermissionDenied).contains("space"));
    }

    #[test]
    fn the_command_can_be_pasted() {
        let arguments = [
            "weakseg",
            "run",
            "my config.toml",
            "--set",
            "a.b=[1, 2]",
            "it's",
        ]
        .map(OsString::from);
        let text = command_line(arguments.into_iter());
        assert_eq!(
            text,
            r"weakseg run 'my config.toml' --set 'a.b=[1, 2]' 'it'\''s'"
        );
    }

    #[test]
    fn codes_are_those_of_the_contract() {
        assert_eq!(code_of(&anyhow::anyhow!("disk full")), 1);
        assert_eq!(code_of(&StepError::Stopped.into()), 130);
        let error = DataError::Config {
            key: "count",
            found: "0".into(),
            expected: "1 or more".into(),
        };
        assert_eq!(code_of(&StepError::Data(error).into()), 2);
        let error = StepError::Config("a batch that no epoch fills".into());
        assert_eq!(code_of(&TuneError::Run(error).into()), 2);
    }
}
