//! From class maps and clusters to instances.

mod owners;
mod seeds;
mod segments;

use weakseg_data::{LabelSpace, Plane, Stack};
use weakseg_kernels::walk::WalkOptions;

use super::cluster::clusters;
use super::{Instance, InstanceError, check_field, check_values};
use owners::compete;
use seeds::seeds;
use segments::segments;

pub use seeds::MOST;

/// How instances are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InstanceRule {
    /// Greatest number of steps along the displacement field.
    pub steps: usize,
    /// Displacements shorter than this, in cells, mark centres.
    pub weak: f32,
    /// How the maps walk.
    pub walk: WalkOptions,
    /// Value of the background after division by the maximum, `0.0..=1.0`.
    pub threshold: f32,
    /// Segments that cover less than this share of the image are fragments, `0.0..=1.0`.
    pub min_area: f32,
}

impl Default for InstanceRule {
    /// IRNet's: 300 steps, 2.5 cells, its walk, background 0.25, fragments below 1 %.
    fn default() -> Self {
        Self {
            steps: 300,
            weak: 2.5,
            walk: WalkOptions::default(),
            threshold: 0.25,
            min_area: 0.01,
        }
    }
}

/// What is known of an image, all on one grid of h × w cells.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The classes it may show; one map for each.
    pub keys: &'a [usize],
    /// Class maps before the walk, K × h × w.
    pub maps: &'a Stack<f32>,
    /// Boundaries, h × w, in 0..=1.
    pub edges: &'a Plane<f32>,
    /// Displacements down and to the right, 2 × h × w, in cells.
    pub field: &'a Stack<f32>,
}

/// What was found in an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The instances, class by class, cluster by cluster, each cluster's segments in reading order.
    pub instances: Vec<Instance>,
    /// Pairs of a class and a cluster that were left out, 0 but of a field that is mostly noise; see [`MOST`].
    pub left_out: usize,
}

/// The instances of an image of `size` = `[height, width]`; none for an image without classes, without a cluster, or
/// without a positive value.
///
/// Each class map walks from each cluster alone, is brought to `size` bilinearly and divided by the maximum (over all
/// of them for exclusive classes, over the class's own for findings). A pixel belongs to the class and cluster whose
/// map is the greatest there, if it is above `rule.threshold`; findings do not compete with each other, so that
/// instances of different findings may overlap. Each 4-connected segment of a class and cluster is an instance, scored
/// by the greatest value in it (reference §5.6, 3 to 5).
///
/// Departs from IRNet's code, which gives fragments the score 0 and hands them on, and fails where nothing is found:
/// because a fragment that is still in the list is still a detection, it is left out, and nothing is an empty list.
///
/// Departs from it again in effort: because each pair of a class and a cluster costs a walk, and a field of noise on
/// 128 × 128 cells has up to a thousand clusters, at most [`MOST`] pairs compete with each other. How many were left
/// out is told.
///
/// `stopped` is asked before each step of a walk.
///
/// # Errors
/// See [`InstanceError`]; [`WalkError::Stopped`](weakseg_kernels::walk::WalkError) in it as soon as `stopped` says so.
/// Whatever comes back holds no NaN.
pub fn detect(
    space: LabelSpace,
    evidence: &Evidence<'_>,
    size: [usize; 2],
    rule: &InstanceRule,
    stopped: &dyn Fn() -> bool,
) -> Result<Found, InstanceError> {
    check(evidence, rule)?;
    let clusters = clusters(evidence.field, rule.steps, rule.weak)?;
    let places: Vec<usize> = (0..evidence.keys.len()).collect();
    let groups: Vec<&[usize]> = match space {
        LabelSpace::Exclusive => vec![&places],
        LabelSpace::Findings => places.chunks(1).collect(),
    };
    let mut found = Found {
        instances: Vec::new(),
        left_out: 0,
    };
    if size.contains(&0) {
        return Ok(found);
    }
    for group in groups {
        let (seeds, left_out) = seeds(evidence, &clusters, group, MOST);
        let owners = compete(evidence, &clusters, &seeds, size, rule, stopped)?;
        let segments = segments(evidence, &seeds, &owners, rule);
        found.instances.extend(segments);
        found.left_out += left_out;
    }
    Ok(found)
}

fn check(evidence: &Evidence<'_>, rule: &InstanceRule) -> Result<(), InstanceError> {
    let Evidence {
        keys,
        maps,
        edges,
        field,
    } = evidence;
    if keys.len() != maps.channels() {
        return Err(InstanceError::Keys {
            keys: keys.len(),
            maps: maps.channels(),
        });
    }
    let expected = [maps.height(), maps.width()];
    for (what, found) in [
        ("edges", [edges.height(), edges.width()]),
        ("displacements", [field.height(), field.width()]),
    ] {
        if found != expected {
            return Err(InstanceError::Grid {
                what,
                expected,
                found,
            });
        }
    }
    check_field(field)?;
    check_values("class maps", maps, "a finite number", f32::is_finite)?;
    let edges = Plane::clone(edges).into_stack();
    check_values("edges", &edges, "0 to 1", |v| (0.0..=1.0).contains(&v))?;
    for (name, value) in [
        ("the threshold", rule.threshold),
        ("the smallest area", rule.min_area),
    ] {
        if !(0.0..=1.0).contains(&value) {
            return Err(InstanceError::Option {
                name,
                value,
                expected: "0 to 1",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
