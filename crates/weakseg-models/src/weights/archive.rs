//! The zip file that `torch.save` writes: what it holds, and whether each entry has its checksum.
//!
//! PyTorch itself does not compare the checksums, and the reader below us only those of tensors that fill their
//! storage.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use zip::{CompressionMethod, ZipArchive};

/// The most bytes of an entry that are read into memory whole. State dicts of a thousand tensors take 0.1 MB.
const WHOLE: u64 = 64 << 20;

/// One entry, stored as it is.
pub(super) struct Entry {
    /// Its path in the archive, as `archive/data/0`.
    pub(super) name: String,
    start: u64,
    size: u64,
    crc: u32,
}

impl Entry {
    /// Whether it holds the numbers of a tensor.
    pub(super) fn is_data(&self) -> bool {
        self.name
            .rsplit_once('/')
            .is_some_and(|(folder, _)| folder == "data" || folder.ends_with("/data"))
    }

    /// Whether it has a checksum at all: `torch.save` can be told to leave them out.
    pub(super) fn has_checksum(&self) -> bool {
        self.crc != 0 || self.size == 0
    }
}

/// Every entry. Refuses what `torch.save` never writes: compression (which lets a small file claim any size),
/// encryption, and entries that overlap or reach out of the file.
pub(super) fn entries(file: &File) -> Result<Vec<Entry>, String> {
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    let reader = file.try_clone().map_err(|e| e.to_string())?;
    let mut archive = ZipArchive::new(BufReader::new(reader)).map_err(|e| {
        format!(
            "the zip directory at its end is missing or damaged ({e}), so it is cut off or changed"
        )
    })?;
    let mut entries = Vec::new();
    let mut total: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|e| e.to_string())?;
        let name = entry.name().map_err(|e| e.to_string())?.into_owned();
        if entry.is_dir() {
            continue;
        }
        if entry.encrypted() || entry.compression() != CompressionMethod::Stored {
            return Err(format!(
                "its entry {name} is compressed or encrypted, which torch.save never does"
            ));
        }
        let (size, start) = (entry.size(), entry.data_start());
        let end = start.and_then(|start| start.checked_add(size));
        let (Some(start), true) = (start, end.is_some_and(|end| end <= length)) else {
            return Err(format!(
                "its entry {name} claims {size} bytes, more than the file has"
            ));
        };
        total = total.saturating_add(size);
        if entry.compressed_size() != size || total > length {
            return Err(format!(
                "its entries claim more bytes than the file has ({name} was the first too many)"
            ));
        }
        entries.push(Entry {
            crc: entry.crc32(),
            name,
            start,
            size,
        });
    }
    Ok(entries)
}

/// Reads an entry and compares its checksum.
pub(super) fn read(file: &mut File, entry: &Entry) -> Result<Vec<u8>, String> {
    if entry.size > WHOLE {
        return Err(format!(
            "its entry {} has {} bytes; expected at most {WHOLE} of a description",
            entry.name, entry.size
        ));
    }
    let mut bytes = Vec::new();
    pass(file, entry, |chunk| bytes.extend_from_slice(chunk))?;
    Ok(bytes)
}

/// Compares the checksum of an entry.
pub(super) fn check(file: &mut File, entry: &Entry) -> Result<(), String> {
    if entry.has_checksum() {
        pass(file, entry, |_| {})?;
    }
    Ok(())
}

fn pass(file: &mut File, entry: &Entry, mut each: impl FnMut(&[u8])) -> Result<(), String> {
    let unread = |error: std::io::Error| format!("its entry {}: {error}", entry.name);
    file.seek(SeekFrom::Start(entry.start)).map_err(unread)?;
    let mut chunk = vec![0; 1 << 18];
    let mut hasher = crc32fast::Hasher::new();
    let mut left = entry.size;
    while left > 0 {
        let part = &mut chunk[..left.min(1 << 18) as usize];
        file.read_exact(part).map_err(unread)?;
        hasher.update(part);
        each(part);
        left -= part.len() as u64;
    }
    let found = hasher.finalize();
    if entry.has_checksum() && found != entry.crc {
        return Err(format!(
            "the checksum of its entry {} is {found:08x}, but {:08x} was written: the bytes were changed or damaged since",
            entry.name, entry.crc
        ));
    }
    Ok(())
}
