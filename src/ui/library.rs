//! The left side: the pictures that are open, ways to add more, and the samples.

use super::commands::{Command, Situation};
use super::dialogs::typed_path;
use super::menu;
use super::theme::icon;
use crate::document::{Import, Subject, Workspace};
use crate::engine::SubjectId;
use crate::picture::{Fit, Rgb8};
use egui::{Align2, Color32, FontId, Rect, Sense, TextStyle, Vec2, vec2};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ROW_HEIGHT: f32 = 56.0;
const THUMBNAIL_SIDE: f32 = 48.0;
const SAMPLE_LIST_HEIGHT: f32 = 176.0;

/// What the library remembers between frames.
#[derive(Default)]
pub(super) struct Library {
    path_text: String,
    wants_path_focus: bool,
    thumbnails: HashMap<SubjectId, Thumbnail>,
    samples: Vec<PathBuf>,
    /// The active picture when last drawn: a new one is scrolled to.
    last_active: Option<SubjectId>,
}

struct Thumbnail {
    source: Arc<Rgb8>,
    texture: egui::TextureHandle,
}

impl Library {
    /// `samples`: the photographs that ship.
    pub(super) fn new(samples: Vec<PathBuf>) -> Self {
        Self {
            samples,
            ..Self::default()
        }
    }
    /// The photographs that ship.
    pub(super) fn samples(&self) -> &[PathBuf] {
        &self.samples
    }
    /// Puts the cursor into the path field with the next frame.
    pub(super) fn focus_path_field(&mut self) {
        self.wants_path_focus = true;
    }

    /// Draws the panel; commands that were asked for are added to `commands`.
    pub(super) fn ui(
        &mut self,
        ui: &mut egui::Ui,
        workspace: &mut Workspace,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        self.forget_removed(workspace);
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            ui.heading("Library");
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let add = ui
                    .button(format!("{} add", icon::PLUS))
                    .on_hover_text(ADD_TOOLTIP);
                if add.accessible_name("Add pictures").clicked() {
                    commands.push(Command::OpenPictures);
                }
            });
        });
        self.path_ui(ui, workspace);
        fit_ui(ui, workspace);
        ui.add_space(4.0);
        self.samples_ui(ui, workspace);
        egui::CentralPanel::default()
            .frame(egui::Frame::NONE)
            .show(ui, |ui| {
                if workspace.subjects().is_empty() {
                    empty_ui(ui, !self.samples.is_empty(), commands);
                } else {
                    self.list_ui(ui, workspace, now, commands);
                }
            });
    }

    fn forget_removed(&mut self, workspace: &Workspace) {
        self.thumbnails.retain(|&id, _| workspace.subject(id).is_some());
    }

    fn path_ui(&mut self, ui: &mut egui::Ui, workspace: &mut Workspace) {
        let field = ui
            .add(
                egui::TextEdit::singleline(&mut self.path_text)
                    .hint_text("path of a picture or folder")
                    .desired_width(f32::INFINITY),
            )
            .on_hover_text("A picture, a recipe picture, a session or a folder of pictures. Enter adds it.")
            .accessible_name("Path to add");
        if std::mem::take(&mut self.wants_path_focus) {
            field.request_focus();
        }
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        if is_entered && !self.path_text.trim().is_empty() {
            workspace.import(Import::Path(typed_path(&self.path_text)));
            self.path_text.clear();
        }
    }

    fn samples_ui(&self, ui: &mut egui::Ui, workspace: &mut Workspace) {
        if self.samples.is_empty() {
            return;
        }
        let height = ui.available_height();
        let list_height = SAMPLE_LIST_HEIGHT.max(0.25 * height).min(0.4 * height);
        egui::Panel::bottom("samples")
            .frame(egui::Frame::NONE)
            .show(ui, |ui| {
                egui::CollapsingHeader::new("Samples")
                    .default_open(true)
                    .show(ui, |ui| {
                        egui::ScrollArea::vertical()
                            .max_height(list_height)
                            .min_scrolled_height(list_height)
                            .auto_shrink([false, true])
                            .show(ui, |ui| {
                                for path in &self.samples {
                                    let name = sample_name(path);
                                    let row = egui::Button::new(&name).frame(false).truncate();
                                    if ui
                                        .add(row)
                                        .on_hover_text("Add this sample photograph to the library.")
                                        .clicked()
                                    {
                                        open_sample(workspace, path);
                                    }
                                }
                            });
                    });
            });
    }

    fn list_ui(
        &mut self,
        ui: &mut egui::Ui,
        workspace: &mut Workspace,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        let active = workspace.active().map(|subject| subject.id);
        let has_moved = active != self.last_active;
        self.last_active = active;
        let step = ROW_HEIGHT + ui.spacing().item_spacing.y;
        let moved_to = workspace
            .subjects()
            .iter()
            .position(|subject| Some(subject.id) == active)
            .filter(|_| has_moved);
        let mut action = None;
        let area = egui::ScrollArea::vertical()
            .auto_shrink([false, false])
            .id_salt("pictures");
        area.show_rows(ui, ROW_HEIGHT, workspace.subjects().len(), |ui, rows| {
            if let Some(index) = moved_to {
                let first_row = ui.min_rect().min - vec2(0.0, rows.start as f32 * step);
                let row = first_row + vec2(0.0, index as f32 * step);
                ui.scroll_to_rect(Rect::from_min_size(row, vec2(1.0, ROW_HEIGHT)), None);
            }
            for subject in workspace.subjects().get(rows).unwrap_or_default() {
                let thumbnail = texture_of(&mut self.thumbnails, ui.ctx(), subject);
                let response = row_ui(ui, subject, &thumbnail, Some(subject.id) == active);
                if response.clicked() {
                    action = Some(RowAction::Activate(subject.id));
                }
                response.context_menu(|ui| {
                    if let Some(chosen) = row_menu(ui, subject) {
                        action = Some(chosen);
                    }
                    ui.separator();
                    menu::command_button(ui, Command::RestorePicture, now, commands);
                });
            }
        });
        match action {
            Some(RowAction::Activate(id)) => workspace.set_active(id),
            Some(RowAction::Fit(id, fit)) => workspace.set_fit(id, fit),
            Some(RowAction::Remove(id)) => {
                workspace.set_active(id);
                commands.push(Command::RemovePicture);
            }
            None => {}
        }
    }
}

const ADD_TOOLTIP: &str = "Choose picture files. Dropping files on the window, pasting (Ctrl+V) and the path field below \
                           do the same, also where the system has no file dialog.";

enum RowAction {
    Activate(SubjectId),
    Fit(SubjectId, Fit),
    Remove(SubjectId),
}

fn texture_of(
    thumbnails: &mut HashMap<SubjectId, Thumbnail>,
    ctx: &egui::Context,
    subject: &Subject,
) -> egui::TextureHandle {
    let make = || Thumbnail {
        source: Arc::clone(&subject.thumbnail),
        texture: ctx.load_texture(
            format!("thumbnail {}", subject.id.0),
            color_image(&subject.thumbnail),
            egui::TextureOptions::LINEAR,
        ),
    };
    let thumbnail = thumbnails.entry(subject.id).or_insert_with(make);
    if !Arc::ptr_eq(&thumbnail.source, &subject.thumbnail) {
        *thumbnail = make();
    }
    thumbnail.texture.clone()
}

fn color_image(picture: &Rgb8) -> egui::ColorImage {
    egui::ColorImage::from_rgb(
        [picture.width() as usize, picture.height() as usize],
        picture.as_bytes(),
    )
}

fn row_ui(
    ui: &mut egui::Ui,
    subject: &Subject,
    thumbnail: &egui::TextureHandle,
    is_active: bool,
) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), Sense::click());
    let edits = subject.history.applied().len();
    let spoken = match edits {
        0 => subject.name.clone(),
        _ => format!("{}, edited", subject.name),
    };
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::ListBoxOption, true, is_active, &spoken));
    if ui.is_rect_visible(rect) {
        let visuals = ui.style().interact_selectable(&response, is_active);
        if is_active || response.hovered() || response.has_focus() {
            ui.painter()
                .rect_filled(rect, visuals.corner_radius, visuals.weak_bg_fill);
        }
        let place = Rect::from_center_size(
            rect.left_center() + vec2(4.0 + THUMBNAIL_SIDE / 2.0, 0.0),
            fitted(thumbnail.size_vec2(), THUMBNAIL_SIDE),
        );
        let whole = Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
        ui.painter().image(thumbnail.id(), place, whole, Color32::WHITE);
        let text_left = rect.left() + THUMBNAIL_SIDE + 12.0;
        let text_width = rect.right() - text_left - 20.0;
        let name_font = TextStyle::Body.resolve(ui.style());
        let small_font = TextStyle::Small.resolve(ui.style());
        let weak = ui.visuals().weak_text_color();
        line(
            ui,
            &subject.name,
            name_font.clone(),
            visuals.text_color(),
            rect.top() + 18.0,
            text_left,
            text_width,
        );
        line(
            ui,
            &state_text(subject, edits),
            small_font,
            weak,
            rect.top() + 38.0,
            text_left,
            text_width,
        );
        if edits > 0 {
            let at = rect.right_center() - vec2(8.0, 0.0);
            ui.painter().text(
                at,
                Align2::RIGHT_CENTER,
                icon::PENCIL,
                name_font,
                ui.visuals().hyperlink_color,
            );
        }
    }
    response.on_hover_text(details(subject))
}

/// One line of text, cut with an ellipsis, centred on `y`.
fn line(ui: &egui::Ui, text: &str, font: FontId, color: Color32, y: f32, left: f32, width: f32) {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width);
    let galley = ui.painter().layout_job(job);
    let top = y - galley.size().y / 2.0;
    ui.painter().galley(egui::pos2(left, top), galley, color);
}

fn state_text(subject: &Subject, edits: usize) -> String {
    match (&subject.encoded, edits) {
        (None, _) => "not encoded yet".to_owned(),
        (Some(_), 0) => format!("{} × {} px", subject.source.width(), subject.source.height()),
        (Some(_), 1) => "1 edit".to_owned(),
        (Some(_), edits) => format!("{edits} edits"),
    }
}

fn details(subject: &Subject) -> String {
    let size = format!(
        "{} × {} px, {}",
        subject.source.width(),
        subject.source.height(),
        fit_explanation(subject.fit)
    );
    match &subject.path {
        Some(path) => format!("{}\n{size}", path.display()),
        None => format!("{}\n{size}", subject.name),
    }
}

fn fitted(size: Vec2, side: f32) -> Vec2 {
    size * (side / size.max_elem().max(1.0))
}

/// How the active picture is fitted to the model's square.
fn fit_ui(ui: &mut egui::Ui, workspace: &mut Workspace) {
    let Some((id, chosen)) = workspace.active().map(|subject| (subject.id, subject.fit)) else {
        return;
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.weak("Fit")
            .on_hover_text("How the picture becomes the square that the model reads.");
        for fit in FITS {
            let choice = ui
                .selectable_label(fit == chosen, fit_name(fit))
                .on_hover_text(fit_explanation(fit));
            if choice.clicked() && fit != chosen {
                workspace.set_fit(id, fit);
            }
        }
    });
}

fn row_menu(ui: &mut egui::Ui, subject: &Subject) -> Option<RowAction> {
    let mut action = None;
    ui.label("Fit to the model's square");
    for fit in FITS {
        let name = fit_name(fit);
        if ui
            .radio(subject.fit == fit, name)
            .on_hover_text(fit_explanation(fit))
            .clicked()
        {
            action = Some(RowAction::Fit(subject.id, fit));
            ui.close();
        }
    }
    ui.separator();
    if let Some(path) = &subject.path
        && ui.button("Copy path").clicked()
    {
        ui.ctx().copy_text(path.display().to_string());
        ui.close();
    }
    let remove = Command::RemovePicture;
    if ui.button(remove.name()).on_hover_text(remove.tooltip()).clicked() {
        action = Some(RowAction::Remove(subject.id));
        ui.close();
    }
    action
}

/// Every way to fit a picture to the model's square.
const FITS: [Fit; 3] = [Fit::Crop, Fit::Stretch, Fit::Pad];

/// The name of a fit in menus.
fn fit_name(fit: Fit) -> &'static str {
    match fit {
        Fit::Crop => "Crop",
        Fit::Stretch => "Stretch",
        Fit::Pad => "Pad",
    }
}

/// What a fit does to a picture.
fn fit_explanation(fit: Fit) -> &'static str {
    match fit {
        Fit::Crop => "centre crop, as in the reference's evaluation",
        Fit::Stretch => "stretched to the square, aspect ratio lost",
        Fit::Pad => "padded with mid grey, nothing cut off",
    }
}

fn empty_ui(ui: &mut egui::Ui, has_samples: bool, commands: &mut Vec<Command>) {
    ui.vertical_centered(|ui| {
        ui.add_space(32.0);
        ui.label(egui::RichText::new(icon::IMAGES).size(32.0).weak());
        ui.label("Drop pictures here");
        ui.weak(if has_samples {
            "or paste one, or choose a sample below."
        } else {
            "or paste one, or type its path above."
        });
        ui.add_space(8.0);
        let open = Command::OpenPictures;
        if ui.button(open.name()).on_hover_text(open.tooltip()).clicked() {
            commands.push(open);
        }
        if let Some(shortcut) = open.shortcut_text(ui.ctx()) {
            ui.weak(shortcut);
        }
    });
}

/// Shows a sample: the one in the library where it is there already.
pub(super) fn open_sample(workspace: &mut Workspace, path: &Path) {
    let open = workspace
        .subjects()
        .iter()
        .find(|subject| subject.path.as_deref() == Some(path));
    match open.map(|subject| subject.id) {
        Some(id) => workspace.set_active(id),
        None => workspace.import(Import::Path(path.to_owned())),
    }
}

/// A sample's name as a person reads it: `red_panda.jpg` is "Red panda".
pub(super) fn sample_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let words = stem.replace(['_', '-'], " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_named_for_people() {
        assert_eq!(sample_name(Path::new("a/red_panda-2.jpg")), "Red panda 2");
        assert_eq!(sample_name(Path::new("")), "");
    }

    #[test]
    fn thumbnails_keep_their_shape() {
        assert_eq!(fitted(vec2(200.0, 100.0), 48.0), vec2(48.0, 24.0));
        assert_eq!(fitted(vec2(0.0, 0.0), 48.0), vec2(0.0, 0.0));
    }
}
