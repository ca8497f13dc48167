//! UIDs of files that are made here.

use sha2::{Digest, Sha256};

/// The UID of what is made of some parts, the same for the same parts: the beginning of their SHA-256 as a UUID of
/// version 8 (RFC 9562), written as a whole number below `2.25` (DICOM PS3.5 B.2).
pub(super) fn uid(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Where a part ends is told too, so that no two lists have the same bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&hash.finalize()[..16]);
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    format!("2.25.{}", u128::from_be_bytes(uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_uuids_of_all_parts() {
        // python3 -c "import hashlib; d = bytearray(hashlib.sha256(b'\1' + bytes(7) + b'a' + bytes(8)).digest()[:16]);
        // d[6] = d[6] & 15 | 128; d[8] = d[8] & 63 | 128; print(int.from_bytes(d, 'big'))"
        assert_eq!(
            uid(&[b"a", b""]),
            "2.25.97873155094460762214441697804168106843"
        );
        assert_ne!(uid(&[b"a", b""]), uid(&[b"", b"a"]));
        for number in 0..100_u8 {
            let uid = uid(&[&[number]]);
            let digits = uid.strip_prefix("2.25.").unwrap();
            let uuid: u128 = digits.parse().unwrap();
            assert_eq!((uuid >> 76 & 0xf, uuid >> 62 & 3), (8, 2));
            assert!(uid.len() <= 64 && !digits.starts_with('0'));
        }
    }
}
