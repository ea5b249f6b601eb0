//! Generating in the workspace and in the window: the tokenizer that ships, a small generator of formula weights.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

#[path = "support/pictures.rs"]
mod pictures;
mod support;

use egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use serde_json::json;
use softscope::document::{
    Export, GENERATION_KEYWORD, GenerateOrder, GenerateStart, GenerationRecord, Import, NoticeKind, Places,
    Subject, Workspace, read_tokens,
};
use softscope::engine::{Engine, RunOptions};
use softscope::generator::{GeneratorClass, Settings};
use softscope::latent::Edit;
use softscope::picture;
use softscope::tokenizer::ModelFiles;
use softscope::ui::{SoftscopeApp, Tab, ThemeChoice};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::generator;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TOKENS: usize = 32;
const DIM: usize = 64;

fn places(data: &Path) -> Places {
    Places {
        shipped_models: Some(Path::new(ROOT).join("models")),
        installed_models: data.join("models"),
        samples: Some(Path::new(ROOT).join("assets/samples")),
        data: data.to_owned(),
        hub: softscope::hub::Settings::offline_in(data),
    }
}

fn engine() -> Engine {
    let options = RunOptions {
        threads: Some(1),
        ..RunOptions::default()
    };
    Engine::start(options, || ())
}

/// A workspace with the model that ships and a generator named "sit".
struct Bench {
    workspace: Workspace,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let mut workspace = Workspace::new(engine(), places, || ());
        let model = workspace.places().default_model().unwrap();
        workspace.open_model(model);
        let mut bench = Self { workspace, folder };
        bench.open("sit", TOKENS, DIM);
        bench
    }
    fn open(&mut self, name: &str, tokens: usize, dim: usize) {
        let path = self.folder.path().join("models").join(name);
        generator::write(&path, &generator::config(tokens, dim, &json!({})));
        self.workspace.open_generator(ModelFiles::locate(&path).unwrap());
        self.settle();
    }
    fn settle(&mut self) {
        for notice in self.workspace.settle() {
            assert_eq!(notice.kind, NoticeKind::Done, "{}", notice.text);
        }
    }
    fn generate(&mut self, start: GenerateStart) -> &Subject {
        self.workspace.generate(&order(1, start));
        self.settle();
        self.workspace.active().unwrap()
    }
}

fn order(count: usize, start: GenerateStart) -> GenerateOrder {
    let mut settings = Settings::of(GeneratorClass::Sit);
    settings.steps = 4;
    settings.guidance.scale = 1.5;
    GenerateOrder {
        class: Some(1),
        seed: 7,
        count,
        settings,
        start,
    }
}

fn values(subject: &Subject) -> Vec<f32> {
    subject.edited.as_ref().unwrap().state.z.values.clone()
}

#[test]
fn results_enter_the_library_named_and_editable() {
    let mut bench = Bench::new();
    bench.workspace.generate(&order(3, GenerateStart::Noise));
    assert!(bench.workspace.is_busy());
    bench.settle();
    let names: Vec<&str> = (bench.workspace.subjects().iter())
        .map(|subject| subject.name.as_str())
        .collect();
    assert_eq!(names, ["chalk, seed 7", "chalk, seed 8", "chalk, seed 9"]);
    assert!(bench.workspace.generation().is_none());
    let active = bench.workspace.active().unwrap();
    assert_eq!(
        active.name, "chalk, seed 9",
        "results become active as long as nobody chooses another"
    );
    let generated = values(active);
    assert_eq!(generated.len(), TOKENS * DIM);
    assert_ne!(generated, values(&bench.workspace.subjects()[0]));

    bench.workspace.edit(Edit::Swap { a: 2, b: 13 });
    bench.settle();
    let edited = values(bench.workspace.active().unwrap());
    assert_eq!(edited[2 * DIM..3 * DIM], generated[13 * DIM..14 * DIM]);
    bench.workspace.undo();
    bench.settle();
    assert_eq!(values(bench.workspace.active().unwrap()), generated);
}

#[test]
fn the_same_order_gives_the_same_picture() {
    let mut bench = Bench::new();
    let first = values(bench.generate(GenerateStart::Noise));
    let second = values(bench.generate(GenerateStart::Noise));
    assert_eq!(first, second);
}

#[test]
fn a_fill_keeps_the_other_tokens_bit_for_bit() {
    let mut bench = Bench::new();
    bench.generate(GenerateStart::Noise);
    bench.workspace.edit(Edit::Scale {
        tokens: vec![5],
        factor: 1.5,
    });
    bench.settle();
    let before = values(bench.workspace.active().unwrap());
    let filled = bench.generate(GenerateStart::Fill {
        tokens: vec![0, 9],
        t: 1.0,
    });
    assert_eq!(filled.name, "chalk, seed 7, filled, seed 7");
    let after = values(filled);
    for token in 0..TOKENS {
        let row = token * DIM..(token + 1) * DIM;
        assert_eq!(
            before[row.clone()] == after[row],
            ![0, 9].contains(&token),
            "token {token}"
        );
    }
}

#[test]
fn a_variation_starts_from_the_edited_tokens() {
    let mut bench = Bench::new();
    bench.generate(GenerateStart::Noise);
    let original = values(bench.workspace.active().unwrap());
    let source = bench.workspace.active().unwrap().id;
    let mut distances = Vec::new();
    for t in [0.02, 1.0] {
        bench.workspace.set_active(source);
        // With the seed it was made from, nothing but noise would become the same picture again.
        let mut order = order(1, GenerateStart::Vary { t });
        order.seed = 11;
        bench.workspace.generate(&order);
        bench.settle();
        let varied = values(bench.workspace.active().unwrap());
        let squares = original.iter().zip(&varied).map(|(a, b)| (a - b).powi(2));
        distances.push(squares.sum::<f32>().sqrt());
    }
    assert!(distances[0] > 0.0 && distances[0] < distances[1], "{distances:?}");
}

#[test]
fn what_cannot_be_generated_says_why() {
    let mut bench = Bench::new();
    let refused = |bench: &mut Bench, start: GenerateStart, word: &str| {
        bench.workspace.generate(&order(1, start));
        let notices = bench.workspace.settle();
        assert!(
            notices.iter().any(|notice| notice.text.contains(word)),
            "{notices:?}"
        );
        assert!(bench.workspace.subjects().is_empty());
    };
    refused(
        &mut bench,
        GenerateStart::Vary { t: 0.5 },
        "no tokens to start from",
    );
    let empty = GenerateStart::Fill {
        tokens: Vec::new(),
        t: 1.0,
    };
    refused(&mut bench, empty, "nothing is selected");
    bench.open("other", 16, 8);
    assert!(
        bench
            .workspace
            .generator_mismatch()
            .unwrap()
            .contains("16 x 8 tokens")
    );
    refused(&mut bench, GenerateStart::Noise, "32 x 64");
}

#[test]
fn a_cancelled_generation_keeps_what_is_finished_and_says_so() {
    let mut bench = Bench::new();
    bench.workspace.generate(&order(1, GenerateStart::Noise));
    bench.settle();
    bench.workspace.generate(&order(60, GenerateStart::Noise));
    bench.workspace.cancel_generation();
    let notices = bench.workspace.settle();
    assert!(
        notices.iter().any(|notice| notice.text.contains("cancelled")),
        "{notices:?}"
    );
    assert!(bench.workspace.generation().is_none());
    let made = bench.workspace.subjects().len();
    assert!((1..60).contains(&made), "{made}");
}

#[test]
fn the_command_varies_and_fills_as_the_window_does() {
    let mut bench = Bench::new();
    let path = |name: &str| bench.folder.path().join(name);
    let (edited, sit) = (path("edited.png"), path("models/sit"));
    let out = path("made.safetensors");
    let picture = Path::new(ROOT).join("assets/samples/cat.jpg");
    bench.workspace.import(Import::Path(picture));
    bench.settle();
    bench.workspace.edit(Edit::Swap { a: 2, b: 13 });
    bench.settle();
    bench.workspace.export(Export::Edited { path: edited.clone() });
    bench.settle();
    let source = bench.workspace.active().unwrap().id;
    for (start, words) in [
        (GenerateStart::Vary { t: 0.4 }, "--strength 0.4 --vary"),
        (
            GenerateStart::Fill {
                tokens: vec![0, 9, 10],
                t: 1.0,
            },
            "--tokens 0,9-10 --fill",
        ),
    ] {
        bench.workspace.set_active(source);
        let before = values(bench.workspace.active().unwrap());
        let made = bench.generate(start.clone());
        let (name, expected) = (made.name.clone(), values(made));
        let output = Command::new(env!("CARGO_BIN_EXE_softscope"))
            .env("SOFTSCOPE_HOME", ROOT)
            .args("--threads 1 generate --class 1 --seed 7 --steps 4 --cfg 1.5".split(' '))
            .arg("--generator")
            .arg(&sit)
            .arg("--out")
            .arg(&out)
            .args(words.split(' '))
            .arg(&edited)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let file = read_tokens(&out, None).unwrap();
        let found = &file.states[0].z.values;
        let worst = found
            .iter()
            .zip(&expected)
            .fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-5, "{words}: {name} is off by {worst:e}");
        let record = file.generations[0].clone().unwrap();
        let start_record = record.start.clone().unwrap();
        assert_eq!(start_record.picture, "edited.png");
        match start {
            GenerateStart::Fill { tokens, .. } => {
                assert_eq!((start_record.t, start_record.tokens), (1.0, Some(tokens.clone())));
                for token in (0..TOKENS).filter(|token| !tokens.contains(token)) {
                    let row = token * DIM..(token + 1) * DIM;
                    assert_eq!(found[row.clone()], expected[row.clone()], "token {token}");
                    assert_eq!(expected[row.clone()], before[row], "token {token}");
                }
            }
            _ => assert_eq!((start_record.t, start_record.tokens), (0.4, None)),
        }
    }
}

#[test]
fn how_it_was_made_stays_with_the_picture() {
    let mut bench = Bench::new();
    bench.generate(GenerateStart::Noise);
    let made: GenerationRecord = (**bench.workspace.active().unwrap().generation.as_ref().unwrap()).clone();
    assert_eq!((made.class, made.seed), (Some(1), Some(7)));
    assert_eq!(made.generator_hash, bench.workspace.generator().unwrap().hash);

    let path = |name: &str| bench.folder.path().join(name);
    let (png, tokens, session) = (path("a.png"), path("a.safetensors"), path("a.softscope"));
    for path in [&png, &tokens] {
        bench.workspace.export(Export::Edited { path: path.clone() });
        bench.settle();
    }
    let text = picture::embedded_text(&std::fs::read(&png).unwrap(), GENERATION_KEYWORD).unwrap();
    assert_eq!(
        serde_json::from_str::<GenerationRecord>(&text.unwrap()).unwrap(),
        made
    );
    assert_eq!(
        read_tokens(&tokens, None).unwrap().generations,
        [Some(made.clone())]
    );

    let z = values(bench.workspace.active().unwrap());
    bench.workspace.save_session(&session);
    bench.settle();
    bench.workspace.import(Import::Path(session));
    bench.settle();
    let restored = bench.workspace.active().unwrap();
    assert_eq!(restored.generation.as_deref(), Some(&made));
    assert_eq!(values(restored), z);
}

type Window = Harness<'static, SoftscopeApp>;

fn window(data: &Path, files: Vec<PathBuf>) -> Window {
    window_on(places(data), files)
}

fn window_on(places: Places, files: Vec<PathBuf>) -> Window {
    let mut window = Harness::builder()
        .with_size(vec2(1280.0, 800.0))
        .with_max_steps(16)
        .build_eframe(move |creation| {
            let workspace = Workspace::new(engine(), places, || ());
            let settings = softscope::ui::Settings {
                theme: ThemeChoice::Dark,
                use_system_dialogs: false,
                ..softscope::ui::Settings::default()
            };
            let render_state = creation.wgpu_render_state.as_ref();
            let mut app = SoftscopeApp::new(&creation.egui_ctx, render_state, workspace, settings);
            app.open_at_start(None, files);
            app
        });
    settle(&mut window);
    window
}

fn settle(window: &mut Window) {
    // A spinner turns while something opens; how many frames that takes is the machine's business.
    window.run_ok();
    window.state_mut().settle();
    window.run();
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    settle(window);
}

#[test]
fn a_window_without_a_generator_offers_to_open_one() {
    let data = tempfile::tempdir().unwrap();
    let shipped = data.path().join("shipped");
    let tokenizer = shipped.join("softscope-32");
    std::fs::create_dir_all(&tokenizer).unwrap();
    for name in ["config.json", "model.safetensors"] {
        let file = Path::new(ROOT).join("models/softscope-32").join(name);
        std::fs::copy(file, tokenizer.join(name)).unwrap();
    }
    let places = Places {
        shipped_models: Some(shipped),
        ..places(data.path())
    };
    let mut window = window_on(places, Vec::new());
    press(&mut window, Modifiers::COMMAND, Key::F3);
    window.get_by_label_contains("No generator is installed");
    window.get_by_label("Open generator folder…");
    assert!(window.query_by_label("Generate pictures").is_none());
    pictures::keep(&mut window, "generate-empty");
}

#[test]
fn a_generator_that_fits_the_model_opens_by_itself() {
    let data = tempfile::tempdir().unwrap();
    generator::write(
        &data.path().join("models/a-wider-one"),
        &generator::config(TOKENS, 2 * DIM, &json!({})),
    );
    let mut window = window(data.path(), Vec::new());
    assert!(window.state().workspace().generator().is_none());
    press(&mut window, Modifiers::COMMAND, Key::F3);
    assert_eq!(
        window.state().workspace().generator().unwrap().name,
        "softscope-sit"
    );
    window.get_by_label("0 faces");
}

#[test]
fn a_person_opens_a_generator_generates_edits_and_undoes() {
    let data = tempfile::tempdir().unwrap();
    generator::write(
        &data.path().join("models/small-sit"),
        &generator::config(TOKENS, DIM, &json!({"guidance_scale": 3.75})),
    );
    let mut window = window(data.path(), Vec::new());
    let before = window.state().workspace().subjects().len();
    press(&mut window, Modifiers::COMMAND, Key::F3);
    window.get_by_label("generator").click();
    window.run();
    window.get_by_label("small-sit").click();
    settle(&mut window);
    assert_eq!(window.state().workspace().generator().unwrap().name, "small-sit");
    let scale = window.get_by_label("guidance scale").value();
    assert_eq!(scale.as_deref(), Some("3.75"), "what the generator proposes");

    window.get_by_label("2 coal").click();
    window.run();
    window.get_by_label("Generate pictures").click();
    window.step();
    // Steps come in while frames are drawn.
    let (mut developed, mut is_kept) = (0, false);
    while window.state().workspace().generation().is_some() {
        window.step();
        let progress = window.state().workspace().generation();
        let step = progress.and_then(|progress| progress.step.filter(|_| progress.picture.is_some()));
        if let Some(is_half_done) = step.map(|step| 2 * step.done >= step.total) {
            developed += 1;
            if developed == 3 {
                window.get_by_label("Cancel generating");
            }
            if is_half_done && !is_kept {
                is_kept = true;
                pictures::keep(&mut window, "generate-live");
            }
        }
        std::thread::yield_now();
    }
    settle(&mut window);
    assert!(developed > 0, "the picture was shown before it was finished");
    pictures::keep(&mut window, "generate-done");
    let workspace = window.state().workspace();
    assert_eq!(workspace.subjects().len(), before + 1);
    let active = workspace.active().unwrap();
    assert_eq!(active.name, "coal, seed 0");
    let generated = values(active);
    window.get_by_value("entropy not known: norm");

    window
        .state_mut()
        .workspace_mut()
        .edit(Edit::Zero { tokens: vec![3] });
    settle(&mut window);
    assert_ne!(values(window.state().workspace().active().unwrap()), generated);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(values(window.state().workspace().active().unwrap()), generated);
}

#[test]
fn a_generator_opens_from_the_models_view_and_is_checked_there() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("models/small-sit");
    generator::write(&folder, &generator::config(TOKENS, DIM, &json!({})));
    let mut window = window(data.path(), Vec::new());
    let model = window.state().workspace().model().unwrap().hash.clone();
    let press_button = |window: &mut Window, label: &str| {
        window.get_by_label(label).click();
        settle(window);
    };
    press_button(&mut window, "Models");
    assert_eq!(
        window.query_all_by_label("SiT").count(),
        2,
        "it and the one that ships"
    );
    press_button(&mut window, "Check small-sit");
    window.get_by_label("It can be loaded.");
    window.get_by_label_contains("32 × 64 tokens, 3 classes, 2 blocks of width 48");
    pictures::keep(&mut window, "models-generator");

    press_button(&mut window, "Open small-sit");
    assert_eq!(window.state().tab(), Tab::Generate);
    assert_eq!(window.state().workspace().generator().unwrap().name, "small-sit");
    assert_eq!(
        window.state().workspace().model().unwrap().hash,
        model,
        "the tokenizer stays"
    );

    // One that is in use is not read again.
    press_button(&mut window, "Models");
    window.get_by_label("Open small-sit").click();
    window.step();
    assert!(window.state().workspace().opening_generator().is_none());
    settle(&mut window);
    assert_eq!(window.state().tab(), Tab::Generate);

    // A path that is typed finds its view too.
    press_button(&mut window, "Models");
    window.get_by_label("Path of a model").focus();
    window.step();
    window
        .get_by_label("Path of a model")
        .type_text(&folder.display().to_string());
    press(&mut window, Modifiers::NONE, Key::Enter);
    window.get_by_label_contains("the view Generate has it");
}
