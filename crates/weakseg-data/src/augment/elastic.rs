//! Elastic deformation.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bell::{bell, weigh};
use super::motion::Motion;
use super::operation::within;
use super::whole::whole;
use crate::DataError;
use crate::chance::between;
use crate::vectorized::vectorized;

/// A random affine map, then a smooth random displacement of every pixel (Simard et al. 2003; albumentations'
/// `ElasticTransform`): noise between -1 and 1, blurred with `sigma`, times `alpha`.
///
/// Lengths are pixels of an image whose longer side has `side` pixels, and shrink or grow with it (`alpha` with the
/// square, for the blurred noise of a finer grid is weaker). So an image is bent alike whether it is changed at full
/// size or at the network's, where it costs a fraction. `side = 0` takes lengths as pixels of whatever image comes.
///
/// The reference's two uses: `alpha = 120, sigma = 6, affine = 3.6` on X-rays of 1024 pixels, where a pixel wanders 3.3
/// pixels in the mean square, and `alpha = 1, sigma = 50, affine = 50` on photographs of 500, where all of it is the
/// affine map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Elastic {
    /// Factor on the blurred noise.
    pub alpha: f64,
    /// Standard deviation of the blur.
    pub sigma: f64,
    /// How far three points about the centre may move along each axis; never more than 0.4 of their distance to it
    /// along an axis, so that the map can be undone.
    pub affine: f64,
    /// Longer side of the images that these lengths are meant for; 0 for all.
    pub side: f64,
}

impl Default for Elastic {
    fn default() -> Self {
        Self {
            alpha: 120.0,
            sigma: 6.0,
            affine: 3.6,
            side: 1024.0,
        }
    }
}

impl Elastic {
    pub(super) fn check(&self) -> Result<(), DataError> {
        within("alpha", self.alpha, 0.0, 1e6, "")?;
        within("sigma", self.sigma, 0.5, 1e4, " pixels")?;
        within("affine", self.affine, 0.0, 1e4, " pixels")?;
        within("side", self.side, 0.0, 1e5, " pixels")
    }

    pub(super) fn draw(
        &self,
        rng: &mut ChaCha8Rng,
        height: usize,
        width: usize,
    ) -> (Motion, Field) {
        let factor = match self.side > 0.0 {
            true => height.max(width) as f64 / self.side,
            false => 1.0,
        };
        let motion = wobble(rng, self.affine * factor, height.min(width) as f64 / 3.0);
        let field = Field::draw(
            rng,
            self.alpha * factor * factor,
            self.sigma * factor,
            height,
            width,
        );
        (motion, field)
    }
}

/// The affine map that moves the corners (+s, +s), (+s, -s) and (-s, -s) about the centre, (x, y), by up to `reach`
/// along each axis.
fn wobble(rng: &mut ChaCha8Rng, reach: f64, s: f64) -> Motion {
    let reach = reach.min(0.4 * s);
    // (y, x) each.
    let [a, b, c] = [(); 3].map(|()| [(); 2].map(|()| between(rng, -reach, reach)));
    if reach <= 0.0 {
        return Motion::STILL;
    }
    // Along y the first two corners are 2s apart, along x the last two.
    let along_y = [0, 1].map(|axis| (a[axis] - b[axis]) / (2.0 * s));
    let along_x = [0, 1].map(|axis| (b[axis] - c[axis]) / (2.0 * s));
    let forward = [
        [1.0 + along_y[0], along_x[0]],
        [along_y[1], 1.0 + along_x[1]],
    ];
    let shift = [0, 1].map(|axis| a[axis] - s * (along_y[axis] + along_x[axis]));
    let [[p, q], [r, t]] = forward;
    let determinant = p * t - q * r;
    let inverse = [
        [t / determinant, -q / determinant],
        [-r / determinant, p / determinant],
    ];
    Motion::back(inverse, shift)
}

/// Nodes of the displacement's grid for each standard deviation of its blur: between two of them a straight line is
/// within a few hundredths of the curve.
const NODES: f64 = 2.0;

/// A smooth random displacement on a grid of nodes, straight between them.
///
/// Departs from the library, which blurs noise of every pixel: because what is left after the blur has no detail finer
/// than `sigma`, and nodes at `sigma / 2` carry it at a quarter of the arithmetic and less. Nodes have the variance
/// that the pixels had.
#[derive(Clone, Debug)]
pub(super) struct Field {
    columns: usize,
    /// Nodes a pixel.
    density: f32,
    /// Displacements of the nodes in pixels, row by row: y, then x.
    nodes: [Vec<f32>; 2],
}

impl Field {
    fn draw(rng: &mut ChaCha8Rng, alpha: f64, sigma: f64, height: usize, width: usize) -> Self {
        let density = (NODES / sigma).min(1.0);
        let [rows, columns] =
            [height, width].map(|side| ((side - 1) as f64 * density).floor() as usize + 2);
        let sigma = sigma * density;
        let radius = (3.0 * sigma).ceil() as usize;
        let weights = bell(sigma, radius);
        // The blurred noise of a coarser grid is stronger by the ratio of the steps.
        let factor = (alpha * density) as f32;
        let nodes = [(); 2].map(|()| {
            let (wide, tall) = (columns + 2 * radius, rows + 2 * radius);
            let mut noise = vec![0.0_f32; wide * tall];
            fill(rng, &mut noise, factor);
            smooth(&noise, rows, columns, &weights)
        });
        Self {
            columns,
            density: density as f32,
            nodes,
        }
    }

    /// Moves a row of places by the displacement at them.
    #[inline(always)]
    pub(super) fn trace(&self, ys: &mut [f32], xs: &mut [f32]) {
        let rows = self.nodes[0].len() / self.columns;
        let Some(&first) = ys.first() else {
            return;
        };
        // All are counted, for a search that may stop early is no work for vectors.
        if ys.iter().filter(|y| **y != first).count() == 0 {
            // A row of the output itself: the nodes above and below are the same for all of it.
            let (row, fy) = cell(first * self.density, rows);
            self.trace_row(row, fy, ys, xs);
            return;
        }
        let [down, across] = &self.nodes;
        for (y, x) in ys.iter_mut().zip(xs) {
            let (row, fy) = cell(*y * self.density, rows);
            let (column, fx) = cell(*x * self.density, self.columns);
            let at = row * self.columns + column;
            let mean = |nodes: &[f32]| {
                let (upper, lower) = (&nodes[at..at + 2], &nodes[at + self.columns..][..2]);
                let upper = upper[0] + (upper[1] - upper[0]) * fx;
                let lower = lower[0] + (lower[1] - lower[0]) * fx;
                upper + (lower - upper) * fy
            };
            let (dy, dx) = (mean(down), mean(across));
            *y += dy;
            *x += dx;
        }
    }

    /// Moves places that all lie between two rows of nodes, at the share `fy` of the lower one, which follows `row`.
    #[inline(always)]
    fn trace_row(&self, row: usize, fy: f32, ys: &mut [f32], xs: &mut [f32]) {
        const BLOCK: usize = 64;
        let [down, across] = [0, 1].map(|axis| {
            let both = &self.nodes[axis][row * self.columns..][..2 * self.columns];
            both.split_at(self.columns)
        });
        // Displacements along both axes lie together, so that a place reads those of two nodes at once.
        let mut nodes = vec![[0.0; 2]; self.columns];
        let (upper, lower) = (down.0.iter().zip(across.0), down.1.iter().zip(across.1));
        for (node, ((uy, ux), (ly, lx))) in nodes.iter_mut().zip(upper.zip(lower)) {
            *node = [uy + (ly - uy) * fy, ux + (lx - ux) * fy];
        }
        // Vectors find and mix, but do not read from places of their own: a loop each.
        for (ys, xs) in ys.chunks_mut(BLOCK).zip(xs.chunks_mut(BLOCK)) {
            let (mut firsts, mut shares) = ([0; BLOCK], [0.0; BLOCK]);
            let mut pairs = [[[0.0; 2]; 2]; BLOCK];
            for ((first, share), x) in firsts.iter_mut().zip(&mut shares).zip(&*xs) {
                (*first, *share) = cell(*x * self.density, self.columns);
            }
            for (pair, &first) in pairs.iter_mut().zip(&firsts).take(xs.len()) {
                *pair = [nodes[first], nodes[first + 1]];
            }
            let places = ys.iter_mut().zip(xs);
            for ((y, x), ([before, after], fx)) in places.zip(pairs.iter().zip(&shares)) {
                *y += before[0] + (after[0] - before[0]) * fx;
                *x += before[1] + (after[1] - before[1]) * fx;
            }
        }
    }
}

/// Fills with noise between `-reach` and `reach`, in 2^16 steps: four values of one draw of 64 bits.
fn fill(rng: &mut ChaCha8Rng, values: &mut [f32], reach: f32) {
    let mut bytes = [0; 4096];
    for values in values.chunks_mut(bytes.len() / 2) {
        let bytes = &mut bytes[..values.len().div_ceil(4) * 8];
        rng.fill_bytes(bytes);
        scale(bytes, values, reach);
    }
}

vectorized! {
    /// Noise between `-reach` and `reach` of two random bytes each.
    fn scale<'a>(bytes: &'a [u8], values: &'a mut [f32], reach: f32) {
        for (value, bits) in values.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *value = (f32::from(u16::from_le_bytes(*bits)) - 32_767.5) * (reach / 32_768.0);
        }
    }
}

/// The node before `place` with another after it, and how far from it; places outside are brought to the border.
#[inline(always)]
fn cell(place: f32, count: usize) -> (usize, f32) {
    let place = place.clamp(0.0, (count - 1) as f32);
    let first = place.floor().min((count - 2) as f32);
    (whole(first) as usize, place - first)
}

/// `rows` × `columns` weighted means of values that reach a radius further on each side.
fn smooth(values: &[f32], rows: usize, columns: usize, weights: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0_f32; rows * columns];
    let mut down = vec![0.0_f32; columns + weights.len() - 1];
    smooth_rows(values, weights, &mut down, &mut out, columns);
    out
}

vectorized! {
    /// [`smooth`] into rows of `columns` values, with room for one that reaches a radius further.
    fn smooth_rows<'a>(
        values: &'a [f32],
        weights: &'a [f32],
        down: &'a mut [f32],
        out: &'a mut [f32],
        columns: usize,
    ) {
        let wide = down.len();
        for (row, out) in out.chunks_exact_mut(columns).enumerate() {
            weigh(down, weights, |tap| &values[(row + tap) * wide..]);
            weigh(out, weights, |tap| &down[tap..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Purpose, stream};

    fn displacements(alpha: f64, sigma: f64, side: usize, index: u64) -> Vec<f32> {
        let mut rng = stream(Purpose::Augment, 1, 0, index);
        let field = Field::draw(&mut rng, alpha, sigma, side, side);
        (0..side)
            .flat_map(|row| {
                let mut ys = vec![row as f32; side];
                let mut xs: Vec<f32> = (0..side).map(|x| x as f32).collect();
                field.trace(&mut ys, &mut xs);
                ys.into_iter().map(move |y| y - row as f32)
            })
            .collect()
    }

    fn deviation(values: &[f32]) -> f64 {
        let squares: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
        (squares / values.len() as f64).sqrt()
    }

    /// A blur with weights w leaves the variance Σw² / 3 of noise between -1 and 1: 1 / (12 π σ²) for a Gaussian.
    #[test]
    fn pixels_wander_as_far_as_blurred_noise_of_every_pixel() {
        for (alpha, sigma) in [(120.0, 6.0), (120.0, 3.0), (30.0, 1.5)] {
            let mut values = Vec::new();
            for index in 0..4 {
                values.extend(displacements(alpha, sigma, 160, index));
            }
            let expected = alpha / sigma / (12.0 * std::f64::consts::PI).sqrt();
            let got = deviation(&values);
            // 4 · 160² pixels hold some 4 · 160² / (4 π σ²) independent values, 226 at least; lines between nodes take
            // 2 %.
            assert!(
                (got / expected - 1.0).abs() < 0.08,
                "{sigma}: {got} {expected}"
            );
        }
    }

    /// Rows of the output take a short cut, others do not.
    #[test]
    fn both_ways_to_a_displacement_agree() {
        let mut rng = stream(Purpose::Augment, 9, 0, 0);
        let field = Field::draw(&mut rng, 60.0, 4.0, 30, 40);
        let xs: Vec<f32> = (0..40).map(|x| x as f32).collect();
        let (mut row_ys, mut row_xs) = (vec![7.0; 40], xs.clone());
        field.trace(&mut row_ys, &mut row_xs);
        let (mut ys, mut other_xs) = (vec![7.0; 40], xs);
        ys[0] = 8.0;
        field.trace(&mut ys, &mut other_xs);
        for at in 1..40 {
            assert!((ys[at] - row_ys[at]).abs() < 1e-4, "{at}");
            assert!((other_xs[at] - row_xs[at]).abs() < 1e-4, "{at}");
        }
    }

    /// More than one portion, and a rest of less than a draw.
    #[test]
    fn noise_is_four_values_of_each_draw() {
        let mut rng = stream(Purpose::Augment, 2, 0, 0);
        let (mut values, mut draws) = (vec![0.0; 2051], rng.clone());
        fill(&mut rng, &mut values, 3.0);
        for four in values.chunks(4) {
            let draw = draws.next_u64();
            for (place, value) in four.iter().enumerate() {
                let bits = (draw >> (16 * place)) & 0xffff;
                let expected = (bits as f64 - 32_767.5) * 3.0 / 32_768.0;
                assert!((f64::from(*value) - expected).abs() < 1e-6);
            }
        }
        assert_eq!(rng.next_u64(), draws.next_u64());
    }

    #[test]
    fn the_displacement_is_smooth() {
        let values = displacements(120.0, 6.0, 96, 0);
        let greatest = values
            .chunks_exact(96)
            .flat_map(|row| row.windows(2).map(|w| (w[1] - w[0]).abs()))
            .fold(0.0_f32, f32::max);
        // Neighbours differ by a normal value of 3.25 / (6 √2) = 0.38.
        assert!(greatest < 4.5 * 0.39, "{greatest}");
    }

    #[test]
    fn the_three_points_land_where_they_are_sent() {
        let mut rng = stream(Purpose::Augment, 5, 0, 0);
        let (reach, s) = (10.0, 30.0);
        let motion = wobble(&mut rng.clone(), reach, s);
        let moves: Vec<f64> = (0..6).map(|_| between(&mut rng, -reach, reach)).collect();
        for (corner, (y, x)) in [(s, s), (-s, s), (-s, -s)].into_iter().enumerate() {
            let [dy, dx] = [moves[2 * corner], moves[2 * corner + 1]];
            let (mut ys, mut xs) = ([(y + dy) as f32], [(x + dx) as f32]);
            motion.trace([0.0, 0.0], &mut ys, &mut xs);
            assert!(
                (f64::from(ys[0]) - y).abs() < 1e-4,
                "{corner}: {} {y}",
                ys[0]
            );
            assert!(
                (f64::from(xs[0]) - x).abs() < 1e-4,
                "{corner}: {} {x}",
                xs[0]
            );
        }
    }

    #[test]
    fn no_reach_moves_nothing() {
        let mut rng = stream(Purpose::Augment, 0, 0, 0);
        assert_eq!(wobble(&mut rng, 0.0, 30.0), Motion::STILL);
        assert_eq!(wobble(&mut rng, 5.0, 0.0), Motion::STILL);
        assert!(displacements(0.0, 6.0, 20, 0).iter().all(|&v| v == 0.0));
    }
}
