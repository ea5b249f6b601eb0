//! The whole mixture, codewords ranked by weight: how fast it falls off says how soft the token is.

use super::mixture::MixturePanel;
use super::{Section, grid_marks, still_plot};
use crate::ui::theme;
use egui::Ui;
use egui_plot::{GridMark, HoverPosition, Line, PlotPoints};

const HEIGHT: f32 = 132.0;
/// More points than this are not told apart at the width of the panel.
const MAX_POINTS: usize = 400;
/// Weights below this are drawn at it on the logarithmic axis.
const FLOOR: f64 = 1e-8;

pub(super) fn ranking_ui(ui: &mut Ui, section: &Section<'_>, panel: &mut MixturePanel) {
    let ranked = panel.ranked(section.tokens, section.token);
    if ranked.is_empty() {
        ui.weak("No mixture stands behind this token.");
        return;
    }
    ui.checkbox(&mut panel.is_logarithmic, "logarithmic weights")
        .on_hover_text("log10 of the weight, from 1e-8");
    let is_logarithmic = panel.is_logarithmic;
    let height_of = move |weight: f32| {
        let weight = f64::from(weight);
        if is_logarithmic {
            weight.max(FLOOR).log10()
        } else {
            weight
        }
    };
    let points: Vec<[f64; 2]> = ranks(ranked.len())
        .filter_map(|rank| {
            ranked
                .get(rank)
                .map(|&(_, weight)| [(rank + 1) as f64, height_of(weight)])
        })
        .collect();
    let mixture = section.tokens.state.mixture(section.token);
    let segment = mixture.map_or(0, |mixture| mixture.segment);
    let hovered = ranked.clone();
    let last = ranked.len() as f64;
    let quarter = (last / 4.0).max(1.0);
    let tallest = f64::from(ranked.first().map_or(1.0, |&(_, weight)| weight)).max(1e-3);
    let plot = still_plot("ranked weights")
        .height(HEIGHT)
        .set_margin_fraction(egui::vec2(0.02, 0.06))
        .y_axis_min_width(36.0)
        .x_grid_spacer(move |input| grid_marks(&input, quarter))
        .y_grid_spacer(move |input| grid_marks(&input, if is_logarithmic { 2.0 } else { tallest / 2.0 }))
        .y_axis_formatter(move |mark: GridMark, _| {
            if is_logarithmic {
                format!("1e{:.0}", mark.value)
            } else {
                format!("{:.3}", mark.value)
            }
        })
        .label_formatter(move |position| {
            let x = match position {
                HoverPosition::NearDataPoint { position, .. } | HoverPosition::Elsewhere { position } => {
                    position.x
                }
            };
            let rank = (x.round().max(1.0) as usize).min(hovered.len());
            let &(codeword, weight) = hovered.get(rank.checked_sub(1)?)?;
            Some(format!("rank {rank}: {segment}:{codeword}\nweight {weight:.6}"))
        });
    plot.show(ui, |plot_ui| {
        plot_ui.set_plot_bounds_x(0.0..=1.1 * last);
        let line = Line::new("weights", PlotPoints::from(points))
            .color(theme::segment(segment))
            .width(1.5);
        plot_ui.line(line.allow_hover(false));
    });
}

/// At most about [`MAX_POINTS`] ranks from 0 up to `count`, dense where the mixture is heavy.
fn ranks(count: usize) -> impl Iterator<Item = usize> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let rank = next;
        if rank >= count {
            return None;
        }
        let step = if rank < MAX_POINTS / 2 {
            1
        } else {
            (2 * count / MAX_POINTS).max(1)
        };
        next = if rank + 1 == count {
            count
        } else {
            (rank + step).min(count - 1)
        };
        Some(rank)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_begin_with_the_heaviest_and_end_with_the_lightest() {
        for count in [1, 2, 200, 1024, 8192, 16384] {
            let all: Vec<usize> = ranks(count).collect();
            assert_eq!(all.first(), Some(&0));
            assert_eq!(all.last(), Some(&(count - 1)));
            assert!(all.is_sorted_by(|a, b| a < b));
            assert!(all.len() <= MAX_POINTS + 2, "{} points for {count}", all.len());
        }
        assert_eq!(ranks(0).count(), 0);
    }
}
