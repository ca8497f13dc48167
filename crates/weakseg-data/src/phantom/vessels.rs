//! Vessels: trees that leave the hila, branch and taper towards the pleura.

use super::Side;
use super::anatomy::{Anatomy, Lung};
use super::canvas::{Canvas, Profile, Vertex};
use super::chance::Chance;
use super::curve::smoothstep;
use super::lesion::Pneumothorax;

/// Step along a vessel, in picture heights.
const STEP: f32 = 0.011;
/// Thinnest vessel followed.
const THINNEST: f32 = 0.00075;

/// A vessel yet to be followed.
struct Shoot {
    h: f32,
    y: f32,
    angle: f32,
    radius: f32,
}

/// Paints the vessels of both lungs.
pub(super) fn paint(
    canvas: &mut Canvas,
    anatomy: &Anatomy,
    lesion: Option<&Pneumothorax>,
    chance: &mut Chance,
) {
    let density = chance.between(0.75, 1.25);
    for lung in &anatomy.lungs {
        let lesion = lesion.filter(|lesion| lesion.side() == lung.side);
        trees(canvas, lung, lesion, density, chance);
    }
}

/// Paints the vessels of one lung. In a pneumothorax they are drawn in with the lung, so none
/// reaches the crescent; the draws are the same with and without it.
fn trees(
    canvas: &mut Canvas,
    lung: &Lung,
    lesion: Option<&Pneumothorax>,
    density: f32,
    chance: &mut Chance,
) {
    let mut shoots = roots(lung, chance);
    while let Some(shoot) = shoots.pop() {
        let path = follow(lung, shoot, density, &mut shoots, chance);
        let path: Vec<Vertex> = path
            .into_iter()
            .map(|vertex| {
                let (h, y) = lesion.map_or((vertex.x, vertex.y), |l| l.carry(vertex.x, vertex.y));
                Vertex {
                    x: lung.side.sign() * h,
                    y,
                    ..vertex
                }
            })
            .collect();
        canvas.tube(&path, Profile::Round);
    }
}

/// The first branches: more and larger ones downwards, as in an upright chest.
fn roots(lung: &Lung, chance: &mut Chance) -> Vec<Shoot> {
    // (direction in degrees: 0 to the side, 90 up; radius)
    const ROOTS: [(f32, f32); 13] = [
        (88.0, 0.0048),
        (66.0, 0.0060),
        (44.0, 0.0048),
        (22.0, 0.0044),
        (4.0, 0.0046),
        (-16.0, 0.0052),
        (-32.0, 0.0062),
        (-46.0, 0.0078),
        (-60.0, 0.0098),
        (-72.0, 0.0072),
        (-84.0, 0.0056),
        (-98.0, 0.0048),
        (55.0, 0.0040),
    ];
    // The heart leaves less room on the left.
    let room = if lung.side == Side::Right { 0.9 } else { 0.72 };
    let steered = |degrees: f32| {
        if degrees < 0.0 {
            degrees * room
        } else {
            degrees
        }
    };
    ROOTS
        .iter()
        .map(|&(degrees, radius)| Shoot {
            h: lung.hilum.0 + chance.normal(-0.012, 0.010),
            y: lung.hilum.1 + chance.normal(0.0, 0.018) - 0.020 * (degrees / 90.0),
            angle: steered(degrees).to_radians() + chance.normal(0.0, 0.11),
            radius: radius * chance.between(0.85, 1.15),
        })
        .collect()
}

/// Follows one vessel to its end; side branches go to `shoots`.
fn follow(
    lung: &Lung,
    from: Shoot,
    density: f32,
    shoots: &mut Vec<Shoot>,
    chance: &mut Chance,
) -> Vec<Vertex> {
    let Shoot {
        mut h,
        mut y,
        mut angle,
        mut radius,
    } = from;
    let bend = chance.normal(0.0, 0.035);
    let mut hand = if chance.happens(0.5) { 1.0 } else { -1.0 };
    let mut path = Vec::new();
    for _ in 0..60 {
        // Vessels behind the heart and the mediastinum hardly show.
        let clear = 0.25 + 0.75 * smoothstep(-0.030, 0.010, h - lung.medial(y));
        path.push(Vertex {
            x: h,
            y,
            radius,
            weight: density * clear * (11.0 * radius + 0.022),
        });
        let (wall, floor) = lung.depths(h, y);
        if radius < THINNEST || wall < 0.010 || floor < -0.05 || h < 0.02 {
            break;
        }
        angle += bend + chance.normal(0.0, 0.125);
        h += STEP * angle.cos();
        y -= STEP * angle.sin();
        radius *= 0.968;
        if chance.happens(0.27) && path.len() > 1 {
            let share = chance.between(0.55, 0.82);
            shoots.push(Shoot {
                h,
                y,
                angle: angle + hand * chance.between(0.35, 0.95),
                radius: radius * share,
            });
            radius *= (1.0 - 0.42 * share * share).sqrt();
            hand = -hand;
        }
    }
    path
}
