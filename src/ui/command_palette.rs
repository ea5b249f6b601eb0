//! Ctrl+K: any command, picture or sample by a few letters of its name.

use super::commands::{Command, Situation};
use super::fuzzy;
use crate::document::Workspace;
use crate::engine::SubjectId;
use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, FontSelection, Key, Modifiers, TextStyle};
use std::path::PathBuf;

const WIDTH: f32 = 520.0;
const LIST_HEIGHT: f32 = 360.0;

/// What a person chose.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    /// Carry out a command.
    Command(Command),
    /// Go to a picture of the library.
    Picture(SubjectId),
    /// Open a sample photograph.
    Sample(PathBuf),
}

struct Entry {
    choice: Choice,
    name: String,
    /// On the right: a shortcut, or what kind of thing it is.
    note: String,
    /// Why it cannot be chosen now.
    refusal: Option<&'static str>,
}

/// The palette: closed, or open with what was typed.
#[derive(Default)]
pub(super) struct CommandPalette {
    is_open: bool,
    query: String,
    cursor: usize,
}

impl CommandPalette {
    /// Opens it empty, or closes it.
    pub(super) fn toggle(&mut self) {
        *self = Self {
            is_open: !self.is_open,
            ..Self::default()
        };
    }
    /// Whether it takes the keys now.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Draws it where it is open; returns what was chosen.
    pub(super) fn ui(
        &mut self,
        ctx: &egui::Context,
        workspace: &Workspace,
        samples: &[PathBuf],
        now: &Situation,
    ) -> Option<Choice> {
        if !self.is_open {
            return None;
        }
        let keys = Keys::take(ctx);
        let mut chosen = None;
        let id = egui::Id::unique("command palette");
        let area = egui::Modal::default_area(id).anchor(egui::Align2::CENTER_TOP, [0.0, 64.0]);
        let backdrop = Color32::from_black_alpha(48);
        let modal = egui::Modal::new(id)
            .area(area)
            .backdrop_color(backdrop)
            .show(ctx, |ui| {
                ui.set_width(WIDTH);
                self.query_ui(ui);
                ui.separator();
                let hits = hits(&self.query, entries(ctx, workspace, samples, now));
                self.cursor = keys.moved(self.cursor, hits.len());
                chosen = self.list_ui(ui, &hits, keys.is_scrolling());
                if keys.is_entered {
                    let hit = hits.get(self.cursor).filter(|hit| hit.entry.refusal.is_none());
                    chosen = hit.map(|hit| hit.entry.choice.clone());
                }
            });
        if chosen.is_some() || keys.is_escaped || modal.should_close() {
            self.is_open = false;
        }
        chosen
    }

    fn query_ui(&mut self, ui: &mut egui::Ui) {
        let field = ui.add(
            egui::TextEdit::singleline(&mut self.query)
                .hint_text("Type a command, a picture or a sample")
                .frame(egui::Frame::NONE)
                .desired_width(f32::INFINITY),
        );
        let field = field.accessible_name("Find a command");
        field.request_focus();
        if field.changed() {
            self.cursor = 0;
        }
    }

    fn list_ui(&mut self, ui: &mut egui::Ui, hits: &[Hit], is_scrolling: bool) -> Option<Choice> {
        if hits.is_empty() {
            ui.weak("Nothing has these letters in this order.");
            return None;
        }
        let mut chosen = None;
        egui::ScrollArea::vertical()
            .max_height(LIST_HEIGHT)
            .auto_shrink([false, true])
            .show(ui, |ui| {
                ui.with_layout(egui::Layout::top_down_justified(egui::Align::Min), |ui| {
                    for (index, hit) in hits.iter().enumerate() {
                        let response = hit_ui(ui, hit, index == self.cursor);
                        if index == self.cursor && is_scrolling {
                            response.scroll_to_me(None);
                        }
                        if response.clicked() {
                            chosen = Some(hit.entry.choice.clone());
                        }
                    }
                });
            });
        chosen
    }
}

/// The keys that walk the list, taken before the text field sees them.
#[derive(Default)]
struct Keys {
    steps: isize,
    is_entered: bool,
    is_escaped: bool,
}

impl Keys {
    fn take(ctx: &egui::Context) -> Self {
        ctx.input_mut(|input| {
            let mut count =
                |key| isize::try_from(input.count_and_consume_key(Modifiers::NONE, key)).unwrap_or_default();
            Self {
                steps: count(Key::ArrowDown) - count(Key::ArrowUp)
                    + 8 * (count(Key::PageDown) - count(Key::PageUp)),
                is_entered: count(Key::Enter) > 0,
                is_escaped: count(Key::Escape) > 0 || input.consume_key(Modifiers::COMMAND, Key::K),
            }
        })
    }
    fn is_scrolling(&self) -> bool {
        self.steps != 0
    }
    fn moved(&self, cursor: usize, count: usize) -> usize {
        cursor
            .saturating_add_signed(self.steps)
            .min(count.saturating_sub(1))
    }
}

struct Hit {
    entry: Entry,
    positions: Vec<usize>,
}

fn entries(ctx: &egui::Context, workspace: &Workspace, samples: &[PathBuf], now: &Situation) -> Vec<Entry> {
    let commands = Command::ALL
        .iter()
        .filter(|&&command| command != Command::CommandPalette)
        .map(|&command| Entry {
            choice: Choice::Command(command),
            name: command.name().to_owned(),
            note: command.shortcut_text(ctx).unwrap_or_default(),
            refusal: command.refusal(now),
        });
    let pictures = workspace.subjects().iter().map(|subject| Entry {
        choice: Choice::Picture(subject.id),
        name: subject.name.clone(),
        note: "picture".to_owned(),
        refusal: None,
    });
    let samples = samples.iter().map(|path| Entry {
        choice: Choice::Sample(path.clone()),
        name: super::library::sample_name(path),
        note: "sample".to_owned(),
        refusal: None,
    });
    commands.chain(pictures).chain(samples).collect()
}

/// The entries that match, best first; in their own order where nothing was typed, what is disabled last.
fn hits(query: &str, entries: Vec<Entry>) -> Vec<Hit> {
    let mut scored: Vec<(i32, Hit)> = entries
        .into_iter()
        .filter_map(|entry| {
            let found = fuzzy::find(query, &entry.name)?;
            Some((
                found.score,
                Hit {
                    entry,
                    positions: found.positions,
                },
            ))
        })
        .collect();
    scored.sort_by_key(|(score, hit)| (hit.entry.refusal.is_some(), std::cmp::Reverse(*score)));
    scored.into_iter().map(|(_, hit)| hit).collect()
}

fn hit_ui(ui: &mut egui::Ui, hit: &Hit, is_selected: bool) -> egui::Response {
    let button =
        egui::Button::selectable(is_selected, highlighted(ui, hit)).shortcut_text(hit.entry.note.as_str());
    let response = ui.add_enabled(hit.entry.refusal.is_none(), button);
    let is_enabled = response.enabled();
    response.widget_info(|| {
        egui::WidgetInfo::selected(
            egui::Role::ListBoxOption,
            is_enabled,
            is_selected,
            &hit.entry.name,
        )
    });
    match (&hit.entry.choice, hit.entry.refusal) {
        (_, Some(refusal)) => response.on_disabled_hover_text(refusal),
        (Choice::Command(command), None) => response.on_hover_text(command.tooltip()),
        (Choice::Picture(_) | Choice::Sample(_), None) => response,
    }
}

/// The name with the letters that were typed standing out.
fn highlighted(ui: &egui::Ui, hit: &Hit) -> LayoutJob {
    let is_enabled = hit.entry.refusal.is_none();
    let normal = if is_enabled {
        ui.visuals().text_color()
    } else {
        ui.visuals().weak_text_color()
    };
    let font = FontSelection::Style(TextStyle::Button).resolve(ui.style());
    let mut job = LayoutJob::default();
    for (at, letter) in hit.entry.name.chars().enumerate() {
        let is_typed = hit.positions.binary_search(&at).is_ok();
        let color = if is_typed && is_enabled {
            ui.visuals().hyperlink_color
        } else {
            normal
        };
        job.append(
            letter.encode_utf8(&mut [0; 4]),
            0.0,
            TextFormat::simple(font.clone(), color),
        );
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, refusal: Option<&'static str>) -> Entry {
        Entry {
            choice: Choice::Command(Command::Undo),
            name: name.to_owned(),
            note: String::new(),
            refusal,
        }
    }

    #[test]
    fn the_best_match_comes_first_and_disabled_ones_last() {
        let names = |query: &str| -> Vec<String> {
            let entries = vec![
                entry("Export recipe…", Some("no")),
                entry("Next picture", None),
                entry("Expose", None),
            ];
            hits(query, entries)
                .into_iter()
                .map(|hit| hit.entry.name)
                .collect()
        };
        assert_eq!(names("exp"), ["Expose", "Next picture", "Export recipe…"]);
        assert_eq!(names("zzz"), Vec::<String>::new());
        assert_eq!(names(""), ["Next picture", "Expose", "Export recipe…"]);
    }

    #[test]
    fn the_cursor_stays_within_the_list() {
        let down = Keys {
            steps: 8,
            ..Keys::default()
        };
        assert_eq!(down.moved(0, 3), 2);
        assert_eq!(down.moved(0, 0), 0);
        let up = Keys {
            steps: -1,
            ..Keys::default()
        };
        assert_eq!(up.moved(0, 3), 0);
    }
}
