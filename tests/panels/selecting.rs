//! Selecting tokens, and what the panels say when there is nothing to select.

use crate::bench::*;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

#[test]
fn tokens_are_selected_by_mouse() {
    let mut panels = panels();
    assert!(
        panels.query_by_label("tau").is_none(),
        "nothing to change while nothing is selected"
    );
    select(&mut panels, 5);
    assert_eq!(panels.state().selected(), [5]);
    assert!(is_selected(&panels.get_by_label("token 5")));
    assert!(!is_selected(&panels.get_by_label("token 4")));
    panels.get_by_label("token 7").click_modifiers(Modifiers::COMMAND);
    panels.run();
    assert_eq!(panels.state().selected(), [5, 7]);
    panels.get_by_label("token 4").click_modifiers(Modifiers::SHIFT);
    panels.run();
    assert_eq!(panels.state().selected(), [4, 5, 6, 7]);
    let start = panels.get_by_label("token 1").rect().center();
    let end = panels.get_by_label("token 3").rect().center();
    panels.drag_at(start);
    panels.step();
    panels.hover_at(end);
    panels.step();
    panels.drop_at(end);
    panels.run();
    assert_eq!(panels.state().selected(), [1, 2, 3], "a drag brushes a range");
}

#[test]
fn tokens_are_selected_by_keyboard() {
    let mut panels = panels();
    let count = panels.state().original().z.count;
    select(&mut panels, 2);
    panels.key_press(Key::ArrowRight);
    panels.run();
    assert_eq!(panels.state().selected(), [3]);
    panels.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    panels.run();
    assert_eq!(panels.state().selected(), [3, 4]);
    panels.key_press(Key::End);
    panels.run();
    assert_eq!(panels.state().selected(), [count - 1]);
    panels.key_press_modifiers(Modifiers::COMMAND, Key::A);
    panels.run();
    assert_eq!(panels.state().selected().len(), count);
    panels.key_press(Key::Escape);
    panels.run();
    assert!(panels.state().selected().is_empty());
}

#[test]
fn several_segments_are_named_and_empty_places_teach() {
    let mut panels = panels_with(segmented_model(), 1);
    select(&mut panels, 0);
    panels.get_by_label("codebook segment 0 of 2");
    let last = panels.state().original().z.count - 1;
    select(&mut panels, last);
    panels.get_by_label("codebook segment 1 of 2");
    panels.get_by_label_contains("Add a second picture");
    let (segment, ..) = panels.state().heaviest(last);
    assert_eq!(segment, 1);

    let empty = panels_with(segmented_model(), 0);
    assert!(empty.query_all_by_label_contains("Drop a picture").count() > 0);
}
