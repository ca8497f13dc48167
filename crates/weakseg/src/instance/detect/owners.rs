//! Who gets which pixel.

use weakseg_data::resize::resize_f32;
use weakseg_data::{Plane, Stack};
use weakseg_kernels::walk::random_walk_until;

use super::seeds::Seed;
use super::{Evidence, InstanceRule};
use crate::instance::InstanceError;
use crate::instance::cluster::Clusters;

/// Maps that walk at the same time: enough for every thread, few enough for the memory.
const TOGETHER: usize = 8;

/// Who has each pixel.
pub(super) struct Owners {
    /// Number of the seed from 1, 0 for the background.
    pub(super) of: Plane<u32>,
    /// Value of its map after division by the maximum.
    pub(super) values: Plane<f32>,
}

/// Lets every seed walk and gives each pixel to the greatest. One map at a time is brought to the image's size, for
/// there may be many.
pub(super) fn compete(
    evidence: &Evidence<'_>,
    clusters: &Clusters,
    seeds: &[Seed],
    [height, width]: [usize; 2],
    rule: &InstanceRule,
    stopped: &dyn Fn() -> bool,
) -> Result<Owners, InstanceError> {
    let (rows, columns) = (evidence.maps.height(), evidence.maps.width());
    let mut of = Plane::filled(height, width, 0u32);
    let mut values = Plane::filled(height, width, 0f32);
    for (block, some) in seeds.chunks(TOGETHER).enumerate() {
        let masked: Vec<f32> = some
            .iter()
            .flat_map(|seed| {
                let map = evidence.maps.plane(seed.place).iter();
                map.zip(clusters.of.as_slice())
                    .map(|(&v, &cluster)| if cluster == seed.cluster { v } else { 0.0 })
            })
            .collect();
        let walked = random_walk_until(
            &masked,
            evidence.edges.as_slice(),
            [some.len(), rows, columns],
            &rule.walk,
            stopped,
        )?;
        for (place, map) in walked.chunks(rows * columns).enumerate() {
            let map = Stack::new(1, rows, columns, map.to_vec()).expect("a chunk of that size");
            let map = resize_f32(&map, height, width);
            let number = (block * TOGETHER + place) as u32 + 1;
            let pixels = of.as_mut_slice().iter_mut().zip(values.as_mut_slice());
            for ((of, value), &new) in pixels.zip(map.as_slice()) {
                if new > *value {
                    (*of, *value) = (number, new);
                }
            }
        }
    }
    let top = values.as_slice().iter().copied().fold(0.0, f32::max);
    for (of, value) in of.as_mut_slice().iter_mut().zip(values.as_mut_slice()) {
        *value = if top > 0.0 { *value / top } else { 0.0 };
        if *value <= rule.threshold {
            *of = 0;
        }
    }
    Ok(Owners { of, values })
}
