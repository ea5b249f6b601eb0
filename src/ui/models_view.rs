//! The models: what is installed, what is loaded, and what a checkpoint holds before it is loaded.

use super::commands::Command;
use super::dialogs::typed_path;
use super::theme::{self, icon};
use crate::document::{InstalledModel, Notice, NoticeKind, Places, Workspace};
use crate::engine::{Jobs, ModelInfo};
use crate::tokenizer::{self, CheckReport, ModelArgs, ModelClass, ModelFiles};
use std::path::{Path, PathBuf};

/// A model of the table. Its configuration is read off the UI thread.
struct Row {
    model: InstalledModel,
    args: Result<ModelArgs, String>,
}

enum Found {
    Rows(Vec<Row>),
    Files(Result<ModelFiles, String>),
    Report(Result<Box<CheckReport>, String>),
}

/// What a person pressed in a row.
enum RowAction {
    Open(ModelFiles),
    Check(ModelFiles),
}

/// What the view remembers between frames.
pub(super) struct ModelsView {
    jobs: Jobs<Found>,
    /// `None` until the folders have been read.
    rows: Option<Vec<Row>>,
    path_text: String,
    report: Option<Box<CheckReport>>,
}

impl ModelsView {
    /// `ctx` is repainted when something was found.
    pub(super) fn new(ctx: &egui::Context) -> Self {
        let ctx = ctx.clone();
        Self {
            jobs: Jobs::new(move || ctx.request_repaint()),
            rows: None,
            path_text: String::new(),
            report: None,
        }
    }

    /// Reads the model folders again.
    pub(super) fn refresh(&mut self, places: &Places) {
        let places = places.clone();
        self.jobs
            .run(move || Found::Rows(places.models().into_iter().map(row).collect()));
    }

    /// Looks for a model at `path` and opens it.
    pub(super) fn open(&mut self, path: PathBuf) {
        self.jobs
            .run(move || Found::Files(ModelFiles::locate(&path).map_err(|error| error.to_string())));
    }

    /// Compares a model's files with each other without reading its weights.
    fn check(&self, files: ModelFiles) {
        self.jobs.run(move || {
            Found::Report(
                tokenizer::check(&files)
                    .map(Box::new)
                    .map_err(|error| error.to_string()),
            )
        });
    }

    /// Takes in what was found. Never waits.
    pub(super) fn update(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(found) = self.jobs.poll() {
            notices.extend(self.take(found, workspace));
        }
        notices
    }

    /// Blocks until everything is found that is looked for, taking it in.
    pub(super) fn settle(&mut self, workspace: &mut Workspace) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(found) = self.jobs.wait() {
            notices.extend(self.take(found, workspace));
        }
        notices
    }

    fn take(&mut self, found: Result<Found, String>, workspace: &mut Workspace) -> Option<Notice> {
        match found {
            Ok(Found::Rows(rows)) => self.rows = Some(rows),
            Ok(Found::Files(Ok(files))) => workspace.open_model(files),
            Ok(Found::Report(Ok(report))) => self.report = Some(report),
            Ok(Found::Files(Err(text)) | Found::Report(Err(text))) | Err(text) => {
                return Some(Notice {
                    kind: NoticeKind::Error,
                    text,
                });
            }
        }
        None
    }

    /// Draws the view; commands that were asked for are added to `commands`.
    pub(super) fn ui(&mut self, ui: &mut egui::Ui, workspace: &mut Workspace, commands: &mut Vec<Command>) {
        if self.rows.is_none() && self.jobs.outstanding() == 0 {
            self.refresh(workspace.places());
        }
        egui::Panel::right("loaded model")
            .default_size(360.0)
            .size_range(280.0..=560.0)
            .show(ui, |ui| {
                egui::ScrollArea::vertical()
                    .auto_shrink([false, false])
                    .show(ui, |ui| {
                        ui.heading("Loaded model");
                        match workspace.model() {
                            Some(model) => loaded_ui(ui, model),
                            None => {
                                ui.weak(
                                    "None. Open one of the models on the left, or a checkpoint of your own.",
                                );
                            }
                        }
                    });
            });
        egui::CentralPanel::default().show(ui, |ui| {
            egui::ScrollArea::vertical()
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    ui.horizontal(|ui| {
                        ui.heading("Models on this machine");
                        if theme::icon_button(ui, icon::REPEAT, "Read the model folders again").clicked() {
                            self.refresh(workspace.places());
                        }
                    });
                    self.table_ui(ui, workspace);
                    ui.add_space(16.0);
                    ui.heading("Open another");
                    self.open_ui(ui, commands);
                    self.report_ui(ui);
                });
        });
    }

    fn table_ui(&self, ui: &mut egui::Ui, workspace: &mut Workspace) {
        let Some(rows) = &self.rows else {
            ui.weak("Reading the model folders…");
            return;
        };
        if rows.is_empty() {
            ui.weak(format!(
                "None found. Put a folder with config.json and model.safetensors into {}.",
                workspace.places().installed_models.display()
            ));
            return;
        }
        let loaded = workspace.model().map(|model| model.name.clone());
        let mut action = None;
        egui::ScrollArea::horizontal().show(ui, |ui| {
            egui::Grid::new("models")
                .striped(true)
                .num_columns(6)
                .spacing([24.0, 8.0])
                .show(ui, |ui| {
                    for title in [
                        "",
                        "Name",
                        "Picture",
                        "Tokens × values",
                        "Codebook",
                        "Size",
                        "Folder",
                    ] {
                        ui.label(theme::muted(title));
                    }
                    ui.end_row();
                    for row in rows {
                        let is_loaded = loaded.as_deref() == Some(row.model.name.as_str());
                        action = row_ui(ui, row, is_loaded).or(action.take());
                        ui.end_row();
                    }
                });
        });
        match action {
            Some(RowAction::Open(files)) => workspace.open_model(files),
            Some(RowAction::Check(files)) => self.check(files),
            None => {}
        }
    }

    fn report_ui(&mut self, ui: &mut egui::Ui) {
        let Some(report) = &self.report else {
            return;
        };
        ui.add_space(16.0);
        let mut is_closed = false;
        ui.horizontal(|ui| {
            ui.heading(format!("Report on {}", report.name));
            is_closed = theme::icon_button(ui, icon::X, "Close the report").clicked();
        });
        preflight_ui(ui, report);
        if is_closed {
            self.report = None;
        }
    }

    fn open_ui(&mut self, ui: &mut egui::Ui, commands: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            for command in [Command::OpenModel, Command::OpenModelFolder] {
                if ui.button(command.name()).on_hover_text(command.tooltip()).clicked() {
                    commands.push(command);
                }
            }
            let field = ui
                .add(
                    egui::TextEdit::singleline(&mut self.path_text)
                        .hint_text("path of a folder or checkpoint")
                        .desired_width(360.0),
                )
                .on_hover_text("A folder with config.json and model.safetensors, or a checkpoint beside its config.json.")
                .accessible_name("Path of a model");
            let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            if is_entered && !self.path_text.trim().is_empty() {
                self.open(typed_path(&self.path_text));
            }
        });
    }
}

fn row(model: InstalledModel) -> Row {
    let args = ModelArgs::read(&model.files.config).map_err(|error| error.to_string());
    Row { model, args }
}

/// What was pressed in the row.
fn row_ui(ui: &mut egui::Ui, row: &Row, is_loaded: bool) -> Option<RowAction> {
    let name = &row.model.name;
    let mut action = None;
    ui.horizontal(|ui| {
        let open = ui.add_enabled(
            !is_loaded,
            egui::Button::new(if is_loaded { "Loaded" } else { "Open" }),
        );
        if open.accessible_name(format!("Open {name}")).clicked() {
            action = Some(RowAction::Open(row.model.files.clone()));
        }
        let check = ui
            .button("Check")
            .on_hover_text(CHECK_TOOLTIP)
            .accessible_name(format!("Check {name}"));
        if check.clicked() {
            action = Some(RowAction::Check(row.model.files.clone()));
        }
    });
    ui.label(name).on_hover_text(if row.model.is_shipped {
        "Ships with Softscope."
    } else {
        "Installed."
    });
    match &row.args {
        Ok(args) => {
            ui.label(format!("{} px", args.image_size));
            ui.label(format!(
                "{} × {}",
                args.num_latent_tokens, args.codebook_embed_dim
            ));
            ui.label(codebook_text(args));
        }
        Err(message) => {
            ui.colored_label(ui.visuals().error_fg_color, "unreadable configuration")
                .on_hover_text(message);
            ui.label("");
            ui.label("");
        }
    }
    ui.label(bytes_text(row.model.size_bytes));
    let folder = row
        .model
        .files
        .weights
        .parent()
        .map(shown_path)
        .unwrap_or_default();
    ui.add(egui::Label::new(theme::muted(folder)).extend());
    action
}

const CHECK_TOOLTIP: &str = "Compares configuration and checkpoint key by key, without reading the weights.";

fn preflight_ui(ui: &mut egui::Ui, report: &CheckReport) {
    let verdict = if report.is_loadable() {
        "It can be loaded."
    } else {
        "It cannot be loaded; see below why."
    };
    let color = if report.is_loadable() {
        ui.visuals().text_color()
    } else {
        ui.visuals().error_fg_color
    };
    ui.colored_label(color, verdict);
    ui.label(format!(
        "{}, {} px, {} × {} tokens, {} parameters ({}).",
        class_text(report.class),
        report.image_size,
        report.num_latent_tokens,
        report.codebook_embed_dim,
        count_text(report.parameter_count),
        bytes_text(report.weight_bytes),
    ));
    let wrong: Vec<String> = report
        .keys
        .wrong
        .iter()
        .map(|wrong| {
            format!(
                "{}: expected {:?}, found {:?}",
                wrong.key, wrong.expected, wrong.found
            )
        })
        .collect();
    for (title, keys) in [
        ("Not supported", &report.unsupported),
        ("Missing keys", &report.keys.missing),
        ("Wrong shapes", &wrong),
        ("Wrong types", &report.keys.wrong_type),
        ("Keys the configured model does not have", &report.keys.surplus),
        ("Keys without influence", &report.keys.unexpected),
    ] {
        keys_ui(ui, title, keys);
    }
}

fn keys_ui(ui: &mut egui::Ui, title: &str, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    egui::CollapsingHeader::new(format!("{title} ({})", keys.len()))
        .id_salt(title)
        .show(ui, |ui| {
            if ui.button("Copy").clicked() {
                ui.ctx().copy_text(keys.join("\n"));
            }
            let height = ui.text_style_height(&egui::TextStyle::Body);
            egui::ScrollArea::vertical()
                .max_height(200.0)
                .show_rows(ui, height, keys.len(), |ui, rows| {
                    for key in keys.get(rows).unwrap_or_default() {
                        ui.label(key);
                    }
                });
        });
}

/// A path as a person reads it: the home folder is `~`.
fn shown_path(path: &Path) -> String {
    let in_home = std::env::home_dir().and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf));
    match in_home {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

fn codebook_text(args: &ModelArgs) -> String {
    format!("{} × {}", args.num_codebooks, args.codebook_size)
}

fn loaded_ui(ui: &mut egui::Ui, model: &ModelInfo) {
    let book = &model.space.codebook;
    let facts = [
        (
            "Name",
            model.name.clone(),
            "The name of its folder, file or hub repository.",
        ),
        (
            "Class",
            class_text(model.class).to_owned(),
            "Told from the entries of the checkpoint.",
        ),
        (
            "Picture",
            format!("{0} × {0} px", model.args.image_size),
            "Side of the square the encoder reads.",
        ),
        (
            "Tokens",
            format!("{} × {}", model.space.token_count, model.space.dim),
            "L × D: one-dimensional tokens of a picture, and the values of each.",
        ),
        (
            "Codebook",
            format!("{} × {} codewords", book.segments, book.size),
            "K × n: segments the token sequence is cut into, and the codewords each of them has.",
        ),
        (
            "τ",
            format!("{}", book.tau),
            "Temperature of the posterior w = softmax(sim(h, C) / τ). Lower is harder: fewer codewords share a token.",
        ),
        (
            "Similarity",
            if book.l2_norm { "cosine" } else { "inner product" }.to_owned(),
            "How h is compared with the codewords.",
        ),
        (
            "Parameters",
            count_text(model.parameter_count),
            "Weights in use, encoder and decoder together.",
        ),
        (
            "Runs on",
            format!("{}, {}", model.device, model.precision),
            "Device and number format of the products.",
        ),
        (
            "Threads",
            model.threads.to_string(),
            "The number that measured fastest on this machine.",
        ),
        (
            "Loaded in",
            format!("{:.0} ms", model.load_ms),
            "Reading, checking and hashing the weights.",
        ),
        (
            "Hash",
            model.hash.clone(),
            "First 16 hex digits of the SHA-256 of the weights in use. Recipes carry it.",
        ),
    ];
    egui::Grid::new("loaded model")
        .num_columns(2)
        .spacing([24.0, 4.0])
        .show(ui, |ui| {
            for (name, value, explanation) in facts {
                ui.label(theme::muted(name)).on_hover_text(explanation);
                ui.add(egui::Label::new(value).selectable(true))
                    .on_hover_text(explanation);
                ui.end_row();
            }
        });
}

fn class_text(class: ModelClass) -> &'static str {
    match class {
        ModelClass::SoftVq => "SoftVQ: soft mixture of codewords",
        ModelClass::Vq => "VQ: nearest codeword",
        ModelClass::Kl => "KL: Gaussian posterior",
        ModelClass::Ae => "AE: no bottleneck but its size",
    }
}

/// "38 MB": decimal units, three figures.
fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for larger in units {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    let digits = usize::from(value < 10.0 && unit != "B");
    format!("{value:.digits$} {unit}")
}

/// "12 345 678", grouped by thousands.
fn count_text(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(bytes_text(0), "0 B");
        assert_eq!(bytes_text(999), "999 B");
        assert_eq!(bytes_text(1_500), "1.5 kB");
        assert_eq!(bytes_text(38_400_000), "38 MB");
        assert_eq!(bytes_text(1_180_000_000), "1.2 GB");
        assert_eq!(count_text(12_345_678), "12\u{202f}345\u{202f}678");
        assert_eq!(count_text(12), "12");
    }
}
