//! Makes the DICOM files that `weakseg predict` makes of an image, with masks that are given: for
//! `tests/oracle/made_dicom.py`.
//!
//! `made_dicom IMAGE FRAME OUT MASK…` writes OUT/seg.dcm and OUT/sc.dcm; FRAME is 0 where none is named, a mask is the
//! PNG of a finding that is called as its file. An image that is not DICOM has no segmentation, and this fails after
//! the other file.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use weakseg_data::{
    Classes, DataError, LabelSpace, Limits, Mask, Origin, Stack, View, image_id, read_index_png,
    read_picture, write_secondary_capture, write_segmentation,
};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [image, frame, out, masks @ ..] = arguments.as_slice() else {
        eprintln!("usage: made_dicom IMAGE FRAME OUT MASK…");
        return ExitCode::from(2);
    };
    let frame = frame
        .to_string_lossy()
        .parse()
        .ok()
        .and_then(NonZeroU32::new);
    match make(image, frame, out, masks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn make(
    image: &Path,
    frame: Option<NonZeroU32>,
    out: &Path,
    masks: &[PathBuf],
) -> Result<(), DataError> {
    let limits = Limits::default();
    let view = View {
        frame,
        ..View::default()
    };
    let picture = read_picture(image, &limits, view)?.pixels;
    let origin = Origin::read(image, &limits, frame)?;
    let (mut planes, mut names) = (Vec::new(), Vec::new());
    for path in masks {
        planes.push(read_index_png(path, &limits)?.map(|&value| u8::from(value != 0)));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        names.push(image_id(&name).to_owned());
    }
    let mask = Mask {
        planes: Stack::from_planes(&planes)?,
    };
    // The image in red, the masks' sum in green, nothing in blue.
    let size = [picture.height(), picture.width()];
    let mut overlay = Stack::filled(3, size[0], size[1], 0);
    overlay.plane_mut(0).copy_from_slice(picture.plane(0));
    for plane in &planes {
        for (sum, value) in overlay.plane_mut(1).iter_mut().zip(plane.as_slice()) {
            *sum += value;
        }
    }
    write_secondary_capture(&out.join("sc.dcm"), &origin, &overlay, "Maßstab #000100")?;
    let classes = Classes {
        names,
        space: LabelSpace::Findings,
    };
    write_segmentation(&out.join("seg.dcm"), &origin, &classes, &mask)
}
