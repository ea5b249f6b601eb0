//! All tokens of the collection in the plane, before and after the quantiser.

mod plane;

use super::collected::{picture_texture, show_collected};
use super::textures::Textures;
use crate::document::{
    Collection, ColourBy, DEFAULT_MOST_MAPPED, MapPoint, MapStage, PointColours, TokenMap, TokenPlane,
    Workspace,
};
use crate::ui::selection::Selection;
use crate::ui::{fact, theme};
use egui::{
    Color32, ComboBox, DragValue, Image, ProgressBar, Rect, Response, Role, Sense, Stroke, TextureHandle,
    TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use plane::{Bounds, Projection, View};
use std::sync::Arc;

/// Labels in the legend before it is cut short.
const LEGEND: usize = 16;
/// Room for the token under the pointer, in points.
const POINTED: f32 = 68.0;
/// Largest side of a plane, in points.
const MOST_SIDE: f32 = 720.0;

/// How tokens are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Method {
    #[default]
    Components,
    Neighbours,
}

impl Method {
    /// The places on show, and of every how many-th point of the map they are.
    fn places(self, plane: &TokenPlane) -> (&Arc<[[f64; 2]]>, usize) {
        match self {
            Self::Components => (&plane.pca, 1),
            Self::Neighbours => (&plane.tsne, plane.tsne_step.max(1)),
        }
    }
}

/// A drawn plane and what it was drawn of.
struct Drawn {
    places: Arc<[[f64; 2]]>,
    by: ColourBy,
    view: View,
    size: egui::Vec2,
    ground: Color32,
    texture: TextureHandle,
}

/// What the section remembers between frames.
pub(super) struct MapSection {
    method: Method,
    by: ColourBy,
    most: usize,
    view: View,
    drawn: [Option<Drawn>; 2],
    legend: Option<(Arc<TokenMap>, ColourBy, PointColours)>,
    /// The collection that a layout was asked for.
    asked: Option<Arc<Collection>>,
    textures: Textures<Collection>,
}

impl Default for MapSection {
    fn default() -> Self {
        Self {
            method: Method::default(),
            by: ColourBy::Factor(0),
            most: DEFAULT_MOST_MAPPED,
            view: View::default(),
            drawn: [None, None],
            legend: None,
            asked: None,
            textures: Textures::default(),
        }
    }
}

impl MapSection {
    /// Lays the tokens out with the limit on show.
    pub(super) fn lay_out(&mut self, workspace: &mut Workspace) {
        self.asked = workspace.collection().cloned();
        workspace.map_tokens(self.most);
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, workspace: &mut Workspace, selection: &mut Selection) {
        let Some(collection) = workspace.collection().cloned() else {
            return;
        };
        let is_asked = |asked: &Arc<Collection>| Arc::ptr_eq(asked, &collection);
        if workspace.token_map().is_none() && !self.asked.as_ref().is_some_and(is_asked) {
            self.lay_out(workspace);
        }
        let map = workspace.token_map().cloned();
        self.choices_ui(ui, workspace, map.as_deref());
        let Some(map) = map else {
            let said = match workspace.mapping() {
                Some(_) => "Laying out the tokens by their principal components.",
                None => "A map takes at least two tokens.",
            };
            ui.label(theme::muted(said));
            return;
        };
        self.legend_ui(ui, &map);
        let pointed = self.planes_ui(ui, &map);
        self.pointed_ui(ui, workspace, selection, &collection, &map, pointed);
    }

    fn choices_ui(&mut self, ui: &mut Ui, workspace: &mut Workspace, map: Option<&TokenMap>) {
        ui.horizontal_wrapped(|ui| {
            let has_tsne = map.is_some_and(|map| map.planes.iter().any(|plane| !plane.tsne.is_empty()));
            if !has_tsne {
                self.method = Method::Components;
            }
            ui.selectable_value(&mut self.method, Method::Components, "Principal components");
            ui.add_enabled_ui(has_tsne, |ui| {
                ui.selectable_value(&mut self.method, Method::Neighbours, "t-SNE")
                    .on_disabled_hover_text("Not laid out yet.");
            });
            if let Some(map) = map {
                let all = ColourBy::all(map);
                if !all.contains(&self.by) {
                    self.by = ColourBy::Position;
                }
                ui.separator();
                ui.label("coloured by");
                ComboBox::from_id_salt("colour of tokens")
                    .selected_text(self.by.name(map))
                    .icon(theme::combo_caret)
                    .width(104.0)
                    .show_ui(ui, |ui| {
                        for by in all {
                            ui.selectable_value(&mut self.by, by, by.name(map));
                        }
                    })
                    .response
                    .accessible_name("colour of tokens");
            }
            if ui
                .button("Fit")
                .on_hover_text("Shows all tokens. A double click does the same.")
                .clicked()
            {
                self.view = View::default();
            }
        });
        ui.horizontal_wrapped(|ui| match workspace.mapping() {
            Some(fraction) => {
                if ui
                    .button("Cancel layout")
                    .on_hover_text("Gives t-SNE up; the principal components stay.")
                    .clicked()
                {
                    workspace.cancel_mapping();
                }
                ui.add(
                    ProgressBar::new(fraction)
                        .desired_width(120.0)
                        .desired_height(8.0),
                );
                ui.label("laying out by t-SNE");
            }
            None => {
                let again = ui.button("Lay out by t-SNE").on_hover_text(
                    "Lays the tokens out so that neighbours stay neighbours. Far distances mean little.",
                );
                if again.clicked() {
                    self.lay_out(workspace);
                }
                ui.label("of at most");
                let most = DragValue::new(&mut self.most).range(100..=200_000).speed(50.0);
                ui.add(most.suffix(" tokens"))
                    .on_hover_text("Of more tokens every so many-th takes part, and it is said which.")
                    .accessible_name("most tokens in t-SNE");
                if let Some(note) = map.and_then(note) {
                    ui.colored_label(ui.visuals().warn_fg_color, note);
                }
            }
        });
    }

    fn legend_ui(&mut self, ui: &mut Ui, map: &Arc<TokenMap>) {
        let is_same =
            |(of, by, _): &(Arc<TokenMap>, ColourBy, PointColours)| Arc::ptr_eq(of, map) && *by == self.by;
        if !self.legend.as_ref().is_some_and(is_same) {
            let colours = map.colours(self.by, 0..map.points.len());
            self.legend = Some((Arc::clone(map), self.by, colours));
        }
        let Some((_, _, colours)) = &self.legend else {
            return;
        };
        ui.horizontal_wrapped(|ui| {
            for ([red, green, blue], name) in colours.legend.iter().take(LEGEND) {
                fact::ui(ui, Some(Color32::from_rgb(*red, *green, *blue)), name, "");
            }
            if colours.legend.len() > LEGEND {
                ui.label(theme::muted(format!(
                    "and {} more",
                    colours.legend.len() - LEGEND
                )));
            }
        });
    }

    /// Draws the planes side by side; the point of the map under the pointer, and whether it is clicked.
    fn planes_ui(&mut self, ui: &mut Ui, map: &TokenMap) -> Option<(usize, bool)> {
        let count = map.planes.len().max(1) as f32;
        let gap = ui.spacing().item_spacing.x;
        let across = (ui.available_width() - gap * (count - 1.0)) / count;
        let down = ui.available_height() - POINTED - 1.5 * theme::ROW_HEIGHT;
        let side = across.min(down.max(160.0)).min(MOST_SIDE).floor();
        let mut shown = Vec::new();
        ui.horizontal(|ui| {
            for (slot, plane) in map.planes.iter().enumerate() {
                ui.vertical(|ui| {
                    plane_title_ui(ui, plane, self.method);
                    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click_and_drag());
                    shown.push((slot, rect, response));
                });
            }
        });
        for (_, rect, response) in &shown {
            self.turn(ui, *rect, response);
        }
        let mut pointed = None;
        for (slot, rect, response) in &shown {
            let Some(plane) = map.planes.get(*slot) else {
                continue;
            };
            let (places, step) = self.method.places(plane);
            let projection = Projection::new(Bounds::of(places), self.view, *rect);
            let texture = self.texture(ui, map, *slot, (places, step), &projection, *rect);
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture, *rect, whole, Color32::WHITE);
            let stage = plane.stage.name();
            response.widget_info(|| {
                let said = format!("map of {} tokens, {stage}", places.len());
                WidgetInfo::labeled(Role::Image, ui.is_enabled(), said)
            });
            if let Some(pointer) = response.hover_pos() {
                let nearest = projection.nearest(places, pointer);
                pointed = pointed.or(nearest.map(|index| (index * step, response.clicked())));
            }
        }
        if let Some((point, _)) = pointed {
            self.mark(ui, map, &shown, point);
        }
        pointed
    }

    /// Panning, zooming and fitting by hand; all planes are looked at alike.
    fn turn(&mut self, ui: &Ui, rect: Rect, response: &Response) {
        if response.double_clicked() {
            self.view = View::default();
        }
        if response.dragged() {
            self.view.pan(response.drag_delta(), rect.width());
        }
        if let Some(pointer) = response.hover_pos() {
            let factor = ui.input(|input| input.zoom_delta() * (input.smooth_scroll_delta.y / 200.0).exp());
            if factor != 1.0 {
                self.view.zoom_at(factor, pointer, rect);
            }
        }
    }

    /// The picture of a plane, drawn anew only where it is looked at in another way.
    fn texture(
        &mut self,
        ui: &Ui,
        map: &TokenMap,
        slot: usize,
        (places, step): (&Arc<[[f64; 2]]>, usize),
        projection: &Projection,
        rect: Rect,
    ) -> egui::TextureId {
        let ground = theme::palette(ui.visuals()).sunken;
        let drawn = self.drawn.get_mut(slot).and_then(Option::as_mut).filter(|drawn| {
            Arc::ptr_eq(&drawn.places, places)
                && drawn.by == self.by
                && drawn.view == self.view
                && drawn.size == rect.size()
                && drawn.ground == ground
        });
        if let Some(drawn) = drawn {
            return drawn.texture.id();
        }
        let colours = map.colours(self.by, (0..map.points.len()).step_by(step));
        let image = projection.image(places, &colours.colours, ground, ui.ctx().pixels_per_point());
        let texture = ui.ctx().load_texture("token map", image, TextureOptions::NEAREST);
        let id = texture.id();
        if let Some(place) = self.drawn.get_mut(slot) {
            *place = Some(Drawn {
                places: Arc::clone(places),
                by: self.by,
                view: self.view,
                size: rect.size(),
                ground,
                texture,
            });
        }
        id
    }

    /// A ring around a point in every plane.
    fn mark(&self, ui: &Ui, map: &TokenMap, shown: &[(usize, Rect, Response)], point: usize) {
        let stroke = Stroke::new(1.5, theme::palette(ui.visuals()).strong);
        for (slot, rect, _) in shown {
            let Some(plane) = map.planes.get(*slot) else {
                continue;
            };
            let (places, step) = self.method.places(plane);
            let place = places.get(point / step).filter(|_| point.is_multiple_of(step));
            let projection = Projection::new(Bounds::of(places), self.view, *rect);
            if let Some(at) = place.and_then(|place| projection.of(place)) {
                ui.painter_at(*rect).circle_stroke(at, 6.0, stroke);
            }
        }
    }

    /// The token under the pointer in words and with its picture; a click opens the picture and selects the token.
    fn pointed_ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        selection: &mut Selection,
        collection: &Arc<Collection>,
        map: &TokenMap,
        pointed: Option<(usize, bool)>,
    ) {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), POINTED), Sense::hover());
        let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(rect));
        let point = pointed.and_then(|(point, is_clicked)| Some((map.points.get(point)?, is_clicked)));
        let Some((point, is_clicked)) = point else {
            ui.label(theme::muted(
                "Point at a token to see its picture, click it to open the picture with the token selected. Scroll to zoom, \
                 drag to move.",
            ));
            return;
        };
        let texture = picture_texture(&mut self.textures, ui.ctx(), collection, point.picture);
        ui.horizontal(|ui| {
            if let Some(texture) = texture {
                let side = Collection::THUMBNAIL as f32;
                ui.add(Image::new((texture, vec2(side, side))));
            }
            ui.label(said_of(map, point));
        });
        if let Some(picture) = collection.pictures.get(point.picture).filter(|_| is_clicked) {
            show_collected(workspace, picture);
            selection.click(point.token, false, false);
        }
    }
}

/// What t-SNE leaves out.
fn note(map: &TokenMap) -> Option<String> {
    let plane = map.planes.last()?;
    match (plane.tsne.len(), plane.tsne_step) {
        (_, 0) => None,
        (0, _) => Some("Too few different tokens for t-SNE.".to_owned()),
        (_, 1) => None,
        (count, step) => Some(format!("{count} of {}, every {step}th", map.points.len())),
    }
}

fn plane_title_ui(ui: &mut Ui, plane: &TokenPlane, method: Method) {
    let when = match plane.stage {
        MapStage::H => "Before the quantiser (h)",
        MapStage::Z => "After the quantiser (z)",
    };
    let shares = plane.pca_shares.map(|share| format!("{:.0} %", 100.0 * share));
    let said = match method {
        Method::Components => format!("{} and {} of the variance", shares[0], shares[1]),
        Method::Neighbours => format!("{} tokens", plane.tsne.len()),
    };
    ui.horizontal(|ui| {
        ui.strong(when);
        ui.label(theme::muted(said));
    });
}

/// "token 3 of cat.png, entropy 2.31 nats".
fn said_of(map: &TokenMap, point: &MapPoint) -> String {
    let picture = map.pictures.get(point.picture).map_or("", String::as_str);
    let entropy = point
        .entropy_nats
        .map_or_else(String::new, |entropy| format!(", entropy {entropy:.2} nats"));
    format!("token {} of {picture}{entropy}", point.token)
}
