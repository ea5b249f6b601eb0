//! Pixels to tokens and Paint: a brush over the picture of the Analysis view.

use super::*;
use softscope::tokenizer::ModelFiles;

/// The Analysis view on a sample with a small model of 8 tokens, at one of its parts.
fn part(data: &Path, set: &str, name: &str) -> Window {
    let mut window = open(data);
    let folder = data.join(set);
    fixtures::write_model(&fixtures::folder(set), &folder);
    let files = ModelFiles::locate(&folder).unwrap();
    window.state_mut().workspace_mut().open_model(files);
    press(&mut window, Modifiers::COMMAND, Key::F6);
    click(&mut window, name);
    window
}

/// Draws a stroke over the middle of the picture.
fn stroke(window: &mut Window) {
    let picture = window.get_by_label("edited picture").rect();
    let reach = vec2(0.15 * picture.width(), 0.0);
    drag(window, picture.center() - reach, picture.center() + reach);
}

/// The part of the picture that is drawn over, as the window says it.
fn drawn(window: &Window) -> Option<String> {
    let node = window.query_by_label_contains(" % of the picture")?;
    node.accesskit_node().value()
}

/// The tokens of a list of bars in the order in which they stand.
fn listed(window: &Window, measure: &str) -> Vec<usize> {
    let mut bars: Vec<(f32, usize)> = window
        .query_all_by_label_contains(&format!(" by {measure}: "))
        .map(|node| {
            let label = node.accesskit_node().label().unwrap();
            let token = label["token ".len()..].split(' ').next().unwrap();
            (node.rect().top(), token.parse().unwrap())
        })
        .collect();
    bars.sort_by(|a, b| a.0.total_cmp(&b.0));
    bars.into_iter().map(|(_, token)| token).collect()
}

#[test]
fn a_stroke_over_the_picture_ranks_the_tokens_and_a_bar_selects_its_token() {
    let data = tempfile::tempdir().unwrap();
    let mut window = part(data.path(), "a3_softvq_nol2", "Pixels to tokens");
    window.get_by_label_contains("Nothing is drawn yet.");
    assert_eq!(drawn(&window), None);
    stroke(&mut window);
    assert!(drawn(&window).is_some());
    let ranking = window.state().workspace().brush_ranking();
    let order = |ranking: &[(usize, f64)]| ranking.iter().map(|(token, _)| *token).collect::<Vec<_>>();
    assert_eq!(listed(&window, "gradient"), order(&ranking.by_gradient));
    assert_eq!(listed(&window, "gradient").len(), 8);
    assert!(listed(&window, "ablation").is_empty());
    click(&mut window, "Rank tokens under the brush");
    let ranking = window.state().workspace().brush_ranking();
    assert_eq!(listed(&window, "ablation"), order(&ranking.by_ablation));
    window.get_by_label_contains("agreement rank");

    let bar = window.get_by_label_contains("token 3 by ablation").rect();
    window.hover_at(bar.center());
    window.step();
    assert_eq!(window.state().selection().hovered, Some(3));
    window.step();
    window.get_by_label("influence of 3");
    window.get_by_label_contains("token 3 by ablation").click();
    window.remove_cursor();
    settle(&mut window);
    assert_eq!(window.state().selection().to_vec(), [3]);
    assert_eq!(notices(&window), Vec::<String>::new());
}

#[test]
fn the_mask_is_one_for_both_parts_and_can_be_changed_without_a_pointer() {
    let data = tempfile::tempdir().unwrap();
    let mut window = part(data.path(), "a3_softvq_nol2", "Paint");
    stroke(&mut window);
    let first = drawn(&window);
    click(&mut window, "Pixels to tokens");
    assert_eq!(drawn(&window), first);
    click(&mut window, "Structure");
    assert_eq!(drawn(&window), None, "no brush there");
    click(&mut window, "Paint");
    assert_eq!(drawn(&window), first);
    click(&mut window, "Clear brush mask");
    assert_eq!(drawn(&window), None);
    click(&mut window, "Take back stroke");
    assert_eq!(drawn(&window), first);
    click(&mut window, "Clear brush mask");
    click(&mut window, "Invert brush mask");
    assert_eq!(drawn(&window).as_deref(), Some("100.0 % of the picture"));
    click(&mut window, "Clear brush mask");
    window.get_by_label("edited picture").focus();
    window.step();
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::Space);
    let small = drawn(&window);
    assert!(small.is_some(), "the keys draw");
    for _ in 0..3 {
        press(&mut window, Modifiers::NONE, Key::CloseBracket);
    }
    press(&mut window, Modifiers::NONE, Key::Space);
    assert_ne!(drawn(&window), small, "with a larger brush");
}

#[test]
fn a_painting_ends_in_one_step_of_the_history() {
    let data = tempfile::tempdir().unwrap();
    let mut window = part(data.path(), "a3_softvq_nol2", "Paint");
    assert!(
        window.query_by_label("mixtures").is_none(),
        "nothing to choose before something is drawn"
    );
    stroke(&mut window);
    let before = edited_bytes(&window);
    click(&mut window, "project");
    click(&mut window, "Paint region");
    assert_eq!(notices(&window), Vec::<String>::new());
    assert!(matches!(&edits(&window)[..], [Edit::Copy { .. }]));
    assert_ne!(edited_bytes(&window), before);
    window.get_by_label_contains("best: step");
    window.get_by_label_contains("region ");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!((edits(&window), edited_bytes(&window)), (Vec::new(), before));
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(edits(&window).len(), 1);
}

#[test]
fn a_painting_is_stopped_with_its_best_or_thrown_away() {
    let data = tempfile::tempdir().unwrap();
    let mut window = part(data.path(), "a4_kl16_vit", "Paint");
    stroke(&mut window);
    assert!(
        window.query_by_label("project").is_none(),
        "these tokens are no mixtures"
    );
    let start = |window: &mut Window| {
        window.get_by_label("Paint region").click();
        window.step();
        let has_best = |window: &Window| {
            let step = window.state().workspace().painting();
            step.is_some_and(|step| step.best.is_some())
        };
        while !has_best(window) {
            window.step();
        }
    };
    click(&mut window, "More");
    let steps = window.get_by_label("steps of the search");
    steps.click();
    window.step();
    window.get_by_label("steps of the search").type_text("1000");
    press(&mut window, Modifiers::NONE, Key::Enter);

    start(&mut window);
    assert!(window.get_all_by_label("painting").count() > 0);
    let again = window.get_by_label("Paint region");
    assert!(again.accesskit_node().is_disabled(), "one at a time");
    window.key_press(Key::Escape);
    settle(&mut window);
    assert!(!window.state().workspace().is_painting());
    assert_eq!(edits(&window), [], "Esc keeps nothing");

    start(&mut window);
    window.get_by_label("Stop painting").click();
    settle(&mut window);
    assert_eq!(edits(&window).len(), 1);
    assert!(window.query_by_label("Stop painting").is_none());
    assert_eq!(notices(&window), Vec::<String>::new());
}

/// Both parts with the model that ships.
#[test]
fn it_looks_right() {
    let data = tempfile::tempdir().unwrap();
    let builder = builder().with_theme(Theme::Dark).with_render_cursor(false).wgpu();
    let mut window = build(builder, data.path(), settings(ThemeChoice::Dark), Vec::new());
    click(&mut window, "Cat");
    press(&mut window, Modifiers::COMMAND, Key::F6);
    click(&mut window, "Pixels to tokens");
    pictures::keep(&mut window, "analysis_pixels_empty");
    stroke(&mut window);
    click(&mut window, "Rank tokens under the brush");
    window.remove_cursor();
    settle(&mut window);
    pictures::keep(&mut window, "analysis_pixels");
    let bar = window
        .get_all_by_label_contains(" by ablation: ")
        .next()
        .unwrap()
        .rect();
    window.hover_at(bar.center());
    window.run();
    pictures::keep(&mut window, "analysis_pixels_hover");
    click(&mut window, "Paint");
    click(&mut window, "Paint region");
    window.remove_cursor();
    settle(&mut window);
    pictures::keep(&mut window, "analysis_paint");
    assert_eq!(notices(&window), Vec::<String>::new());
}
