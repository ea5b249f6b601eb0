//! What is to be trained: folders, results, size, length.

use super::check::{Checked, Pictures, Results};
use super::choices::{Length, Recipe, TrainChoices, core_count};
use super::{path_field, terms};
use crate::trainer::{PRESETS, TrainConfig};
use crate::ui::commands::{Command, Situation};
use crate::ui::dialogs::typed_path;
use crate::ui::glossary::{self, Term};
use crate::ui::menu::command_button;
use crate::ui::models_view::count_text;
use crate::ui::theme::{self, icon};
use egui::{Button, ComboBox, DragValue, Grid, Key, Label, Response, RichText, Ui};
use std::path::Path;

/// Longest sitting, in minutes: a month.
const MOST_MINUTES: u64 = 31 * 24 * 60;
const MOST_STEPS: u64 = 100_000_000;

/// What the form remembers between frames, beside the choices.
#[derive(Default)]
pub(super) struct Form {
    /// A path that was not added yet.
    path_text: String,
}

/// What is drawn into.
struct Drawn<'a> {
    choices: &'a mut TrainChoices,
    checked: Option<&'a Checked>,
    now: &'a Situation,
    commands: &'a mut Vec<Command>,
}

impl Form {
    /// Draws the choices with what is wrong at each; commands that were asked for are added to `commands`.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        choices: &mut TrainChoices,
        checked: Option<&Checked>,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        let mut drawn = Drawn {
            choices,
            checked,
            now,
            commands,
        };
        ui.heading("Train");
        ui.add_enabled_ui(!now.is_training, |ui| {
            self.pictures_ui(ui, &mut drawn);
            section(ui);
            results_ui(ui, &mut drawn);
            section(ui);
            model_ui(ui, &mut drawn);
            section(ui);
            length_ui(ui, &mut drawn);
        });
        section(ui);
        start_ui(ui, &mut drawn);
    }

    fn pictures_ui(&mut self, ui: &mut Ui, drawn: &mut Drawn<'_>) {
        title_ui(ui, "Pictures", terms::PICTURES);
        let mut removed = None;
        for (index, folder) in drawn.choices.data.iter().enumerate() {
            let found = drawn.checked.and_then(|checked| checked.data.get(index));
            if folder_ui(ui, folder, found) {
                removed = Some(index);
            }
        }
        if let Some(index) = removed {
            drawn.choices.data.remove(index);
        }
        if let Some(remark) = drawn.checked.and_then(Checked::remark) {
            ui.colored_label(ui.visuals().warn_fg_color, remark);
        }
        let field = path_field::ui(
            ui,
            &mut self.path_text,
            "folder of pictures",
            "Path of a folder of pictures",
        );
        if is_entered(ui, &field) && !self.path_text.trim().is_empty() {
            add_folder(drawn.choices, &typed_path(&self.path_text));
            self.path_text.clear();
        }
        command_button(ui, Command::AddTrainingFolder, drawn.now, drawn.commands);
    }
}

/// Adds a folder, once.
pub(super) fn add_folder(choices: &mut TrainChoices, folder: &Path) {
    if !choices.data.iter().any(|known| known == folder) {
        choices.data.push(folder.to_owned());
    }
}

fn section(ui: &mut Ui) {
    ui.add_space(2.0 * theme::GRID);
}

fn title_ui(ui: &mut Ui, title: &str, term: Term) {
    glossary::explain(ui.label(theme::strong(title)), term);
}

fn fault_ui(ui: &mut Ui, text: &str) {
    let text = RichText::new(text).color(ui.visuals().error_fg_color);
    // A text of several lines points into a file, column by column.
    let is_listing = text.text().contains('\n');
    ui.label(if is_listing { text.monospace() } else { text });
}

fn is_entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

/// A folder with what was found in it; whether it is to be removed.
fn folder_ui(ui: &mut Ui, folder: &Path, found: Option<&Result<Pictures, String>>) -> bool {
    let path = folder.display().to_string();
    let mut is_removed = false;
    ui.horizontal(|ui| {
        is_removed = theme::icon_button(ui, icon::X, &format!("Remove {path}")).clicked();
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| path.clone());
        ui.label(name).on_hover_text(&path);
        if let Some(Ok(found)) = found {
            let counts = format!(
                "{} to train on, {} held out",
                count_text(found.train),
                count_text(found.held_out)
            );
            ui.add(Label::new(theme::muted(counts)).truncate());
        }
    });
    if let Some(Err(fault)) = found {
        fault_ui(ui, fault);
    }
    is_removed
}

fn results_ui(ui: &mut Ui, drawn: &mut Drawn<'_>) {
    title_ui(ui, "Results", terms::RESULTS);
    ui.horizontal(|ui| {
        let choose = theme::icon_button(ui, icon::OPEN, Command::ChooseTrainingResults.name());
        if choose.clicked() {
            drawn.commands.push(Command::ChooseTrainingResults);
        }
        path_field::ui(
            ui,
            &mut drawn.choices.out,
            "folder of results",
            "Folder of results",
        );
    });
    match drawn.checked.map(|checked| &checked.results) {
        Some(Results::Refused(fault)) => fault_ui(ui, fault),
        Some(Results::Run(record)) => {
            let done = count_text(record.steps_done as usize);
            let text = if record.is_done() {
                format!("Holds a run that has done all its {done} steps.")
            } else {
                format!("Holds a run that was stopped after {done} steps.")
            };
            ui.label(text);
            let another = ui
                .button("New run in another folder")
                .on_hover_text("Proposes a folder that is free, and leaves this run as it is.");
            if another.clicked() {
                drawn.choices.out.clear();
                drawn.choices.steps = None;
            }
        }
        Some(Results::Free) | None => {}
    }
}

fn model_ui(ui: &mut Ui, drawn: &mut Drawn<'_>) {
    let record = drawn.checked.and_then(Checked::record);
    ui.label(theme::strong("Model"));
    let start = match record {
        Some(record) => format!("step {} of that run", count_text(record.steps_done as usize)),
        None => "fresh weights".to_owned(),
    };
    Grid::new("training model")
        .num_columns(2)
        .spacing([12.0, 6.0])
        .show(ui, |ui| {
            ui.label("start from");
            ui.label(start);
            ui.end_row();
            if record.is_none() {
                glossary::term_label(ui, terms::SIZE);
                size_ui(ui, drawn.choices);
                ui.end_row();
            }
        });
    if record.is_none() {
        match drawn.choices.recipe {
            Recipe::Preset => {
                let preset = PRESETS.iter().find(|preset| preset.name == drawn.choices.preset);
                ui.label(theme::muted(preset.map_or("", |preset| preset.summary)));
            }
            Recipe::File => {
                ui.horizontal(|ui| {
                    let choose = theme::icon_button(ui, icon::OPEN, Command::ChooseTrainingConfig.name());
                    if choose.clicked() {
                        drawn.commands.push(Command::ChooseTrainingConfig);
                    }
                    let text = &mut drawn.choices.config_path;
                    path_field::ui(ui, text, "configuration, a TOML file", "Path of a configuration");
                });
            }
        }
    }
    match drawn.checked.map(|checked| &checked.config) {
        Some(Ok(config)) => {
            ui.label(theme::muted(sizes_text(config)));
        }
        Some(Err(fault)) => fault_ui(ui, fault),
        None => {}
    }
}

fn size_ui(ui: &mut Ui, choices: &mut TrainChoices) {
    const OWN: &str = "my own configuration";
    let chosen = match choices.recipe {
        Recipe::Preset => choices.preset.clone(),
        Recipe::File => OWN.to_owned(),
    };
    ComboBox::from_id_salt("training size")
        .selected_text(chosen)
        .width(ui.available_width().min(190.0))
        .icon(theme::combo_caret)
        .show_ui(ui, |ui| {
            for preset in PRESETS {
                let is_chosen = choices.recipe == Recipe::Preset && choices.preset == preset.name;
                let entry = ui.selectable_label(is_chosen, preset.name);
                if entry.on_hover_text(preset.summary).clicked() {
                    choices.recipe = Recipe::Preset;
                    preset.name.clone_into(&mut choices.preset);
                    choices.steps = None;
                }
            }
            if ui.selectable_label(choices.recipe == Recipe::File, OWN).clicked() {
                choices.recipe = Recipe::File;
                choices.steps = None;
            }
        })
        .response
        .accessible_name("size");
}

/// "128 px, 32 × 32 tokens, 1 × 1 024 codewords, batches of 16"
fn sizes_text(config: &TrainConfig) -> String {
    let model = &config.model;
    format!(
        "{} px, {} × {} tokens, {} × {} codewords, {} pictures a step",
        model.image_size,
        model.tokens,
        model.channels,
        model.codebooks,
        count_text(model.codebook_size),
        config.pictures_per_step()
    )
}

fn length_ui(ui: &mut Ui, drawn: &mut Drawn<'_>) {
    let config = drawn.checked.and_then(|checked| checked.config.as_ref().ok());
    let choices = &mut *drawn.choices;
    ui.label(theme::strong("Length"));
    Grid::new("training length")
        .num_columns(2)
        .spacing([12.0, 6.0])
        .show(ui, |ui| {
            glossary::term_label(ui, terms::STEPS);
            let mut steps = choices.steps.or(config.map(|config| config.steps)).unwrap_or(1);
            let field = DragValue::new(&mut steps).range(1..=MOST_STEPS).speed(100.0);
            let field = ui.add_enabled(config.is_some(), field);
            if field.accessible_name("steps").changed() {
                choices.steps = Some(steps);
            }
            ui.end_row();
            let mut is_limited = choices.length == Length::Minutes;
            glossary::term_label(ui, terms::MINUTES);
            ui.horizontal(|ui| {
                if ui.checkbox(&mut is_limited, "at most").changed() {
                    choices.length = if is_limited {
                        Length::Minutes
                    } else {
                        Length::Steps
                    };
                }
                let field = DragValue::new(&mut choices.minutes).range(1..=MOST_MINUTES);
                ui.add_enabled(is_limited, field).accessible_name("minutes");
            });
            ui.end_row();
            glossary::term_label(ui, terms::THREADS);
            ui.horizontal(|ui| {
                let cores = core_count();
                let mut threads = choices.threads();
                let field = DragValue::new(&mut threads).range(1..=cores).speed(0.05);
                if ui.add(field).accessible_name("threads").changed() {
                    choices.threads = Some(threads);
                }
                ui.label(theme::muted(format!("of {cores}")));
            });
            ui.end_row();
        });
}

fn start_ui(ui: &mut Ui, drawn: &mut Drawn<'_>) {
    if drawn.now.is_training {
        command_button(ui, Command::StopTraining, drawn.now, drawn.commands);
        ui.label(theme::muted(
            "The choices can be changed when training has stopped.",
        ));
        return;
    }
    let text = match drawn.checked.and_then(Checked::record) {
        Some(record) => format!("Continue from step {}", count_text(record.steps_done as usize)),
        None => "Start training".to_owned(),
    };
    let mut button = Button::new((icon::PLAY, text.as_str()));
    if let Some(keys) = Command::StartTraining.shortcut_text(ui.ctx()) {
        button = button.shortcut_text(keys);
    }
    let refusal = drawn.checked.map(Checked::order).and_then(Result::err);
    let start = ui.add_enabled(drawn.now.can_train, button).accessible_name(text);
    if start.on_hover_text(Command::StartTraining.tooltip()).clicked() {
        drawn.commands.push(Command::StartTraining);
    }
    if let Some(refusal) = refusal {
        ui.label(theme::muted(refusal));
    }
}
