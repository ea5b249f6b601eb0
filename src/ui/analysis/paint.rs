//! Paint: tokens that make the pixels under the brush look as wanted.

use super::{plots, terms};
use crate::document::{PaintOrder, PaintTarget, Workspace};
use crate::engine::{NearHull, PaintFigures, PaintSettings, PaintStep, PaintTokens, SubjectId};
use crate::picture::{Mask, Rgb8};
use crate::ui::commands::{Command, Situation};
use crate::ui::menu::command_button;
use crate::ui::selection::Selection;
use crate::ui::{fact, glossary, theme};
use egui::{
    CollapsingHeader, ColorImage, ComboBox, DragValue, Grid, Image, ProgressBar, TextureHandle,
    TextureOptions, Ui, vec2,
};
use std::sync::Arc;

/// Height of the plot, in points.
const PLOT_HEIGHT: f32 = 168.0;
/// Side of the picture that is wanted, in points.
const WANTED_SIDE: f32 = 120.0;
/// Most steps of a search.
const MOST_STEPS: usize = 1000;

/// What the region is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Colour,
    Picture,
}

/// Which tokens may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moving {
    All,
    Selected,
    Best,
}

/// How the tokens are kept near the codewords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hull {
    Free,
    Near,
    Project,
}

/// What a person has chosen for the next painting.
pub(super) struct PaintForm {
    wanted: Wanted,
    colour: [u8; 3],
    other: Option<SubjectId>,
    offset: [i32; 2],
    moving: Moving,
    best: usize,
    hull: Hull,
    penalty: f64,
    settings: PaintSettings,
    preview: Option<Preview>,
}

/// The picture that is wanted, made anew only when something changes.
struct Preview {
    mask: Arc<Mask>,
    target: PaintTarget,
    picture: Arc<Rgb8>,
    /// Or why there is none.
    made: Result<TextureHandle, String>,
}

impl Default for PaintForm {
    fn default() -> Self {
        Self {
            wanted: Wanted::Colour,
            colour: [206, 66, 48],
            other: None,
            offset: [0, 0],
            moving: Moving::All,
            best: 8,
            hull: Hull::Near,
            penalty: PaintSettings::PENALTY,
            settings: PaintSettings::default(),
            preview: None,
        }
    }
}

impl PaintForm {
    /// What the form stands for.
    pub(super) fn order(&self, mask: Arc<Mask>, workspace: &Workspace, selection: &Selection) -> PaintOrder {
        let space = workspace.model().map(|model| &model.space);
        let mixes = space.is_some_and(|space| space.mixing().is_some());
        PaintOrder {
            mask,
            target: self.target(workspace),
            tokens: match self.moving {
                Moving::All => PaintTokens::All,
                Moving::Selected => PaintTokens::List(selection.to_vec()),
                Moving::Best => PaintTokens::Best(self.best),
            },
            settings: PaintSettings {
                near_hull: match self.hull {
                    Hull::Near if mixes => NearHull::Penalty(self.penalty),
                    Hull::Project if mixes => NearHull::Project,
                    _ => NearHull::Free,
                },
                ..self.settings
            },
        }
    }

    fn target(&self, workspace: &Workspace) -> PaintTarget {
        match (self.wanted, self.other(workspace)) {
            (Wanted::Picture, Some(subject)) => PaintTarget::Picture {
                subject,
                offset: self.offset,
            },
            _ => PaintTarget::Colour(self.colour),
        }
    }

    /// The picture to take a patch of: the one chosen, else the first that is another than the active one.
    fn other(&self, workspace: &Workspace) -> Option<SubjectId> {
        let active = workspace.active().map(|subject| subject.id);
        let subjects = workspace.subjects();
        let chosen = subjects.iter().find(|subject| Some(subject.id) == self.other);
        let another = subjects.iter().find(|subject| Some(subject.id) != active);
        chosen.or(another).or(subjects.first()).map(|subject| subject.id)
    }

    /// Draws the choices and how a painting goes.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        (mask, selection): (&Arc<Mask>, &Selection),
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        ui.horizontal_top(|ui| {
            self.preview_ui(ui, workspace, mask);
            ui.vertical(|ui| self.form_ui(ui, workspace, selection, now));
        });
        ui.add_space(theme::GRID);
        ui.horizontal_wrapped(|ui| {
            command_button(ui, Command::PaintRegion, now, commands);
            if workspace.is_painting() {
                command_button(ui, Command::StopPainting, now, commands);
                command_button(ui, Command::DiscardPainting, now, commands);
            }
        });
        if let Some(step) = workspace.painting() {
            progress_ui(ui, step, workspace.is_painting());
            plots::painting_ui(ui, &step.curve, step.total, PLOT_HEIGHT);
        } else if workspace.is_painting() {
            ui.label(theme::muted("starting…"));
        }
    }

    /// The picture as it is wanted, or why it cannot be had.
    fn preview_ui(&mut self, ui: &mut Ui, workspace: &Workspace, mask: &Arc<Mask>) {
        let target = self.target(workspace);
        let shown = workspace.active().and_then(|subject| subject.edited.as_ref());
        let Some(picture) = shown.map(|shown| &shown.picture) else {
            return;
        };
        let is_same = |known: &Preview| {
            Arc::ptr_eq(&known.mask, mask) && known.target == target && Arc::ptr_eq(&known.picture, picture)
        };
        if !self.preview.as_ref().is_some_and(is_same) {
            let made = workspace.wanted_picture(&target, mask);
            self.preview = Some(Preview {
                mask: Arc::clone(mask),
                target,
                picture: Arc::clone(picture),
                made: made
                    .map(|made| {
                        let size = [made.width() as usize, made.height() as usize];
                        let image = ColorImage::from_rgb(size, made.as_bytes());
                        ui.ctx().load_texture("wanted", image, TextureOptions::LINEAR)
                    })
                    .map_err(|error| error.to_string()),
            });
        }
        ui.vertical(|ui| {
            ui.set_width(WANTED_SIDE);
            ui.label(theme::muted("wanted"));
            match self.preview.as_ref().map(|preview| &preview.made) {
                Some(Ok(texture)) => {
                    let size = vec2(WANTED_SIDE, WANTED_SIDE);
                    ui.add(Image::new((texture.id(), size)).alt_text("the picture as it is wanted"));
                }
                Some(Err(why)) => {
                    ui.label(theme::muted(why));
                }
                None => {}
            }
        });
    }

    fn form_ui(&mut self, ui: &mut Ui, workspace: &Workspace, selection: &Selection, now: &Situation) {
        ui.add_enabled_ui(!workspace.is_painting(), |ui| {
            Grid::new("paint form")
                .num_columns(2)
                .spacing([12.0, 6.0])
                .show(ui, |ui| {
                    self.wanted_ui(ui, workspace);
                    ui.end_row();
                    self.moving_ui(ui, selection, now.token_count);
                    ui.end_row();
                    let space = workspace.model().map(|model| &model.space);
                    if space.is_some_and(|space| space.mixing().is_some()) {
                        self.hull_ui(ui);
                        ui.end_row();
                    }
                });
            self.more_ui(ui);
        });
    }

    fn wanted_ui(&mut self, ui: &mut Ui, workspace: &Workspace) {
        ui.label("looks like");
        ui.horizontal_wrapped(|ui| {
            ui.selectable_value(&mut self.wanted, Wanted::Colour, "a colour");
            ui.selectable_value(&mut self.wanted, Wanted::Picture, "another picture here");
            match self.wanted {
                Wanted::Colour => {
                    ui.color_edit_button_srgb(&mut self.colour)
                        .accessible_name("colour");
                }
                Wanted::Picture => self.picture_ui(ui, workspace),
            }
        });
    }

    fn picture_ui(&mut self, ui: &mut Ui, workspace: &Workspace) {
        let chosen = self.other(workspace);
        let name = chosen
            .and_then(|id| workspace.subject(id))
            .map_or("", |subject| subject.name.as_str());
        ComboBox::from_id_salt("painted like")
            .selected_text(name)
            .icon(theme::combo_caret)
            .width(140.0)
            .show_ui(ui, |ui| {
                for subject in workspace.subjects() {
                    let is_chosen = Some(subject.id) == chosen;
                    if ui.selectable_label(is_chosen, &subject.name).clicked() {
                        self.other = Some(subject.id);
                    }
                }
            })
            .response
            .accessible_name("picture to take it from");
        let side = workspace.model().map_or(0, |model| model.args.image_size);
        let range = i32::try_from(side).unwrap_or(i32::MAX);
        for (offset, prefix, name) in [(0, "right ", "pixels to the right"), (1, "down ", "pixels down")] {
            if let Some(offset) = self.offset.get_mut(offset) {
                let value = DragValue::new(offset)
                    .range(-range..=range)
                    .prefix(prefix)
                    .suffix(" px");
                ui.add(value)
                    .on_hover_text(
                        "Where in the other picture the patch is taken from, beside the region's own place.",
                    )
                    .accessible_name(name);
            }
        }
    }

    fn moving_ui(&mut self, ui: &mut Ui, selection: &Selection, token_count: usize) {
        ui.label("tokens that move");
        ui.horizontal_wrapped(|ui| {
            ui.selectable_value(&mut self.moving, Moving::All, "all");
            let selected = format!("{} selected", selection.tokens().len());
            ui.selectable_value(&mut self.moving, Moving::Selected, selected);
            ui.selectable_value(&mut self.moving, Moving::Best, "the best")
                .on_hover_text("Those whose gradient of the region's error is largest.");
            if self.moving == Moving::Best {
                let count = DragValue::new(&mut self.best).range(1..=token_count.max(1));
                ui.add(count).accessible_name("how many tokens");
            }
        });
    }

    fn hull_ui(&mut self, ui: &mut Ui) {
        glossary::named_term_label(ui, "mixtures", terms::PAINT_HULL);
        ui.horizontal_wrapped(|ui| {
            for (hull, name) in [
                (Hull::Free, "free"),
                (Hull::Near, "near"),
                (Hull::Project, "project"),
            ] {
                ui.selectable_value(&mut self.hull, hull, name);
            }
        });
    }

    fn more_ui(&mut self, ui: &mut Ui) {
        CollapsingHeader::new("More").show(ui, |ui| {
            Grid::new("more of painting")
                .num_columns(2)
                .spacing([12.0, 6.0])
                .show(ui, |ui| {
                    ui.label("steps");
                    let steps = DragValue::new(&mut self.settings.steps).range(1..=MOST_STEPS);
                    ui.add(steps).accessible_name("steps of the search");
                    ui.end_row();
                    let weights = [
                        (
                            "first step",
                            &mut self.settings.rate,
                            0.001..=2.0,
                            terms::PAINT_RATE,
                        ),
                        (
                            "hold the rest",
                            &mut self.settings.hold,
                            0.0..=100.0,
                            terms::PAINT_HOLD,
                        ),
                        (
                            "near the mixtures",
                            &mut self.penalty,
                            0.0..=10.0,
                            terms::PAINT_HULL,
                        ),
                    ];
                    for (name, value, range, term) in weights {
                        glossary::named_term_label(ui, name, term);
                        let speed = (0.02 * *value).max(0.0005);
                        let value = DragValue::new(value).range(range).speed(speed).max_decimals(4);
                        ui.add(value).accessible_name(name);
                        ui.end_row();
                    }
                });
        });
    }
}

fn progress_ui(ui: &mut Ui, step: &PaintStep, is_running: bool) {
    let (Some(first), Some(now)) = (step.curve.first(), step.curve.last()) else {
        return;
    };
    if is_running {
        let bar = ProgressBar::new(now.step as f32 / step.total.max(1) as f32);
        ui.add(bar.desired_width(240.0).desired_height(8.0));
    }
    ui.horizontal_wrapped(|ui| {
        let shown = match &step.best {
            Some(best) if !is_running => best.figures,
            _ => *now,
        };
        let name = if is_running { "step" } else { "best: step" };
        fact::ui(ui, None, name, &format!("{} of {}", shown.step, step.total));
        errors_ui(ui, first, &shown);
    });
}

fn errors_ui(ui: &mut Ui, first: &PaintFigures, now: &PaintFigures) {
    let [region, rest] = plots::painting_curves();
    let fallen = format!("{:.1} from {:.1} of 255", now.region, first.region);
    glossary::explain(
        fact::ui(ui, Some(region.1), region.0, &fallen),
        terms::PAINT_ERROR,
    );
    let risen = format!("{:.1} of 255", now.rest);
    glossary::explain(fact::ui(ui, Some(rest.1), rest.0, &risen), terms::PAINT_ERROR);
}
