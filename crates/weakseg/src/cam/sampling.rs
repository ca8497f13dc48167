//! Where the cells of a map look on the image, and what mirroring the image does to that.

use burn::tensor::Tensor;
use weakseg_models::ClassifierArch;
use weakseg_models::encoder::Backbone;

/// Where a network's map cell looks on the image, which decides what a mirrored map needs to lie on the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampling {
    /// Cell i covers pixels s·i to s·i + s − 1 (pooling of even windows without padding, as VGG): mirroring maps cells
    /// to cells, exactly where s divides the width.
    #[default]
    Pooled,
    /// Cell i looks at pixel s·i + o (padded strided convolutions, as ResNet): mirroring shifts by W − 1 − s·(w − 1) −
    /// 2·o pixels, w being the number of cells.
    Strided {
        /// The stride s in pixels.
        stride: usize,
        /// The pixel o that the first cell looks at.
        offset: usize,
    },
}

impl Sampling {
    /// That of a layer of a classifier with so many `stages`, by its name; of a name that no stage of the trunk has, as
    /// `extra` or none at all, the last stage's.
    pub fn of(arch: ClassifierArch, stages: usize, layer: Option<&str>) -> Self {
        let backbone = arch.backbone();
        // SE-ResNeXt's pool has no padding: its windows begin where they look, and its cells lie two pixels on.
        let pooled_at = match backbone {
            Backbone::Vgg16 | Backbone::Vgg16Bn => return Self::Pooled,
            Backbone::SeResnext50 => 2,
            Backbone::Resnet34 | Backbone::Resnet50 => 0,
        };
        let stage = backbone
            .stage_names()
            .iter()
            .position(|name| Some(*name) == layer)
            .unwrap_or(stages.clamp(1, 5) - 1);
        Self::Strided {
            stride: arch.strides().reductions()[stage],
            offset: if stage == 0 { 0 } else { pooled_at },
        }
    }

    /// That of IRNet's grid on a classifier's trunk.
    pub fn of_irnet(arch: ClassifierArch) -> Self {
        Self::of(arch, 5, Some("layer1"))
    }
}

/// A map of the mirrored image, mirrored back into the place of the map of the image itself.
///
/// `maps` is `[B, C, h, w]` of images `image_width` pixels wide.
pub fn unmirror(maps: Tensor<4>, image_width: usize, sampling: Sampling) -> Tensor<4> {
    let [_, _, _, width] = maps.dims();
    let back = maps.flip([3]);
    let Sampling::Strided { stride, offset } = sampling else {
        return back;
    };
    // Cell i of the mirror looked at pixel W − 1 − s·(w − 1 − i) − o = s·i + o + shift: shift/s of a cell too far
    // right.
    let shift = image_width
        .saturating_sub(1)
        .saturating_sub(stride * (width - 1) + 2 * offset);
    if shift == 0 || width < 2 {
        return back;
    }
    let share = (shift as f64 / stride as f64).min(1.0);
    // The first cell has no left neighbour: it keeps its own value.
    let left = Tensor::cat(
        vec![
            back.clone().narrow(3, 0, 1),
            back.clone().narrow(3, 0, width - 1),
        ],
        3,
    );
    back * (1.0 - share) + left * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn at_eight(offset: usize) -> Sampling {
        Sampling::Strided { stride: 8, offset }
    }

    #[test]
    fn each_trunk_has_its_sampling() {
        let strided = |stride, offset| Sampling::Strided { stride, offset };
        for (arch, stages, layer, expected) in [
            (ClassifierArch::Vgg16, 5, None, Sampling::Pooled),
            (ClassifierArch::Resnet50Os8, 5, Some("extra"), strided(8, 0)),
            (
                ClassifierArch::Resnet50Os8,
                5,
                Some("layer1"),
                strided(4, 0),
            ),
            (ClassifierArch::Resnet34, 5, None, strided(32, 0)),
            // A trunk that ends with `layer3`.
            (ClassifierArch::Resnet34, 4, None, strided(16, 0)),
            (
                ClassifierArch::Resnet50Os32,
                4,
                Some("extra"),
                strided(16, 0),
            ),
            (ClassifierArch::SeResnext50, 5, Some("stem"), strided(2, 0)),
            (
                ClassifierArch::SeResnext50,
                5,
                Some("layer2"),
                strided(8, 2),
            ),
        ] {
            let found = Sampling::of(arch, stages, layer);
            assert_eq!(found, expected, "{arch} {stages} {layer:?}");
        }
        // Cells at 2 and 10 of 16 pixels: the mirror reads 13 and 5, three pixels beside.
        let back = unmirror(tensor(vec![13.0, 5.0], [1, 1, 1, 2]), 16, at_eight(2));
        let values: Vec<f32> = back.into_data().try_to_vec().unwrap();
        assert_eq!(values, [5.0, 10.0]);
    }

    #[test]
    fn strided_cells_are_brought_into_place() {
        // A network whose cell i reads pixel 8·i of a ramp over 24 pixels: 0, 8, 16. The mirror reads 23, 15, 7.
        let seen = tensor(vec![23.0, 15.0, 7.0], [1, 1, 1, 3]);
        let back = unmirror(seen.clone(), 24, at_eight(0));
        let values: Vec<f32> = back.into_data().try_to_vec().unwrap();
        // The border cell has no left neighbour and stays 7; the others read 8 and 16 exactly.
        assert_eq!(values, [7.0, 8.0, 16.0]);
        // 8·n + 1 pixels need no shift
        let exact = unmirror(seen.clone(), 17, at_eight(0));
        assert_eq!(
            exact.into_data().try_to_vec::<f32>().unwrap(),
            [7.0, 15.0, 23.0]
        );
        let pooled = unmirror(seen, 24, Sampling::Pooled);
        assert_eq!(
            pooled.into_data().try_to_vec::<f32>().unwrap(),
            [7.0, 15.0, 23.0]
        );
    }
}
