//! The instances of the pseudo-labels (reference §5.6).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use weakseg_data::{Case, DataError, Plane, Split, atomic, npy};
use weakseg_kernels::walk::{WalkError, WalkOptions};

use super::ClassMaps;
use super::make_pseudo_labels::{DISPLACEMENTS, EDGES};
use crate::config::InstanceStep;
use crate::files;
use crate::instance::coco::{Described, Document, Seen};
use crate::instance::detect::MOST;
use crate::instance::{Evidence, Instance, InstanceError, InstanceRule, detect};
use crate::pipeline::{Bench, StepError};

/// Folder of each case's instances, and with `.json` the document of all, in the step's folder.
const INSTANCES: &str = "instances";

/// `instances/CASE.json`: what is seen in an image, its annotations without numbers.
#[derive(Serialize, Deserialize)]
struct CaseInstances {
    /// Height and width of the image as it came.
    size: [usize; 2],
    instances: Vec<Described>,
    /// Pairs of a class and a cluster that were not looked at.
    #[serde(default)]
    left_out: usize,
}

impl CaseInstances {
    /// Where those of case `id` lie in the step's folder.
    fn path(folder: &Path, id: &str) -> PathBuf {
        folder.join(INSTANCES).join(format!("{id}.json"))
    }

    /// Reads what the step wrote.
    fn read(folder: &Path, id: &str) -> Result<Self, StepError> {
        let path = Self::path(folder, id);
        serde_json::from_slice(&files::read(&path)?).map_err(|e| broken(&path, &e))
    }
}

/// The instances of case `id` in the step's folder.
pub(super) fn read_instances(folder: &Path, id: &str) -> Result<Vec<Instance>, StepError> {
    let found = CaseInstances::read(folder, id)?;
    let of = |described: &Described| described.instance(found.size);
    let instances: Result<_, _> = found.instances.iter().map(of).collect();
    instances.map_err(|e| broken(&CaseInstances::path(folder, id), &e))
}

fn broken(path: &Path, problem: &dyn std::error::Error) -> StepError {
    StepError::Other(format!(
        "{}: {problem}; remove the file and repeat make-pseudo-labels with --from",
        path.display()
    ))
}

/// Writes the instances that the image-level labels of some `cases` allow: `instances/CASE.json`, each as soon as it is
/// found, and `instances.json`, all of them as one COCO document. An image without any is in it, with no annotation.
///
/// The class maps are those of make-cams; boundaries and displacements were kept by make-pseudo-labels.
pub(super) fn make_instances(
    bench: &Bench<'_>,
    folder: &Path,
    step: &InstanceStep,
    walk: &WalkOptions,
    cases: &[usize],
) -> Result<(), StepError> {
    let rule = InstanceRule {
        steps: step.centroid_steps,
        weak: step.weak_displacement,
        walk: *walk,
        threshold: step.threshold,
        min_area: step.min_area,
    };
    let of = |index: usize| -> (&Case, PathBuf) {
        let case = &bench.cases.cases[index];
        (case, CaseInstances::path(folder, &case.id))
    };
    super::per_case(
        bench,
        "find instances",
        cases,
        |index| of(index).1.is_file(),
        |index| {
            let (case, path) = of(index);
            let found = instances(bench, folder, case, step, &rule)?;
            let text = serde_json::to_string(&found).expect("no NaN among scores");
            Ok(atomic::write(&path, text.as_bytes())?)
        },
    )?;
    let mut seen = Vec::with_capacity(cases.len());
    for &index in cases {
        let case = &bench.cases.cases[index];
        let found = CaseInstances::read(folder, &case.id)?;
        let file_name = case.image.file_name().unwrap_or(case.image.as_os_str());
        seen.push(Seen {
            name: case.id.clone(),
            file_name: file_name.to_string_lossy().into_owned(),
            size: found.size,
            instances: found.instances,
        });
    }
    let document = Document::new(&bench.cases.classes.names, seen);
    let text = serde_json::to_string(&document).expect("no NaN among scores");
    let path = folder.join(INSTANCES).with_extension("json");
    atomic::write_durably(&path, text.as_bytes())?;
    if let Some(warning) = noise(bench, folder)? {
        bench.progress.warn(&format!("warning: {warning}"));
    }
    Ok(())
}

/// What is to be told of a run whose displacements are noise: in how many cases not all was looked at. None where all
/// was, or no instances were asked for.
pub(super) fn noise(bench: &Bench<'_>, folder: &Path) -> Result<Option<String>, StepError> {
    if bench.config.pseudo_labels.instances.is_none() {
        return Ok(None);
    }
    let (mut cases, mut noisy, mut left_out) = (0, 0, 0);
    for case in [Split::Train, Split::Val]
        .into_iter()
        .flat_map(|split| bench.cases.of(split))
    {
        let found = CaseInstances::read(folder, &case.id)?;
        cases += 1;
        noisy += usize::from(found.left_out > 0);
        left_out += found.left_out;
    }
    Ok((noisy > 0).then(|| {
        format!(
            "IRNet's displacements are noisy: in {noisy} of {cases} cases more than {MOST} clusters of theirs hold something of a \
             class; the fullest were taken, {left_out} left out; train IRNet for longer, or set \
             pseudo_labels.instances.weak_displacement for the size of the images"
        )
    }))
}

/// The instances of a case.
fn instances(
    bench: &Bench<'_>,
    folder: &Path,
    case: &Case,
    step: &InstanceStep,
    rule: &InstanceRule,
) -> Result<CaseInstances, StepError> {
    let cams = ClassMaps::read(&bench.run.folder("make-cams"), &case.id)?;
    let (keys, maps) = cams.select(|class| case.labels[class]);
    let mut found = CaseInstances {
        size: cams.size,
        instances: Vec::new(),
        left_out: 0,
    };
    // Nothing was kept of a case that shows nothing.
    if keys.is_empty() {
        return Ok(found);
    }
    let file = format!("{}.npy", case.id);
    let edges = read_plane(&folder.join(EDGES).join(&file))?;
    let field = npy::read_maps(&folder.join(DISPLACEMENTS).join(&file))?;
    let evidence = Evidence {
        keys: &keys,
        maps: &maps,
        edges: &edges,
        field: &field,
    };
    let (space, stopped) = (bench.cases.classes.space, || bench.stop.asked());
    let seen =
        detect(space, &evidence, cams.size, rule, &stopped).map_err(|error| match error {
            InstanceError::Walk(WalkError::Stopped) => StepError::Stopped,
            other => StepError::Other(format!("instances of case {}: {other}", case.id)),
        })?;
    let described = seen
        .instances
        .iter()
        .map(|instance| Described::of(instance, step.masks));
    found.instances.extend(described);
    found.left_out = seen.left_out;
    Ok(found)
}

fn read_plane(path: &Path) -> Result<Plane<f32>, DataError> {
    let (shape, values) = npy::read_f32(path)?;
    match shape.as_slice() {
        &[height, width] => Plane::new(height, width, values),
        _ => Err(DataError::Shape {
            what: path.display().to_string(),
            expected: "[height, width]".into(),
            found: format!("{shape:?}"),
        }),
    }
}
