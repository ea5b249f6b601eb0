//! The sections Map and Probe of the Analysis view on a collected folder, and its report.

use super::collected::{look, section};
use super::*;
use softscope::document::REPORT_FILE;

/// Where the map shows a point of its last plane by principal components, all points in view.
fn place_of(window: &Window, point: usize) -> Pos2 {
    let map = window.state().workspace().token_map().unwrap().clone();
    let places = &map.planes.last().unwrap().pca;
    let range = |axis: usize| {
        let values = places.iter().map(|place| place[axis]);
        (
            values.clone().fold(f64::INFINITY, f64::min),
            values.fold(f64::NEG_INFINITY, f64::max),
        )
    };
    let (across, up) = (range(0), range(1));
    let extent = (across.1 - across.0).max(up.1 - up.0);
    let share = |axis: usize, (low, high): (f64, f64)| {
        0.94 * ((places[point][axis] - f64::midpoint(low, high)) / extent) as f32
    };
    let label = format!("map of {} tokens, z", places.len());
    let rect = window.get_by_label(&label).rect();
    rect.center() + vec2(share(0, across), -share(1, up)) * rect.width()
}

#[test]
fn a_token_on_the_map_shows_its_picture_and_a_click_opens_it() {
    let data = tempfile::tempdir().unwrap();
    let mut window = section(builder(), data.path(), "Map", 6);
    assert_eq!(notices(&window).len(), 1, "{:?}", notices(&window));
    window.get_by_label("map of 96 tokens, h");
    window.get_by_label("bright");
    // The point farthest to the right has no other one over it.
    let map = window.state().workspace().token_map().unwrap().clone();
    let places = &map.planes.last().unwrap().pca;
    let rightmost = (0..places.len())
        .max_by(|a, b| places[*a][0].total_cmp(&places[*b][0]))
        .unwrap();
    let at = place_of(&window, rightmost);
    window.hover_at(at);
    window.step();
    window.step();
    let point = map.points[rightmost];
    let name = map.pictures[point.picture].clone();
    window.get_by_label_contains(&format!("token {} of {name}", point.token));
    window.drag_at(at);
    window.step();
    window.drop_at(at);
    settle(&mut window);
    assert_eq!(window.state().workspace().active().unwrap().name, name);
    assert_eq!(window.state().selection().to_vec(), [point.token]);
    click(&mut window, "t-SNE");
    window.get_by_label("map of 96 tokens, z");
}

#[test]
fn a_row_of_the_probes_selects_its_token() {
    let data = tempfile::tempdir().unwrap();
    let mut window = section(builder(), data.path(), "Probe", 6);
    window.get_by_label_contains("Nothing is probed yet.");
    click(&mut window, "Probe collected tokens");
    let report = window.state().workspace().probes().unwrap().clone();
    let found = &report.found[0];
    window.get_by_label_contains("what each token alone tells");
    assert!(window.get_all_by_label(&found.row()[2]).count() > 0);
    click(
        &mut window,
        &format!("token 5: {:.3}", found.of_token(5).unwrap()),
    );
    assert_eq!(window.state().selection().to_vec(), [5]);
}

#[test]
fn a_report_is_written_where_it_is_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let mut window = section(builder(), data.path(), "Map", 5);
    click(&mut window, "Make report…");
    let out = data.path().join("report");
    let field = window.get_by_label("Path");
    field.focus();
    window.run();
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.get_by_label("Path").type_text(out.to_str().unwrap());
    window.run();
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(out.join(REPORT_FILE).is_file(), "{:?}", notices(&window));
    let open = window.get_by_label("Open folder of the report");
    assert!(!open.accesskit_node().is_disabled());
    assert!(window.query_by_label("Cancel report").is_none());
}

#[test]
fn map_and_probes_look_right() {
    let data = tempfile::tempdir().unwrap();
    let builder = builder().with_theme(Theme::Dark).with_render_cursor(false).wgpu();
    let mut window = section(builder, data.path(), "Map", 10);
    look(&mut window, "map_dark");
    click(&mut window, "Probe");
    click(&mut window, "Probe collected tokens");
    look(&mut window, "probe_dark");
}
