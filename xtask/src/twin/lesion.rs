//! A pneumothorax drawn into a healthy X-ray: air where a mask is.
//!
//! Air between lung and chest wall is darker than lung and has no vessels in it; the lung's edge shows as a thin bright
//! line on the side of the heart.

use weakseg_data::Plane;

/// Share of the brightness that is left where there is air.
const DARKER: f32 = 0.84;
/// Half the side of the window that takes the vessels out, in pixels of a 1024-pixel image.
const VESSELS: usize = 14;
/// Half the side of the window over which the mask fades.
const EDGE: usize = 3;
/// Grey values that the lung's edge is brighter.
const LINE: f32 = 14.0;

/// The image with air in the mask's pixels, which are of the same size.
pub fn drawn(image: &Plane<u8>, mask: &Plane<u8>) -> Plane<u8> {
    let smooth = blurred(&blurred(&image.map(|v| f32::from(*v)), VESSELS), VESSELS);
    let share = blurred(&mask.map(|v| f32::from(u8::from(*v > 0))), EDGE);
    let middle = image.width() / 2;
    Plane::from_fn(image.height(), image.width(), |y, x| {
        let air = share.get(y, x);
        let value = f32::from(image.get(y, x));
        let darker = smooth.get(y, x) * DARKER;
        // The mask fades to one half on its edge; on the heart's side of it lies the lung.
        let towards = if x < middle {
            (x + EDGE).min(image.width() - 1)
        } else {
            x.saturating_sub(EDGE)
        };
        let edge =
            (1.0 - (2.0 * air - 1.0).abs()) * f32::from(u8::from(share.get(y, towards) < air));
        let value = value * (1.0 - air) + darker * air + LINE * edge;
        value.round().clamp(0.0, 255.0) as u8
    })
}

/// Means over windows of 2·reach + 1 pixels a side, smaller at the border.
fn blurred(plane: &Plane<f32>, reach: usize) -> Plane<f32> {
    let along = |plane: &Plane<f32>| {
        // Row by row, turned over: twice gives both axes in place.
        let (height, width) = (plane.height(), plane.width());
        let mut turned = Plane::filled(width, height, 0.0);
        for y in 0..height {
            let row = plane.row(y);
            let mut sums = vec![0.0_f64; width + 1];
            for (x, v) in row.iter().enumerate() {
                sums[x + 1] = sums[x] + f64::from(*v);
            }
            for x in 0..width {
                let (from, to) = (x.saturating_sub(reach), (x + reach + 1).min(width));
                turned.set(x, y, ((sums[to] - sums[from]) / (to - from) as f64) as f32);
            }
        }
        turned
    };
    along(&along(plane))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn air_is_darker_and_nothing_else_changes() {
        let image = Plane::from_fn(64, 64, |y, x| (100 + (x * 7 + y * 3) % 40) as u8);
        let mask = Plane::from_fn(64, 64, |y, x| {
            u8::from((20..40).contains(&y) && (10..25).contains(&x))
        });
        let with = drawn(&image, &mask);
        let inside = |image: &Plane<u8>| -> f32 {
            let pixels = image.as_slice().iter().zip(mask.as_slice());
            pixels
                .filter(|(_, m)| **m > 0)
                .map(|(v, _)| f32::from(*v))
                .sum()
        };
        assert!(inside(&with) < 0.95 * inside(&image));
        assert_eq!(with.row(60), image.row(60));
        assert_eq!(with.row(30)[50..], image.row(30)[50..]);
    }
}
