//! What `weakseg predict` writes.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use weakseg::instance::coco::{Described, Document, MaskForm, Seen};
use weakseg::instance::connected;
use weakseg::predict::Prediction;
use weakseg::report::{colour, figures, legend};
use weakseg_data::{
    Classes, DataError, EncodedMasks, LabelSpace, Limits, Mask, MaskStore, Origin, RunTable, Stack,
    TableForm, atomic, counted, image_file_id, image_id, npy, unsafe_id, write_rgb_png,
    write_secondary_capture, write_segmentation,
};

use super::format::Format;
use super::item::{Item, found_in_colours, shares};
use super::record::Record;
use crate::exit::usage;

/// The name of the COCO document.
const DOCUMENT: &str = "predictions.json";

/// The name of the drawing that says what the colours of overlays mean.
const LEGEND: &str = "legend.svg";

/// The files of one call.
pub struct Outputs<'a> {
    folder: &'a Path,
    formats: &'a [Format],
    classes: &'a Classes,
    /// Which of several frames is seen.
    frame: Option<NonZeroU32>,
    store: MaskStore,
    /// Run lengths of each class.
    runs: Vec<EncodedMasks>,
    seen: Vec<Seen>,
    record: Record,
}

impl<'a> Outputs<'a> {
    /// Nothing is written yet.
    pub fn new(
        folder: &'a Path,
        formats: &'a [Format],
        classes: &'a Classes,
        frame: Option<NonZeroU32>,
    ) -> Result<Self> {
        // The model may come from anywhere, and folders are named by its classes.
        let several = classes.space == LabelSpace::Findings || formats.contains(&Format::Rle);
        if several && classes.len() > 1 {
            for name in &classes.names {
                if let Some(reason) = unsafe_id(name) {
                    bail!(
                        "the model's class `{}` cannot name a folder ({reason}); rename the class in its set and train again",
                        name.escape_debug()
                    );
                }
            }
        }
        Ok(Self {
            folder,
            formats,
            classes,
            frame,
            store: MaskStore::new(folder, classes.clone()),
            runs: vec![EncodedMasks::new(TableForm::Siim); classes.len()],
            seen: Vec::new(),
            record: Record::read(folder)?,
        })
    }

    /// Refuses a folder that no `predict` has written, if anything to write is there already: it may be drawn.
    ///
    /// # Errors
    /// [`crate::exit::Usage`].
    pub fn check_new(&self, images: &[PathBuf]) -> Result<()> {
        for image in images {
            for file in self.files(&image_file_id(image))? {
                if file.exists() {
                    return usage(format!(
                        "--out {}: {} is there already, and no model.json says that `weakseg predict` wrote it; give another folder",
                        self.folder.display(),
                        file.display()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Refuses a folder in which masks of these images were changed, or are of other images of their names, or whose
    /// tables tell of others.
    ///
    /// # Errors
    /// [`crate::exit::Usage`]; another error for a file that cannot be read.
    pub fn check_noted(&self, images: &[PathBuf]) -> Result<()> {
        for image in images {
            let id = image_file_id(image);
            self.record.check(&id, image, &self.kept(&id)?)?;
        }
        self.check_tables(images)
    }

    /// The files of an image that somebody may correct by hand.
    fn kept(&self, id: &str) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        if self.wants(Format::Mask) {
            files.extend(self.store.paths(id)?);
        }
        if self.wants(Format::Seg) {
            files.push(self.file("seg", id, "dcm"));
        }
        Ok(files)
    }

    /// Refuses a folder whose tables tell of images that are not among these: their rows would be lost.
    ///
    /// # Errors
    /// [`crate::exit::Usage`]; another error for a table that cannot be read.
    fn check_tables(&self, images: &[PathBuf]) -> Result<()> {
        // Tables are read with ids that have no ending of a picture: `x.dcm.png` has the id `x.dcm`, whose row is read
        // as `x`.
        let both = |image: &PathBuf| {
            let id = image_file_id(image);
            [image_id(&id).to_owned(), id]
        };
        let ids: BTreeSet<String> = images.iter().flat_map(both).collect();
        for (path, names) in self.told()? {
            let lost = names.iter().filter(|name| !ids.contains(*name)).count();
            if lost > 0 {
                return usage(format!(
                    "{}: tells of {} that this call does not predict, and would no longer; name all images in one call, or give \
                     another --out",
                    path.display(),
                    counted(lost, "image")
                ));
            }
        }
        Ok(())
    }

    /// The tables that are there already of those that are wanted, and the ids that they tell of.
    fn told(&self) -> Result<Vec<(PathBuf, BTreeSet<String>)>> {
        let mut told = Vec::new();
        if self.wants(Format::Rle) {
            for path in (0..self.classes.len()).map(|class| self.table(class)) {
                if path.exists() {
                    let table = RunTable::read(&path, TableForm::Siim)?;
                    told.push((path, table.ids().map(str::to_owned).collect()));
                }
            }
        }
        let document = self.folder.join(DOCUMENT);
        if self.wants(Format::Coco) && document.exists() {
            told.push((document.clone(), names_in(&document)?));
        }
        Ok(told)
    }

    /// All that is written of an image or for all of them.
    fn files(&self, id: &str) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for format in self.formats {
            match format {
                Format::Mask => files.extend(self.store.paths(id)?),
                Format::Overlay => files.push(self.file("overlays", id, "png")),
                Format::Rle => files.extend((0..self.classes.len()).map(|c| self.table(c))),
                Format::Coco => files.push(self.folder.join(DOCUMENT)),
                Format::Seg => files.push(self.file("seg", id, "dcm")),
                Format::Sc => files.push(self.file("sc", id, "dcm")),
                Format::Npy => files.push(self.file("scores", id, "npy")),
            }
        }
        files.extend(self.legend());
        Ok(files)
    }

    fn wants(&self, format: Format) -> bool {
        self.formats.contains(&format)
    }

    /// Writes what an image has files of its own for, and keeps what all share.
    pub fn write<'b>(
        &mut self,
        path: &'b Path,
        image: &Stack<u8>,
        prediction: &Prediction,
    ) -> Result<Item<'b>>
    where
        'a: 'b,
    {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut item = Item {
            image: path.display().to_string(),
            id: image_file_id(path),
            masks: Vec::new(),
            overlay: None,
            seg: None,
            sc: None,
            npy: None,
            classes: shares(self.classes, prediction),
            error: None,
        };
        // Checks the name too: it comes from outside, and the files below are named by it.
        let masks = self.store.paths(&item.id);
        let masks = masks.with_context(|| item.image.clone())?;
        if self.wants(Format::Mask) {
            self.store.write(&item.id, &prediction.mask)?;
            // At once: a mask that nothing is noted of counts as somebody's own.
            self.record.add(&item.id, path, &masks)?;
            item.masks = masks
                .iter()
                .map(|mask| mask.display().to_string())
                .collect();
        }
        if self.wants(Format::Overlay) || self.wants(Format::Sc) {
            let picture = figures::Picture::at_own_size(image)?;
            let picture = picture.with_mask(&prediction.mask.planes, &colour::class);
            self.overlay(&mut item, path, picture.pixels())?;
        }
        if self.wants(Format::Seg) {
            self.seg(&mut item, path, &prediction.mask)?;
        }
        if self.wants(Format::Npy) {
            self.npy(&mut item, &prediction.scores)?;
        }
        if self.wants(Format::Rle) {
            self.rle(&item.id, &prediction.mask);
        }
        if self.wants(Format::Coco) {
            self.coco(&item.id, name.into_owned(), prediction);
        }
        // Not the path as it is told, which need not name the file.
        let seg = item.seg.iter().map(|_| self.file("seg", &item.id, "dcm"));
        let seg: Vec<PathBuf> = seg.collect();
        if !self.wants(Format::Mask) || !seg.is_empty() {
            self.record.add(&item.id, path, &seg)?;
        }
        Ok(item)
    }

    /// The image with the mask over it, as PNG and as Secondary Capture.
    fn overlay(&self, item: &mut Item<'_>, path: &Path, picture: &Stack<u8>) -> Result<()> {
        if self.wants(Format::Overlay) {
            let file = self.file("overlays", &item.id, "png");
            write_rgb_png(&file, picture)?;
            item.overlay = Some(file.display().to_string());
        }
        if self.wants(Format::Sc) {
            let file = self.file("sc", &item.id, "dcm");
            let colours = found_in_colours(&item.classes);
            write_secondary_capture(&file, &self.origin(path)?, picture, &colours)?;
            item.sc = Some(file.display().to_string());
        }
        Ok(())
    }

    fn seg(&self, item: &mut Item<'_>, path: &Path, mask: &Mask) -> Result<()> {
        let file = self.file("seg", &item.id, "dcm");
        match write_segmentation(&file, &self.origin(path)?, self.classes, mask) {
            Ok(()) => item.seg = Some(file.display().to_string()),
            // The image cannot have one; its other formats can be had.
            Err(error @ DataError::Unreadable { .. }) => item.error = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whose an image is.
    fn origin(&self, path: &Path) -> Result<Origin, DataError> {
        Origin::read(path, &Limits::default(), self.frame)
    }

    fn npy(&self, item: &mut Item<'_>, scores: &Stack<f32>) -> Result<()> {
        let file = self.file("scores", &item.id, "npy");
        let shape = [scores.channels(), scores.height(), scores.width()];
        npy::write_f32(&file, &shape, scores.as_slice())?;
        item.npy = Some(file.display().to_string());
        Ok(())
    }

    fn rle(&mut self, id: &str, mask: &Mask) {
        for (class, runs) in self.runs.iter_mut().enumerate() {
            let region = mask.of_class(self.classes.space, class);
            runs.add(id, &region.map(|&value| u8::from(value == 1)));
        }
    }

    fn coco(&mut self, id: &str, file_name: String, prediction: &Prediction) {
        let space = self.classes.space;
        let regions = (0..self.classes.len()).flat_map(|class| {
            let plane = match space {
                LabelSpace::Findings => class,
                LabelSpace::Exclusive => class + 1,
            };
            let region = prediction.mask.of_class(space, class);
            connected(class, &region, &prediction.scores.to_plane(plane))
        });
        let described = regions.map(|region| Described::of(&region, MaskForm::Rle));
        self.seen.push(Seen {
            name: id.to_owned(),
            file_name,
            size: [prediction.scores.height(), prediction.scores.width()],
            instances: described.collect(),
        });
    }

    /// Where everything lies, with NAME for the names of images.
    pub fn places(&self) -> Result<Vec<String>> {
        Ok(self
            .files("NAME")?
            .iter()
            .map(|path| path.display().to_string())
            .collect())
    }

    /// Writes what the images that were done so far share, but over no table that tells of more: it is of the same
    /// model, and what it tells of these images is the same.
    ///
    /// # Errors
    /// When a table cannot be read or written.
    pub fn finish_so_far(self) -> Result<()> {
        let mut done: BTreeSet<&str> = self.seen.iter().map(|seen| seen.name.as_str()).collect();
        done.extend(self.runs.iter().flat_map(EncodedMasks::ids));
        let without: Vec<&str> = done.iter().map(|id| image_id(id)).collect();
        done.extend(without);
        let tells_more = self
            .told()?
            .iter()
            .any(|(_, ids)| ids.iter().any(|id| !done.contains(id.as_str())));
        match tells_more {
            true => Ok(()),
            false => self.finish(),
        }
    }

    /// Writes what all images share.
    pub fn finish(self) -> Result<()> {
        if let Some(path) = self.legend() {
            atomic::write(&path, legend(&self.classes.names).as_bytes())?;
        }
        if self.wants(Format::Rle) {
            for (class, runs) in self.runs.iter().enumerate() {
                runs.write(&self.table(class))?;
            }
        }
        if self.wants(Format::Coco) {
            let document = Document::new(&self.classes.names, self.seen);
            atomic::write(&self.folder.join(DOCUMENT), &serde_json::to_vec(&document)?)?;
        }
        Ok(())
    }

    /// Where the legend goes, if colours tell classes apart.
    fn legend(&self) -> Option<PathBuf> {
        let drawn = self.wants(Format::Overlay) || self.wants(Format::Sc);
        (drawn && self.classes.len() > 1).then(|| self.folder.join(LEGEND))
    }

    fn file(&self, folder: &str, id: &str, ending: &str) -> PathBuf {
        self.folder.join(folder).join(format!("{id}.{ending}"))
    }

    /// Where the run lengths of a class go.
    fn table(&self, class: usize) -> PathBuf {
        let folder = match self.classes.names.as_slice() {
            [_] => self.folder.to_owned(),
            names => self.folder.join(&names[class]),
        };
        folder.join("predictions.csv")
    }
}

/// The ids that a COCO document's images are of.
fn names_in(document: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Images {
        images: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        file_name: PathBuf,
    }
    let unread = || {
        format!(
            "{}: cannot read which images it tells of; remove it, or give another --out",
            document.display()
        )
    };
    let text = std::fs::read(document).with_context(unread)?;
    let Images { images } = serde_json::from_slice(&text).with_context(unread)?;
    Ok(images
        .iter()
        .map(|image| image_file_id(&image.file_name))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use weakseg_data::{Plane, write_gray_png};

    #[test]
    fn overlays_of_several_findings_say_which_colour_is_whose() {
        let root = tempfile::tempdir().expect("a folder");
        let (image, out) = (root.path().join("a.png"), root.path().join("out"));
        let grey = Plane::filled(4, 4, 90);
        write_gray_png(&image, &grey).expect("an image");
        let classes = |names: &[&str]| Classes {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            space: LabelSpace::Findings,
        };
        let write = |classes: &Classes| {
            let planes = (0..classes.len()).map(|k| Plane::filled(4, 4, u8::from(k == 1)));
            let prediction = Prediction {
                mask: Mask {
                    planes: Stack::from_planes(&planes.collect::<Vec<_>>()).expect("planes"),
                },
                scores: Stack::filled(classes.len(), 4, 4, 0.5),
                probabilities: None,
                open: Vec::new(),
            };
            let formats = [Format::Overlay, Format::Sc];
            let mut outputs = Outputs::new(&out, &formats, classes, None).expect("outputs");
            outputs
                .write(&image, &grey.clone().into_stack(), &prediction)
                .expect("written");
            outputs.finish().expect("written");
        };
        write(&classes(&["mass"]));
        assert!(!out.join(LEGEND).exists(), "one colour tells nothing apart");
        write(&classes(&["mass", "node"]));
        let told = std::fs::read_to_string(out.join(LEGEND)).expect("a legend");
        let node = colour::css(colour::class(1));
        assert!(told.contains(&node) && told.contains(">node<"), "{told}");
        let overlay = weakseg_data::read_image(&out.join("overlays/a.png"), &Limits::default());
        let overlay = overlay.expect("an overlay");
        let outline = [0, 1, 2].map(|channel| overlay.plane(channel)[0]);
        assert_eq!(outline, colour::class(1), "the legend's colour");
        let sc = std::fs::read(out.join("sc/a.dcm")).expect("a file");
        let comments = format!("node {node}");
        assert!(
            sc.windows(comments.len())
                .any(|text| text == comments.as_bytes())
        );
    }
}
