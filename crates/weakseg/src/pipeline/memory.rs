//! Greatest memory of the process, where the system tells (Linux).

/// Starts a new measurement.
pub fn reset_peak() {
    // Writing 5 resets VmHWM (proc(5)). Where it is refused the peak of the whole process stands, which errs upwards.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Bytes since [`reset_peak`]; none where `/proc` has no such figure.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}
