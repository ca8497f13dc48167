//! Where fetched weights lie. A file has its name there only once its digest was compared, and the digest is compared
//! again each time the file is used.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{FetchError, Patience, Pretrained, Remote, fetch};
use crate::digest::hex;
use crate::progress::{Progress, Stop};

/// A folder of fetched weights, and the server they come from.
#[derive(Debug, Clone)]
pub struct Cache {
    /// The folder; none where the system names no place for one.
    folder: Option<PathBuf>,
    /// Start of the addresses to fetch from, in place of the publishers'.
    mirror: Option<String>,
}

impl Cache {
    /// The user's: `$WEAKSEG_CACHE`, else `$XDG_CACHE_HOME/weakseg`, else the system's usual place below the home. A
    /// server in `$WEAKSEG_MIRROR` is asked in place of the publishers'; what it sends is held against the same
    /// digests.
    pub fn of_user() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = |name, below: &str| set(name).map(|home| Path::new(&home).join(below));
        let usual = if cfg!(windows) {
            home("LOCALAPPDATA", "weakseg\\cache")
        } else if cfg!(target_os = "macos") {
            home("HOME", "Library/Caches/weakseg")
        } else {
            home("HOME", ".cache/weakseg")
        };
        Self {
            folder: set("WEAKSEG_CACHE")
                .map(PathBuf::from)
                .or_else(|| home("XDG_CACHE_HOME", "weakseg"))
                .or(usual),
            mirror: set("WEAKSEG_MIRROR").map(|text| text.to_string_lossy().into_owned()),
        }
    }

    /// A folder and a server of one's own choice.
    pub fn new(folder: &Path, mirror: Option<String>) -> Self {
        Self {
            folder: Some(folder.to_owned()),
            mirror,
        }
    }

    /// The folder.
    ///
    /// # Errors
    /// [`FetchError::NoCache`] where the system names no place for one.
    pub fn folder(&self) -> Result<&Path, FetchError> {
        self.folder.as_deref().ok_or(FetchError::NoCache)
    }

    /// Where the file of an entry lies or will lie.
    ///
    /// # Errors
    /// As [`folder`](Self::folder).
    pub fn place(&self, entry: &Pretrained) -> Result<PathBuf, FetchError> {
        Ok(self.folder()?.join(entry.file_name()))
    }

    /// Whether a file of the entry's size lies there; its digest is compared when it is used.
    pub fn holds(&self, entry: &Pretrained) -> bool {
        let place = self.place(entry).ok();
        let length = place
            .and_then(|place| place.metadata().ok())
            .map(|m| m.len());
        length.is_some() && length == entry.size
    }

    /// The file of an entry, whole: from the folder, else from the server.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn obtain(
        &self,
        entry: &Pretrained,
        patience: &Patience,
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<PathBuf, FetchError> {
        let (Some(sha256), Some(size)) = (entry.sha256, entry.size) else {
            return Err(FetchError::NotPinned {
                name: entry.name.to_owned(),
                url: entry.url.to_owned(),
            });
        };
        let place = self.place(entry)?;
        let url = match &self.mirror {
            Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), entry.file_name()),
            None => entry.url.to_owned(),
        };
        let remote = Remote {
            name: entry.name.to_owned(),
            url,
            size,
            sha256: sha256.to_owned(),
        };
        remote.obtain(&place, patience, progress, stop)
    }
}

impl Remote {
    /// The file at `place`, whole: as it lies there, else fetched.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn obtain(
        &self,
        place: &Path,
        patience: &Patience,
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<PathBuf, FetchError> {
        // Without the lock, so that a cache that can only be read serves too.
        if self.lies_at(place)? {
            return Ok(place.to_owned());
        }
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder).map_err(disk(folder, "make the folder"))?;
        }
        let _lock = lock(place, progress, stop)?;
        // Whoever held the lock may have fetched it.
        if self.lies_at(place)? {
            return Ok(place.to_owned());
        }
        if place.exists() {
            progress.note(&format!(
                "{}: not the file that was published (its digest is another); it is fetched anew",
                place.display()
            ));
        }
        fetch(self, place, patience, progress, stop)?;
        Ok(place.to_owned())
    }

    fn lies_at(&self, place: &Path) -> Result<bool, FetchError> {
        let same_size = place
            .metadata()
            .is_ok_and(|m| m.is_file() && m.len() == self.size);
        Ok(same_size && sha256_of(place)? == self.sha256)
    }
}

/// One process at a time fetches a file.
fn lock(place: &Path, progress: &dyn Progress, stop: &Stop) -> Result<File, FetchError> {
    let path = beside(place, "lock");
    let file = File::create(&path).map_err(disk(&path, "create"))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(disk(&path, "lock")(source)),
            Err(TryLockError::WouldBlock) if stop.asked() => return Err(FetchError::Stopped),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    progress.note(&format!(
                        "{}: another weakseg is fetching this file; waiting for it",
                        place.display()
                    ));
                    told = true;
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// `NAME.ending` beside `place`.
pub(super) fn beside(place: &Path, ending: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// For `map_err`: the file and what was tried with it, a verb.
pub(super) fn disk<'a>(
    path: &'a Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> FetchError + 'a {
    move |source| FetchError::Disk {
        path: path.to_owned(),
        action,
        source,
    }
}

/// SHA-256 of a file in lower-case hexadecimal, without reading it into memory.
pub(super) fn sha256_of(path: &Path) -> Result<String, FetchError> {
    let mut file = File::open(path).map_err(disk(path, "read"))?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(length) => hasher.update(&chunk[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(disk(path, "read")(error)),
        }
    }
}
