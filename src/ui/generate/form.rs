//! What a person has chosen for the next generation.

use super::classes::ClassList;
use super::terms;
use crate::document::{GenerateOrder, GenerateStart};
use crate::engine::GeneratorInfo;
use crate::generator::{GeneratorClass, Path, Settings, Solver, TRAINED_STEPS};
use crate::ui::glossary;
use crate::ui::theme::{self, icon};
use egui::{DragValue, Grid, Ui};
use std::hash::{BuildHasher, Hasher};

/// Steps that the window proposes: far quicker than the reference's, hardly worse.
const PROPOSED_STEPS: usize = 50;
/// Guidance that the window proposes.
const PROPOSED_SCALE: f64 = 1.5;
/// Seeds that are thrown are short enough to be read aloud.
const THROWN_SEEDS: u64 = 1_000_000;
/// Pictures of one generation.
const MOST_PICTURES: usize = 64;

/// Class, seed and settings, with what is searched among the classes.
pub(super) struct Form {
    class: Option<u32>,
    seed: u64,
    count: usize,
    settings: Settings,
    /// Noise level of a variation.
    vary_t: f64,
    classes: ClassList,
    /// Hash of the generator that the choices were made for.
    made_for: Option<String>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            class: None,
            seed: 0,
            count: 1,
            settings: proposed(GeneratorClass::Sit),
            vary_t: 0.5,
            classes: ClassList::default(),
            made_for: None,
        }
    }
}

fn proposed(class: GeneratorClass) -> Settings {
    let mut settings = Settings::of(class);
    settings.steps = PROPOSED_STEPS;
    settings.guidance.scale = PROPOSED_SCALE;
    settings
}

impl Form {
    /// Keeps what the new generator can follow, and chooses anew what it cannot.
    pub(super) fn fit_to(&mut self, generator: &GeneratorInfo) {
        if self.made_for.as_ref() == Some(&generator.hash) {
            return;
        }
        self.made_for = Some(generator.hash.clone());
        self.classes.forget();
        if self.settings.solver.class() != generator.class {
            self.settings = proposed(generator.class);
        }
        if let Some(path) = generator.args.path() {
            self.settings.path = path;
        }
        if let Some(scale) = generator.args.guidance_scale {
            self.settings.guidance.scale = scale;
        }
        let has_class = |class: &u32| (*class as usize) < generator.args.num_classes;
        let null = generator.args.null_label();
        self.class = self
            .class
            .filter(has_class)
            .or(if null.is_some() { None } else { Some(0) });
        if null.is_none() {
            self.settings.guidance.scale = 1.0;
        }
    }

    /// What the form stands for.
    pub(super) fn order(&self, start: GenerateStart) -> GenerateOrder {
        GenerateOrder {
            class: self.class,
            seed: self.seed,
            count: self.count,
            settings: self.settings,
            start,
        }
    }

    /// Noise level of a variation.
    pub(super) fn vary_t(&self) -> f64 {
        self.vary_t
    }

    /// Draws the choices.
    pub(super) fn ui(&mut self, ui: &mut Ui, generator: &GeneratorInfo) {
        self.classes.ui(ui, &generator.args, &mut self.class);
        ui.add_space(theme::GRID);
        Grid::new("generate form")
            .num_columns(2)
            .spacing([12.0, 6.0])
            .show(ui, |ui| {
                glossary::term_label(ui, terms::SEED);
                self.seed_ui(ui);
                ui.end_row();
                ui.label("pictures");
                ui.add(
                    DragValue::new(&mut self.count)
                        .range(1..=MOST_PICTURES)
                        .speed(0.05),
                )
                .accessible_name("pictures");
                ui.end_row();
                glossary::term_label(ui, terms::STEPS);
                let steps = DragValue::new(&mut self.settings.steps).range(1..=TRAINED_STEPS);
                ui.add(steps).accessible_name("steps");
                ui.end_row();
                glossary::term_label(ui, terms::SAMPLER);
                ui.horizontal(|ui| self.solver_ui(ui, generator.class));
                ui.end_row();
                glossary::term_label(ui, terms::PATH);
                ui.horizontal(|ui| {
                    for (path, name) in [(Path::Linear, "linear"), (Path::Cosine, "cosine")] {
                        ui.selectable_value(&mut self.settings.path, path, name);
                    }
                });
                ui.end_row();
                glossary::term_label(ui, terms::GUIDANCE);
                let can_guide = generator.args.null_label().is_some();
                ui.add_enabled_ui(can_guide, |ui| self.guidance_ui(ui))
                    .response
                    .on_disabled_hover_text(
                        "This generator has no label for \"no class\" to guide away from.",
                    );
                ui.end_row();
            });
    }

    fn seed_ui(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.add(DragValue::new(&mut self.seed)).accessible_name("seed");
            if theme::icon_button(ui, icon::REPEAT, "Throw another seed").clicked() {
                self.seed = thrown();
            }
        });
    }

    fn solver_ui(&mut self, ui: &mut Ui, class: GeneratorClass) {
        let names = [
            (Solver::Sde, "sde"),
            (Solver::Euler, "ode"),
            (Solver::Heun, "heun"),
            (Solver::Ddpm, "ddpm"),
        ];
        for (solver, name) in names.into_iter().filter(|(solver, _)| solver.class() == class) {
            ui.selectable_value(&mut self.settings.solver, solver, name);
        }
    }

    fn guidance_ui(&mut self, ui: &mut Ui) {
        let guidance = &mut self.settings.guidance;
        ui.horizontal(|ui| {
            let scale = DragValue::new(&mut guidance.scale)
                .range(1.0..=20.0)
                .speed(0.02)
                .fixed_decimals(2);
            ui.add(scale).accessible_name("guidance scale");
            ui.weak("from");
            let low = DragValue::new(&mut guidance.low)
                .range(0.0..=guidance.high)
                .speed(0.01)
                .fixed_decimals(2);
            ui.add(low).accessible_name("guidance from");
            ui.weak("to");
            let high = DragValue::new(&mut guidance.high)
                .range(guidance.low..=1.0)
                .speed(0.01)
                .fixed_decimals(2);
            ui.add(high).accessible_name("guidance to");
        });
    }

    pub(super) fn noise_level_ui(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            let label = glossary::term_label(ui, terms::NOISE_LEVEL);
            let slider = egui::Slider::new(&mut self.vary_t, 0.02..=1.0).fixed_decimals(2);
            ui.add(slider)
                .labelled_by(label.id)
                .accessible_name("noise level");
        });
    }
}

/// A seed that nobody chose.
fn thrown() -> u64 {
    // The standard library keys every hasher with numbers from the system.
    std::hash::RandomState::new().build_hasher().finish() % THROWN_SEEDS
}
