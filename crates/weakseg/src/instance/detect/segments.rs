//! From pixels with owners to instances.

use weakseg_data::Plane;
use weakseg_data::components::{self, Connectivity};

use super::owners::Owners;
use super::seeds::Seed;
use super::{Evidence, InstanceRule};
use crate::instance::{Instance, Region};

/// The connected segments of each seed that are no fragments.
pub(super) fn segments(
    evidence: &Evidence<'_>,
    seeds: &[Seed],
    owners: &Owners,
    rule: &InstanceRule,
) -> Vec<Instance> {
    let size = [owners.of.height(), owners.of.width()];
    let least = f64::from(rule.min_area) * (size[0] * size[1]) as f64;
    let mut found = Vec::new();
    let boxes = boxes(&owners.of, seeds.len());
    for (number, (seed, around)) in (1..).zip(seeds.iter().zip(boxes)) {
        let Some([top, left, bottom, right]) = around else {
            continue;
        };
        let own = Plane::from_fn(bottom - top, right - left, |y, x| {
            u8::from(owners.of.get(top + y, left + x) == number)
        });
        let (labels, segments) = components::label(&own, Connectivity::Four);
        for segment in segments {
            if (segment.area as f64) < least {
                continue;
            }
            let [first, start, last, end] = segment.bounds;
            let mask = Plane::from_fn(last - first, end - start, |y, x| {
                u8::from(labels.get(first + y, start + x) == segment.label)
            });
            let region = Region::within(size, [top + first, left + start], &mask)
                .expect("a segment has a pixel");
            let score = region
                .pixels()
                .map(|(y, x)| owners.values.get(y, x))
                .fold(0.0, f32::max);
            found.push(Instance {
                class: evidence.keys[seed.place],
                score,
                region,
            });
        }
    }
    found
}

/// `[top, left, bottom, right]` around each of the owners from 1 to `count`; none of who owns nothing.
fn boxes(owners: &Plane<u32>, count: usize) -> Vec<Option<[usize; 4]>> {
    let mut boxes: Vec<Option<[usize; 4]>> = vec![None; count];
    for y in 0..owners.height() {
        for (x, &owner) in owners.row(y).iter().enumerate() {
            if owner > 0 {
                let known = &mut boxes[owner as usize - 1];
                let [top, left, bottom, right] = known.unwrap_or([y, x, y + 1, x + 1]);
                *known = Some([top, left.min(x), bottom.max(y + 1), right.max(x + 1)]);
            }
        }
    }
    boxes
}
