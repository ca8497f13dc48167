//! `make-pseudo-labels`: the maps walk over IRNet's affinities and become pseudo-labels (reference §5).

use std::path::Path;

use rayon::prelude::*;
use weakseg_data::mask_store::MaskStore;
use weakseg_data::npy;
use weakseg_data::resize::{Filter, resize_f32, resize_u8};
use weakseg_data::{Case, Limits, Mask, Split, Stack};
use weakseg_kernels::walk::{WalkError, WalkOptions, random_walk_until};

use super::boundaries::{Boundaries, BoundaryFinder};
use super::make_instances::make_instances;
use super::maps::upsample;
use super::{ClassMaps, indices, per_batch};
use crate::cam::Threshold;
use crate::irn::masks;
use crate::irn::refine::refine;
use crate::irn::thin::thin;
use crate::pipeline::{Bench, StepError};
use crate::scoring::ScoreError;

/// Folder of the walked maps in the step's folder.
pub(crate) const SCORES: &str = "scores";
/// Folder of IRNet's boundary maps in the step's folder.
pub(crate) const EDGES: &str = "edges";
/// Folder of IRNet's displacements in the step's folder.
pub(crate) const DISPLACEMENTS: &str = "displacements";

/// Writes the walked maps of every case (`scores/CASE.npz`, as make-cams) and, for the training and the validation
/// split, the masks that image-level labels allow (`CASE.png`, at the image's own size): `train-segmenter` learns from
/// the former and watches its loss on the latter. An image without a finding gets an empty mask.
///
/// The boundaries that were walked along stay too (`edges/CASE.npy`, `[h, w]`, probabilities): with them `weakseg walk`
/// tries another radius, exponent or number of steps without IRNet.
///
/// With `[pseudo_labels.instances]` IRNet's displacements are kept (`displacements/CASE.npy`, `[2, h, w]`, down and to
/// the right in cells), and the instances of the same cases are written: each case's (`instances/CASE.json`) and all
/// together as a COCO document (`instances.json`).
pub fn make_pseudo_labels(bench: &Bench<'_>, folder: &Path) -> Result<usize, StepError> {
    let config = bench.config.pseudo_labels;
    let walk = WalkOptions {
        radius: config.radius,
        beta: config.beta,
        steps: config.steps,
    };
    walk_all(bench, folder, &walk)?;
    let mut masked = indices(bench, Split::Train);
    masked.extend(indices(bench, Split::Val));
    write_masks(bench, folder, &masked)?;
    if let Some(instances) = &config.instances {
        make_instances(bench, folder, instances, &walk, &masked)?;
    }
    Ok(bench.cases.cases.len())
}

/// Writes the walked maps of every case and the boundaries that they walked along.
fn walk_all(bench: &Bench<'_>, folder: &Path, options: &WalkOptions) -> Result<(), StepError> {
    let cases = &bench.cases.cases;
    let cams = bench.run.folder("make-cams");
    let scores = folder.join(SCORES);
    crate::files::make_folder(&scores)?;
    crate::files::make_folder(&folder.join(EDGES))?;
    let finder = BoundaryFinder::open(bench)?;
    let images = super::image_store(bench);
    let all: Vec<usize> = (0..cases.len()).collect();
    per_batch(
        bench,
        "make-pseudo-labels",
        &all,
        bench.config.irn.training.batch,
        |i| ClassMaps::path(&scores, &cases[i].id).is_file(),
        |batch| {
            let maps: Vec<ClassMaps> = batch
                .iter()
                .map(|&i| ClassMaps::read(&cams, &cases[i].id))
                .collect::<Result<_, _>>()?;
            // Without maps there is nothing to walk.
            let asked = batch.iter().zip(&maps).filter(|(_, m)| !m.keys.is_empty());
            let asked = asked
                .map(|(&i, _)| images.get(i))
                .collect::<Result<Vec<_>, _>>()?;
            let mut found = finder.find(&asked).into_iter();
            let boundaries: Vec<Option<Boundaries>> = maps
                .iter()
                .map(|m| (!m.keys.is_empty()).then(|| found.next()).flatten())
                .collect();
            let walked: Vec<ClassMaps> = (batch, maps, boundaries)
                .into_par_iter()
                .map(|(&i, maps, boundaries)| match boundaries {
                    Some(found) => walk(bench, folder, &cases[i].id, maps, &found, options),
                    None => Ok(maps),
                })
                .collect::<Result<_, StepError>>()?;
            for (&i, maps) in batch.iter().zip(&walked) {
                maps.write(&scores, &cases[i].id)?;
            }
            Ok(())
        },
    )
}

/// The maps of case `id` after their walk along `found`, which is kept in the step's folder.
fn walk(
    bench: &Bench<'_>,
    folder: &Path,
    id: &str,
    maps: ClassMaps,
    found: &Boundaries,
    options: &WalkOptions,
) -> Result<ClassMaps, StepError> {
    let (c, h, w) = (maps.maps.channels(), maps.maps.height(), maps.maps.width());
    let thinned = bench.config.pseudo_labels.thin_edges;
    let thinned = thinned.then(|| thin(&found.edge));
    let edge = thinned.as_ref().unwrap_or(&found.edge);
    let file = |kind: &str| folder.join(kind).join(format!("{id}.npy"));
    npy::write_f32(&file(EDGES), &[h, w], edge.as_slice())?;
    if let Some(field) = &found.displacement {
        npy::write_f32(&file(DISPLACEMENTS), &[2, h, w], field.as_slice())?;
    }
    let stopped = || bench.stop.asked();
    let maps_in = maps.maps.as_slice();
    let walked = random_walk_until(maps_in, edge.as_slice(), [c, h, w], options, stopped);
    let walked = walked.map_err(|error| match error {
        WalkError::Stopped => StepError::Stopped,
        other => StepError::Other(format!("case {id}: {other}")),
    })?;
    Ok(ClassMaps {
        maps: Stack::new(c, h, w, walked)?,
        ..maps
    })
}

/// Writes the masks that the image-level labels of some `cases` allow.
fn write_masks(bench: &Bench<'_>, folder: &Path, cases: &[usize]) -> Result<(), StepError> {
    let all = &bench.cases.cases;
    let scores = folder.join(SCORES);
    let store = MaskStore::new(folder, bench.cases.classes.clone());
    super::per_case(
        bench,
        "write pseudo-labels",
        cases,
        |i| store.exists(&all[i].id),
        |i| {
            let case = &all[i];
            let maps = ClassMaps::read(&scores, &case.id)?;
            let mask = mask_of(bench, case, &maps, maps.size, |class| case.labels[class])?;
            Ok(store.write(&case.id, &mask)?)
        },
    )
}

/// The mask of a case's walked maps at `size`, for those classes that `allowed` lets through.
pub(crate) fn mask_of(
    bench: &Bench<'_>,
    case: &Case,
    maps: &ClassMaps,
    size: [usize; 2],
    allowed: impl Fn(usize) -> bool,
) -> Result<Mask, ScoreError> {
    let config = bench.config.pseudo_labels;
    let classes = &bench.cases.classes;
    let (keys, planes) = maps.select(allowed);
    let rule = masks::MapRule {
        threshold: Threshold::Fixed(config.threshold.into()),
        min_area: config.min_area,
        min_confidence: config.min_confidence,
    };
    let Some(crf) = config.crf.as_ref().filter(|_| !keys.is_empty()) else {
        return Ok(masks::mask(classes, &keys, &planes, size, &rule));
    };
    let side = bench.config.image.size;
    let image = case.read_image(&Limits::default())?;
    let image = resize_u8(&image, side, side, Filter::Area);
    let planes = masks::scaled(classes.space, upsample(&planes, side, side));
    let refined =
        refine(&image, &planes, classes.space, config.threshold, crf).map_err(|source| {
            ScoreError::Crf {
                case: case.id.clone(),
                source,
            }
        })?;
    let refined = resize_f32(&refined, size[0], size[1]);
    // What it gives back is above one half where a class is likelier than background.
    let rule = masks::MapRule {
        threshold: Threshold::Fixed(0.5),
        ..rule
    };
    Ok(masks::cut(classes, &keys, &refined, &rule))
}
