//! The lines above the plots: which run it is, how far, what can be done with it, its last figures.

use super::{Live, terms, words};
use crate::trainer::{Phase, RunRecord, Status};
use crate::ui::commands::{Command, Situation};
use crate::ui::fact;
use crate::ui::glossary;
use crate::ui::models_view::count_text;
use crate::ui::theme::{self, icon};
use egui::{Align, Button, Label, Layout, ProgressBar, Ui};
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
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            buttons_ui(ui, live.is_some(), now, commands);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let name = out.file_name().unwrap_or(out.as_os_str()).to_string_lossy();
                ui.heading(name).on_hover_text(out.display().to_string());
                let phase = phase_text(record, live);
                ui.add(Label::new(theme::muted(phase.as_str())).truncate())
                    .on_hover_text(phase);
            });
        });
    });
    let part = record.steps_done as f32 / record.config.steps.max(1) as f32;
    ui.add(ProgressBar::new(part).desired_height(8.0))
        .accessible_name("steps of the run");
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 3.0 * theme::GRID;
        if let Some(live) = live {
            speed_ui(ui, live.status);
        }
        figures_ui(ui, record);
    });
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
        fact::ui(ui, None, "pictures/s", &words::three_figures(rate));
    }
    if let Some(left) = status.time_left {
        fact::ui(ui, None, "time left", &words::time_text(left));
    }
    if status.learning_rate > 0.0 {
        let rate = fact::ui(
            ui,
            None,
            terms::RATE.name,
            &format!("{:.1e}", status.learning_rate),
        );
        glossary::explain(rate, terms::RATE);
    }
    for (count, name) in [(status.photographs, "photographs"), (status.cutouts, "cut-outs")] {
        if count > 0 {
            fact::ui(ui, None, name, &count_text(count));
        }
    }
}

fn figures_ui(ui: &mut Ui, record: &RunRecord) {
    let figure = |name: &str| record.history.figure(name);
    let decibels = |name: &str| figure(name).map(|psnr| format!("{psnr:.2} dB"));
    let facts = [
        ("PSNR of photographs", decibels("photograph_psnr_db"), terms::PSNR),
        ("PSNR of composites", decibels("composite_psnr_db"), terms::PSNR),
        (
            terms::CODEBOOK_USED.name,
            figure("codebook_used").map(|used| format!("{:.0} %", 100.0 * used)),
            terms::CODEBOOK_USED,
        ),
        (
            terms::PERPLEXITY.name,
            figure("perplexity").map(words::three_figures),
            terms::PERPLEXITY,
        ),
    ];
    for (name, value, term) in facts {
        if let Some(value) = value {
            glossary::explain(fact::ui(ui, None, name, &value), term);
        }
    }
}
