//! The released models with their published figures, and a field for any other id.

use super::bytes_text;
use super::downloads::Downloads;
use super::table;
use crate::hub::{CATALOGUE, GeneratorEntry, ModelId, Settings, TokenizerEntry};
use crate::ui::theme;

/// Figures of a row after its name.
struct Cells {
    class: String,
    picture: String,
    tokens: String,
    size: String,
    rfid: String,
    gfid: String,
    gfid_guided: String,
}

/// Draws the catalogue; returns the model that shall be downloaded.
pub(super) fn ui(
    ui: &mut egui::Ui,
    settings: &Settings,
    downloads: &Downloads,
    is_here: &dyn Fn(&str) -> bool,
) -> Option<ModelId> {
    let mut wanted = None;
    let is_narrow = table::is_narrow(ui);
    egui::ScrollArea::horizontal()
        .id_salt("catalogue")
        .show(ui, |ui| {
            egui::Grid::new(("catalogue", is_narrow))
                .striped(true)
                .num_columns(9)
                .spacing(table::spacing(is_narrow))
                .show(ui, |ui| {
                    header_ui(ui);
                    for entry in &CATALOGUE {
                        let mut row = |id: &str, indent: bool, hint: &str, cells: &Cells| {
                            if row_ui(ui, id, indent, hint, cells, settings, downloads, is_here(id)) {
                                wanted = id.parse().ok();
                            }
                        };
                        row(entry.id, false, &tokenizer_hint(entry), &tokenizer_cells(entry));
                        for generator in entry.generators {
                            let hint = generator_hint(generator, entry);
                            row(generator.id, true, &hint, &generator_cells(generator));
                        }
                    }
                });
        });
    wanted
}

fn header_ui(ui: &mut egui::Ui) {
    for (title, explanation) in [
        ("", ""),
        (
            "Name",
            "Generators stand below the tokenizer whose tokens they make.",
        ),
        (
            "Class",
            "SoftVQ mixes codewords, AE (MAETok) has no codebook; SiT and DiT are the generators' architectures.",
        ),
        ("Picture", "Side of the pictures."),
        (
            "Tokens × values",
            "L × D: tokens of a picture, and the values of each.",
        ),
        ("Size", "Of the weights in use, stored as f32."),
        (
            "rFID",
            "Reconstruction FID on the ImageNet validation set, as published. Lower is better.",
        ),
        (
            "gFID",
            "Generation FID over 50 000 samples without guidance, as published. Lower is better.",
        ),
        ("guided", "The same with classifier-free guidance."),
    ] {
        let label = ui.label(theme::muted(title));
        if !explanation.is_empty() {
            label.on_hover_text(explanation);
        }
    }
    ui.end_row();
}

/// Whether the download was asked for.
fn row_ui(
    ui: &mut egui::Ui,
    id: &str,
    indent: bool,
    hint: &str,
    cells: &Cells,
    settings: &Settings,
    downloads: &Downloads,
    is_here: bool,
) -> bool {
    let is_running = id.parse().is_ok_and(|id| downloads.is_running(&id));
    let mut is_wanted = false;
    if is_here {
        ui.label(theme::muted("On this machine"));
    } else if is_running {
        ui.label(theme::muted("Downloading…"));
    } else {
        let button = ui
            .add_enabled(!settings.is_offline, egui::Button::new("Download"))
            .on_disabled_hover_text("HF_HUB_OFFLINE is set: nothing is fetched.")
            .accessible_name(format!("Download {id}"));
        is_wanted = button.clicked();
    }
    ui.horizontal(|ui| {
        if indent {
            ui.add_space(ui.spacing().indent);
        }
        ui.label(id).on_hover_text(hint);
    });
    for cell in [
        &cells.class,
        &cells.picture,
        &cells.tokens,
        &cells.size,
        &cells.rfid,
        &cells.gfid,
        &cells.gfid_guided,
    ] {
        ui.label(cell);
    }
    ui.end_row();
    is_wanted
}

fn tokenizer_cells(entry: &TokenizerEntry) -> Cells {
    Cells {
        class: entry.class.to_string(),
        picture: format!("{} px", entry.image_size),
        tokens: format!("{} × {}", entry.token_count, entry.token_dim),
        size: bytes_text(entry.size_bytes()),
        rfid: format!("{:.2}", entry.rfid),
        gfid: String::new(),
        gfid_guided: String::new(),
    }
}

fn generator_cells(generator: &GeneratorEntry) -> Cells {
    Cells {
        class: generator.architecture.to_owned(),
        picture: String::new(),
        tokens: String::new(),
        size: bytes_text(generator.size_bytes()),
        rfid: String::new(),
        gfid: generator
            .gfid
            .map_or_else(|| "–".to_owned(), |gfid| format!("{gfid:.2}")),
        gfid_guided: format!("{:.2}", generator.gfid_guided),
    }
}

fn tokenizer_hint(entry: &TokenizerEntry) -> String {
    format!(
        "Tokenizer, {:.0} million weights",
        entry.parameter_count as f64 / 1e6
    )
}

fn generator_hint(generator: &GeneratorEntry, entry: &TokenizerEntry) -> String {
    format!(
        "Generator of tokens for {}, {:.0} million weights",
        entry.id,
        generator.parameter_count as f64 / 1e6
    )
}

/// A field for any id; returns the one that was entered, or why it is none.
pub(super) fn id_ui(
    ui: &mut egui::Ui,
    text: &mut String,
    settings: &Settings,
) -> Option<Result<ModelId, String>> {
    ui.horizontal(|ui| {
        let field = ui
            .add(
                egui::TextEdit::singleline(text)
                    .hint_text("owner/name")
                    .desired_width(280.0),
            )
            .on_hover_text("The id of any tokenizer or generator of this family on the hub.")
            .accessible_name("Id of a model on the hub");
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let can = !settings.is_offline && !text.trim().is_empty();
        let button = ui
            .add_enabled(can, egui::Button::new("Download this id"))
            .on_disabled_hover_text(
                "Type an id such as SoftVQVAE/softvq-l-64; HF_HUB_OFFLINE must not be set.",
            );
        if !can || !(is_entered || button.clicked()) {
            return None;
        }
        let id = text.trim().parse::<ModelId>().map_err(|error| error.to_string());
        if id.is_ok() {
            text.clear();
        }
        Some(id)
    })
    .inner
}
