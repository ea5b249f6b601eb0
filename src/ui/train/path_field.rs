//! A field for a path, which tells most by its end.

use egui::text::{CCursor, CCursorRange, LayoutJob};
use egui::text_edit::TextEditState;
use egui::{Color32, FontId, Galley, Response, TextBuffer, TextEdit, TextStyle, Ui};
use std::sync::Arc;

/// Draws the field as wide as there is room. The end of a longer path is shown until a person writes in it.
pub(super) fn ui(ui: &mut Ui, text: &mut String, hint: &str, name: &str) -> Response {
    let id = ui.scope_id().with(name);
    let is_written_in = ui.memory(|memory| memory.has_focus(id));
    let font = TextStyle::Body.resolve(ui.style());
    let mut layouter = |ui: &Ui, text: &dyn TextBuffer, width: f32| {
        let ink = ui.visuals().text_color();
        if is_written_in {
            laid_out(ui, text.as_str(), &font, ink)
        } else {
            end_that_fits(ui, text.as_str(), width, &font, ink)
        }
    };
    let field = TextEdit::singleline(text)
        .id(id)
        .hint_text(hint)
        .desired_width(f32::INFINITY)
        .layouter(&mut layouter);
    let field = ui.add(field).accessible_name(name);
    if field.gained_focus() {
        // It was pointed at in what was shown, which may be a part of the path.
        let mut state = TextEditState::load(ui.ctx(), id).unwrap_or_default();
        let end = CCursor::new(text.chars().count());
        state.cursor.set_char_range(Some(CCursorRange::one(end)));
        state.store(ui.ctx(), id);
    }
    if text.is_empty() {
        field
    } else {
        field.on_hover_text(text.as_str())
    }
}

fn laid_out(ui: &Ui, text: &str, font: &FontId, ink: Color32) -> Arc<Galley> {
    let mut job = LayoutJob::simple_singleline(text.to_owned(), font.clone(), ink);
    job.keep_trailing_whitespace = true;
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}

/// `text` where it is at most `width` points wide, else an ellipsis and the longest end of it that is.
fn end_that_fits(ui: &Ui, text: &str, width: f32, font: &FontId, ink: Color32) -> Arc<Galley> {
    let whole = laid_out(ui, text, font, ink);
    if whole.size().x <= width {
        return whole;
    }
    let starts: Vec<usize> = text.char_indices().map(|(start, _)| start).collect();
    let end = |start: usize| {
        let shown = format!("…{}", text.get(start..).unwrap_or_default());
        laid_out(ui, &shown, font, ink)
    };
    let first = starts.partition_point(|&start| end(start).size().x > width);
    end(starts.get(first).copied().unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, width: f32) -> (String, f32) {
        let mut shown = None;
        let output = egui::Context::default().run_ui(egui::RawInput::default(), |ui| {
            let font = TextStyle::Body.resolve(ui.style());
            let galley = end_that_fits(ui, text, width, &font, Color32::WHITE);
            shown = Some((galley.text().to_owned(), galley.size().x));
        });
        output.drop_without_applying_deltas();
        shown.unwrap()
    }

    #[test]
    fn a_long_path_is_shown_by_its_end() {
        let path = "/a/very/long/way/down/to/the/models/small-32";
        let (whole, full_width) = shown(path, f32::INFINITY);
        assert_eq!(whole, path);
        for part in [0.9, 0.5, 0.2] {
            let (end, width) = shown(path, part * full_width);
            let kept = end.strip_prefix('…').unwrap();
            assert!(path.ends_with(kept) && kept.ends_with("32"), "{end}");
            assert!(width <= part * full_width, "{end}");
            // One letter more would be too wide.
            assert!(width > part * full_width - 20.0, "{end}");
        }
        assert_eq!(shown("", 10.0).0, "");
        assert_eq!(shown(path, 0.0).0, "…");
    }
}
