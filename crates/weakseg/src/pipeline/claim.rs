//! [`Claim`]: one process at a time works in a run's folder.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::run_dir::sweep;
use super::run_error::RunError;
use super::run_record::{RECORD, is_begun};
use crate::files::{io, make_folder, read};

const LOCK: &str = ".lock";

/// A run's folder that no other process works in, until this is dropped.
#[derive(Debug)]
pub struct Claim {
    root: PathBuf,
    lock: File,
}

/// What the lock's file says of the process that has it.
#[derive(Serialize, Deserialize)]
struct Holder {
    process: u32,
    /// Seconds since 1970.
    since: u64,
}

impl Claim {
    /// Locks `root`, making it if it is not there, and removes what a kill left half-written in it.
    ///
    /// # Errors
    /// If it is a file or holds something else than a run, if another process has it, or if it cannot be written.
    pub fn of(root: &Path) -> Result<Self, RunError> {
        check_folder(root)?;
        make_folder(root)?;
        let path = root.join(LOCK);
        // Not cut to nothing before it is ours: it tells of whoever has it.
        let mut lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io(&path, "create"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Locked {
                    path: root.to_owned(),
                    by: holder(&path),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(&path, "lock")(source).into()),
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let holder = Holder {
            process: std::process::id(),
            since: since.unwrap_or_default().as_secs(),
        };
        let text = serde_json::to_string(&holder).expect("plain fields");
        lock.set_len(0)
            .and_then(|()| lock.write_all(text.as_bytes()))
            .map_err(io(&path, "write"))?;
        sweep(root)?;
        Ok(Self {
            root: root.to_owned(),
            lock,
        })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The next process locks it whatever it says; equal runs are to leave equal files.
        let _ = self.lock.set_len(0);
    }
}

/// Whether `root` is, or can become, a run's folder; nothing is made.
///
/// # Errors
/// If it is a file, or holds something else.
pub(super) fn check_folder(root: &Path) -> Result<(), RunError> {
    if !root.exists() {
        return Ok(());
    }
    if !root.is_dir() {
        return Err(RunError::NotAFolder {
            path: root.to_owned(),
        });
    }
    let entries = std::fs::read_dir(root).map_err(io(root, "list"))?;
    let names: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let is = |wanted: &str| names.iter().any(|name| name == wanted);
    // A kill before there was a record leaves the lock and what was half-written.
    let nothing_yet = |name: &String| name == LOCK || (is(LOCK) && name.starts_with(".tmp"));
    if is(RECORD) || names.iter().all(nothing_yet) || is_begun(root) {
        return Ok(());
    }
    Err(RunError::NotARun {
        path: root.to_owned(),
    })
}

/// Who has a lock, in words. Where a locked file cannot be read, it is only known that somebody has.
fn holder(path: &Path) -> String {
    let text = read(path).unwrap_or_default();
    match serde_json::from_slice::<Holder>(&text) {
        Ok(Holder { process, since }) => format!("pid {process} since {}", date(since)),
        Err(_) => "another weakseg at work in this folder".to_owned(),
    }
}

/// Date and time of a moment in seconds since 1970, in UTC. Days are counted from the first of March of the year 0, in
/// eras of 400 years, so that a leap day is the last of its year (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::date;

    /// As `date --utc --date @SECONDS` prints them.
    #[test]
    fn moments_have_their_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (1_795_751_691, "2026-11-27 03:54:51 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}
