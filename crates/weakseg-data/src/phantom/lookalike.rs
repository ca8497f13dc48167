//! Look-alikes: lines and edges a reader must not take for a pneumothorax. They come with and
//! without one, equally often.

use super::SIDES;
use super::anatomy::Anatomy;
use super::canvas::{Canvas, Profile, Vertex};
use super::chance::Chance;
use super::curve::{smoothstep, spline};

/// Paints the look-alikes a case happens to have.
pub(super) fn paint(canvas: &mut Canvas, anatomy: &Anatomy, chance: &mut Chance) {
    for side in SIDES {
        let sign = side.sign();
        let fold = Fold::draw(chance, anatomy, sign);
        if chance.happens(0.22) {
            fold.paint(canvas);
        }
        let veil = chance.between(0.02, 0.05);
        if chance.happens(0.45) {
            companion(canvas, anatomy, sign, veil);
        }
        let cap = chance.between(0.03, 0.06);
        if chance.happens(0.15) {
            apical_cap(canvas, anatomy, sign, cap);
        }
    }
    let lead = lead(chance);
    if chance.happens(0.15) {
        canvas.tube(&lead, Profile::Round);
    }
}

/// A fold of skin: brightness that grows towards an edge and drops there, running on past the
/// border of the lung. Vessels go through it.
struct Fold {
    top: (f32, f32),
    bottom: (f32, f32),
    bow: f32,
    width: f32,
    weight: f32,
    /// Which way the brightness fades: +1 to the picture's right.
    fades: f32,
}

impl Fold {
    fn draw(chance: &mut Chance, anatomy: &Anatomy, sign: f32) -> Self {
        let breadth = anatomy.lungs[0].breadth;
        let top = (
            sign * breadth * chance.between(0.35, 0.95),
            chance.between(0.10, 0.38),
        );
        let length = chance.between(0.30, 0.62);
        let lean = chance.between(-0.16, 0.24);
        Self {
            top,
            bottom: (top.0 + sign * lean, top.1 + length),
            bow: chance.normal(0.0, 0.03),
            width: chance.between(0.03, 0.08),
            weight: chance.between(0.03, 0.075),
            fades: if chance.happens(0.7) { -sign } else { sign },
        }
    }

    fn paint(&self, canvas: &mut Canvas) {
        let (dx, dy) = (self.bottom.0 - self.top.0, self.bottom.1 - self.top.1);
        let length = (dx * dx + dy * dy).sqrt();
        let soft = (0.7 / canvas.pose.scale).max(0.0025);
        for row in 0..canvas.size {
            for column in 0..canvas.size {
                let (x, y) = canvas.pose.to_body(row, column);
                let (px, py) = (x - self.top.0, y - self.top.1);
                let t = (px * dx + py * dy) / (length * length);
                if !(-0.1..=1.1).contains(&t) {
                    continue;
                }
                let off = (px * dy - py * dx) / length - self.bow * 4.0 * t * (1.0 - t);
                let behind = off * self.fades;
                if behind < -soft || behind > self.width {
                    continue;
                }
                let ends = smoothstep(-0.1, 0.15, t) * smoothstep(1.1, 0.8, t);
                let ramp = (1.0 - behind.max(0.0) / self.width).powi(2);
                let place = &mut canvas.field[row * canvas.size + column];
                // A fold lies on the body: nothing of it in the air.
                let on_body = smoothstep(0.02, 0.15, *place);
                *place += self.weight * ramp * ends * smoothstep(-soft, soft, behind) * on_body;
            }
        }
    }
}

/// The skin over the clavicle: a faint band along its upper border.
fn companion(canvas: &mut Canvas, anatomy: &Anatomy, sign: f32, weight: f32) {
    let top = anatomy.lungs[0].apex.1;
    let points = [
        (0.10, top + 0.050),
        (0.165, top + 0.024),
        (0.25, top - 0.002),
        (0.33, top - 0.012),
    ];
    let path: Vec<Vertex> = spline(&points, 6)
        .into_iter()
        .map(|(h, y)| Vertex {
            x: sign * h,
            y,
            radius: 0.0075,
            weight,
        })
        .collect();
    canvas.tube(&path, Profile::Soft);
}

/// A cap of thickened pleura along the inside of the apex.
fn apical_cap(canvas: &mut Canvas, anatomy: &Anatomy, sign: f32, weight: f32) {
    let lung = &anatomy.lungs[usize::from(sign > 0.0)];
    let mut path = Vec::new();
    for i in 0..24 {
        let y = lung.apex.1 + 0.004 + 0.0032 * (23 - i) as f32;
        path.push(Vertex {
            x: sign * (lung.lateral(y) - 0.006),
            y: y + 0.005,
            radius: 0.010,
            weight: weight * (i as f32 / 10.0).min(1.0),
        });
    }
    canvas.tube(&path, Profile::Soft);
}

/// A lead of the electrocardiogram, lying over the chest.
fn lead(chance: &mut Chance) -> Vec<Vertex> {
    let mut points = Vec::new();
    let mut at = (chance.between(-0.25, 0.25), chance.between(0.20, 0.62));
    let side = if chance.happens(0.5) { 1.0 } else { -1.0 };
    for _ in 0..6 {
        points.push(at);
        at = (
            at.0 + side * chance.between(0.04, 0.15),
            at.1 + chance.normal(0.03, 0.06),
        );
    }
    spline(&points, 8)
        .into_iter()
        .map(|(x, y)| Vertex {
            x,
            y,
            radius: 0.0020,
            weight: 0.12,
        })
        .collect()
}
