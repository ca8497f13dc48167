//! Marks: the side letter and the borders of the collimator.

use super::canvas::{Canvas, Profile, Vertex};
use super::chance::Chance;
use crate::Plane;

/// Marks of one picture, drawn like everything else whatever the label.
pub(super) struct Marks {
    letter: Option<Letter>,
    /// Width of the unexposed border in picture heights: left, top, right, bottom.
    border: [f32; 4],
    slant: f32,
}

struct Letter {
    left: bool,
    x: f32,
    y: f32,
    height: f32,
}

impl Marks {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        let left = chance.happens(0.6);
        let letter = Letter {
            left,
            x: chance.between(0.385, 0.445) * if left { 1.0 } else { -1.0 },
            y: chance.between(0.035, 0.16),
            height: chance.between(0.030, 0.048),
        };
        let has_letter = chance.happens(0.6);
        let border = [(); 4].map(|()| {
            let width = chance.between(0.008, 0.05);
            if chance.happens(0.13) { width } else { 0.0 }
        });
        Self {
            letter: has_letter.then_some(letter),
            border,
            slant: chance.normal(0.0, 0.012),
        }
    }

    /// Paints the lead letter.
    pub(super) fn paint_letter(&self, canvas: &mut Canvas) {
        let Some(letter) = &self.letter else { return };
        let (height, width) = (letter.height, letter.height * 0.6);
        let strokes: &[&[(f32, f32)]] = if letter.left {
            &[&[(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)]]
        } else {
            &[
                &[
                    (0.0, 1.0),
                    (0.0, 0.0),
                    (0.8, 0.03),
                    (1.0, 0.25),
                    (0.8, 0.48),
                    (0.0, 0.5),
                ],
                &[(0.45, 0.5), (1.0, 1.0)],
            ]
        };
        for stroke in strokes {
            let path: Vec<Vertex> = stroke
                .iter()
                .map(|&(u, v)| Vertex {
                    x: letter.x + (u - 0.5) * width,
                    y: letter.y + v * height,
                    radius: 0.0042,
                    weight: 1.1,
                })
                .collect();
            canvas.tube(&path, Profile::Round);
        }
    }

    /// Darkens what the collimator covered.
    pub(super) fn collimate(&self, grey: &mut Plane<u8>) {
        if self.border.iter().all(|&width| width == 0.0) {
            return;
        }
        let size = grey.height();
        let [left, top, right, bottom] = self.border;
        for row in 0..size {
            let v = (row as f32 + 0.5) / size as f32;
            for column in 0..size {
                let u = (column as f32 + 0.5) / size as f32;
                let (across, down) = (self.slant * (v - 0.5), self.slant * (u - 0.5));
                let inside =
                    |width: f32, distance: f32| if width > 0.0 { distance - width } else { 1.0 };
                let depth = inside(left, u + across)
                    .min(inside(top, v + down))
                    .min(inside(right, 1.0 - u - across))
                    .min(inside(bottom, 1.0 - v - down));
                let open = (depth * 220.0 + 0.5).clamp(0.0, 1.0);
                let lit = f32::from(grey.get(row, column)) * (0.06 + 0.94 * open);
                grey.set(row, column, lit as u8);
            }
        }
    }
}
