//! Lesion: the pneumothorax, air between the chest wall and a lung drawn in towards its hilum.

use std::f32::consts::{PI, TAU};

use super::anatomy::Lung;
use super::canvas::{Canvas, Profile, Vertex};
use super::chance::Chance;
use super::curve::smoothstep;
use super::{PhantomConfig, Side, Site};

/// Directions the field's radius is tabled at.
const DIRECTIONS: usize = 360;
/// A crescent thinner than this (in picture heights) is no longer counted as one.
const SLIVER: f32 = 0.003;

/// What is decided before the body is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) side: Side,
    pub(super) site: Site,
    /// Greatest thickness of the crescent over the breadth of the hemithorax.
    pub(super) extent: f32,
    /// Sideways push of the mediastinum, away from the air.
    pub(super) push: f32,
    clarity: f32,
    phase: f32,
}

impl Plan {
    /// Draws a pneumothorax; small ones are as frequent as large ones.
    pub(super) fn draw(chance: &mut Chance, config: &PhantomConfig) -> Self {
        let side = if chance.happens(0.5) {
            Side::Right
        } else {
            Side::Left
        };
        let site = [Site::Apical, Site::Lateral, Site::ApicoLateral][chance.below(3)];
        let extent = chance.between(config.min_extent as f32, config.max_extent as f32);
        let tension = chance.unit() * ((extent - 0.22) / 0.16).clamp(0.0, 1.0);
        Self {
            side,
            site,
            extent,
            push: -side.sign() * 0.028 * tension,
            clarity: chance.between(0.6, 1.0),
            phase: chance.between(0.0, TAU),
        }
    }

    /// The crescent's thickness, as a share of the greatest, where the ray in a direction meets
    /// the chest wall at `end`; none where it meets the diaphragm.
    fn share(&self, angle: f32, end: (f32, f32), lung: &Lung) -> f32 {
        let (wall, floor) = lung.depths(end.0, end.1);
        if floor < wall {
            return 0.0;
        }
        let down = (end.1 - lung.apex.1) / (lung.angle - lung.apex.1);
        let along = match self.site {
            Site::Apical => 1.0 - smoothstep(-0.10, 0.46, down),
            Site::Lateral => smoothstep(0.0, 0.42, down) * (1.0 - smoothstep(0.62, 1.0, down)),
            Site::ApicoLateral => 1.0 - smoothstep(0.18, 0.96, down),
        };
        // None along the mediastinum.
        let turned = smoothstep(1.80, 1.50, angle);
        let wave = 1.0
            + 0.05 * (3.0 * angle + self.phase).sin()
            + 0.02 * (7.0 * angle + 2.0 * self.phase).sin();
        along * turned * wave
    }
}

/// The pneumothorax in a body: a radial shrinking of the chest's inside about a point behind
/// the hilum, strongest at the site and nil towards the mediastinum and the diaphragm.
pub(super) struct Pneumothorax {
    plan: Plan,
    centre: (f32, f32),
    /// By direction: the radius of the lung field and the thickness of the crescent.
    rays: Vec<(f32, f32)>,
}

impl Pneumothorax {
    pub(super) fn new(plan: Plan, lung: &Lung) -> Self {
        let centre = (0.030, lung.hilum.1 + 0.030);
        let mut rays: Vec<(f32, f32)> = (0..DIRECTIONS)
            .map(|i| {
                let angle = direction(i);
                let (dh, dy) = (angle.cos(), -angle.sin());
                let at = |r: f32| (centre.0 + dh * r, centre.1 + dy * r);
                let inside = |(h, y)| lung.in_chest(h, y);
                let (mut low, mut step) = (0.0, 0.02);
                while step > 2e-4 {
                    while low < 0.6 && inside(at(low + step)) {
                        low += step;
                    }
                    step *= 0.5;
                }
                (low, plan.share(angle, at(low), lung))
            })
            .collect();
        let most = rays.iter().map(|ray| ray.1).fold(0.1, f32::max);
        for (radius, thick) in &mut rays {
            *thick = (*thick * plan.extent * lung.breadth / most).min(0.78 * *radius);
        }
        Self { plan, centre, rays }
    }

    /// The side it is on.
    pub(super) fn side(&self) -> Side {
        self.plan.side
    }

    /// Distance, in body units, that a point lies beyond the pleural line; negative inside the
    /// lung and where no crescent lies in its direction.
    pub(super) fn beyond(&self, h: f32, y: f32) -> f32 {
        let (distance, angle) = self.polar(h, y);
        if self.ray(angle).1 < SLIVER {
            return -1.0;
        }
        let line = self.line(angle);
        // The line slants across the radius; to first order this is the true distance.
        let step = 0.02;
        let slope =
            (self.line(angle + step) - self.line(angle - step)) / (2.0 * step * line.max(0.02));
        (distance - line) / (1.0 + slope * slope).sqrt()
    }

    /// Where a point of the full lung comes to lie in the collapsed one.
    pub(super) fn carry(&self, h: f32, y: f32) -> (f32, f32) {
        let kept = 1.0 - self.loss(self.polar(h, y).1);
        let (ch, cy) = self.centre;
        (ch + (h - ch) * kept, cy + (y - cy) * kept)
    }

    /// Where a point of the collapsed lung lay in the full one.
    pub(super) fn carry_back(&self, h: f32, y: f32) -> (f32, f32) {
        let kept = 1.0 - self.loss(self.polar(h, y).1);
        let (ch, cy) = self.centre;
        (ch + (h - ch) / kept, cy + (y - cy) / kept)
    }

    /// How much denser than a full lung the collapsed one is at a point.
    pub(super) fn crowding(&self, h: f32, y: f32) -> f32 {
        1.0 + 0.9 * self.loss(self.polar(h, y).1)
    }

    /// The share of an aerated lung's density that is missing in the crescent.
    pub(super) fn clarity(&self) -> f32 {
        self.plan.clarity
    }

    /// Paints the visceral pleura: a thin line, brightest where it runs along the beam.
    pub(super) fn paint_line(&self, canvas: &mut Canvas, lung: &Lung) {
        let sign = self.plan.side.sign();
        let mut path: Vec<Vertex> = Vec::with_capacity(DIRECTIONS);
        for i in 0..DIRECTIONS {
            let angle = direction(i);
            let thick = self.ray(angle).1;
            if thick < SLIVER {
                continue;
            }
            let line = self.line(angle);
            let (h, y) = (
                self.centre.0 + angle.cos() * line,
                self.centre.1 - angle.sin() * line,
            );
            // It thins out with the crescent and ends at the mediastinum.
            let beside = smoothstep(-0.006, 0.004, h - lung.medial(y));
            let fade = ((thick - SLIVER) / 0.012).min(1.0) * beside;
            path.push(Vertex {
                x: sign * h,
                y,
                radius: 0.0026,
                weight: (0.075 + 0.045 * self.plan.clarity) * fade,
            });
        }
        canvas.tube(&path, Profile::Round);
    }

    fn polar(&self, h: f32, y: f32) -> (f32, f32) {
        let (dh, dy) = (h - self.centre.0, self.centre.1 - y);
        ((dh * dh + dy * dy).sqrt(), dy.atan2(dh))
    }

    /// The share of the radius lost in a direction.
    fn loss(&self, angle: f32) -> f32 {
        let (radius, thick) = self.ray(angle);
        thick / radius.max(0.02)
    }

    /// Distance of the pleural line from the centre in a direction.
    fn line(&self, angle: f32) -> f32 {
        let (radius, thick) = self.ray(angle);
        radius - thick
    }

    /// Radius of the lung field and thickness of the crescent in a direction.
    fn ray(&self, angle: f32) -> (f32, f32) {
        let t = (angle + PI).rem_euclid(TAU) / TAU * DIRECTIONS as f32;
        let i = t as usize % DIRECTIONS;
        let (a, b) = (self.rays[i], self.rays[(i + 1) % DIRECTIONS]);
        let t = t - t.floor();
        (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t)
    }
}

/// Direction `i`: 0 to the side, a quarter turn up.
fn direction(i: usize) -> f32 {
    i as f32 / DIRECTIONS as f32 * TAU - PI
}
