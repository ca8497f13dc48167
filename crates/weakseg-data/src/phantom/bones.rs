//! Bones: ribs, clavicles, scapulae, humeri and the spine.

use super::anatomy::{Anatomy, Lung};
use super::canvas::{Canvas, Profile, Vertex};
use super::chance::Chance;
use super::curve::spline;
use super::{SIDES, Side};

/// Ribs seen on each side.
const RIBS: usize = 11;

/// Paints all bones, behind and before the lungs alike: absorption only adds up.
pub(super) fn paint(canvas: &mut Canvas, anatomy: &Anatomy, chance: &mut Chance) {
    let mineral = chance.between(0.8, 1.2);
    let drop = chance.normal(0.0, 0.012);
    let clavicle = (chance.normal(0.0, 0.012), chance.normal(0.0, 0.012));
    for side in SIDES {
        ribs(canvas, anatomy.lung(side), mineral, drop, chance);
        shoulder(canvas, side, anatomy, mineral, clavicle, chance);
    }
    spine(canvas, anatomy, mineral, chance);
}

/// Each rib is one bow: from the spine up and out behind, round the side, and down and inwards
/// before the lung, where it is broader and fainter and ends in cartilage.
fn ribs(canvas: &mut Canvas, lung: &Lung, mineral: f32, drop: f32, chance: &mut Chance) {
    let sign = lung.side.sign();
    let top = lung.apex.1;
    let spacing = (lung.angle - top) * 0.094;
    for k in 0..RIBS {
        let n = k as f32;
        let jitter = chance.normal(0.0, 0.0025);
        let root = top + 0.012 + spacing * n * (0.93 + 0.009 * n) + jitter;
        // The side of the bow: the first ribs turn early, the lower ones hang.
        let fall = 0.028 + 0.0125 * n.min(7.0) + drop;
        let turn = root + fall;
        let far = (lung.lateral(turn) + 0.004).max(lung.apex.0 * 0.95 + 0.02);
        let front = turn + 0.060 + 0.010 * n.min(6.0);
        let reach = lung.lateral(front).min(far);
        let points = [
            (0.028, root + 0.004),
            (0.30 * far, root - 0.004),
            (0.62 * far, root + 0.16 * fall),
            (0.88 * far, root + 0.52 * fall),
            (far, turn),
            (0.93 * reach, turn + 0.55 * (front - turn)),
            (0.66 * reach, front),
            (0.43 * reach, front + 0.022),
        ];
        let curve = spline(&points, 7);
        let last = curve.len() as f32 - 1.0;
        let floating = if k >= 9 { 0.55 } else { 1.0 };
        let path: Vec<Vertex> = curve
            .iter()
            .enumerate()
            .map(|(i, &(h, y))| {
                let t = i as f32 / last;
                // Behind up to 4/7 of the way, then the fainter front.
                let front = ((t - 0.55) / 0.2).clamp(0.0, 1.0);
                let end = ((1.0 - t) / 0.22).min(1.0) * (0.35 + t / 0.16).min(1.0);
                let strength = (0.088 - 0.040 * front) * end * floating;
                Vertex {
                    x: sign * h,
                    y,
                    radius: (0.0118 + 0.0022 * front) * (0.86 + 0.14 * (t * 9.0).min(1.0)),
                    weight: strength * mineral,
                }
            })
            .collect();
        if floating < 1.0 {
            canvas.tube(&path[..path.len() * 4 / 7], Profile::Cortex);
        } else {
            canvas.tube(&path, Profile::Cortex);
        }
    }
}

/// Clavicle, scapula and the head of the humerus.
fn shoulder(
    canvas: &mut Canvas,
    side: Side,
    anatomy: &Anatomy,
    mineral: f32,
    lift: (f32, f32),
    chance: &mut Chance,
) {
    let sign = side.sign();
    let lung = anatomy.lung(side);
    let top = lung.apex.1;
    let tube = |canvas: &mut Canvas, points: &[(f32, f32, f32)], weight: f32, profile: Profile| {
        let flat: Vec<(f32, f32)> = points.iter().map(|p| (p.0, p.1)).collect();
        let per_span = 8;
        let path: Vec<Vertex> = spline(&flat, per_span)
            .iter()
            .enumerate()
            .map(|(i, &(h, y))| {
                let span = (i / per_span).min(points.len() - 2);
                let t = i as f32 / per_span as f32 - span as f32;
                let radius = points[span].2 + (points[span + 1].2 - points[span].2) * t;
                Vertex {
                    x: sign * h,
                    y,
                    radius,
                    weight: weight * mineral,
                }
            })
            .collect();
        canvas.tube(&path, profile);
    };
    let y = top + 0.095 + 0.3 * lift.0;
    let rise = 0.075 + lift.1;
    tube(
        canvas,
        &[
            (0.030, y, 0.0165),
            (0.085, y - 0.16 * rise, 0.0135),
            (0.165, y - 0.58 * rise, 0.0105),
            (0.255, y - 0.98 * rise, 0.0105),
            (0.335, y - 1.12 * rise, 0.0120),
            (0.395, y - 1.05 * rise, 0.0135),
        ],
        0.125,
        Profile::Cortex,
    );
    // Scapula: thin plate with a denser side border; its inner border lies over the lung or
    // beside it, as the arms were held.
    let inward = chance.normal(0.0, 0.020);
    let inner = 0.290 + inward;
    let low = top + 0.345 + chance.normal(0.0, 0.015);
    let plate = [
        (inner + 0.02, top + 0.06, 0.0),
        (inner + 0.065, top + 0.17, 0.045),
        (inner + 0.045, low - 0.03, 0.012),
    ];
    tube(canvas, &plate, 0.035, Profile::Soft);
    let medial = [
        (inner + 0.02, top + 0.045, 0.003),
        (inner, top + 0.17, 0.003),
        (inner + 0.028, low, 0.005),
    ];
    tube(canvas, &medial, 0.035, Profile::Round);
    let lateral = [
        (inner + 0.028, low, 0.005),
        (inner + 0.078, top + 0.20, 0.008),
        (0.405, top + 0.085, 0.016),
    ];
    tube(canvas, &lateral, 0.060, Profile::Cortex);
    let ridge = [
        (inner + 0.01, top + 0.095, 0.004),
        (0.35, top + 0.035, 0.007),
        (0.43, top - 0.005, 0.013),
    ];
    tube(canvas, &ridge, 0.050, Profile::Cortex);
    let arm = anatomy.arm;
    let shaft = 0.445 + (arm - 0.425) * 0.3;
    let humerus = [
        (0.440, top + 0.070, 0.040),
        (0.450, top + 0.090, 0.036),
        (0.452, top + 0.150, 0.022),
        (shaft, top + 0.33, 0.0185),
        (arm, 0.97, 0.0185),
    ];
    tube(canvas, &humerus, 0.11, Profile::Cortex);
}

/// Vertebral bodies with discs between, pedicles and spinous processes, mostly veiled by the
/// mediastinum.
fn spine(canvas: &mut Canvas, anatomy: &Anatomy, mineral: f32, chance: &mut Chance) {
    let bend = chance.normal(0.0, 0.006);
    let pitch = 0.052;
    for k in 0..22 {
        let n = k as f32;
        let y = -0.02 + pitch * n * (0.88 + 0.008 * n);
        let half = 0.026 + 0.0006 * n;
        let x = bend * (y * 5.0).sin() + anatomy.shift * 0.25;
        let weight = 0.034 * mineral;
        let across = |dx: f32, dy: f32, radius: f32, weight: f32| Vertex {
            x: x + dx,
            y: y + dy,
            radius,
            weight,
        };
        canvas.tube(
            &[
                across(-half, 0.0, 0.019, weight),
                across(half, 0.0, 0.019, weight),
            ],
            Profile::Cortex,
        );
        for sign in [-1.0, 1.0] {
            let at = sign * half * 0.78;
            canvas.tube(
                &[
                    across(at, -0.006, 0.0065, 0.022),
                    across(at, 0.004, 0.0065, 0.022),
                ],
                Profile::Round,
            );
            // Transverse process, towards its rib.
            canvas.tube(
                &[
                    across(sign * half, -0.004, 0.008, 0.03),
                    across(sign * (half + 0.020), -0.008, 0.006, 0.015),
                ],
                Profile::Round,
            );
        }
        canvas.tube(
            &[
                across(0.0, 0.006, 0.006, 0.03),
                across(0.0, 0.024, 0.005, 0.03),
            ],
            Profile::Round,
        );
    }
}
