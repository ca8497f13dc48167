//! Local equalisation of the histogram with limited contrast.

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::lab::change_lightness;
use super::operation::{range, within};
use crate::chance::between;
use crate::{DataError, Stack};

/// CLAHE (Zuiderveld 1994) as OpenCV computes it; of a colour image its lightness (L of CIE Lab) is equalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clahe {
    /// Least and greatest limit on a bin of a tile's histogram, in multiples of the mean bin.
    pub clip: [f64; 2],
    /// Tiles along each side.
    pub tiles: usize,
}

impl Default for Clahe {
    fn default() -> Self {
        Self {
            clip: [1.0, 2.0],
            tiles: 8,
        }
    }
}

impl Clahe {
    pub(super) fn check(&self) -> Result<(), DataError> {
        range("clip", self.clip, 1.0, 256.0)?;
        within("tiles", self.tiles as f64, 1.0, 64.0, "")
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Change {
        let [low, high] = self.clip;
        Change::Equalise(between(rng, low, high), self.tiles)
    }
}

/// Equalises an image in place: the lightness of three channels, any other number of them each for itself.
pub(super) fn equalise(image: &mut Stack<u8>, clip: f64, tiles: usize) {
    let (height, width) = (image.height(), image.width());
    if image.channels() == 3 {
        change_lightness(image, |plane| clahe(plane, height, width, clip, tiles));
    } else {
        for channel in 0..image.channels() {
            let equal = clahe(image.plane(channel), height, width, clip, tiles);
            image.plane_mut(channel).copy_from_slice(&equal);
        }
    }
}

/// Each tile has a table from its clipped histogram; a pixel is mapped by those of the four nearest tiles, in
/// proportion.
fn clahe(plane: &[u8], height: usize, width: usize, clip: f64, tiles: usize) -> Vec<u8> {
    // OpenCV pads an image that does not fall into equal tiles, below and to the right, with its mirror image; an axis
    // that would do by itself then grows by a whole tile's worth of rows.
    let whole = height.is_multiple_of(tiles) && width.is_multiple_of(tiles);
    let [tile_height, tile_width] = [height, width].map(|side| match whole {
        true => side / tiles,
        false => side / tiles + 1,
    });
    let tables: Vec<[u8; 256]> = (0..tiles * tiles)
        .map(|tile| {
            let (top, left) = (tile / tiles * tile_height, tile % tiles * tile_width);
            let mut counts = [0_u32; 256];
            for y in top..top + tile_height {
                let row = &plane[reflect_101(y, height) * width..][..width];
                for x in left..left + tile_width {
                    counts[usize::from(row[reflect_101(x, width)])] += 1;
                }
            }
            table(&mut counts, (tile_height * tile_width) as u32, clip)
        })
        .collect();
    let columns: Vec<[usize; 2]> = (0..width).map(|x| near(x, tile_width, tiles)).collect();
    let shares: Vec<f32> = (0..width).map(|x| share(x, tile_width)).collect();
    let mut out = Vec::with_capacity(plane.len());
    for (y, row) in plane.chunks_exact(width).enumerate() {
        let [above, below] = near(y, tile_height, tiles);
        let fy = share(y, tile_height);
        let (upper, lower) = (
            &tables[above * tiles..][..tiles],
            &tables[below * tiles..][..tiles],
        );
        for ((&value, [left, right]), fx) in row.iter().zip(&columns).zip(&shares) {
            let at =
                |tables: &[[u8; 256]], tile: usize| f32::from(tables[tile][usize::from(value)]);
            let above = at(upper, *left) * (1.0 - fx) + at(upper, *right) * fx;
            let below = at(lower, *left) * (1.0 - fx) + at(lower, *right) * fx;
            out.push((above * (1.0 - fy) + below * fy).round_ties_even() as u8);
        }
    }
    out
}

/// The two tiles whose middles enclose a pixel; at the border twice the same.
fn near(at: usize, tile: usize, tiles: usize) -> [usize; 2] {
    let first = (at as f32 / tile as f32 - 0.5).floor();
    let second = (first as isize + 1).clamp(0, tiles as isize - 1) as usize;
    [(first.max(0.0) as usize).min(tiles - 1), second]
}

/// Share of the second of the two tiles.
fn share(at: usize, tile: usize) -> f32 {
    let place = at as f32 / tile as f32 - 0.5;
    place - place.floor()
}

/// Clips a histogram, spreads what was cut off over all bins, and sums it up to a table.
fn table(counts: &mut [u32; 256], pixels: u32, clip: f64) -> [u8; 256] {
    let limit = ((clip * f64::from(pixels) / 256.0) as u32).max(1);
    let mut excess = 0;
    for count in counts.iter_mut() {
        excess += count.saturating_sub(limit);
        *count = (*count).min(limit);
    }
    let (each, left) = (excess / 256, excess as usize % 256);
    for count in counts.iter_mut() {
        *count += each;
    }
    // One each, as far apart as they go.
    let apart = 256_usize.checked_div(left).unwrap_or(1);
    for count in counts.iter_mut().step_by(apart).take(left) {
        *count += 1;
    }
    let scale = 255.0 / pixels as f32;
    let mut sum = 0;
    std::array::from_fn(|value| {
        sum += counts[value];
        (sum as f32 * scale).round_ties_even() as u8
    })
}

/// The pixel of `0..length` that mirrors `at` beyond its end.
fn reflect_101(at: usize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let folded = at % (2 * (length - 1));
    folded.min(2 * (length - 1) - folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_never_falls_and_ends_in_white() {
        let mut counts = [0_u32; 256];
        for (value, count) in counts.iter_mut().enumerate() {
            *count = (value as u32 * 37) % 91;
        }
        let pixels = counts.iter().sum();
        for clip in [1.0, 1.5, 2.0, 40.0] {
            let table = table(&mut counts.clone(), pixels, clip);
            assert!(table.windows(2).all(|w| w[0] <= w[1]));
            assert_eq!(table[255], 255);
        }
    }

    /// With a limit of one mean bin every histogram becomes flat, and the table the identity but for rounding.
    #[test]
    fn at_the_least_limit_hardly_anything_changes() {
        for value in [0_u8, 77, 255] {
            let mut flat = Stack::filled(1, 256, 256, value);
            equalise(&mut flat, 1.0, 8);
            let first = flat.plane(0)[0];
            assert!(first.abs_diff(value) <= 2, "{value}: {first}");
            assert_eq!(flat, Stack::filled(1, 256, 256, first));
        }
    }

    #[test]
    fn images_smaller_than_the_tiles_are_equalised_too() {
        for (height, width) in [(1, 1), (3, 9), (7, 2)] {
            let mut image = Stack::filled(1, height, width, 90_u8);
            equalise(&mut image, 2.0, 8);
            let first = image.plane(0)[0];
            assert_eq!(image, Stack::filled(1, height, width, first));
        }
    }
}
