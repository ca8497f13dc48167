//! Body: soft tissue and air, pixel by pixel.

use super::anatomy::Anatomy;
use super::canvas::Canvas;
use super::curve::{bell, smoothstep};
use super::lesion::Pneumothorax;
use super::texture::Texture;
use super::{SIDES, Side};
use crate::Plane;

/// Absorption the full depth of air in a lung replaces.
const AIR: f32 = 0.62;
/// Absorption of the lung's own tissue, as a share of [`AIR`].
const LUNG: f32 = 0.19;

/// What the painting of the soft tissue also finds out.
pub(super) struct Fields {
    /// 0 outside, 1 the right lung's field, 2 the left's.
    pub(super) lungs: Plane<u8>,
    /// 1 in the crescent.
    pub(super) crescent: Plane<u8>,
}

/// Paints trunk, neck, arms, heart, mediastinum, lungs and stomach.
pub(super) fn paint(
    canvas: &mut Canvas,
    anatomy: &Anatomy,
    lesion: Option<&Pneumothorax>,
    key: u32,
) -> Fields {
    let size = canvas.size;
    let mut fields = Fields {
        lungs: Plane::filled(size, size, 0),
        crescent: Plane::filled(size, size, 0),
    };
    let grain = Grain::new(key, canvas.pose.scale);
    for row in 0..size {
        for column in 0..size {
            let (x, y) = canvas.pose.to_body(row, column);
            let side = if x < anatomy.shift {
                Side::Right
            } else {
                Side::Left
            };
            let mut value = tissue(anatomy, x, y);
            if value > 0.0 {
                value += heart(anatomy, x, y) + breast(anatomy, x, y);
                value *= 1.0 + 0.03 * grain.coarse(x, y);
            }
            let lung = anatomy.lung(side);
            let h = x * side.sign();
            let air = lung.air(h, y);
            if air > 0.0 {
                let mut density = LUNG * (1.0 - 0.12 * (y - 0.45) + grain.lung(x, y));
                if let Some(lesion) = lesion.filter(|lesion| lesion.side() == side) {
                    let beyond = lesion.beyond(h, y);
                    let share = (beyond * canvas.pose.scale + 0.5).clamp(0.0, 1.0);
                    let (fh, fy) = lesion.carry_back(h, y);
                    let collapsed =
                        LUNG * (1.0 + grain.lung(fh * side.sign(), fy)) * lesion.crowding(h, y);
                    let empty = LUNG * (1.0 - lesion.clarity());
                    density = collapsed + (empty - collapsed) * share;
                    if beyond > 0.0 && lung.in_field(h, y) {
                        fields.crescent.set(row, column, 1);
                    }
                }
                value -= AIR * air * (1.0 - density) * (value / 0.92).min(1.0);
                if lung.in_field(h, y) {
                    fields.lungs.set(row, column, side.index() as u8 + 1);
                }
            }
            canvas.field[row * size + column] += value.max(0.0);
        }
    }
    fields
}

/// Depth of soft tissue without lungs: 0 in the air about the body.
fn tissue(anatomy: &Anatomy, x: f32, y: f32) -> f32 {
    let out = x.abs();
    let trunk = anatomy.trunk + 0.30 * smoothstep(0.40, 0.20, y) + 0.02 * smoothstep(0.5, 0.9, y);
    let shoulder =
        anatomy.shoulder + 0.20 * (out - anatomy.neck) + 2.2 * (out - 0.40).max(0.0).powi(2);
    let below = 0.98 * (y - shoulder);
    let neck = anatomy.neck + 0.02 * smoothstep(0.0, 0.08, y) - out;
    // A rounded union of the neck and what lies below the shoulders' line.
    let (sum, apart) = (below + neck, below - neck);
    let top = 0.5 * (sum + (apart * apart + 0.004).sqrt()) - 0.012;
    let within = (trunk - out).min(top);
    let depth = 0.70
        + 0.22 * smoothstep(0.08, 0.32, y)
        + (0.08 + 0.06 * anatomy.stout) * smoothstep(0.55, 0.85, y);
    let thin = 1.0 - 0.16 * smoothstep(0.14, 0.44, out) * smoothstep(0.55, 0.2, y);
    let trunk = if within > 0.0 {
        depth * thin * (1.0 - (-within / 0.024).exp())
    } else {
        0.0
    };
    let arm = arm(anatomy, out, y);
    trunk.max(arm) + 0.12 * trunk.min(arm)
}

/// The upper arm, hanging at the side.
fn arm(anatomy: &Anatomy, out: f32, y: f32) -> f32 {
    let (ax, ay) = (0.425, 0.22);
    let (dx, dy) = (anatomy.arm - ax, 0.75);
    let t = (((out - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    let (ex, ey) = (out - ax - t * dx, y - ay - t * dy);
    let radius = 0.072 + 0.022 * anatomy.stout;
    let within = radius - (ex * ex + ey * ey).sqrt();
    if within > 0.0 {
        0.52 * (1.0 - (-within / 0.030).exp())
    } else {
        0.0
    }
}

/// Heart, mediastinum, spine's soft parts, trachea and stomach.
fn heart(anatomy: &Anatomy, x: f32, y: f32) -> f32 {
    let mid = x - anatomy.shift;
    let heart = 0.07
        * (1.0 - anatomy.heart.radius_squared(x, y))
            .max(0.0)
            .powf(0.8);
    let mediastinum = 0.12 * bell(mid, 0.0, 0.060) * smoothstep(0.04, 0.20, y);
    // The trachea's air column, down to the carina, and the main bronchi.
    let top = anatomy.lungs[0].apex.1;
    let carina = top + 0.225;
    let lean = -0.010 * smoothstep(top, carina, y);
    let width = 0.0165;
    let column =
        smoothstep(width, width * 0.4, (mid - lean).abs()) * smoothstep(carina, carina - 0.025, y);
    let mut air = 0.12 * column;
    for side in SIDES {
        let h = (mid - lean) * side.sign();
        let drop = if side == Side::Right { 0.85 } else { 0.62 };
        let off = (y - carina + 0.012 - drop * h).abs() / (1.0_f32 + drop * drop).sqrt();
        air += 0.06
            * smoothstep(0.012, 0.003, off)
            * smoothstep(0.0, 0.008, h)
            * smoothstep(0.085, 0.035, h);
    }
    let mut value = heart + mediastinum - air;
    if let Some((sx, sy, radius)) = anatomy.stomach {
        let (dx, dy) = ((x - sx) / (radius * 1.35), (y - sy) / (radius * 0.7));
        value -= 0.22 * smoothstep(1.0, 0.6, dx * dx + dy * dy);
    }
    value
}

/// Breasts: a veil over the lower lungs with a rounded lower edge.
fn breast(anatomy: &Anatomy, x: f32, y: f32) -> f32 {
    let (weight, radius) = if anatomy.female {
        (0.10 + 0.07 * anatomy.stout, 0.150 + 0.025 * anatomy.stout)
    } else {
        // Pectoral muscle.
        (0.035, 0.15)
    };
    let centre = if anatomy.female {
        (0.195, 0.62)
    } else {
        (0.20, 0.34)
    };
    let (dx, dy) = ((x.abs() - centre.0) / radius, (y - centre.1) / radius);
    let inside = (1.0 - dx * dx - dy * dy * if dy > 0.0 { 1.15 } else { 0.55 }).max(0.0);
    weight * inside.sqrt() * smoothstep(-1.4, 0.4, dy)
}

/// The noise of the tissue itself, without what is finer than a pixel.
struct Grain {
    texture: Texture,
    fine: f32,
    finer: f32,
}

impl Grain {
    fn new(key: u32, scale: f32) -> Self {
        // A grid of n per unit needs two pixels a cell.
        let seen = |n: f32| smoothstep(1.2 * n, 2.5 * n, scale);
        Self {
            texture: Texture::new(key),
            fine: seen(46.0),
            finer: seen(100.0),
        }
    }

    fn coarse(&self, x: f32, y: f32) -> f32 {
        self.texture.at(x * 9.0 + 50.0, y * 9.0)
    }

    fn lung(&self, x: f32, y: f32) -> f32 {
        0.22 * self.texture.at(x * 22.0, y * 22.0)
            + 0.30 * self.fine * self.texture.at(x * 46.0 + 9.0, y * 46.0)
            + 0.26 * self.finer * self.texture.at(x * 100.0, y * 100.0 + 5.0)
    }
}
