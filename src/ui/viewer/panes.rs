//! The picture areas: who stands where, what pointer and keys do there, and what is drawn over the pictures.

use super::brush::BrushInput;
use super::controls::ZOOM_STEP;
use super::geometry::{self, Cell, pixel_at, to_unit};
use super::marks::{self, LABEL_HEIGHT};
use super::scene::{Content, Scene, Source};
use super::{CompareMode, Layer, Viewer};
use crate::picture::Rgb8;
use crate::ui::theme;
use egui::{
    CursorIcon, EventFilter, Key, PointerButton, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui,
    Vec2, WidgetInfo, vec2,
};

/// Between cells, in points.
const GAP: f32 = 2.0 * theme::GRID;
/// What an arrow key moves a focused picture, in points; Shift makes it a tenth.
const PAN_STEP: f32 = 10.0 * theme::GRID;
/// Zoom per point scrolled, as an exponent of e.
const ZOOM_PER_POINT: f32 = 1.0 / 200.0;

/// What a zoom button asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ZoomRequest {
    Fit,
    /// Screen pixels per picture pixel.
    Scale(f32),
    By(f32),
}

/// What the areas showed this frame, for the read-out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shown {
    /// Screen pixels per picture pixel.
    pub(super) scale: Option<f32>,
    /// Where the pointer is on the pictures, 0..1.
    pub(super) unit: Option<Pos2>,
    /// The pixel there, of the model's square.
    pub(super) pixel: Option<(u32, u32)>,
    pub(super) layer: Option<usize>,
    pub(super) brush: Option<BrushInput>,
}

/// What stands in one area.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pane {
    One(usize),
    Wipe(usize, usize),
    Difference(usize, usize),
}

impl Pane {
    fn layers(self) -> (usize, usize) {
        match self {
            Self::One(index) => (index, index),
            Self::Wipe(a, b) | Self::Difference(a, b) => (a, b),
        }
    }
}

/// An area with what happened in it this frame.
struct Placed {
    pane: Pane,
    rect: Rect,
    cell: Cell,
    response: Response,
}

impl Viewer {
    pub(super) fn panes_ui(
        &mut self,
        ui: &mut Ui,
        size: Vec2,
        layers: &[Layer],
        zoom_request: Option<ZoomRequest>,
    ) -> Shown {
        let (area, _) = ui.allocate_exact_size(size, Sense::hover());
        let panes = self.panes(layers);
        // Pictures of all layers share one place; the first one gives its shape.
        let reference = layers.iter().find_map(|layer| layer.picture.as_deref());
        let picture = reference.map_or(vec2(1.0, 1.0), |of| vec2(of.width() as f32, of.height() as f32));
        if reference.is_some() && self.columns != picture.x {
            self.view.keep_part(self.columns, picture.x);
            self.columns = picture.x;
        }
        let columns = geometry::best_columns(
            area.size(),
            panes.len(),
            picture.x / picture.y,
            GAP,
            2.0 * LABEL_HEIGHT,
        );
        let rects = geometry::cell_rects(area, panes.len(), columns, GAP);
        let placed: Vec<Placed> = panes
            .into_iter()
            .zip(rects)
            .map(|(pane, rect)| place(ui, pane, rect, picture, layers, self.brush.is_some()))
            .collect();

        if let Some(first) = placed.first() {
            self.apply(zoom_request, &first.cell);
        }
        let mut brush = None;
        for pane in &placed {
            brush = brush.or(self.handle_input(ui, pane, layers));
        }
        let mut shown = self.shown(&placed, reference);
        shown.brush = brush;
        for pane in &placed {
            self.paint_pane(ui, pane, layers, &shown);
        }
        shown
    }

    fn panes(&self, layers: &[Layer]) -> Vec<Pane> {
        let (a, b) = self.compared(layers);
        match self.mode_for(layers) {
            CompareMode::SideBySide => (0..layers.len()).map(Pane::One).collect(),
            CompareMode::Wipe => vec![Pane::Wipe(a, b)],
            CompareMode::Flip => vec![Pane::One(if self.is_flipped { b } else { a })],
            CompareMode::Difference => vec![Pane::Difference(a, b)],
        }
    }

    fn apply(&mut self, request: Option<ZoomRequest>, cell: &Cell) {
        match request {
            None => {}
            Some(ZoomRequest::Fit) => self.view.fit(),
            Some(ZoomRequest::Scale(scale)) => self.view.zoom_to(cell, scale, cell.rect.center()),
            Some(ZoomRequest::By(factor)) => self.view.zoom_by(cell, factor, cell.rect.center()),
        }
    }

    /// What was done with the brush, where there is one and a picture to draw on.
    fn handle_input(&mut self, ui: &Ui, placed: &Placed, layers: &[Layer]) -> Option<BrushInput> {
        let Placed { cell, response, .. } = placed;
        let has_picture = layers.iter().any(|layer| layer.picture.is_some());
        let brush = self.brush.filter(|_| has_picture);
        let is_moved = |button| response.dragged_by(button);
        if response.double_clicked() && brush.is_none() {
            self.view.fit();
        } else if is_moved(PointerButton::Secondary)
            || is_moved(PointerButton::Middle)
            || (brush.is_none() && response.dragged())
        {
            self.view.pan(cell, response.drag_delta());
        }
        let input = brush.map(|brush| self.brush_input(ui, brush, cell, response));
        let is_flip = self.mode_for(layers) == CompareMode::Flip;
        if is_flip && response.clicked() {
            self.is_flipped = !self.is_flipped;
        }
        if let Some(pointer) = response.hover_pos() {
            let factor = scroll_zoom(ui);
            if factor != 1.0 {
                self.view.zoom_by(cell, factor, pointer);
            }
        }
        if response.has_focus() && brush.is_none() {
            self.view.pan(cell, arrow_pan(ui, response));
        }
        // A focused text field keeps its keys, wherever the pointer is.
        let hears_keys =
            response.has_focus() || (response.hovered() && !ui.ctx().egui_wants_keyboard_input());
        if hears_keys {
            self.handle_keys(ui, cell, is_flip && !response.has_focus());
        }
        input
    }

    /// `flips_by_key`: Space is not yet a click, as it is on a focused widget.
    fn handle_keys(&mut self, ui: &Ui, cell: &Cell, flips_by_key: bool) {
        let pressed = |keys: &[Key]| {
            ui.input(|input| !input.modifiers.command && keys.iter().any(|key| input.key_pressed(*key)))
        };
        if pressed(&[Key::Plus, Key::Equals]) {
            self.view.zoom_by(cell, ZOOM_STEP, cell.rect.center());
        }
        if pressed(&[Key::Minus]) {
            self.view.zoom_by(cell, 1.0 / ZOOM_STEP, cell.rect.center());
        }
        if pressed(&[Key::Num0]) {
            self.view.fit();
        }
        if flips_by_key && pressed(&[Key::Space]) {
            self.is_flipped = !self.is_flipped;
        }
    }

    fn shown(&self, placed: &[Placed], reference: Option<&Rgb8>) -> Shown {
        let mut shown = Shown::default();
        let Some(reference) = reference else { return shown };
        shown.scale = placed.first().map(|first| self.view.scale(&first.cell));
        for Placed {
            pane, cell, response, ..
        } in placed
        {
            let Some(pointer) = response
                .hover_pos()
                .filter(|pointer| cell.rect.contains(*pointer))
            else {
                continue;
            };
            let place = self.view.picture_rect(cell);
            let unit = to_unit(place, pointer);
            shown.pixel = pixel_at(unit, reference.width(), reference.height());
            shown.unit = shown.pixel.map(|_| unit);
            let (a, b) = pane.layers();
            let is_first = matches!(pane, Pane::Wipe(..)) && pointer.x < self.divider_x(cell.rect, place);
            shown.layer = shown.pixel.map(|_| if is_first { a } else { b });
        }
        shown
    }

    fn paint_pane(&mut self, ui: &mut Ui, placed: &Placed, layers: &[Layer], shown: &Shown) {
        let Placed {
            pane,
            rect,
            cell,
            response,
        } = placed;
        let colours = theme::palette(ui.visuals());
        let painter = ui.painter_at(*rect);
        painter.rect_filled(cell.rect, theme::GRID, colours.surround);
        let place = self.view.picture_rect(cell);
        let divider_x = self.divider_x(cell.rect, place);
        match self.content(*pane, layers, divider_x) {
            Ok(content) => {
                let scene = Scene {
                    cell: cell.rect,
                    place,
                    content,
                    heat: self.overlay.as_ref(),
                };
                self.painter.paint(&painter, &scene);
                self.paint_brush(&painter, cell, response);
                if let Some(pixel) = shown.pixel {
                    let points_at_it = !response.contains_pointer();
                    marks::pixel(
                        &painter.with_clip_rect(cell.rect),
                        pixel_rect(cell, place, pixel),
                        points_at_it,
                    );
                }
                if matches!(pane, Pane::Wipe(..)) {
                    self.divider_ui(ui, cell.rect, place);
                }
            }
            Err(index) => {
                let text = layers.get(index).map_or("", |layer| layer.empty_text.as_str());
                marks::empty_ui(ui, cell.rect, ("no picture", index), text);
            }
        }
        if response.has_focus() {
            painter.rect_stroke(
                cell.rect,
                theme::GRID,
                Stroke::new(2.0, colours.accent),
                StrokeKind::Inside,
            );
        }
        // Without any picture the cells have no edges within.
        let has_picture = layers.iter().any(|layer| layer.picture.is_some());
        let labelled = if has_picture { place } else { cell.rect };
        self.labels_ui(ui, *pane, *rect, labelled, layers);
    }

    /// What a pane shows, or the layer that has no picture yet.
    fn content<'a>(&self, pane: Pane, layers: &'a [Layer], divider_x: f32) -> Result<Content<'a>, usize> {
        let heated = Self::heated(layers);
        let source = |slot: usize| -> Result<Source<'a>, usize> {
            let picture = layers
                .get(slot)
                .and_then(|layer| layer.picture.as_ref())
                .ok_or(slot)?;
            Ok(Source {
                slot,
                picture,
                heated: heated == Some(slot),
            })
        };
        Ok(match pane {
            Pane::One(index) => Content::Single(source(index)?),
            Pane::Wipe(a, b) => Content::Wipe {
                left: source(a)?,
                right: source(b)?,
                divider_x,
            },
            Pane::Difference(a, b) => Content::Difference {
                a: source(a)?,
                b: source(b)?,
                scale: self.difference,
            },
        })
    }

    /// Names above and captions below a picture.
    fn labels_ui(&self, ui: &mut Ui, pane: Pane, area: Rect, place: Rect, layers: &[Layer]) {
        let (a, b) = pane.layers();
        let (Some(a), Some(b)) = (layers.get(a), layers.get(b)) else {
            return;
        };
        match pane {
            Pane::One(_) => marks::layer_labels_ui(ui, area, place, a),
            Pane::Wipe(..) => marks::pair_labels_ui(ui, area, place, a, b),
            Pane::Difference(..) => marks::difference_labels_ui(ui, area, place, a, b, self.difference),
        }
    }
}

/// Where `pixel` of the model's square is on screen.
fn pixel_rect(cell: &Cell, place: Rect, (column, row): (u32, u32)) -> Rect {
    let side = place.size() / cell.picture;
    Rect::from_min_size(place.min + vec2(column as f32, row as f32) * side, side)
}

fn place(ui: &Ui, pane: Pane, rect: Rect, picture: Vec2, layers: &[Layer], has_brush: bool) -> Placed {
    let inner = rect.shrink2(vec2(0.0, LABEL_HEIGHT));
    let cell_rect = if inner.is_positive() {
        inner
    } else {
        Rect::from_center_size(rect.center(), vec2(1.0, 1.0))
    };
    let cell = Cell {
        rect: cell_rect,
        picture,
        pixels_per_point: ui.ctx().pixels_per_point(),
    };
    let response = ui
        .interact(
            cell_rect,
            ui.scope_id().with(("picture", pane.layers())),
            Sense::click_and_drag(),
        )
        .on_hover_cursor(CursorIcon::Crosshair);
    if response.dragged() && !has_brush {
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Image, ui.is_enabled(), description(pane, layers)));
    Placed {
        pane,
        rect,
        cell,
        response,
    }
}

/// The accessible name of an area.
fn description(pane: Pane, layers: &[Layer]) -> String {
    let name = |index: usize| layers.get(index).map_or("", |layer| layer.name.as_str());
    match pane {
        Pane::One(index) => format!("{} picture", name(index)),
        Pane::Wipe(a, b) => format!("{} and {} picture", name(a), name(b)),
        Pane::Difference(a, b) => format!("difference of {} and {} picture", name(a), name(b)),
    }
}

/// How far the arrow keys move the picture that has the focus, in points.
fn arrow_pan(ui: &Ui, response: &Response) -> Vec2 {
    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..Default::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    ui.input(|input| {
        let presses = |key: Key| input.num_presses(key) as f32;
        // An arrow moves the view, so the picture moves the other way.
        let steps = vec2(
            presses(Key::ArrowLeft) - presses(Key::ArrowRight),
            presses(Key::ArrowUp) - presses(Key::ArrowDown),
        );
        steps
            * if input.modifiers.shift {
                0.1 * PAN_STEP
            } else {
                PAN_STEP
            }
    })
}

/// Takes the wheel and pinch of this frame, so that no scroll area around moves too.
fn scroll_zoom(ui: &Ui) -> f32 {
    ui.input_mut(|input| {
        let scrolled = std::mem::take(&mut input.smooth_scroll_delta.y);
        (scrolled * ZOOM_PER_POINT).exp() * input.zoom_delta()
    })
}
