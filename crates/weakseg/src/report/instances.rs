//! Average precision of instances. `report.json` has no such metric, so these figures have a document of their own.

use serde::{Deserialize, Serialize};
use weakseg_data::{Split, counted};

use super::keys::ImageLabels;
use super::standing::Standing;
use super::table::{Cell, Column, Line, MAX_CLASSES, Table};

/// The figures of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassPrecision {
    /// Its name.
    pub class: String,
    /// In 0..=1; `null` of a class without a true object.
    pub average_precision: Option<f64>,
    /// Number of its true objects.
    pub objects: u64,
    /// Number of its instances.
    pub found: u64,
}

/// The figures of one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitPrecision {
    /// The split.
    pub split: Split,
    /// Which image-level labels the instances were allowed to see.
    pub image_labels: ImageLabels,
    /// Images whose true objects are known.
    pub images: u64,
    /// Mean over the classes with a true object, in 0..=1.
    pub average_precision: f64,
    /// The ends of its 95 % interval over images; `null` where there is none.
    pub ci95: Option<[f64; 2]>,
    /// The classes with a true object or an instance, in the order of the set.
    pub classes: Vec<ClassPrecision>,
}

/// What a document of instances' scores holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceFigures {
    /// Least intersection over union of an instance with the object that it finds.
    pub iou: f64,
    /// One a split with true objects.
    pub results: Vec<SplitPrecision>,
}

impl InstanceFigures {
    /// A table a split: the mean, then the classes.
    pub fn tables(&self) -> Vec<Table> {
        self.results.iter().map(|one| self.table(one)).collect()
    }

    /// The same without the classes, which may be many.
    pub fn short_tables(&self) -> Vec<Table> {
        let mut tables = self.tables();
        tables.iter_mut().for_each(|table| table.lines.truncate(1));
        tables
    }

    fn table(&self, figures: &SplitPrecision) -> Table {
        let sum = |of: fn(&ClassPrecision) -> u64| figures.classes.iter().map(of).sum();
        let title = match figures.classes.as_slice() {
            [only] => only.class.clone(),
            _ => "all classes".to_owned(),
        };
        let (objects, found) = (sum(|class| class.objects), sum(|class| class.found));
        let mut lines = vec![line(
            title,
            Some(figures.average_precision),
            figures.ci95,
            [objects, found],
        )];
        let classes = figures.classes.iter().filter(|_| figures.classes.len() > 1);
        lines.extend(classes.take(MAX_CLASSES).map(|class| {
            let counts = [class.objects, class.found];
            line(class.class.clone(), class.average_precision, None, counts)
        }));
        let labels = match figures.image_labels.remark() {
            "" => String::new(),
            remark => format!(", {remark}"),
        };
        let hidden = figures.classes.len().saturating_sub(MAX_CLASSES);
        let notes = match hidden {
            0 => Vec::new(),
            n => vec![format!("{n} more classes are in instances.json.")],
        };
        Table {
            split: figures.split,
            title: format!(
                "Instances, {} ({} with known objects{labels})",
                figures.split,
                counted(figures.images as usize, "image")
            ),
            corner: "Class".to_owned(),
            columns: vec![Column {
                group: format!("AP at IoU {}", self.iou),
                title: String::new(),
                n: None,
            }],
            lines,
            notes,
        }
    }
}

fn line(
    title: String,
    value: Option<f64>,
    ci95: Option<[f64; 2]>,
    [objects, found]: [u64; 2],
) -> Line {
    Line {
        title,
        remark: format!("{found} found, {objects} true"),
        baseline: false,
        cells: vec![value.map(|value| Cell {
            value,
            ci95,
            n: objects,
            standing: Standing::Alone,
        })],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(class: &str, average_precision: Option<f64>, objects: u64) -> ClassPrecision {
        ClassPrecision {
            class: class.to_owned(),
            average_precision,
            objects,
            found: 4,
        }
    }

    fn figures(classes: Vec<ClassPrecision>) -> InstanceFigures {
        InstanceFigures {
            iou: 0.5,
            results: vec![SplitPrecision {
                split: Split::Val,
                image_labels: ImageLabels::Truth,
                images: 7,
                average_precision: 0.5,
                ci95: Some([0.25, 0.75]),
                classes,
            }],
        }
    }

    #[test]
    fn golden_text() {
        let several = figures(vec![class("cat", Some(0.5), 3), class("dog", None, 0)]);
        let expected = "\
Instances, val (7 images with known objects, true labels)
Class                         AP at IoU 0.5
all classes, 8 found, 3 true  0.500 [.250 .750]
cat, 4 found, 3 true          0.500
dog, 4 found, 0 true          –
";
        assert_eq!(several.tables()[0].text(), expected);
        let short = several.short_tables()[0].text();
        assert!(
            short.ends_with("all classes, 8 found, 3 true  0.500 [.250 .750]\n"),
            "{short}"
        );
        let one = figures(vec![class("cat", Some(0.5), 3)]).tables()[0].text();
        assert!(
            one.ends_with("\ncat, 4 found, 3 true  0.500 [.250 .750]\n"),
            "{one}"
        );
    }

    #[test]
    fn many_classes_are_cut() {
        let many = (0..150).map(|i| class(&format!("c{i}"), Some(0.5), 1));
        let table = figures(many.collect()).tables().remove(0);
        assert_eq!(table.lines.len(), 1 + MAX_CLASSES);
        assert_eq!(table.notes, ["50 more classes are in instances.json."]);
    }

    /// Scripts read it: keys and their order.
    #[test]
    fn golden_json() {
        let written = serde_json::to_string(&figures(vec![class("cat", None, 0)])).expect("JSON");
        let expected = [
            r#"{"iou":0.5,"results":[{"split":"val","image_labels":"truth","images":7,"#,
            r#""average_precision":0.5,"ci95":[0.25,0.75],"#,
            r#""classes":[{"class":"cat","average_precision":null,"objects":0,"found":4}]}]}"#,
        ];
        assert_eq!(written, expected.concat());
    }
}
