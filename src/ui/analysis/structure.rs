//! Structure: orders, pairs and sensitivity of the tokens.

use super::matrix::PairsMatrix;
use super::{Section, empty_ui, plots, terms};
use crate::analysis::Interactions;
use crate::document::{Finding, Workspace};
use crate::engine::{Analysed, AnalysisKind};
use crate::ui::glossary::{self, Term};
use crate::ui::selection::Selection;
use crate::ui::theme;
use egui::Ui;

/// Height of the plots, in points.
const PLOT_HEIGHT: f32 = 208.0;
/// Pairs that are listed.
const LISTED: usize = 5;

/// What the section remembers between frames.
#[derive(Default)]
pub(super) struct Structure {
    matrix: PairsMatrix,
}

impl Structure {
    pub(super) fn ui(&mut self, ui: &mut Ui, workspace: &Workspace, selection: &mut Selection) {
        let [orders, pairs, spectra] = [AnalysisKind::Orders, AnalysisKind::Pairs, AnalysisKind::Spectra]
            .map(|kind| workspace.finding(kind));
        if orders.is_none() && pairs.is_none() && spectra.is_none() {
            empty_ui(ui, workspace, Section::Structure);
            return;
        }
        ui.columns(2, |columns| {
            let [left, right] = columns else { return };
            title_ui(left, terms::ORDERS);
            match orders.as_ref().map(|finding| &*finding.found) {
                Some(Analysed::Orders(orders)) => plots::orders_ui(left, orders, selection, PLOT_HEIGHT),
                _ => waiting_ui(left),
            }
            title_ui(left, terms::SENSITIVITY);
            match spectra.as_ref().map(|finding| &*finding.found) {
                Some(Analysed::Spectra(spectra)) => plots::spectra_ui(left, spectra, selection, PLOT_HEIGHT),
                _ => waiting_ui(left),
            }
            title_ui(right, terms::PAIRS);
            match &pairs {
                Some(finding) => self.pairs_ui(right, finding, selection),
                None => waiting_ui(right),
            }
        });
    }

    fn pairs_ui(&mut self, ui: &mut Ui, finding: &Finding, selection: &mut Selection) {
        let Analysed::Pairs(pairs) = &*finding.found else {
            return;
        };
        self.matrix.ui(ui, &finding.found, pairs, selection);
        listed_ui(ui, pairs, selection);
    }
}

/// The strongest pairs as buttons.
fn listed_ui(ui: &mut Ui, pairs: &Interactions, selection: &mut Selection) {
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::muted("strongest"));
        for pair in pairs.pairs().into_iter().take(LISTED) {
            let is_selected = selection.contains(pair.a) && selection.contains(pair.b);
            let button = egui::Button::selectable(is_selected, format!("{} + {}", pair.a, pair.b));
            let response = ui
                .add(button)
                .on_hover_text(format!(
                    "{:.2} steps beyond the sum of both. Click selects both.",
                    pair.change
                ))
                .accessible_name(format!("pair {} + {}: {:.2}", pair.a, pair.b, pair.change));
            if response.clicked() {
                selection.select_pair(pair.a, pair.b);
            }
        }
    });
}

/// In a row of its own, for a column would stretch it.
fn title_ui(ui: &mut Ui, term: Term) {
    ui.horizontal(|ui| glossary::term_label(ui, term));
}

fn waiting_ui(ui: &mut Ui) {
    ui.label(theme::muted("Not measured yet."));
}
