//! Agreement with pydensecrf on whole photographs and radiographs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use densecrf::{DenseCrf, Guide};
use npyz::half::f16;
use serde::Deserialize;

use crate::refine;

#[derive(Deserialize)]
struct Case {
    name: String,
    k: usize,
}

fn folder() -> PathBuf {
    let shared = std::env::var_os("WEAKSEG_SHARED").map_or("../shared".into(), PathBuf::from);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    workspace.join(shared).join("fixtures/crf")
}

/// Reads `q` `[K, H, W]`, stored in half precision.
fn read_marginals(path: &Path) -> Vec<f32> {
    let mut archive = npyz::npz::NpzArchive::open(path).unwrap();
    let q = archive.by_name("q").unwrap().expect("an array `q`");
    let q = q.into_vec::<f16>().unwrap();
    q.into_iter().map(f16::to_f32).collect()
}

#[test]
#[ignore = "needs ../shared; run: cargo test --release -p densecrf -- --ignored --nocapture"]
fn every_shared_case() {
    let folder = folder();
    let cases: Vec<Case> =
        serde_json::from_reader(File::open(folder.join("cases.json")).unwrap()).unwrap();
    assert!(!cases.is_empty());
    for Case { name, k } in &cases {
        let read = |kind: &str| image::open(folder.join(format!("{name}.{kind}.png"))).unwrap();
        let (guide, labels, refined) = (read("image"), read("labels"), read("refined"));
        let (height, width) = (guide.height() as usize, guide.width() as usize);
        let guide = guide.into_rgb8();
        let labels = labels.into_luma8();

        let start = Instant::now();
        let guide = Guide::interleaved(height, width, 3, &guide).unwrap();
        let crf = DenseCrf::new(height, width, *k)
            .and_then(|crf| crf.gaussian(3.0, 3.0))
            .and_then(|crf| crf.bilateral(50.0, 5.0, &guide, 10.0))
            .unwrap();
        let built = start.elapsed();
        let found = refine(&crf, &labels, *k, 10);
        let map = found.map();
        let seconds = start.elapsed();

        let differing = map
            .iter()
            .zip(refined.into_luma8().iter())
            .filter(|(a, b)| a != b)
            .count();
        let labels_equal = 1.0 - differing as f64 / map.len() as f64;
        let q = read_marginals(&folder.join(format!("{name}.marginals.npz")));
        assert_eq!(q.len(), found.q().len());
        let within = |tolerance: f32| {
            let close = q
                .iter()
                .zip(found.q())
                .filter(|(a, b)| (*a - *b).abs() <= tolerance);
            close.count() as f64 / q.len() as f64
        };
        println!(
            "{name}: K {k}, {height}×{width}, labels equal {:.4} %, marginals within 2e-3 {:.4} %, {:.3} s ({:.3} s to build)",
            100.0 * labels_equal,
            100.0 * within(2e-3),
            seconds.as_secs_f64(),
            built.as_secs_f64(),
        );
        assert!(labels_equal >= 0.999, "{name}: {differing} labels differ");
        assert!(within(2e-3) >= 0.99, "{name}: marginals");
    }
}
