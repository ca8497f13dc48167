//! The program against recorded outputs of its peers (`WEAKSEG_SHARED`, by default beside the repository).

use std::path::PathBuf;

use weakseg_data::{Limits, npy, read_index_png};

use crate::program::Program;

fn shared(name: &str) -> PathBuf {
    let root = std::env::var_os("WEAKSEG_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    root.join("fixtures").join(name)
}

/// Names of the files in a folder of fixtures that have this ending, without it.
fn names(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(shared(folder)).expect("fixtures");
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_str()?
                .strip_suffix(ending)
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

#[test]
#[ignore = "needs ../shared; run: cargo xtask shared"]
fn crf_agrees_with_pydensecrf() {
    let program = Program::new();
    for name in names("crf", ".image.png") {
        let file = |part: &str| {
            shared(&format!("crf/{name}.{part}.png"))
                .to_string_lossy()
                .into_owned()
        };
        let seconds = program
            .ok(&[
                "crf",
                &file("image"),
                &file("labels"),
                "--out",
                "o.png",
                "--json",
            ])
            .json()["seconds"]
            .clone();
        let read = |path: PathBuf| read_index_png(&path, &Limits::default()).expect("a label map");
        let (found, expected) = (read(program.path("o.png")), read(file("refined").into()));
        let same = found
            .as_slice()
            .iter()
            .zip(expected.as_slice())
            .filter(|(a, b)| a == b)
            .count();
        let share = same as f64 / expected.len() as f64;
        println!(
            "crf {name}: {:.3} % of the pixels agree, {seconds} s",
            100.0 * share
        );
        assert!(share >= 0.999, "{name}: {share}");
    }
}

#[test]
#[ignore = "needs ../shared; run: cargo xtask shared"]
fn run_lengths_of_siim_come_back_byte_for_byte() {
    let program = Program::new();
    let table = shared("../data/siim_rle/train-rle-sample.csv");
    let name = table.to_string_lossy();
    program.ok(&["data", "rle", "to-masks", &name, "--out", "masks"]);
    program.ok(&["data", "rle", "to-csv", "masks", "--out", "back.csv"]);
    let read = |path: PathBuf| std::fs::read(path).expect("a table");
    assert!(read(program.path("back.csv")) == read(table));
}

#[test]
#[ignore = "needs ../shared; run: cargo xtask shared"]
fn walk_agrees_with_the_dense_matrix() {
    let program = Program::new();
    for name in names("walk", ".cam.npy") {
        let file = |part: &str| {
            shared(&format!("walk/{name}.{part}.npy"))
                .to_string_lossy()
                .into_owned()
        };
        let seconds = program
            .ok(&[
                "walk",
                &file("cam"),
                &file("edge"),
                "--out",
                "o.npy",
                "--json",
            ])
            .json()["seconds"]
            .clone();
        let read = |path: PathBuf| npy::read_f32(&path).expect("maps").1;
        let (found, expected) = (read(program.path("o.npy")), read(file("walk").into()));
        let worst = found
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        println!("walk {name}: greatest difference {worst:.2e}, {seconds} s");
        assert!(worst <= 1e-4, "{name}: {worst}");
    }
}
