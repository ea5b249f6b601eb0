//! A generation under way: its picture and its tokens as they develop.

use crate::document::GenerationProgress;
use crate::engine::{GenerationStep, ModelInfo};
use crate::latent::Tokens;
use crate::picture::Rgb8;
use crate::ui::commands::Command;
use crate::ui::theme::{self, icon};
use egui::{Color32, ColorImage, Image, ProgressBar, TextureHandle, TextureOptions, Ui, vec2};
use std::sync::Arc;

/// Heights in points: of the lines above the picture, and of the tokens below it.
const HEAD_HEIGHT: f32 = 72.0;
const TOKENS_HEIGHT: f32 = 96.0;
/// Values beyond that many deviations have the last colour.
const SHOWN_DEVIATIONS: f32 = 3.0;

/// Textures of what is on show, made anew only when that changes.
#[derive(Default)]
pub(super) struct Live {
    picture: Option<(Arc<Rgb8>, TextureHandle)>,
    /// Told apart by the picture of the job and its step.
    tokens: Option<((usize, usize), TextureHandle)>,
}

impl Live {
    /// Draws the generation; a wish to cancel is added to `commands`.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        progress: &GenerationProgress<'_>,
        model: Option<&ModelInfo>,
        commands: &mut Vec<Command>,
    ) {
        ui.set_min_size(ui.available_size());
        head_ui(ui, progress, commands);
        ui.add_space(theme::GRID);
        let side = (ui.available_height() - TOKENS_HEIGHT)
            .min(ui.available_width())
            .max(64.0);
        ui.vertical_centered(|ui| self.picture_ui(ui, progress.picture, side));
        if let Some((step, model)) = progress.step.zip(model) {
            ui.add_space(theme::GRID);
            self.tokens_ui(ui, step, model);
        }
    }

    fn picture_ui(&mut self, ui: &mut Ui, picture: Option<&Arc<Rgb8>>, side: f32) {
        let Some(picture) = picture else {
            self.picture = None;
            let (rect, _) = ui.allocate_exact_size(vec2(side, side), egui::Sense::hover());
            ui.painter().rect_filled(rect, 4.0, ui.visuals().extreme_bg_color);
            return;
        };
        let is_known = self
            .picture
            .as_ref()
            .is_some_and(|(known, _)| Arc::ptr_eq(known, picture));
        if !is_known {
            let size = [picture.width() as usize, picture.height() as usize];
            let image = ColorImage::from_rgb(size, picture.as_bytes());
            self.picture = Some((
                Arc::clone(picture),
                ui.ctx()
                    .load_texture("generated picture", image, TextureOptions::LINEAR),
            ));
        }
        if let Some((_, texture)) = &self.picture {
            let size = texture.size_vec2();
            let size = size * (side / size.max_elem().max(1.0));
            ui.add(Image::new((texture.id(), size)).alt_text("the picture as it develops"));
        }
    }

    fn tokens_ui(&mut self, ui: &mut Ui, step: &GenerationStep, model: &ModelInfo) {
        let key = (step.index, step.done);
        if self.tokens.as_ref().is_none_or(|(known, _)| *known != key) {
            let image = token_map(&step.tokens.z, model.space.mean, model.space.std);
            let texture = ui
                .ctx()
                .load_texture("generated tokens", image, TextureOptions::NEAREST);
            self.tokens = Some((key, texture));
        }
        let caption = "tokens, left to right; their values, top to bottom";
        ui.vertical_centered(|ui| ui.label(theme::muted(caption)));
        if let Some((_, texture)) = &self.tokens {
            let height = ui.available_height().clamp(24.0, TOKENS_HEIGHT);
            let size = vec2(ui.available_width(), height);
            ui.add(Image::new((texture.id(), size)).alt_text("the tokens as they develop"));
        }
    }
}

fn head_ui(ui: &mut Ui, progress: &GenerationProgress<'_>, commands: &mut Vec<Command>) {
    ui.allocate_ui(vec2(ui.available_width(), HEAD_HEIGHT), |ui| {
        ui.horizontal(|ui| {
            ui.heading(&progress.name);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let cancel = ui
                    .button((icon::STOP, "Cancel"))
                    .accessible_name("Cancel generating");
                if cancel.on_hover_text(Command::CancelTask.tooltip()).clicked() {
                    commands.push(Command::CancelTask);
                }
            });
        });
        let fraction = progress.step.map_or(0.0, |step| step.fraction);
        ui.add(ProgressBar::new(fraction).desired_height(8.0));
        ui.weak(progress_text(progress));
    });
}

/// "step 12 of 50, picture 1 of 4, about 3 s left"
fn progress_text(progress: &GenerationProgress<'_>) -> String {
    let Some(step) = progress.step else {
        return "starting…".to_owned();
    };
    let mut text = format!("step {} of {}", step.done, step.total);
    if progress.count > 1 {
        text += &format!(", picture {} of {}", progress.made + 1, progress.count);
    }
    text + &format!(", {} left", time_left(step.left_ms))
}

/// A time that nobody would call exact.
fn time_left(ms: f64) -> String {
    let seconds = ms / 1000.0;
    if seconds < 1.0 {
        "under a second".to_owned()
    } else if seconds < 90.0 {
        format!("about {seconds:.0} s")
    } else if seconds < 5400.0 {
        format!("about {:.0} min", seconds / 60.0)
    } else {
        format!("about {:.1} h", seconds / 3600.0)
    }
}

/// A column for each token, a row for each value: blue below the mean, red above it.
fn token_map(tokens: &Tokens, mean: f32, deviation: f32) -> ColorImage {
    let pixels: Vec<Color32> = (0..tokens.dim)
        .flat_map(|row| (0..tokens.count).map(move |token| token * tokens.dim + row))
        .map(|place| {
            let value = tokens.values.get(place).copied().unwrap_or(mean);
            theme::signed((value - mean) / (SHOWN_DEVIATIONS * deviation))
        })
        .collect();
    ColorImage::new([tokens.count, tokens.dim], pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_fitting_units() {
        assert_eq!(time_left(300.0), "under a second");
        assert_eq!(time_left(12_400.0), "about 12 s");
        assert_eq!(time_left(600_000.0), "about 10 min");
        assert_eq!(time_left(9_000_000.0), "about 2.5 h");
    }

    #[test]
    fn the_map_has_a_column_for_each_token() {
        let tokens = Tokens {
            count: 3,
            dim: 2,
            values: vec![0.0, 1.0, 0.0, -1.0, 0.0, 0.0],
        };
        let map = token_map(&tokens, 0.0, 1.0);
        assert_eq!(map.size, [3, 2]);
        assert_eq!(map.pixels[0], theme::signed(0.0));
        assert_eq!(map.pixels[3], theme::signed(1.0 / 3.0));
        assert_eq!(map.pixels[4], theme::signed(-1.0 / 3.0));
    }
}
