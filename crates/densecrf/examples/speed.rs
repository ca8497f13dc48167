//! Milliseconds of building and running a dense CRF on an image: the best of some runs, and the
//! processor time of a run, which says more where other programs are running (Linux).
//!
//! The line on standard output is JSON, as `cargo xtask bench methods` reads it.
//!
//! Usage: `cargo run --release -p densecrf --example speed -- IMAGE LABELS.png [LABELS] [RUNS]`
//!
//! `RAYON_NUM_THREADS` sets the number of threads.

use std::error::Error;
use std::time::Instant;

use densecrf::{DenseCrf, Guide, Unary};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, labels, rest @ ..] = arguments.as_slice() else {
        return Err("usage: speed IMAGE LABELS.png [LABELS] [RUNS]".into());
    };
    let image = image::open(image)?.into_rgb8();
    let map = image::open(labels)?.into_luma8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let largest = usize::from(map.iter().copied().max().unwrap_or(0));
    let labels = rest.first().map_or(Ok(largest + 1), |text| text.parse())?;
    let runs: usize = rest.get(1).map_or(Ok(5), |text| text.parse())?;
    let guide = Guide::interleaved(height, width, 3, &image)?;

    let mut best = [f64::INFINITY; 4];
    let mut least = f64::INFINITY;
    for _ in 0..runs {
        let before = processor_seconds();
        let mut at = Instant::now();
        let mut lap = || {
            let seconds = at.elapsed().as_secs_f64();
            at = Instant::now();
            seconds
        };
        let crf = DenseCrf::new(height, width, labels)?.gaussian(3.0, 3.0)?;
        let gaussian = lap();
        let crf = crf.bilateral(50.0, 5.0, &guide, 10.0)?;
        let bilateral = lap();
        let unary = Unary::from_labels(&map, labels, 0.7, false)?;
        let refined = crf.infer(&unary, 10)?;
        let inference = lap();
        let seconds = [
            gaussian,
            bilateral,
            inference,
            gaussian + bilateral + inference,
        ];
        best = std::array::from_fn(|at| best[at].min(seconds[at]));
        drop(refined);
        least = least.min(processor_seconds() - before);
    }
    let [gaussian, bilateral, inference, whole] = best.map(|seconds| seconds * 1e3);
    eprintln!(
        "{width}x{height}, {labels} labels: gaussian {gaussian:.1} ms, bilateral {bilateral:.1} ms, \
         10 iterations {inference:.1} ms, together {whole:.1} ms; processor {:.1} ms",
        least * 1e3
    );
    println!(
        "{{\"seconds\": {:.4}, \"processor_s\": {least:.4}}}",
        best[3]
    );
    Ok(())
}

/// What all threads have run so far, 0 where the system does not tell.
fn processor_seconds() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task");
    let nanoseconds = threads.into_iter().flatten().flatten().map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let running = text.split_whitespace().next().map(str::parse::<f64>);
        running.and_then(Result::ok).unwrap_or(0.0)
    });
    nanoseconds.sum::<f64>() * 1e-9
}
