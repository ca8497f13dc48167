//! Why pretrained weights are not at hand, and what to do without.

use std::io;
use std::path::PathBuf;

/// Why a file of weights cannot be had. Every message that a run may end with names the way out.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No such name.
    #[error("no pretrained weights are called `{name}`; there are: {names}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        names: String,
    },
    /// No such file.
    #[error("{}: no such file of weights; expected a file, \"auto\", \"none\", or one of: {names}", path.display())]
    NoFile {
        /// The file asked for.
        path: PathBuf,
        /// The names there are.
        names: String,
    },
    /// Without a digest a server could send anything.
    #[error(
        "{name}: no pinned digest is known for {url}, so it is not fetched; get the file yourself and pass --weights FILE, or --weights none to start from noise"
    )]
    NotPinned {
        /// The weights.
        name: String,
        /// Where they are published.
        url: String,
    },
    /// The server did not answer, or broke off, more often than patience lasts.
    #[error(
        "{url}: {reason} ({tries} tries); the same command goes on from what came, if anything did ({}.part). Without this server: put the file into {} (digest {sha256}), or pass --weights FILE, or --weights none to start from noise",
        place.display(), place.display()
    )]
    Network {
        /// Address.
        url: String,
        /// The last thing that went wrong.
        reason: String,
        /// How often it was tried.
        tries: usize,
        /// Where the whole file belongs; what came lies beside it.
        place: PathBuf,
        /// Its digest.
        sha256: String,
    },
    /// The server answers, but with something else.
    #[error(
        "{url}: {reason}; nothing was kept. Fetch the file in another way and pass --weights FILE, or --weights none to start from noise"
    )]
    Refused {
        /// Address.
        url: String,
        /// What it said, or what is wrong with it.
        reason: String,
    },
    /// The whole file came, and it is another one.
    #[error(
        "{url}: the file has the SHA-256 {actual}, expected {expected}; nothing was kept. Fetch the file in another way and pass --weights FILE, or --weights none to start from noise"
    )]
    Digest {
        /// Address.
        url: String,
        /// Pinned.
        expected: String,
        /// Found.
        actual: String,
    },
    /// The cache cannot be used.
    #[error(
        "{}: cannot {action}: {source}; the cache of weights needs room there, set WEAKSEG_CACHE to another folder, or pass --weights FILE",
        path.display()
    )]
    Disk {
        /// File or folder.
        path: PathBuf,
        /// What was tried, a verb.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// No folder for the cache.
    #[error(
        "no place for the cache of weights: none of WEAKSEG_CACHE, XDG_CACHE_HOME and HOME is set; set WEAKSEG_CACHE to a folder, or pass --weights FILE"
    )]
    NoCache,
    /// It was asked to stop.
    #[error("stopped; the same command goes on from there")]
    Stopped,
}
