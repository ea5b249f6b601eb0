//! Token to pixels: a heat map a token.

use super::cell::{Cell, filling_side};
use super::textures::Textures;
use super::{Section, empty_ui, terms};
use crate::analysis::{ChannelChanges, HeatMaps, InfluenceMaps, STEPS};
use crate::document::Workspace;
use crate::engine::{Analysed, AnalysisKind, InfluenceFound};
use crate::ui::selection::Selection;
use crate::ui::{fact, glossary, theme};
use egui::{Color32, ColorImage, TextureOptions, Ui};
use std::sync::Arc;

/// Least side of a map, in points.
const LEAST_SIDE: f32 = 76.0;
/// Most texels along a side of a map: larger ones are thinned.
const MOST_TEXELS: usize = 128;

/// By which measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Measure {
    #[default]
    Ablation,
    Gradient,
}

impl Measure {
    fn of(self, found: &InfluenceFound) -> &HeatMaps {
        match self {
            Self::Ablation => &found.by_ablation,
            Self::Gradient => &found.by_gradient,
        }
    }

    /// The maps and their signed changes.
    fn signed(self, found: &InfluenceFound) -> (&InfluenceMaps, &ChannelChanges) {
        let ([by_ablation, by_gradient], [of_ablation, of_gradient]) = (&*found.maps, &*found.channels);
        match self {
            Self::Ablation => (by_ablation, of_ablation),
            Self::Gradient => (by_gradient, of_gradient),
        }
    }
}

/// Channels that can be looked at alone, with their sign.
const CHANNELS: [&str; 3] = ["red", "green", "blue"];

/// What the section remembers between frames.
#[derive(Default)]
pub(super) struct Influence {
    measure: Measure,
    is_in_order: bool,
    /// The channel on show; `None` for the mean of absolute changes of all.
    channel: Option<usize>,
    textures: Textures,
    /// The token these maps reported as hovered.
    reported: Option<usize>,
}

fn influence_of(found: &Analysed) -> Option<&InfluenceFound> {
    match found {
        Analysed::Influence(found) => Some(found),
        _ => None,
    }
}

impl Influence {
    /// The map of a token by the measure on show, while it is true of the tokens on show.
    pub(super) fn map(&self, workspace: &Workspace, token: usize) -> Option<Arc<Vec<f32>>> {
        let finding = workspace.finding(AnalysisKind::Influence)?;
        let found = influence_of(&finding.found).filter(|_| !finding.is_stale)?;
        self.measure.of(found).heats.get(token).map(Arc::clone)
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, workspace: &Workspace, selection: &mut Selection) {
        let finding = workspace.finding(AnalysisKind::Influence);
        let Some(finding) = finding else {
            empty_ui(ui, workspace, Section::Influence);
            return;
        };
        let Some(found) = influence_of(&finding.found) else {
            return;
        };
        self.choices_ui(ui, found);
        let maps = self.measure.of(found);
        let (signed, changes) = self.measure.signed(found);
        let mut tokens: Vec<usize> = maps.ranking.iter().map(|figures| figures.token).collect();
        if self.is_in_order {
            tokens.sort_unstable();
        }
        let cursor = selection.cursor().unwrap_or(0);
        let mut hovered = None;
        ui.add_space(theme::GRID);
        ui.horizontal_wrapped(|ui| {
            let side = filling_side(ui, LEAST_SIDE);
            for token in tokens {
                let Some((heat, figures)) = maps.heats.get(token).zip(maps.figures(token)) else {
                    continue;
                };
                let kind = 2 * self.channel.map_or(0, |channel| channel + 1)
                    + usize::from(self.measure == Measure::Gradient);
                let key = 8 * token + kind;
                let alone = self.channel.and_then(|channel| {
                    let mean = changes.means.get(token)?.get(channel)?;
                    Some((signed.channel(token, channel)?, *mean, *CHANNELS.get(channel)?))
                });
                let texture = self.textures.get(
                    ui.ctx(),
                    &finding.found,
                    key,
                    TextureOptions::LINEAR,
                    || match alone {
                        Some((values, ..)) => signed_image(values, maps.width, changes.largest),
                        None => heat_image(heat, maps.width),
                    },
                );
                let (value, label) = match alone {
                    Some((_, mean, name)) => {
                        let value = format!("{mean:+.2}");
                        (
                            value.clone(),
                            format!("influence of token {token} on {name}: {value}"),
                        )
                    }
                    None => {
                        let value = format!("{:.2}", figures.mean_change);
                        (value.clone(), format!("influence of token {token}: {value}"))
                    }
                };
                let cell = Cell {
                    texture,
                    label: &label,
                    name: &token.to_string(),
                    value: &value,
                    is_selected: selection.contains(token),
                    is_hovered: selection.hovered == Some(token),
                    is_stop: token == cursor,
                };
                let response = cell.ui(ui, side);
                if response.hovered() || response.contains_pointer() {
                    hovered = Some(token);
                }
                if response.clicked() {
                    let modifiers = ui.input(|input| input.modifiers);
                    selection.click(token, modifiers.command, modifiers.shift);
                }
            }
        });
        selection.report_hover(&mut self.reported, hovered);
    }

    fn choices_ui(&mut self, ui: &mut Ui, found: &InfluenceFound) {
        ui.horizontal_wrapped(|ui| {
            for (measure, term) in [
                (Measure::Ablation, terms::ABLATION),
                (Measure::Gradient, terms::GRADIENT),
            ] {
                let name = if measure == Measure::Ablation {
                    "Ablation"
                } else {
                    "Gradient"
                };
                glossary::explain(ui.selectable_value(&mut self.measure, measure, name), term);
            }
            ui.separator();
            ui.selectable_value(&mut self.is_in_order, false, "Ranked");
            ui.selectable_value(&mut self.is_in_order, true, "In order");
            ui.separator();
            ui.selectable_value(&mut self.channel, None, "All channels")
                .on_hover_text("The mean of the absolute changes of red, green and blue.");
            for (channel, name) in CHANNELS.into_iter().enumerate() {
                ui.selectable_value(&mut self.channel, Some(channel), capital(name))
                    .on_hover_text(format!(
                        "What the token adds to {name}, with its sign: the picture with the token minus that without."
                    ));
            }
        });
        ui.horizontal_wrapped(|ui| {
            if self.channel.is_some() {
                let largest = self.measure.signed(found).1.largest;
                let ends = [format!("−{largest:.0}"), format!("+{largest:.0} steps")];
                let [low, high] = ends;
                theme::legend_signed_ui(ui, "change of the channel", low, high);
            } else {
                let largest = self.measure.of(found).largest_change;
                theme::legend_ui(ui, "change of a pixel", 0, format!("{largest:.0} steps"));
            }
            let rank = found
                .agreement
                .rank_correlation
                .map_or_else(|| "none".to_owned(), |rank| format!("{rank:.2}"));
            let said = format!("cosine {:.2}, rank {rank}", found.agreement.cosine);
            glossary::explain(fact::ui(ui, None, "agreement", &said), terms::AGREEMENT);
        });
        ui.label(theme::muted(if self.channel.is_some() {
            "Under each map its token and the mean of what it adds to the channel, in steps of 8-bit values."
        } else {
            "Under each map its token and the mean change of the picture, in steps of 8-bit values."
        }));
    }

    /// What is known of a token's influence, in a few facts.
    pub(super) fn figures_ui(&self, ui: &mut Ui, workspace: &Workspace, token: usize) {
        let Some(finding) = workspace.finding(AnalysisKind::Influence) else {
            return;
        };
        let Some(found) = influence_of(&finding.found).filter(|_| !finding.is_stale) else {
            return;
        };
        let (Some(figures), Some(agreement)) = (
            self.measure.of(found).figures(token),
            found.agreement.tokens.get(token),
        ) else {
            return;
        };
        ui.horizontal_wrapped(|ui| {
            ui.strong(format!("Token {token}"));
            let share = format!("{:.1} %", 100.0 * figures.share);
            fact::ui(ui, None, "share", &share).on_hover_text("Of the mean changes of all tokens.");
            let largest = format!("{:.0} steps", figures.largest_change);
            fact::ui(ui, None, "largest", &largest).on_hover_text("Largest change of a pixel.");
            let spread = format!("{:.2}", figures.spread);
            fact::ui(ui, None, "spread", &spread)
                .on_hover_text("1 acts evenly on the whole picture, near 0 on a spot.");
            let (_, changes) = self.measure.signed(found);
            if let Some([red, green, blue]) = changes.means.get(token) {
                let added = format!("{red:+.1} {green:+.1} {blue:+.1}");
                fact::ui(ui, None, "adds", &added).on_hover_text(
                    "What it adds to red, green and blue on the mean, in steps of 8-bit values.",
                );
            }
            let cosine = format!("{:.2}", agreement.cosine);
            glossary::explain(fact::ui(ui, None, "agreement", &cosine), terms::AGREEMENT);
        });
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A map in false colour, thinned to the size it is shown at.
fn heat_image(heat: &[f32], width: usize) -> ColorImage {
    thinned(heat, width, theme::magnitude)
}

/// Signed values of the network in false colour; `largest`, in steps of 8-bit values, has the last colours.
fn signed_image(values: &[f32], width: usize, largest: f64) -> ColorImage {
    let share = STEPS / largest.max(f64::MIN_POSITIVE);
    thinned(values, width, |value| {
        theme::signed((share * f64::from(value)) as f32)
    })
}

fn thinned(values: &[f32], width: usize, colour: impl Fn(f32) -> Color32) -> ColorImage {
    let width = width.max(1);
    let height = values.len() / width;
    let step = width.max(height).div_ceil(MOST_TEXELS).max(1);
    let rows = values.chunks_exact(width).step_by(step);
    let pixels: Vec<_> = rows
        .flat_map(|row| row.iter().step_by(step).map(|value| colour(*value)))
        .collect();
    ColorImage::new([width.div_ceil(step), height.div_ceil(step)], pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_maps_are_neutral_where_nothing_changes() {
        let image = signed_image(&[0.0, 0.2, -0.2, 0.1], 2, 0.2 * STEPS);
        let expected = [0.0, 1.0, -1.0, 0.5].map(theme::signed);
        assert_eq!(image.pixels, expected);
        assert_eq!(signed_image(&[0.0], 1, 0.0).pixels, [theme::signed(0.0)]);
    }

    #[test]
    fn maps_become_images_that_fit() {
        let small = heat_image(&[0.0, 0.5, 1.0, 0.25, 0.0, 1.0], 3);
        assert_eq!(small.size, [3, 2]);
        assert_eq!(small.pixels[2], theme::magnitude(1.0));
        let side = 2 * MOST_TEXELS + 1;
        let large = heat_image(&vec![0.5; side * side], side);
        assert_eq!(large.size, [side.div_ceil(3); 2]);
        assert_eq!(large.pixels.len(), large.size[0] * large.size[1]);
    }
}
