//! A bar on stderr for what takes long, on a terminal only.

use crate::engine::Control;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// What is over sooner is not worth a bar that flashes up.
const SHOWN_AFTER: Duration = Duration::from_millis(700);
const STEPS: u64 = 1000;

/// Progress of one piece of work; also the [`Control`] that engine calls report to.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    is_wanted: bool,
    is_quiet: bool,
    /// The part of the bar that the engine call now running fills, 0..1 each.
    part: std::sync::Mutex<(f32, f32)>,
}

impl Progress {
    /// `what` is shown before the bar, such as "Encoding".
    pub(crate) fn start(what: &str, is_wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {percent:>3} %  {eta} left") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        Self {
            bar,
            started: Instant::now(),
            is_quiet: !is_wanted,
            is_wanted: is_wanted && std::io::stderr().is_terminal(),
            part: std::sync::Mutex::new((0.0, 1.0)),
        }
    }

    /// A line for the person on stderr that does not cut through the bar.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_quiet {
            // Where stderr is closed there is nobody to tell.
            let _ = self.bar.suspend(|| writeln!(std::io::stderr(), "{text}"));
        }
    }

    /// Says which share of the whole the next engine call fills: `done` of `all` before it, `more` with it.
    pub(crate) fn enter(&self, done: usize, more: usize, all: usize) {
        let all = all.max(1) as f32;
        let part = (done as f32 / all, more as f32 / all);
        *self
            .part
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = part;
        self.progress(0.0);
    }
}

impl Progress {
    /// The same for calculations that stop when told to; a command never tells them.
    pub(crate) fn watch(&self, share: f32) -> bool {
        self.progress(share);
        true
    }
}

impl Control for Progress {
    fn progress(&self, fraction: f32) {
        if !self.is_wanted || self.started.elapsed() < SHOWN_AFTER {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let (offset, share) = *self
            .part
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let whole = (offset + share * fraction.clamp(0.0, 1.0)).clamp(0.0, 1.0);
        self.bar.set_position((f64::from(whole) * STEPS as f64) as u64);
    }

    /// A command is cancelled by ending the program; outputs are written whole or not at all.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
