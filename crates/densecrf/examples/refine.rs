//! Refines a label map along the edges of an image.
//!
//! Usage: `cargo run --release -p densecrf --example refine -- IMAGE LABELS.png OUT.png`
//!
//! LABELS.png is a grey image whose values are the labels 0..K.

use std::error::Error;

use densecrf::{DenseCrf, Guide, Unary};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [image, labels, out] = arguments.as_slice() else {
        return Err("usage: refine IMAGE LABELS.png OUT.png".into());
    };
    let image = image::open(image)?.into_rgb8();
    let labels = image::open(labels)?.into_luma8();
    let (width, height) = image.dimensions();
    let k = usize::from(labels.iter().copied().max().unwrap_or(0)) + 1;

    let guide = Guide::interleaved(height as usize, width as usize, 3, &image)?;
    let crf = DenseCrf::new(height as usize, width as usize, k)?
        .gaussian(3.0, 3.0)?
        .bilateral(50.0, 5.0, &guide, 10.0)?;
    let unary = Unary::from_labels(&labels, k, 0.7, false)?;
    let refined = crf.infer(&unary, 10)?.map();

    let refined = image::GrayImage::from_raw(width, height, refined).ok_or("one label a pixel")?;
    refined.save(out)?;
    Ok(())
}
