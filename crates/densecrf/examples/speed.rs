//! Seconds of building and running a dense CRF on an image: the best of some runs.
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
    for _ in 0..runs {
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
    }
    let [gaussian, bilateral, inference, whole] = best.map(|seconds| seconds * 1e3);
    println!(
        "{width}x{height}, {labels} labels: gaussian {gaussian:.1} ms, bilateral {bilateral:.1} ms, \
         10 iterations {inference:.1} ms, together {whole:.1} ms"
    );
    Ok(())
}
