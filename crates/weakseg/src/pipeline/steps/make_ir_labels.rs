//! `make-ir-labels`: what the maps are sure of, for IRNet (paper §3.2 "thresholding, then dense CRF"; reference §3).

use std::path::Path;

use weakseg_data::resize::{Filter, resize_u8};
use weakseg_data::{Limits, Plane, Split, write_index_png};

use super::maps::upsample;
use super::{ClassMaps, indices, per_case};
use crate::irn::ir_label;
use crate::pipeline::{Bench, StepError};

/// Writes `CASE.png` for every training case that has a finding: 0 sure background, k + 1 sure class k, 255 neither,
/// on the network's grid.
///
/// Departs from the reference, which works at the image's own size: because IRNet learns on the network's grid, and
/// the CRF's pixel distances then mean the same in every image.
pub fn make_ir_labels(bench: &Bench<'_>, folder: &Path) -> Result<usize, StepError> {
    let train: Vec<usize> = indices(bench, Split::Train)
        .into_iter()
        .filter(|&i| bench.cases.cases[i].is_positive())
        .collect();
    let cams = bench.run.folder("make-cams");
    let side = bench.config.image.size;
    let place = |case: usize| folder.join(format!("{}.png", bench.cases.cases[case].id));
    per_case(
        bench,
        "make-ir-labels",
        &train,
        |case| place(case).is_file(),
        |index| {
            let case = &bench.cases.cases[index];
            let maps = ClassMaps::read(&cams, &case.id)?;
            let (keys, maps) = maps.select(|class| case.labels[class]);
            let maps = upsample(&maps, side, side);
            let image = resize_u8(
                &case.read_image(&Limits::default())?,
                side,
                side,
                Filter::Area,
            );
            let labels: Plane<u8> =
                ir_label::ir_label(&image, &keys, &maps, bench.config.ir_labels)
                    .map_err(|e| StepError::Other(format!("case {}: {e}", case.id)))?;
            write_index_png(&place(index), &labels)?;
            Ok(())
        },
    )?;
    Ok(train.len())
}
