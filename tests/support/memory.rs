//! The resident memory of this process, where the system tells it (Linux).

/// Sets the recorded peak back to what is resident now, and returns that; None where the system does not tell.
pub(crate) fn reset_peak() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    field_bytes("VmRSS:")
}

pub(crate) fn peak_bytes() -> Option<u64> {
    field_bytes("VmHWM:")
}

fn field_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
