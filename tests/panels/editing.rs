//! Edits by drag, key, number, button and menu.

use crate::bench::*;
use egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable as _;
use softscope::latent::Edit;

#[test]
fn dragging_the_strongest_weight_to_zero_is_one_step_that_undo_takes_back() {
    let mut panels = panels();
    let before = panels.state().pixels();
    select(&mut panels, 5);
    let (segment, codeword, weight) = panels.state().heaviest(5);
    let label = format!("weight of codeword {segment}:{codeword}");
    assert!(close(numeric_value(&panels, &label), weight, 1e-6));

    grab(&mut panels, &label, vec2(-400.0, 0.0));
    let applied = panels.state().applied();
    assert!(
        applied.is_empty(),
        "a drag is no step before the hand lets go: {applied:?}"
    );
    assert_ne!(
        panels.state().pixels().as_bytes(),
        before.as_bytes(),
        "the picture follows the hand"
    );
    panels.drop_at(panels.get_by_label(&label).rect().left_center());
    settle(&mut panels);

    let [
        Edit::SetWeights {
            token: 5, weights, ..
        },
    ] = &panels.state().applied()[..]
    else {
        panic!("one step was expected: {:?}", panels.state().applied());
    };
    assert_eq!(weights[..], [(segment, codeword, 0.0)]);
    let state = panels.state().state();
    let mixture = state.mixture(5).unwrap();
    assert_eq!(mixture.weights[codeword], 0.0);
    assert!(close(mixture.weights.iter().sum(), 1.0, 1e-5));
    let step = panels.state().applied()[0].label();
    panels.get_by_label(&step);

    press(&mut panels, "original");
    assert_eq!(
        panels.state().pixels().as_bytes(),
        before.as_bytes(),
        "the same bytes as before the edit"
    );
    panels.get_by_label(&step).click();
    settle(&mut panels);
    assert_eq!(
        panels.state().applied().len(),
        1,
        "an undone step is a click away"
    );
}

#[test]
fn escape_takes_back_what_the_hand_holds() {
    let mut panels = panels();
    select(&mut panels, 1);
    let before = panels.state().pixels();
    let (segment, codeword, weight) = panels.state().heaviest(1);
    let label = format!("weight of codeword {segment}:{codeword}");
    grab(&mut panels, &label, vec2(60.0, 0.0));
    assert_ne!(panels.state().pixels().as_bytes(), before.as_bytes());
    panels.key_press(Key::Escape);
    settle(&mut panels);
    panels.hover_at(panels.get_by_label(&label).rect().right_center());
    settle(&mut panels);
    panels.drop_at(panels.get_by_label(&label).rect().right_center());
    settle(&mut panels);
    assert!(panels.state().applied().is_empty());
    assert_eq!(panels.state().pixels().as_bytes(), before.as_bytes());
    assert!(close(numeric_value(&panels, &label), weight, 1e-6));
}

#[test]
fn a_weight_answers_keys_and_assistive_technology() {
    let mut panels = panels();
    select(&mut panels, 3);
    let (segment, codeword, weight) = panels.state().heaviest(3);
    let label = format!("weight of codeword {segment}:{codeword}");
    panels.get_by_label(&label).set_value_accesskit(0.75);
    settle(&mut panels);
    assert!(close(numeric_value(&panels, &label), 0.75, 1e-6));
    assert_eq!(panels.state().applied().len(), 1);
    panels.get_by_label(&label).focus();
    panels.run();
    panels.key_press(Key::ArrowLeft);
    settle(&mut panels);
    assert_eq!(panels.state().applied().len(), 2);
    assert!(numeric_value(&panels, &label) < 0.75);
    panels.key_press(Key::Backspace);
    settle(&mut panels);
    assert!(
        close(numeric_value(&panels, &label), weight, 1e-5),
        "Backspace goes back to the original weight"
    );
    panels.get_by_label(&label).set_value_accesskit(0.5);
    settle(&mut panels);
    panels.get_by_label(&label).click();
    panels.get_by_label(&label).click();
    settle(&mut panels);
    assert!(
        close(numeric_value(&panels, &label), weight, 1e-5),
        "so does a double-click"
    );
}

#[test]
fn tau_runs_from_hard_to_soft_over_the_selection() {
    let mut panels = panels();
    select(&mut panels, 0);
    panels.get_by_label("token 2").click_modifiers(Modifiers::SHIFT);
    panels.run();
    let space = panels.state().workspace.model().unwrap().space.clone();
    let trained = space.mixing().unwrap().tau;
    assert!(close(numeric_value(&panels, "tau"), trained, 1e-6));
    let entropy = |panels: &Panels, token: usize| {
        let state = panels.state().state();
        softscope::analysis::mixture_figures(state.mixture(token).unwrap()).entropy_nats
    };
    let at_start: Vec<f64> = (0..4).map(|token| entropy(&panels, token)).collect();
    drag(&mut panels, "tau", vec2(300.0, 0.0));
    assert!(close(numeric_value(&panels, "tau"), 2.0, 1e-6));
    for (token, before) in at_start.iter().enumerate().take(3) {
        assert!(
            entropy(&panels, token) > *before,
            "a higher temperature is softer"
        );
    }
    assert_eq!(entropy(&panels, 3), at_start[3], "only the selection changes");
    drag(&mut panels, "tau", vec2(-300.0, 0.0));
    assert!(entropy(&panels, 0) < at_start[0], "a low temperature is harder");
    assert_eq!(panels.state().applied().len(), 2);
}

#[test]
fn a_value_is_typed_and_goes_back() {
    let mut panels = panels();
    select(&mut panels, 4);
    panels
        .get_by_label("value of dimension 0")
        .set_value_accesskit(2.5);
    settle(&mut panels);
    let bench = panels.state();
    let space = bench.workspace.model().unwrap().space.clone();
    let [
        Edit::SetValue {
            token: 4,
            dim: 0,
            value,
        },
    ] = bench.applied()[..]
    else {
        panic!("one step was expected: {:?}", bench.applied());
    };
    assert!(close(value, 2.5 * space.std + space.mean, 1e-5));
    assert!(
        bench.state().mixture(4).is_none(),
        "a moved value takes the token off its mixture"
    );
    panels.get_by_label("Encoder's mixture");
    press(&mut panels, "Original");
    assert_eq!(panels.state().state().z, panels.state().original().z);
}

#[test]
fn a_token_off_its_mixture_shows_how_far_it_is_and_what_a_projection_reached() {
    let mut panels = panels();
    select(&mut panels, 4);
    assert!(panels.query_by_label_contains("hull distance of token").is_none());
    let edit = Edit::SetValue {
        token: 4,
        dim: 0,
        value: 3.0,
    };
    panels.state_mut().workspace.edit(edit);
    settle(&mut panels);
    // It is measured on another thread.
    while panels
        .query_by_label_contains("hull distance of token 4")
        .is_none()
    {
        std::thread::yield_now();
        panels.run();
    }
    let space = panels.state().workspace.model().unwrap().space.clone();
    assert_eq!(
        panels.state().applied().len(),
        1,
        "a value beyond what its field takes is left as it is"
    );
    let (original, state) = (panels.state().original(), panels.state().state());
    let gauge = softscope::analysis::hull_gauge(&space, &original, &state, 4).unwrap();
    assert!(gauge.distance > 0.0 && gauge.steps > 0, "{gauge:?}");
    let sigma = gauge.distance_sigma.unwrap();
    panels.get_by_label(&format!("hull distance of token 4: {sigma:.2} σ"));
    let share = 100.0 * gauge.distance_share.unwrap();
    panels.get_by_label(&format!("of its norm {share:.1} %"));

    press(&mut panels, "Project onto hull");
    let state = panels.state().state();
    assert!(state.mixture(4).is_some(), "{:?}", panels.state().applied());
    panels.get_by_label(&format!("projected by {sigma:.2} σ"));
    panels.get_by_label(&format!("gap {:.0e}", gauge.gap));
    panels.get_by_label(&format!("steps {}", gauge.steps));
    let moved = space.codebook().unwrap().mix(state.mixture(4).unwrap());
    assert!(moved.iter().zip(state.z.row(4)).all(|(a, b)| close(*a, *b, 1e-6)));
}

#[test]
fn a_bar_of_the_value_plot_is_dragged() {
    let mut panels = panels();
    select(&mut panels, 4);
    let before = panels.state().original().z.row(4).to_vec();
    drag(&mut panels, "values of token 4", vec2(0.0, -20.0));
    let bench = panels.state();
    let [Edit::SetValue { token: 4, dim, value }] = bench.applied()[..] else {
        panic!("one step was expected: {:?}", bench.applied());
    };
    assert!(value > before[dim], "up is more");
    assert_eq!(bench.state().z.row(4)[dim], value);
}

#[test]
fn hovering_a_bar_shows_the_codeword_alone_and_changes_nothing() {
    let mut panels = panels();
    select(&mut panels, 5);
    let (segment, codeword, _) = panels.state().heaviest(5);
    panels
        .get_by_label(&format!("weight of codeword {segment}:{codeword}"))
        .hover();
    settle(&mut panels);
    let bench = panels.state();
    let asked = bench
        .workspace
        .hovered()
        .expect("the picture with that codeword alone");
    assert_eq!(asked.state.mixture(5).unwrap().weights[codeword], 1.0);
    assert!(bench.applied().is_empty());
    panels.get_by_label("token 5").hover();
    settle(&mut panels);
    assert!(
        panels.state().workspace.hovered().is_none(),
        "leaving the bar ends the question"
    );
}

#[test]
fn buttons_change_the_selected_tokens() {
    let mut panels = panels();
    select(&mut panels, 2);
    panels.get_by_label("token 6").click_modifiers(Modifiers::COMMAND);
    panels.run();
    let original = panels.state().original();
    press(&mut panels, "Swap 2 and 6");
    assert_eq!(panels.state().state().z.row(2), original.z.row(6));
    assert_eq!(panels.state().state().z.row(6), original.z.row(2));
    assert!(
        panels.state().workspace.hovered().is_none(),
        "what was decided is not asked again"
    );
    press(&mut panels, "Zero");
    assert!(panels.state().state().z.row(2).iter().all(|value| *value == 0.0));
    press(&mut panels, "Undo");
    press(&mut panels, "Undo");
    assert_eq!(panels.state().state().z, original.z);
    press(&mut panels, "Hard code");
    let (_, _, weight) = panels.state().heaviest(2);
    assert_eq!(weight, 1.0);
}

#[test]
fn tokens_are_copied_from_another_picture_that_hovering_shows_first() {
    let mut panels = panels_with(model(), 2);
    select(&mut panels, 3);
    press(&mut panels, "Copy from picture");
    panels.get_by_label("ramp 1").hover();
    settle(&mut panels);
    let other = panels.state().workspace.subjects()[1].encoded.clone().unwrap();
    let asked = panels
        .state()
        .workspace
        .hovered()
        .expect("what the copy would give");
    assert_eq!(asked.state.z.row(3), other.state.z.row(3));
    assert!(panels.state().applied().is_empty());
    panels.get_by_label("ramp 1").click();
    settle(&mut panels);
    let state = panels.state().state();
    assert_eq!(state.z.row(3), other.state.z.row(3));
    assert_eq!(state.z.row(4), panels.state().original().z.row(4));
    panels.get_by_label_contains("Needs the encoder's output");
}

#[test]
fn ctrl_snaps_and_shift_is_fine() {
    let mut panels = panels();
    select(&mut panels, 5);
    let (segment, codeword, weight) = panels.state().heaviest(5);
    let label = format!("weight of codeword {segment}:{codeword}");
    let start = panels.get_by_label(&label).rect().center();
    panels.drag_at(start);
    panels.step();
    panels.event_modifiers(
        egui::Event::PointerMoved(start + vec2(40.0, 0.0)),
        Modifiers::COMMAND,
    );
    settle(&mut panels);
    let snapped = numeric_value(&panels, &label);
    assert!(
        snapped > weight && close(snapped * 20.0, (snapped * 20.0).round(), 1e-4),
        "{snapped}"
    );
    panels.event_modifiers(
        egui::Event::PointerMoved(start + vec2(44.0, 0.0)),
        Modifiers::NONE,
    );
    settle(&mut panels);
    let free = numeric_value(&panels, &label);
    panels.event_modifiers(
        egui::Event::PointerMoved(start + vec2(64.0, 0.0)),
        Modifiers::SHIFT,
    );
    settle(&mut panels);
    let fine = numeric_value(&panels, &label);
    panels.event_modifiers(
        egui::Event::PointerMoved(start + vec2(84.0, 0.0)),
        Modifiers::NONE,
    );
    settle(&mut panels);
    let coarse = numeric_value(&panels, &label);
    assert!(
        fine > free && fine - free < 0.2 * (coarse - fine),
        "{free} {fine} {coarse}"
    );
    panels.drop_at(start);
    settle(&mut panels);
    assert_eq!(panels.state().applied().len(), 1, "one drag is one step");
}

#[test]
fn noise_is_rerolled_in_place() {
    let mut panels = panels();
    select(&mut panels, 0);
    drag(&mut panels, "noise", vec2(40.0, 0.0));
    let first = panels.state().applied();
    assert!(
        matches!(first[..], [Edit::Noise { sigma, .. }] if sigma > 0.0),
        "{first:?}"
    );
    assert_eq!(numeric_value(&panels, "noise"), 0.0, "the slider springs back");
    press(&mut panels, "Reroll");
    let second = panels.state().applied();
    assert!(matches!(second[..], [Edit::Noise { .. }]), "{second:?}");
    assert_ne!(first, second);
}
