//! How much memory the weights of open models may take when nobody says.

/// Where the size of the machine's memory is not known.
const FALLBACK_BYTES: u64 = 4 << 30;

/// Half of the machine's memory, 4 GiB where its size is not known: pictures, activations and other programs need
/// the rest. Bytes.
pub fn default_memory_limit() -> u64 {
    physical_bytes().map_or(FALLBACK_BYTES, |bytes| bytes / 2)
}

#[cfg(target_os = "linux")]
fn physical_bytes() -> Option<u64> {
    total_of(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

#[cfg(not(target_os = "linux"))]
fn physical_bytes() -> Option<u64> {
    None
}

/// The line `MemTotal:  16303412 kB`; its unit is KiB.
#[cfg(any(target_os = "linux", test))]
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_in_kib() {
        let text = "MemTotal:       16303412 kB\nMemFree:          123 kB\n";
        assert_eq!(total_of(text), Some(16_303_412 * 1024));
        assert_eq!(total_of("MemFree: 1 kB\n"), None);
        assert_eq!(total_of("MemTotal: many kB\n"), None);
    }

    #[test]
    fn there_is_always_a_limit() {
        assert!(default_memory_limit() > 0);
    }
}
