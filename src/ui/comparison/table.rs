//! The table of figures: a click on a head sorts, the best of each column is marked.

use super::figures::{self, Column, Order, Value};
use crate::document::{ComparedModel, ComparedState};
use crate::ui::theme::{self, icon};
use egui::{Button, Grid, Label, RichText, Role, Ui, WidgetInfo};

/// The metrics table and the order of its rows; `None` is the order in which the models were chosen.
#[derive(Debug, Default)]
pub(super) struct FiguresTable {
    order: Option<Order>,
}

impl FiguresTable {
    /// Draws a row a model, in as many columns as `width` points have room for. A model that failed has its message in place of figures.
    pub(super) fn ui(&mut self, ui: &mut Ui, models: &[ComparedModel], width: f32) {
        let shown: Vec<Column> = Column::shown(width).collect();
        let is_whole = shown.len() == Column::ALL.len();
        let gap = if is_whole { 3.0 } else { 2.0 } * theme::GRID;
        let columns: Vec<Vec<Value>> = shown
            .iter()
            .map(|&column| models.iter().map(|model| figures::value(model, column)).collect())
            .collect();
        let best: Vec<Vec<bool>> = shown
            .iter()
            .zip(&columns)
            .map(|(&column, values)| figures::best(values, column))
            .collect();
        Grid::new(("figures of the models", shown.len()))
            .striped(true)
            .num_columns(shown.len())
            .spacing([gap, theme::GRID])
            .show(ui, |ui| {
                for &column in &shown {
                    self.head_ui(ui, column);
                }
                ui.end_row();
                for row in self.rows(models) {
                    let Some(model) = models.get(row) else { continue };
                    row_ui(ui, model, row, &shown, (&columns, &best));
                    ui.end_row();
                }
            });
    }

    /// In the order chosen, on show or not.
    fn rows(&self, models: &[ComparedModel]) -> Vec<usize> {
        let Some(Order {
            column,
            is_descending,
        }) = self.order
        else {
            return (0..models.len()).collect();
        };
        let values: Vec<Value> = models.iter().map(|model| figures::value(model, column)).collect();
        figures::sorted(&values, is_descending)
    }

    fn head_ui(&mut self, ui: &mut Ui, column: Column) {
        let order = self.order.filter(|order| order.column == column);
        let (arrow, state) = match order {
            None => ("", ""),
            Some(order) if order.is_descending => (icon::CARET_DOWN, ", falling"),
            Some(_) => (icon::CARET_UP, ", rising"),
        };
        let head = Button::new(format!("{} {arrow}", column.title()).trim_end())
            .frame(false)
            .selected(order.is_some());
        let response = ui
            .add(head)
            .on_hover_text(format!("{} Click to sort.", column.tooltip()));
        if response
            .accessible_name(format!("Sort by {}{state}", column.title()))
            .clicked()
        {
            self.order = Some(Order::clicked(self.order, column));
        }
    }
}

fn row_ui(
    ui: &mut Ui,
    model: &ComparedModel,
    row: usize,
    shown: &[Column],
    (columns, best): (&[Vec<Value>], &[Vec<bool>]),
) {
    let words = match &model.state {
        ComparedState::Done(_) => None,
        ComparedState::Waiting => Some(("waiting".to_owned(), ui.visuals().weak_text_color())),
        ComparedState::Cancelled => Some(("cancelled".to_owned(), ui.visuals().weak_text_color())),
        ComparedState::Failed(message) => Some((message.clone(), ui.visuals().error_fg_color)),
    };
    if let Some((words, colour)) = words {
        ui.label(&model.files.name);
        // Outside of the grid's columns, which a long message would widen.
        let place = ui.available_rect_before_wrap();
        let room = egui::Rect::from_min_max(place.min, egui::pos2(ui.clip_rect().right(), place.max.y));
        let mut line = ui.new_child(egui::UiBuilder::new().max_rect(room));
        line.add(Label::new(RichText::new(&words).color(colour)).truncate())
            .on_hover_text(words);
        return;
    }
    for ((values, best), column) in columns.iter().zip(best).zip(shown) {
        let text = values.get(row).map(Value::text).unwrap_or_default();
        if best.get(row) == Some(&true) {
            let marked = theme::strong(format!("{text} {}", icon::CHECK)).color(ui.visuals().hyperlink_color);
            let name = format!("{} {text}, best", column.title());
            ui.label(marked)
                .on_hover_text("The best of these models.")
                .widget_info(|| WidgetInfo::labeled(Role::Label, true, &name));
        } else {
            ui.label(text);
        }
    }
}
