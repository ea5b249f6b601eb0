//! The sections Codewords and Directions of the Analysis view, on a collected folder.

use super::*;
use softscope::document::{CollectionOrder, CollectionSource};
use softscope::latent::DirectionSource;
use softscope::tokenizer::ModelFiles;

/// A section of the Analysis view, with a small model and `each` pictures of two kinds collected.
pub(super) fn section(builder: HarnessBuilder<SoftscopeApp>, data: &Path, title: &str, each: u32) -> Window {
    let mut window = build(builder, data, settings(ThemeChoice::Dark), Vec::new());
    press(&mut window, Modifiers::COMMAND, Key::F6);
    click(&mut window, title);
    let folder = data.join("a3_softvq_nol2");
    fixtures::write_model(&fixtures::folder("a3_softvq_nol2"), &folder);
    let files = ModelFiles::locate(&folder).unwrap();
    window.state_mut().workspace_mut().open_model(files);
    settle(&mut window);
    let pictures = data.join("pictures");
    kinds::write_kinds(&pictures, each);
    let order = CollectionOrder::new(CollectionSource::Folder(pictures));
    window.state_mut().workspace_mut().collect(order);
    settle(&mut window);
    // What is counted of it begins once it is on show.
    settle(&mut window);
    window
}

#[test]
fn a_codeword_shows_its_users_and_what_it_does_here() {
    let data = tempfile::tempdir().unwrap();
    let mut window = section(builder(), data.path(), "Codewords", 4);
    let atlas = window.state_mut().workspace_mut().codeword_atlas().unwrap();
    let most = atlas.codewords[0].clone();
    let name = format!("{}:{}", most.segment, most.codeword);
    window.get_by_label(&format!("Codeword {name}"));
    let count = atlas.codewords.len();
    window.get_by_label(&format!("rank 1 of {count}"));
    let user = most.users[0];
    let collection = window.state().workspace().collection().unwrap().clone();
    let picture = collection.pictures[user.picture].name.clone();
    click(
        &mut window,
        &format!("{picture}, token {}: {:.3}", user.token, user.weight),
    );
    assert_eq!(window.state().workspace().active().unwrap().name, picture);
    assert_eq!(window.state().selection().to_vec(), [user.token]);

    // Pointing asks, a click decides, undo takes it back.
    let before = edited_bytes(&window);
    let label = "codeword alone in the selected token";
    let button = window.get_by_label(label).rect().center();
    window.hover_at(button);
    settle(&mut window);
    let asked = window.state().workspace().hovered().unwrap();
    assert_eq!(
        asked.state.mixture(user.token).unwrap().weights[most.codeword],
        1.0
    );
    assert_eq!(edits(&window), []);
    click(&mut window, label);
    assert!(matches!(&edits(&window)[..], [Edit::SetWeights { token, .. }] if *token == user.token));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(edited_bytes(&window), before);
    click(&mut window, "codeword alone in all tokens");
    let space = window.state().workspace().model().unwrap().space.clone();
    let values = space
        .codebook()
        .unwrap()
        .codeword(most.segment, most.codeword)
        .unwrap()
        .to_vec();
    let subject = window.state().workspace().active().unwrap();
    assert_eq!(subject.edited.as_ref().unwrap().state.z.row(user.token), values);
    press(&mut window, Modifiers::COMMAND, Key::Z);

    let partner = atlas.partners(most.segment, most.codeword)[0];
    let other = if partner.a == most.codeword {
        partner.b
    } else {
        partner.a
    };
    let other = format!("{}:{other}", most.segment);
    click(&mut window, &format!("goes with codeword {other}"));
    window.get_by_label(&format!("Codeword {other}"));
}

#[test]
fn a_codeword_is_looked_up_from_the_inspector() {
    let data = tempfile::tempdir().unwrap();
    let mut window = section(builder(), data.path(), "Codewords", 2);
    press(&mut window, Modifiers::COMMAND, Key::F1);
    click(&mut window, "token 3");
    let (segment, codeword) = {
        let subject = window.state().workspace().active().unwrap();
        let state = &subject.encoded.as_ref().unwrap().state;
        let mixture = state.mixture(3).unwrap();
        let top = softscope::analysis::top_codewords(mixture, 1)[0].0;
        (mixture.segment, top)
    };
    click(&mut window, &format!("{segment}:{codeword}"));
    assert_eq!(window.state().tab(), Tab::Analysis);
    window.get_by_label(&format!("Codeword {segment}:{codeword}"));
}

/// The position of a slider along its axis.
fn turned(window: &Window, label: &str) -> f64 {
    let slider = window.get_by_role_and_label(Role::Slider, label);
    slider.accesskit_node().numeric_value().unwrap()
}

#[test]
fn a_direction_is_found_judged_saved_and_turned() {
    let data = tempfile::tempdir().unwrap();
    let mut window = section(builder(), data.path(), "Directions", 6);
    window.get_by_label_contains("No direction is saved yet.");
    window.get_by_label_contains("6 with, 6 without the property.");
    click(&mut window, "Find directions");
    settle(&mut window);
    window.get_by_label_contains("separates area 1.00");
    window.get_by_label("name of the direction").focus();
    window.step();
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.get_by_label("name of the direction").type_text("light");
    settle(&mut window);
    click(&mut window, "Save direction");
    settle(&mut window);
    assert!(data.path().join("directions/light.json").is_file());
    let stated = window.get_all_by_label_contains("separates area 1.00, 100 % right");
    assert_eq!(stated.count(), 2, "of what was found, and beside the slider");

    let before = edited_bytes(&window);
    let label = "move along light";
    let slider = window.get_by_role_and_label(Role::Slider, label).rect();
    drag(&mut window, slider.center(), slider.center() + vec2(40.0, 0.0));
    let steps = edits(&window);
    let [
        Edit::Direction {
            source: DirectionSource::Vector(_),
            amount,
        },
    ] = &steps[..]
    else {
        panic!("one drag is one step: {steps:?}")
    };
    assert!(*amount > 0.0);
    assert_ne!(edited_bytes(&window), before);
    let at = turned(&window, label);
    assert!(at > 0.5, "the slider stays where the picture is: {at}");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(edited_bytes(&window), before);
    assert!(turned(&window, label).abs() < 1e-6);

    // Another picture is moved along it as well.
    click(&mut window, "Cat");
    let slider = window.get_by_role_and_label(Role::Slider, label).rect();
    drag(&mut window, slider.center(), slider.center() - vec2(40.0, 0.0));
    assert!(matches!(&edits(&window)[..], [Edit::Direction { amount, .. }] if *amount < 0.0));

    click(&mut window, "Rename light");
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.get_by_label("new name of light").type_text("brightness");
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(data.path().join("directions/brightness.json").is_file());
    click(&mut window, "Delete brightness");
    assert!(
        data.path().join("directions/brightness.json").is_file(),
        "once more"
    );
    click(&mut window, "Delete brightness for good");
    assert!(!data.path().join("directions/brightness.json").exists());
    window.get_by_label_contains("No direction is saved yet.");
}

#[test]
fn groups_can_be_ticked_by_hand() {
    let data = tempfile::tempdir().unwrap();
    let mut window = section(builder(), data.path(), "Directions", 3);
    click(&mut window, "bright-00.png with");
    window.get_by_label_contains("2 with, 4 without the property.");
    click(&mut window, "bright-00.png without");
    window.get_by_label_contains("2 with, 3 without the property.");
    click(&mut window, "bright-00.png");
    window.get_by_label_contains("3 with, 3 without the property.");
}

#[test]
fn it_looks_right_on_a_collection() {
    let data = tempfile::tempdir().unwrap();
    let builder = builder().with_theme(Theme::Dark).with_render_cursor(false).wgpu();
    let mut window = section(builder, data.path(), "Codewords", 6);
    click(&mut window, "token 2");
    look(&mut window, "codewords_dark");
    click(&mut window, "Directions");
    click(&mut window, "Find directions");
    settle(&mut window);
    click(&mut window, "Save direction");
    settle(&mut window);
    look(&mut window, "directions_dark");
}

pub(super) fn look(window: &mut Window, name: &str) {
    window.remove_cursor();
    settle(window);
    // They name folders of the machine, and go by themselves.
    while !notices(window).is_empty() {
        window.step();
    }
    pictures::keep(window, name);
    // Times and threads are another matter on every machine.
    window.mask(egui::Rect::from_min_max(pos2(0.0, 772.0), pos2(1280.0, 800.0)));
    window.snapshot_options(
        name,
        &SnapshotOptions::new().threshold(1.5).max_failed_pixels(120),
    );
}
