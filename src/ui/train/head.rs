//! The lines above the plots: which run it is, how far, what can be done with it, its last figures.

use super::{Live, terms, words};
use crate::trainer::{Phase, RunRecord, Status};
use crate::ui::commands::{Command, Situation};
use crate::ui::glossary::{self, Term};
use crate::ui::models_view::count_text;
use crate::ui::theme::{self, icon};
use egui::{Align, Button, Layout, ProgressBar, Ui};
use std::path::Path;

/// Draws them; commands that were asked for are added to `commands`.
pub(super) fn ui(
    ui: &mut Ui,
    out: &Path,
    record: &RunRecord,
    live: Option<&Live<'_>>,
    now: &Situation,
    commands: &mut Vec<Command>,
) {
    ui.horizontal(|ui| {
        let name = out.file_name().unwrap_or(out.as_os_str()).to_string_lossy();
        ui.heading(name).on_hover_text(out.display().to_string());
        ui.label(theme::muted(phase_text(record, live)));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            buttons_ui(ui, live.is_some(), now, commands);
        });
    });
    let part = record.steps_done as f32 / record.config.steps.max(1) as f32;
    ui.add(ProgressBar::new(part).desired_height(8.0))
        .accessible_name("steps of the run");
    let row = |ui: &mut Ui, contents: &dyn Fn(&mut Ui)| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0 * theme::GRID;
            contents(ui);
        });
    };
    if let Some(live) = live {
        row(ui, &|ui| speed_ui(ui, live.status));
    }
    row(ui, &|ui| figures_ui(ui, record));
}

fn buttons_ui(ui: &mut Ui, is_live: bool, now: &Situation, commands: &mut Vec<Command>) {
    let run = if is_live {
        (icon::STOP, Command::StopTraining, "Stop")
    } else {
        (icon::PLAY, Command::StartTraining, "Continue")
    };
    let entries = [
        (icon::OPEN, Command::OpenTrainingFolder, "Open folder"),
        (icon::MICROSCOPE, Command::UseTrainedModel, "Use this model"),
        run,
    ];
    for (icon, command, text) in entries {
        let refusal = command.refusal(now);
        let button = ui
            .add_enabled(refusal.is_none(), Button::new((icon, text)))
            .accessible_name(text);
        let button = match refusal {
            Some(refusal) => button.on_disabled_hover_text(refusal),
            None => button.on_hover_text(command.tooltip()),
        };
        if button.clicked() {
            commands.push(command);
        }
    }
}

/// "step 1 200 of 60 000", and what it is waiting for.
fn phase_text(record: &RunRecord, live: Option<&Live<'_>>) -> String {
    let (done, steps) = (record.steps_done as usize, record.config.steps as usize);
    let steps_text = format!("step {} of {}", count_text(done), count_text(steps));
    match live {
        Some(live) if live.is_stopping => {
            format!("{steps_text}, stopping: the model and its state are written")
        }
        Some(live) if matches!(live.status.phase, Phase::Reading) => "reading the pictures…".to_owned(),
        Some(_) => format!("{steps_text}, training"),
        None if record.is_done() => format!("{steps_text}, done"),
        None => format!("{steps_text}, stopped"),
    }
}

fn speed_ui(ui: &mut Ui, status: &Status) {
    if let Some(rate) = status.pictures_per_second {
        ui.label(format!("{} pictures/s", words::three_figures(rate)));
    }
    if let Some(left) = status.time_left {
        ui.label(format!("{} left", words::time_text(left)));
    }
    if status.learning_rate > 0.0 {
        fact_ui(ui, terms::RATE, &format!("{:.1e}", status.learning_rate));
    }
    if status.photographs + status.cutouts > 0 {
        let counts = [(status.photographs, "photographs"), (status.cutouts, "cut-outs")];
        let texts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{} {name}", count_text(count)))
            .collect();
        ui.label(theme::muted(format!("from {}", texts.join(" and "))));
    }
}

fn figures_ui(ui: &mut Ui, record: &RunRecord) {
    let figure = |name: &str| record.history.figure(name);
    let psnr: Vec<String> = [
        ("photograph_psnr_db", "photographs"),
        ("composite_psnr_db", "composites"),
    ]
    .into_iter()
    .filter_map(|(name, of)| Some(format!("{:.2} dB {of}", figure(name)?)))
    .collect();
    if !psnr.is_empty() {
        fact_ui(ui, terms::PSNR, &psnr.join(", "));
    }
    if let Some(used) = figure("codebook_used") {
        fact_ui(ui, terms::CODEBOOK_USED, &format!("{:.0} %", 100.0 * used));
    }
    if let Some(perplexity) = figure("perplexity") {
        fact_ui(ui, terms::PERPLEXITY, &words::three_figures(perplexity));
    }
}

fn fact_ui(ui: &mut Ui, term: Term, value: &str) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 1.5 * theme::GRID;
        glossary::term_label(ui, term);
        ui.label(value);
    });
}
