//! The panels around an empty centre, on a real workspace with a real model, and the hands that work them.

use crate::support::Golden;
use egui::accesskit::Toggled;
use egui::{Vec2, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, HarnessBuilder, Node};
use softscope::document::{Import, NoticeKind, Places, Workspace};
use softscope::engine::{Engine, RunOptions};
use softscope::latent::{Edit, LatentState};
use softscope::picture::Rgb8;
use softscope::tokenizer::ModelFiles;
use softscope::ui::inspector::{Inspector, history_ui, inspector_ui};
use softscope::ui::interpolation::{Interpolation, interpolation_ui};
use softscope::ui::selection::Selection;
use softscope::ui::theme;
use softscope::ui::token_strip::{TokenStrip, token_strip_ui};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The panels around an empty centre, as the window lays them out.
pub(crate) struct Bench {
    pub(crate) workspace: Workspace,
    pub(crate) selection: Selection,
    pub(crate) strip: TokenStrip,
    pub(crate) inspector: Inspector,
    pub(crate) interpolation: Interpolation,
    is_styled: bool,
    // Its files are read while the model is open.
    _golden: Option<Golden>,
}

impl Bench {
    fn ui(&mut self, ui: &mut egui::Ui) {
        if !self.is_styled {
            theme::install(ui.ctx());
            self.is_styled = true;
        }
        self.workspace.update();
        egui::Panel::right("inspector").exact_size(304.0).show(ui, |ui| {
            egui::Panel::bottom("history")
                .exact_size(180.0)
                .show(ui, |ui| history_ui(ui, &mut self.workspace));
            egui::CentralPanel::default()
                .frame(egui::Frame::NONE)
                .show(ui, |ui| {
                    inspector_ui(ui, &mut self.workspace, &mut self.selection, &mut self.inspector);
                });
        });
        egui::Panel::bottom("tokens").show(ui, |ui| {
            token_strip_ui(ui, &self.workspace, &mut self.selection, &mut self.strip);
            ui.separator();
            interpolation_ui(ui, &mut self.workspace, &self.selection, &mut self.interpolation);
        });
        egui::CentralPanel::default().show(ui, |_| {});
    }

    pub(crate) fn state(&self) -> Arc<LatentState> {
        let active = self.workspace.active().unwrap();
        let encoded = active.encoded.as_ref().unwrap();
        active
            .edited
            .as_ref()
            .map_or_else(|| encoded.state.clone(), |shown| shown.state.clone())
    }
    pub(crate) fn original(&self) -> Arc<LatentState> {
        self.workspace
            .active()
            .unwrap()
            .encoded
            .as_ref()
            .unwrap()
            .state
            .clone()
    }
    pub(crate) fn pixels(&self) -> Arc<Rgb8> {
        let active = self.workspace.active().unwrap();
        let encoded = active.encoded.as_ref().unwrap();
        active
            .edited
            .as_ref()
            .map_or_else(|| encoded.reconstruction.clone(), |shown| shown.picture.clone())
    }
    pub(crate) fn applied(&self) -> Vec<Edit> {
        self.workspace.active().unwrap().history.applied().to_vec()
    }
    pub(crate) fn selected(&self) -> Vec<usize> {
        self.selection.to_vec()
    }
    /// The heaviest codeword of a token as (segment, codeword, weight).
    pub(crate) fn heaviest(&self, token: usize) -> (usize, usize, f32) {
        let state = self.state();
        let mixture = state.mixture(token).unwrap();
        let (codeword, weight) = softscope::analysis::top_codewords(mixture, 1)[0];
        (mixture.segment, codeword, weight)
    }
}

pub(crate) type Panels = Harness<'static, Bench>;

/// The model that ships where it is there, else a golden set with two codebook segments that is always there.
pub(crate) fn model() -> (ModelFiles, Option<Golden>) {
    let shipped = [
        concat!(env!("CARGO_MANIFEST_DIR"), "/models/softscope-32"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/models/starter"),
    ];
    match shipped
        .iter()
        .map(Path::new)
        .find(|folder| folder.join("model.safetensors").is_file())
    {
        Some(folder) => (ModelFiles::locate(folder).unwrap(), None),
        None => {
            eprintln!("SKIPPED the shipped model, which is not there: a small golden set is used");
            segmented_model()
        }
    }
}

pub(crate) fn segmented_model() -> (ModelFiles, Option<Golden>) {
    let golden = Golden::tiny("a3_softvq_nol2").unwrap();
    (golden.files.clone(), Some(golden))
}

/// Colour ramps with a square; `turn` makes another picture.
pub(crate) fn synthetic(turn: u32) -> Rgb8 {
    const SIDE: u32 = 128;
    let square = 32 + 8 * turn..72 + 8 * turn;
    let bytes = (0..SIDE)
        .flat_map(|y| (0..SIDE).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let is_inside = square.contains(&x) && square.contains(&y);
            let ramp = |value: u32| (value * 200 / SIDE) as u8;
            let colour = [if is_inside { 240 } else { ramp(x) }, ramp(y), ramp((x + y) / 2)];
            if turn.is_multiple_of(2) {
                colour
            } else {
                [colour[2], colour[0], 255 - colour[1]]
            }
        })
        .collect();
    Rgb8::new(SIDE, SIDE, bytes).unwrap()
}

pub(crate) fn workspace(files: ModelFiles, pictures: u32) -> Workspace {
    let options = RunOptions {
        threads: Some(2),
        ..RunOptions::default()
    };
    let places = Places {
        shipped_models: None,
        installed_models: PathBuf::new(),
        samples: None,
        data: std::env::temp_dir().join(format!("softscope-panels-test-{}", std::process::id())),
        hub: softscope::hub::Settings::offline_in(""),
    };
    let mut workspace = Workspace::new(Engine::start(options, || {}), places, || {});
    workspace.open_model(files);
    for turn in 0..pictures {
        workspace.import(Import::Pixels {
            name: format!("ramp {turn}"),
            picture: Arc::new(synthetic(turn)),
        });
    }
    let notices = workspace.settle();
    assert!(
        notices.iter().all(|notice| notice.kind != NoticeKind::Error),
        "{notices:?}"
    );
    if let Some(first) = workspace.subjects().first().map(|subject| subject.id) {
        workspace.set_active(first);
    }
    workspace.settle();
    workspace
}

pub(crate) fn panels_with(model: (ModelFiles, Option<Golden>), pictures: u32) -> Panels {
    build(builder(), model, pictures)
}

/// Panels that can be looked at.
pub(crate) fn drawn_panels(model: (ModelFiles, Option<Golden>), pictures: u32) -> Panels {
    build(builder().with_render_cursor(false).wgpu(), model, pictures)
}

fn builder() -> HarnessBuilder<Bench> {
    Harness::builder()
        .with_size(vec2(1280.0, 800.0))
        .with_step_dt(1.0 / 60.0)
        .with_max_steps(120)
}

fn build(
    builder: HarnessBuilder<Bench>,
    (files, golden): (ModelFiles, Option<Golden>),
    pictures: u32,
) -> Panels {
    let bench = Bench {
        workspace: workspace(files, pictures),
        selection: Selection::default(),
        strip: TokenStrip::default(),
        inspector: Inspector::default(),
        interpolation: Interpolation::default(),
        is_styled: false,
        _golden: golden,
    };
    let mut panels = builder.build_ui_state(|ui, bench: &mut Bench| bench.ui(ui), bench);
    panels.run();
    panels
}

pub(crate) fn panels() -> Panels {
    panels_with(model(), 1)
}

/// Runs frames until the window is quiet and every decode is on show.
pub(crate) fn settle(panels: &mut Panels) {
    panels.run();
    let notices = panels.state_mut().workspace.settle();
    assert!(
        notices.iter().all(|notice| notice.kind != NoticeKind::Error),
        "{notices:?}"
    );
    panels.run();
}

pub(crate) fn select(panels: &mut Panels, token: usize) {
    panels.get_by_label(&format!("token {token}")).click();
    panels.run();
}

/// Scrolls to a button and clicks it.
pub(crate) fn press(panels: &mut Panels, label: &str) {
    panels.get_by_label(label).scroll_to_me();
    panels.run();
    panels.get_by_label(label).click();
    settle(panels);
}

/// Presses on the widget's centre, moves by `by`, lets go.
pub(crate) fn drag(panels: &mut Panels, label: &str, by: Vec2) {
    grab(panels, label, by);
    let end = panels.get_by_label(label).rect().center() + by;
    panels.drop_at(end);
    settle(panels);
}

/// Presses on the widget's centre and moves by `by`.
pub(crate) fn grab(panels: &mut Panels, label: &str, by: Vec2) {
    panels.get_by_label(label).scroll_to_me();
    panels.run();
    let start = panels.get_by_label(label).rect().center();
    panels.drag_at(start);
    panels.step();
    panels.hover_at(start + by / 2.0);
    panels.step();
    panels.hover_at(start + by);
    settle(panels);
}

pub(crate) fn is_selected(node: &Node<'_>) -> bool {
    node.accesskit_node().toggled() == Some(Toggled::True)
}

pub(crate) fn numeric_value(panels: &Panels, label: &str) -> f32 {
    panels
        .get_by_label(label)
        .accesskit_node()
        .numeric_value()
        .unwrap() as f32
}

pub(crate) fn close(a: f32, b: f32, tolerance: f32) -> bool {
    (a - b).abs() <= tolerance
}
