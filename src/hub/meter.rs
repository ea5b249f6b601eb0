use super::HubError;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a download is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the hub's answer.
    Asking,
    /// Another program downloads the same file.
    Waiting,
    /// Bytes arrive.
    Receiving,
    /// Bytes that arrived before are read again for their checksum.
    Checking,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress<'a> {
    /// What it is doing.
    pub phase: Phase,
    /// The file at hand; empty before the first.
    pub file: &'a str,
    /// Bytes there of all files, those of earlier tries included.
    pub done_bytes: u64,
    /// Bytes of all files; `None` until it is known.
    pub total_bytes: Option<u64>,
    /// Bytes a second over the last seconds; `None` while there is too little to tell.
    pub bytes_per_second: Option<f64>,
}

/// Follows a download, and can end it.
pub trait Watch: Sync {
    /// Called often, from the thread that downloads.
    fn progress(&self, progress: &Progress<'_>);
    /// Asked at least every tenth of a second; once true, the download ends with [`HubError::Cancelled`].
    fn is_cancelled(&self) -> bool;
}

/// Never cancels, tells nobody.
pub struct NoWatch;

impl Watch for NoWatch {
    fn progress(&self, _progress: &Progress<'_>) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Rates are means over this time.
const RATE_WINDOW: Duration = Duration::from_secs(4);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Counts bytes and tells the watcher.
pub(super) struct Meter<'a> {
    watch: &'a dyn Watch,
    phase: Phase,
    file: String,
    done_bytes: u64,
    total_bytes: Option<u64>,
    received_bytes: u64,
    /// Times and bytes received until then.
    samples: VecDeque<(Instant, u64)>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(watch: &'a dyn Watch) -> Self {
        Self {
            watch,
            phase: Phase::Asking,
            file: String::new(),
            done_bytes: 0,
            total_bytes: None,
            received_bytes: 0,
            samples: VecDeque::new(),
        }
    }

    pub(super) fn set_total(&mut self, total_bytes: Option<u64>) {
        self.total_bytes = total_bytes;
    }

    pub(super) fn enter(&mut self, phase: Phase, file: &str) {
        self.phase = phase;
        file.clone_into(&mut self.file);
        self.tell();
    }

    /// Bytes of a file that were there already.
    pub(super) fn found(&mut self, bytes: u64) {
        self.done_bytes += bytes;
        self.tell();
    }

    pub(super) fn received(&mut self, bytes: u64) {
        self.done_bytes += bytes;
        self.received_bytes += bytes;
        let now = Instant::now();
        let is_due = self
            .samples
            .back()
            .is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE_INTERVAL);
        if is_due {
            self.samples.push_back((now, self.received_bytes));
            while self
                .samples
                .front()
                .is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW)
            {
                self.samples.pop_front();
            }
        }
        self.tell();
    }

    /// Bytes that had to be thrown away.
    pub(super) fn lost(&mut self, bytes: u64) {
        self.done_bytes = self.done_bytes.saturating_sub(bytes);
        self.tell();
    }

    /// Bytes that came over the network.
    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    pub(super) fn require_wanted(&self) -> Result<(), HubError> {
        if self.watch.is_cancelled() {
            Err(HubError::Cancelled)
        } else {
            Ok(())
        }
    }

    fn tell(&self) {
        self.watch.progress(&Progress {
            phase: self.phase,
            file: &self.file,
            done_bytes: self.done_bytes,
            total_bytes: self.total_bytes,
            bytes_per_second: self.rate(),
        });
    }

    fn rate(&self) -> Option<f64> {
        let ((first, before), (last, now)) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.duration_since(*first).as_secs_f64();
        (seconds > 0.0).then(|| (now - before) as f64 / seconds)
    }
}
