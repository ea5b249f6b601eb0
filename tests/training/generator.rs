//! A generator trained on the tokens of a tokenizer: configuration, classes, runs, the command.

use crate::runs::{SMALL, pictures};
use candle_core::{Device, Tensor};
use softscope::generator::{GeneratorClass, check};
use softscope::tokenizer::{ModelFiles, Products};
use softscope::trainer::{
    GeneratorProgress, GeneratorRun, GeneratorTrainConfig, LabelTable, Run, TrainConfig,
};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CONFIG: &str = r#"
steps = 7
threads = 2
tokenizer = "TOKENIZER"
labels = "labels.tsv"
[generator]
width = 16
depth = 2
heads = 2
qk_norm = true
[bank]
pictures = 128
renew_every = 2
[data]
held_out_share = 0.3
[optimiser]
batch = 8
parts = 2
accumulate = 2
warmup_steps = 2
[sheet]
classes = 3
samples = 2
steps = 3
[output]
log_every = 1
evaluate_every = 4
checkpoint_every = 100
evaluated_pictures = 3
"#;

const LABELS: &str = "cutout\tround\npackage0\tnought\npackage1\tone\n";

/// A tokenizer of a few steps, pictures, labels and a configuration in one folder.
struct Fixture {
    folder: tempfile::TempDir,
    data: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self {
            folder: tempfile::tempdir().unwrap(),
            data: pictures(),
        };
        let tokenizer = Run {
            config: TrainConfig::parse(&SMALL.replace("steps = 6", "steps = 2")).unwrap(),
            data: vec![fixture.data.path().to_owned()],
            out: fixture.path("tokenizer"),
            is_resumed: false,
        };
        tokenizer.perform(&mut |_| ControlFlow::Continue(())).unwrap();
        fixture.write("labels.tsv", LABELS);
        fixture.write("g.toml", &fixture.text(CONFIG));
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn text(&self, config: &str) -> String {
        let tokenizer = self.path("tokenizer");
        config.replace("TOKENIZER", &tokenizer.display().to_string().replace('\\', "/"))
    }

    fn run(&self, out: &str, is_resumed: bool) -> GeneratorRun {
        GeneratorRun {
            config: GeneratorTrainConfig::read(&self.path("g.toml")).unwrap().unwrap(),
            tokenizer: ModelFiles::locate(&self.path("tokenizer")).unwrap(),
            data: vec![self.data.path().to_owned()],
            out: self.path(out),
            is_resumed,
        }
    }

    /// Losses of the steps up to `stop_after`.
    fn train(&self, out: &str, is_resumed: bool, stop_after: u64) -> Vec<f64> {
        losses(&self.run(out, is_resumed), stop_after)
    }
}

fn losses(run: &GeneratorRun, stop_after: u64) -> Vec<f64> {
    let mut losses = Vec::new();
    let outcome = run
        .perform(&mut |news| {
            if let GeneratorProgress::Step(report) = news {
                losses.push(report.terms.loss);
                if report.step + 1 == stop_after {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(outcome.steps, stop_after.min(run.config.steps));
    losses
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

/// Trains straight through, on another number of threads and with an interruption to the same bytes; gives back the
/// folders of the first and the last.
fn check_resume(fixture: &Fixture) -> (PathBuf, PathBuf) {
    let straight = fixture.train("whole", false, 7);
    let mut alone = fixture.run("alone", false);
    alone.config.threads = 1;
    assert_eq!(losses(&alone, 7), straight);
    // In the middle of the bank's renewals.
    let mut resumed = fixture.train("cut", false, 5);
    resumed.extend(fixture.train("cut", true, 7));
    assert_eq!(straight, resumed);
    let (whole, cut) = (fixture.path("whole"), fixture.path("cut"));
    for name in [
        "model.safetensors",
        "state.safetensors",
        "config.json",
        "train.toml",
    ] {
        assert!(bytes(&whole, name) == bytes(&cut, name), "{name} differs");
    }
    assert!(bytes(&whole, "model.safetensors") == bytes(&fixture.path("alone"), "model.safetensors"));
    (whole, cut)
}

#[test]
fn a_run_with_products_in_bf16_goes_on_to_the_same_bytes_too() {
    let fixture = Fixture::new();
    let f32 = fixture.train("f32", false, 7);
    let rounded = CONFIG.replace("threads = 2", "threads = 2\nproducts = \"bf16\"");
    fixture.write("g.toml", &fixture.text(&rounded));
    let (whole, _) = check_resume(&fixture);
    assert!(
        bytes(&whole, "model.safetensors") != bytes(&fixture.path("f32"), "model.safetensors"),
        "what is rounded is not the same"
    );
    // Whichever way a run began, it can go on the other way.
    fixture.write("g.toml", &fixture.text(CONFIG));
    assert_eq!(fixture.train("other", false, 5), f32[..5]);
    fixture.write("g.toml", &fixture.text(&rounded));
    assert_eq!(fixture.train("other", true, 7).len(), 2);
}

#[test]
fn a_run_that_was_stopped_goes_on_to_the_same_bytes_whatever_the_threads() {
    let fixture = Fixture::new();
    let (whole, cut) = check_resume(&fixture);
    let steps = |folder: &Path| -> Vec<String> {
        let text = String::from_utf8(bytes(folder, "log.csv")).unwrap();
        text.lines()
            .map(|line| line.split(',').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(steps(&whole), ["step", "1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(steps(&cut), steps(&whole));
    let log = String::from_utf8(bytes(&whole, "log.csv")).unwrap();
    let measured: f64 = log
        .lines()
        .nth(4)
        .unwrap()
        .rsplit(',')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(measured > 0.0, "the held-out loss stands in the row of step 4");
    let sheet = image::open(whole.join("samples/step-0000004.png")).unwrap();
    // Three classes of two samples of 32 pixels, 4 between and around.
    assert_eq!((sheet.width(), sheet.height()), (2 * 36 + 4, 3 * 36 + 4));

    let report = check(&ModelFiles::locate(&whole).unwrap()).unwrap();
    assert!(
        report.is_loadable() && report.keys.unexpected.is_empty(),
        "{report:?}"
    );
    assert_eq!((report.class, report.num_classes), (GeneratorClass::Sit, 3));
    assert_eq!(report.token_shape(), Some((8, 8)));
}

#[test]
fn training_brings_the_loss_down() {
    let fixture = Fixture::new();
    let longer = fixture
        .text(CONFIG)
        .replace("steps = 7", "steps = 150")
        .replace("warmup_steps = 2", "warmup_steps = 2\nlearning_rate = 4e-3");
    fixture.write("g.toml", &longer.replace("every = 4", "every = 1000"));
    let losses = fixture.train("run", false, 150);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..15]), mean(&losses[135..]));
    assert!(last < 0.8 * first, "loss from {first} to {last}");
}

#[test]
fn classes_come_from_folders_where_no_table_names_them() {
    let fixture = Fixture::new();
    for (class, from) in [("round", "cutout"), ("flat", "package")] {
        let folder = fixture.path("data").join("train").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for entry in std::fs::read_dir(fixture.data.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            if name.to_str().unwrap().starts_with(from) {
                std::fs::copy(&path, folder.join(name)).unwrap();
            }
        }
    }
    fixture.write(
        "g.toml",
        &fixture.text(CONFIG).replace("labels = \"labels.tsv\"\n", ""),
    );
    let mut run = fixture.run("run", false);
    run.data = vec![fixture.path("data")];
    let mut found = None;
    run.perform(&mut |news| match news {
        GeneratorProgress::Read {
            pictures,
            classes,
            left_out,
            ..
        } => {
            found = Some((pictures, classes.to_vec(), left_out));
            ControlFlow::Continue(())
        }
        GeneratorProgress::Step(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .unwrap();
    assert_eq!(
        found.unwrap(),
        (16, vec!["flat".to_owned(), "round".to_owned()], 0)
    );
    let config: serde_json::Value = serde_json::from_slice(&bytes(&run.out, "config.json")).unwrap();
    assert_eq!(config["class_names"], serde_json::json!(["flat", "round"]));
}

#[test]
fn what_a_run_was_started_with_stays() {
    let fixture = Fixture::new();
    let text = fixture.text(CONFIG);
    let attempt = |is_resumed: bool| {
        let run = fixture.run("run", is_resumed);
        run.perform(&mut |news| match news {
            GeneratorProgress::Step(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .map_err(|error| error.to_string())
    };
    assert!(attempt(true).unwrap_err().contains("no run to continue"));
    attempt(false).unwrap();
    assert!(attempt(false).unwrap_err().contains("--resume"));
    for (from, to, said) in [
        ("depth = 2", "depth = 1", "`generator`"),
        ("threads = 2", "threads = 2\nseed = 5", "`seed`"),
        ("batch = 8", "batch = 4", "`optimiser.batch`"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        fixture.write("g.toml", &changed);
        let error = attempt(true).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    fixture.write("g.toml", &text);
    fixture.write("labels.tsv", "cutout\tround\npackage0\tzero\npackage1\tone\n");
    assert!(attempt(true).unwrap_err().contains("classes"));
    fixture.write("labels.tsv", "nothing-like-it\tround\n");
    assert!(attempt(true).unwrap_err().contains("labels"));
    fixture.write("labels.tsv", "one column\n");
    let error = attempt(true).unwrap_err();
    assert!(
        error.contains("labels.tsv") && error.contains("line 1"),
        "{error}"
    );
    fixture.write("labels.tsv", LABELS);
    attempt(true).unwrap();
}

/// Rows of the table of labels by class; the row of "no class" has no name.
fn label_rows(folder: &Path) -> BTreeMap<String, Vec<f32>> {
    let config: serde_json::Value = serde_json::from_slice(&bytes(folder, "config.json")).unwrap();
    let names = config["class_names"].as_array().unwrap().iter();
    let names = names.map(|name| name.as_str().unwrap().to_owned());
    let weights = safetensors(folder);
    let table = &weights["y_embedder.embedding_table.weight"];
    let rows = table.to_vec2::<f32>().unwrap();
    names.chain([String::new()]).zip(rows).collect()
}

fn safetensors(folder: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap()
}

#[test]
fn a_run_starts_from_the_weights_and_the_classes_that_a_trained_generator_has() {
    let fixture = Fixture::new();
    fixture.train("first", false, 7);
    // One class keeps its name and changes its number, one is new.
    fixture.write("labels.tsv", "package1\tone\ncutout\toval\npackage0\tnought\n");
    let attempt = |text: &str, out: &str| {
        fixture.write("g.toml", text);
        let run = fixture.run(out, false);
        run.perform(&mut |_| ControlFlow::Continue(()))
            .map_err(|error| error.to_string())
    };
    let first = fixture.path("first").display().to_string().replace('\\', "/");
    let text = fixture.text(CONFIG).replace("steps = 7", "steps = 1").replace(
        "warmup_steps = 2",
        "warmup_steps = 2\nlearning_rate = 1e-12\nema = 0.0",
    );
    let from = |folder: &str, text: &str| format!("start_from = \"{folder}\"\n{text}");
    attempt(&from(&first, &text), "second").unwrap();
    let (before, after) = (
        label_rows(&fixture.path("first")),
        label_rows(&fixture.path("second")),
    );
    let names: Vec<&str> = after.keys().map(String::as_str).collect();
    assert_eq!(names, ["", "nought", "one", "oval"]);
    let nearly = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    for name in ["", "nought", "one"] {
        assert!(nearly(&before[name], &after[name]), "{name}");
    }
    assert!(!nearly(&before["round"], &after["oval"]));
    let (before, after) = (
        safetensors(&fixture.path("first")),
        safetensors(&fixture.path("second")),
    );
    let key = "blocks.1.mlp.fc1.weight";
    let values =
        |weights: &HashMap<String, Tensor>| weights[key].flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(nearly(&values(&before), &values(&after)));

    let error = attempt(&from("nowhere", &text), "third").unwrap_err();
    assert!(error.contains("nowhere"), "{error}");
    let error = attempt(&from(&first, &text.replace("width = 16", "width = 32")), "third").unwrap_err();
    assert!(error.contains("not ["), "{error}");
}

#[test]
fn nothing_is_written_where_a_run_is_broken_off_before_its_bank_is_full() {
    let fixture = Fixture::new();
    let outcome = fixture
        .run("run", false)
        .perform(&mut |news| match news {
            GeneratorProgress::Encoded(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap();
    assert_eq!(outcome.steps, 0);
    assert!(!fixture.path("run").join("state.safetensors").exists());
    fixture.train("run", false, 1);
}

#[test]
fn wrong_configurations_are_refused_by_their_key() {
    let parse = |text: &str| GeneratorTrainConfig::parse(text).map_err(|error| error.to_string());
    let config = parse("tokenizer = \"x\"\n[generator]\nwidth = 96").unwrap();
    assert_eq!((config.generator.width, config.generator.depth), (96, 6));
    let text = config.to_toml().unwrap();
    assert_eq!(parse(&text).unwrap(), config);
    // As a state has it that was written before the key was there.
    let without = text.replace("products = \"f32\"\n", "");
    assert_ne!(without, text);
    assert_eq!(toml::from_str::<GeneratorTrainConfig>(&without).unwrap(), config);
    let rounded = parse("tokenizer = \"x\"\nproducts = \"bf16\"\n[generator]").unwrap();
    assert_eq!(rounded.products, Products::Bf16);
    for (text, said) in [
        ("[generator]", "`tokenizer`"),
        ("tokenizer = \"x\"\nstepz = 3\n[generator]", "stepz"),
        ("tokenizer = \"x\"\n[generator]\nwidht = 3", "widht"),
        ("tokenizer = \"x\"\nproducts = \"f16\"\n[generator]", "products"),
        ("tokenizer = \"x\"\n[generator]\nwidth = 33", "`generator.width`"),
        ("tokenizer = \"x\"\n[generator]\nheads = 0", "`generator.heads`"),
        ("tokenizer = \"x\"\n[generator]\npath = \"bent\"", "bent"),
        (
            "tokenizer = \"x\"\n[generator]\nlabel_dropout = 0.0",
            "`generator.label_dropout`",
        ),
        (
            "tokenizer = \"x\"\n[generator]\n[bank]\npictures = 0",
            "`bank.pictures`",
        ),
        (
            "tokenizer = \"x\"\n[generator]\n[optimiser]\nbatch = 7",
            "`optimiser.parts`",
        ),
        (
            "tokenizer = \"x\"\n[generator]\n[data]\nsmallest_crop = 2.0",
            "`data.smallest_crop`",
        ),
        (
            "tokenizer = \"x\"\n[generator]\n[data]\nground_colours = \"plaid\"",
            "plaid",
        ),
        (
            "tokenizer = \"x\"\n[generator]\n[data]\ncutout_overhang = 1.5",
            "`data.cutout_overhang`",
        ),
        (
            "tokenizer = \"x\"\n[generator]\n[sheet]\nguidance = -1.0",
            "`sheet.guidance`",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn the_recipe_that_ships_names_classes_and_only_known_keys() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/recipe");
    let config = GeneratorTrainConfig::read(&root.join("softscope-sit.toml"))
        .unwrap()
        .unwrap();
    // The recipe says that its values are the defaults.
    let defaults = GeneratorTrainConfig {
        tokenizer: "softscope-32".to_owned(),
        labels: Some(root.join("labels.tsv")),
        start_from: config.start_from.clone(),
        steps: config.steps,
        ..GeneratorTrainConfig::default()
    };
    assert_eq!(config, defaults);
    let table = LabelTable::read(config.labels.as_ref().unwrap()).unwrap();
    let coarse = GeneratorTrainConfig::read(&root.join("softscope-sit-coarse.toml"))
        .unwrap()
        .unwrap();
    let coarse = LabelTable::read(coarse.labels.as_ref().unwrap()).unwrap();
    assert!(
        (8..=24).contains(&coarse.classes().len()),
        "{:?}",
        coarse.classes()
    );
    assert!(
        (30..=60).contains(&table.classes().len()),
        "{:?}",
        table.classes()
    );
    for (stem, kind, class) in [
        ("grinning-face", "faces", "faces"),
        ("woman-dancing-medium-dark", "people", "people"),
        ("thumbs-up-light", "hands", "hands"),
        ("mango", "food", "fruit and vegetables"),
        ("cat-face", "animals", "animal faces"),
        ("cat", "animals", "four-legged animals"),
        ("red-heart", "hearts", "hearts"),
        ("racing-car", "vehicles", "cars and trains"),
        (
            "endless-sky__mountain12-someone",
            "mountains and fields",
            "mountains",
        ),
        ("krank__level-07", "under water", "under water"),
    ] {
        assert_eq!(coarse.class_of(stem), Some(kind), "{stem}");
        assert_eq!(table.class_of(stem), Some(class), "{stem}");
    }
    for table in [&coarse, &table] {
        assert_eq!(table.class_of("libjxl-testdata__x"), None);
    }
    assert!(
        GeneratorTrainConfig::read(&root.join("softscope-32.toml"))
            .unwrap()
            .is_none()
    );
}

fn softscope(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_softscope"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_command_trains_a_generator_that_generates_by_class_name() {
    let fixture = Fixture::new();
    let text = |name: &str| fixture.path(name).to_string_lossy().into_owned();
    let data = fixture.data.path().to_string_lossy().into_owned();
    let done = softscope(&[
        "--json",
        "train",
        "--config",
        &text("g.toml"),
        "--data",
        &data,
        "--out",
        &text("run"),
    ]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let results: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&results["steps"], &results["is_done"]),
        (&7.into(), &true.into())
    );
    assert!(results["held_out_loss"].as_f64().unwrap() > 0.0);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains("3 classes (round, nought, one)"), "{told}");

    let made = softscope(&[
        "--json",
        "--model",
        &text("tokenizer"),
        "generate",
        "--generator",
        &text("run"),
        "--class",
        "Round",
        "--steps",
        "3",
        "--cfg",
        "2",
        "--out",
        &text("made.png"),
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let results: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(results["pictures"][0]["class_name"], "round");
    assert!(fixture.path("made.png").is_file());

    let wrong = fixture.text(CONFIG).replace("depth = 2", "dephts = 2");
    fixture.write("wrong.toml", &wrong);
    let refused = softscope(&[
        "train",
        "--config",
        &text("wrong.toml"),
        "--data",
        &data,
        "--out",
        &text("other"),
    ]);
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        words.contains("dephts") && words.contains("wrong.toml"),
        "{words}"
    );
    assert!(!fixture.path("other").exists());
}
