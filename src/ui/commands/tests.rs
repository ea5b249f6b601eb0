//! The table of commands, and keys against it.

use super::*;
use std::collections::HashSet;

fn full() -> Situation {
    Situation {
        has_model: true,
        has_picture: true,
        picture_count: 2,
        token_count: 32,
        applied_count: 3,
        undone_count: 1,
        selected_count: 2,
        compared_count: 2,
        has_collection: true,
        can_collect_again: true,
        can_report: true,
        has_report: true,
        has_findings: true,
        has_interpolation: true,
        has_preview: false,
        has_removed: true,
        has_autosave: true,
        has_mixtures: true,
        has_brush: true,
        has_mask: true,
        has_strokes: true,
        is_painting: true,
        can_generate: true,
        can_train: true,
        has_trained: true,
        is_cancellable: true,
        ..Situation::default()
    }
}

#[test]
fn names_and_shortcuts_are_unique_and_explained() {
    let names: HashSet<_> = Command::ALL.iter().map(|command| command.name()).collect();
    assert_eq!(names.len(), Command::ALL.len());
    let keys: Vec<_> = Command::ALL
        .iter()
        .flat_map(|command| command.shortcuts())
        .collect();
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{key:?} is given twice");
    }
    for command in Command::ALL {
        assert!(command.tooltip().ends_with('.'), "{command:?}");
    }
}

#[test]
fn everything_is_enabled_when_all_is_there_and_little_when_nothing_is() {
    let nothing = Situation::default();
    let training = Situation {
        is_training: true,
        ..full()
    };
    let painted = Situation {
        is_painting: false,
        ..full()
    };
    for &command in Command::ALL {
        // A run or a painting is either started or stopped.
        let is_enabled = [full(), training.clone(), painted.clone()]
            .iter()
            .any(|now| command.is_enabled(now));
        assert!(is_enabled, "{command:?}");
        assert_eq!(command.is_enabled(&nothing), command.refusal(&nothing).is_none());
    }
    for command in [
        Command::Undo,
        Command::ExportPicture,
        Command::SaveSession,
        Command::SelectAll,
    ] {
        assert!(!command.is_enabled(&nothing), "{command:?}");
    }
    assert!(Command::OpenPictures.is_enabled(&nothing));
    let one = Situation {
        picture_count: 1,
        ..full()
    };
    assert_eq!(
        Command::NextPicture.refusal(&one),
        Some("Add a second picture first.")
    );
}

fn press(ctx: &egui::Context, modifiers: Modifiers, key: Key) -> Vec<Command> {
    let input = egui::RawInput {
        events: vec![egui::Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers,
        }],
        ..Default::default()
    };
    let mut taken = Vec::new();
    ctx.run_ui(input, |ui| taken.extend(take_shortcuts(ui.ctx(), &full())))
        .drop_without_applying_deltas();
    taken
}

#[test]
fn the_most_specific_shortcut_wins() {
    let ctx = egui::Context::default();
    assert_eq!(press(&ctx, Modifiers::COMMAND, Key::Z), [Command::Undo]);
    assert_eq!(
        press(&ctx, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z),
        [Command::Redo]
    );
    assert_eq!(
        press(&ctx, Modifiers::NONE, Key::ArrowRight),
        [Command::NextToken]
    );
    assert_eq!(
        press(&ctx, Modifiers::SHIFT, Key::ArrowRight),
        [Command::ExtendToNext]
    );
    assert_eq!(press(&ctx, Modifiers::NONE, Key::Num1), [Command::SideBySide]);
    assert_eq!(press(&ctx, Modifiers::COMMAND, Key::Num1), [Command::ActualSize]);
}

#[test]
fn a_text_field_keeps_its_keys() {
    let ctx = egui::Context::default();
    for (modifiers, key) in [(Modifiers::NONE, Key::Num1), (Modifiers::COMMAND, Key::Z)] {
        // Drawn anew before each key: a field that is not drawn loses the focus.
        let mut text = String::from("1");
        for _ in 0..2 {
            let output = ctx.run_ui(egui::RawInput::default(), |ui| {
                ui.text_edit_singleline(&mut text).request_focus();
            });
            output.drop_without_applying_deltas();
        }
        assert_eq!(press(&ctx, modifiers, key), []);
    }
}
