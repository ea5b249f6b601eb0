//! All tokens of the active picture as a row of cells: coloured by a figure, selected by mouse and keyboard.

mod cell;
mod colour;
mod hull;
mod layout;
mod legend;

use super::column;
use super::glossary;
use super::selection::Selection;
use super::shown_tokens::{QuantityCache, ShownTokens, TokenValues, why_no_tokens};
use super::theme;
use crate::analysis::{self, TokenQuantity};
use crate::document::Workspace;
use crate::latent::Bottleneck;
use cell::Cell;
use colour::{Colouring, quantity_words};
use egui::{
    Color32, EventFilter, Id, Key, Modifiers, Rect, Response, RichText, Role, Sense, TextStyle, Ui,
    WidgetInfo,
};
use hull::HullDistances;
use layout::CellGrid;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// What the strip remembers between frames.
pub struct TokenStrip {
    /// What the cells are coloured by.
    quantity: TokenQuantity,
    figures: QuantityCache,
    hull: HullDistances,
    brush: Option<Brush>,
    /// Range of the legend when the drag that is under way began.
    held_range: Option<(TokenQuantity, RangeInclusive<f32>)>,
    /// The token this strip reported as hovered, so that it takes back only its own report.
    reported_hover: Option<usize>,
}

impl Default for TokenStrip {
    fn default() -> Self {
        Self {
            quantity: TokenQuantity::Entropy,
            figures: QuantityCache::default(),
            hull: HullDistances::default(),
            brush: None,
            held_range: None,
            reported_hover: None,
        }
    }
}

impl TokenStrip {
    /// The figure the cells are coloured by.
    pub fn quantity(&self) -> TokenQuantity {
        self.quantity
    }
    /// Colours the cells by another figure.
    pub fn set_quantity(&mut self, quantity: TokenQuantity) {
        self.quantity = quantity;
    }
}

/// A range being drawn with the mouse.
struct Brush {
    from: usize,
    /// Selected before, kept when Ctrl is held.
    kept: BTreeSet<usize>,
}

/// Moved less than this, in sigma, a token counts as untouched.
const UNTOUCHED_SIGMA: f32 = 1e-4;

/// The strip with its legend. Selection and hover go into `selection`.
pub fn token_strip_ui(ui: &mut Ui, workspace: &Workspace, selection: &mut Selection, strip: &mut TokenStrip) {
    let Some(tokens) = ShownTokens::of(workspace) else {
        ui.weak(why_no_tokens(workspace));
        return;
    };
    selection.limit(tokens.count());
    let is_dragging = workspace
        .active()
        .is_some_and(|subject| subject.history.pending().is_some());
    let colouring = strip.colouring(&tokens);
    let values = strip.values(ui, &tokens, colouring.shown, is_dragging);
    let range = strip.legend_range(&tokens, colouring.shown, &values, is_dragging);
    strip.legend_ui(ui, &tokens, colouring, selection, &values, &range);
    ui.add_space(2.0);
    strip.cells_ui(ui, &tokens, selection, &values, &range);
}

impl TokenStrip {
    /// The chosen figure where the class of these tokens has it, else the first that it has; shown as long as any token
    /// has it.
    fn colouring(&mut self, tokens: &ShownTokens) -> Colouring {
        let offered = analysis::quantities(&tokens.space);
        let wanted = if offered.contains(&self.quantity) {
            self.quantity
        } else {
            offered.first().copied().unwrap_or(TokenQuantity::Norm)
        };
        // Every token has a hull distance; it only takes its time.
        let has_values = wanted == TokenQuantity::HullDistance
            || self.figures.current(tokens, wanted).iter().any(Option::is_some);
        Colouring::new(wanted, has_values)
    }

    fn values(
        &mut self,
        ui: &Ui,
        tokens: &ShownTokens,
        quantity: TokenQuantity,
        is_dragging: bool,
    ) -> TokenValues {
        if quantity == TokenQuantity::HullDistance {
            self.hull.values(ui.ctx(), tokens, is_dragging)
        } else {
            self.figures.current(tokens, quantity)
        }
    }

    /// Range of the colours. It stays during a drag, so that moving one token does not recolour all others.
    fn legend_range(
        &mut self,
        tokens: &ShownTokens,
        quantity: TokenQuantity,
        values: &TokenValues,
        is_dragging: bool,
    ) -> RangeInclusive<f32> {
        if let Some((of, range)) = &self.held_range
            && is_dragging
            && *of == quantity
        {
            return range.clone();
        }
        let range = self.range_of(tokens, quantity, values);
        self.held_range = Some((quantity, range.clone()));
        range
    }

    fn range_of(
        &mut self,
        tokens: &ShownTokens,
        quantity: TokenQuantity,
        values: &TokenValues,
    ) -> RangeInclusive<f32> {
        match quantity {
            TokenQuantity::Edited => legend::range_from_zero(values, 1.0),
            TokenQuantity::HullDistance | TokenQuantity::CodewordDistance => {
                legend::range_from_zero(values, 1e-3)
            }
            _ => legend::colour_range(values, &self.figures.original(tokens, quantity)),
        }
    }

    fn legend_ui(
        &mut self,
        ui: &mut Ui,
        tokens: &ShownTokens,
        colouring: Colouring,
        selection: &Selection,
        values: &TokenValues,
        range: &RangeInclusive<f32>,
    ) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            ui.strong(format!("{} tokens", tokens.count()));
            let (_, unit, _) = quantity_words(colouring.shown);
            let combo = egui::ComboBox::from_id_salt("token strip colour")
                .selected_text(colouring.text())
                .width(136.0)
                .show_ui(ui, |ui| {
                    for &quantity in analysis::quantities(&tokens.space) {
                        let (name, _, term) = quantity_words(quantity);
                        let choice = ui.selectable_label(quantity == colouring.wanted, name);
                        if choice.clicked() {
                            self.quantity = quantity;
                        }
                        glossary::explain(choice, term);
                    }
                })
                .response
                .accessible_name("colour of tokens");
            colouring.explain(combo, &tokens.space.bottleneck);
            let [least, most] = legend::end_texts(range, values, unit);
            theme::legend_ui(ui, "", least, most);
            if self.hull.is_working() && colouring.shown == TokenQuantity::HullDistance {
                ui.add(egui::Spinner::new().size(14.0))
                    .on_hover_text("Computing hull distances");
            }
            if let Some(error) = self.hull.error() {
                ui.colored_label(ui.visuals().error_fg_color, error);
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let which = match selection.tokens().len() {
                    0 => "none".to_owned(),
                    1 => format!("token {}", selection.primary().unwrap_or(0)),
                    many => format!("{many} tokens"),
                };
                let said = [format!("{which} selected"), which];
                if let Some(said) = said.into_iter().find(|said| fits(ui, said)) {
                    ui.label(RichText::new(said).weak()).on_hover_text(
                        "Click selects, Ctrl+click adds, Shift+click or a drag takes a range.\n\
                         Arrow keys walk, Shift+arrows extend, Ctrl+A takes all, Esc clears.",
                    );
                }
            });
        });
    }

    fn cells_ui(
        &mut self,
        ui: &mut Ui,
        tokens: &ShownTokens,
        selection: &mut Selection,
        values: &TokenValues,
        range: &RangeInclusive<f32>,
    ) {
        let count = tokens.count();
        let edited = self.figures.current(tokens, TokenQuantity::Edited);
        let grid = CellGrid::new(ui.available_width(), count);
        let (area, _) = ui.allocate_exact_size(grid.size(), Sense::hover());
        let strip_id = ui.scope_id().with("token strip");
        let cursor = selection.cursor().unwrap_or(0);
        let mut hovered = None;
        let mut focused = None;
        for token in 0..count {
            let rect = grid.cell(token).translate(area.min.to_vec2());
            let id = strip_id.with(token);
            // One stop of the Tab key for the whole strip: the cursor; arrow keys go on from there.
            let sense = if token == cursor {
                Sense::click_and_drag()
            } else {
                Sense::CLICK | Sense::DRAG
            };
            let response = ui.interact(rect, id, sense);
            response.widget_info(|| {
                let is_selected = selection.contains(token);
                WidgetInfo::selected(
                    Role::Button,
                    ui.is_enabled(),
                    is_selected,
                    format!("token {token}"),
                )
            });
            self.mouse(ui, &response, token, area, &grid, selection);
            if response.hovered() || response.contains_pointer() {
                hovered = Some(token);
            }
            if response.has_focus() {
                focused = Some(id);
            }
            if ui.is_rect_visible(rect) {
                let is_edited = edited
                    .get(token)
                    .copied()
                    .flatten()
                    .is_some_and(|moved| moved > UNTOUCHED_SIGMA);
                let cell = Cell {
                    token,
                    value: values.get(token).copied().flatten(),
                    is_edited,
                    is_selected: selection.contains(token),
                    is_hovered: selection.hovered == Some(token),
                    is_cursor: response.has_focus(),
                    segment: (tokens.segment_count() > 1).then(|| tokens.segment_of(token)),
                };
                cell.paint(ui, rect, range);
            }
            if self.brush.is_none() {
                response.on_hover_ui(|ui| self.tooltip_ui(ui, tokens, token));
            }
        }
        if !ui.input(|input| input.pointer.any_down()) {
            self.brush = None;
        }
        selection.report_hover(&mut self.reported_hover, hovered);
        if let Some(id) = focused {
            self.keyboard(ui, id, strip_id, &grid, count, selection);
        }
    }

    fn mouse(
        &mut self,
        ui: &Ui,
        response: &Response,
        token: usize,
        area: Rect,
        grid: &CellGrid,
        selection: &mut Selection,
    ) {
        let modifiers = ui.input(|input| input.modifiers);
        if response.clicked() {
            selection.click(token, modifiers.command, modifiers.shift);
            ui.memory_mut(|memory| memory.request_focus(response.id));
        }
        if response.drag_started() {
            let kept = if modifiers.command {
                selection.tokens().clone()
            } else {
                BTreeSet::new()
            };
            let from = if modifiers.shift {
                selection.cursor().unwrap_or(token)
            } else {
                token
            };
            self.brush = Some(Brush { from, kept });
        }
        if response.dragged()
            && let (Some(brush), Some(pointer)) = (&self.brush, response.interact_pointer_pos())
        {
            selection.brush(
                brush.from,
                grid.nearest(pointer - area.min.to_vec2()),
                &brush.kept,
            );
        }
    }

    fn keyboard(
        &self,
        ui: &Ui,
        focused: Id,
        strip_id: Id,
        grid: &CellGrid,
        count: usize,
        selection: &mut Selection,
    ) {
        let takes_escape = !selection.is_empty();
        let filter = EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            escape: takes_escape,
            ..Default::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(focused, filter));
        let columns = grid.columns() as isize;
        let jump = count as isize;
        let steps = [
            (Key::ArrowLeft, -1),
            (Key::ArrowRight, 1),
            (Key::ArrowUp, -columns),
            (Key::ArrowDown, columns),
            (Key::Home, -jump),
            (Key::End, jump),
        ];
        for (key, step) in steps {
            for (modifiers, extend) in [(Modifiers::SHIFT, true), (Modifiers::NONE, false)] {
                let presses = ui.input_mut(|input| input.count_and_consume_key(modifiers, key));
                for _ in 0..presses {
                    selection.walk(step, count, extend);
                }
            }
        }
        if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::A)) {
            selection.select_all(count);
        }
        if takes_escape && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
            selection.clear();
        }
        let target = strip_id.with(selection.cursor().unwrap_or(0));
        if target != focused {
            ui.memory_mut(|memory| memory.request_focus(target));
            ui.request_repaint();
        }
    }

    fn tooltip_ui(&mut self, ui: &mut Ui, tokens: &ShownTokens, token: usize) {
        column::make_dense(ui);
        ui.strong(format!("Token {token} of {}", tokens.count()));
        egui::Grid::new("token tooltip")
            .num_columns(2)
            .spacing([12.0, 2.0])
            .show(ui, |ui| {
                let mut row = |name: &str, value: String| {
                    ui.weak(name);
                    ui.label(value);
                    ui.end_row();
                };
                if tokens.segment_count() > 1 {
                    row(
                        "codebook segment",
                        format!("{} of {}", tokens.segment_of(token), tokens.segment_count()),
                    );
                }
                makeup_rows(tokens, token, &mut row);
                let offered = analysis::quantities(&tokens.space).iter().copied();
                for quantity in offered.filter(|quantity| is_in_tooltip(*quantity)) {
                    let (name, unit, _) = quantity_words(quantity);
                    if let Some(value) = self
                        .figures
                        .current(tokens, quantity)
                        .get(token)
                        .copied()
                        .flatten()
                    {
                        row(name, format!("{value:.3} {unit}").trim_end().to_owned());
                    }
                }
            });
    }
}

/// Whether `text` fits into what is left of a row.
fn fits(ui: &Ui, text: &str) -> bool {
    let font = TextStyle::Body.resolve(ui.style());
    let galley = ui
        .painter()
        .layout_no_wrap(text.to_owned(), font, Color32::PLACEHOLDER);
    galley.size().x <= ui.available_width()
}

/// What the token is made of.
fn makeup_rows(tokens: &ShownTokens, token: usize, row: &mut impl FnMut(&str, String)) {
    match (&tokens.space.bottleneck, tokens.state.mixture(token)) {
        (Bottleneck::Soft(_), Some(mixture)) => {
            let figures = analysis::mixture_figures(mixture);
            row("entropy", format!("{:.2} nats", figures.entropy_nats));
            row("effective codewords", format!("{:.1}", figures.perplexity));
            if let Some(&(codeword, weight)) = analysis::top_codewords(mixture, 1).first() {
                row(
                    "top codeword",
                    format!("{}:{codeword}  {weight:.3}", mixture.segment),
                );
            }
        }
        (Bottleneck::Soft(_), None) => row("mixture", "none: its values alone are known".to_owned()),
        (Bottleneck::Hard(_), _) => {
            let codeword = tokens.state.codeword(token);
            let said =
                codeword.map_or_else(|| "none: its values were edited".to_owned(), |it| it.to_string());
            row("codeword", said);
        }
        (Bottleneck::Gaussian | Bottleneck::Identity, _) => {}
    }
}

/// Figures of mixtures are told with the mixture; hull distances take too long for a tooltip.
fn is_in_tooltip(quantity: TokenQuantity) -> bool {
    !matches!(
        quantity,
        TokenQuantity::Entropy | TokenQuantity::MaxWeight | TokenQuantity::HullDistance
    )
}
