//! One file over HTTP: resumed where it broke off, never longer than it is known to be, and under its name only once
//! its SHA-256 is the known one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Response;

use super::FetchError;
use super::cache::{beside, disk, sha256_of};
use crate::progress::{Progress, Stop};

/// A file that is known before it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// What progress calls it.
    pub name: String,
    /// Address.
    pub url: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// How long a server is waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct Patience {
    /// For a connection and for the start of an answer.
    pub answer: Duration,
    /// For the next bytes of a file.
    pub stall: Duration,
    /// Tries in a row that bring nothing new.
    pub tries: usize,
    /// Pause before the second try; each further one is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            tries: 4,
            pause: Duration::from_secs(1),
        }
    }
}

/// How one try ended that did not bring the rest of the file.
enum Setback {
    /// Worth another try.
    Passing(String),
    /// Not worth one.
    Final(FetchError),
}

/// Fetches a file to `place`. What came lies in `place.part` meanwhile, and a later call goes on from there.
///
/// # Errors
/// See [`FetchError`]; nothing is at `place` then that was not there before.
pub fn fetch(
    remote: &Remote,
    place: &Path,
    patience: &Patience,
    progress: &dyn Progress,
    stop: &Stop,
) -> Result<(), FetchError> {
    let part = beside(place, "part");
    let resumed = length(&part) > 0;
    progress.note(&format!(
        "fetching {} ({} MB) from {} to {}",
        remote.name,
        remote.size.div_ceil(MEGABYTE),
        remote.url,
        place.display()
    ));
    progress.begin(
        &format!("fetch {}", remote.name),
        remote.size.div_ceil(MEGABYTE),
    );
    let download = Download {
        remote,
        part: &part,
        agent: agent(&remote.url, patience),
        progress,
        stop,
    };
    let done = download.all(place, patience).and_then(|()| {
        match download.compare() {
            // The start of the file may be an older download's; the next answer is the server's alone.
            Err(FetchError::Digest { .. }) if resumed => {
                download.all(place, patience)?;
                download.compare()
            }
            other => other,
        }
    });
    progress.end();
    done?;
    let file = File::open(&part).map_err(disk(&part, "read"))?;
    file.sync_all().map_err(disk(&part, "write"))?;
    std::fs::rename(&part, place).map_err(disk(place, "write"))
}

const MEGABYTE: u64 = 1_000_000;

fn agent(url: &str, patience: &Patience) -> Agent {
    let mut config = Agent::config_builder();
    // A proxy of the environment leads outside; a mirror on this machine is not there.
    if ["http://127.0.0.1:", "http://localhost:"]
        .iter()
        .any(|own| url.starts_with(own))
    {
        config = config.proxy(None);
    }
    config
        .timeout_connect(Some(patience.answer))
        .timeout_recv_response(Some(patience.answer))
        .timeout_per_read(Some(patience.stall))
        .http_status_as_error(false)
        .user_agent(concat!("weakseg/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |m| m.len())
}

struct Download<'a> {
    remote: &'a Remote,
    part: &'a Path,
    agent: Agent,
    progress: &'a dyn Progress,
    stop: &'a Stop,
}

impl Download<'_> {
    /// Tries until the part has the file's length.
    fn all(&self, place: &Path, patience: &Patience) -> Result<(), FetchError> {
        let mut barren = 0;
        let mut pause = patience.pause;
        loop {
            let before = length(self.part);
            if before == self.remote.size {
                return Ok(());
            }
            if before > self.remote.size {
                self.discard()?;
                continue;
            }
            let reason = match self.once(before) {
                Ok(()) => continue,
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::Passing(reason)) => reason,
            };
            if length(self.part) > before {
                (barren, pause) = (0, patience.pause);
            }
            barren += 1;
            if barren >= patience.tries {
                return Err(FetchError::Network {
                    url: self.remote.url.clone(),
                    reason,
                    tries: barren,
                    place: place.to_owned(),
                    sha256: self.remote.sha256.clone(),
                });
            }
            self.progress.note(&format!("    {reason}; trying again"));
            self.wait(pause)?;
            pause *= 2;
        }
    }

    /// Sleeps in short turns, so that a request to stop is heard.
    fn wait(&self, pause: Duration) -> Result<(), FetchError> {
        let turn = Duration::from_millis(100);
        let mut left = pause;
        while !left.is_zero() {
            if self.stop.asked() {
                return Err(FetchError::Stopped);
            }
            std::thread::sleep(left.min(turn));
            left = left.saturating_sub(turn);
        }
        Ok(())
    }

    /// One request, from byte `start` on, until its end or a setback.
    fn once(&self, start: u64) -> Result<(), Setback> {
        let mut request = self
            .agent
            .get(&self.remote.url)
            .header("Accept-Encoding", "identity");
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        let mut response = request.call().map_err(|error| match error {
            // Another try meets the same.
            ureq::Error::BadUri(_) | ureq::Error::TooManyRedirects => {
                self.refused(error.to_string())
            }
            error => Setback::Passing(format!("no answer: {error}")),
        })?;
        let start = self.start_of(&response, start)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.part)
            .map_err(|e| Setback::Final(disk(self.part, "write")(e)))?;
        let write_error = |e| Setback::Final(disk(self.part, "write")(e));
        file.set_len(start).map_err(write_error)?;
        file.seek(SeekFrom::Start(start)).map_err(write_error)?;
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut chunk = vec![0; 1 << 16];
        let mut done = start;
        loop {
            if self.stop.asked() {
                return Err(Setback::Final(FetchError::Stopped));
            }
            let got = match body.read(&mut chunk) {
                Ok(0) if done == self.remote.size => return Ok(()),
                Ok(0) => {
                    return Err(Setback::Passing(format!(
                        "the connection ended after {done} of {} bytes",
                        self.remote.size
                    )));
                }
                Ok(got) => got,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Setback::Passing(format!(
                        "the connection broke after {done} of {} bytes: {error}",
                        self.remote.size
                    )));
                }
            };
            done += got as u64;
            if done > self.remote.size {
                return Err(self.refused(format!(
                    "the server sends more than the {} bytes of the file",
                    self.remote.size
                )));
            }
            file.write_all(&chunk[..got]).map_err(write_error)?;
            self.progress.at(done / MEGABYTE, "MB");
        }
    }

    /// From which byte on the answer goes, if it is one that brings the file.
    fn start_of<B>(&self, response: &Response<B>, asked: u64) -> Result<u64, Setback> {
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let status = response.status();
        let start = match status.as_u16() {
            200 => 0,
            206 => {
                let range = header("content-range").unwrap_or_default();
                // bytes START-END/SIZE
                let range = range.strip_prefix("bytes ").and_then(|r| r.split_once('-'));
                match range.and_then(|(start, _)| start.trim().parse::<u64>().ok()) {
                    Some(start) if start == asked => asked,
                    _ => {
                        self.discard().map_err(Setback::Final)?;
                        return Err(Setback::Passing(
                            "the server sends another part than was asked for".to_owned(),
                        ));
                    }
                }
            }
            416 => {
                self.discard().map_err(Setback::Final)?;
                return Err(Setback::Passing(
                    "the server does not know the part that was asked for".to_owned(),
                ));
            }
            408 | 429 | 500..=599 => {
                return Err(Setback::Passing(format!("the server answers {status}")));
            }
            _ => return Err(self.refused(format!("the server answers {status}"))),
        };
        let length: Option<u64> = header("content-length").and_then(|text| text.parse().ok());
        match length {
            Some(length) if start.saturating_add(length) != self.remote.size => {
                Err(self.refused(format!(
                    "the server says {} bytes, the file has {}",
                    start.saturating_add(length),
                    self.remote.size
                )))
            }
            _ => Ok(start),
        }
    }

    fn refused(&self, reason: String) -> Setback {
        Setback::Final(match self.discard() {
            Ok(()) => FetchError::Refused {
                url: self.remote.url.clone(),
                reason,
            },
            Err(error) => error,
        })
    }

    /// Compares the digest; a file with another one is removed.
    fn compare(&self) -> Result<(), FetchError> {
        let actual = sha256_of(self.part)?;
        if actual == self.remote.sha256 {
            return Ok(());
        }
        self.discard()?;
        Err(FetchError::Digest {
            url: self.remote.url.clone(),
            expected: self.remote.sha256.clone(),
            actual,
        })
    }

    fn discard(&self) -> Result<(), FetchError> {
        match std::fs::remove_file(self.part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(disk(self.part, "remove")(error))
            }
            _ => Ok(()),
        }
    }
}
