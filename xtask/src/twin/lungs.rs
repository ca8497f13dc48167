//! Where the lungs are, roughly: what is darker than the chest's mean and does not reach the image's border.

use weakseg_data::Plane;
use weakseg_data::components::{Connectivity, label};
use weakseg_data::resize::{Filter, resize_nearest, resize_u8};

/// Height and width that suffice for it.
const SIDE: usize = 128;
/// Pixels of the smallest part that may be a lung.
const FEWEST: usize = SIDE * SIDE / 40;
/// Share of a side around the chest.
const MARGIN: usize = SIDE / 8;
/// The mean is brightened by the heart and what lies below the lungs.
const OF_MEAN: f64 = 0.92;

/// The lungs of one image.
pub struct Lungs(Plane<u8>);

impl Lungs {
    /// None of them may be found: then no mask lies in them.
    pub fn of(image: &Plane<u8>) -> Self {
        let small = resize_u8(&image.clone().into_stack(), SIDE, SIDE, Filter::Area).to_plane(0);
        let chest = MARGIN..SIDE - MARGIN;
        let (mut sum, mut count) = (0.0, 0.0);
        for y in chest.clone() {
            for v in &small.row(y)[chest.clone()] {
                sum += f64::from(*v);
                count += 1.0;
            }
        }
        let limit = OF_MEAN * sum / count;
        let dark = small.map(|v| u8::from(f64::from(*v) < limit));
        let (labels, parts) = label(&dark, Connectivity::Four);
        let is_lung: Vec<bool> = parts
            .iter()
            .map(|part| {
                let [top, left, bottom, right] = part.bounds;
                let inside = top > 0 && left > 0 && bottom < SIDE && right < SIDE;
                inside && part.area >= FEWEST
            })
            .collect();
        Self(labels.map(|part| u8::from(*part > 0 && is_lung[*part as usize - 1])))
    }

    /// Share of a mask that lies in them, from 0 to 1.
    pub fn share(&self, mask: &Plane<u8>) -> f64 {
        let small = resize_nearest(mask, SIDE, SIDE);
        let pixels = small.as_slice().iter().zip(self.0.as_slice());
        let (inside, all) = pixels
            .filter(|(mask, _)| **mask > 0)
            .fold((0_u32, 0_u32), |(inside, all), (_, lung)| {
                (inside + u32::from(*lung), all + 1)
            });
        f64::from(inside) / f64::from(all.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_parts_inside_are_lungs_and_the_background_is_none() {
        // A body of 180 on black, with two lungs of 80.
        let image = Plane::from_fn(256, 256, |y, x| {
            let lung =
                (60..180).contains(&y) && ((50..110).contains(&x) || (146..206).contains(&x));
            match (20..240).contains(&x) {
                true if lung => 80,
                true => 180,
                false => 0,
            }
        });
        let lungs = Lungs::of(&image);
        let at = |x: usize| {
            Plane::from_fn(256, 256, |y, at| {
                u8::from((80..120).contains(&y) && (x..x + 40).contains(&at))
            })
        };
        assert_eq!(lungs.share(&at(60)), 1.0);
        assert_eq!(lungs.share(&at(0)), 0.0);
        assert!((0.3..0.7).contains(&lungs.share(&at(90))));
    }
}
