//! How far a token lies from any mixture of its codewords, found by projection.

use super::Section;
use crate::analysis::{HullGauge, hull_gauge};
use crate::engine::SubjectId;
use crate::latent::Edit;
use crate::ui::column::{self, DENSE_ROW};
use crate::ui::glossary::{self, Term};
use crate::ui::theme::{self, GRID};
use crate::ui::worked_out::WorkedOut;
use crate::ui::{fact, shown_tokens::ShownTokens};
use egui::{Role, Sense, Ui, WidgetInfo, vec2};

const NAME_WIDTH: f32 = 52.0;
const NUMBER_WIDTH: f32 = 54.0;

const DISTANCE: Term = Term {
    name: "hull distance",
    text: "Euclidean distance from the token to the nearest mixture of its segment's codewords, over sigma, the deviation of\n\
           the latent; 0 is on a mixture. The bar is the same over the token's norm, full at 100 %.\n\
           The decoder was trained on mixtures alone: the farther a token lies, the less its decode can be relied on.",
};
const GAP: Term = Term {
    name: "duality gap",
    text: "How much half the squared distance may lie above the least there is, at most: <r, r - s>, r the way from the token\n\
           to the mixture found, s the codeword most against it. 0 is proof that no mixture lies nearer.\n\
           Steps: codewords tried until the gap was small enough (Wolfe's algorithm).",
};

/// What the gauge remembers.
#[derive(Default)]
pub(super) struct HullPanel {
    found: WorkedOut<Option<HullGauge>>,
    /// The last one of a token that lay off the hull: what a projection of it reached.
    last: Option<(SubjectId, usize, HullGauge)>,
}

impl HullPanel {
    /// The newest gauge of the token, worked out on another thread.
    fn gauge(&mut self, ui: &Ui, tokens: &ShownTokens, token: usize) -> Option<HullGauge> {
        let of = (tokens.state.clone(), Some(token));
        let asked = tokens.clone();
        let newest = self.found.newest(ui.ctx(), &of, true, move || {
            hull_gauge(&asked.space, &asked.original, &asked.state, token)
        });
        let (_, gauge) = newest.filter(|((_, of), _)| *of == Some(token))?;
        let gauge = (*gauge)?;
        if gauge.steps > 0 {
            self.last = Some((tokens.id, token, gauge));
        }
        Some(gauge)
    }
}

/// The gauge of a token without a mixture.
pub(super) fn gauge_ui(ui: &mut Ui, section: &Section<'_>, panel: &mut HullPanel) {
    let Some(gauge) = panel.gauge(ui, section.tokens, section.token) else {
        match panel.found.error() {
            Some(error) => ui.colored_label(ui.visuals().error_fg_color, error),
            None => ui.label(theme::muted("Measuring how far it lies from any mixture.")),
        };
        return;
    };
    ui.horizontal(|ui| {
        column::right(ui, NAME_WIDTH, |ui| {
            glossary::named_term_label(ui, "hull", DISTANCE)
        });
        let width = (ui.available_width() - NUMBER_WIDTH - GRID).max(24.0);
        let (rect, bar) = ui.allocate_exact_size(vec2(width, DENSE_ROW), Sense::hover());
        let said = distance_text(&gauge);
        let spoken = format!("hull distance of token {}: {said}", section.token);
        bar.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
        let rect = rect.shrink2(vec2(0.0, 4.0));
        ui.painter().rect_filled(rect, 3, ui.visuals().extreme_bg_color);
        let mut filled = rect;
        filled.set_width(gauge.distance_share.unwrap_or(0.0).min(1.0) * rect.width());
        ui.painter().rect_filled(filled, 3, ui.visuals().warn_fg_color);
        column::right(ui, NUMBER_WIDTH, |ui| ui.label(said));
    });
    ui.horizontal_wrapped(|ui| {
        if let Some(share) = gauge.distance_share {
            fact::ui(ui, None, "of its norm", &format!("{:.1} %", 100.0 * share));
        }
        gap_ui(ui, &gauge);
    });
}

/// Of a token that a projection has put on the hull: what the projection reached.
pub(super) fn reached_ui(ui: &mut Ui, section: &Section<'_>, panel: &HullPanel) {
    let Some((_, _, gauge)) = panel
        .last
        .filter(|(id, token, _)| *id == section.tokens.id && *token == section.token)
        .filter(|_| is_projected(section))
    else {
        return;
    };
    ui.horizontal_wrapped(|ui| {
        fact::ui(ui, None, "projected by", &distance_text(&gauge));
        gap_ui(ui, &gauge);
    });
}

fn gap_ui(ui: &mut Ui, gauge: &HullGauge) {
    let gap = glossary::explain(fact::ui(ui, None, "gap", &format!("{:.0e}", gauge.gap)), GAP);
    gap.on_hover_text(format!(
        "No mixture lies nearer than {:.4}.",
        gauge.least_distance()
    ));
    fact::ui(ui, None, "steps", &gauge.steps.to_string());
}

fn distance_text(gauge: &HullGauge) -> String {
    match gauge.distance_sigma {
        Some(sigma) => format!("{sigma:.2} σ"),
        None => format!("{:.3}", gauge.distance),
    }
}

/// Whether the newest edit of the token is a projection.
fn is_projected(section: &Section<'_>) -> bool {
    let Some(subject) = section.workspace.active() else {
        return false;
    };
    let touches = |edit: &&Edit| {
        edit.touched()
            .is_none_or(|tokens| tokens.contains(&section.token))
    };
    let newest = subject.history.applied().iter().rev().find(touches);
    matches!(newest, Some(Edit::Project { .. }))
}
