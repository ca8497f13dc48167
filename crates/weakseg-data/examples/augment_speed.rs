//! Images a second of the scope `pneumothorax`, from 1024 to 512 pixels, one channel, on all threads; one JSON line, as
//! `xtask/peers/augment.py` prints it of albumentations. Both are run by `cargo xtask bench augment`.
//!
//! `resize_first`: each image is brought to 512 pixels and changed there. `cached`: it is at 512 pixels already, as in
//! every epoch of a training whose images fit the memory. Arguments: images a measurement (400).

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;
use weakseg_data::resize::{Filter, resize_u8};
use weakseg_data::{Augment, Plane, Scope, Stack};

// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Images a second of `change` on all threads.
fn speed(images: u64, change: impl Fn(u64) -> Stack<u8> + Sync) -> f64 {
    let begun = Instant::now();
    (0..images).into_par_iter().for_each(|index| {
        black_box(change(index));
    });
    images as f64 / begun.elapsed().as_secs_f64()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let images = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 400,
    };
    // The formula of the other side: smooth, as X-rays are.
    let xray = Plane::from_fn(1024, 1024, |y, x| {
        ((y * x / 512 + y / 3 + x / 2) % 256) as u8
    });
    let xray = xray.into_stack();
    let small = resize_u8(&xray, 512, 512, Filter::Area);
    let augment = Augment::scope(Scope::Pneumothorax);
    let changed = |index: u64, image: &Stack<u8>| match augment.apply(1, 0, index, image, None) {
        Ok((image, _)) => image,
        Err(error) => unreachable!("there is no mask: {error}"),
    };
    let resized = |index: u64| changed(index, &resize_u8(&xray, 512, 512, Filter::Area));
    speed(images / 8, resized);
    let resize_first = speed(images, resized);
    let cached = speed(images, |index| changed(index, &small));
    println!(
        "{{\"resize_first\": {resize_first:.1}, \"cached\": {cached:.1}, \"threads\": {}}}",
        rayon::current_num_threads()
    );
    Ok(())
}
