//! Between two pictures.

use crate::bench::*;
use egui::accesskit::Role;
use egui::vec2;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use softscope::latent::Edit;

#[test]
fn interpolation_shows_each_place_and_keeps_one() {
    let mut panels = panels_with(model(), 2);
    let start = panels.state().pixels();
    assert!(
        panels.get_by_label("Play").accesskit_node().is_disabled(),
        "nowhere to go yet"
    );
    panels
        .get_by_role_and_label(Role::ComboBox, "interpolate to")
        .click();
    panels.run();
    panels.get_by_label("ramp 1").click();
    settle(&mut panels);
    panels.get_by_label("t").set_value_accesskit(0.5);
    settle(&mut panels);
    let half = panels.state().pixels();
    assert_ne!(half.as_bytes(), start.as_bytes());
    assert!(
        panels.state().applied().is_empty(),
        "a place between is no step before it is kept"
    );
    press(&mut panels, "Cancel");
    assert_eq!(panels.state().pixels().as_bytes(), start.as_bytes());
    drag(&mut panels, "t", vec2(400.0, 0.0));
    let other = panels.state().workspace.subjects()[1]
        .encoded
        .as_ref()
        .unwrap()
        .state
        .clone();
    let reached = panels.state().state();
    let is_there = reached
        .z
        .values
        .iter()
        .zip(&other.z.values)
        .all(|(a, b)| close(*a, *b, 1e-6));
    assert!(is_there, "t = 1 is the other picture");
    press(&mut panels, "Keep");
    assert!(matches!(
        panels.state().applied()[..],
        [Edit::Blend { t: 1.0, .. }]
    ));
    assert_eq!(
        numeric_value(&panels, "t"),
        0.0,
        "kept, the slider is back at this picture"
    );
}

#[test]
fn playing_moves_on_by_itself_and_stops() {
    let mut panels = panels_with(model(), 2);
    panels
        .get_by_role_and_label(Role::ComboBox, "interpolate to")
        .click();
    panels.run();
    panels.get_by_label("ramp 1").click();
    settle(&mut panels);
    panels.get_by_label("Play").click();
    for _ in 0..20 {
        panels.step();
        panels.state_mut().workspace.settle();
    }
    let t = panels.state().interpolation.t();
    assert!(t > 0.0 && t < 1.0, "{t}");
    panels.get_by_label("Pause").click();
    panels.step();
    panels.state_mut().workspace.settle();
    panels.run();
    assert!(
        !panels.state().interpolation.is_playing(),
        "no frame is asked for any more"
    );
}
