//! `events.out.tfevents.0.weakseg`: the figures of `metrics.jsonl` in the form that TensorBoard reads.
//!
//! A file is a row of records (TensorFlow's TFRecord): length in 8 bytes, its check, the bytes, their check. A record
//! is one protobuf message `Event` (tensorflow/core/util/event.proto); the first names the version of the file, each
//! other has one scalar of a `Summary`, tagged `SPLIT/NAME`, at its optimizer step. An event's time is its epoch, in
//! seconds since 1970: the hour of the day would make equal trainings leave unequal folders.

use std::io::Write;
use std::path::{Path, PathBuf};

use weakseg_data::{DataError, atomic};

use super::MetricLine;
use crate::files::{io, read};

/// TensorBoard takes a file whose name holds `tfevents`; others put the hour and the machine behind it.
const NAME: &str = "events.out.tfevents.0.weakseg";

/// The open file of one training.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
}

impl EventFile {
    /// Opens the file of `folder`, which holds `lines` then and nothing else. One that does already is left as it is,
    /// so that a TensorBoard which reads it may go on.
    pub(super) fn open(folder: &Path, lines: &[MetricLine]) -> Result<Self, DataError> {
        let path = folder.join(NAME);
        let mut bytes = record(&text(3, b"brain.Event:2"));
        bytes.extend(records(lines));
        if !path.exists() || read(&path)? != bytes {
            atomic::write_durably(&path, &bytes)?;
        }
        Ok(Self { path })
    }

    /// Appends figures.
    pub(super) fn add(&self, lines: &[MetricLine]) -> Result<(), DataError> {
        std::fs::OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(&records(lines)))
            .map_err(io(&self.path, "append to"))
    }
}

fn records(lines: &[MetricLine]) -> Vec<u8> {
    lines.iter().flat_map(|l| record(&event(l))).collect()
}

/// `Event { wall_time = 1, step = 2, summary = 5 }` of a `Summary { value = 1 }` of a `Value { tag = 1, simple_value =
/// 2 }`.
fn event(line: &MetricLine) -> Vec<u8> {
    let mut value = text(1, format!("{}/{}", line.split, line.name).as_bytes());
    value.push(key(2, FIXED_32));
    value.extend((line.value as f32).to_le_bytes());
    let mut event = vec![key(1, FIXED_64)];
    event.extend((line.epoch as f64).to_le_bytes());
    event.push(key(2, VARINT));
    event.extend(varint(line.step as u64));
    event.extend(text(5, &text(1, &value)));
    event
}

/// Wire types of protobuf.
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED_32: u8 = 5;

/// What stands before a field; of numbers below 16.
const fn key(field: u8, wire: u8) -> u8 {
    field << 3 | wire
}

/// A field of bytes: a text, or a message within.
fn text(field: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![key(field, LENGTH)];
    out.extend(varint(bytes.len() as u64));
    out.extend(bytes);
    out
}

/// Seven bits a byte, the lowest first; all but the last have their eighth bit set.
fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(check(&length).to_le_bytes());
    out.extend(bytes);
    out.extend(check(bytes).to_le_bytes());
    out
}

/// TFRecord's masked checksum, for a checksum of bytes that hold checksums is a weak one.
fn check(bytes: &[u8]) -> u32 {
    crc_32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), RFC 3720, appendix B.4, a bit at a time: records have a few dozen bytes.
fn crc_32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            crc = crc >> 1 ^ carry;
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_those_of_the_rfc() {
        let up: Vec<u8> = (0..32).collect();
        let down: Vec<u8> = (0..32).rev().collect();
        let mut command = [0; 48];
        (command[0], command[1]) = (0x01, 0xc0);
        (command[16], command[22], command[27]) = (0x14, 0x04, 0x14);
        (command[31], command[32], command[40]) = (0x18, 0x28, 0x02);
        for (bytes, expected) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&up, 0x46dd_794e),
            (&down, 0x113f_db5c),
            (&command, 0xd996_3a56),
        ] {
            assert_eq!(crc_32c(bytes), expected, "{bytes:?}");
        }
    }

    #[derive(serde::Deserialize)]
    struct Oracle {
        lines: Vec<MetricLine>,
        bytes: Vec<u8>,
    }

    /// Byte for byte what TensorBoard's own classes write, in one go, in two, and after more had been written.
    #[test]
    fn files_are_those_of_tensorboard() {
        let Oracle { lines, bytes } =
            serde_json::from_str(include_str!("../../tests/oracle/events.json")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let written = || std::fs::read(&path).unwrap();
        EventFile::open(folder.path(), &lines).unwrap();
        assert_eq!(written(), bytes);

        let (first, rest) = lines.split_at(3);
        let file = EventFile::open(folder.path(), first).unwrap();
        assert!(bytes.starts_with(&written()) && written().len() < bytes.len());
        file.add(rest).unwrap();
        assert_eq!(written(), bytes);
        file.add(first).unwrap();
        EventFile::open(folder.path(), &lines).unwrap();
        assert_eq!(written(), bytes);
    }
}
