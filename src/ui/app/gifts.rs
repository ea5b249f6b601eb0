//! What is dropped on the window or pasted into it.

use super::{SoftscopeApp, Tab};
use crate::document::{Import, NoticeKind};
use crate::ui::clipboard::Pasted;

impl SoftscopeApp {
    pub(super) fn take_pasted(&mut self, pasted: Pasted) {
        match pasted {
            Ok(imports) => imports
                .into_iter()
                .for_each(|import| self.workspace.import(import)),
            Err(text) => self.tell(NoticeKind::Warning, text),
        }
    }

    /// Files dropped on the window and what was pasted outside of a text field.
    pub(super) fn take_gifts(&mut self, ctx: &egui::Context) {
        let dropped = ctx.input(|input| input.raw.dropped_files.clone());
        for file in dropped {
            let path = file.path().to_owned();
            match self.state.tab {
                Tab::Models => self.state.models_view.open(path),
                Tab::Train => self.take_for_training(&path),
                Tab::Explore | Tab::Compare | Tab::Analysis | Tab::Generate => {
                    self.workspace.import(Import::Path(path));
                }
            }
        }
        if ctx.text_edit_focused() {
            return;
        }
        for event in ctx.input(|input| input.events.clone()) {
            match event {
                egui::Event::Paste(text) => self.state.clipboard.take_text(text),
                egui::Event::PasteImage(image) => self.state.clipboard.take_picture(image),
                _ => {}
            }
        }
    }
}

/// Says over the whole window what dropping would do.
pub(super) fn drop_target_ui(ctx: &egui::Context, tab: Tab, count: usize) {
    let rect = ctx.content_rect();
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop target"));
    let painter = ctx.layer_painter(layer);
    let style = ctx.global_style();
    let visuals = &style.visuals;
    painter.rect_filled(rect, 0.0, visuals.extreme_bg_color.gamma_multiply(0.85));
    let stroke = egui::Stroke::new(2.0, visuals.hyperlink_color);
    painter.rect_stroke(rect.shrink(16.0), 8.0, stroke, egui::StrokeKind::Inside);
    let text = match (tab, count) {
        (Tab::Models, _) => "Drop to open this model".to_owned(),
        (Tab::Train, _) => "Drop a folder to train on its pictures".to_owned(),
        (_, 1) => "Drop to add it to the library".to_owned(),
        (_, count) => format!("Drop to add {count} files to the library"),
    };
    let font = egui::TextStyle::Heading.resolve(&style);
    painter.text(
        rect.center(),
        egui::Align2::CENTER_CENTER,
        text,
        font,
        visuals.strong_text_color(),
    );
}
