//! A window of 1024x700 points: nothing that matters lies beyond an edge or under something else.

use super::*;
use egui::Rect;

const SIZE: egui::Vec2 = vec2(1024.0, 700.0);

fn open_narrow(data: &Path) -> Window {
    let builder = Harness::builder().with_size(SIZE).with_max_steps(16);
    build(builder, data, settings(ThemeChoice::Dark), Vec::new())
}

fn rect(window: &Window, label: &str) -> Rect {
    window.get_by_label(label).rect()
}

#[test]
fn the_list_of_keys_is_as_wide_as_its_two_columns() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open_narrow(data.path());
    press(&mut window, Modifiers::NONE, Key::F1);
    let list = window
        .get_by_role_and_label(Role::Window, "Keyboard shortcuts")
        .rect();
    assert!(
        Rect::from_min_size(Pos2::ZERO, SIZE).contains_rect(list),
        "{list}"
    );
    assert!(list.width() < 500.0, "{list}");
    let widest = window
        .get_by_label_contains("makes the brush larger or smaller")
        .rect();
    assert!(list.x_range().contains(widest.right()), "{widest} in {list}");
}

#[test]
fn the_table_of_models_fits_beside_the_loaded_one() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open_narrow(data.path());
    click(&mut window, "Models");
    let panel = rect(&window, "Loaded model").left();
    let first = window.get_all_by_label("Size").next().unwrap().rect();
    assert!(first.right() + 16.0 < panel, "{first} beside {panel}");
    assert!(window.query_by_label("Folder").is_none());
    pictures::keep(&mut window, "models_narrow");
}

#[test]
fn the_figures_of_a_comparison_fit_and_no_message_covers_them() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open_narrow(data.path());
    click(&mut window, "Compare");
    let last = rect(&window, "Sort by SSIM (paper)");
    let panel = rect(&window, "Compare softscope-32").left();
    assert!(last.right() + 16.0 < panel, "{last} beside {panel}");
    assert!(window.query_by_label("Sort by MSE").is_none());

    let field = "Path of a model to compare";
    window.get_by_label(field).focus();
    window.step();
    window.get_by_label(field).type_text("/nowhere/at/all");
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(notices(&window).len(), 1);
    let message = rect(&window, "Dismiss");
    let bar = rect(&window, "Export model table…");
    assert!(message.bottom() < bar.top(), "{message} above {bar}");
    pictures::keep(&mut window, "compare_narrow");
}

#[test]
fn an_empty_comparison_names_its_panes_at_their_edges() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open_narrow(data.path());
    press(&mut window, Modifiers::NONE, Key::Delete);
    click(&mut window, "Compare");
    click(&mut window, "Compare softscope-32");
    let (name, pane) = (rect(&window, "original"), rect(&window, "original picture"));
    assert!((name.left() - pane.left()).abs() < 1.0, "{name} over {pane}");
    pictures::keep(&mut window, "compare_empty");
}
