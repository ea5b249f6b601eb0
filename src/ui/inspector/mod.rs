//! The inspector: what the selected tokens are made of, and every way to change them by hand.

mod actions;
mod codewords;
mod figures;
mod gaussian;
mod history;
mod hull;
mod mixture;
mod ranking;
mod values;

pub(super) use actions::{TAU_RANGE, tau_of};
pub use history::history_ui;

use super::column;
use super::glossary;
use super::hand::Hand;
use super::hover_ask::HoverAsk;
use super::selection::Selection;
use super::shown_tokens::{QuantityCache, ShownTokens, why_no_tokens};
use super::theme;
use crate::document::Workspace;
use crate::latent::Bottleneck;
use egui::{CollapsingHeader, RichText, Ui, vec2};
use egui_plot::{AxisHints, GridInput, GridMark, Plot};

/// What the inspector remembers between frames.
#[derive(Default)]
pub struct Inspector {
    hand: Hand,
    ask: HoverAsk,
    figures: QuantityCache,
    mixture: mixture::MixturePanel,
    codewords: codewords::CodewordPanel,
    values: values::ValuePanel,
    actions: actions::ActionPanel,
    looked_up: Option<(usize, usize)>,
}

impl Inspector {
    /// The codeword, with its segment, that was asked about since the last call.
    pub(super) fn take_looked_up(&mut self) -> Option<(usize, usize)> {
        self.looked_up.take()
    }
}

/// What every section of the inspector gets.
struct Section<'a> {
    workspace: &'a mut Workspace,
    tokens: &'a ShownTokens,
    selection: &'a Selection,
    /// The token whose mixture and values are shown; a selected one.
    token: usize,
    hand: &'a mut Hand,
    ask: &'a mut HoverAsk,
    looked_up: &'a mut Option<(usize, usize)>,
}

/// The inspector of the selection, scrolled. Wants 280 points of width or more.
pub fn inspector_ui(
    ui: &mut Ui,
    workspace: &mut Workspace,
    selection: &mut Selection,
    inspector: &mut Inspector,
) {
    inspector.hand.begin(ui, workspace);
    let scroll = egui::ScrollArea::vertical()
        .id_salt("inspector")
        .auto_shrink([false, false]);
    scroll.show(ui, |ui| {
        column::make_dense(ui);
        contents_ui(ui, workspace, selection, inspector);
    });
    inspector.ask.end(workspace);
    inspector.hand.end(ui, workspace);
}

fn contents_ui(ui: &mut Ui, workspace: &mut Workspace, selection: &mut Selection, inspector: &mut Inspector) {
    let Some(tokens) = ShownTokens::of(workspace) else {
        teach(ui, "No tokens yet", why_no_tokens(workspace));
        return;
    };
    selection.limit(tokens.count());
    match selection.primary() {
        None => nothing_selected_ui(ui, &tokens, selection),
        Some(token) => selection_ui(ui, workspace, &tokens, selection, token, inspector),
    }
}

fn nothing_selected_ui(ui: &mut Ui, tokens: &ShownTokens, selection: &mut Selection) {
    teach(
        ui,
        "No token selected",
        "Click a token of the strip below the pictures to see what it is made of. \
         Shift+click takes a range, Ctrl+A all; arrow keys walk.",
    );
    ui.add_space(4.0);
    if ui.button("Select the first token").clicked() {
        selection.click(0, false, false);
    }
    if ui
        .button(format!("Select all {} tokens", tokens.count()))
        .clicked()
    {
        selection.select_all(tokens.count());
    }
}

fn selection_ui(
    ui: &mut Ui,
    workspace: &mut Workspace,
    tokens: &ShownTokens,
    selection: &Selection,
    token: usize,
    inspector: &mut Inspector,
) {
    header_ui(ui, tokens, selection, token);
    let Inspector {
        hand,
        ask,
        figures,
        mixture,
        codewords,
        values,
        actions,
        looked_up,
    } = inspector;
    figures::figures_ui(ui, tokens, selection, token, figures);
    let mut section = Section {
        workspace,
        tokens,
        selection,
        token,
        hand,
        ask,
        looked_up,
    };
    match &tokens.space.bottleneck {
        Bottleneck::Soft(codebook) => collapsing(ui, "Mixture", true, |ui| {
            mixture::mixture_ui(ui, &mut section, mixture, codebook.tau);
        }),
        Bottleneck::Hard(codebook) => collapsing(ui, "Codeword", true, |ui| {
            codewords::codewords_ui(ui, &mut section, codewords, codebook);
        }),
        Bottleneck::Gaussian => collapsing(ui, "Distribution", true, |ui| {
            gaussian::gaussian_ui(ui, &section);
        }),
        Bottleneck::Identity => {}
    }
    collapsing(ui, "Change", true, |ui| {
        actions::actions_ui(ui, &mut section, actions);
    });
    collapsing(ui, "Values", true, |ui| {
        values::values_ui(ui, &mut section, values);
    });
    if tokens.space.mixing().is_some() {
        collapsing(ui, "All weights, ranked", false, |ui| {
            ranking::ranking_ui(ui, &section, mixture);
        });
    }
}

fn header_ui(ui: &mut Ui, tokens: &ShownTokens, selection: &Selection, token: usize) {
    ui.horizontal(|ui| {
        let title = match selection.tokens().len() {
            1 => format!("Token {token}"),
            many => format!("{many} tokens"),
        };
        glossary::explain(ui.label(RichText::new(title).heading()), glossary::TOKEN);
        ui.label(theme::muted(format!("(of {})", tokens.count())));
    });
    if selection.tokens().len() > 1 {
        ui.label(theme::muted(format!("bars and values show token {token}")).small());
    }
    if tokens.segment_count() > 1 {
        ui.horizontal(|ui| {
            let segment = tokens.segment_of(token);
            swatch(ui, segment);
            let text = format!("codebook segment {segment} of {}", tokens.segment_count());
            glossary::named_term_label(ui, &text, glossary::SEGMENT);
        });
    }
}

/// A patch in the colour of a codebook segment.
fn swatch(ui: &mut Ui, segment: usize) {
    let (rect, _) = ui.allocate_exact_size(vec2(8.0, 12.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 2, theme::segment(segment));
}

fn collapsing(ui: &mut Ui, title: &str, is_open: bool, contents: impl FnOnce(&mut Ui)) {
    ui.add_space(4.0);
    CollapsingHeader::new(RichText::new(title).strong())
        .default_open(is_open)
        .id_salt(("inspector section", title))
        .show_unindented(ui, contents);
}

/// An empty place: what goes here and the action that fills it.
fn teach(ui: &mut Ui, title: &str, text: &str) {
    ui.label(RichText::new(title).heading());
    ui.add_space(2.0);
    ui.label(RichText::new(text).weak());
}

/// A plot that stays where it is, over whole numbers, with horizontal grid lines.
fn still_plot<'a>(name: &str) -> Plot<'a> {
    Plot::new(name)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .show_crosshair(false)
        .show_grid([false, true])
        .custom_x_axes(vec![counting_axis()])
}

/// A horizontal axis of whole numbers, labelled wherever they fit.
fn counting_axis() -> AxisHints<'static> {
    AxisHints::new_x()
        .formatter(|mark, _| format!("{:.0}", mark.value))
        .label_spacing(28.0..=36.0)
}

/// Equally strong grid lines of a plot at the multiples of `step`.
fn grid_marks(input: &GridInput, step: f64) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last)
        .map(|index| GridMark {
            value: index as f64 * step,
            step_size: step,
        })
        .collect()
}
