//! What `weakseg predict` can write of images.

use clap::ValueEnum;

/// What is written of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Class numbers as PNG: OUT/NAME.png, or OUT/FINDING/NAME.png for several findings.
    Mask,
    /// The image with the mask over it: OUT/overlays/NAME.png; of several classes OUT/legend.svg has the colours.
    Overlay,
    /// Run lengths of all images in the form of SIIM-ACR: OUT/predictions.csv, or OUT/FINDING/predictions.csv for
    /// several findings.
    Rle,
    /// One COCO document of all images, with an annotation for each connected region and its mean probability as score:
    /// OUT/predictions.json.
    Coco,
    /// The mask of a DICOM image as DICOM Segmentation, one segment a class: OUT/seg/NAME.dcm.
    Seg,
    /// The overlay as DICOM Secondary Capture, in the study of a DICOM image: OUT/sc/NAME.dcm. Its Image Comments name
    /// what was found and the colours.
    Sc,
    /// Probabilities, f32 [C,H,W]: OUT/scores/NAME.npy.
    Npy,
}
