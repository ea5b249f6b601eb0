//! The token's D values as a plot: bars to drag up and down, the original behind them.

use super::{Section, grid_marks, still_plot};
use crate::latent::Edit;
use crate::ui::column::DENSE_ROW;
use crate::ui::dial::{Axis, Snap};
use crate::ui::glossary;
use crate::ui::hand::{Grip, Reach};
use crate::ui::shown_tokens::ShownTokens;
use crate::ui::theme;
use egui::{Color32, CursorIcon, DragValue, Response, Role, Sense, Stroke, Ui, WidgetInfo};
use egui_plot::{
    Bar, BarChart, HLine, HoverPosition, MarkerShape, PlotPoint, PlotPoints, PlotTransform, Points,
};

const HEIGHT: f32 = 150.0;
/// A value can be dragged and typed this far from the mean, in sigma.
const LIMIT_SIGMA: f32 = 12.0;
const SNAP: Snap = Snap::Multiples(0.25);
/// Colours are at their strongest this far from the mean, in sigma.
const FULL_COLOUR_SIGMA: f32 = 3.0;
/// Other selected tokens are drawn as dots, as far as they can be told apart.
const MAX_OTHERS: usize = 8;

/// What the section remembers.
#[derive(Default)]
pub(super) struct ValuePanel {
    /// The dimension that the number field shows.
    picked: usize,
    /// Half the height of the plot in sigma; kept during a drag.
    reach: f32,
}

/// The latent's scale: values in sigma from the mean of the dataset.
#[derive(Clone, Copy)]
struct Scale {
    mean: f32,
    std: f32,
}

impl Scale {
    fn of(tokens: &ShownTokens) -> Self {
        let std = tokens.space.std;
        let std = if std.is_finite() && std > 0.0 { std } else { 1.0 };
        Self {
            mean: tokens.space.mean,
            std,
        }
    }
    fn sigma(self, value: f32) -> f32 {
        (value - self.mean) / self.std
    }
    fn value(self, sigma: f32) -> f32 {
        sigma * self.std + self.mean
    }
}

impl ValuePanel {
    /// The axis of a value that is `sigma` deviations from the mean.
    fn reach_of(&self, sigma: f32) -> Reach {
        Reach {
            axis: Axis::Linear,
            range: -self.reach..=self.reach,
            value: sigma,
            is_looked_at: false,
        }
    }
}

pub(super) fn values_ui(ui: &mut Ui, section: &mut Section<'_>, panel: &mut ValuePanel) {
    let tokens = section.tokens;
    let scale = Scale::of(tokens);
    let in_sigma = |row: &[f32]| row.iter().map(|&value| scale.sigma(value)).collect::<Vec<f32>>();
    let mut now = in_sigma(tokens.state.z.row(section.token));
    let before = in_sigma(tokens.original.z.row(section.token));
    if now.is_empty() {
        return;
    }
    panel.picked = panel.picked.min(now.len() - 1);
    for (dim, sigma) in now.iter_mut().enumerate() {
        if let Some(held) = section.hand.shown(Grip::Value {
            token: section.token,
            dim,
        }) {
            *sigma = held;
        }
    }
    if !section.hand.is_live() {
        let furthest = now
            .iter()
            .chain(&before)
            .fold(0.0_f32, |furthest, sigma| furthest.max(sigma.abs()));
        panel.reach = (furthest + 0.3).ceil().clamp(3.0, LIMIT_SIGMA);
    }
    let plotted = plot_ui(ui, section, panel, scale, &now, &before);
    look(ui, section, panel, scale, &plotted, &now);
    drag(ui, section, panel, scale, &plotted, &now, &before);
    picked_ui(ui, section, panel, scale, &now, &before);
}

/// What the plot leaves for the hand.
struct Plotted {
    response: Response,
    transform: PlotTransform,
}

fn plot_ui(
    ui: &mut Ui,
    section: &Section<'_>,
    panel: &ValuePanel,
    scale: Scale,
    now: &[f32],
    before: &[f32],
) -> Plotted {
    let reach = f64::from(panel.reach);
    let visuals = ui.visuals().clone();
    let others: Vec<[f64; 2]> = section
        .selection
        .tokens()
        .iter()
        .filter(|&&token| token != section.token)
        .take(MAX_OTHERS)
        .flat_map(|&token| section.tokens.state.z.row(token).iter().enumerate())
        .map(|(dim, &value)| [dim as f64, f64::from(scale.sigma(value))])
        .collect();
    let hovered = now.to_vec();
    let plot = still_plot("token values")
        .height(HEIGHT)
        .sense(Sense::click_and_drag())
        .y_axis_min_width(24.0)
        .y_grid_spacer(|input| grid_marks(&input, if reach <= 4.0 { 1.0 } else { 2.0 }))
        .x_grid_spacer(|input| grid_marks(&input, if now.len() <= 64 { 8.0 } else { 16.0 }))
        .y_axis_formatter(|mark, _| format!("{:.0}σ", mark.value))
        .label_formatter(move |position| {
            let (HoverPosition::NearDataPoint { position, .. } | HoverPosition::Elsewhere { position }) =
                position;
            let dim = dim_at(position.x, hovered.len());
            hovered
                .get(dim)
                .map(|sigma| format!("dimension {dim}\n{sigma:+.2} sigma"))
        });
    let shown = plot.show(ui, |plot_ui| {
        plot_ui.set_plot_bounds_x(-0.8..=now.len() as f64 - 0.2);
        plot_ui.set_plot_bounds_y(-reach..=reach);
        let zero = HLine::new("mean", 0.0)
            .color(visuals.weak_text_color().gamma_multiply(0.5))
            .width(1.0);
        plot_ui.hline(zero.allow_hover(false));
        let ghost = visuals.weak_text_color().gamma_multiply(0.35);
        plot_ui.bar_chart(bars("original", before, 0.92, |_, _| (ghost, Stroke::NONE)));
        let strong = visuals.strong_text_color();
        plot_ui.bar_chart(bars("now", now, 0.6, |dim, sigma| {
            let outline = if dim == panel.picked {
                Stroke::new(1.5, strong)
            } else {
                Stroke::NONE
            };
            (
                theme::signed((sigma / FULL_COLOUR_SIGMA).clamp(-1.0, 1.0)),
                outline,
            )
        }));
        let dots = Points::new("other selected tokens", PlotPoints::from(others))
            .shape(MarkerShape::Circle)
            .radius(1.5)
            .color(strong.gamma_multiply(0.5));
        plot_ui.points(dots.allow_hover(false));
    });
    let token = section.token;
    shown
        .response
        .widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("values of token {token}")));
    Plotted {
        response: shown.response.on_hover_cursor(CursorIcon::ResizeVertical),
        transform: shown.transform,
    }
}

fn bars(name: &str, sigmas: &[f32], width: f64, look: impl Fn(usize, f32) -> (Color32, Stroke)) -> BarChart {
    let bars = sigmas.iter().enumerate().map(|(dim, &sigma)| {
        let (fill, stroke) = look(dim, sigma);
        Bar::new(dim as f64, f64::from(sigma))
            .width(width)
            .fill(fill)
            .stroke(stroke)
    });
    BarChart::new(name, bars.collect()).allow_hover(false)
}

fn dim_at(x: f64, count: usize) -> usize {
    (x.round().max(0.0) as usize).min(count.saturating_sub(1))
}

fn drag(
    ui: &Ui,
    section: &mut Section<'_>,
    panel: &mut ValuePanel,
    scale: Scale,
    plotted: &Plotted,
    now: &[f32],
    before: &[f32],
) {
    let response = &plotted.response;
    let Some(pointer) = response.interact_pointer_pos() else {
        return;
    };
    let (press, modifiers) = ui.input(|input| (input.pointer.press_origin(), input.modifiers));
    let press = press.unwrap_or(pointer);
    if response.clicked() || response.drag_started() {
        let PlotPoint { x, .. } = plotted.transform.value_from_position(press);
        panel.picked = dim_at(x, now.len());
    }
    let dim = panel.picked;
    let grip = Grip::Value {
        token: section.token,
        dim,
    };
    let delta = if response.drag_started() {
        section.hand.grab(grip, now.get(dim).copied().unwrap_or(0.0));
        pointer.y - press.y
    } else {
        response.drag_delta().y
    };
    let sigma = if response.double_clicked() {
        before.get(dim).copied()
    } else if response.dragged() && delta != 0.0 {
        let per_point = 2.0 * panel.reach / plotted.transform.frame().height().max(1.0);
        let speed = if modifiers.shift { 0.1 } else { 1.0 };
        let free = section.hand.slide(grip, -delta * per_point * speed);
        free.map(|sigma| {
            if modifiers.command {
                SNAP.apply(sigma)
            } else {
                sigma
            }
        })
    } else {
        None
    };
    if let Some(sigma) = sigma {
        let sigma = sigma.clamp(-LIMIT_SIGMA, LIMIT_SIGMA);
        follow(section, scale, dim, &panel.reach_of(sigma), Some(sigma));
    }
}

/// Moves a value, or only looks at it where it is not `moved`. Within the plot's `reach` pictures are decoded ahead.
fn follow(section: &mut Section<'_>, scale: Scale, dim: usize, reach: &Reach, moved: Option<f32>) {
    let token = section.token;
    let grip = Grip::Value { token, dim };
    let edit = |sigma| Edit::SetValue {
        token,
        dim,
        value: scale.value(sigma),
    };
    match moved.filter(|sigma| !reach.range.contains(sigma)) {
        Some(beyond) => section.hand.moved(section.workspace, grip, beyond, edit(beyond)),
        None => section.hand.follow(section.workspace, grip, reach, moved, edit),
    }
}

/// The dimension under the pointer may be dragged next.
fn look(
    ui: &Ui,
    section: &mut Section<'_>,
    panel: &ValuePanel,
    scale: Scale,
    plotted: &Plotted,
    now: &[f32],
) {
    let is_held = ui.input(|input| input.pointer.any_down());
    let Some(pointer) = plotted.response.hover_pos().filter(|_| !is_held) else {
        return;
    };
    let dim = dim_at(plotted.transform.value_from_position(pointer).x, now.len());
    let token = section.token;
    let mut reach = panel.reach_of(now.get(dim).copied().unwrap_or(0.0));
    reach.is_looked_at = section.hand.looks_at(ui, Grip::Value { token, dim });
    follow(section, scale, dim, &reach, None);
}

/// The picked dimension as numbers to type.
fn picked_ui(
    ui: &mut Ui,
    section: &mut Section<'_>,
    panel: &mut ValuePanel,
    scale: Scale,
    now: &[f32],
    before: &[f32],
) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let label = glossary::named_term_label(ui, "dimension", glossary::VALUE);
        let last = now.len().saturating_sub(1);
        ui.add(DragValue::new(&mut panel.picked).range(0..=last).speed(0.1))
            .labelled_by(label.id);
        let dim = panel.picked;
        let (mut sigma, original) = (now.get(dim).copied().unwrap_or(0.0), before.get(dim).copied());
        let number = DragValue::new(&mut sigma)
            .range(-LIMIT_SIGMA..=LIMIT_SIGMA)
            .clamp_existing_to_range(false)
            .speed(0.02)
            .fixed_decimals(2)
            .suffix(" σ")
            .update_while_editing(false);
        let number = ui
            .add_sized(egui::vec2(64.0, DENSE_ROW), number)
            .on_hover_text(format!("{:.5} as the decoder reads it", scale.value(sigma)))
            .accessible_name(format!("value of dimension {dim}"));
        if number.changed() {
            follow(section, scale, dim, &panel.reach_of(sigma), Some(sigma));
        }
        if let Some(original) = original.filter(|original| (original - sigma).abs() > 1e-3) {
            ui.label(egui::RichText::new(format!("was {original:.2}")).small().weak());
        }
    });
}
