//! One picture through several models: the Compare view.

use super::*;
use softscope::document::{ComparedState, Import};

/// Puts small models that come with the sources among the installed ones.
fn install(data: &Path, sets: &[&str]) {
    for set in sets {
        fixtures::write_model(&fixtures::folder(set), &data.join("models").join(set));
    }
}

const SMALL: [&str; 2] = ["a3_softvq_nol2", "a10_softvq_repa"];

/// The Compare view with the model that ships and both small ones.
fn compare(data: &Path) -> Window {
    install(data, &SMALL);
    let mut window = open(data);
    press(&mut window, Modifiers::COMMAND, Key::F4);
    assert_eq!(window.state().tab(), Tab::Compare);
    for set in SMALL {
        click(&mut window, &format!("Compare {set}"));
    }
    window
}

fn states(window: &Window) -> Vec<(String, ComparedState)> {
    let models = window.state().workspace().compared_models().iter();
    models
        .map(|model| (model.files.name.clone(), model.state.clone()))
        .collect()
}

fn is_done(state: &ComparedState) -> bool {
    matches!(state, ComparedState::Done(_))
}

/// The names of the models from the top of the table to its end.
fn rows(window: &Window) -> Vec<String> {
    let top = window.get_by_label_contains("Sort by Model").rect().bottom();
    let mut rows: Vec<(f32, String)> = states(window)
        .into_iter()
        .map(|(name, _)| {
            let in_table = window
                .get_all_by_label(&name)
                .map(|node| node.rect().top())
                .find(|y| *y >= top);
            (in_table.unwrap(), name)
        })
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn models_of_different_sizes_stand_side_by_side() {
    let data = tempfile::tempdir().unwrap();
    let window = compare(data.path());
    let states = states(&window);
    let names: Vec<&str> = states.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["softscope-32", SMALL[0], SMALL[1]],
        "the loaded one first"
    );
    assert!(states.iter().all(|(_, state)| is_done(state)), "{states:?}");
    let cells: Vec<egui::Rect> = ["original", "softscope-32", SMALL[0], SMALL[1]]
        .iter()
        .map(|name| window.get_by_label(&format!("{name} picture")).rect())
        .collect();
    for (index, cell) in cells.iter().enumerate() {
        assert_eq!(cell.size(), cells[0].size());
        assert!(cells[..index].iter().all(|other| !other.intersects(*cell)));
    }
    window.get_by_label_contains("32 × 64 tokens  128 px");
    let small = window.get_all_by_label_contains("8 × 8 tokens  32 px");
    assert_eq!(small.count(), 2);
    assert_eq!(notices(&window), Vec::<String>::new());
    assert_eq!(
        window.state().workspace().model().unwrap().name,
        "softscope-32",
        "the model in use stays"
    );
}

#[test]
fn a_click_on_a_head_sorts_and_the_next_turns_it_round() {
    let data = tempfile::tempdir().unwrap();
    let mut window = compare(data.path());
    let mut by_psnr: Vec<(f64, String)> = states(&window)
        .into_iter()
        .map(|(name, state)| match state {
            ComparedState::Done(done) => (done.encoded.metrics.unwrap().psnr_db, name),
            other => panic!("{name}: {other:?}"),
        })
        .collect();
    by_psnr.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best_first: Vec<String> = by_psnr.iter().map(|(_, name)| name.clone()).collect();

    click(&mut window, "Sort by PSNR dB");
    assert_eq!(rows(&window), best_first);
    window.get_by_label(&format!("PSNR dB {:.2}, best", by_psnr[0].0));

    click(&mut window, "Sort by PSNR dB, falling");
    let worst_first: Vec<String> = best_first.into_iter().rev().collect();
    assert_eq!(rows(&window), worst_first);
    window.get_by_label("Sort by PSNR dB, rising");

    click(&mut window, "Sort by Model");
    assert_eq!(rows(&window), [SMALL[1], SMALL[0], "softscope-32"]);
}

#[test]
fn a_model_that_fails_is_told_and_the_others_go_on() {
    let data = tempfile::tempdir().unwrap();
    install(data.path(), &[SMALL[0]]);
    let broken = data.path().join("models/broken");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::copy(
        data.path().join("models").join(SMALL[0]).join("config.json"),
        broken.join("config.json"),
    )
    .unwrap();
    std::fs::write(broken.join("model.safetensors"), b"no weights at all").unwrap();

    let mut window = open(data.path());
    click(&mut window, "Compare");
    click(&mut window, "Compare broken");
    click(&mut window, &format!("Compare {}", SMALL[0]));
    let outcome = states(&window);
    let [(_, first), (name, second), (_, third)] = &outcome[..] else {
        panic!("{outcome:?}")
    };
    assert!(is_done(first) && is_done(third));
    assert!(matches!(second, ComparedState::Failed(_)) && name == "broken");
    let shown = notices(&window);
    assert!(
        matches!(&shown[..], [text] if text.contains("broken is left out") && text.contains("model.safetensors")),
        "{shown:?}"
    );

    std::fs::copy(
        data.path()
            .join("models")
            .join(SMALL[0])
            .join("model.safetensors"),
        broken.join("model.safetensors"),
    )
    .unwrap();
    click(&mut window, "Try again");
    assert!(states(&window).iter().all(|(_, state)| is_done(state)));
}

#[test]
fn models_that_leave_memory_are_told() {
    let data = tempfile::tempdir().unwrap();
    install(data.path(), &SMALL);
    let mut window = open(data.path());
    window.state().workspace().set_memory_limit(1);
    click(&mut window, "Compare");
    for set in SMALL {
        click(&mut window, &format!("Compare {set}"));
    }
    assert!(states(&window).iter().all(|(_, state)| is_done(state)));
    let shown = notices(&window);
    for set in SMALL {
        let is_told = shown.iter().any(|text| {
            text.starts_with(set) && text.contains("left memory") && text.contains("least recently")
        });
        assert!(is_told, "{set} in {shown:?}");
    }
    assert!(
        !shown.iter().any(|text| text.starts_with("softscope-32")),
        "the model in use never leaves"
    );
}

#[test]
fn the_comparison_follows_the_active_picture_and_is_exported() {
    let data = tempfile::tempdir().unwrap();
    let mut window = compare(data.path());
    click(&mut window, "Cat");
    let workspace = window.state().workspace();
    assert_eq!(
        workspace.compared_picture(),
        workspace.active().map(|subject| subject.id)
    );
    assert!(states(&window).iter().all(|(_, state)| is_done(state)));

    let (table, sheet) = (data.path().join("models.csv"), data.path().join("models.png"));
    for (button, file) in [("Export model table…", &table), ("Export model sheet…", &sheet)] {
        click(&mut window, button);
        type_path(&mut window, file);
        click(&mut window, "Save");
    }
    let csv = std::fs::read_to_string(&table).unwrap();
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(
        csv.lines()
            .skip(1)
            .all(|line| line.starts_with("picture,cat.jpg,")),
        "{csv}"
    );
    let sheet = softscope::picture::open(&sheet).unwrap();
    assert!(sheet.width() > 4 * 300);
}

#[test]
fn at_most_four_are_chosen_and_any_can_be_taken_out() {
    let data = tempfile::tempdir().unwrap();
    install(data.path(), &SMALL);
    for copy in ["m4", "m5"] {
        let (from, to) = (
            data.path().join("models").join(SMALL[0]),
            data.path().join("models").join(copy),
        );
        std::fs::create_dir_all(&to).unwrap();
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
    let mut window = open(data.path());
    click(&mut window, "Compare");
    for name in [SMALL[0], SMALL[1], "m4"] {
        click(&mut window, &format!("Compare {name}"));
    }
    assert!(window.get_by_label("Compare m5").accesskit_node().is_disabled());
    click(&mut window, "Compare softscope-32");
    click(&mut window, "Compare m5");
    let names: Vec<String> = states(&window).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [SMALL[0], SMALL[1], "m4", "m5"]);
    assert!(states(&window).iter().all(|(_, state)| is_done(state)));
}

#[test]
fn a_model_is_compared_by_its_path() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    install(elsewhere.path(), &[SMALL[0]]);
    let mut window = open(data.path());
    click(&mut window, "Compare");
    let field = "Path of a model to compare";
    let folder = elsewhere.path().join("models").join(SMALL[0]);
    for path in [folder.as_path(), Path::new("/nowhere/at/all")] {
        window.get_by_label(field).focus();
        window.step();
        window.get_by_label(field).type_text(&path.display().to_string());
        settle(&mut window);
        press(&mut window, Modifiers::NONE, Key::Enter);
    }
    let names: Vec<String> = states(&window).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["softscope-32", SMALL[0]]);
    let shown = notices(&window);
    assert!(
        matches!(&shown[..], [text] if text.contains("/nowhere/at/all")),
        "{shown:?}"
    );
}

#[test]
fn a_comparison_that_is_given_up_begins_anew() {
    let data = tempfile::tempdir().unwrap();
    install(data.path(), &SMALL);
    let mut workspace = Workspace::new(
        Engine::start(RunOptions::default(), || ()),
        places(data.path()),
        || (),
    );
    let files = workspace.places().tokenizers();
    workspace.open_model(workspace.places().default_model().unwrap());
    workspace.import(Import::Path(Path::new(ROOT).join("assets/samples/cat.jpg")));
    workspace.settle();
    workspace.set_compared_models(files.clone());
    assert_eq!(
        workspace.comparison_progress(),
        None,
        "it rests until it is on show"
    );
    workspace.set_comparing(true);
    assert_eq!(workspace.comparison_progress(), Some((0, files.len())));
    workspace.cancel_comparison();
    let is_cancelled = |state: &ComparedState| matches!(state, ComparedState::Cancelled);
    let all = |workspace: &Workspace, wanted: &dyn Fn(&ComparedState) -> bool| {
        workspace
            .compared_models()
            .iter()
            .all(|model| wanted(&model.state))
    };
    assert!(all(&workspace, &is_cancelled));
    workspace.settle();
    assert!(
        all(&workspace, &is_cancelled),
        "what ended in spite of it does not count"
    );
    workspace.compare_again();
    workspace.settle();
    assert!(all(&workspace, &is_done));
    // Going back to one that was read is no load.
    workspace.open_model(files[0].clone());
    workspace.settle();
    let loaded = workspace.model().unwrap();
    let ComparedState::Done(done) = &workspace.compared_models()[0].state else {
        panic!("it was done")
    };
    assert!(std::sync::Arc::ptr_eq(loaded, &done.model));
}

/// Four models of as many classes and two sizes, every figure there.
#[test]
fn it_looks_right_with_four_models() {
    let data = tempfile::tempdir().unwrap();
    for (set, name) in [
        ("a4_kl16_vit", "untrained-kl"),
        ("a5_vq16_vit", "untrained-vq"),
        ("a6c_ae_movq_ape", "untrained-ae"),
    ] {
        fixtures::write_model(&fixtures::folder(set), &data.path().join("models").join(name));
    }
    let builder = builder().with_theme(Theme::Dark).with_render_cursor(false).wgpu();
    let mut window = build(builder, data.path(), settings(ThemeChoice::Dark), Vec::new());
    // The machine's own would be another picture everywhere.
    window.state().workspace().set_memory_limit(4096 << 20);
    click(&mut window, "Cat");
    click(&mut window, "Compare");
    for name in ["untrained-kl", "untrained-vq", "untrained-ae"] {
        click(&mut window, &format!("Compare {name}"));
    }
    assert!(states(&window).iter().all(|(_, state)| is_done(state)));
    window.remove_cursor();
    settle(&mut window);
    pictures::keep(&mut window, "compare");

    // Times and threads are another matter on every machine.
    window.mask(egui::Rect::from_min_max(pos2(0.0, 772.0), pos2(1280.0, 800.0)));
    let (times, rest) = (
        window.get_by_label("Sort by encode ms").rect(),
        window.get_by_label("Sort by PSNR dB").rect(),
    );
    let bottom = window.get_by_label_contains("Click a head to sort").rect().top();
    window.mask(egui::Rect::from_min_max(
        times.left_bottom(),
        pos2(rest.left(), bottom),
    ));
    let captions: Vec<egui::Rect> = window
        .get_all_by_label_contains(" tokens  ")
        .map(|node| node.rect())
        .collect();
    assert_eq!(captions.len(), 4);
    for caption in captions {
        // A longer time is a wider caption.
        window.mask(caption.with_max_x(caption.left() + 200.0));
    }
    window.snapshot_options(
        "compare_dark",
        &SnapshotOptions::new().threshold(1.5).max_failed_pixels(120),
    );
}
