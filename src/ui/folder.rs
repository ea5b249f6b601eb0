//! Showing a folder in the system's own file manager.

use std::path::Path;
use std::process::{Command, Stdio};

/// The program that opens folders here.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else if cfg!(windows) {
    "explorer"
} else {
    "xdg-open"
};

/// Opens `folder`. Does not wait for the file manager.
///
/// # Errors
/// Why it cannot be opened, with its path.
pub(super) fn show(folder: &Path) -> Result<(), String> {
    let mut child = Command::new(OPENER)
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            format!(
                "Cannot open a file manager ({OPENER}: {error}). The folder is {}",
                folder.display()
            )
        })?;
    // Some file managers run until they are closed; each is waited for, so that none stays behind as a dead process.
    let _ = std::thread::Builder::new()
        .name("file manager".to_owned())
        .spawn(move || child.wait());
    Ok(())
}
