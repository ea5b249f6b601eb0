//! The whole window under a person's hands: real engine, the model and samples that ship, widgets found by their
//! accessible names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

use egui::accesskit::Role;
use egui::{Key, Modifiers, Pos2, Theme, pos2, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, HarnessBuilder, Node, SnapshotOptions};
use softscope::document::{Places, Workspace};
use softscope::engine::{Engine, RunOptions};
use softscope::latent::Edit;
use softscope::ui::{Settings, SoftscopeApp, Tab, ThemeChoice};
use std::path::{Path, PathBuf};

#[path = "window/analysing.rs"]
mod analysing;
#[path = "window/brushing.rs"]
mod brushing;
#[path = "window/collected.rs"]
mod collected;
#[path = "window/comparing.rs"]
mod comparing;
#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/kinds.rs"]
mod kinds;
#[path = "window/narrow.rs"]
mod narrow;
#[path = "support/pictures.rs"]
mod pictures;
#[path = "window/previewing.rs"]
mod previewing;
#[path = "window/surveyed.rs"]
mod surveyed;
#[path = "window/training.rs"]
mod training;

type Window = Harness<'static, SoftscopeApp>;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn places(data: &Path) -> Places {
    Places {
        shipped_models: Some(Path::new(ROOT).join("models")),
        installed_models: data.join("models"),
        samples: Some(Path::new(ROOT).join("assets/samples")),
        data: data.to_owned(),
        hub: softscope::hub::Settings::offline_in(data.join("hub")),
    }
}

fn settings(theme: ThemeChoice) -> Settings {
    Settings {
        theme,
        // The path is asked for in the window, where a test can type it.
        use_system_dialogs: false,
        ..Settings::default()
    }
}

fn builder() -> HarnessBuilder<SoftscopeApp> {
    Harness::builder()
        .with_size(vec2(1280.0, 800.0))
        .with_max_steps(16)
}

/// A window as it starts, with `files`, once everything has been taken in.
fn build(
    builder: HarnessBuilder<SoftscopeApp>,
    data: &Path,
    settings: Settings,
    files: Vec<PathBuf>,
) -> Window {
    build_in(builder, places(data), settings, files)
}

fn build_in(
    builder: HarnessBuilder<SoftscopeApp>,
    places: Places,
    settings: Settings,
    files: Vec<PathBuf>,
) -> Window {
    let mut window = builder.build_eframe(move |creation| {
        let options = RunOptions {
            threads: Some(1),
            ..RunOptions::default()
        };
        let workspace = Workspace::new(Engine::start(options, || ()), places, || ());
        let render_state = creation.wgpu_render_state.as_ref();
        let mut app = SoftscopeApp::new(&creation.egui_ctx, render_state, workspace, settings);
        app.open_at_start(None, files);
        app
    });
    settle(&mut window);
    window
}

/// A window on the first sample.
fn open(data: &Path) -> Window {
    build(builder(), data, settings(ThemeChoice::Dark), Vec::new())
}

/// Draws until nothing moves any more and nothing is outstanding.
fn settle(window: &mut Window) {
    window.run();
    window.state_mut().settle();
    window.run();
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    settle(window);
}

fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    settle(window);
}

/// From one point to another in a few steps with the button held.
fn drag(window: &mut Window, from: Pos2, to: Pos2) {
    window.hover_at(from);
    window.step();
    window.drag_at(from);
    window.step();
    for step in 1..=4 {
        window.hover_at(from.lerp(to, step as f32 / 4.0));
        window.step();
    }
    window.drop_at(to);
    settle(window);
}

fn bars(window: &Window) -> Vec<Node<'_>> {
    let is_bar = |label: String| label.starts_with("weight of codeword");
    window
        .get_all_by_role(Role::Slider)
        .filter(|node| node.accesskit_node().label().is_some_and(is_bar))
        .collect()
}

fn edited_bytes(window: &Window) -> Vec<u8> {
    let subject = window.state().workspace().active().unwrap();
    subject.edited.as_ref().unwrap().picture.as_bytes().to_vec()
}

fn edits(window: &Window) -> Vec<Edit> {
    window
        .state()
        .workspace()
        .active()
        .unwrap()
        .history
        .applied()
        .to_vec()
}

fn notices(window: &Window) -> Vec<String> {
    window.state().notices().map(str::to_owned).collect()
}

fn picture_count(window: &Window) -> usize {
    window.state().workspace().subjects().len()
}

/// Selects token 5 and drags its strongest weight to nothing.
fn silence_token_5(window: &mut Window) {
    click(window, "token 5");
    let bar = bars(window)[0].rect();
    let start = pos2(bar.left() + 0.3 * bar.width(), bar.center().y);
    drag(window, start, pos2(bar.left() - 8.0, bar.center().y));
}

#[test]
fn it_opens_on_a_sample_ready_to_edit() {
    let data = tempfile::tempdir().unwrap();
    let window = open(data.path());
    let workspace = window.state().workspace();
    assert_eq!(workspace.model().unwrap().name, "softscope-32");
    assert_eq!(picture_count(&window), 1);
    assert!(workspace.active().unwrap().encoded.is_some());
    assert_eq!(notices(&window), Vec::<String>::new());
    for label in [
        "original picture",
        "reconstruction picture",
        "edited picture",
        "token 31",
        "exact",
    ] {
        window.get_by_label(label);
    }
}

#[test]
fn a_weight_dragged_to_zero_changes_the_picture_and_undo_brings_the_same_bytes_back() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    click(&mut window, "Cat");
    assert_eq!(picture_count(&window), 2);
    let before = edited_bytes(&window);

    silence_token_5(&mut window);

    assert_eq!(window.state().selection().primary(), Some(5));
    let steps = edits(&window);
    let [
        Edit::SetWeights {
            token: 5, weights, ..
        },
    ] = &steps[..]
    else {
        panic!("one drag is one step: {steps:?}")
    };
    assert_eq!(weights[0].2, 0.0);
    assert_ne!(edited_bytes(&window), before);

    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(edits(&window), []);
    assert_eq!(edited_bytes(&window), before);

    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(edits(&window), steps);
    assert_ne!(edited_bytes(&window), before);
}

#[test]
fn an_exported_picture_reopens_with_its_edits() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("edited.png");
    let mut window = open(data.path());
    silence_token_5(&mut window);

    press(&mut window, Modifiers::COMMAND, Key::E);
    type_path(&mut window, &file);
    click(&mut window, "Save");
    assert!(file.is_file(), "{:?}", notices(&window));

    let other = tempfile::tempdir().unwrap();
    let reopened = build(builder(), other.path(), settings(ThemeChoice::Dark), vec![file]);
    assert_eq!(edits(&reopened), edits(&window));
    assert_eq!(edited_bytes(&reopened), edited_bytes(&window));
}

fn type_path(window: &mut Window, path: &Path) {
    press(window, Modifiers::COMMAND, Key::A);
    window.get_by_label("Path").type_text(&path.display().to_string());
    settle(window);
}

#[test]
fn a_session_saves_and_opens() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("all.softscope");
    let mut window = open(data.path());
    click(&mut window, "Cat");
    silence_token_5(&mut window);
    press(&mut window, Modifiers::COMMAND, Key::S);
    type_path(&mut window, &file);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(file.is_file(), "{:?}", notices(&window));

    let other = tempfile::tempdir().unwrap();
    let reopened = build(builder(), other.path(), settings(ThemeChoice::Dark), vec![file]);
    assert_eq!(picture_count(&reopened), 2);
    assert_eq!(edits(&reopened), edits(&window));
    assert_eq!(edited_bytes(&reopened), edited_bytes(&window));
}

#[test]
fn the_divider_of_a_wipe_follows_the_hand() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    press(&mut window, Modifiers::NONE, Key::Num2);
    let divider = window.get_by_role_and_label(Role::Slider, "wipe");
    let (before, place) = (
        divider.accesskit_node().numeric_value().unwrap(),
        divider.rect().center(),
    );
    drag(&mut window, place, place + vec2(60.0, 0.0));
    let after = window
        .get_by_role_and_label(Role::Slider, "wipe")
        .accesskit_node()
        .numeric_value()
        .unwrap();
    assert!(after > before, "{before} -> {after}");
    press(&mut window, Modifiers::NONE, Key::Num1);
    window.get_by_label("original picture");
}

#[test]
fn the_palette_finds_and_carries_out_a_command() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    press(&mut window, Modifiers::COMMAND, Key::K);
    window.get_by_label("Find a command").type_text("sel al");
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().selection().tokens().len(), 32);
    assert!(window.query_by_label("Find a command").is_none(), "it closes");

    press(&mut window, Modifiers::COMMAND, Key::K);
    window.get_by_label("Find a command").type_text("parrot");
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(picture_count(&window), 2);

    click(&mut window, "Bay");
    assert_eq!(
        picture_count(&window),
        2,
        "a sample that is open is shown, not added again"
    );
    assert_eq!(window.state().workspace().active().unwrap().name, "bay.jpg");
}

#[test]
fn keys_walk_the_tokens_but_not_while_a_text_field_has_them() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::SHIFT, Key::ArrowRight);
    let selected: Vec<usize> = window.state().selection().tokens().iter().copied().collect();
    assert_eq!(selected, [1, 2]);

    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(window.get_by_label("Path to add").is_focused());
    window.get_by_label("Path to add").type_text("2");
    press(&mut window, Modifiers::NONE, Key::Delete);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(picture_count(&window), 1, "Delete edits the text");
    assert_eq!(window.state().selection().tokens().len(), 2);
    window.get_by_label("original picture");

    window.get_by_label("original picture").click();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.state().selection().tokens().is_empty());
}

#[test]
fn escape_closes_the_question_for_a_path_and_keeps_the_selection() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    click(&mut window, "token 5");
    press(&mut window, Modifiers::COMMAND, Key::O);
    // A click beside the window takes the focus from its field.
    click(&mut window, "original picture");
    assert!(!window.get_by_label("Path").is_focused());
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_label("Path").is_none());
    assert_eq!(window.state().selection().to_vec(), [5]);
}

#[test]
fn the_side_panels_make_room_and_come_back() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    let width = |window: &Window| window.get_by_label("original picture").rect().width();
    let before = width(&window);
    press(&mut window, Modifiers::COMMAND, Key::B);
    press(&mut window, Modifiers::COMMAND, Key::I);
    assert!(window.query_by_label("Path to add").is_none());
    assert!(window.query_by_label("No token selected").is_none());
    assert!(width(&window) > before);
    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(
        window.get_by_label("Path to add").is_focused(),
        "asking for the path field brings the library back"
    );
}

#[test]
fn a_narrow_window_shows_one_side_panel_at_a_time() {
    let data = tempfile::tempdir().unwrap();
    let narrow = builder().with_size(vec2(640.0, 400.0));
    let mut window = build(narrow, data.path(), settings(ThemeChoice::Dark), Vec::new());
    window.get_by_label("Path to add");
    assert!(window.get_by_label("original picture").rect().width() >= 100.0);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert!(window.query_by_label("Path to add").is_none());
    assert!(!bars(&window).is_empty(), "the inspector of the token");
    assert!(window.get_by_label("original picture").rect().height() >= 64.0);
    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(window.get_by_label("Path to add").is_focused());
}

#[test]
fn text_grows_as_far_as_the_window_has_room() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    press(&mut window, Modifiers::COMMAND, Key::Plus);
    assert_eq!(window.ctx.zoom_factor(), 1.1);
    for _ in 0..20 {
        press(&mut window, Modifiers::COMMAND, Key::Plus);
    }
    assert_eq!(window.ctx.zoom_factor(), 2.0, "640 points are left of 1280");
    press(&mut window, Modifiers::COMMAND, Key::Minus);
    assert_eq!(window.ctx.zoom_factor(), 1.9);
    press(&mut window, Modifiers::COMMAND, Key::Num0);
    assert_eq!(window.ctx.zoom_factor(), 1.0);
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

fn drop_file(window: &mut Window, path: PathBuf) {
    window
        .input_mut()
        .dropped_files
        .push(std::sync::Arc::new(Dropped(path)));
    settle(window);
}

#[test]
fn dropped_files_are_added_and_a_broken_one_says_so_and_harms_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    drop_file(&mut window, Path::new(ROOT).join("assets/samples/dog.jpg"));
    assert_eq!(picture_count(&window), 2);
    let before = edited_bytes(&window);

    let broken = data.path().join("broken.png");
    std::fs::write(&broken, b"\x89PNG\r\n\x1a\nnot much more").unwrap();
    drop_file(&mut window, broken);
    assert_eq!(picture_count(&window), 2);
    assert_eq!(edited_bytes(&window), before);
    let shown = notices(&window);
    assert!(
        matches!(&shown[..], [message] if message.contains("broken.png")),
        "{shown:?}"
    );
    click(&mut window, "Dismiss");
    assert_eq!(notices(&window), Vec::<String>::new());
}

#[test]
fn a_removed_picture_comes_back_with_its_edits() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    silence_token_5(&mut window);
    let (steps, bytes) = (edits(&window), edited_bytes(&window));
    press(&mut window, Modifiers::NONE, Key::Delete);
    assert_eq!(picture_count(&window), 0);
    window.get_by_label("Drop pictures here");
    click(&mut window, "Bring back removed picture");
    assert_eq!(edits(&window), steps);
    assert_eq!(edited_bytes(&window), bytes);
}

#[test]
fn without_models_and_samples_the_window_says_where_they_come_from() {
    let data = tempfile::tempdir().unwrap();
    let bare = Places {
        shipped_models: None,
        samples: None,
        ..places(data.path())
    };
    let mut window = build_in(builder(), bare, settings(ThemeChoice::Dark), Vec::new());
    let shown = notices(&window);
    assert!(
        matches!(&shown[..], [text] if text.starts_with("no model was found") && text.contains("view Models")),
        "{shown:?}"
    );
    assert_eq!(window.query_all_by_label_contains("sample").count(), 0);
    window.get_by_label_contains("or type its path above");
    click(&mut window, "Compare");
    window.get_by_label_contains("None found. Download one");
}

#[test]
fn the_models_view_shows_the_loaded_model_and_checks_files() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    click(&mut window, "Models");
    assert_eq!(window.state().tab(), Tab::Models);
    let hash = window.state().workspace().model().unwrap().hash.clone();
    window.get_by_label(&hash);
    click(&mut window, "Check softscope-32");
    window.get_by_label("It can be loaded.");

    window.get_by_label("Path of a model").focus();
    window.step();
    window
        .get_by_label("Path of a model")
        .type_text("/nowhere/at/all");
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    let shown = notices(&window);
    assert!(
        matches!(&shown[..], [message] if message.contains("/nowhere/at/all")),
        "{shown:?}"
    );
    assert_eq!(
        window.state().workspace().model().unwrap().hash,
        hash,
        "the loaded model stays"
    );
}

#[test]
fn menus_list_what_can_be_done_and_say_why_not() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    click(&mut window, "Edit");
    assert!(
        window
            .get_by_label("Reset all tokens")
            .accesskit_node()
            .is_disabled()
    );
    assert!(
        !window
            .get_by_label("Select all tokens")
            .accesskit_node()
            .is_disabled()
    );
    click(&mut window, "Select all tokens");
    assert_eq!(window.state().selection().tokens().len(), 32);
}

#[test]
fn a_picture_or_the_path_of_one_can_be_pasted() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    let image = egui::ColorImage::filled([96, 64], egui::Color32::from_rgb(200, 30, 60));
    window.event(egui::Event::PasteImage(std::sync::Arc::new(image)));
    settle(&mut window);
    let pasted = window.state().workspace().active().unwrap();
    assert_eq!((pasted.source.width(), pasted.source.height()), (96, 64));
    assert_eq!(pasted.source.pixel(5, 5), Some([200, 30, 60]));
    assert!(pasted.encoded.is_some());

    let path = Path::new(ROOT).join("assets/samples/dog.jpg");
    window.event(egui::Event::Paste(path.display().to_string()));
    settle(&mut window);
    assert_eq!(picture_count(&window), 3);

    window.event(egui::Event::Paste("no path at all".to_owned()));
    settle(&mut window);
    assert_eq!(picture_count(&window), 3);
    assert!(
        notices(&window)[0].contains("not the path of a file"),
        "{:?}",
        notices(&window)
    );
}

#[test]
fn an_interpolation_to_a_second_picture_is_exported() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    let command = "Interpolation as strip…";
    press(&mut window, Modifiers::COMMAND, Key::K);
    window.get_by_label("Find a command").type_text("as strip");
    settle(&mut window);
    assert!(
        window.get_by_label(command).accesskit_node().is_disabled(),
        "there is no second picture yet"
    );
    press(&mut window, Modifiers::NONE, Key::Escape);

    click(&mut window, "Cat");
    click(&mut window, "interpolate to");
    window.get_by_role_and_label(Role::Button, "bay.jpg").click();
    settle(&mut window);
    press(&mut window, Modifiers::COMMAND, Key::K);
    window.get_by_label("Find a command").type_text("as strip");
    settle(&mut window);
    click(&mut window, command);
    let file = data.path().join("strip.png");
    type_path(&mut window, &file);
    click(&mut window, "Save");
    let strip = softscope::picture::open(&file).unwrap();
    assert_eq!((strip.width(), strip.height()), (25 * 128, 128));
}

#[test]
fn a_run_that_was_not_saved_is_offered_and_comes_back() {
    let data = tempfile::tempdir().unwrap();
    let mut window = open(data.path());
    silence_token_5(&mut window);
    let (steps, bytes) = (edits(&window), edited_bytes(&window));
    drop(window);

    let mut window = open(data.path());
    assert_eq!(edits(&window), []);
    click(&mut window, "Restore last run");
    assert_eq!(edits(&window), steps);
    assert_eq!(edited_bytes(&window), bytes);
    assert!(
        window.query_by_label("Restore last run").is_none(),
        "it is offered once"
    );
}

/// The window with a token selected and an edit made, as a picture.
fn look(theme: ThemeChoice, name: &str) {
    let data = tempfile::tempdir().unwrap();
    let egui_theme = if theme == ThemeChoice::Light {
        Theme::Light
    } else {
        Theme::Dark
    };
    let builder = builder().with_theme(egui_theme).with_render_cursor(false).wgpu();
    let mut window = build(builder, data.path(), settings(theme), Vec::new());
    click(&mut window, "Cat");
    silence_token_5(&mut window);
    window.remove_cursor();
    settle(&mut window);
    // Times and threads are another matter on every machine.
    window.mask(egui::Rect::from_min_max(pos2(0.0, 772.0), pos2(1280.0, 800.0)));
    // Renderers differ by a shade along edges; a button that is missing changes more pixels than this.
    window.snapshot_options(
        name,
        &SnapshotOptions::new().threshold(1.5).max_failed_pixels(120),
    );
}

/// At 200 % scale on a screen of 1280x800 points nothing may be cut off or overlap either.
#[test]
fn it_looks_right_at_twice_the_density() {
    let data = tempfile::tempdir().unwrap();
    let builder = builder()
        .with_pixels_per_point(2.0)
        .with_render_cursor(false)
        .wgpu();
    let mut window = build(builder, data.path(), settings(ThemeChoice::Dark), Vec::new());
    click(&mut window, "Models");
    click(&mut window, "Check softscope-32");
    window.remove_cursor();
    settle(&mut window);
    window.mask(egui::Rect::from_min_max(pos2(0.0, 772.0), pos2(1280.0, 800.0)));
    // Device facts and folders are another matter on every machine.
    for label in ["Runs on", "Threads", "Loaded in"] {
        let rect = window.get_by_label(label).rect();
        window.mask(egui::Rect::from_min_max(
            pos2(rect.right() + 8.0, rect.top()),
            pos2(1280.0, rect.bottom()),
        ));
    }
    let folder = window.get_by_label("Folder").rect();
    window.mask(egui::Rect::from_min_max(
        pos2(folder.left(), folder.bottom()),
        pos2(920.0, folder.bottom() + 72.0),
    ));
    window.snapshot_options(
        "models_2x",
        &SnapshotOptions::new().threshold(1.5).max_failed_pixels(240),
    );
}

#[test]
fn it_looks_right_in_the_dark() {
    look(ThemeChoice::Dark, "window_dark");
}

#[test]
fn it_looks_right_in_the_light() {
    look(ThemeChoice::Light, "window_light");
}
