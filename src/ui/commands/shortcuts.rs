//! Keys that were pressed, as commands.

use super::{Command, Situation};
use egui::{Key, KeyboardShortcut};

/// Keys that walk, press and leave a focused slider, strip or button.
const KEYS_OF_FOCUS: [Key; 8] = [
    Key::ArrowLeft,
    Key::ArrowRight,
    Key::ArrowUp,
    Key::ArrowDown,
    Key::Space,
    Key::Enter,
    Key::Backspace,
    Key::Escape,
];

/// Takes the commands whose shortcuts were pressed out of the input.
///
/// A text field keeps every key while it has the focus, another widget those it is worked with.
pub(in crate::ui) fn take_shortcuts(ctx: &egui::Context, now: &Situation) -> Vec<Command> {
    let has_keys = ctx.input(|input| {
        input
            .events
            .iter()
            .any(|event| matches!(event, egui::Event::Key { pressed: true, .. }))
    });
    if !has_keys || ctx.text_edit_focused() {
        return Vec::new();
    }
    let is_taken = ctx.egui_wants_keyboard_input() || egui::Popup::is_any_open(ctx);
    let is_ours = |shortcut: &KeyboardShortcut| {
        !is_taken || shortcut.modifiers.command || !KEYS_OF_FOCUS.contains(&shortcut.logical_key)
    };
    let mut keys: Vec<(KeyboardShortcut, Command)> = Command::ALL
        .iter()
        .filter(|command| command.is_enabled(now))
        .flat_map(|&command| {
            command
                .shortcuts()
                .iter()
                .map(move |&shortcut| (shortcut, command))
        })
        .filter(|(shortcut, _)| is_ours(shortcut))
        .collect();
    // egui ignores an extra Shift when it matches, so the most specific shortcut has to be asked for first.
    keys.sort_by_key(|(shortcut, _)| !shortcut.modifiers.shift);
    let mut commands = Vec::new();
    ctx.input_mut(|input| {
        for (shortcut, command) in keys {
            let presses = input.count_and_consume_key(shortcut.modifiers, shortcut.logical_key);
            commands.extend(std::iter::repeat_n(command, presses));
        }
    });
    commands
}
