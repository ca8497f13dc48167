//! Small sets made on the spot.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use weakseg_data::{DataConfig, Plane, TableConfig, VocConfig, write_gray_png, write_index_png};

/// A folder to fill with a set.
pub struct Set {
    folder: TempDir,
}

impl Set {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn text(&self, name: &str, content: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A grey 6x8 image that differs with its name.
    pub fn image(&self, name: &str) {
        let salt = name
            .bytes()
            .fold(7_usize, |sum, byte| sum * 31 % 977 + usize::from(byte));
        let plane = Plane::from_fn(6, 8, |y, x| ((y * 8 + x) * salt % 251) as u8);
        write_gray_png(&self.at(name), &plane).unwrap();
    }

    /// A 6x8 mask, `value` in its left half, 0 elsewhere.
    pub fn mask(&self, name: &str, value: u8) {
        let plane = Plane::from_fn(6, 8, |_, x| if x < 4 { value } else { 0 });
        write_index_png(&self.at(name), &plane).unwrap();
    }

    /// A faultless table of ten patients with two images each, the first half positive, two of them boxed.
    pub fn table() -> (Self, TableConfig) {
        let set = Self::new();
        let mut rows = String::from("image,patient,mass\n");
        for patient in 0..10 {
            for view in 0..2 {
                let id = format!("p{patient}_{view}");
                let positive = patient < 5;
                rows += &format!("{id}.png,p{patient},{}\n", u8::from(positive));
                set.image(&format!("images/{id}.png"));
                set.mask(&format!("masks/{id}.png"), if positive { 1 } else { 0 });
            }
        }
        set.text("labels.csv", &rows);
        set.text(
            "boxes.csv",
            "image,label,x,y,width,height\np0_0.png,Mass,0,0,4,6\np1_1.png,mass,0,1,3.5,2\n",
        );
        (set, TableConfig::default())
    }

    /// A faultless development kit of two classes.
    pub fn voc() -> (Self, VocConfig) {
        let set = Self::new();
        let mut rows = String::from("image,cat,dog\n");
        let (mut train, mut val) = (String::new(), String::new());
        for index in 0..4 {
            let id = format!("2007_{index:06}");
            rows += &format!(
                "{id},{},{}\n",
                u8::from(index % 2 == 0),
                u8::from(index % 2 == 1)
            );
            let list = if index < 3 { &mut train } else { &mut val };
            *list += &format!("{id}\n");
            set.image(&format!("JPEGImages/{id}.png"));
            set.mask(
                &format!("SegmentationClass/{id}.png"),
                if index % 2 == 0 { 1 } else { 2 },
            );
        }
        set.text("image_labels.csv", &rows);
        set.text("ImageSets/Segmentation/train.txt", &train);
        set.text("ImageSets/Segmentation/val.txt", &val);
        let config = VocConfig {
            classes: vec!["cat".into(), "dog".into()],
            ..VocConfig::default()
        };
        (set, config)
    }

    /// The message of opening this table with other rows.
    pub fn refusal(&self, csv: &str) -> String {
        self.text("labels.csv", csv);
        let config = DataConfig::Table(TableConfig::default());
        config.open_cases(self.root()).unwrap_err().to_string()
    }
}
