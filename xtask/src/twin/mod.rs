//! `cargo xtask siim-twin SHARED OUT`: a set of the form of SIIM-ACR whose truth is known.
//!
//! X-rays without a finding (`SHARED/data/nih_pneumonia`) are wrapped as JPEG-baseline DICOM in nested folders; every
//! other one gets a pneumothorax of the shape of a real annotation (`SHARED/data/siim_rle`) drawn where the lungs are.
//! What comes out is one folder with `dicom-images-train/STUDY/SERIES/IMAGE.dcm` and `train-rle.csv`, and nothing of it
//! belongs into the repository.

mod dicom_file;
mod lesion;
mod lungs;

use std::fmt::Write as _;
use std::path::Path;

use weakseg_data::resize::{Filter, resize_u8};
use weakseg_data::rle::Form;
use weakseg_data::{Limits, Plane, read_image};

use self::dicom_file::Identity;
use self::lungs::Lungs;

/// Height and width of the annotations, and so of the images.
const SIDE: usize = 1024;
/// Annotations of fewer pixels could not be seen in an image of 512 that was made larger.
const FEWEST_PIXELS: usize = 3000;
/// Share of an annotation that has to lie in an image's lungs. Where none does, the image stays healthy.
const IN_LUNGS: f64 = 0.7;

/// Makes the set.
pub fn make(shared: &Path, out: &Path) -> Result<(), String> {
    if out.exists() {
        return Err(format!(
            "{}: is there already; name a new folder",
            out.display()
        ));
    }
    let healthy = healthy(&shared.join("data/nih_pneumonia"))?;
    let shapes = shapes(&shared.join("data/siim_rle/train-rle-sample.csv"))?;
    println!(
        "{} healthy images, {} annotations",
        healthy.len(),
        shapes.len()
    );
    let mut csv = String::from("ImageId, EncodedPixels\n");
    let mut drawn = 0;
    for (number, (file, patient)) in healthy.iter().enumerate() {
        let path = shared.join("data/nih_pneumonia/images").join(file);
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let image = read_image(&path, &Limits::default()).map_err(|e| failed(&e))?;
        let image = resize_u8(&image, SIDE, SIDE, Filter::Bilinear).to_plane(0);
        let identity = identity(number, patient);
        let shape = (number % 2 == 1)
            .then(|| fitting(&image, &shapes, number))
            .flatten();
        let (image, runs) = match shape {
            Some(mask) => {
                drawn += 1;
                (lesion::drawn(&image, mask), Form::Relative.encode(mask))
            }
            None => (image, "-1".to_owned()),
        };
        writeln!(csv, "{}, {runs}", identity.instance).expect("a text grows");
        let bytes = dicom_file::encode(&image, &identity).map_err(|e| failed(&e))?;
        let folder = out
            .join("dicom-images-train")
            .join(&identity.study)
            .join(&identity.series);
        std::fs::create_dir_all(&folder).map_err(|e| failed(&e))?;
        let to = folder.join(format!("{}.dcm", identity.instance));
        std::fs::write(&to, bytes).map_err(|e| format!("{}: {e}", to.display()))?;
    }
    let to = out.join("train-rle.csv");
    std::fs::write(&to, csv).map_err(|e| format!("{}: {e}", to.display()))?;
    println!(
        "{}: {} images, {drawn} with a pneumothorax",
        out.display(),
        healthy.len()
    );
    Ok(())
}

/// An annotation that lies in the image's lungs: another for each number, if there are several.
fn fitting<'a>(image: &Plane<u8>, shapes: &'a [Plane<u8>], number: usize) -> Option<&'a Plane<u8>> {
    let lungs = Lungs::of(image);
    let first = number * 7919 % shapes.len();
    let turned = shapes[first..].iter().chain(&shapes[..first]);
    turned
        .into_iter()
        .find(|mask| lungs.share(mask) >= IN_LUNGS)
}

/// Files and patients of the images without a finding.
fn healthy(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let path = folder.join("labels.csv");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let rows = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>());
    Ok(rows
        .filter(|row| row.get(2) == Some(&"0"))
        .map(|row| (row[0].to_owned(), row[1].to_owned()))
        .collect())
}

/// The masks of all annotations that are large enough; of an image with several rows each by itself.
fn shapes(path: &Path) -> Result<Vec<Plane<u8>>, String> {
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
    let mut masks = Vec::new();
    for line in text.lines().skip(1) {
        let runs = line
            .split_once(',')
            .ok_or_else(|| failed(&"a row without a comma"))?
            .1;
        let mask = Form::Relative
            .decode(runs.trim(), SIDE, SIDE)
            .map_err(|e| failed(&e))?;
        if mask.as_slice().iter().filter(|v| **v > 0).count() >= FEWEST_PIXELS {
            masks.push(mask);
        }
    }
    if masks.is_empty() {
        return Err(failed(&"no annotation of a pneumothorax"));
    }
    Ok(masks)
}

/// UIDs that no other image has, the same in every run.
fn identity(number: usize, patient: &str) -> Identity {
    Identity {
        patient: patient.to_owned(),
        study: format!("2.25.20261126.1.{number}"),
        series: format!("2.25.20261126.2.{number}"),
        instance: format!("2.25.20261126.3.{number}"),
    }
}
