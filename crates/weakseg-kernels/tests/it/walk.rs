//! The random walk against the published form run on real maps.

use std::path::PathBuf;
use std::time::Instant;

use weakseg_kernels::walk::{WalkOptions, random_walk};

/// Both walk hundreds of steps in f32, with other sums.
const TOLERANCE: f32 = 1e-4;

/// Shape and values of an array of f32 or f64 in version 1 of NumPy's format.
fn read(name: &str) -> (Vec<usize>, Vec<f32>) {
    let shared = std::env::var("WEAKSEG_SHARED").unwrap_or_else(|_| "../shared".into());
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let path = root.join(shared).join("fixtures/walk").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).expect("header");
    let shape = header.split(['(', ')']).nth(1).expect("shape");
    let shape = shape
        .split(',')
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    let body = &bytes[10 + length..];
    let values = if header.contains("<f8") {
        let chunks = body.chunks_exact(8);
        chunks
            .map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes")) as f32)
            .collect()
    } else {
        assert!(header.contains("<f4"), "{header}");
        let chunks = body.chunks_exact(4);
        chunks
            .map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")))
            .collect()
    };
    (shape, values)
}

#[test]
#[ignore = "needs ../shared; run: cargo test -p weakseg-kernels --test it -- --ignored --nocapture"]
fn equals_the_published_form_on_real_maps() {
    for name in ["square", "voc", "wide"] {
        let (shape, cam) = read(&format!("{name}.cam.npy"));
        let (_, edge) = read(&format!("{name}.edge.npy"));
        let (_, expected) = read(&format!("{name}.walk.npy"));
        let options = WalkOptions::default();
        let start = Instant::now();
        let walked =
            random_walk(&cam, &edge, shape[0], shape[1], shape[2], &options).expect("the maps fit");
        assert!(walked.iter().all(|v| v.is_finite()), "{name}");
        let pairs = walked.iter().zip(&expected);
        let worst = pairs.fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        println!("{name} {shape:?}: {worst:.2e} in {:.3?}", start.elapsed());
        assert!(worst <= TOLERANCE, "{name}: {worst}");
    }
}
