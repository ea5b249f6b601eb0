//! Orders and sensitivity as curves.

use crate::analysis::{KeptQuality, OrderCurves};
use crate::engine::PaintFigures;
use crate::ui::axis::{even_marks, mark_text};
use crate::ui::selection::Selection;
use crate::ui::{fact, theme};
use egui::{Color32, Ui, vec2};
use egui_plot::{HoverPosition, Line, Plot, PlotPoints, Points};

/// A plot with the looks of the view: nothing moves under the hand.
fn plot<'a>(ui: &Ui, id: &str, height: f32) -> Plot<'a> {
    Plot::new(id)
        .height(height)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_drag(false)
        .allow_zoom(false)
        .show_crosshair(false)
        .set_margin_fraction(vec2(0.02, 0.08))
        .grid_color(theme::palette(ui.visuals()).border)
        .grid_fade(0.0)
        .y_axis_min_width(32.0)
        .x_grid_spacer(|input| even_marks(&input))
        .y_grid_spacer(|input| even_marks(&input))
        .x_axis_formatter(|mark, _| mark_text(mark))
        .y_axis_formatter(|mark, _| mark_text(mark))
}

/// Quality by the number of tokens kept; the selected tokens are marked on the greedy curve.
pub(super) fn orders_ui(ui: &mut Ui, orders: &OrderCurves, selection: &Selection, height: f32) {
    let curves = [
        ("first tokens", &orders.prefix, theme::segment(0)),
        ("best tokens", &orders.greedy, theme::segment(1)),
    ];
    ui.horizontal_wrapped(|ui| {
        for (name, curve, colour) in curves {
            let half = curve.get(curve.len() / 2);
            let said = half.map_or_else(String::new, |half| {
                format!("{:.1} dB with {}", half.psnr_db, half.kept)
            });
            fact::ui(ui, Some(colour), name, &said);
        }
    });
    let greedy = orders.greedy.clone();
    let strong = theme::palette(ui.visuals()).strong;
    plot(ui, "orders", height)
        .label_formatter(move |position| match position {
            HoverPosition::NearDataPoint {
                plot_name, position, ..
            } => {
                let kept = position.x.round() as usize;
                let came = greedy.get(kept).and_then(|quality| quality.token);
                let came = came
                    .filter(|_| *plot_name == "best tokens")
                    .map_or_else(String::new, |token| format!(", token {token} came last"));
                Some(format!("{plot_name}\n{kept} kept: {:.2} dB{came}", position.y))
            }
            HoverPosition::Elsewhere { .. } => None,
        })
        .show(ui, |plot| {
            for (name, curve, colour) in curves {
                let line = Line::new(name, PlotPoints::from(points(curve.iter())));
                plot.line(line.color(colour).width(2.0));
            }
            let chosen = orders
                .greedy
                .iter()
                .filter(|quality| quality.token.is_some_and(|token| selection.contains(token)));
            let marks = Points::new("selected tokens", PlotPoints::from(points(chosen)));
            plot.points(marks.color(strong).radius(4.0).allow_hover(false));
        });
}

/// Kept tokens and PSNR; what has no finite one is left out.
fn points<'a>(curve: impl Iterator<Item = &'a KeptQuality>) -> Vec<[f64; 2]> {
    curve
        .filter(|quality| quality.psnr_db.is_finite())
        .map(|quality| [quality.kept as f64, quality.psnr_db])
        .collect()
}

/// Every token's singular values: the selected and the hovered ones stand out.
pub(super) fn spectra_ui(ui: &mut Ui, spectra: &[Vec<f64>], selection: &Selection, height: f32) {
    let strong: Vec<usize> = (0..spectra.len())
        .filter(|token| selection.contains(*token) || selection.hovered == Some(*token))
        .collect();
    ui.horizontal_wrapped(|ui| {
        if strong.is_empty() {
            ui.label(theme::muted("All tokens; select some to see theirs."));
        }
        for (place, token) in strong.iter().take(MOST_NAMED).enumerate() {
            let largest = spectra.get(*token).and_then(|values| values.first());
            let said = largest.map_or_else(String::new, |value| format!("{value:.2}"));
            fact::ui(ui, Some(theme::segment(place)), &format!("token {token}"), &said);
        }
        if strong.len() > MOST_NAMED {
            ui.label(theme::muted(format!("and {} more", strong.len() - MOST_NAMED)));
        }
    });
    let faint = theme::palette(ui.visuals()).border_strong;
    plot(ui, "spectra", height)
        .label_formatter(|position| match position {
            HoverPosition::NearDataPoint {
                plot_name, position, ..
            } => Some(format!(
                "{plot_name}\ndirection {:.0}: {:.3} steps",
                position.x, position.y
            )),
            HoverPosition::Elsewhere { .. } => None,
        })
        .show(ui, |plot| {
            for (token, values) in spectra.iter().enumerate() {
                plot.line(spectrum(token, values, faint).width(1.0).allow_hover(false));
            }
            for (place, token) in strong.iter().enumerate() {
                if let Some(values) = spectra.get(*token) {
                    let colour = theme::segment(place.min(MOST_NAMED));
                    plot.line(spectrum(*token, values, colour).width(2.0));
                }
            }
        });
}

/// The curves of a painting: the region's error and the rest's.
pub(super) fn painting_curves() -> [(&'static str, Color32); 2] {
    [("region", theme::segment(0)), ("rest", theme::segment(1))]
}

/// The errors of a painting by its steps.
pub(super) fn painting_ui(ui: &mut Ui, curve: &[PaintFigures], total: usize, height: f32) {
    plot(ui, "painting", height)
        .include_x(0.0)
        .include_x(total as f64)
        .include_y(0.0)
        .label_formatter(|position| match position {
            HoverPosition::NearDataPoint {
                plot_name, position, ..
            } => Some(format!(
                "{plot_name}\nstep {:.0}: {:.2} of 255",
                position.x, position.y
            )),
            HoverPosition::Elsewhere { .. } => None,
        })
        .show(ui, |plot| {
            let errors: [fn(&PaintFigures) -> f64; 2] = [|figures| figures.region, |figures| figures.rest];
            for ((name, colour), error) in painting_curves().into_iter().zip(errors) {
                let points: Vec<[f64; 2]> = curve
                    .iter()
                    .map(|figures| [figures.step as f64, error(figures)])
                    .filter(|[_, error]| error.is_finite())
                    .collect();
                plot.line(Line::new(name, PlotPoints::from(points)).color(colour).width(2.0));
            }
        });
}

/// Tokens that have a colour of their own in the plot of sensitivities.
const MOST_NAMED: usize = 4;

fn spectrum(token: usize, values: &[f64], colour: Color32) -> Line<'static> {
    let points: Vec<[f64; 2]> = values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .map(|(direction, value)| [direction as f64 + 1.0, *value])
        .collect();
    Line::new(format!("token {token}"), PlotPoints::from(points)).color(colour)
}
