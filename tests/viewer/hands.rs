//! What a person does with pointer, keys and assistive technology.

use crate::bench::{
    BACKS, Bench, SIDE, Setup, at_pixel, bench, edited, fitted, layers, original, reconstruction, rendered,
    side_by_side,
};
use egui::{Key, Modifiers, Vec2, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use softscope::ui::viewer::CompareMode;

#[test]
fn wipe_shows_one_picture_on_each_side_of_the_divider() {
    for back in BACKS {
        let mut harness = bench(
            Setup {
                back,
                ..Default::default()
            },
            CompareMode::SideBySide,
            layers(),
        );
        harness.get_by_label("Wipe").click();
        harness.run();
        assert_eq!(harness.state().viewer.mode, CompareMode::Wipe);
        let area = fitted(harness.get_by_label("reconstruction and edited picture").rect());
        // A pixel that the edit changed, left of the divider in the middle.
        let place = at_pixel(area, 12, 50);
        assert_eq!(rendered(&mut harness, place), reconstruction(12, 50));

        let divider = harness.get_by_label("wipe").rect().center();
        harness.drag_at(divider);
        harness.hover_at(pos2(area.left() + 4.0, divider.y));
        harness.drop_at(pos2(area.left() + 4.0, divider.y));
        harness.run();
        assert_eq!(
            rendered(&mut harness, place),
            edited(12, 50),
            "the divider was dragged past it"
        );
    }
}

#[test]
fn divider_moves_by_keys_and_assistive_technology() {
    let mut harness = bench(Setup::default(), CompareMode::Wipe, layers());
    let value = |harness: &Harness<'_, Bench>| {
        harness
            .get_by_label("wipe")
            .accesskit_node()
            .numeric_value()
            .unwrap()
    };
    assert_eq!(value(&harness), 0.5);
    harness.get_by_label("wipe").focus();
    harness.run();
    harness.key_press(Key::ArrowRight);
    harness.run();
    let moved = value(&harness);
    assert!((moved - 0.52).abs() < 1e-6, "{moved}");
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowLeft);
    harness.run();
    assert!((value(&harness) - 0.518).abs() < 1e-6);
    harness.get_by_label("wipe").set_value_accesskit(2.0);
    harness.run();
    assert_eq!(value(&harness), 1.0, "values are kept in range");
}

#[test]
fn flip_changes_on_click_and_on_space() {
    let mut harness = bench(Setup::default(), CompareMode::Flip, layers());
    let area = harness.get_by_label("edited picture").rect();
    let place = at_pixel(fitted(area), 12, 50);
    assert_eq!(rendered(&mut harness, place), edited(12, 50));
    harness.get_by_label("edited picture").click();
    harness.run();
    assert_eq!(rendered(&mut harness, place), reconstruction(12, 50));
    harness.hover_at(area.center());
    harness.run();
    harness.key_press(Key::Space);
    harness.run();
    assert_eq!(rendered(&mut harness, place), edited(12, 50));
}

#[test]
fn pair_can_be_chosen_and_swapped() {
    let mut harness = bench(Setup::default(), CompareMode::Wipe, layers());
    harness.get_by_label("First picture").click();
    harness.run();
    harness.get_all_by_label("original").next().unwrap().click();
    harness.run();
    harness.get_by_label("original and edited picture");
    harness.get_by_label("Swap the two pictures").click();
    harness.run();
    harness.get_by_label("edited and original picture");
}

#[test]
fn zoom_and_pan_are_shared_by_all_modes() {
    let mut harness = side_by_side();
    let area = harness.get_by_label("original picture").rect();
    let place = at_pixel(fitted(area), 10, 10);
    harness.hover_at(place);
    harness.run();
    assert_eq!(harness.state().response.pixel, Some((10, 10)));
    assert_eq!(harness.state().response.layer, Some(0));

    let wheel = egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, 240.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    };
    harness.event(wheel);
    harness.run_steps(12);
    assert_eq!(
        harness.state().response.pixel,
        Some((10, 10)),
        "what is under the pointer stays there"
    );
    assert_eq!(rendered(&mut harness, place), original(10, 10));
    let apart = harness.get_by_label("edited picture").rect().center() - area.center();
    assert_eq!(
        rendered(&mut harness, place + apart),
        edited(10, 10),
        "the other areas zoom along"
    );

    harness.drag_at(place);
    harness.hover_at(place + vec2(-30.0, -30.0));
    harness.drop_at(place + vec2(-30.0, -30.0));
    harness.run();
    harness.hover_at(place + vec2(-30.0, -30.0));
    harness.run();
    assert_eq!(
        harness.state().response.pixel,
        Some((10, 10)),
        "the picture moves with the pointer"
    );

    harness.hover_at(area.center());
    harness.run();
    harness.key_press(Key::Num0);
    harness.run();
    assert_eq!(rendered(&mut harness, place), original(10, 10), "0 fits again");
}

#[test]
fn keys_and_buttons_zoom() {
    let mut harness = side_by_side();
    let area = harness.get_by_label("original picture").rect();
    let percent = |harness: &Harness<'_, Bench>| -> f32 {
        let node = harness.get_by_label_contains(" %");
        let text = node.value().or_else(|| node.accesskit_node().label()).unwrap();
        text.trim_end_matches(" %").parse().unwrap()
    };
    harness.get_by_label("1:1").click();
    harness.run();
    assert_eq!(percent(&harness), 100.0);
    harness.hover_at(area.center());
    harness.run();
    harness.key_press(Key::Plus);
    harness.run();
    assert_eq!(percent(&harness), 125.0);
    harness.key_press(Key::Minus);
    harness.run();
    assert_eq!(percent(&harness), 100.0);
    harness.get_by_label("Fit").click();
    harness.run();
    let expected = 100.0 * area.size().min_elem() / SIDE as f32;
    assert!((percent(&harness) - expected).abs() <= 0.5);
}

#[test]
fn idle_viewer_asks_for_no_frames() {
    let mut harness = side_by_side();
    harness.run();
    let delay = harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
    assert_eq!(delay, std::time::Duration::MAX);
}

#[test]
fn arrow_keys_move_a_focused_picture() {
    let mut harness = side_by_side();
    let area = harness.get_by_label("original picture").rect();
    for _ in 0..6 {
        harness.get_by_label("Zoom in").click();
        harness.run();
    }
    harness.hover_at(area.center());
    harness.run();
    let before = harness.state().response.pixel.unwrap();
    harness.get_by_label("original picture").focus();
    harness.run();
    harness.key_press(Key::ArrowRight);
    harness.key_press(Key::ArrowDown);
    harness.run();
    harness.hover_at(area.center() + Vec2::splat(0.5));
    harness.run();
    let after = harness.state().response.pixel.unwrap();
    assert!(after.0 > before.0 && after.1 > before.1, "{before:?} {after:?}");
}
