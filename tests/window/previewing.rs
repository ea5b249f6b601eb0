//! A drag with a model that is slow: first a preview, then the exact picture; and a window that rests.

use super::*;

/// A window whose model counts as slow, token 5 selected.
fn open_slow(data: &Path, settings: Settings) -> Window {
    let mut window = build(builder(), data, settings, Vec::new());
    window.state_mut().workspace_mut().set_quick_decode_ms(0.0);
    click(&mut window, "token 5");
    window
}

/// Rests on the strongest weight until all that is decoded ahead is there.
fn rest_on_bar(window: &mut Window) -> (Pos2, Pos2) {
    let bar = bars(window)[0].rect();
    let from = pos2(bar.left() + 0.3 * bar.width(), bar.center().y);
    window.hover_at(from);
    for _ in 0..4 {
        window.step();
    }
    window.state_mut().settle();
    window.step();
    (from, pos2(bar.left() + 0.1 * bar.width(), bar.center().y))
}

fn has_label(window: &Window, label: &str) -> bool {
    window.query_all_by_label(label).next().is_some()
}

/// Starts a drag and leaves it held.
fn hold(window: &mut Window, from: Pos2, to: Pos2) {
    window.drag_at(from);
    window.step();
    window.hover_at(to);
    window.step();
}

#[test]
fn a_drag_shows_a_preview_at_the_next_frame_and_the_exact_picture_follows() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open_slow(data.path(), settings(ThemeChoice::Dark));
    let (from, to) = rest_on_bar(&mut window);
    assert_eq!(window.state().workspace().decoded_ahead(), Some((9, 9)));
    assert!(has_label(&window, "exact") || has_label(&window, "hover"));

    hold(&mut window, from, to);
    assert!(has_label(&window, "preview"));

    window.state_mut().settle();
    window.step();
    assert!(!has_label(&window, "preview"));
    window.get_by_label("exact");
    window.get_by_label("live");
    window.drop_at(to);
    settle(&mut window);
    assert_eq!(edits(&window).len(), 1);
    window.get_by_label("exact");
}

#[test]
fn switched_off_in_the_menu_there_is_no_preview() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open_slow(data.path(), settings(ThemeChoice::Dark));
    click(&mut window, "Edit");
    click(&mut window, "Previews while dragging");
    press(&mut window, Modifiers::NONE, Key::Escape);
    if window.state().selection().tokens().is_empty() {
        click(&mut window, "token 5");
    }
    let (from, to) = rest_on_bar(&mut window);
    assert_eq!(window.state().workspace().decoded_ahead(), None);
    hold(&mut window, from, to);
    assert!(!has_label(&window, "preview"));
    window.drop_at(to);
    settle(&mut window);
}

#[test]
fn the_slider_between_two_pictures_looks_ahead_too() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open_slow(data.path(), settings(ThemeChoice::Dark));
    click(&mut window, "Cat");
    window.state_mut().workspace_mut().set_quick_decode_ms(0.0);
    click(&mut window, "interpolate to");
    let name = window.state().workspace().subjects()[0].name.clone();
    let entries: Vec<Pos2> = window
        .query_all_by_label(&name)
        .map(|node| node.rect().center())
        .collect();
    // The entry of the list that opened, not the row of the library.
    let entry = *entries.iter().max_by(|a, b| a.x.total_cmp(&b.x)).unwrap();
    window.hover_at(entry);
    window.step();
    window.drag_at(entry);
    window.step();
    window.drop_at(entry);
    settle(&mut window);

    let slider = window.get_by_role_and_label(Role::Slider, "t").rect();
    let from = pos2(slider.left() + 8.0, slider.center().y);
    window.hover_at(from);
    for _ in 0..4 {
        window.step();
    }
    window.state_mut().settle();
    assert_eq!(window.state().workspace().decoded_ahead(), Some((9, 9)));
    hold(&mut window, from, slider.center());
    assert!(has_label(&window, "preview"));
    window.drop_at(slider.center());
    settle(&mut window);
    assert!(!has_label(&window, "preview"));
}

#[test]
fn a_window_that_rests_asks_for_no_frame() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    click(&mut window, "Cat");
    click(&mut window, "token 5");
    for tab in ["Explore", "Compare", "Analysis", "Generate", "Train", "Models"] {
        let labels: Vec<Pos2> = window
            .query_all_by_label(tab)
            .map(|node| node.rect().center())
            .collect();
        let top = labels.into_iter().min_by(|a, b| a.y.total_cmp(&b.y)).unwrap();
        drag(&mut window, top, top);
        window.remove_cursor();
        settle(&mut window);
        for _ in 0..8 {
            window.step();
        }
        let delay = window.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
        assert_eq!(
            delay,
            std::time::Duration::MAX,
            "{tab} asks for a frame {delay:?} from now"
        );
    }
}
