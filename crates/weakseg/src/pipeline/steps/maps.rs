//! Class maps of one case: the file that passes from the CAMs to the walk and on to the scores.

use std::path::{Path, PathBuf};

use weakseg_data::npy::{NpzWriter, Values, read_npz};
use weakseg_data::resize::resize_f32;
use weakseg_data::{DataError, LabelSpace, Limits, Stack};

/// Maps of the classes that a case may have: on the stride-4 grid of the network's input, or, of the segmentation
/// network, at the image's own size.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassMaps {
    /// Classes, ascending; `maps` has one plane for each.
    pub keys: Vec<usize>,
    /// [keys, h, w], not below 0.
    pub maps: Stack<f32>,
    /// Probability of every class of the set, by the classifier; none where none was asked.
    pub probabilities: Vec<f32>,
    /// Height and width of the image as it came.
    pub size: [usize; 2],
}

impl ClassMaps {
    /// Where the maps of case `id` lie in `folder`.
    pub fn path(folder: &Path, id: &str) -> PathBuf {
        folder.join(format!("{id}.npz"))
    }

    /// Writes `ID.npz`: `keys` i64 K, `maps` f32 K×h×w, `probabilities` f32 C, `size` i64 2.
    ///
    /// # Errors
    /// When the file cannot be written; it is then not there.
    pub fn write(&self, folder: &Path, id: &str) -> Result<(), DataError> {
        let keys: Vec<i64> = self.keys.iter().map(|&k| k as i64).collect();
        let shape = [self.maps.channels(), self.maps.height(), self.maps.width()];
        NpzWriter::new()
            .i64("keys", &[keys.len()], keys)
            .f32("maps", &shape, self.maps.as_slice().to_vec())
            .f32(
                "probabilities",
                &[self.probabilities.len()],
                self.probabilities.clone(),
            )
            .i64("size", &[2], self.size.iter().map(|&s| s as i64).collect())
            .write(&Self::path(folder, id))
    }

    /// Reads what [`ClassMaps::write`] wrote.
    ///
    /// # Errors
    /// When the file is missing, cut short, or not such a file.
    pub fn read(folder: &Path, id: &str) -> Result<Self, DataError> {
        let path = Self::path(folder, id);
        let mut arrays = read_npz(&path)?;
        let bad = || DataError::Shape {
            what: format!("{}: class maps", path.display()),
            expected: "arrays keys, maps, probabilities and size as make-cams writes them".into(),
            found: "something else; remove the file and repeat the step".into(),
        };
        let mut take = |name: &str| arrays.remove(name).ok_or_else(bad);
        let (keys, maps, probabilities, size) = (
            take("keys")?,
            take("maps")?,
            take("probabilities")?,
            take("size")?,
        );
        let shape = maps.shape;
        let (Values::I64(keys), Values::F32(maps), Values::F32(probabilities), Values::I64(size)) =
            (keys.values, maps.values, probabilities.values, size.values)
        else {
            return Err(bad());
        };
        let (&[channels, height, width], &[h, w]) = (shape.as_slice(), size.as_slice()) else {
            return Err(bad());
        };
        let keys: Result<Vec<usize>, _> = keys.into_iter().map(usize::try_from).collect();
        let (Ok(keys), Ok(h), Ok(w)) = (keys, usize::try_from(h), usize::try_from(w)) else {
            return Err(bad());
        };
        let classes = match probabilities.len() {
            0 => usize::MAX,
            classes => classes,
        };
        let known = keys.is_sorted() && keys.last().is_none_or(|&key| key < classes);
        let pixels = (h as u64).saturating_mul(w as u64);
        let sized = (1..=Limits::default().max_pixels).contains(&pixels);
        if keys.len() != channels || !known || !sized {
            return Err(bad());
        }
        Ok(Self {
            keys,
            maps: Stack::new(channels, height, width, maps)?,
            probabilities,
            size: [h, w],
        })
    }

    /// The maps of those classes that `allowed` lets through, in order.
    pub fn select(&self, allowed: impl Fn(usize) -> bool) -> (Vec<usize>, Stack<f32>) {
        let kept: Vec<usize> = (0..self.keys.len())
            .filter(|&i| allowed(self.keys[i]))
            .collect();
        let (height, width) = (self.maps.height(), self.maps.width());
        let values = kept
            .iter()
            .flat_map(|&i| self.maps.plane(i).iter().copied())
            .collect();
        let maps = Stack::new(kept.len(), height, width, values).expect("planes of one stack");
        (kept.into_iter().map(|i| self.keys[i]).collect(), maps)
    }
}

/// The classes that a classifier predicts: those whose probability lies above `gate`, ascending.
///
/// Exclusive: the best one where none does, because every image of such a set shows something (reference §2.2).
/// Findings: none, which keeps healthy images empty.
pub fn predicted(space: LabelSpace, probabilities: &[f32], gate: f64) -> Vec<usize> {
    let above: Vec<usize> = (0..probabilities.len())
        .filter(|&class| f64::from(probabilities[class]) > gate)
        .collect();
    if above.is_empty() && space == LabelSpace::Exclusive {
        let best =
            (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        return best.into_iter().collect();
    }
    above
}

/// Brings maps to `height` × `width` by bilinear interpolation (half-pixel centres).
pub fn upsample(maps: &Stack<f32>, height: usize, width: usize) -> Stack<f32> {
    if maps.channels() == 0 {
        return Stack::filled(0, height, width, 0.0);
    }
    resize_f32(maps, height, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a step that was killed may find them: sizes and classes that are no such thing ended in a panic.
    #[test]
    fn maps_that_no_step_wrote_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |keys: [i64; 2], size: [i64; 2]| {
            NpzWriter::new()
                .i64("keys", &[2], keys.to_vec())
                .f32("maps", &[2, 1, 3], vec![0.5; 6])
                .f32("probabilities", &[3], vec![0.5; 3])
                .i64("size", &[2], size.to_vec())
                .write(&ClassMaps::path(folder.path(), "a"))
                .expect("written");
            ClassMaps::read(folder.path(), "a").map_err(|error| error.to_string())
        };
        assert_eq!(read([0, 2], [4, 5]).expect("maps").size, [4, 5]);
        for (keys, size) in [
            ([0, 3], [4, 5]),
            ([1, 0], [4, 5]),
            ([-1, 0], [4, 5]),
            ([0, 1], [-1, 5]),
            ([0, 1], [4, 0]),
            ([0, 1], [i64::MAX, i64::MAX]),
        ] {
            let error = read(keys, size).expect_err("no maps");
            assert!(error.contains("a.npz: class maps"), "{error}");
        }
    }

    #[test]
    fn unsure_of_everything_means_the_best_class_or_health() {
        let unsure = [0.1, 0.4, 0.2];
        assert_eq!(predicted(LabelSpace::Exclusive, &unsure, 0.5), [1]);
        assert!(predicted(LabelSpace::Findings, &unsure, 0.5).is_empty());
        let sure = [0.9, 0.4, 0.6];
        for space in [LabelSpace::Exclusive, LabelSpace::Findings] {
            assert_eq!(predicted(space, &sure, 0.5), [0, 2]);
        }
    }
}
