//! The bottom row: what is shown and what it cost, what the worker does, and how far it is.

use super::commands::Command;
use super::theme::{icon, icon_button};
use crate::document::Workspace;
use crate::engine::{EngineStatus, Task};
use std::time::Duration;

/// How true the edited picture on show is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// Decoded from the edits as they are.
    Exact,
    /// A blend of pictures decoded ahead; the exact one is under way.
    Preview,
    /// A newer decode is under way.
    Catching,
    /// Nothing to show yet.
    Nothing,
}

fn freshness(workspace: &Workspace) -> Freshness {
    match workspace.active() {
        Some(subject) if subject.edited.is_none() => Freshness::Nothing,
        Some(subject) if workspace.is_current(subject.id) => Freshness::Exact,
        Some(_) if workspace.preview().is_some() => Freshness::Preview,
        Some(_) => Freshness::Catching,
        None => Freshness::Nothing,
    }
}

/// Draws the row; commands that were asked for are added to `commands`.
/// `training` says how far a model is that is being trained.
pub(super) fn status_bar_ui(
    ui: &mut egui::Ui,
    workspace: &Workspace,
    training: Option<&str>,
    commands: &mut Vec<Command>,
) {
    let status = workspace.engine_status();
    ui.horizontal(|ui| {
        freshness_ui(ui, freshness(workspace));
        age_ui(ui, workspace);
        costs_ui(ui, workspace);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            device_ui(ui, workspace);
            if let Some(training) = training {
                ui.separator();
                let link = ui.link(training).on_hover_text("Click to watch it.");
                if link.clicked() {
                    commands.push(Command::ShowTrain);
                }
            }
            task_ui(ui, workspace, &status, commands);
        });
    });
}

fn freshness_ui(ui: &mut egui::Ui, freshness: Freshness) {
    match freshness {
        Freshness::Exact => {
            ui.label("exact")
                .on_hover_text("The picture on show is the full decode of the tokens as they are now.");
        }
        Freshness::Preview => {
            ui.colored_label(ui.visuals().hyperlink_color, "preview")
                .on_hover_text(
                    "A blend of the two nearest positions decoded ahead; the full decode is on its way.",
                );
        }
        Freshness::Catching => {
            ui.colored_label(ui.visuals().warn_fg_color, "catching up")
                .on_hover_text("A newer decode is on its way; the picture on show is the one before it.");
        }
        Freshness::Nothing => {
            ui.weak("no picture");
        }
    }
}

/// How old the picture on show is, while it is not that of the edits.
fn age_ui(ui: &mut egui::Ui, workspace: &Workspace) {
    let behind = workspace
        .active()
        .and_then(|subject| workspace.behind(subject.id));
    if let Some(behind) = behind.filter(|behind| *behind >= SEEN_BEHIND) {
        ui.weak(format!("for {}", milliseconds(behind.as_secs_f64() * 1e3)))
            .on_hover_text("How long the exact picture of the edits has been on its way.");
    }
}

/// What a person does not notice is not told.
const SEEN_BEHIND: Duration = Duration::from_millis(100);

fn costs_ui(ui: &mut egui::Ui, workspace: &Workspace) {
    let Some(subject) = workspace.active() else {
        return;
    };
    if let Some(shown) = &subject.edited {
        ui.separator();
        ui.weak(format!("edits {}", milliseconds(shown.edit_ms)))
            .on_hover_text("Time it took to apply the edits to the tokens.");
        ui.weak(format!("decode {}", milliseconds(shown.decode_ms)))
            .on_hover_text("Time it took to decode the tokens on show to pixels.");
    }
    // Tokens that were brought or generated were never encoded.
    if let Some(encoded) = subject.encoded.as_ref().filter(|encoded| encoded.encode_ms > 0.0) {
        ui.weak(format!("encode {}", milliseconds(encoded.encode_ms)))
            .on_hover_text("Time it took to encode this picture to tokens.");
    }
}

/// Three significant figures where they matter: "0.04 ms", "6.2 ms", "140 ms", "2.1 s".
fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

fn device_ui(ui: &mut egui::Ui, workspace: &Workspace) {
    let Some(model) = workspace.model() else {
        return;
    };
    ui.weak(format!(
        "{} {} · {}",
        model.device,
        model.precision,
        threads(model.threads)
    ))
    .on_hover_text(format!(
        "{} runs on {} in {}. The number of threads is the one that measured fastest.",
        model.name, model.device, model.precision
    ));
}

fn threads(count: usize) -> String {
    match count {
        1 => "1 thread".to_owned(),
        count => format!("{count} threads"),
    }
}

fn task_ui(ui: &mut egui::Ui, workspace: &Workspace, status: &EngineStatus, commands: &mut Vec<Command>) {
    if let Some(progress) = Progress::of(workspace, status) {
        ui.separator();
        if icon_button(ui, icon::X, Command::CancelTask.name()).clicked() {
            commands.push(Command::CancelTask);
        }
        progress_ui(ui, &progress);
    } else if let (Some(Task::Prefetch), Some((decoded, count))) =
        (&status.running, workspace.decoded_ahead())
    {
        ui.separator();
        ui.weak(format!("decoding ahead {decoded} of {count}"))
            .on_hover_text("Positions of the number under the pointer are decoded before it is moved.");
    } else if workspace.is_busy() && status.running.is_none() {
        ui.separator();
        ui.weak("reading or writing files");
    }
    if status.waiting > 0 {
        ui.separator();
        ui.weak(format!("{} waiting", status.waiting));
    }
}

/// Something that takes long and can be cancelled.
struct Progress {
    name: String,
    /// Share done, 0..1, where known.
    fraction: Option<f32>,
}

impl Progress {
    fn of(workspace: &Workspace, status: &EngineStatus) -> Option<Self> {
        let running = status
            .running
            .as_ref()
            .and_then(|task| task_name(workspace, task));
        if let Some(name) = running {
            return Some(Self {
                name,
                fraction: status.fraction,
            });
        }
        if let Some((done, total)) = workspace.export_progress() {
            return Some(Self {
                name: format!("exporting frame {} of {total}", (done + 1).min(total)),
                fraction: Some(done as f32 / total.max(1) as f32),
            });
        }
        let beside = [
            (workspace.mapping(), "laying out tokens"),
            (workspace.probing(), "probing tokens"),
        ];
        let (fraction, name) = beside.into_iter().find(|(fraction, _)| fraction.is_some())?;
        Some(Self {
            name: name.to_owned(),
            fraction,
        })
    }
}

fn progress_ui(ui: &mut egui::Ui, progress: &Progress) {
    let bar = egui::ProgressBar::new(progress.fraction.unwrap_or_default())
        .desired_width(120.0)
        .desired_height(8.0);
    ui.add(bar).on_hover_text(&progress.name);
    let percent = progress
        .fraction
        .map(|fraction| format!(" {:.0} %", fraction * 100.0))
        .unwrap_or_default();
    ui.label(format!("{}{percent}", progress.name));
}

/// The task in words where it is one that takes long; decodes come and go too fast to be named.
fn task_name(workspace: &Workspace, task: &Task) -> Option<String> {
    match task {
        Task::LoadModel(name) => Some(format!("loading {name}")),
        Task::Encode(id) => {
            let name = workspace
                .subject(*id)
                .map_or("a picture", |subject| subject.name.as_str());
            Some(format!("encoding {name}"))
        }
        Task::Reconstruct { model, .. } => Some(format!("comparing with {model}")),
        Task::Analyse(kind) => Some(format!("measuring {}", kind.name())),
        Task::Work(kind) => Some(format!("making {}", kind.name())),
        Task::Paint => Some("painting".to_owned()),
        Task::OpenGenerator(name) => Some(format!("opening the generator {name}")),
        Task::Generate => workspace
            .generation()
            .map(|generation| format!("generating {}", generation.name)),
        Task::Decode(_) | Task::Prefetch => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_the_figures_that_matter() {
        assert_eq!(milliseconds(0.042), "0.04 ms");
        assert_eq!(milliseconds(6.24), "6.2 ms");
        assert_eq!(milliseconds(140.2), "140 ms");
        assert_eq!(milliseconds(2100.0), "2.1 s");
        assert_eq!(threads(1), "1 thread");
    }
}
