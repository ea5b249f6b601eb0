//! New tries after faults of the connection.

use super::exchange::POLL;
use super::meter::Meter;
use super::{HubError, Settings};
use std::time::{Duration, Instant};

/// Asks again after faults of the connection, as often as the settings allow.
pub(super) fn persistently<T>(
    settings: &Settings,
    meter: &mut Meter<'_>,
    ask: impl Fn() -> Result<T, HubError>,
) -> Result<T, HubError> {
    let mut retries = Retries::new(settings, 0);
    loop {
        match ask() {
            Err(error) if error.is_transient() => retries.wait(error, 0, meter)?,
            outcome => return outcome,
        }
    }
}

/// Waits, unless the download is not wanted any more.
pub(super) fn pause(duration: Duration, meter: &Meter<'_>) -> Result<(), HubError> {
    let started = Instant::now();
    loop {
        meter.require_wanted()?;
        let left = duration.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(POLL));
    }
}

/// Counts tries that bring a file no further.
pub(super) struct Retries {
    left: u32,
    allowed: u32,
    pause: Duration,
    first_pause: Duration,
    furthest_bytes: u64,
    has_stalled: bool,
}

impl Retries {
    pub(super) fn new(settings: &Settings, length: u64) -> Self {
        let (allowed, first_pause) = (settings.retries, settings.timeouts.first_retry);
        Self {
            left: allowed,
            allowed,
            pause: first_pause,
            first_pause,
            furthest_bytes: length,
            has_stalled: false,
        }
    }

    /// Waits before the next try, or gives the error back.
    pub(super) fn wait(
        &mut self,
        error: HubError,
        length: u64,
        meter: &mut Meter<'_>,
    ) -> Result<(), HubError> {
        if length > self.furthest_bytes {
            self.furthest_bytes = length;
            self.left = self.allowed;
            self.pause = self.first_pause;
            self.has_stalled = false;
        }
        // Each stall has cost its whole patience already: one new try is enough.
        let is_second_stall = matches!(error, HubError::Stalled { .. }) && self.has_stalled;
        if self.left == 0 || is_second_stall {
            return Err(error);
        }
        self.has_stalled |= matches!(error, HubError::Stalled { .. });
        self.left -= 1;
        pause(self.pause, meter)?;
        self.pause *= 2;
        Ok(())
    }
}
