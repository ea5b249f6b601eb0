//! What tokens do: the Analysis view.

use super::*;
use softscope::engine::{Ablation, Analysed, AnalysisKind, InfluenceFound};
use softscope::tokenizer::ModelFiles;

/// The Analysis view on a sample.
fn analysis(data: &Path) -> Window {
    let mut window = open(data);
    press(&mut window, Modifiers::COMMAND, Key::F6);
    assert_eq!(window.state().tab(), Tab::Analysis);
    window
}

/// The same with a small model of 8 tokens.
fn small_analysis(data: &Path, set: &str) -> Window {
    let mut window = analysis(data);
    open_small(&mut window, data, set);
    window
}

fn open_small(window: &mut Window, data: &Path, set: &str) {
    let folder = data.join(set);
    fixtures::write_model(&fixtures::folder(set), &folder);
    let files = ModelFiles::locate(&folder).unwrap();
    window.state_mut().workspace_mut().open_model(files);
    settle(window);
}

const MEASURE: &str = "Measure influence of tokens";

/// What is known of the influence of tokens, and whether it is stale.
fn with_influence<T>(window: &Window, read: impl FnOnce(&InfluenceFound, bool) -> T) -> Option<T> {
    let finding = window.state().workspace().finding(AnalysisKind::Influence)?;
    match &*finding.found {
        Analysed::Influence(found) => Some(read(found, finding.is_stale)),
        other => panic!("expected influence, got {other:?}"),
    }
}

/// The tokens of the maps in the order in which they stand.
fn maps(window: &Window) -> Vec<usize> {
    let mut maps: Vec<(f32, f32, usize)> = window
        .get_all_by_label_contains("influence of token ")
        .map(|node| {
            let label = node.accesskit_node().label().unwrap();
            let token = label["influence of token ".len()..].split(':').next().unwrap();
            (node.rect().top(), node.rect().left(), token.parse().unwrap())
        })
        .collect();
    maps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    maps.into_iter().map(|(.., token)| token).collect()
}

fn click_map(window: &mut Window, token: usize) {
    window
        .get_by_label_contains(&format!("influence of token {token}:"))
        .click();
    settle(window);
}

#[test]
fn maps_of_all_tokens_are_measured_ranked_and_select_their_token() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a3_softvq_nol2");
    window.get_by_label_contains("Nothing is measured of this picture yet.");
    click(&mut window, MEASURE);
    assert_eq!(notices(&window), Vec::<String>::new());
    let ranked: Vec<usize> = with_influence(&window, |found, is_stale| {
        assert!(!is_stale);
        found
            .by_ablation
            .ranking
            .iter()
            .map(|figures| figures.token)
            .collect()
    })
    .unwrap();
    assert_eq!(ranked.len(), 8);
    assert_eq!(maps(&window), ranked);
    click(&mut window, "In order");
    assert_eq!(maps(&window), (0..8).collect::<Vec<_>>());
    window.get_by_label_contains("agreement cosine");

    click_map(&mut window, 5);
    assert_eq!(window.state().selection().to_vec(), [5]);
    window.get_by_label("Token 5");
    let map = window.get_by_label_contains("influence of token 2:").rect();
    window.hover_at(map.center());
    window.step();
    assert_eq!(window.state().selection().hovered, Some(2));
    window.step();
    window.get_by_label("influence of 2");
    window.remove_cursor();
    settle(&mut window);
    assert_eq!(window.state().selection().hovered, None);
}

#[test]
fn a_channel_alone_is_shown_with_its_sign() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a3_softvq_nol2");
    click(&mut window, MEASURE);
    let ranked = maps(&window);
    click(&mut window, "Gradient");
    click(&mut window, "Green");
    let [_, gradient] = *with_influence(&window, |found, _| found.channels.clone()).unwrap();
    for (token, means) in gradient.means.iter().enumerate() {
        window.get_by_label(&format!("influence of token {token} on green: {:+.2}", means[1]));
    }
    window.get_by_label_contains("change of the channel: ");
    click(&mut window, "All channels");
    click(&mut window, "Ablation");
    assert_eq!(maps(&window), ranked);
}

#[test]
fn noise_in_a_tokens_place_has_a_deviation() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a3_softvq_nol2");
    assert!(window.query_by_label("deviation of the noise").is_none());
    window
        .get_by_role_and_label(Role::ComboBox, "in a token's place")
        .click();
    settle(&mut window);
    click(&mut window, "noise");
    window.get_by_label("deviation of the noise").click();
    window.step();
    window.get_by_label("deviation of the noise").type_text("0.5");
    press(&mut window, Modifiers::NONE, Key::Enter);
    click(&mut window, MEASURE);
    let ablation = with_influence(&window, |found, _| found.ablation);
    assert_eq!(ablation, Some(Ablation::Noise { sigma: 0.5, seed: 0 }));
}

#[test]
fn a_result_stays_with_its_picture_and_is_stale_after_an_edit() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a3_softvq_nol2");
    click(&mut window, MEASURE);
    let is_stale = |window: &Window| with_influence(window, |_, is_stale| is_stale);
    let first = window.state().workspace().active().unwrap().id;
    window
        .state_mut()
        .workspace_mut()
        .edit(Edit::Zero { tokens: vec![3] });
    settle(&mut window);
    assert_eq!(is_stale(&window), Some(true));
    window.get_by_label_contains("Stale: the tokens were edited since.");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(is_stale(&window), Some(false), "the tokens are what they were");

    click(&mut window, "Cat");
    assert_eq!(is_stale(&window), None, "of this picture nothing is known");
    window.state_mut().workspace_mut().set_active(first);
    settle(&mut window);
    assert_eq!(is_stale(&window), Some(false));
}

#[test]
fn a_measurement_is_given_up_and_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut window = analysis(data.path());
    window.get_by_label(MEASURE).click();
    window.step();
    window.step();
    window.get_by_label("Cancel").click();
    window.step();
    assert_eq!(window.state().workspace().waiting_analyses().count(), 0);
    settle(&mut window);
    assert!(with_influence(&window, |_, _| ()).is_none());
    assert!(window.query_by_label("Cancel").is_none());
    assert_eq!(notices(&window), Vec::<String>::new());
}

#[test]
fn the_newest_of_two_measurements_counts() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a3_softvq_nol2");
    let workspace = window.state_mut().workspace_mut();
    workspace.analyse(AnalysisKind::Influence, Ablation::Mean);
    workspace.analyse(AnalysisKind::Influence, Ablation::Zero);
    assert_eq!(workspace.waiting_analyses().count(), 1);
    settle(&mut window);
    let ablation = with_influence(&window, |found, _| found.ablation);
    assert_eq!(ablation, Some(Ablation::Zero));
}

#[test]
fn a_pair_selects_both_of_its_tokens() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a4_kl16_vit");
    click(&mut window, "Structure");
    click(&mut window, "Measure structure of tokens");
    assert_eq!(notices(&window), Vec::<String>::new());
    let finding = window.state().workspace().finding(AnalysisKind::Pairs).unwrap();
    let Analysed::Pairs(pairs) = &*finding.found else {
        panic!("expected pairs")
    };
    let strongest = pairs.pairs()[0];
    window
        .get_by_label(&format!(
            "pair {} + {}: {:.2}",
            strongest.a, strongest.b, strongest.change
        ))
        .click();
    settle(&mut window);
    assert_eq!(window.state().selection().to_vec(), [strongest.a, strongest.b]);

    // The third row and the second column of the matrix.
    let count = pairs.tokens().len();
    let matrix = window
        .get_by_label_contains(&format!("pairs of {count} tokens"))
        .rect();
    let cell = matrix.size() / count as f32;
    let at = matrix.min + vec2(1.5 * cell.x, 2.5 * cell.y);
    window.hover_at(at);
    window.step();
    window.drag_at(at);
    window.step();
    window.drop_at(at);
    settle(&mut window);
    assert_eq!(window.state().selection().to_vec(), [1, 2]);
    for kind in [AnalysisKind::Orders, AnalysisKind::Spectra] {
        assert!(window.state().workspace().finding(kind).is_some());
    }
}

#[test]
fn a_click_on_a_sharpness_sets_the_selected_tokens() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a3_softvq_nol2");
    click(&mut window, "Soft to hard");
    click(&mut window, "Sweep tau from soft to hard");
    let tau = {
        let space = &window.state().workspace().model().unwrap().space;
        space.codebook().unwrap().tau
    };
    window.get_by_label("No token is selected: a click sets all.");
    click(&mut window, "token 2");
    let before = edited_bytes(&window);
    window.get_by_label("set one codeword").scroll_to_me();
    settle(&mut window);
    let hard = window.get_by_label("set one codeword").rect().center();
    window.hover_at(hard);
    settle(&mut window);
    let asked = window.state().workspace().hovered();
    assert!(
        asked.is_some_and(|shown| shown.picture.as_bytes() != before),
        "hovering asks"
    );
    assert_eq!(edits(&window), [], "and changes nothing");
    window.remove_cursor();
    settle(&mut window);
    assert!(window.state().workspace().hovered().is_none());
    click(&mut window, "set one codeword");
    assert_eq!(
        edits(&window),
        [Edit::Harden {
            tokens: vec![2],
            top: 1
        }]
    );
    click(&mut window, &format!("set tau {tau}"));
    assert!(
        matches!(&edits(&window)[1], Edit::Temperature { tokens, tau: set } if tokens == &[2] && *set == tau)
    );
}

#[test]
fn tau_under_the_hand_moves_all_tokens_where_none_is_selected() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a3_softvq_nol2");
    click(&mut window, "Soft to hard");
    let before = edited_bytes(&window);
    let slider = window.get_by_role_and_label(Role::Slider, "tau").rect();
    window.hover_at(slider.center());
    window.step();
    window.drag_at(slider.center());
    window.step();
    window.hover_at(slider.right_center());
    settle(&mut window);
    assert_ne!(edited_bytes(&window), before, "the picture follows the hand");
    assert_eq!(edits(&window), [], "and nothing is a step yet");
    window.drop_at(slider.right_center());
    settle(&mut window);
    let steps = edits(&window);
    let [Edit::Temperature { tokens, tau }] = &steps[..] else {
        panic!("one drag is one step: {steps:?}")
    };
    assert_eq!(tokens[..], [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(*tau > 1.0, "{tau}");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(edited_bytes(&window), before);
}

/// Exports what the section on show measured into a new folder.
fn export_findings(window: &mut Window, folder: &Path) {
    click(window, "Export findings…");
    type_path(window, folder);
    click(window, "Save");
    assert!(folder.is_dir(), "{:?}", notices(window));
}

/// Runs a command on a picture with a model; its files by name.
fn files_of_command(arguments: &[&std::ffi::OsStr], out: &Path) -> Vec<(String, Vec<u8>)> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_softscope"))
        .args(arguments)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    files_in(out)
}

fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

fn assert_same_files(found: &[(String, Vec<u8>)], expected: &[(String, Vec<u8>)]) {
    let names =
        |files: &[(String, Vec<u8>)]| -> Vec<String> { files.iter().map(|(name, _)| name.clone()).collect() };
    assert_eq!(names(found), names(expected));
    for ((name, bytes), (_, expected)) in found.iter().zip(expected) {
        assert!(bytes == expected, "{name} differs");
    }
}

#[test]
fn findings_are_the_files_that_the_commands_write() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a3_softvq_nol2");
    let model = data.path().join("a3_softvq_nol2");
    let picture = window.state().workspace().active().unwrap().path.clone().unwrap();
    assert!(
        window
            .get_by_label("Export findings…")
            .accesskit_node()
            .is_disabled(),
        "nothing is measured yet"
    );
    let run = |command: &str, input: &Path, further: &[&str]| {
        let mut arguments: Vec<&std::ffi::OsStr> = vec![command.as_ref(), input.as_os_str()];
        arguments.extend(further.iter().map(std::ffi::OsStr::new));
        arguments.extend(["--model".as_ref(), model.as_os_str()]);
        files_of_command(&arguments, &data.path().join(format!("{command} by command")))
    };

    click(&mut window, MEASURE);
    let folder = data.path().join("influence");
    export_findings(&mut window, &folder);
    let expected = run("attribute", &picture, &["--by", "both"]);
    assert_eq!(expected.len(), 4);
    assert_same_files(&files_in(&folder), &expected);

    click(&mut window, "Structure");
    click(&mut window, "Measure structure of tokens");
    let folder = data.path().join("structure");
    export_findings(&mut window, &folder);
    let expected = run("structure", &picture, &[]);
    assert_eq!(expected.len(), 6);
    assert_same_files(&files_in(&folder), &expected);

    click(&mut window, "Soft to hard");
    click(&mut window, "Sweep tau from soft to hard");
    let folder = data.path().join("sweep");
    export_findings(&mut window, &folder);
    let pictures = data.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    std::fs::copy(&picture, pictures.join(picture.file_name().unwrap())).unwrap();
    let mut expected = run("atlas", &pictures, &[]);
    expected.retain(|(name, _)| name.starts_with("sweep"));
    assert_eq!(expected.len(), 2);
    assert_same_files(&files_in(&folder), &expected);
}

#[test]
fn tokens_that_are_no_mixtures_have_no_sharpness() {
    let data = tempfile::tempdir().unwrap();
    let mut window = small_analysis(data.path(), "a4_kl16_vit");
    click(&mut window, "Soft to hard");
    let sweep = window.get_by_label("Sweep tau from soft to hard");
    assert!(sweep.accesskit_node().is_disabled());
}

/// Every part of the view with the model that ships; the maps are compared with what they looked like.
#[test]
fn it_looks_right() {
    let data = tempfile::tempdir().unwrap();
    let builder = builder().with_theme(Theme::Dark).with_render_cursor(false).wgpu();
    let mut window = build(builder, data.path(), settings(ThemeChoice::Dark), Vec::new());
    click(&mut window, "Cat");
    press(&mut window, Modifiers::COMMAND, Key::F6);
    click(&mut window, MEASURE);
    // Ranks that are close may change places on another machine.
    click(&mut window, "In order");
    click_map(&mut window, 4);
    window.remove_cursor();
    settle(&mut window);
    pictures::keep(&mut window, "analysis");
    // Times and threads are another matter on every machine.
    window.mask(egui::Rect::from_min_max(pos2(0.0, 772.0), pos2(1280.0, 800.0)));
    window.snapshot_options(
        "analysis_dark",
        &SnapshotOptions::new().threshold(1.5).max_failed_pixels(120),
    );
    click(&mut window, "Soft to hard");
    click(&mut window, "Sweep tau from soft to hard");
    window.remove_cursor();
    settle(&mut window);
    pictures::keep(&mut window, "analysis_sweep");
    open_small(&mut window, data.path(), "a3_softvq_nol2");
    click(&mut window, "Structure");
    click(&mut window, "Measure structure of tokens");
    window.remove_cursor();
    settle(&mut window);
    pictures::keep(&mut window, "analysis_structure");
}
