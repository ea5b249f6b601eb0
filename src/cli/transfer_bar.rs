//! A bar on stderr for a download, on a terminal only.

use crate::hub::{Phase, Progress, Watch};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Progress of one download.
pub(crate) struct TransferBar {
    bar: ProgressBar,
}

impl TransferBar {
    pub(crate) fn start(is_wanted: bool) -> Self {
        let target = if is_wanted && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {bytes} of {total_bytes}  {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar }
    }
}

impl Watch for TransferBar {
    fn progress(&self, progress: &Progress<'_>) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar
            .set_length(progress.total_bytes.unwrap_or(progress.done_bytes));
        self.bar.set_position(progress.done_bytes);
        self.bar.set_message(match progress.phase {
            Phase::Asking => format!("asking for {}", progress.file),
            Phase::Waiting => format!(
                "{} is being downloaded by another program; waiting",
                progress.file
            ),
            Phase::Checking => format!("checking {}", progress.file),
            Phase::Receiving => receiving(progress),
        });
    }

    /// A command is cancelled by ending the program; what has arrived is gone on with by the next.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Drop for TransferBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn receiving(progress: &Progress<'_>) -> String {
    let rate = progress.bytes_per_second.unwrap_or_default();
    let left_bytes = progress
        .total_bytes
        .map(|total| total.saturating_sub(progress.done_bytes));
    match left_bytes {
        Some(left_bytes) if rate > 0.0 => format!(
            "{}  {:.1} MB/s  {:.0} s left",
            progress.file,
            rate / 1e6,
            left_bytes as f64 / rate
        ),
        _ => progress.file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_tells_what_is_left() {
        let mut progress = Progress {
            phase: Phase::Receiving,
            file: "model.safetensors",
            done_bytes: 100,
            total_bytes: Some(2_000_100),
            bytes_per_second: Some(500_000.0),
        };
        assert_eq!(receiving(&progress), "model.safetensors  0.5 MB/s  4 s left");
        progress.bytes_per_second = None;
        assert_eq!(receiving(&progress), "model.safetensors");
    }
}
