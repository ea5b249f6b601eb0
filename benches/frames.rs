//! CPU time of frames of the whole window with all panels open, at 1280 x 800: what `logic` and `ui` take, and cutting
//! the shapes into triangles. Nothing is drawn: a renderer's time is its own.
//!
//!     cargo bench --bench frames

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a measurement stops at the first surprise

use eframe::App as _;
use egui::{Event, Key, Modifiers, Pos2, RawInput, Rect, pos2, vec2};
use softscope::document::{Import, Places, Workspace};
use softscope::engine::{Engine, RunOptions};
use softscope::latent::{Edit, Rest};
use softscope::picture::Rgb8;
use softscope::ui::{Settings, SoftscopeApp};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SIZE: egui::Vec2 = vec2(1280.0, 800.0);
/// Frames of each scene; those that lay the window out for the first time come before.
const FRAMES: usize = 300;
const FIRST_FRAMES: usize = 4;

/// Time that this thread has had a CPU, so that what else runs on the machine counts less; wall time where the system
/// does not tell.
fn thread_time(start: Instant) -> Duration {
    // The system brings the figure up to date when it may schedule another thread.
    std::thread::yield_now();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let on_cpu = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    on_cpu.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

struct Window {
    ctx: egui::Context,
    app: SoftscopeApp,
    frame: eframe::Frame,
    start: Instant,
    drawn: usize,
}

impl Window {
    fn open(data: &Path) -> Self {
        let places = Places {
            shipped_models: Some(Path::new(ROOT).join("models")),
            installed_models: data.join("models"),
            samples: Some(Path::new(ROOT).join("assets/samples")),
            data: data.to_owned(),
            hub: softscope::hub::Settings::offline_in(data.join("hub")),
        };
        let ctx = egui::Context::default();
        let workspace = Workspace::new(Engine::start(RunOptions::default(), || ()), places, || ());
        let mut app = SoftscopeApp::new(&ctx, None, workspace, Settings::default());
        app.open_at_start(None, Vec::new());
        let mut window = Self {
            ctx,
            app,
            frame: eframe::Frame::_new_kittest(),
            start: Instant::now(),
            drawn: 0,
        };
        window.settle();
        for _ in 0..6 {
            window.key(Key::ArrowRight);
        }
        assert_eq!(window.app.selection().primary(), Some(5));
        window
    }

    fn settle(&mut self) {
        for _ in 0..FIRST_FRAMES {
            self.draw(Vec::new());
            self.app.settle();
        }
    }

    /// Draws a frame; milliseconds and bytes of textures sent.
    fn draw(&mut self, events: Vec<Event>) -> (f64, usize) {
        self.drawn += 1;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, SIZE)),
            time: Some(self.drawn as f64 / 60.0),
            events,
            ..RawInput::default()
        };
        let before = thread_time(self.start);
        let output = self.ctx.run_ui(input, |ui| {
            self.app.logic(ui.ctx(), &mut self.frame);
            self.app.ui(ui, &mut self.frame);
        });
        let triangles = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let took = thread_time(self.start).saturating_sub(before);
        std::hint::black_box(triangles);
        let deltas = output.textures_delta.set.values().flatten();
        let sent = deltas.map(|delta| {
            let [width, height] = delta.image.size();
            width * height * delta.image.bytes_per_pixel()
        });
        (took.as_secs_f64() * 1e3, sent.sum())
    }

    fn key(&mut self, key: Key) {
        for pressed in [true, false] {
            let event = Event::Key {
                key,
                physical_key: None,
                pressed,
                repeat: false,
                modifiers: Modifiers::NONE,
            };
            self.draw(vec![event]);
        }
    }

    fn add(&mut self, name: &str, width: u32, height: u32, seed: u32) {
        let pixel = |x: u32, y: u32| [(x ^ y) as u8, (x + seed * 40) as u8, (y * 3) as u8];
        let bytes = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)));
        let picture = Rgb8::new(width, height, bytes.collect()).unwrap();
        self.app.workspace_mut().import(Import::Pixels {
            name: name.to_owned(),
            picture: Arc::new(picture),
        });
    }

    /// The pointer wanders over everything.
    fn wander(&mut self) -> Vec<(f64, usize)> {
        let place = |frame: usize| {
            let turn = frame as f32 / FRAMES as f32 * std::f32::consts::TAU;
            pos2(
                640.0 + 620.0 * (5.0 * turn).sin(),
                400.0 + 380.0 * (3.0 * turn).cos(),
            )
        };
        (0..FRAMES)
            .map(|frame| self.draw(vec![Event::PointerMoved(place(frame))]))
            .collect()
    }

    /// A weight of token 5 is dragged, each picture drawn when it is there.
    fn drag(&mut self) -> Vec<(f64, usize)> {
        let segment = self.segment();
        let frames = (0..FRAMES)
            .map(|frame| {
                let weight = frame as f32 / FRAMES as f32;
                self.app.workspace_mut().preview_edit(Edit::SetWeights {
                    token: 5,
                    weights: vec![(segment, 0, weight)],
                    rest: Rest::Proportional,
                });
                self.app.settle();
                self.draw(Vec::new())
            })
            .collect();
        self.app.workspace_mut().cancel_preview();
        self.settle();
        frames
    }

    fn segment(&self) -> usize {
        let active = self.app.workspace().active().unwrap();
        let state = &active.encoded.as_ref().unwrap().state;
        state.mixture(5).unwrap().segment
    }
}

fn report(scene: &str, frames: &[(f64, usize)]) {
    let mut times_ms: Vec<f64> = frames.iter().map(|(ms, _)| *ms).collect();
    times_ms.sort_by(f64::total_cmp);
    let at = |share: f64| times_ms[((times_ms.len() - 1) as f64 * share).round() as usize];
    let most_sent = frames.iter().map(|(_, bytes)| bytes).max().unwrap();
    println!(
        "{scene:<44} {:>8.2} {:>8.2} {:>8.2} {:>12}",
        at(0.5),
        at(0.95),
        at(1.0),
        most_sent / 1024
    );
}

fn main() {
    let data = tempfile::tempdir().unwrap();
    let mut window = Window::open(data.path());
    println!(
        "{:<44} {:>8} {:>8} {:>8} {:>12}",
        "CPU ms of a frame", "median", "95 %", "worst", "most KiB sent"
    );
    report("default, pointer wanders", &window.wander());
    report("default, a weight is dragged", &window.drag());

    window.add("eight megapixels", 3264, 2448, 1);
    let arriving: Vec<_> = (0..FRAMES)
        .map(|_| {
            std::thread::yield_now();
            window.draw(Vec::new())
        })
        .collect();
    report("8 megapixels arrive", &arriving);
    window.settle();
    report("8 megapixels, pointer wanders", &window.wander());
    report("8 megapixels, a weight is dragged", &window.drag());

    for seed in 0..198 {
        window.add(&format!("picture {seed}"), 320, 240, seed);
    }
    window.settle();
    assert_eq!(window.app.workspace().subjects().len(), 200);
    report("200 entries, pointer wanders", &window.wander());
    report("200 entries, a weight is dragged", &window.drag());
}
