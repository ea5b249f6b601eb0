//! The brush of the view: the pixels that count, drawn over the picture.

use crate::picture::{Brush, Mask};
use crate::ui::commands::{Command, Situation};
use crate::ui::menu::command_button;
use crate::ui::theme;
use crate::ui::viewer::{BrushInput, ViewerBrush};
use egui::{Color32, ColorImage, Context, Slider, TextureHandle, TextureOptions, Ui};
use std::sync::Arc;

/// Strokes that can be taken back.
const MOST_STROKES: usize = 64;
/// Diameter at first, as a part of the picture's side.
const FIRST_PART: f32 = 0.125;
/// Exponent of e by which a point of scrolling changes the diameter.
const SIZE_PER_POINT: f32 = 1.0 / 200.0;
/// Factor of a key that makes the brush larger.
pub(super) const SIZE_STEP: f32 = 1.25;
/// How strongly the mask lies over the picture, 0..1.
const OPACITY: f32 = 0.55;

/// A mask that is drawn by hand.
#[derive(Default)]
pub(super) struct BrushPad {
    /// With the stroke under the hand; `None` before there is a picture.
    mask: Option<Mask>,
    /// As the last stroke left it; `None` where no pixel counts.
    drawn: Option<Arc<Mask>>,
    /// As the strokes before left it.
    before: Vec<Option<Arc<Mask>>>,
    /// Pixels.
    diameter: f32,
    erases: bool,
    /// What is drawn does not lie over the picture.
    is_hidden: bool,
    /// Where the stroke under the hand is.
    last: Option<[f32; 2]>,
    /// Of the mask as it is, in the colour of the theme it was made for.
    texture: Option<(bool, TextureHandle)>,
}

impl BrushPad {
    /// Keeps to pictures of `side` pixels: a mask of another size is dropped.
    pub(super) fn fit_to(&mut self, side: u32) {
        if self.mask.as_ref().is_none_or(|mask| mask.width() != side) {
            *self = Self {
                mask: Some(Mask::even(side, 0.0)),
                diameter: (FIRST_PART * side as f32).round().max(1.0),
                erases: self.erases,
                is_hidden: self.is_hidden,
                ..Self::default()
            };
        }
    }

    /// The pixels that count, as the last stroke left them.
    pub(super) fn drawn(&self) -> Option<&Arc<Mask>> {
        self.drawn.as_ref()
    }

    /// Whether a stroke can be taken back.
    pub(super) fn has_strokes(&self) -> bool {
        !self.before.is_empty()
    }

    /// Goes on with what the hand does: a stroke ends when it lets go.
    pub(super) fn take(&mut self, input: BrushInput) {
        if input.scrolled != 0.0 {
            self.resize((input.scrolled * SIZE_PER_POINT).exp());
        }
        match (input.pressed, self.last) {
            (Some(at), last) => {
                self.is_hidden = false;
                let brush = Brush {
                    radius: 0.5 * self.diameter,
                    erases: self.erases,
                };
                if let Some(mask) = &mut self.mask
                    && last != Some(at)
                {
                    mask.draw(brush, last.unwrap_or(at), at);
                    self.texture = None;
                }
                self.last = Some(at);
            }
            (None, Some(_)) => {
                self.last = None;
                self.end_stroke();
            }
            (None, None) => {}
        }
    }

    fn end_stroke(&mut self) {
        let drawn = self.mask.clone().filter(|mask| !mask.is_empty()).map(Arc::new);
        if drawn != self.drawn {
            self.before.push(std::mem::replace(&mut self.drawn, drawn));
            let surplus = self.before.len().saturating_sub(MOST_STROKES);
            self.before.drain(..surplus);
        }
    }

    fn set(&mut self, mask: Mask) {
        self.mask = Some(mask);
        self.texture = None;
        self.last = None;
    }

    /// Takes the last stroke back.
    pub(super) fn undo_stroke(&mut self) {
        if let (Some(before), Some(mask)) = (self.before.pop(), &self.mask) {
            let empty = Mask::even(mask.width(), 0.0);
            self.set(before.as_deref().cloned().unwrap_or(empty));
            self.drawn = before;
        }
    }

    /// Lets no pixel count.
    pub(super) fn clear(&mut self) {
        if let Some(mask) = &self.mask {
            self.set(Mask::even(mask.width(), 0.0));
            self.end_stroke();
        }
    }

    /// Lets the pixels count that did not; all, where none did.
    pub(super) fn invert(&mut self) {
        if let Some(mask) = &self.mask {
            self.set(mask.inverted());
            self.end_stroke();
        }
    }

    /// Makes the brush larger by a factor.
    pub(super) fn resize(&mut self, factor: f32) {
        self.diameter = (self.diameter * factor).clamp(1.0, self.largest());
    }

    /// Lets the picture be seen without what is drawn, until the next stroke.
    pub(super) fn hide(&mut self) {
        self.is_hidden = true;
    }

    fn largest(&self) -> f32 {
        self.mask.as_ref().map_or(1.0, |mask| mask.width() as f32)
    }

    /// The brush as the viewer shows it; fainter where something else lies over the picture too.
    pub(super) fn for_viewer(&mut self, ui: &Ui, is_faint: bool) -> ViewerBrush {
        let is_dark = ui.visuals().dark_mode;
        let is_kept = self
            .texture
            .as_ref()
            .is_some_and(|(made_for, _)| *made_for == is_dark);
        if !is_kept {
            let ink = theme::palette(ui.visuals()).accent;
            self.texture = self
                .mask
                .as_ref()
                .filter(|mask| !mask.is_empty())
                .map(|mask| (is_dark, texture(ui.ctx(), mask, ink)));
        }
        ViewerBrush {
            radius: 0.5 * self.diameter,
            mask: self
                .texture
                .as_ref()
                .filter(|_| !self.is_hidden)
                .map(|(_, texture)| texture.id()),
            opacity: if is_faint { 0.3 * OPACITY } else { OPACITY },
        }
    }

    /// Draws the controls.
    pub(super) fn ui(&mut self, ui: &mut Ui, now: &Situation, commands: &mut Vec<Command>) {
        ui.horizontal_wrapped(|ui| {
            ui.selectable_value(&mut self.erases, false, "Draw")
                .on_hover_text("The brush adds pixels.");
            ui.selectable_value(&mut self.erases, true, "Erase")
                .on_hover_text("The brush takes pixels away.");
            let largest = self.largest();
            let size = Slider::new(&mut self.diameter, 1.0..=largest)
                .logarithmic(true)
                .fixed_decimals(0)
                .suffix(" px");
            ui.add(size)
                .on_hover_text("Diameter of the brush. Scroll over the picture, or press [ and ].")
                .accessible_name("brush size");
            for command in [Command::UndoStroke, Command::InvertMask, Command::ClearMask] {
                command_button(ui, command, now, commands);
            }
            let mut is_shown = !self.is_hidden;
            ui.checkbox(&mut is_shown, "Show mask");
            self.is_hidden = !is_shown;
            if let Some(mask) = &self.drawn {
                let share = 100.0 * mask.area() / mask.weights().len().max(1) as f64;
                ui.label(theme::muted(format!("{share:.1} % of the picture")));
            }
        });
    }
}

/// The colour `ink`, as opaque as a pixel counts.
fn texture(ctx: &Context, mask: &Mask, ink: Color32) -> TextureHandle {
    let size = [mask.width() as usize, mask.height() as usize];
    let pixels = mask.weights().iter().map(|weight| ink.gamma_multiply(*weight));
    let image = ColorImage::new(size, pixels.collect());
    ctx.load_texture("brush mask", image, TextureOptions::LINEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pad() -> BrushPad {
        let mut pad = BrushPad::default();
        pad.fit_to(32);
        pad
    }

    fn stroke(pad: &mut BrushPad, places: &[[f32; 2]]) {
        for place in places {
            pad.take(BrushInput {
                pressed: Some(*place),
                scrolled: 0.0,
            });
        }
        pad.take(BrushInput::default());
    }

    #[test]
    fn a_stroke_counts_once_it_ends_and_can_be_taken_back() {
        let mut pad = pad();
        assert!(pad.drawn().is_none() && !pad.has_strokes());
        pad.take(BrushInput {
            pressed: Some([8.0, 8.0]),
            scrolled: 0.0,
        });
        assert!(pad.drawn().is_none(), "the hand is still down");
        pad.take(BrushInput::default());
        let first = pad.drawn().cloned().unwrap();
        stroke(&mut pad, &[[20.0, 8.0], [28.0, 8.0]]);
        assert!(pad.drawn().unwrap().area() > first.area());
        pad.undo_stroke();
        assert_eq!(pad.drawn(), Some(&first));
        pad.undo_stroke();
        assert!(pad.drawn().is_none() && !pad.has_strokes());
    }

    #[test]
    fn inverting_nothing_is_everything_and_clearing_is_a_stroke() {
        let mut pad = pad();
        pad.invert();
        assert_eq!(pad.drawn().unwrap().area(), 1024.0);
        pad.erases = true;
        stroke(&mut pad, &[[16.0, 16.0]]);
        assert!(pad.drawn().unwrap().area() < 1024.0);
        pad.clear();
        assert!(pad.drawn().is_none());
        pad.undo_stroke();
        assert!(pad.drawn().unwrap().area() < 1024.0);
        stroke(&mut pad, &[[-100.0, -100.0]]);
        assert_eq!(pad.before.len(), 2, "a stroke that changes nothing is none");
    }

    #[test]
    fn pictures_of_another_size_begin_anew_and_sizes_stay_in_range() {
        let mut pad = pad();
        stroke(&mut pad, &[[4.0, 4.0]]);
        pad.fit_to(32);
        assert!(pad.drawn().is_some());
        pad.resize(1e6);
        assert_eq!(pad.diameter, 32.0);
        pad.resize(1e-6);
        assert_eq!(pad.diameter, 1.0);
        pad.fit_to(64);
        assert!(pad.drawn().is_none() && pad.diameter == 8.0);
    }
}
