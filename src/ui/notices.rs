//! Messages at the bottom of the window: what was done goes away by itself, what went wrong stays until it is read.

use super::commands::Command;
use super::theme::{icon, icon_button};
use crate::document::{Notice, NoticeKind};
use egui::{Align, Layout, RichText};

/// How long a "done" stays, in seconds, and how long one stays that offers an action.
const DONE_SECONDS: f64 = 4.0;
const ACTION_SECONDS: f64 = 10.0;
/// Fading out takes this long, in seconds.
const FADE_SECONDS: f64 = 0.4;
/// More lines than these are cut off until they are asked for.
const SHOWN_CHARACTERS: usize = 160;
const WIDTH: f32 = 448.0;

struct Line {
    id: u64,
    notice: Notice,
    action: Option<Command>,
    /// Time it was first drawn, seconds of egui's clock.
    since: Option<f64>,
    is_unfolded: bool,
}

impl Line {
    /// Seconds it stays; `None` until it is dismissed.
    fn lifetime(&self) -> Option<f64> {
        match (self.notice.kind, self.action) {
            (NoticeKind::Done, None) => Some(DONE_SECONDS),
            (NoticeKind::Done, Some(_)) => Some(ACTION_SECONDS),
            (NoticeKind::Warning | NoticeKind::Error, _) => None,
        }
    }
}

/// The messages on show.
#[derive(Default)]
pub(super) struct Notices {
    lines: Vec<Line>,
    next_id: u64,
}

impl Notices {
    /// Shows a message. The same message twice is shown once.
    pub(super) fn push(&mut self, notice: Notice) {
        self.add(notice, None);
    }
    /// Shows a message with a button.
    pub(super) fn push_with_action(&mut self, notice: Notice, action: Command) {
        self.add(notice, Some(action));
    }

    fn add(&mut self, notice: Notice, action: Option<Command>) {
        self.lines.retain(|line| line.notice.text != notice.text);
        self.lines.push(Line {
            id: self.next_id,
            notice,
            action,
            since: None,
            is_unfolded: false,
        });
        self.next_id += 1;
    }

    /// The messages on show, oldest first.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.notice.text.as_str())
    }

    /// Takes back every message whose button is `action`.
    pub(super) fn withdraw(&mut self, action: Command) {
        self.lines.retain(|line| line.action != Some(action));
    }

    /// Draws the messages above `bottom_right`; returns the command of a button that was pressed.
    pub(super) fn ui(&mut self, ctx: &egui::Context, bottom_right: egui::Pos2) -> Option<Command> {
        self.age(ctx);
        if self.lines.is_empty() {
            return None;
        }
        let now = ctx.input(|input| input.time);
        let mut dismissed = None;
        let mut chosen = None;
        egui::Area::new(egui::Id::unique("notices"))
            .order(egui::Order::Foreground)
            .pivot(egui::Align2::RIGHT_BOTTOM)
            .fixed_pos(bottom_right)
            .show(ctx, |ui| {
                ui.set_width(WIDTH);
                for line in &mut self.lines {
                    ui.set_opacity(opacity(line, now));
                    match line_ui(ui, line) {
                        LineOutcome::None => {}
                        LineOutcome::Dismiss => dismissed = Some(line.id),
                        LineOutcome::Act(command) => {
                            dismissed = Some(line.id);
                            chosen = Some(command);
                        }
                    }
                }
            });
        self.lines.retain(|line| Some(line.id) != dismissed);
        chosen
    }

    /// Drops what has been long enough on show, and asks for the frame at which the next one goes.
    fn age(&mut self, ctx: &egui::Context) {
        let now = ctx.input(|input| input.time);
        for line in &mut self.lines {
            line.since.get_or_insert(now);
        }
        self.lines
            .retain(|line| remaining(line, now).is_none_or(|seconds| seconds > 0.0));
        for seconds in self.lines.iter().filter_map(|line| remaining(line, now)) {
            if seconds > FADE_SECONDS {
                ctx.request_repaint_after_secs((seconds - FADE_SECONDS) as f32);
            } else {
                ctx.request_repaint();
            }
        }
    }
}

fn remaining(line: &Line, now: f64) -> Option<f64> {
    Some(line.since.unwrap_or(now) + line.lifetime()? - now)
}

fn opacity(line: &Line, now: f64) -> f32 {
    remaining(line, now).map_or(1.0, |seconds| (seconds / FADE_SECONDS).clamp(0.0, 1.0) as f32)
}

enum LineOutcome {
    None,
    Dismiss,
    Act(Command),
}

fn line_ui(ui: &mut egui::Ui, line: &mut Line) -> LineOutcome {
    let mut outcome = LineOutcome::None;
    let (symbol, color) = match line.notice.kind {
        NoticeKind::Done => (icon::CHECK, ui.visuals().weak_text_color()),
        NoticeKind::Warning => (icon::WARNING, ui.visuals().warn_fg_color),
        NoticeKind::Error => (icon::ERROR, ui.visuals().error_fg_color),
    };
    egui::Frame::popup(ui.style())
        .stroke(egui::Stroke::new(1.0, color))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                if icon_button(ui, icon::X, "Dismiss").clicked() {
                    outcome = LineOutcome::Dismiss;
                }
                if line.notice.kind != NoticeKind::Done
                    && line.action.is_none()
                    && icon_button(ui, icon::COPY, "Copy message").clicked()
                {
                    ui.ctx().copy_text(line.notice.text.clone());
                }
                if let Some(action) = line.action
                    && ui.button(action.name()).on_hover_text(action.tooltip()).clicked()
                {
                    outcome = LineOutcome::Act(action);
                }
                ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
                    ui.label(RichText::new(symbol).color(color));
                    ui.vertical(|ui| message_ui(ui, line));
                });
            });
        });
    outcome
}

fn message_ui(ui: &mut egui::Ui, line: &mut Line) {
    let (summary, is_cut) = summary(&line.notice.text);
    let text = if line.is_unfolded {
        line.notice.text.as_str()
    } else {
        summary.as_str()
    };
    egui::ScrollArea::vertical()
        .max_height(200.0)
        .id_salt(line.id)
        .show(ui, |ui| {
            ui.add(egui::Label::new(text).wrap().selectable(true));
        });
    if is_cut {
        let name = if line.is_unfolded { "Less" } else { "Details" };
        if ui.link(name).clicked() {
            line.is_unfolded = !line.is_unfolded;
        }
    }
}

/// The first line, cut to a length that fits, and whether something is left out.
fn summary(text: &str) -> (String, bool) {
    let first = text.lines().next().unwrap_or_default();
    if first.chars().count() <= SHOWN_CHARACTERS {
        return (first.to_owned(), first.len() < text.trim_end().len());
    }
    let cut: String = first.chars().take(SHOWN_CHARACTERS).collect();
    (format!("{cut}…"), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(kind: NoticeKind, text: &str) -> Notice {
        Notice {
            kind,
            text: text.to_owned(),
        }
    }

    fn draw(notices: &mut Notices, ctx: &egui::Context, time: f64) {
        let input = egui::RawInput {
            time: Some(time),
            ..Default::default()
        };
        let output = ctx.run_ui(input, |ui| {
            notices.ui(ui.ctx(), egui::pos2(400.0, 400.0));
        });
        output.drop_without_applying_deltas();
    }

    #[test]
    fn what_was_done_goes_and_what_went_wrong_stays() {
        let ctx = egui::Context::default();
        let mut notices = Notices::default();
        notices.push(notice(NoticeKind::Done, "Saved a.png."));
        notices.push(notice(NoticeKind::Error, "Could not save b.png."));
        draw(&mut notices, &ctx, 0.0);
        assert_eq!(notices.texts().count(), 2);
        draw(&mut notices, &ctx, DONE_SECONDS + 1.0);
        assert_eq!(notices.texts().collect::<Vec<_>>(), ["Could not save b.png."]);
        draw(&mut notices, &ctx, 10_000.0);
        assert_eq!(notices.texts().count(), 1);
    }

    #[test]
    fn the_same_message_is_shown_once() {
        let mut notices = Notices::default();
        notices.push(notice(NoticeKind::Error, "No."));
        notices.push(notice(NoticeKind::Error, "No."));
        assert_eq!(notices.texts().count(), 1);
    }

    #[test]
    fn long_messages_are_folded_at_a_character() {
        assert_eq!(summary("one\ntwo"), ("one".to_owned(), true));
        assert_eq!(summary("one"), ("one".to_owned(), false));
        let (cut, is_cut) = summary(&"é".repeat(SHOWN_CHARACTERS + 1));
        assert!(is_cut);
        assert_eq!(cut.chars().count(), SHOWN_CHARACTERS + 1);
    }
}
