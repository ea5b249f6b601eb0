//! What can be done to the selected tokens as a whole: temperature, hardening, scale, noise, and the one-click edits.

use super::{Section, gaussian};
use crate::document::Workspace;
use crate::engine::SubjectId;
use crate::latent::{Bottleneck, Edit, TokenSource};
use crate::ui::column::{self, DENSE_ROW};
use crate::ui::dial::{Axis, Dial, Snap};
use crate::ui::glossary::{self, Term};
use crate::ui::hand::{Grip, Reach};
use crate::ui::hover_ask::Question;
use egui::{Align, Button, DragValue, Layout, Ui, vec2};
use std::ops::RangeInclusive;

pub(crate) const TAU_RANGE: RangeInclusive<f32> = 0.002..=2.0;
pub(super) const NAME_WIDTH: f32 = 44.0;
const NUMBER_WIDTH: f32 = 64.0;

/// What the section remembers.
pub(super) struct ActionPanel {
    top: usize,
    seed: u64,
    /// Deviation of the noise added last, in sigma.
    noise_sigma: f32,
    swap_with: usize,
    sample: gaussian::SampleControls,
}

impl Default for ActionPanel {
    fn default() -> Self {
        Self {
            top: 8,
            seed: 1,
            noise_sigma: 0.5,
            swap_with: 0,
            sample: gaussian::SampleControls::default(),
        }
    }
}

pub(super) fn actions_ui(ui: &mut Ui, section: &mut Section<'_>, panel: &mut ActionPanel) {
    let tokens = section.tokens;
    match &tokens.space.bottleneck {
        Bottleneck::Soft(codebook) => {
            tau_ui(ui, section, codebook.tau);
            top_k_ui(ui, section, panel, codebook.size);
        }
        Bottleneck::Gaussian => gaussian::sample_ui(ui, section, &mut panel.sample),
        Bottleneck::Hard(_) | Bottleneck::Identity => {}
    }
    scale_ui(ui, section);
    noise_ui(ui, section, panel);
    ui.add_space(2.0);
    one_click_ui(ui, section);
    swap_ui(ui, section, panel);
    copy_ui(ui, section);
    ui.separator();
    restore_ui(ui, section);
}

/// A named slider with a number to type; the new value when either was moved.
pub(super) struct Slider<'a> {
    pub(super) term: Term,
    /// Accessible name.
    pub(super) name: &'a str,
    pub(super) grip: Grip,
    pub(super) value: f32,
    pub(super) range: RangeInclusive<f32>,
    pub(super) axis: Axis,
    pub(super) snap: Snap,
    pub(super) original: f32,
    pub(super) digits: usize,
    pub(super) unit: &'static str,
}

impl Slider<'_> {
    /// Draws it and follows it; `edit` makes the edit of a value. The new value when it was moved.
    pub(super) fn show(
        self,
        ui: &mut Ui,
        section: &mut Section<'_>,
        edit: impl Fn(f32) -> Edit,
    ) -> Option<f32> {
        let grip = self.grip;
        let (reach, moved) = self.turned_ui(ui, section);
        section.hand.follow(section.workspace, grip, &reach, moved, edit);
        moved
    }

    fn turned_ui(self, ui: &mut Ui, section: &mut Section<'_>) -> (Reach, Option<f32>) {
        ui.horizontal(|ui| {
            let label = column::left(ui, NAME_WIDTH, |ui| glossary::term_label(ui, self.term));
            let width = (ui.available_width() - NUMBER_WIDTH - 4.0).max(24.0);
            let dial = Dial::new(self.grip, self.name, self.value, self.range.clone())
                .axis(self.axis)
                .snap(self.snap)
                .original(Some(self.original))
                .width(width)
                .labelled_by(label.id)
                .show(ui, section.hand);
            let mut typed = dial.value.unwrap_or(self.value);
            let speed = f64::from((typed * 0.01).max(0.001));
            let number = DragValue::new(&mut typed)
                .range(self.range)
                .clamp_existing_to_range(false)
                .speed(speed)
                .fixed_decimals(self.digits)
                .suffix(self.unit)
                .update_while_editing(false);
            let number = ui
                .add_sized(vec2(NUMBER_WIDTH, DENSE_ROW), number)
                .accessible_name(format!("typed {}", self.name));
            let moved = dial.value.or_else(|| number.changed().then_some(typed));
            (dial.reach, moved)
        })
        .inner
    }
}

fn tau_ui(ui: &mut Ui, section: &mut Section<'_>, trained: f32) {
    let state = &section.tokens.state;
    let has_h = |token: &usize| state.h_row(*token).is_some();
    let tokens: Vec<usize> = section.selection.tokens().iter().copied().filter(has_h).collect();
    if tokens.is_empty() {
        glossary::term_label(ui, glossary::TAU);
        ui.weak(
            "Needs the encoder's output, which these tokens lack: they came from another picture or a token file. \
             Take them back to the original, or use top k.",
        );
        return;
    }
    let value = section
        .hand
        .shown(Grip::Tau)
        .unwrap_or_else(|| tau_of(section.workspace, section.token, trained));
    let slider = Slider {
        term: glossary::TAU,
        name: "tau",
        grip: Grip::Tau,
        value,
        range: TAU_RANGE,
        axis: Axis::Logarithmic,
        snap: Snap::OneTwoFive,
        original: trained,
        digits: 3,
        unit: "",
    };
    slider.show(ui, section, |tau| Edit::Temperature {
        tokens: tokens.clone(),
        tau,
    });
    ui.horizontal(|ui| {
        ui.add_space(NAME_WIDTH + 4.0);
        let width = (ui.available_width() - NUMBER_WIDTH - 4.0).max(24.0);
        ui.allocate_ui_with_layout(vec2(width, 12.0), Layout::left_to_right(Align::Min), |ui| {
            ui.set_min_width(width);
            ui.label(egui::RichText::new("hard").small().weak());
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                ui.label(egui::RichText::new("soft").small().weak());
            });
        });
    });
}

/// The temperature of the newest edit that set the token's mixture as a whole; the trained one if none did.
pub(crate) fn tau_of(workspace: &Workspace, token: usize, trained: f32) -> f32 {
    let Some(subject) = workspace.active() else {
        return trained;
    };
    let edits = subject.history.applied().iter().chain(subject.history.pending());
    let newest = edits.rev().find(|edit| match edit {
        Edit::Temperature { tokens, .. } | Edit::Restore { tokens } => tokens.contains(&token),
        _ => false,
    });
    match newest {
        Some(Edit::Temperature { tau, .. }) => *tau,
        _ => trained,
    }
}

fn top_k_ui(ui: &mut Ui, section: &mut Section<'_>, panel: &mut ActionPanel, size: usize) {
    panel.top = panel.top.clamp(1, size);
    ui.horizontal(|ui| {
        column::left(ui, NAME_WIDTH, |ui| {
            glossary::named_term_label(ui, "top k", glossary::TOP_K)
        });
        let mut top = section
            .hand
            .live(Grip::TopK)
            .map_or(panel.top, |top| top as usize);
        let number = DragValue::new(&mut top)
            .range(1..=size)
            .speed(0.2)
            .update_while_editing(false);
        let number = ui
            .add_sized(vec2(48.0, DENSE_ROW), number)
            .accessible_name("keep top k codewords");
        let tokens = section.selection.to_vec();
        if number.changed() {
            panel.top = top;
            let edit = Edit::Harden {
                tokens: tokens.clone(),
                top,
            };
            section
                .hand
                .moved(section.workspace, Grip::TopK, top as f32, edit);
        }
        number.on_hover_text("Drag to keep more or fewer codewords, live");
        let edit = Edit::Harden {
            tokens: tokens.clone(),
            top: panel.top,
        };
        action_button(ui, section, "Keep top", glossary::TOP_K, edit);
        let hardest = Edit::Harden { tokens, top: 1 };
        action_button(ui, section, "Hard code", glossary::TOP_K, hardest);
    });
}

fn scale_ui(ui: &mut Ui, section: &mut Section<'_>) {
    let slider = Slider {
        term: glossary::SCALE,
        name: "scale",
        grip: Grip::Scale,
        value: section.hand.live(Grip::Scale).unwrap_or(1.0),
        range: 0.0..=2.0,
        axis: Axis::Linear,
        snap: Snap::Multiples(0.25),
        original: 1.0,
        digits: 2,
        unit: " x",
    };
    let tokens = section.selection.to_vec();
    slider.show(ui, section, |factor| Edit::Scale {
        tokens: tokens.clone(),
        factor,
    });
}

fn noise_ui(ui: &mut Ui, section: &mut Section<'_>, panel: &mut ActionPanel) {
    let slider = Slider {
        term: glossary::NOISE,
        name: "noise",
        grip: Grip::Noise,
        value: section.hand.live(Grip::Noise).unwrap_or(0.0),
        range: 0.0..=2.0,
        axis: Axis::Linear,
        snap: Snap::Multiples(0.25),
        original: 0.0,
        digits: 2,
        unit: " σ",
    };
    let (tokens, seed) = (section.selection.to_vec(), panel.seed);
    let moved = slider.show(ui, section, |sigma| Edit::Noise {
        tokens: tokens.clone(),
        sigma,
        seed,
    });
    panel.noise_sigma = moved.unwrap_or(panel.noise_sigma);
    ui.horizontal(|ui| {
        ui.add_space(NAME_WIDTH + 4.0);
        ui.weak("seed");
        ui.add(DragValue::new(&mut panel.seed).speed(0.1))
            .accessible_name("noise seed");
        let reroll = ui.button("Reroll").on_hover_text(
            "Another seed: replaces the noise just added to these tokens, or adds noise of the last sigma.",
        );
        if reroll.clicked() {
            let is_replaced = is_newest_step_noise(section);
            panel.seed = panel.seed.wrapping_add(1);
            if is_replaced {
                section.workspace.undo();
            }
            let edit = noise(section, panel);
            section.workspace.edit(edit);
        }
    });
}

fn noise(section: &Section<'_>, panel: &ActionPanel) -> Edit {
    let sigma = panel.noise_sigma;
    Edit::Noise {
        tokens: section.selection.to_vec(),
        sigma,
        seed: panel.seed,
    }
}

fn is_newest_step_noise(section: &Section<'_>) -> bool {
    let newest = section
        .workspace
        .active()
        .and_then(|subject| subject.history.applied().last());
    matches!(newest, Some(Edit::Noise { tokens, .. }) if *tokens == section.selection.to_vec())
}

fn one_click_ui(ui: &mut Ui, section: &mut Section<'_>) {
    let tokens = section.selection.to_vec();
    ui.horizontal_wrapped(|ui| {
        action_button(
            ui,
            section,
            "Zero",
            glossary::ZERO,
            Edit::Zero {
                tokens: tokens.clone(),
            },
        );
        action_button(
            ui,
            section,
            "Mean",
            glossary::MEAN,
            Edit::Mean {
                tokens: tokens.clone(),
            },
        );
        let project = Edit::Project { tokens };
        match section.tokens.space.bottleneck {
            Bottleneck::Soft(_) => action_button(ui, section, "Project", glossary::HULL, project),
            Bottleneck::Hard(_) => {
                action_button(
                    ui,
                    section,
                    "Nearest codeword",
                    glossary::NEAREST_CODEWORD,
                    project,
                );
            }
            Bottleneck::Gaussian | Bottleneck::Identity => {}
        }
    });
}

fn swap_ui(ui: &mut Ui, section: &mut Section<'_>, panel: &mut ActionPanel) {
    let tokens = section.selection.to_vec();
    match tokens[..] {
        [a, b] => {
            let response = ask_button(
                ui,
                section,
                "Swap",
                &format!("Swap {a} and {b}"),
                Edit::Swap { a, b },
                true,
            );
            response.on_hover_text("Exchanges the two selected tokens");
        }
        [a] => {
            ui.horizontal(|ui| {
                let b = panel.swap_with.min(section.tokens.count().saturating_sub(1));
                let response = ask_button(ui, section, "Swap", "Swap with", Edit::Swap { a, b }, a != b);
                response.on_hover_text("Exchanges this token with another one");
                let last = section.tokens.count().saturating_sub(1);
                let number = DragValue::new(&mut panel.swap_with)
                    .range(0..=last)
                    .speed(0.1)
                    .prefix("token ");
                ui.add(number).accessible_name("token to swap with");
            });
        }
        _ => {}
    }
}

/// A menu of the other pictures: resting on one shows what its tokens would do here.
fn copy_ui(ui: &mut Ui, section: &mut Section<'_>) {
    let others: Vec<(SubjectId, String, bool)> = section
        .workspace
        .subjects()
        .iter()
        .filter(|subject| subject.id != section.tokens.id)
        .map(|subject| (subject.id, subject.name.clone(), subject.encoded.is_some()))
        .collect();
    if others.is_empty() {
        ui.add_enabled(false, Button::new("Copy from picture"))
            .on_disabled_hover_text("Add a second picture to copy its tokens from it.");
        return;
    }
    let menu = ui.menu_button("Copy from picture", |ui| {
        egui::ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
            for (subject, name, is_encoded) in others {
                let entry = ui.add_enabled(is_encoded, Button::new(name));
                let tokens = section.selection.to_vec();
                let question = Question::CopyFrom {
                    subject,
                    tokens: tokens.clone(),
                };
                if entry.clicked() {
                    if let Some(edit) = copied(section.workspace, subject, tokens) {
                        section.ask.decide(section.workspace, question, edit);
                    }
                    ui.close();
                } else if entry.hovered() {
                    section.ask.ask(section.workspace, question, |workspace| {
                        copied(workspace, subject, tokens)
                    });
                }
                entry.on_disabled_hover_text("This picture has not been encoded yet.");
            }
        });
    });
    menu.response
        .on_hover_text("Takes the same tokens from another picture as it is edited there");
}

fn copied(workspace: &Workspace, subject: SubjectId, tokens: Vec<usize>) -> Option<Edit> {
    let from: TokenSource = workspace.embedded_tokens(subject)?;
    Some(Edit::Copy {
        from,
        to: tokens.clone(),
        tokens,
    })
}

fn restore_ui(ui: &mut Ui, section: &mut Section<'_>) {
    let steps = section
        .workspace
        .active()
        .map_or(0, |subject| subject.history.applied().len());
    ui.horizontal_wrapped(|ui| {
        let tokens = section.selection.to_vec();
        let response = ask_button(
            ui,
            section,
            "Original",
            "Original",
            Edit::Restore { tokens },
            steps > 0,
        );
        response.on_hover_text("Takes the selected tokens back to what the encoder made, as one step");
        let all = Edit::Restore {
            tokens: (0..section.tokens.count()).collect(),
        };
        let response = ask_button(ui, section, "All original", "All original", all, steps > 0);
        response.on_hover_text("Takes every token back to what the encoder made, as one step");
    });
}

/// A button for one edit of the selected tokens, explained as `term`; resting on it shows what it would do.
pub(super) fn action_button(
    ui: &mut Ui,
    section: &mut Section<'_>,
    name: &'static str,
    term: Term,
    edit: Edit,
) {
    let response = ask_button(ui, section, name, name, edit, true);
    glossary::explain(response, term);
}

fn ask_button(
    ui: &mut Ui,
    section: &mut Section<'_>,
    name: &'static str,
    text: &str,
    edit: Edit,
    is_enabled: bool,
) -> egui::Response {
    let response = ui.add_enabled(is_enabled, Button::new(text));
    let question = Question::Action {
        name,
        tokens: section.selection.to_vec(),
    };
    if response.clicked() {
        section.ask.decide(section.workspace, question, edit);
    } else if response.hovered() && !section.hand.is_live() {
        section.ask.ask(section.workspace, question, |_| Some(edit));
    }
    response
}
