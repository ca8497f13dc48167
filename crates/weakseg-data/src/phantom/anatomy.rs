//! Anatomy: the outlines of the chest, drawn once per case in body coordinates.

use super::chance::Chance;
use super::curve::{Curve, bell, smoothstep};
use super::{SIDES, Side};

/// The measures of one body.
pub(super) struct Anatomy {
    pub(super) female: bool,
    /// 0 slim … 1 stout.
    pub(super) stout: f32,
    /// Sideways place of the mediastinum.
    pub(super) shift: f32,
    pub(super) heart: Heart,
    /// Right and left lung, indexed by [`Side::index`].
    pub(super) lungs: [Lung; 2],
    /// Height of the shoulders' line where it leaves the neck.
    pub(super) shoulder: f32,
    pub(super) neck: f32,
    /// Half the breadth of the trunk.
    pub(super) trunk: f32,
    /// Distance of the arms' axis from the midline at the elbow.
    pub(super) arm: f32,
    pub(super) stomach: Option<(f32, f32, f32)>,
}

/// The heart: an ellipse leaning to the patient's left.
#[derive(Debug, Clone)]
pub(super) struct Heart {
    x: f32,
    y: f32,
    long: f32,
    short: f32,
    cos: f32,
    sin: f32,
}

/// One lung. Its own coordinate h is the distance from the midline, growing to the side.
pub(super) struct Lung {
    pub(super) side: Side,
    pub(super) apex: (f32, f32),
    /// Height of the costophrenic angle.
    pub(super) angle: f32,
    /// Height of the top of the diaphragm's dome.
    pub(super) dome: f32,
    /// Where vessels and bronchi enter.
    pub(super) hilum: (f32, f32),
    /// Greatest distance of the lateral border from the midline.
    pub(super) breadth: f32,
    lateral: Curve,
    medial: Curve,
    diaphragm: Curve,
}

impl Anatomy {
    /// Draws a body. `push` moves the mediastinum sideways (a tension pneumothorax).
    pub(super) fn draw(chance: &mut Chance, push: f32) -> Self {
        let female = chance.happens(0.45);
        let stout = chance.unit();
        let shift = chance.normal(0.0, 0.007) + push;
        let breath = chance.normal(0.0, 0.028);
        let breadth = chance.normal(0.317 - if female { 0.012 } else { 0.0 }, 0.014);
        let apex = chance.normal(0.128, 0.012);
        let dome = chance.normal(0.742, 0.012) + breath - 0.03 * stout;
        let heart = Heart::draw(chance, shift, dome, breadth);
        let lungs = SIDES.map(|side| {
            let shape = LungShape {
                apex: (
                    chance.normal(0.128, 0.008),
                    apex + chance.normal(0.0, 0.004),
                ),
                breadth: breadth * if side == Side::Right { 1.02 } else { 0.985 }
                    + chance.normal(0.0, 0.004),
                dome: dome
                    + if side == Side::Right {
                        0.0
                    } else {
                        chance.normal(0.028, 0.010)
                    },
                depth: chance.normal(0.105, 0.016),
                power: chance.normal(2.1, 0.15),
                knob: chance.normal(0.024, 0.006),
            };
            Lung::new(side, &shape, &heart, shift)
        });
        let trunk = breadth + 0.080 + 0.08 * stout + chance.normal(0.0, 0.008);
        let bubble = (
            chance.normal(0.13, 0.02),
            chance.between(0.045, 0.065),
            chance.between(0.035, 0.075),
        );
        let has_bubble = chance.happens(0.4);
        let left_dome = lungs[Side::Left.index()].dome;
        Self {
            female,
            stout,
            shift,
            heart,
            shoulder: apex - 0.035 + chance.normal(0.0, 0.014),
            neck: 0.098 + 0.025 * stout,
            trunk,
            arm: chance.between(0.50, 0.85),
            stomach: has_bubble.then_some((bubble.0, left_dome + bubble.1, bubble.2)),
            lungs,
        }
    }

    /// The lung on a side.
    pub(super) fn lung(&self, side: Side) -> &Lung {
        &self.lungs[side.index()]
    }
}

impl Heart {
    fn draw(chance: &mut Chance, shift: f32, dome: f32, breadth: f32) -> Self {
        let lean = chance.normal(0.66, 0.10);
        let long = chance.normal(0.525, 0.03) * breadth;
        let short = long * chance.normal(0.76, 0.035);
        Self {
            x: 0.046 + shift + chance.normal(0.0, 0.006),
            y: dome + 0.026 - 0.78 * long,
            long,
            short,
            cos: lean.cos(),
            sin: lean.sin(),
        }
    }

    /// Distance of the border on one side from the midline at height `y`; below its widest place
    /// it falls off slowly, towards the diaphragm. 0 above the heart.
    fn border(&self, sign: f32, y: f32) -> f32 {
        // The ellipse as a quadric in dx at a given dy.
        let (c, s) = (self.cos, self.sin);
        let (p, q) = (self.long.powi(-2), self.short.powi(-2));
        let a = c * c * p + s * s * q;
        let b = c * s * (p - q);
        let d = s * s * p + c * c * q;
        // dy where dx is greatest on this side, and that dx.
        let most = (d / (a * d - b * b)).sqrt();
        let widest = -sign * b * most / d;
        let dy = y - self.y;
        let root = (b * dy).powi(2) - a * (d * dy * dy - 1.0);
        let edge = if root >= 0.0 {
            (root.sqrt() - sign * b * dy) / a
        } else {
            0.0
        };
        let below = dy - widest;
        let edge = if below > 0.0 {
            edge.max(most - if sign > 0.0 { 0.75 } else { 0.22 } * below)
        } else {
            edge
        };
        if root < 0.0 && below <= 0.0 {
            0.0
        } else {
            edge + sign * self.x
        }
    }

    /// The squared elliptic radius of a point; 1 on the border.
    pub(super) fn radius_squared(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.x, y - self.y);
        let u = (self.cos * dx + self.sin * dy) / self.long;
        let v = (-self.sin * dx + self.cos * dy) / self.short;
        u * u + v * v
    }
}

struct LungShape {
    apex: (f32, f32),
    breadth: f32,
    dome: f32,
    depth: f32,
    power: f32,
    knob: f32,
}

impl Lung {
    fn new(side: Side, shape: &LungShape, heart: &Heart, shift: f32) -> Self {
        let LungShape {
            apex,
            breadth,
            dome,
            depth,
            power,
            knob,
        } = *shape;
        let angle = dome + depth;
        let sign = side.sign();
        let lateral = Curve::table(-0.1, 1.1, |y| {
            let s = (y - apex.1) / (angle - apex.1);
            if s <= 0.0 {
                return apex.0 + s * 0.5;
            }
            let rest = (1.0 - s.min(1.0)).powf(power);
            apex.0 + (breadth - apex.0) * (1.0 - rest).max(0.0).powf(0.52)
        });
        let medial = Curve::table(-0.1, 1.1, |y| {
            let s = ((y - apex.1) / 0.10).clamp(0.0, 1.0);
            let dome_side = apex.0 - (apex.0 - 0.050) * (1.0 - (1.0 - s) * (1.0 - s)).sqrt();
            let vessels = match side {
                Side::Right => {
                    0.008 * bell(y, apex.1 + 0.20, 0.05) + 0.010 * bell(y, apex.1 + 0.29, 0.04)
                }
                Side::Left => {
                    knob * bell(y, apex.1 + 0.165, 0.028) + 0.020 * bell(y, apex.1 + 0.275, 0.045)
                }
            };
            // The root of the great vessels broadens towards the heart.
            let root = 0.030 * smoothstep(apex.1 + 0.18, apex.1 + 0.44, y);
            let great = dome_side.max(0.050) + vessels + root + sign * shift;
            let heart = heart.border(sign, y);
            // A rounded union: the waist between vessels and heart is shallow.
            0.5 * (great + heart + ((great - heart).powi(2) + 0.0025).sqrt()) - 0.006
        });
        let crest = 0.55 * breadth;
        let diaphragm = Curve::table(0.0, 0.5, |h| {
            if h > crest {
                dome + depth * ((h - crest) / (breadth - crest)).powf(2.4)
            } else {
                dome + 0.035 * ((crest - h) / crest).powi(2)
            }
        });
        let hilum = match side {
            Side::Right => (0.086, apex.1 + 0.285),
            Side::Left => (0.092, apex.1 + 0.265),
        };
        Self {
            side,
            apex,
            angle,
            dome,
            hilum,
            breadth,
            lateral,
            medial,
            diaphragm,
        }
    }

    /// Distance of the lateral border from the midline at height `y`.
    pub(super) fn lateral(&self, y: f32) -> f32 {
        self.lateral.at(y)
    }

    /// Distance of the border to the mediastinum and heart from the midline at height `y`.
    pub(super) fn medial(&self, y: f32) -> f32 {
        self.medial.at(y)
    }

    /// How deep a point lies inside the chest wall, the apex and the diaphragm (negative
    /// outside): (distance to the wall, distance to the diaphragm). To first order, from the
    /// borders' slopes.
    pub(super) fn depths(&self, h: f32, y: f32) -> (f32, f32) {
        let (border, slope) = self.lateral.with_slope(y);
        let mut wall = (border - h) / (1.0 + slope * slope).sqrt();
        if y < self.apex.1 + 0.10 {
            // The dome of the apex, fading into the mediastinum's border.
            let s = (y - self.apex.1) / 0.10;
            let (border, slope) = self.medial.with_slope(y);
            wall = wall.min((h - border) / (1.0 + slope * slope).sqrt() + 0.12 * s * s);
        }
        let (floor, slope) = self.diaphragm.with_slope(h);
        (wall, (floor - y) / (1.0 + slope * slope).sqrt())
    }

    /// Whether a point lies inside the chest wall and above the diaphragm.
    pub(super) fn in_chest(&self, h: f32, y: f32) -> bool {
        let (wall, floor) = self.depths(h, y);
        wall > 0.0 && floor > 0.0 && y > self.apex.1
    }

    /// Whether a point lies in the lung field a reader sees: inside the chest wall, above the
    /// diaphragm and beside the mediastinum and heart.
    pub(super) fn in_field(&self, h: f32, y: f32) -> bool {
        h > self.medial(y) && self.in_chest(h, y)
    }

    /// The share of the full depth of air at a point, 0..=1.
    pub(super) fn air(&self, h: f32, y: f32) -> f32 {
        let (wall, floor) = self.depths(h, y);
        if wall <= 0.0 || y < self.apex.1 {
            return 0.0;
        }
        let round = 1.0 - (1.0 - (wall / 0.085).min(1.0)).powi(2);
        // A little of the lung lies behind the dome.
        let behind = 0.16 * smoothstep(-0.10, 0.0, floor);
        let above = behind + (1.0 - behind) * smoothstep(-0.004, 0.014, floor);
        let beside = h - self.medial(y);
        let uncovered =
            0.22 * smoothstep(-0.09, -0.01, beside) + 0.78 * smoothstep(-0.009, 0.007, beside);
        round.sqrt() * above * uncovered
    }
}
