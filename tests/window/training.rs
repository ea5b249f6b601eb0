//! The view Train: a run that is started, watched, stopped, continued and used; what is wrong, told where it is.

use super::pictures::keep;
use super::{Window, build, builder, click, drop_file, notices, open, press, settings, settle};
use egui::accesskit::Role;
use egui::{Key, Modifiers, Rect, Theme, ViewportCommand, ViewportEvent, ViewportId, pos2};
use egui_kittest::SnapshotOptions;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use softscope::trainer::{Order, Run, RunRecord, Status, TrainConfig, TrainingRun};
use softscope::ui::{Recipe, Settings, Tab, ThemeChoice, TrainChoices};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const ENDLESS: &str = "
steps = 1000000
[model]
image_size = 32
patch_size = 8
tokens = 8
channels = 8
codebook_size = 32
encoder = { embed_dim = 16, depth = 1, num_heads = 2 }
decoder = { embed_dim = 16, depth = 1, num_heads = 2 }
[data]
held_out_share = 0.3
[optimiser]
batch = 4
warmup_steps = 2
[output]
log_every = 1
evaluate_every = 2
checkpoint_every = 2
evaluated_pictures = 2
";

/// A folder of its own for pictures, configuration and results.
struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pictures = folder.path().join("pictures");
        std::fs::create_dir(&pictures).unwrap();
        for index in 0..12_u32 {
            let picture = image::RgbImage::from_fn(40, 36, |x, y| {
                image::Rgb([(x * 6) as u8, (y * 7) as u8, (index * 20) as u8])
            });
            picture.save(pictures.join(format!("{index}.png"))).unwrap();
        }
        std::fs::write(folder.path().join("own.toml"), ENDLESS).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn choices(&self) -> TrainChoices {
        TrainChoices {
            data: vec![self.path("pictures")],
            out: self.path("models/run").display().to_string(),
            recipe: Recipe::File,
            config_path: self.path("own.toml").display().to_string(),
            threads: Some(1),
            ..TrainChoices::default()
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            train: self.choices(),
            ..settings(ThemeChoice::Dark)
        }
    }

    /// A window with all of it chosen, on the view Train.
    fn open(&self) -> Window {
        let mut window = build(builder(), self.folder.path(), self.settings(), Vec::new());
        click(&mut window, "Train");
        window
    }
}

fn training(window: &Window) -> &TrainingRun {
    window.state().training().expect("a run")
}

/// Draws once the run is that far.
fn until(window: &mut Window, is_met: impl Fn(&Status) -> bool) {
    assert!(training(window).wait_until(is_met), "the run ended before");
    settle(window);
}

/// Draws once the run has ended and was taken in.
fn until_ended(window: &mut Window) {
    until(window, Status::is_ended);
    assert!(window.state().training().is_none());
}

fn type_into(window: &mut Window, label: &str, text: &Path) {
    window.get_by_label(label).focus();
    window.step();
    window.get_by_label(label).type_text(&text.display().to_string());
    settle(window);
    press(window, Modifiers::NONE, Key::Enter);
}

fn is_disabled(window: &Window, label: &str) -> bool {
    window.get_by_label(label).accesskit_node().is_disabled()
}

#[test]
fn the_empty_view_teaches_and_takes_what_is_given() {
    let workshop = Workshop::new();
    let mut window = open(workshop.folder.path());
    press(&mut window, Modifiers::COMMAND, Key::F5);
    assert_eq!(window.state().tab(), Tab::Train);
    window.get_by_label("Train a model of your own");
    window.get_by_label("Transparency means cut-outs");
    assert!(is_disabled(&window, "Start training"));
    window.get_by_label("Add a folder of pictures first.");
    keep(&mut window, "train_empty");

    type_into(
        &mut window,
        "Path of a folder of pictures",
        &workshop.path("pictures"),
    );
    window.get_by_label_contains("to train on,");
    window.get_by_label_contains("too few for a model");
    assert!(!is_disabled(&window, "Start training"));

    drop_file(&mut window, workshop.path("own.toml"));
    window.get_by_label("32 px, 8 × 8 tokens, 1 × 32 codewords, 4 pictures a step");
    assert_eq!(
        super::picture_count(&window),
        1,
        "what is dropped here is no picture of the library"
    );
    drop_file(&mut window, workshop.path("pictures/1.png"));
    assert!(
        notices(&window)[0].contains("neither a folder"),
        "{:?}",
        notices(&window)
    );
}

#[test]
fn a_run_is_started_watched_used_stopped_and_continued() {
    let workshop = Workshop::new();
    let mut window = workshop.open();
    press(&mut window, Modifiers::COMMAND, Key::R);
    until(&mut window, |status| status.record.steps_saved.is_some());
    keep(&mut window, "train_running");
    window.get_by_label_contains("pictures/s");
    window.get_by_label_contains("PSNR of photographs");
    window.get_by_label_contains("of 1\u{202f}000\u{202f}000, training");
    assert!(
        is_disabled(&window, "Folder of results"),
        "it cannot be moved under way"
    );
    settle(&mut window);
    assert!(window.query_all_by_label_contains("sheet of step").count() > 0);

    // The new model is among the installed ones at once.
    click(&mut window, "Models");
    window.get_by_label("Open run");
    click(&mut window, "Train");

    click(&mut window, "Use this model");
    assert_eq!(window.state().workspace().model().unwrap().name, "run");
    assert_eq!(window.state().workspace().model().unwrap().space.token_count, 8);
    training(&window).look(|status| assert!(!status.is_ended(), "it goes on"));

    // Seen from any other view, and a click away.
    click(&mut window, "Explore");
    window.get_by_label_contains("training run, step").click();
    settle(&mut window);
    assert_eq!(window.state().tab(), Tab::Train);

    click(&mut window, "Stop");
    until_ended(&mut window);
    let record = RunRecord::read(&workshop.path("models/run")).unwrap().unwrap();
    let continued = format!("Continue from step {}", record.steps_done);
    assert!(
        notices(&window)
            .iter()
            .any(|text| text.contains("training ended")),
        "{:?}",
        notices(&window)
    );
    window.get_by_label_contains(", stopped");

    click(&mut window, &continued);
    until(&mut window, |status| status.record.steps_done > record.steps_done);
    training(&window).look(|status| {
        let points = status.record.history.terms[0].points().count();
        assert!(
            points as u64 > record.steps_done,
            "the curve goes on where it was"
        );
    });
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::R);
    until_ended(&mut window);
    let after = RunRecord::read(&workshop.path("models/run")).unwrap().unwrap();
    assert!(after.steps_done > record.steps_done);
}

#[test]
fn what_is_wrong_is_told_at_its_field() {
    let workshop = Workshop::new();
    std::fs::write(workshop.path("wrong.toml"), "stepz = 3").unwrap();
    std::fs::create_dir(workshop.path("empty")).unwrap();
    let mut settings = workshop.settings();
    settings.train.data = vec![workshop.path("empty"), workshop.path("nowhere")];
    settings.train.config_path = workshop.path("wrong.toml").display().to_string();
    let mut window = build(builder(), workshop.folder.path(), settings, Vec::new());
    click(&mut window, "Train");
    window.get_by_label_contains("No pictures to train on");
    window.get_by_label_contains("Cannot read");
    window.get_by_label_contains("stepz");
    keep(&mut window, "train_wrong");
    assert!(is_disabled(&window, "Start training"));

    for name in ["empty", "nowhere"] {
        let label = format!("Remove {}", workshop.path(name).display());
        click(&mut window, &label);
    }
    assert!(
        window
            .query_by_label_contains("No pictures to train on")
            .is_none()
    );
    window.get_by_label("Add a folder of pictures first.");
}

#[test]
fn a_run_that_fails_says_why_in_the_view() {
    let workshop = Workshop::new();
    let mut window = workshop.open();
    // Broken after it was counted: only reading finds out.
    std::fs::write(workshop.path("pictures/0.png"), b"no picture").unwrap();
    std::fs::write(workshop.path("pictures/1.png"), b"no picture").unwrap();
    click(&mut window, "Start training");
    // It may have ended and been taken in by now.
    let has_stepped = |run: &TrainingRun| run.wait_until(|status| status.record.steps_done > 0);
    assert_ne!(window.state().training().map(has_stepped), Some(true));
    settle(&mut window);
    window.get_by_label("Training ended early");
    keep(&mut window, "train_failed");
    window.get_by_label_contains(".png");
    click(&mut window, "Dismiss");
    assert!(window.query_by_label("Training ended early").is_none());
    window.get_by_label("Train a model of your own");
}

/// Whether the window asked to be closed, or to stay open, in the last frame.
fn has_asked(window: &Window, command: &ViewportCommand) -> bool {
    let outputs = &window.output().viewport_output;
    outputs[&ViewportId::ROOT].commands.contains(command)
}

fn close(window: &mut Window) {
    let viewports = &mut window.input_mut().viewports;
    viewports
        .entry(ViewportId::ROOT)
        .or_default()
        .events
        .push(ViewportEvent::Close);
    window.step();
}

#[test]
fn closing_asks_and_waits_until_the_run_is_saved() {
    let workshop = Workshop::new();
    let mut window = workshop.open();
    close(&mut window);
    assert!(
        !has_asked(&window, &ViewportCommand::CancelClose),
        "nothing is under way"
    );

    click(&mut window, "Start training");
    until(&mut window, |status| status.record.steps_done >= 1);
    close(&mut window);
    assert!(has_asked(&window, &ViewportCommand::CancelClose));
    settle(&mut window);
    keep(&mut window, "train_closing");
    click(&mut window, "Keep training");
    training(&window).look(|status| assert!(!status.is_ended()));
    assert!(window.query_by_label("Stop and close").is_none());

    close(&mut window);
    settle(&mut window);
    window.get_by_label("Stop and close").click();
    window.step();
    assert!(training(&window).wait_until(Status::is_ended));
    window.step();
    assert!(has_asked(&window, &ViewportCommand::Close));
    close(&mut window);
    assert!(!has_asked(&window, &ViewportCommand::CancelClose), "now it may");
    assert!(
        RunRecord::read(&workshop.path("models/run"))
            .unwrap()
            .unwrap()
            .steps_done
            >= 1
    );
}

/// A finished run with figures and sheets that are the same on every machine.
fn finished(workshop: &Workshop) {
    let text = ENDLESS
        .replace("1000000", "200")
        .replace("every = 2", "every = 100");
    let order = Order {
        run: Run {
            config: TrainConfig::parse(&text).unwrap(),
            data: vec![workshop.path("pictures")],
            out: workshop.path("models/run"),
            is_resumed: false,
        },
        time_limit: None,
    };
    assert!(TrainingRun::start(order, || ()).wait_until(Status::is_ended));
    for (step, green) in [(100, 60), (200, 180)] {
        let sheet = image::RgbImage::from_fn(8 * 36 + 4, 2 * 36 + 4, |x, y| {
            let is_gap = x % 36 < 4 || y % 36 < 4;
            image::Rgb(if is_gap {
                [250; 3]
            } else {
                [(x * 2 % 256) as u8, green, (y * 3) as u8]
            })
        });
        sheet
            .save(workshop.path(&format!("models/run/samples/step-{step:07}.png")))
            .unwrap();
    }
    let log = workshop.path("models/run/log.csv");
    let head = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let mut rows = format!("{head}\n");
    for step in 1..=200 {
        let t = f64::from(step) / 100.0;
        let noise = f64::from((step * 7919) % 101) / 101.0 - 0.5;
        let loss = 0.4 * (-2.0 * t).exp() + 0.05 * (1.0 + 0.6 * noise);
        let values = head.split(',').map(|name| match name {
            "step" => step.to_string(),
            "loss" => loss.to_string(),
            "l1" => (0.8 * loss).to_string(),
            "mse" => (0.3 * loss).to_string(),
            "gradient_l1" => (0.5 * loss).to_string(),
            "entropy" => (t - 3.0).to_string(),
            "photograph_psnr_db" if step % 20 == 0 => (14.0 + 4.0 * t).to_string(),
            "composite_psnr_db" if step % 20 == 0 => (15.0 + 4.5 * t).to_string(),
            "perplexity" if step % 20 == 0 => (30.0 - 5.0 * t).to_string(),
            "codebook_used" if step % 20 == 0 => "0.875".to_owned(),
            _ => String::new(),
        });
        writeln!(rows, "{}", values.collect::<Vec<_>>().join(",")).unwrap();
    }
    std::fs::write(log, rows).unwrap();
}

fn look(theme: ThemeChoice, name: &str) {
    let workshop = Workshop::new();
    finished(&workshop);
    let egui_theme = if theme == ThemeChoice::Light {
        Theme::Light
    } else {
        Theme::Dark
    };
    let builder = builder().with_theme(egui_theme).with_render_cursor(false).wgpu();
    let settings = Settings {
        theme,
        ..workshop.settings()
    };
    let mut window = build(builder, workshop.folder.path(), settings, Vec::new());
    click(&mut window, "Train");
    window.get_by_label_contains("step 200 of 200, done");
    window.get_by_label("sheet 2 of 2");
    click(&mut window, "Earlier sheet");
    window.get_by_label("sheet 1 of 2");
    click(&mut window, "Later sheet");
    window.remove_cursor();
    settle(&mut window);
    // Paths, threads and times are another matter on every machine.
    let out = window.get_by_label("Folder of results").rect();
    let threads = window.get_by_role_and_label(Role::SpinButton, "threads").rect();
    for rect in [
        out,
        threads,
        Rect::from_min_max(pos2(0.0, 772.0), pos2(1280.0, 800.0)),
    ] {
        window.mask(Rect::from_min_max(rect.min, pos2(1280.0, rect.bottom())));
    }
    window.snapshot_options(
        name,
        &SnapshotOptions::new().threshold(1.5).max_failed_pixels(120),
    );
}

#[test]
fn a_finished_run_looks_right_in_the_dark() {
    look(ThemeChoice::Dark, "train_dark");
}

#[test]
fn a_finished_run_looks_right_in_the_light() {
    look(ThemeChoice::Light, "train_light");
}
