//! The view before there is anything to show: what training does, what it needs, the one action.

use crate::ui::commands::{Command, Situation};
use crate::ui::menu::command_button;
use crate::ui::theme::{self, icon};
use egui::{RichText, Ui};

const WIDTH: f32 = 520.0;

const WHAT: &str = "Training makes a tokenizer from your pictures: it learns which few tokens describe a picture, and how to \
paint the picture from them again. It goes on in the background, can be stopped and continued at any time, and what it has \
reached can be used in this window while it goes on.";

const NEEDS: [(&str, &str); 3] = [
    (
        "A folder of pictures",
        "png, jpg, webp, gif, bmp or tiff. A few hundred show whether it works; a model that holds up on other pictures wants \
         ten thousand and more, as different as the pictures it is meant for.",
    ),
    (
        "Transparency means cut-outs",
        "Pictures with transparency are laid over the others at many places and sizes. Opaque pictures alone do as well.",
    ),
    (
        "Time",
        "Minutes for a first look at the smallest size, hours to days for a good model. The longer, the finer.",
    ),
];

pub(super) fn ui(ui: &mut Ui, now: &Situation, commands: &mut Vec<Command>) {
    ui.vertical_centered(|ui| {
        ui.set_max_width(WIDTH);
        ui.add_space((0.12 * ui.available_height()).max(theme::GRID));
        ui.label(RichText::new(icon::MODEL).size(32.0).weak());
        ui.heading("Train a model of your own");
        ui.add_space(theme::GRID);
        ui.label(WHAT);
        for (title, text) in NEEDS {
            ui.add_space(2.0 * theme::GRID);
            ui.label(theme::strong(title));
            ui.label(theme::muted(text));
        }
        ui.add_space(4.0 * theme::GRID);
        command_button(ui, Command::AddTrainingFolder, now, commands);
        ui.label(theme::muted(
            "or drop a folder here, then press Start training on the right.",
        ));
    });
}
