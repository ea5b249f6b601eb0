//! Soft to hard: the picture at each temperature.

use super::cell::{Cell, filling_side};
use super::textures::Textures;
use super::{Section, empty_ui};
use crate::document::Workspace;
use crate::engine::{Analysed, AnalysisKind, Sharpness};
use crate::latent::Edit;
use crate::ui::dial::{Axis, Dial, Snap};
use crate::ui::hand::{Grip, Hand};
use crate::ui::hover_ask::{HoverAsk, Question};
use crate::ui::selection::Selection;
use crate::ui::shown_tokens::ShownTokens;
use crate::ui::{glossary, inspector, theme};
use egui::{ColorImage, TextureOptions, Ui};

/// Least side of a picture, in points.
const LEAST_SIDE: f32 = 148.0;
/// Width of the slider, in points.
const SLIDER_WIDTH: f32 = 280.0;

/// What the section remembers between frames.
#[derive(Default)]
pub(super) struct Sweep {
    textures: Textures,
    asks: HoverAsk,
}

impl Sweep {
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        selection: &Selection,
        hand: &mut Hand,
    ) {
        let Some(shown) = ShownTokens::of(workspace) else {
            return;
        };
        let tokens = chosen_tokens(selection, shown.count());
        tau_ui(ui, workspace, &shown, &tokens, hand);
        let Some(finding) = workspace.finding(AnalysisKind::Sweep) else {
            empty_ui(ui, workspace, Section::Sweep);
            return;
        };
        let Analysed::Sweep(steps) = &*finding.found else {
            return;
        };
        ui.horizontal_wrapped(|ui| {
            ui.label(match selection.tokens().len() {
                0 => "No token is selected: a click sets all.".to_owned(),
                1 => "A click sets the selected token.".to_owned(),
                count => format!("A click sets the {count} selected tokens."),
            });
            glossary::term_label(ui, glossary::TAU);
            glossary::named_term_label(ui, "H: mean entropy, nats", glossary::ENTROPY);
        });
        let (mut asked, mut chosen) = (None, None);
        ui.horizontal_wrapped(|ui| {
            let side = filling_side(ui, LEAST_SIDE);
            for (place, step) in steps.iter().enumerate() {
                let texture =
                    self.textures
                        .get(ui.ctx(), &finding.found, place, TextureOptions::LINEAR, || {
                            let size = [step.picture.width() as usize, step.picture.height() as usize];
                            ColorImage::from_rgb(size, step.picture.as_bytes())
                        });
                let name = sharpness_text(step.sharpness);
                let cell = Cell {
                    texture,
                    label: &format!("set {name}"),
                    name: &name,
                    value: &format!("H {:.2}", step.entropy_nats),
                    is_selected: false,
                    is_hovered: false,
                    is_stop: true,
                };
                let response = cell.ui(ui, side);
                if response.clicked() {
                    chosen = Some((place, step.sharpness));
                } else if response.hovered() && !hand.is_live() {
                    asked = Some((place, step.sharpness));
                }
            }
        });
        ui.add_space(theme::GRID);
        let question = |place| Question::Sharpness {
            place,
            tokens: tokens.clone(),
        };
        if let Some((place, sharpness)) = chosen {
            self.asks
                .decide(workspace, question(place), edit(sharpness, tokens.clone()));
        } else if let Some((place, sharpness)) = asked {
            self.asks.ask(workspace, question(place), |_| {
                Some(edit(sharpness, tokens.clone()))
            });
        }
    }

    /// Call once at the end of a frame, on show or not: what nothing points at any more is taken back.
    pub(super) fn end(&mut self, workspace: &mut Workspace) {
        self.asks.end(workspace);
    }
}

/// The selected tokens, or all where none is.
fn chosen_tokens(selection: &Selection, count: usize) -> Vec<usize> {
    if selection.is_empty() {
        (0..count).collect()
    } else {
        selection.to_vec()
    }
}

/// The temperature of the chosen tokens under the hand, decoded live.
fn tau_ui(ui: &mut Ui, workspace: &mut Workspace, shown: &ShownTokens, chosen: &[usize], hand: &mut Hand) {
    let Some(codebook) = shown.space.mixing() else {
        return;
    };
    let has_h = |token: &&usize| shown.state.h_row(**token).is_some();
    let tokens: Vec<usize> = chosen.iter().filter(has_h).copied().collect();
    let Some(&first) = tokens.first() else {
        ui.label(theme::muted(
            "A temperature needs the encoder's output, which these tokens lack: take them back to the original.",
        ));
        return;
    };
    let value = hand
        .shown(Grip::Tau)
        .unwrap_or_else(|| inspector::tau_of(workspace, first, codebook.tau));
    ui.horizontal(|ui| {
        let label = glossary::term_label(ui, glossary::TAU);
        let turned = Dial::new(Grip::Tau, "tau", value, inspector::TAU_RANGE)
            .axis(Axis::Logarithmic)
            .snap(Snap::OneTwoFive)
            .original(Some(codebook.tau))
            .width(SLIDER_WIDTH)
            .labelled_by(label.id)
            .show(ui, hand);
        let of = match tokens.len() {
            1 => format!("of token {first}"),
            count if count == shown.count() => format!("of all {count} tokens"),
            count => format!("of {count} tokens"),
        };
        ui.label(theme::strong(three_figures(turned.value.unwrap_or(value))));
        ui.label(theme::muted(of));
        let edit = |tau| Edit::Temperature {
            tokens: tokens.clone(),
            tau,
        };
        hand.follow(workspace, Grip::Tau, &turned.reach, turned.value, edit);
    });
}

fn edit(sharpness: Sharpness, tokens: Vec<usize>) -> Edit {
    match sharpness {
        Sharpness::Tau(tau) => Edit::Temperature { tokens, tau },
        Sharpness::Hard => Edit::Harden { tokens, top: 1 },
    }
}

fn sharpness_text(sharpness: Sharpness) -> String {
    match sharpness {
        Sharpness::Tau(tau) => format!("tau {}", three_figures(tau)),
        Sharpness::Hard => "one codeword".to_owned(),
    }
}

/// "0.56", "0.07", "0.00875".
fn three_figures(value: f32) -> String {
    let decimals = (2.0 - value.abs().max(f32::MIN_POSITIVE).log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures_are_as_short_as_they_are_told_apart() {
        let texts: Vec<String> = [0.56, 0.07, 0.00875, 12.0, 100.0].map(three_figures).into();
        assert_eq!(texts, ["0.56", "0.07", "0.00875", "12", "100"]);
    }
}
