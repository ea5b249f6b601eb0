//! The two windows of the Help menu.

use super::commands::{Command, Group};
use super::theme;

/// Where the method is described.
const PAPER: &str = "https://arxiv.org/abs/2412.10958";

/// Of the two columns in the list of keys, in points.
const COLUMN_WIDTH: f32 = 208.0;
const COLUMN_GAP: f32 = 24.0;

/// Which help windows are open.
#[derive(Default)]
pub(super) struct Help {
    /// The list of keys.
    pub(super) shows_shortcuts: bool,
    /// Version and paper.
    pub(super) shows_about: bool,
}

impl Help {
    /// Draws the windows that are open. `start` says how long this start took.
    pub(super) fn ui(&mut self, ctx: &egui::Context, start: Option<&str>) {
        egui::Window::new("Keyboard shortcuts")
            .open(&mut self.shows_shortcuts)
            .collapsible(false)
            .pivot(egui::Align2::CENTER_CENTER)
            .default_pos(ctx.content_rect().center())
            .resizable([false, true])
            .default_width(2.0 * COLUMN_WIDTH + COLUMN_GAP)
            .default_height(520.0)
            .vscroll(true)
            .show(ctx, shortcuts_ui);
        egui::Window::new("About Softscope")
            .open(&mut self.shows_about)
            .collapsible(false)
            .pivot(egui::Align2::CENTER_CENTER)
            .default_pos(ctx.content_rect().center())
            .resizable(false)
            .show(ctx, |ui| about_ui(ui, start));
    }
    /// Closes the topmost window; false when none was open.
    pub(super) fn close_one(&mut self) -> bool {
        std::mem::take(&mut self.shows_about) || std::mem::take(&mut self.shows_shortcuts)
    }
}

/// What hands can do that is no command.
const HANDS: &[(&str, &str)] = &[
    (
        "Drag a bar, a value or a slider",
        "edits the token; one drag is one undo step",
    ),
    ("Shift while dragging", "fine steps"),
    ("Double-click", "back to the original"),
    (
        "Click, Ctrl+click, Shift+click a token",
        "select, add or remove, select a range",
    ),
    ("Scroll over a picture", "zooms all pictures"),
    ("Drag a picture", "moves all pictures"),
    (
        "Drag and scroll over a picture in Pixels to tokens and Paint",
        "draws; makes the brush larger or smaller (Ctrl+scroll zooms, a right drag moves)",
    ),
    ("Drop files on the window", "adds them to the library"),
];

fn shortcuts_ui(ui: &mut egui::Ui) {
    for group in Group::ALL {
        ui.label(theme::strong(group.title()));
        columns(group.title()).show(ui, |ui| {
            let commands = Command::ALL.iter().filter(|command| command.group() == group);
            for command in commands.filter(|command| !command.shortcuts().is_empty()) {
                ui.label(command.name()).on_hover_text(command.tooltip());
                let keys: Vec<String> = command
                    .shortcuts()
                    .iter()
                    .map(|shortcut| ui.ctx().format_shortcut(shortcut))
                    .collect();
                ui.label(theme::muted(keys.join("  or  ")));
                ui.end_row();
            }
        });
        ui.add_space(8.0);
    }
    ui.label(theme::strong("Mouse"));
    columns("hands").show(ui, |ui| {
        for (hand, effect) in HANDS {
            ui.label(*hand);
            ui.label(theme::muted(*effect));
            ui.end_row();
        }
    });
}

/// What is done, and how; long texts wrap.
fn columns(id: &str) -> egui::Grid {
    egui::Grid::new(id)
        .num_columns(2)
        .min_col_width(COLUMN_WIDTH)
        .max_col_width(COLUMN_WIDTH)
        .spacing([COLUMN_GAP, 4.0])
}

/// What a token is, class by class.
const CLASSES: &[(&str, &str)] = &[
    (
        "SoftVQ",
        "a soft mixture of codewords: w = softmax(sim(h, C) / τ), z = w C",
    ),
    ("VQ", "the codeword nearest to what the encoder put out"),
    ("KL", "the mean of a normal distribution"),
    ("AE", "what the encoder put out, as it is"),
];

fn about_ui(ui: &mut egui::Ui, start: Option<&str>) {
    ui.set_width(440.0);
    ui.label(theme::strong(format!("Softscope {}", env!("CARGO_PKG_VERSION"))));
    ui.label("A microscope for the latent tokens of SoftVQ-VAE and its family.");
    ui.add_space(8.0);
    ui.label("A picture becomes a short row of one-dimensional tokens, most often 32 or 64. What a token is depends on the class of the model:");
    egui::Grid::new("classes")
        .num_columns(2)
        .spacing([12.0, 2.0])
        .show(ui, |ui| {
            for (class, token) in CLASSES {
                ui.label(theme::strong(*class));
                ui.label(*token);
                ui.end_row();
            }
        });
    ui.add_space(8.0);
    ui.label("Softscope shows what is behind each token, lets you change it, and decodes the picture while you do. SiT and DiT generators make new tokens from noise.");
    ui.add_space(8.0);
    ui.hyperlink_to(
        "SoftVQ-VAE: Efficient 1-Dimensional Continuous Tokenizer (arXiv 2412.10958)",
        PAPER,
    );
    ui.label(theme::muted(concat!("Licence: ", env!("CARGO_PKG_LICENSE"))));
    if let Some(start) = start {
        ui.label(theme::muted(start));
    }
}
