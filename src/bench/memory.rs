//! The resident memory of this process, where the system tells it (Linux).

/// Sets the recorded peak back to what is resident now, where that can be done.
pub(super) fn reset_peak() {
    // Where it cannot, the peak is that of the whole process: an upper bound.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Largest resident memory since the start or the last [`reset_peak`].
pub(super) fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
