//! The heaviest codewords of a token as bars under the hand.

use super::actions::action_button;
use super::{Section, hull};
use crate::analysis;
use crate::engine::SubjectId;
use crate::latent::{Edit, LatentState, Mixture, Rest};
use crate::ui::column::{self, DENSE_ROW};
use crate::ui::dial::{Axis, Dial, Look, Snap};
use crate::ui::glossary;
use crate::ui::hand::Grip;
use crate::ui::hover_ask::Question;
use crate::ui::shown_tokens::ShownTokens;
use crate::ui::theme::{self, GRID};
use egui::{
    Align2, CursorIcon, DragValue, FontId, Label, RichText, Sense, Stroke, TextStyle, Ui, pos2, vec2,
};
use std::sync::Arc;

const DEFAULT_ROWS: usize = 12;
const MAX_ROWS: usize = 64;
const NAME_WIDTH: f32 = 52.0;
const NUMBER_WIDTH: f32 = 54.0;

/// What the section remembers.
pub(super) struct MixturePanel {
    ranked: Option<Ranked>,
    rows: Rows,
    row_count: usize,
    axis: Axis,
    /// Codeword that the person may add as a row.
    wanted: usize,
    /// Whether the pointer or the focus was on the bars in the last frame: then the rows keep their order.
    is_in_use: bool,
    pub(super) is_logarithmic: bool,
    hull: hull::HullPanel,
}

impl Default for MixturePanel {
    fn default() -> Self {
        Self {
            ranked: None,
            rows: Rows::default(),
            row_count: DEFAULT_ROWS,
            axis: Axis::SquareRoot,
            wanted: 0,
            is_in_use: false,
            is_logarithmic: true,
            hull: hull::HullPanel::default(),
        }
    }
}

/// All codewords of a token, heaviest first; sorted once per state.
struct Ranked {
    state: Arc<LatentState>,
    token: usize,
    codewords: Arc<[(usize, f32)]>,
}

/// Which codewords have a row, in which order.
#[derive(Default)]
struct Rows {
    of: Option<(SubjectId, usize)>,
    codewords: Vec<usize>,
    /// Added by hand; kept while the token stays selected.
    added: Vec<usize>,
}

impl MixturePanel {
    /// All codewords of the token's mixture, heaviest first.
    pub(super) fn ranked(&mut self, tokens: &ShownTokens, token: usize) -> Arc<[(usize, f32)]> {
        let known = self.ranked.as_ref();
        if let Some(ranked) = known.filter(|it| it.token == token && Arc::ptr_eq(&it.state, &tokens.state)) {
            return ranked.codewords.clone();
        }
        let codewords: Arc<[(usize, f32)]> = tokens
            .state
            .mixture(token)
            .map(|mixture| analysis::top_codewords(mixture, mixture.weights.len()))
            .unwrap_or_default()
            .into();
        self.ranked = Some(Ranked {
            state: tokens.state.clone(),
            token,
            codewords: codewords.clone(),
        });
        codewords
    }

    fn update_rows(&mut self, tokens: &ShownTokens, token: usize) {
        let of = Some((tokens.id, token));
        if self.rows.of != of {
            self.rows = Rows {
                of,
                ..Rows::default()
            };
        } else if self.is_in_use && self.rows.codewords.len() == self.row_count + self.rows.added.len() {
            return;
        }
        let ranked = self.ranked(tokens, token);
        let added = &self.rows.added;
        let top = ranked
            .iter()
            .map(|&(codeword, _)| codeword)
            .filter(|codeword| !added.contains(codeword));
        self.rows.codewords = top.take(self.row_count).chain(added.iter().copied()).collect();
    }
}

/// `tau`: the temperature that the model was trained with.
pub(super) fn mixture_ui(ui: &mut Ui, section: &mut Section<'_>, panel: &mut MixturePanel, tau: f32) {
    let tokens = section.tokens;
    let Some(mixture) = tokens.state.mixture(section.token) else {
        free_token_ui(ui, section, panel, tau);
        return;
    };
    hull::reached_ui(ui, section, &panel.hull);
    panel.update_rows(tokens, section.token);
    settings_ui(ui, panel, mixture.weights.len());
    let original = tokens
        .original
        .mixture(section.token)
        .filter(|it| it.segment == mixture.segment);
    let bars = ui.scope(|ui| {
        ui.spacing_mut().item_spacing = vec2(GRID, 0.0);
        let bar = BarShape {
            axis: panel.axis,
            width: (ui.available_width() - NAME_WIDTH - NUMBER_WIDTH - 2.0 * GRID).max(24.0),
        };
        scale_ui(ui, bar);
        let mut has_focus = false;
        for &codeword in &panel.rows.codewords {
            has_focus |= row_ui(ui, section, mixture, original, codeword, bar);
        }
        others_ui(ui, mixture, &panel.rows.codewords, bar);
        has_focus
    });
    panel.is_in_use = bars.inner || bars.response.contains_pointer();
    add_row_ui(ui, panel, mixture);
}

/// A token of values alone has no bars; says how to get some.
fn free_token_ui(ui: &mut Ui, section: &mut Section<'_>, panel: &mut MixturePanel, tau: f32) {
    ui.weak(
        "No codeword weights stand behind this token: it was moved off its mixture, generated or imported as values. \
         Project it onto the hull of the codewords to get some again.",
    );
    hull::gauge_ui(ui, section, &mut panel.hull);
    ui.horizontal_wrapped(|ui| {
        let tokens = vec![section.token];
        let edit = Edit::Project {
            tokens: tokens.clone(),
        };
        action_button(ui, section, "Project onto hull", glossary::HULL, edit);
        if section.tokens.state.h_row(section.token).is_some() {
            let edit = Edit::Temperature { tokens, tau };
            action_button(ui, section, "Encoder's mixture", glossary::MIXTURE, edit);
        }
    });
}

fn settings_ui(ui: &mut Ui, panel: &mut MixturePanel, size: usize) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let rows = DragValue::new(&mut panel.row_count)
            .range(1..=MAX_ROWS.min(size.max(1)))
            .prefix("top ")
            .speed(0.1);
        ui.add(rows)
            .on_hover_text("How many codewords have a bar")
            .accessible_name("number of bars");
        ui.weak("of");
        glossary::named_term_label(ui, &format!("{size} codewords"), glossary::CODEWORD);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let name = |axis| {
                if axis == Axis::Linear { "linear" } else { "sqrt" }
            };
            egui::ComboBox::from_id_salt("weight axis")
                .selected_text(name(panel.axis))
                .width(56.0)
                .show_ui(ui, |ui| {
                    for axis in [Axis::SquareRoot, Axis::Linear] {
                        ui.selectable_value(&mut panel.axis, axis, name(axis));
                    }
                })
                .response
                .on_hover_text("How a weight becomes a length. The square root gives small weights room.")
                .accessible_name("weight axis");
        });
    });
}

/// How a weight becomes a length; the same in all rows.
#[derive(Clone, Copy)]
struct BarShape {
    axis: Axis,
    width: f32,
}

/// Ticks over the bars: they say how long a weight is.
fn scale_ui(ui: &mut Ui, bar: BarShape) {
    let axis = bar.axis;
    ui.horizontal(|ui| {
        ui.add_space(NAME_WIDTH + GRID);
        let (rect, _) = ui.allocate_exact_size(vec2(bar.width, 14.0), Sense::hover());
        let ticks: &[f32] = match axis {
            Axis::Linear => &[0.0, 0.25, 0.5, 0.75, 1.0],
            _ => &[0.0, 0.01, 0.1, 0.25, 0.5, 1.0],
        };
        let color = ui.visuals().weak_text_color();
        let font = FontId::proportional(TextStyle::Small.resolve(ui.style()).size.min(10.0));
        for &tick in ticks {
            let x = rect.left() + axis.position(tick, &(0.0..=1.0)) * rect.width();
            ui.painter()
                .vline(x, rect.bottom() - 3.0..=rect.bottom(), Stroke::new(1.0, color));
            let align = if tick < 1.0 {
                Align2::CENTER_TOP
            } else {
                Align2::RIGHT_TOP
            };
            if tick <= 0.0 {
                continue;
            }
            ui.painter().text(
                pos2(x, rect.top() - 1.0),
                align,
                tick_text(tick),
                font.clone(),
                color,
            );
        }
    });
}

fn tick_text(tick: f32) -> String {
    let text = tick.to_string();
    text.strip_prefix("0.")
        .map_or_else(|| text.clone(), |decimals| format!(".{decimals}"))
}

/// A bar with its name and number; whether one of them has the keyboard.
fn row_ui(
    ui: &mut Ui,
    section: &mut Section<'_>,
    mixture: &Mixture,
    original: Option<&Mixture>,
    codeword: usize,
    shape: BarShape,
) -> bool {
    let (token, segment) = (section.token, mixture.segment);
    let grip = Grip::Weight {
        token,
        segment,
        codeword,
    };
    let weight_in = |mixture: &Mixture| mixture.weights.get(codeword).copied();
    let shown = section
        .hand
        .shown(grip)
        .or_else(|| weight_in(mixture))
        .unwrap_or(0.0);
    let original = original.and_then(weight_in);
    let name = format!("weight of codeword {segment}:{codeword}");
    let row = ui.horizontal(|ui| {
        let label = Label::new(RichText::new(format!("{segment}:{codeword}"))).sense(Sense::click());
        let label = column::right(ui, NAME_WIDTH, |ui| ui.add(label));
        if glossary::explain(label, glossary::WEIGHT)
            .on_hover_cursor(CursorIcon::PointingHand)
            .on_hover_text("A click shows what the codeword is used for, in the view Analysis.")
            .clicked()
        {
            *section.looked_up = Some((segment, codeword));
        }
        let bar = Dial::new(grip, &name, shown, 0.0..=1.0)
            .axis(shape.axis)
            .snap(Snap::Multiples(0.05))
            .original(original)
            .look(Look::Bar(theme::segment(segment)))
            .width(shape.width)
            .show(ui, section.hand);
        let mut typed = bar.value.unwrap_or(shown);
        let number = ui
            .add_sized(
                vec2(NUMBER_WIDTH, DENSE_ROW),
                DragValue::new(&mut typed)
                    .range(0.0..=1.0)
                    .speed(0.002)
                    .fixed_decimals(3)
                    .update_while_editing(false),
            )
            .accessible_name(format!("typed {name}"));
        let moved = bar.value.or_else(|| number.changed().then_some(typed));
        let edit = |weight| Edit::SetWeights {
            token,
            weights: vec![(segment, codeword, weight)],
            rest: Rest::Proportional,
        };
        section
            .hand
            .follow(section.workspace, grip, &bar.reach, moved, edit);
        bar.response.has_focus() || number.has_focus()
    });
    if row.response.contains_pointer() && !section.hand.is_live() {
        let question = Question::Codeword {
            token,
            segment,
            codeword,
        };
        section.ask.ask(section.workspace, question, |_| {
            let weights = vec![(segment, codeword, 1.0)];
            Some(Edit::SetWeights {
                token,
                weights,
                rest: Rest::Zero,
            })
        });
    }
    row.inner
}

/// What the codewords without a row weigh together.
fn others_ui(ui: &mut Ui, mixture: &Mixture, rows: &[usize], bar: BarShape) {
    let count = mixture.weights.len().saturating_sub(rows.len());
    if count == 0 {
        return;
    }
    let in_rows: f32 = rows
        .iter()
        .filter_map(|&codeword| mixture.weights.get(codeword))
        .sum();
    let weight = (1.0 - in_rows).clamp(0.0, 1.0);
    ui.horizontal(|ui| {
        column::right(ui, NAME_WIDTH, |ui| ui.label(theme::muted("others")));
        let (rect, _) = ui.allocate_exact_size(vec2(bar.width, DENSE_ROW), Sense::hover());
        let rect = rect.shrink2(vec2(0.0, 4.0));
        ui.painter().rect_filled(rect, 3, ui.visuals().extreme_bg_color);
        let mut filled = rect;
        filled.set_width(bar.axis.position(weight, &(0.0..=1.0)) * rect.width());
        ui.painter()
            .rect_filled(filled, 3, ui.visuals().weak_text_color().gamma_multiply(0.5));
        column::right(ui, NUMBER_WIDTH, |ui| {
            ui.label(RichText::new(format!("{weight:.3}")).weak())
        });
    })
    .response
    .on_hover_text(format!(
        "The weight of the other {count} codewords together. Raise \"top\" to see more of them."
    ));
}

/// Any codeword can get a bar, however little it weighs.
fn add_row_ui(ui: &mut Ui, panel: &mut MixturePanel, mixture: &Mixture) {
    let last = mixture.weights.len().saturating_sub(1);
    ui.horizontal(|ui| {
        ui.weak("codeword");
        let index = DragValue::new(&mut panel.wanted)
            .range(0..=last)
            .prefix(format!("{}:", mixture.segment));
        ui.add(index).accessible_name("codeword to add");
        let is_new = !panel.rows.codewords.contains(&panel.wanted);
        let add = ui.add_enabled(is_new, egui::Button::new("Add bar"));
        if add
            .on_hover_text("Gives this codeword a bar, to mix it in")
            .clicked()
        {
            panel.rows.added.push(panel.wanted);
            panel.rows.codewords.push(panel.wanted);
        }
    });
}
