//! The sheets of a run: held-out pictures over their reconstructions, one at a time.

use super::Found;
use crate::engine::Jobs;
use crate::picture::{self, Rgb8};
use crate::trainer::Sheet;
use crate::ui::models_view::count_text;
use crate::ui::theme::{self, icon};
use crate::ui::viewer::{Layer, Viewer};
use egui::{Slider, Ui};
use std::path::PathBuf;
use std::sync::Arc;

/// A picture as it was read, or why it could not be.
type Read = Result<Arc<Rgb8>, String>;

/// What the sheets remember between frames.
pub(super) struct Sheets {
    pub(super) viewer: Viewer,
    /// The step on show; `None` follows the run.
    step: Option<u64>,
    read: Option<(PathBuf, Read)>,
    asked: Option<PathBuf>,
}

impl Sheets {
    pub(super) fn new(render_state: Option<&egui_wgpu::RenderState>) -> Self {
        let mut viewer = Viewer::new(render_state);
        viewer.is_plain = true;
        Self {
            viewer,
            step: None,
            read: None,
            asked: None,
        }
    }

    /// Follows the newest sheet again.
    pub(super) fn follow(&mut self) {
        self.step = None;
    }

    /// Takes in a sheet that was read.
    pub(super) fn take(&mut self, path: PathBuf, read: Read) {
        if self.asked.as_ref() == Some(&path) {
            self.asked = None;
        }
        self.read = Some((path, read));
    }

    /// Draws a sheet in all the space that is left.
    pub(super) fn ui(&mut self, ui: &mut Ui, sheets: &[Sheet], jobs: &Jobs<Found>) {
        let place = self
            .step
            .and_then(|step| sheets.iter().position(|sheet| sheet.step == step))
            .unwrap_or(sheets.len().saturating_sub(1));
        let Some(sheet) = sheets.get(place) else {
            ui.centered_and_justified(|ui| {
                ui.label(theme::muted(
                    "Held-out pictures and their reconstructions come here at the first evaluation.",
                ))
            });
            return;
        };
        self.read_again(sheet, jobs);
        self.history_ui(ui, sheets, place);
        let mut layer = Layer {
            name: format!("sheet of step {}", count_text(sheet.step as usize)),
            caption: "held-out pictures, each over its reconstruction".to_owned(),
            empty_text: "reading…".to_owned(),
            ..Layer::default()
        };
        match &self.read {
            Some((path, Err(text))) if *path == sheet.path => layer.empty_text.clone_from(text),
            // The one before stays until this one is read.
            Some((_, Ok(picture))) => layer.picture = Some(Arc::clone(picture)),
            _ => {}
        }
        self.viewer.ui(ui, &[layer]);
    }

    fn read_again(&mut self, sheet: &Sheet, jobs: &Jobs<Found>) {
        let is_read = self.read.as_ref().is_some_and(|(path, _)| *path == sheet.path);
        if is_read || self.asked.as_ref() == Some(&sheet.path) {
            return;
        }
        self.asked = Some(sheet.path.clone());
        let path = sheet.path.clone();
        jobs.run(move || {
            let read = picture::open(&path)
                .map(Arc::new)
                .map_err(|error| error.to_string());
            Found::Sheet(path, read)
        });
    }

    /// Steps through what the sheets were.
    fn history_ui(&mut self, ui: &mut Ui, sheets: &[Sheet], place: usize) {
        let last = sheets.len().saturating_sub(1);
        let mut chosen = place;
        ui.horizontal(|ui| {
            ui.add_enabled_ui(place > 0, |ui| {
                if theme::icon_button(ui, icon::CARET_LEFT, "Earlier sheet").clicked() {
                    chosen = place.saturating_sub(1);
                }
            });
            ui.add_enabled_ui(place < last, |ui| {
                if theme::icon_button(ui, icon::CARET_RIGHT, "Later sheet").clicked() {
                    chosen = place + 1;
                }
            });
            if last > 0 {
                let slider = Slider::new(&mut chosen, 0..=last).show_value(false);
                ui.add(slider).accessible_name("Sheet of the run");
            }
            ui.label(theme::muted(format!("sheet {} of {}", place + 1, last + 1)));
        });
        if chosen != place {
            let sheet = sheets.get(chosen).filter(|_| chosen < last);
            self.step = sheet.map(|sheet| sheet.step);
        }
    }
}
