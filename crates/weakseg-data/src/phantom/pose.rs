//! Pose: where the body lies in the picture.

use super::chance::Chance;

/// The map between body coordinates and the pixels of a picture.
///
/// Body coordinates are relative: x is 0 on the midline and grows to the picture's right (the
/// patient's left), y grows downwards, and one unit is the height of the picture, so a body is
/// the same at every size.
#[derive(Debug, Clone)]
pub(super) struct Pose {
    /// Pixels a unit of body length covers.
    pub(super) scale: f32,
    cos: f32,
    sin: f32,
    shift: (f32, f32),
    size: f32,
}

impl Pose {
    /// Draws a pose for a picture of `size` × `size` pixels.
    pub(super) fn draw(chance: &mut Chance, size: usize) -> Self {
        let angle = chance.normal(0.0, 1.8_f32.to_radians());
        let zoom = chance.normal(1.10, 0.05);
        let shift = (chance.normal(0.0, 0.018), chance.normal(0.025, 0.020));
        Self {
            scale: zoom * size as f32,
            cos: angle.cos(),
            sin: angle.sin(),
            shift,
            size: size as f32,
        }
    }

    /// Body coordinates → pixel coordinates (the centre of the first pixel is 0.5).
    pub(super) fn to_pixel(&self, x: f32, y: f32) -> (f32, f32) {
        let y = y - 0.5;
        let (u, v) = (self.cos * x - self.sin * y, self.sin * x + self.cos * y);
        (
            u * self.scale + (0.5 + self.shift.0) * self.size,
            v * self.scale + (0.5 + self.shift.1) * self.size,
        )
    }

    /// The centre of pixel (row, column) → body coordinates.
    pub(super) fn to_body(&self, row: usize, column: usize) -> (f32, f32) {
        let u = (column as f32 + 0.5 - (0.5 + self.shift.0) * self.size) / self.scale;
        let v = (row as f32 + 0.5 - (0.5 + self.shift.1) * self.size) / self.scale;
        (
            self.cos * u + self.sin * v,
            -self.sin * u + self.cos * v + 0.5,
        )
    }
}
