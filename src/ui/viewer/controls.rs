//! The bar above the pictures (mode, pair, gain, zoom) and the read-out below them.

use super::geometry::pixel_at;
use super::panes::{Shown, ZoomRequest};
use super::{CompareMode, Layer, Viewer};
use crate::ui::theme::{self, icon};
use egui::{Align, ComboBox, Layout, RichText, Sense, Slider, Ui, vec2};

/// Below this width the mode buttons show icons only.
const COMPACT_WIDTH: f32 = 560.0;
/// With less width a layer the read-out leaves out their names.
const READ_OUT_WIDTH: f32 = 214.0;
/// Room that the legend of a heat map takes.
const LEGEND_WIDTH: f32 = 180.0;
/// Room that the scale takes.
const SCALE_WIDTH: f32 = 56.0;
/// Room that the hint takes which stands in the place of the read-out, and the scale beside it.
const HINT_WIDTH: f32 = 300.0;
/// One press of a zoom button or key.
pub(super) const ZOOM_STEP: f32 = 1.25;

const MODES: [(CompareMode, &str, &str); 4] = [
    (CompareMode::SideBySide, icon::COLUMNS, "Side by side"),
    (CompareMode::Wipe, icon::WIPE, "Wipe"),
    (CompareMode::Flip, icon::FLIP, "Flip"),
    (CompareMode::Difference, icon::DIFF, "Difference"),
];

impl Viewer {
    pub(super) fn toolbar_ui(&mut self, ui: &mut Ui, layers: &[Layer]) -> Option<ZoomRequest> {
        let row = vec2(ui.available_width(), theme::ROW_HEIGHT);
        let compact = row.x < COMPACT_WIDTH;
        let zoom_request = ui
            .allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
                if !self.is_plain {
                    self.modes_ui(ui, layers, compact);
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    zoom_ui(ui, self.view.is_fit())
                })
                .inner
            })
            .inner;
        if self.mode_for(layers) != CompareMode::SideBySide {
            ui.horizontal_wrapped(|ui| {
                self.pair_ui(ui, layers);
                match self.mode {
                    CompareMode::Flip => self.flip_ui(ui),
                    CompareMode::Difference => self.difference_ui(ui),
                    CompareMode::SideBySide | CompareMode::Wipe => {}
                }
            });
        }
        zoom_request
    }

    fn modes_ui(&mut self, ui: &mut Ui, layers: &[Layer], compact: bool) {
        ui.spacing_mut().item_spacing.x = theme::GRID;
        let current = self.mode_for(layers);
        ui.add_enabled_ui(layers.len() > 1, |ui| {
            for (mode, icon, label) in MODES {
                if theme::labelled_icon_button(ui, icon, label, mode == current, compact).clicked() {
                    self.mode = mode;
                }
            }
        });
    }

    fn pair_ui(&mut self, ui: &mut Ui, layers: &[Layer]) {
        let (mut a, mut b) = self.compared(layers);
        let before = (a, b);
        layer_choice_ui(ui, "First picture", layers, &mut a);
        if theme::icon_button(ui, icon::SWAP, "Swap the two pictures").clicked() {
            std::mem::swap(&mut a, &mut b);
        }
        layer_choice_ui(ui, "Second picture", layers, &mut b);
        if (a, b) != before {
            self.pair = Some((a, b));
        }
    }

    fn flip_ui(&self, ui: &mut Ui) {
        let which = if self.is_flipped { "second" } else { "first" };
        ui.label(theme::muted(format!(
            "{which} shown: click the picture or press Space"
        )));
    }

    fn difference_ui(&mut self, ui: &mut Ui) {
        let gain = Slider::new(&mut self.difference.gain, 1.0..=32.0)
            .logarithmic(true)
            .fixed_decimals(1)
            .prefix("×")
            .text("gain");
        ui.add(gain)
            .on_hover_text("Differences are multiplied by this before they are coloured.");
        ui.checkbox(&mut self.difference.signed, "signed").on_hover_text(
            "Mean of second minus first over red, green and blue. Off: mean of the absolute differences.",
        );
    }

    pub(super) fn footer_ui(&self, ui: &mut Ui, layers: &[Layer], shown: &Shown) {
        let row = vec2(ui.available_width(), theme::ROW_HEIGHT);
        let legend = if self.overlay.is_some() { LEGEND_WIDTH } else { 0.0 };
        let compact = row.x < READ_OUT_WIDTH * layers.len().max(3) as f32 + legend;
        ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(row);
            ui.spacing_mut().item_spacing.x = 3.0 * theme::GRID;
            match (shown.pixel, shown.unit) {
                (Some(pixel), Some(unit)) => {
                    pixel_ui(ui, pixel, compact);
                    for layer in layers {
                        read_out_ui(ui, layer, unit, compact);
                    }
                }
                _ if self.overlay.is_some() && row.x < HINT_WIDTH + legend => {}
                _ if self.brush.is_some() => {
                    let room = (ui.available_width() - SCALE_WIDTH).max(0.0);
                    ui.scope(|ui| {
                        ui.set_max_width(room);
                        super::brush::hint_ui(ui);
                    });
                }
                _ => {
                    ui.label(theme::muted("Scroll to zoom, drag to move, double-click to fit").small());
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if let Some(scale) = shown.scale {
                    ui.label(RichText::new(format!("{:.0} %", 100.0 * scale)).small())
                        .on_hover_text("Screen pixels per picture pixel.");
                }
                if self.overlay.is_some() {
                    theme::legend_ui(ui, "influence", 0, 1);
                }
            });
        });
    }
}

/// As wide as a figure, so that padded numbers keep their place.
const FIGURE_SPACE: &str = "\u{2007}";

fn zoom_ui(ui: &mut Ui, is_fit: bool) -> Option<ZoomRequest> {
    ui.spacing_mut().item_spacing.x = theme::GRID;
    // From the right to the left.
    let one_to_one = ui
        .button("1:1")
        .on_hover_text("One picture pixel on one screen pixel")
        .clicked()
        .then_some(ZoomRequest::Scale(1.0));
    let fit = theme::labelled_icon_button(ui, icon::FIT, "Fit", is_fit, false)
        .on_hover_text("Show the whole picture (0)")
        .clicked()
        .then_some(ZoomRequest::Fit);
    let larger = theme::icon_button(ui, icon::PLUS, "Zoom in")
        .clicked()
        .then_some(ZoomRequest::By(ZOOM_STEP));
    let smaller = theme::icon_button(ui, icon::MINUS, "Zoom out")
        .clicked()
        .then_some(ZoomRequest::By(1.0 / ZOOM_STEP));
    one_to_one.or(fit).or(larger).or(smaller)
}

fn layer_choice_ui(ui: &mut Ui, label: &str, layers: &[Layer], chosen: &mut usize) {
    let name = layers.get(*chosen).map_or("", |layer| layer.name.as_str());
    let combo = ComboBox::from_id_salt(label)
        .selected_text(name)
        .width(30.0 * theme::GRID)
        .icon(theme::combo_caret);
    let response = combo.show_ui(ui, |ui| {
        for (index, layer) in layers.iter().enumerate() {
            ui.selectable_value(chosen, index, layer.name.as_str());
        }
    });
    response.response.accessible_name(label);
}

fn pixel_ui(ui: &mut Ui, (column, row): (u32, u32), compact: bool) {
    let place = if compact {
        format!("{column:>3} {row:>3}")
    } else {
        format!("column {column:>3}  row {row:>3}")
    };
    ui.label(RichText::new(place.replace(' ', FIGURE_SPACE)).small())
        .on_hover_text("Column and row");
}

/// The colour of `layer` at `unit`, as a swatch and three numbers, after the layer's name unless `compact`.
fn read_out_ui(ui: &mut Ui, layer: &Layer, unit: egui::Pos2, compact: bool) {
    let Some(picture) = &layer.picture else { return };
    let Some([r, g, b]) =
        pixel_at(unit, picture.width(), picture.height()).and_then(|(x, y)| picture.pixel(x, y))
    else {
        return;
    };
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GRID;
        if !compact {
            ui.label(theme::muted(layer.name.as_str()).small());
        }
        let (swatch, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
        ui.painter()
            .rect_filled(swatch, 2.0, egui::Color32::from_rgb(r, g, b));
        let numbers = format!("{r:>3} {g:>3} {b:>3}").replace(' ', FIGURE_SPACE);
        ui.label(RichText::new(numbers).small()).on_hover_text(format!(
            "Red, green and blue of the {} picture, 0 to 255",
            layer.name
        ));
    });
}
