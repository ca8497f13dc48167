//! A run that is killed again and again, wherever it is, ends with the bytes of one that was not.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use crate::program::Program;
use crate::tune::files;

/// Six images, in very small.
const SIX: [&str; 12] = [
    "--set",
    "data.count=6",
    "--set",
    "classifier.training.epochs=2",
    "--set",
    "classifier.training.batch=2",
    "--set",
    "irn.training.batch=1",
    "--set",
    "segmenter.training.batch=2",
    "--until",
    "evaluate",
];

#[test]
fn a_killed_run_ends_with_the_same_bytes() {
    let program = Program::new();
    crate::run::write_tiny(&program);
    let line = |out: &'static str| [&["run", "tiny.toml", "-q", "--out", out][..], &SIX].concat();
    let began = Instant::now();
    program.ok(&line("whole"));
    let whole = began.elapsed();

    // Each sitting is a little longer than the one before, so that one of them must come to the end.
    let mut kills = 0;
    loop {
        let mut command = program.command(&line("killed"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        std::thread::sleep(whole / 20 * (kills + 1));
        if let Some(status) = child.try_wait().expect("a child") {
            assert_eq!(status.code(), Some(0));
            break;
        }
        child.kill().expect("killed");
        child.wait().expect("its end");
        kills += 1;
    }
    assert!(kills >= 4, "{kills} kills");
    let of = |out: &str| timeless(&program.path(out));
    let (whole, killed) = (of("whole"), of("killed"));
    assert_eq!(Vec::from_iter(whole.keys()), Vec::from_iter(killed.keys()));
    for (name, bytes) in &whole {
        assert!(killed[name] == *bytes, "{name} differs after {kills} kills");
    }
}

/// The files of a run but for those that hold times.
fn timeless(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = files(run);
    files.retain(|name, _| !name.ends_with("manifest.json"));
    files
}
