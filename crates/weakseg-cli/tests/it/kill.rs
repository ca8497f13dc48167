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

/// What a full disk does, without one: no file may be longer than so many blocks of 512 bytes, and what is written
/// beyond ends in the midst of a write. With every limit the run comes a little further.
#[test]
#[cfg(unix)]
fn a_run_that_may_not_write_more_says_where_and_goes_on() {
    const LIMITED: &str = r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#;
    let program = Program::new();
    crate::run::write_tiny(&program);
    let line = |out: &'static str| [&["run", "tiny.toml", "-q", "--out", out][..], &SIX].concat();
    program.ok(&line("whole"));
    let (mut blocks, mut refused) = (0_u32, 0);
    loop {
        let arguments = line("limited");
        let run = program.command(&arguments);
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", LIMITED, "sh", &blocks.to_string()])
            .arg(run.get_program())
            .args(run.get_args())
            .current_dir(program.path("."));
        let output = command.output().expect("a shell");
        let told = String::from_utf8(output.stderr).expect("text");
        if output.status.success() {
            break;
        }
        assert_eq!(output.status.code(), Some(1), "{blocks} blocks: {told}");
        let error = told.lines().filter(|line| line.starts_with("error: "));
        let error: Vec<&str> = error.collect();
        assert!(
            matches!(error[..], [one] if one.contains("limited/") && one.contains("File too large")),
            "{blocks} blocks: {told}"
        );
        refused += 1;
        blocks = if blocks < 4 { blocks + 1 } else { blocks * 2 };
    }
    assert!(refused > 5, "{refused}");
    let [whole, limited] = ["whole", "limited"].map(|out| timeless(&program.path(out)));
    assert_eq!(Vec::from_iter(whole.keys()), Vec::from_iter(limited.keys()));
    for (name, bytes) in &whole {
        assert!(limited[name] == *bytes, "{name} differs");
    }
}
