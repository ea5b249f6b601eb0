//! Downloads on a thread of their own: what is going on, what stopped and can go on.

use super::bytes_text;
use crate::document::{Notice, NoticeKind};
use crate::engine::Jobs;
use crate::hub::{self, Downloaded, HubError, ModelId, Phase, Progress, Settings, Watch};
use crate::ui::theme::{self, icon};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Figures change this often on the screen.
const SHOWN_EVERY: Duration = Duration::from_millis(100);
/// Silence this long is told.
const QUIET_FOR: Duration = Duration::from_secs(2);
const BAR_WIDTH: f32 = 240.0;

/// How far a download is, as last told by its thread.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    /// `None` while others are before it.
    phase: Option<Phase>,
    done_bytes: u64,
    total_bytes: Option<u64>,
    bytes_per_second: Option<f64>,
    /// When its thread last told anything.
    told: Option<Instant>,
    /// When that was last put on the screen.
    shown: Option<Instant>,
}

/// What the window and the thread share of a download.
struct Shared {
    figures: Mutex<Figures>,
    is_cancelled: AtomicBool,
    ctx: egui::Context,
}

impl Shared {
    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Shared {
    fn progress(&self, progress: &Progress<'_>) {
        let now = Instant::now();
        let mut figures = self.figures();
        let is_new_phase = figures.phase != Some(progress.phase);
        let is_due = figures
            .shown
            .is_none_or(|shown| now.duration_since(shown) >= SHOWN_EVERY);
        *figures = Figures {
            phase: Some(progress.phase),
            done_bytes: progress.done_bytes,
            total_bytes: progress.total_bytes,
            bytes_per_second: progress.bytes_per_second,
            told: Some(now),
            shown: if is_due { Some(now) } else { figures.shown },
        };
        drop(figures);
        if is_new_phase || is_due {
            self.ctx.request_repaint();
        }
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

/// A download that is going on, or has stopped before its end.
struct Item {
    id: ModelId,
    shared: Arc<Shared>,
    /// Why it stopped.
    stopped: Option<String>,
}

type Outcome = (ModelId, Result<Downloaded, HubError>);

/// What a person pressed.
enum Pressed {
    Cancel,
    Resume,
    Dismiss,
}

/// All downloads of this run, one at a time.
pub(super) struct Downloads {
    jobs: Jobs<Outcome>,
    items: Vec<Item>,
    ctx: egui::Context,
}

impl Downloads {
    /// `ctx` is repainted when there is something new to show.
    pub(super) fn new(ctx: &egui::Context) -> Self {
        let wake = ctx.clone();
        Self {
            jobs: Jobs::new(move || wake.request_repaint()),
            items: Vec::new(),
            ctx: ctx.clone(),
        }
    }

    /// Begins, or goes on with, the download of `id`.
    pub(super) fn start(&mut self, settings: &Settings, id: ModelId) {
        if self.is_running(&id) {
            return;
        }
        self.items.retain(|item| item.id != id);
        let shared = Arc::new(Shared {
            figures: Mutex::default(),
            is_cancelled: AtomicBool::new(false),
            ctx: self.ctx.clone(),
        });
        self.items.push(Item {
            id: id.clone(),
            shared: Arc::clone(&shared),
            stopped: None,
        });
        let settings = settings.clone();
        self.jobs.run(move || {
            let outcome = hub::download(&settings, &id, hub::DEFAULT_REVISION, shared.as_ref());
            (id, outcome)
        });
    }

    /// Whether `id` is being fetched or waits for its turn.
    pub(super) fn is_running(&self, id: &ModelId) -> bool {
        self.items
            .iter()
            .any(|item| item.id == *id && item.stopped.is_none())
    }

    /// Whether `id` is listed here, running or stopped.
    pub(super) fn holds(&self, id: &ModelId) -> bool {
        self.items.iter().any(|item| item.id == *id)
    }

    /// Forgets a download that has stopped.
    pub(super) fn forget(&mut self, id: &ModelId) {
        self.items.retain(|item| item.id != *id || item.stopped.is_none());
    }

    /// What has ended since; `None` when there is nothing new. Never waits.
    pub(super) fn poll(&mut self) -> Option<Option<Notice>> {
        let outcome = self.jobs.poll()?;
        Some(self.take(outcome))
    }

    /// As [`Self::poll`], but blocks for the next end; `None` when nothing is going on.
    pub(super) fn wait(&mut self) -> Option<Option<Notice>> {
        let outcome = self.jobs.wait()?;
        Some(self.take(outcome))
    }

    fn take(&mut self, outcome: Result<Outcome, String>) -> Option<Notice> {
        let error = |text| {
            Some(Notice {
                kind: NoticeKind::Error,
                text,
            })
        };
        match outcome {
            Ok((id, Ok(done))) => {
                self.items.retain(|item| item.id != id);
                Some(Notice {
                    kind: NoticeKind::Done,
                    text: format!("{id} is here ({})", bytes_text(done.total_bytes)),
                })
            }
            Ok((id, Err(HubError::Cancelled))) => {
                self.stop(&id, "Stopped; what has arrived is kept.".to_owned());
                None
            }
            Ok((id, Err(failure))) => {
                self.stop(&id, failure.to_string());
                error(failure.to_string())
            }
            Err(text) => error(text),
        }
    }

    fn stop(&mut self, id: &ModelId, why: String) {
        if let Some(item) = self.items.iter_mut().find(|item| item.id == *id) {
            item.stopped = Some(why);
        }
    }

    /// Draws every download with what can be done about it.
    pub(super) fn ui(&mut self, ui: &mut egui::Ui, settings: &Settings) {
        let mut pressed = None;
        for item in &self.items {
            if let Some(press) = item_ui(ui, item) {
                pressed = Some((item.id.clone(), press));
            }
        }
        match pressed {
            Some((id, Pressed::Cancel)) => self.cancel(&id),
            Some((id, Pressed::Resume)) => self.start(settings, id),
            Some((id, Pressed::Dismiss)) => self.forget(&id),
            None => {}
        }
    }

    fn cancel(&self, id: &ModelId) {
        for item in self.items.iter().filter(|item| item.id == *id) {
            item.shared.is_cancelled.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        // The jobs finish what is queued before they go; a window that closes must not wait for a download.
        for item in &self.items {
            item.shared.is_cancelled.store(true, Ordering::Relaxed);
        }
    }
}

fn item_ui(ui: &mut egui::Ui, item: &Item) -> Option<Pressed> {
    let mut pressed = None;
    let id = &item.id;
    ui.horizontal(|ui| match &item.stopped {
        None => {
            let figures = *item.shared.figures();
            let silence = figures.told.map_or(Duration::ZERO, |told| told.elapsed());
            let fraction = fraction(&figures);
            // A server that stalls wakes nobody.
            ui.ctx().request_repaint_after(Duration::from_secs(1));
            ui.add(
                egui::ProgressBar::new(fraction)
                    .desired_width(BAR_WIDTH)
                    .desired_height(2.0 * theme::GRID),
            );
            ui.label(id.to_string());
            ui.label(theme::muted(figures_text(&figures, silence)));
            let cancel = ui
                .button("Stop")
                .on_hover_text("What has arrived is kept; the download can go on later.")
                .accessible_name(format!("Stop downloading {id}"));
            if cancel.clicked() {
                pressed = Some(Pressed::Cancel);
            }
        }
        Some(why) => {
            let resume = ui
                .button("Go on")
                .accessible_name(format!("Go on downloading {id}"));
            if resume.clicked() {
                pressed = Some(Pressed::Resume);
            }
            if theme::icon_button(ui, icon::X, &format!("Take {id} off this list")).clicked() {
                pressed = Some(Pressed::Dismiss);
            }
            ui.label(id.to_string());
            ui.add(egui::Label::new(theme::muted(why)).truncate())
                .on_hover_text(why);
        }
    });
    pressed
}

fn fraction(figures: &Figures) -> f32 {
    match figures.total_bytes {
        Some(total) if total > 0 => (figures.done_bytes as f64 / total as f64) as f32,
        _ => 0.0,
    }
}

/// "412 MB of 2.4 GB, 35 MB/s, 57 s left"; `silence` is the time since the thread told anything.
fn figures_text(figures: &Figures, silence: Duration) -> String {
    let Some(phase) = figures.phase else {
        return "waits for the download before it".to_owned();
    };
    let amount = match figures.total_bytes {
        Some(total) => format!("{} of {}", bytes_text(figures.done_bytes), bytes_text(total)),
        None => String::new(),
    };
    match phase {
        Phase::Asking => "asking the hub…".to_owned(),
        Phase::Waiting => "another program downloads it, waiting…".to_owned(),
        Phase::Checking => format!("checking {amount}…"),
        Phase::Receiving if silence > QUIET_FOR => {
            format!("{amount}, nothing has come for {} s", silence.as_secs())
        }
        Phase::Receiving => match figures.bytes_per_second {
            Some(rate) if rate > 0.0 => {
                let left = figures
                    .total_bytes
                    .map_or(0, |total| total.saturating_sub(figures.done_bytes));
                format!(
                    "{amount}, {}/s, {} left",
                    bytes_text(rate as u64),
                    duration_text(left as f64 / rate)
                )
            }
            _ => amount,
        },
    }
}

/// "57 s", "12 min", "3.5 h".
fn duration_text(seconds: f64) -> String {
    match seconds {
        ..100.0 => format!("{seconds:.0} s"),
        ..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_a_sentence() {
        let mut figures = Figures::default();
        let text = |figures: &Figures| figures_text(figures, Duration::ZERO);
        assert_eq!(text(&figures), "waits for the download before it");
        figures.phase = Some(Phase::Receiving);
        figures.done_bytes = 412_000_000;
        figures.total_bytes = Some(2_400_000_000);
        assert_eq!(text(&figures), "412 MB of 2.4 GB");
        figures.bytes_per_second = Some(35_000_000.0);
        assert_eq!(text(&figures), "412 MB of 2.4 GB, 35 MB/s, 57 s left");
        assert_eq!(
            figures_text(&figures, Duration::from_secs(5)),
            "412 MB of 2.4 GB, nothing has come for 5 s"
        );
        figures.phase = Some(Phase::Checking);
        assert_eq!(text(&figures), "checking 412 MB of 2.4 GB…");
        assert!((fraction(&figures) - 0.1717).abs() < 1e-3);
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(duration_text(57.4), "57 s");
        assert_eq!(duration_text(750.0), "12 min");
        assert_eq!(duration_text(12_600.0), "3.5 h");
    }
}
