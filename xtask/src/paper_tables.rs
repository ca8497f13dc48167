//! `cargo xtask paper-tables RUN…`: the paper's Tables 1 to 4 in Markdown, its figures beside those of runs.
//!
//! A cell is a figure with its 95 % interval and the number of images; it is empty where the run has no such figure, as
//! a run on X-rays has none for a table on VOC. The empty mask stands in every table of masks, with a figure or without
//! one.

use std::path::Path;

use serde_json::Value;

const USAGE: &str = "usage: cargo xtask paper-tables RUN… (folders with a report.json)";

/// A table of the paper.
struct PaperTable {
    title: &'static str,
    /// What a reader must know before comparing.
    note: &'static str,
    lines: &'static [Line],
}

/// A figure that the paper has, or that belongs beside one.
struct Line {
    what: &'static str,
    /// None where the paper has none.
    published: Option<&'static str>,
    key: Key,
}

/// The keys of a row of report.json.
struct Key {
    step: &'static str,
    split: &'static str,
    /// Any of these; the first that is there is taken.
    image_labels: &'static [&'static str],
    subset: &'static str,
    metric: &'static str,
}

const TRUE: &[&str] = &["truth"];
const PREDICTED: &[&str] = &["predicted"];
/// A segmentation network decides alone or behind the classifier's gate, as the run is set.
const EITHER: &[&str] = &["predicted", "none"];
const NONE: &[&str] = &["none"];

const fn line(
    what: &'static str,
    published: Option<&'static str>,
    [step, split, subset, metric]: [&'static str; 4],
    image_labels: &'static [&'static str],
) -> Line {
    let key = Key {
        step,
        split,
        image_labels,
        subset,
        metric,
    };
    Line {
        what,
        published,
        key,
    }
}

const CAM_TRUE: &str = "Step 1, maps, true labels";
const CAM_PREDICTED: &str = "Step 1, maps, predicted labels";
const IRN_TRUE: &str = "Step 2, IRNet, true labels";
const IRN_PREDICTED: &str = "Step 2, IRNet, predicted labels";
const SEGMENTATION: &str = "Step 3, segmentation";
const EMPTY: &str = "Empty mask";

/// Published figures: the paper, by way of reference §9.5 and §8.3.
const TABLES: [PaperTable; 7] = [
    PaperTable {
        title: "Table 1: classifier, F1",
        note: "A run is with or without DropBlock as its `classifier.dropblock` says.",
        lines: &[
            line(
                "val",
                Some("0.8808 without, 0.882 with DropBlock"),
                ["classifier", "val", "all", "f1"],
                NONE,
            ),
            line("test", None, ["classifier", "test", "all", "f1"], NONE),
        ],
    },
    PaperTable {
        title: "Table 2: maps of VGG16 on VOC, mIoU",
        note: "The code's maps of val see true labels. A run has the method that its `cams.method` says.",
        lines: &[
            line(
                "Empty mask, train",
                None,
                ["baseline-empty", "train", "all", "miou"],
                NONE,
            ),
            line(
                "Maps, train, true labels",
                Some("0.4137 Grad-CAM, 0.4176 Grad-CAM++"),
                ["cam", "train", "all", "miou"],
                TRUE,
            ),
            line(
                "Empty mask, val",
                None,
                ["baseline-empty", "val", "all", "miou"],
                NONE,
            ),
            line(
                "Maps, val, true labels",
                Some("0.3511 Grad-CAM, 0.3941 Grad-CAM++"),
                ["cam", "val", "all", "miou"],
                TRUE,
            ),
            line(
                "Maps, val, predicted labels",
                None,
                ["cam", "val", "all", "miou"],
                PREDICTED,
            ),
        ],
    },
    PaperTable {
        title: "Table 3: SIIM-ACR, val, images with a pneumothorax, IoU",
        note: "",
        lines: &[
            line(
                EMPTY,
                Some("0"),
                ["baseline-empty", "val", "pos", "iou"],
                NONE,
            ),
            line(CAM_TRUE, None, ["cam", "val", "pos", "iou"], TRUE),
            line(
                CAM_PREDICTED,
                Some("0.117"),
                ["cam", "val", "pos", "iou"],
                PREDICTED,
            ),
            line(IRN_TRUE, None, ["irn", "val", "pos", "iou"], TRUE),
            line(
                IRN_PREDICTED,
                Some("0.122"),
                ["irn", "val", "pos", "iou"],
                PREDICTED,
            ),
            line(
                SEGMENTATION,
                Some("0.148"),
                ["segmentation", "val", "pos", "iou"],
                EITHER,
            ),
        ],
    },
    PaperTable {
        title: "Table 3: SIIM-ACR, val, all images, IoU",
        note: EMPTY_IS_ONE,
        lines: &[
            line(
                EMPTY,
                Some(HEALTHY),
                ["baseline-empty", "val", "all", "iou"],
                NONE,
            ),
            line(CAM_TRUE, None, ["cam", "val", "all", "iou"], TRUE),
            line(
                CAM_PREDICTED,
                Some("0.7633"),
                ["cam", "val", "all", "iou"],
                PREDICTED,
            ),
            line(IRN_TRUE, None, ["irn", "val", "all", "iou"], TRUE),
            line(
                IRN_PREDICTED,
                Some("0.7645"),
                ["irn", "val", "all", "iou"],
                PREDICTED,
            ),
            line(
                SEGMENTATION,
                Some("0.7649"),
                ["segmentation", "val", "all", "iou"],
                EITHER,
            ),
        ],
    },
    PaperTable {
        title: "Table 3: SIIM-ACR, test, images with a pneumothorax, IoU",
        note: "",
        lines: &[
            line(
                EMPTY,
                Some("0"),
                ["baseline-empty", "test", "pos", "iou"],
                NONE,
            ),
            line(CAM_TRUE, None, ["cam", "test", "pos", "iou"], TRUE),
            line(
                CAM_PREDICTED,
                Some("0.142"),
                ["cam", "test", "pos", "iou"],
                PREDICTED,
            ),
            line(IRN_TRUE, None, ["irn", "test", "pos", "iou"], TRUE),
            line(
                IRN_PREDICTED,
                Some("0.154"),
                ["irn", "test", "pos", "iou"],
                PREDICTED,
            ),
            line(
                SEGMENTATION,
                Some("0.162"),
                ["segmentation", "test", "pos", "iou"],
                EITHER,
            ),
        ],
    },
    PaperTable {
        title: "Table 3: SIIM-ACR, test, all images, IoU",
        note: EMPTY_IS_ONE,
        lines: &[
            line(
                EMPTY,
                Some(HEALTHY),
                ["baseline-empty", "test", "all", "iou"],
                NONE,
            ),
            line(CAM_TRUE, None, ["cam", "test", "all", "iou"], TRUE),
            line(
                CAM_PREDICTED,
                Some("0.7590"),
                ["cam", "test", "all", "iou"],
                PREDICTED,
            ),
            line(IRN_TRUE, None, ["irn", "test", "all", "iou"], TRUE),
            line(
                IRN_PREDICTED,
                Some("0.7607"),
                ["irn", "test", "all", "iou"],
                PREDICTED,
            ),
            line(
                SEGMENTATION,
                Some("0.7677"),
                ["segmentation", "test", "all", "iou"],
                EITHER,
            ),
        ],
    },
    PaperTable {
        title: "Table 4: VOC, val, mIoU",
        note: "The paper's step 1 here (0.479) is not that of its Table 2 (0.3941); it does not say why.",
        lines: &[
            line(EMPTY, None, ["baseline-empty", "val", "all", "miou"], NONE),
            line(CAM_TRUE, Some("0.479"), ["cam", "val", "all", "miou"], TRUE),
            line(
                CAM_PREDICTED,
                None,
                ["cam", "val", "all", "miou"],
                PREDICTED,
            ),
            line(IRN_TRUE, Some("0.631"), ["irn", "val", "all", "miou"], TRUE),
            line(
                IRN_PREDICTED,
                None,
                ["irn", "val", "all", "miou"],
                PREDICTED,
            ),
            line(
                SEGMENTATION,
                Some("0.646"),
                ["segmentation", "val", "all", "miou"],
                EITHER,
            ),
        ],
    },
];

/// 541 of 686 images are healthy in val and in test.
const HEALTHY: &str = "0.7886 (computed)";
const EMPTY_IS_ONE: &str = "An empty mask of a healthy image counts 1. The paper has no line for empty masks; 541 of its 686 images are \
                            healthy, and 0.7886 is above all that it reports.";

const HEAD: &str = "\
# The paper's tables

A cell is a figure, its 95 % interval and the number of images. Intervals are over images, not over training runs. A run on other data
than a table's stands in it all the same: compare like with like.

| run | data | train (positive) | val (positive) | test (positive) | seed |
| --- | --- | --- | --- | --- | --- |
";

const TAIL: &str = "
Of the paper's figures two have no line: 0.669 of Ouyang et al. beside Table 3, and the Dice of 0.769 (the winner: 0.868) that the
competition's server gave for its second stage, whose share of healthy images is not known here.
";

/// A run's figures.
struct Run {
    name: String,
    /// What it was measured on.
    data: Value,
    rows: Vec<Value>,
}

impl Run {
    fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("report.json");
        let told = |why: String| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|e| {
            told(format!(
                "{e}; expected the folder of a run that is finished"
            ))
        })?;
        let report: Value = serde_json::from_str(&text).map_err(|e| told(e.to_string()))?;
        if report["format"] != 1 {
            return Err(told(format!("format {}; expected 1", report["format"])));
        }
        let rows = report["results"]
            .as_array()
            .ok_or_else(|| told("no list of results".to_owned()))?;
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().replace('|', "\\|"),
            data: report["data"].clone(),
            rows: rows.clone(),
        })
    }

    /// A line of the table of runs.
    fn line(&self) -> String {
        let set = self.data["name"].as_str().unwrap_or("").replace('|', "\\|");
        let splits = ["train", "val", "test"].map(|split| {
            let counts = &self.data["counts"][split];
            match (counts["cases"].as_u64(), counts["positive"].as_u64()) {
                (Some(cases @ 1..), Some(positive)) => format!("{cases} ({positive})"),
                _ => String::new(),
            }
        });
        let seed = self.data["seed"]
            .as_u64()
            .map_or(String::new(), |seed| seed.to_string());
        format!(
            "| {} | {set} | {} | {seed} |\n",
            self.name,
            splits.join(" | ")
        )
    }

    /// The figure of these keys in words, empty where there is none.
    fn cell(&self, key: &Key) -> String {
        let row = key.image_labels.iter().find_map(|labels| {
            self.rows.iter().find(|row| {
                row["step"] == key.step
                    && row["split"] == key.split
                    && row["image_labels"] == *labels
                    && row["subset"] == key.subset
                    && row["metric"] == key.metric
            })
        });
        let Some((row, value)) = row.and_then(|row| Some((row, row["value"].as_f64()?))) else {
            return String::new();
        };
        let interval = match (row["ci95"][0].as_f64(), row["ci95"][1].as_f64()) {
            (Some(low), Some(high)) => format!(" [{low:.3} {high:.3}]"),
            _ => String::new(),
        };
        format!("{value:.4}{interval}, n = {}", row["n"])
    }
}

/// Prints the tables of the runs in these folders.
///
/// # Errors
/// A folder without a report that can be read.
pub fn print(folders: &[&str]) -> Result<(), String> {
    if folders.is_empty() {
        return Err(USAGE.to_owned());
    }
    let runs: Vec<Run> = folders
        .iter()
        .map(|folder| Run::read(Path::new(folder)))
        .collect::<Result<_, _>>()?;
    print!("{}", markdown(&runs));
    Ok(())
}

fn markdown(runs: &[Run]) -> String {
    let mut text = String::from(HEAD);
    for run in runs {
        text.push_str(&run.line());
    }
    for table in &TABLES {
        text.push_str(&format!("\n## {}\n\n", table.title));
        if !table.note.is_empty() {
            text.push_str(&format!("{}\n\n", table.note));
        }
        let mut put = |cells: Vec<String>| text.push_str(&format!("| {} |\n", cells.join(" | ")));
        let heads = runs.iter().map(|run| run.name.clone());
        put(["", "paper"]
            .map(str::to_owned)
            .into_iter()
            .chain(heads)
            .collect());
        put(vec!["---".to_owned(); runs.len() + 2]);
        for line in table.lines {
            let named = [line.what, line.published.unwrap_or("")].map(str::to_owned);
            let figures = runs.iter().map(|run| run.cell(&line.key));
            put(named.into_iter().chain(figures).collect());
        }
    }
    text.push_str(TAIL);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{
        "format": 1,
        "data": { "name": "siim: set", "counts": { "val": { "cases": 40, "positive": 10 }, "test": { "cases": 0, "positive": 0 } }, "seed": 7 },
        "results": [
            { "step": "baseline-empty", "split": "test", "image_labels": "none", "subset": "all", "metric": "iou", "value": 0.75, "ci95": [0.7, 0.8], "n": 40 },
            { "step": "cam", "split": "test", "image_labels": "truth", "subset": "pos", "metric": "iou", "value": 0.25, "ci95": [0.125, 0.5], "n": 10 },
            { "step": "cam", "split": "test", "image_labels": "predicted", "subset": "pos", "metric": "iou", "value": 0.2, "ci95": null, "n": 10 },
            { "step": "segmentation", "split": "test", "image_labels": "none", "subset": "pos", "metric": "iou", "value": 0.3, "ci95": null, "n": 10 },
            { "step": "segmentation", "split": "test", "image_labels": "none", "subset": "pos", "metric": "dice", "value": 0.9, "ci95": null, "n": 10 },
            { "step": "classifier", "split": "val", "image_labels": "none", "subset": "all", "metric": "f1", "value": 0.875, "ci95": null, "n": 40 }
        ],
        "timings": []
    }"#;

    /// A folder of its own under the system's, with `text` as its report.
    fn folder(name: &str, text: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("report.json"), text).expect("written");
        folder
    }

    fn of_report(name: &str, text: &str) -> Result<String, String> {
        let folder = folder(name, text);
        let run = Run::read(&folder);
        std::fs::remove_dir_all(&folder).expect("removed");
        run.map(|mut run| {
            run.name = name.to_owned();
            markdown(&[run])
        })
    }

    /// The table of a title, line by line.
    fn table<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
        let (_, rest) = text.split_once(title).expect(title);
        let section = rest.split("\n## ").next().expect("a section");
        section.lines().filter(|l| l.starts_with('|')).collect()
    }

    #[test]
    fn figures_stand_beside_the_published_ones_and_what_is_not_there_is_empty() {
        let text = of_report("paper-run", REPORT).expect("a report");
        let runs = table(&text, "# The paper's tables");
        assert_eq!(runs[2], "| paper-run | siim: set |  | 40 (10) |  | 7 |");
        let positive = table(&text, "Table 3: SIIM-ACR, test, images with a pneumothorax");
        assert_eq!(
            positive,
            [
                "|  | paper | paper-run |",
                "| --- | --- | --- |",
                "| Empty mask | 0 |  |",
                "| Step 1, maps, true labels |  | 0.2500 [0.125 0.500], n = 10 |",
                "| Step 1, maps, predicted labels | 0.142 | 0.2000, n = 10 |",
                "| Step 2, IRNet, true labels |  |  |",
                "| Step 2, IRNet, predicted labels | 0.154 |  |",
                "| Step 3, segmentation | 0.162 | 0.3000, n = 10 |",
            ]
        );
        let all = table(&text, "Table 3: SIIM-ACR, test, all images");
        assert_eq!(
            all[2],
            "| Empty mask | 0.7886 (computed) | 0.7500 [0.700 0.800], n = 40 |"
        );
        let classifier = table(&text, "Table 1");
        assert_eq!(
            classifier[2],
            "| val | 0.8808 without, 0.882 with DropBlock | 0.8750, n = 40 |"
        );
        let voc = table(&text, "Table 4");
        assert_eq!(voc[2], "| Empty mask |  |  |");
        assert_eq!(voc[7], "| Step 3, segmentation | 0.646 |  |");
    }

    #[test]
    fn several_runs_stand_side_by_side() {
        let text = REPORT.replace("0.875", "0.5");
        let folders = [folder("paper-a", REPORT), folder("paper-b", &text)];
        let runs: Vec<Run> = folders
            .iter()
            .map(|folder| Run::read(folder).expect("a report"))
            .collect();
        let text = markdown(&runs);
        let line = table(&text, "Table 1")[2];
        assert!(
            line.ends_with("DropBlock | 0.8750, n = 40 | 0.5000, n = 40 |"),
            "{line}"
        );
        for folder in folders {
            std::fs::remove_dir_all(folder).expect("removed");
        }
    }

    #[test]
    fn what_is_no_report_is_refused_by_name() {
        let missing = Run::read(Path::new("no-such-run")).err().expect("missing");
        assert!(missing.contains("report.json"), "{missing}");
        let other = of_report("paper-format", r#"{ "format": 2, "results": [] }"#);
        assert!(other.expect_err("format").contains("format 2; expected 1"));
        let broken = of_report("paper-broken", "{");
        assert!(broken.expect_err("JSON").contains("report.json"));
        assert!(print(&[]).expect_err("usage").contains("usage"));
    }
}
