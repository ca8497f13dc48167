//! One run of a program that prints one line of JSON.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// What a program printed, and its greatest resident set in bytes, 0 where the system does not tell.
pub fn run(command: &mut Command) -> Result<(Value, u64), String> {
    let spawned = command.stdout(Stdio::piped()).spawn();
    let failed = |why: &dyn std::fmt::Display| format!("{command:?}: {why}");
    let child = spawned.map_err(|e| failed(&e))?;
    let process = child.id();
    let end = std::thread::spawn(|| child.wait_with_output());
    let mut peak = 0;
    while !end.is_finished() {
        peak = peak.max(resident(process));
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = end.join().expect("waiting does not panic");
    let output = output.map_err(|e| failed(&e))?;
    if !output.status.success() {
        return Err(failed(&output.status));
    }
    let printed = serde_json::from_slice(&output.stdout).map_err(|e| failed(&e))?;
    Ok((printed, peak))
}

/// A number of what was printed.
pub fn number(printed: &Value, key: &str) -> Result<f64, String> {
    let number = printed[key].as_f64();
    number.ok_or_else(|| format!("no `{key}` in {printed}"))
}

/// `VmHWM` of a process, which only grows.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
