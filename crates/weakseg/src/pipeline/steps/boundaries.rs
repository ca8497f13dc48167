//! What a trained IRNet sees in images: boundaries to walk along, and displacements.

use std::sync::Arc;

use burn::tensor::Device;
use burn::tensor::activation::sigmoid;
use weakseg_data::{Plane, Stack};
use weakseg_models::{Irnet, Normalisation};

use super::MODEL;
use crate::cam::{Sampling, unmirror};
use crate::networks::{self, ModelCard};
use crate::pipeline::{Bench, StepError};
use crate::train::to_tensor;

/// Of one image, on IRNet's stride-4 grid.
pub(super) struct Boundaries {
    /// Probability of a class boundary, h×w.
    pub(super) edge: Plane<f32>,
    /// Down and to the right, in cells, 2×h×w, if it was asked for.
    pub(super) displacement: Option<Stack<f32>>,
}

/// The run's IRNet.
pub(super) struct BoundaryFinder {
    irnet: Irnet,
    normalisation: Normalisation,
    sampling: Sampling,
    displacements: bool,
    device: Device,
}

impl BoundaryFinder {
    /// Opens what `train-irn` wrote; displacements are found if the settings ask for instances.
    pub(super) fn open(bench: &Bench<'_>) -> Result<Self, StepError> {
        let file = bench.run.folder("train-irn").join(MODEL);
        let card = ModelCard::read(&file)?;
        Ok(Self {
            irnet: networks::open_irnet(&file, &card, &bench.device)?,
            normalisation: card.normalisation(),
            sampling: Sampling::of_irnet(bench.config.classifier.arch),
            displacements: bench.config.pseudo_labels.instances.is_some(),
            device: bench.device.clone(),
        })
    }

    /// Looks at images of one size, and at what a mirror shows of them.
    ///
    /// The edge is the mean of both logits, displacements are those of the image as it is (reference §5.1). Departs
    /// from IRNet because its flip leaves the mirrored map (W − 1) mod 4 pixels beside the other (reference §12.18):
    /// here it is brought into place.
    pub(super) fn find(&self, images: &[Arc<Stack<u8>>]) -> Vec<Boundaries> {
        let Some(first) = images.first() else {
            return Vec::new();
        };
        let levels = |images: &[Arc<Stack<u8>>]| {
            let images = to_tensor(images, &self.normalisation, &self.device);
            self.irnet.levels(images)
        };
        let mirrored: Vec<Arc<Stack<u8>>> = images
            .iter()
            .map(|image| Arc::new(networks::mirror(image)))
            .collect();
        let seen = levels(images);
        let (plain, mirror) = (self.irnet.edge(&seen), self.irnet.edge(&levels(&mirrored)));
        let mirror = unmirror(mirror, first.width(), self.sampling);
        let edges = networks::planes(sigmoid((plain + mirror).mul_scalar(0.5)));
        let mut displacements = match self.displacements {
            true => networks::stacks(self.irnet.displacement(&seen)),
            false => Vec::new(),
        }
        .into_iter();
        edges
            .into_iter()
            .map(|edge| Boundaries {
                edge,
                displacement: displacements.next(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use weakseg_models::{ClassifierArch, IrnetConfig};

    use super::*;

    fn finder(arch: ClassifierArch) -> BoundaryFinder {
        let device = Device::flex();
        let config = IrnetConfig {
            width: 0.0625,
            seed: 5,
            ..IrnetConfig::new(arch)
        };
        BoundaryFinder {
            irnet: config.init(&device).expect("a network"),
            normalisation: Normalisation::IMAGENET,
            sampling: Sampling::of_irnet(arch),
            displacements: true,
            device,
        }
    }

    /// Noise of `side`×`side` pixels, the same from left and from right.
    fn symmetric(side: usize) -> Arc<Stack<u8>> {
        let pixel = |y: usize, x: usize| {
            let x = x.min(side - 1 - x);
            ((y * 131 + x * 71) * 2_654_435 % 65_521 % 256) as u8
        };
        Arc::new(Plane::from_fn(side, side, pixel).into_stack())
    }

    /// The greatest difference between a map and what a mirror shows of it, and the map's greatest difference from its
    /// mean.
    fn asymmetry(map: &Plane<f32>) -> (f32, f32) {
        let (height, width) = (map.height(), map.width());
        let mirrored = Plane::from_fn(height, width, |y, x| map.get(y, width - 1 - x));
        let mean = map.as_slice().iter().sum::<f32>() / map.len() as f32;
        let pairs = map.as_slice().iter().zip(mirrored.as_slice());
        pairs.fold((0.0, 0.0), |(off, spread), (a, b)| {
            (off.max((a - b).abs()), spread.max((a - mean).abs()))
        })
    }

    /// Where the grid itself is symmetric: cells of VGG16 cover four pixels each, those of a ResNet look at every
    /// fourth, so at the first and the last of 4m + 1.
    #[test]
    fn a_symmetric_image_has_symmetric_edges() {
        for (arch, side) in [
            (ClassifierArch::Vgg16Bn, 48),
            (ClassifierArch::Resnet50Os8, 49),
        ] {
            let finder = finder(arch);
            let image = symmetric(side);
            let found = finder.find(std::slice::from_ref(&image));
            let (off, spread) = asymmetry(&found[0].edge);
            assert!(off < 1e-5 && spread > 1e-3, "{arch}: {off} of {spread}");
            // Without the mirror's half they are not: the network itself prefers a side.
            let seen = to_tensor(&[image], &finder.normalisation, &finder.device);
            let plain = finder.irnet.edge(&finder.irnet.levels(seen));
            let (off, _) = asymmetry(&networks::planes(sigmoid(plain))[0]);
            assert!(off > 1e-3, "{arch}: {off}");
        }
    }

    /// An image and its mirror have the same edges in a mirror; its displacements are its own.
    #[test]
    fn each_image_has_what_is_found_of_it_alone() {
        let finder = finder(ClassifierArch::Vgg16Bn);
        let pixel = |y: usize, x: usize| ((y * 37 + x * x * 11) % 251) as u8;
        let image = Arc::new(Plane::from_fn(32, 32, pixel).into_stack());
        let mirrored = Arc::new(networks::mirror(&image));
        let found = finder.find(&[image, mirrored]);
        let (edge, other) = (&found[0].edge, &found[1].edge);
        let back = Plane::from_fn(8, 8, |y, x| other.get(y, 7 - x));
        for (a, b) in edge.as_slice().iter().zip(back.as_slice()) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
        let fields: Vec<_> = found.iter().map(|f| f.displacement.as_ref()).collect();
        let size = |field: &Stack<f32>| [field.channels(), field.height(), field.width()];
        assert!(fields[0] != fields[1] && fields[0].map(size) == Some([2, 8, 8]));
        assert!(finder.find(&[]).is_empty());
    }
}
