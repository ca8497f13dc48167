//! Step 2: the maps walk over IRNet's affinities and become pseudo-labels (reference §5).

use std::path::Path;

use burn::tensor::activation::sigmoid;
use rayon::prelude::*;
use weakseg_data::mask_store::MaskStore;
use weakseg_data::npy;
use weakseg_data::resize::{Filter, resize_f32, resize_u8};
use weakseg_data::{Case, Limits, Mask, Split, Stack};
use weakseg_kernels::walk::{WalkOptions, random_walk};

use super::make_instances::make_instances;
use super::maps::upsample;
use super::{ClassMaps, MODEL, indices};
use crate::cam::Threshold;
use crate::cam::multi_scale::{Sampling, unmirror};
use crate::irn::propagate;
use crate::irn::refine::refine;
use crate::irn::thin::thin;
use crate::networks::{self, ModelCard};
use crate::pipeline::scores::ScoreError;
use crate::pipeline::{Bench, Outcome, StepError};
use crate::train::to_tensor;

/// Folder of the walked maps in the step's folder.
pub(crate) const SCORES: &str = "scores";
/// Folder of IRNet's boundary maps in the step's folder.
pub(crate) const EDGES: &str = "edges";
/// Folder of IRNet's displacements in the step's folder.
pub(crate) const DISPLACEMENTS: &str = "displacements";

/// Writes the walked maps of every case (`scores/CASE.npz`, as make-cams) and, for the training and the validation split,
/// the masks that image-level labels allow (`CASE.png`, at the image's own size): step 3 learns from the former and
/// watches its loss on the latter. An image without a finding gets an empty mask.
///
/// The boundaries that were walked along stay too (`edges/CASE.npy`, `[h, w]`, probabilities): with them `weakseg walk`
/// tries another radius, exponent or number of steps without IRNet.
///
/// With `[pseudo_labels.instances]` IRNet's displacements are kept (`displacements/CASE.npy`, `[2, h, w]`, down and to the
/// right in cells), and the instances of the same cases are written: each case's (`instances/CASE.json`) and all together as
/// a COCO document (`instances.json`).
pub fn make_pseudo_labels(bench: &Bench<'_>, folder: &Path) -> Result<Outcome, StepError> {
    let config = &bench.config.pseudo_labels;
    let cases = &bench.cases.cases;
    let file = bench.run.folder("train-irn").join(MODEL);
    let card = ModelCard::read(&file)?;
    let irnet = networks::open_irnet(&file, &card, &bench.device)?;
    let normalisation = card.normalisation();
    let images = super::image_store(bench);
    let cams = bench.run.folder("make-cams");
    let scores = folder.join(SCORES);
    let kept_edges = folder.join(EDGES);
    let kept_fields = folder.join(DISPLACEMENTS);
    crate::files::make_folder(&scores)?;
    crate::files::make_folder(&kept_edges)?;
    let open: Vec<usize> = (0..cases.len())
        .filter(|&i| !ClassMaps::path(&scores, &cases[i].id).exists())
        .collect();
    let sampling = Sampling::of_irnet(bench.config.classifier.arch);
    let options = WalkOptions {
        radius: config.radius,
        beta: config.beta,
        steps: config.steps,
    };
    bench
        .progress
        .begin("make-pseudo-labels", open.len() as u64);
    let mut done = 0;
    for batch in open.chunks(bench.config.irn.training.batch) {
        if bench.stop.asked() {
            bench.progress.end();
            return Err(StepError::Stopped);
        }
        let batch: Vec<(usize, ClassMaps)> = batch
            .iter()
            .map(|&i| Ok((i, ClassMaps::read(&cams, &cases[i].id)?)))
            .collect::<Result<_, StepError>>()?;
        let asked: Vec<usize> = batch
            .iter()
            .filter(|(_, m)| !m.keys.is_empty())
            .map(|(i, _)| *i)
            .collect();
        let (edges, fields) = if asked.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            let images = asked
                .iter()
                .map(|&i| images.get(i))
                .collect::<Result<Vec<_>, _>>()?;
            let mirrored: Vec<_> = images
                .iter()
                .map(|i| std::sync::Arc::new(networks::mirror(i)))
                .collect();
            let levels = |images: &[std::sync::Arc<Stack<u8>>]| {
                irnet.levels(to_tensor(images, &normalisation, &bench.device))
            };
            let seen = levels(&images);
            let (plain, mirror) = (irnet.edge(&seen), irnet.edge(&levels(&mirrored)));
            // Of the image as it is alone, as IRNet's (reference §5.1).
            let fields = match config.instances {
                Some(_) => networks::stacks(irnet.displacement(&seen)),
                None => Vec::new(),
            };
            // Reference §5.1: the mean of both logits. Departs from it: the mirrored map is brought back by the aligned flip,
            // because the plain one shifts it by (W − 1) mod 4 pixels (reference §12.18).
            let mirror = unmirror(mirror, bench.config.image.size, sampling);
            let edges = networks::planes(sigmoid((plain + mirror).mul_scalar(0.5)));
            (edges, fields)
        };
        let walked: Vec<(usize, ClassMaps)> = batch
            .into_par_iter()
            .map(|(index, mut maps)| {
                if let Some(place) = asked.iter().position(|&i| i == index) {
                    let (c, h, w) = (maps.maps.channels(), maps.maps.height(), maps.maps.width());
                    let edge = match config.thin_edges {
                        true => thin(&edges[place]),
                        false => edges[place].clone(),
                    };
                    npy::write_f32(
                        &kept_edges.join(format!("{}.npy", cases[index].id)),
                        &[h, w],
                        edge.as_slice(),
                    )?;
                    if let Some(field) = fields.get(place) {
                        npy::write_f32(
                            &kept_fields.join(format!("{}.npy", cases[index].id)),
                            &[2, h, w],
                            field.as_slice(),
                        )?;
                    }
                    let values =
                        random_walk(maps.maps.as_slice(), edge.as_slice(), c, h, w, &options)
                            .map_err(|e| {
                                StepError::Other(format!("case {}: {e}", cases[index].id))
                            })?;
                    maps.maps = Stack::new(c, h, w, values)?;
                }
                Ok((index, maps))
            })
            .collect::<Result<_, StepError>>()?;
        for (index, maps) in walked {
            maps.write(&scores, &cases[index].id)?;
            done += 1;
            bench.progress.at(done, &cases[index].id);
        }
    }
    bench.progress.end();
    let mut learned = indices(bench, Split::Train);
    learned.extend(indices(bench, Split::Val));
    let store = MaskStore::new(folder, bench.cases.classes.clone());
    super::per_case(
        bench,
        "write pseudo-labels",
        &learned,
        |i| store.exists(&cases[i].id),
        |index| {
            let case = &cases[index];
            let maps = ClassMaps::read(&scores, &case.id)?;
            let mask = mask_of(bench, case, &maps, maps.size, |class| case.labels[class])?;
            Ok(store.write(&case.id, &mask)?)
        },
    )?;
    if let Some(instances) = &config.instances {
        make_instances(bench, folder, instances, &options, &learned)?;
    }
    Ok(Outcome {
        cases: cases.len(),
        ..Outcome::default()
    })
}

/// The mask of a case's walked maps at `size`, for those classes that `allowed` lets through.
pub(crate) fn mask_of(
    bench: &Bench<'_>,
    case: &Case,
    maps: &ClassMaps,
    size: [usize; 2],
    allowed: impl Fn(usize) -> bool,
) -> Result<Mask, ScoreError> {
    let config = &bench.config.pseudo_labels;
    let classes = &bench.cases.classes;
    let (keys, planes) = maps.of(allowed);
    let rule = propagate::MaskRule {
        threshold: Threshold::Fixed(config.threshold.into()),
        min_area: config.min_area,
        min_confidence: config.min_confidence,
    };
    let Some(crf) = config.crf.as_ref().filter(|_| !keys.is_empty()) else {
        return Ok(propagate::mask(classes, &keys, &planes, size, &rule));
    };
    let side = bench.config.image.size;
    let image = case.read_image(&Limits::default())?;
    let image = resize_u8(&image, side, side, Filter::Area);
    let planes = propagate::scaled(classes.space, upsample(&planes, side, side));
    let refined =
        refine(&image, &planes, classes.space, config.threshold, crf).map_err(|source| {
            ScoreError::Crf {
                case: case.id.clone(),
                source,
            }
        })?;
    let refined = resize_f32(&refined, size[0], size[1]);
    // What it gives back is above one half where a class is likelier than background.
    let rule = propagate::MaskRule {
        threshold: Threshold::Fixed(0.5),
        ..rule
    };
    Ok(propagate::cut(classes, &keys, &refined, &rule))
}
