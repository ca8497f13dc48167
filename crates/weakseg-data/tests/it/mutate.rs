//! Inputs that are nearly right: valid ones with bits flipped, parts cut, doubled, moved or taken from another one, and
//! other numbers in their places. Tests of other crates take this file as their own.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Numbers that readers fall over, as text.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "2",
    "255",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "1e308",
    "-1e308",
    "1e-320",
    "0.5",
    "NaN",
    "null",
];

/// The same as bytes, to be cut to the width that is asked for.
const WORDS: [u64; 8] = [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, 0x8000_0000, u64::MAX];

/// What stands between the parts of a text.
const BETWEEN: &[u8] = b"\n,; \t\":";

/// Hands `count` changed copies of the `seeds` to a reader, the same ones each time. It may refuse them, in a sentence;
/// what it panics on is printed as a byte string, to be put among its seeds.
///
/// # Panics
/// If the reader does, if what it says of an input is longer than a sentence about it, or if it reads or refuses all of
/// them, for then little was tried.
pub fn each(seeds: &[&[u8]], count: usize, read: impl Fn(&[u8]) -> Result<(), String>) {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let (mut taken, mut refused) = (0, 0);
    for number in 0..count {
        let seed = seeds[number % seeds.len()];
        let other = seeds[below(&mut chance, seeds.len())];
        let input = mutant(&mut chance, seed, other);
        let outcome = catch_unwind(AssertUnwindSafe(|| match read(&input) {
            Ok(()) => taken += 1,
            Err(text) => {
                refused += 1;
                assert!(text.len() < 4000 + 2 * input.len(), "{}", text.len());
                // A panic of a decoder of somebody else's, which is caught.
                assert!(!text.contains("the decoder gave up"), "{text}");
            }
        }));
        if let Err(panic) = outcome {
            eprintln!("input {number}: b\"{}\"", input.escape_ascii());
            resume_unwind(panic);
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} read, {refused} refused");
}

/// Writes an input to a file of its own: one that is cut to nothing and written again waits for the disk on some
/// systems.
pub fn put(path: &Path, input: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, input).expect("an input");
}

fn mutant(chance: &mut ChaCha8Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + below(chance, 3) {
        change(chance, &mut bytes, other);
    }
    bytes
}

fn change(chance: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend(other);
        return;
    }
    let at = below(chance, bytes.len());
    let span = at..(at + 1 + below(chance, 16)).min(bytes.len());
    match below(chance, 12) {
        0 => bytes[at] ^= 1 << below(chance, 8),
        1 => bytes[at] = chance.next_u64() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(span)),
        4 => {
            let part = bytes[span.clone()].to_vec();
            bytes.splice(span.end..span.end, part);
        }
        5 => {
            bytes.truncate(at);
            bytes.extend(&other[at.min(other.len())..]);
        }
        6 | 7 => {
            let width = 1 << below(chance, 4);
            let word = WORDS[below(chance, WORDS.len())].wrapping_sub(below(chance, 2) as u64);
            let (little, big) = (word.to_le_bytes(), word.to_be_bytes());
            let word = match below(chance, 2) {
                0 => &little[..width],
                _ => &big[8 - width..],
            };
            let end = (at + width).min(bytes.len());
            bytes[at..end].copy_from_slice(&word[..end - at]);
        }
        8 | 9 => {
            let numbers = numbers(bytes);
            if !numbers.is_empty() {
                let place = numbers[below(chance, numbers.len())].clone();
                let number = NUMBERS[below(chance, NUMBERS.len())];
                bytes.splice(place, number.bytes());
            }
        }
        _ => parts(chance, bytes),
    }
}

/// The places of a text's numbers.
fn numbers(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_number = |at: usize| bytes[at].is_ascii_digit() || b"-.".contains(&bytes[at]);
    let starts = (0..bytes.len()).filter(|&at| is_number(at) && (at == 0 || !is_number(at - 1)));
    let end = |start: usize| (start..bytes.len()).find(|&at| !is_number(at));
    starts
        .map(|start| start..end(start).unwrap_or(bytes.len()))
        .collect()
}

/// Takes away, doubles, repeats or moves a line, a cell, a word, ….
fn parts(chance: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let between = BETWEEN[below(chance, BETWEEN.len())];
    let mut parts: Vec<Vec<u8>> = bytes.split(|&b| b == between).map(<[u8]>::to_vec).collect();
    let (at, to) = (below(chance, parts.len()), below(chance, parts.len()));
    match below(chance, 4) {
        0 => drop(parts.remove(at)),
        1 => parts.insert(to, parts[at].clone()),
        2 => parts.swap(at, to),
        _ => {
            let many = vec![parts[at].clone(); 40];
            parts.splice(to..to, many);
        }
    }
    *bytes = parts.join(&between);
}

/// Uniform in `0..count`, nearly.
fn below(chance: &mut ChaCha8Rng, count: usize) -> usize {
    (chance.next_u64() % count as u64) as usize
}
