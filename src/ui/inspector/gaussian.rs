//! The normal distribution behind a token of a KL model: its means with their deviations, and a slider that samples.

use super::actions::{NAME_WIDTH, Slider};
use super::{Section, grid_marks, still_plot};
use crate::latent::{Edit, GaussianRow};
use crate::ui::dial::{Axis, Snap};
use crate::ui::glossary;
use crate::ui::hand::Grip;
use crate::ui::theme;
use egui::{DragValue, Role, Ui, WidgetInfo};
use egui_plot::{HLine, HoverPosition, Line, MarkerShape, PlotPoints, Points};

const HEIGHT: f32 = 132.0;
/// Deviations drawn to each side of a mean.
const REACH: f32 = 1.0;

/// What the sample slider remembers.
pub(super) struct SampleControls {
    seed: u64,
    /// Deviations of the sample drawn last.
    amount: f32,
}

impl Default for SampleControls {
    fn default() -> Self {
        Self { seed: 1, amount: 1.0 }
    }
}

impl SampleControls {
    fn edit(&self, tokens: Vec<usize>) -> Edit {
        Edit::Sample {
            tokens,
            amount: self.amount,
            seed: self.seed,
        }
    }
}

/// The distribution of the token that the inspector shows.
pub(super) fn gaussian_ui(ui: &mut Ui, section: &Section<'_>) {
    let Some(gaussian) = GaussianRow::behind(&section.tokens.state, section.token) else {
        ui.weak(
            "The encoder's output behind this token is not known: it came from another picture or a token file. \
             Take it back to the original to see its distribution.",
        );
        return;
    };
    plot_ui(ui, section, &gaussian);
    glossary::named_term_label(
        ui,
        "mean, one deviation, and the token now",
        glossary::DISTRIBUTION,
    );
}

/// Means as dots with a line of one deviation to each side; where the token is now as a cross.
fn plot_ui(ui: &mut Ui, section: &Section<'_>, gaussian: &GaussianRow) {
    let GaussianRow { mean, .. } = gaussian;
    let deviations = gaussian.deviations();
    let now = section.tokens.state.z.row(section.token).to_vec();
    let tallest = mean
        .iter()
        .zip(&deviations)
        .map(|(mean, deviation)| mean.abs() + REACH * deviation)
        .chain(now.iter().map(|value| value.abs()))
        .filter(|value| value.is_finite())
        .fold(1e-3_f32, f32::max);
    let reach = f64::from(tallest) * 1.05;
    let count = mean.len();
    let hovered = (mean.clone(), deviations.clone(), now.clone());
    let weak = ui.visuals().weak_text_color();
    let strong = ui.visuals().strong_text_color();
    let accent = theme::palette(ui.visuals()).accent;
    let plot = still_plot("token distribution")
        .height(HEIGHT)
        .y_axis_min_width(30.0)
        .y_grid_spacer(move |input| grid_marks(&input, round_step(reach)))
        .x_grid_spacer(move |input| grid_marks(&input, if count <= 16 { 2.0 } else { 8.0 }))
        .y_axis_formatter(|mark, _| format!("{}", mark.value as f32))
        .label_formatter(move |position| {
            let (HoverPosition::NearDataPoint { position, .. } | HoverPosition::Elsewhere { position }) =
                position;
            let dim = position.x.round().max(0.0) as usize;
            let (mean, deviations, now) = &hovered;
            Some(format!(
                "dimension {dim}\nmean {:+.4}\ndeviation {:.4}\nnow {:+.4}",
                mean.get(dim)?,
                deviations.get(dim)?,
                now.get(dim)?
            ))
        });
    let shown = plot.show(ui, |plot_ui| {
        plot_ui.set_plot_bounds_x(-0.8..=count as f64 - 0.2);
        plot_ui.set_plot_bounds_y(-reach..=reach);
        let zero = HLine::new("zero", 0.0).color(weak.gamma_multiply(0.5)).width(1.0);
        plot_ui.hline(zero.allow_hover(false));
        for (dim, (mean, deviation)) in mean.iter().zip(&deviations).enumerate() {
            let ends = [mean - REACH * deviation, mean + REACH * deviation];
            let points: Vec<[f64; 2]> = ends.map(|end| [dim as f64, f64::from(end)]).to_vec();
            let line = Line::new("one deviation", PlotPoints::from(points))
                .color(weak)
                .width(2.0);
            plot_ui.line(line.allow_hover(false));
        }
        let dots = |name: &str, values: &[f32], shape, radius, color| {
            let points = values.iter().enumerate();
            let points: Vec<[f64; 2]> = points
                .map(|(dim, value)| [dim as f64, f64::from(*value)])
                .collect();
            Points::new(name, PlotPoints::from(points))
                .shape(shape)
                .radius(radius)
                .color(color)
                .allow_hover(false)
        };
        plot_ui.points(dots("mean", mean, MarkerShape::Circle, 2.0, strong));
        plot_ui.points(dots("now", &now, MarkerShape::Cross, 4.5, accent));
    });
    let token = section.token;
    shown
        .response
        .widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("distribution of token {token}")));
}

/// Samples the selected tokens: live while the slider moves, one step when it lets go.
pub(super) fn sample_ui(ui: &mut Ui, section: &mut Section<'_>, controls: &mut SampleControls) {
    let state = &section.tokens.state;
    let has_distribution = |token: &usize| state.h_row(*token).is_some();
    let tokens: Vec<usize> = section
        .selection
        .tokens()
        .iter()
        .copied()
        .filter(has_distribution)
        .collect();
    if tokens.is_empty() {
        glossary::term_label(ui, glossary::SAMPLE);
        ui.weak("Needs the encoder's output, which these tokens lack. Take them back to the original.");
        return;
    }
    let newest = newest_sample(section, &tokens);
    if let (Some((amount, seed)), false) = (newest, section.hand.is_live()) {
        *controls = SampleControls { seed, amount };
    }
    let slider = Slider {
        term: glossary::SAMPLE,
        name: "sample",
        grip: Grip::Sample,
        value: section
            .hand
            .shown(Grip::Sample)
            .or(newest.map(|(amount, _)| amount))
            .unwrap_or(0.0),
        range: 0.0..=3.0,
        axis: Axis::Linear,
        snap: Snap::Multiples(0.25),
        original: 0.0,
        digits: 2,
        unit: " σ",
    };
    let seed = controls.seed;
    let moved = slider.show(ui, section, |amount| {
        SampleControls { seed, amount }.edit(tokens.clone())
    });
    controls.amount = moved.unwrap_or(controls.amount);
    ui.horizontal(|ui| {
        ui.add_space(NAME_WIDTH + 4.0);
        ui.weak("seed");
        let seed = ui
            .add(
                DragValue::new(&mut controls.seed)
                    .speed(0.1)
                    .update_while_editing(false),
            )
            .on_hover_text("Drag to go through other draws of the same amount, live");
        if seed.accessible_name("sample seed").changed() {
            let edit = controls.edit(tokens.clone());
            let value = controls.seed as f32;
            section
                .hand
                .moved(section.workspace, Grip::SampleSeed, value, edit);
        }
        let resample = ui.button("Resample").on_hover_text(
            "Another draw of the same amount, in the place of the newest sample of these tokens",
        );
        if resample.clicked() {
            controls.seed = controls.seed.wrapping_add(1);
            if newest.is_some() {
                section.workspace.undo();
            }
            section.workspace.edit(controls.edit(tokens));
        }
    });
}

/// Amount and seed of the newest step, where it sampled these tokens.
fn newest_sample(section: &Section<'_>, wanted: &[usize]) -> Option<(f32, u64)> {
    let newest = section.workspace.active()?.history.applied().last()?;
    match newest {
        Edit::Sample { tokens, amount, seed } if tokens == wanted => Some((*amount, *seed)),
        _ => None,
    }
}

/// The largest of 1, 2 and 5 times a power of ten that is at most `most`.
fn round_step(most: f64) -> f64 {
    let power = 10.0_f64.powf(most.log10().floor());
    let steps = [5.0 * power, 2.0 * power];
    steps.into_iter().find(|step| *step <= most).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::round_step;

    #[test]
    fn steps_are_round() {
        for (most, step) in [(1.62, 1.0), (2.5, 2.0), (0.07, 0.05), (10.0, 10.0)] {
            assert!((round_step(most) - step).abs() < 1e-12, "{most}");
        }
    }
}
