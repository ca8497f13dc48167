//! Texture: smooth noise fixed to the body, the same at every size of the picture.

/// Smooth noise: even values on a grid of unit squares, blended smoothly between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texture {
    key: u32,
}

impl Texture {
    pub(super) fn new(key: u32) -> Self {
        Self { key }
    }

    /// A value in `[-1, 1]` at (x, y), of one oscillation a unit or so.
    pub(super) fn at(self, x: f32, y: f32) -> f32 {
        let (fx, fy) = (x.floor(), y.floor());
        let (ix, iy) = (fx as i32, fy as i32);
        let fade = |t: f32| t * t * (3.0 - 2.0 * t);
        let (tx, ty) = (fade(x - fx), fade(y - fy));
        let (a, b) = (self.knot(ix, iy), self.knot(ix + 1, iy));
        let (c, d) = (self.knot(ix, iy + 1), self.knot(ix + 1, iy + 1));
        let (top, bottom) = (a + (b - a) * tx, c + (d - c) * tx);
        top + (bottom - top) * ty
    }

    /// An even value in `[-1, 1]` for a knot of the grid (an integer hash).
    fn knot(self, x: i32, y: i32) -> f32 {
        let mut h = self
            .key
            .wrapping_add((x as u32).wrapping_mul(0x9E37_79B1))
            .wrapping_add((y as u32).wrapping_mul(0x85EB_CA77));
        h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
        h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
        h ^= h >> 15;
        h as f32 / (u32::MAX as f32 * 0.5) - 1.0
    }
}
