//! Two groups of the collection's pictures: by their labels, or ticked by hand.

use super::HELD_OUT;
use crate::document::{Collection, DirectionOrder, FactorValues};
use crate::ui::analysis::cell::Cell;
use crate::ui::analysis::collected::picture_texture;
use crate::ui::analysis::textures::Textures;
use crate::ui::theme;
use egui::{ComboBox, ScrollArea, Ui};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Side of a picture, in points.
const SIDE: f32 = 64.0;
/// Height of the pictures with room for three rows, in points.
const HEIGHT: f32 = 300.0;
/// Height of a cell over its side, in points.
const CAPTION: f32 = 20.0;

/// Where a picture stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    With,
    Without,
}

/// The name of a label of a factor: place of the factor, place of the name.
type Label = (usize, usize);

/// What is chosen; of another collection it is forgotten.
#[derive(Default)]
pub(super) struct Groups {
    of: Option<Arc<Collection>>,
    with: Option<Label>,
    /// `None` is all others.
    without: Option<Label>,
    /// Put there by hand, whatever the labels say; `None` is neither.
    ticked: BTreeMap<usize, Option<Group>>,
}

/// The labels of a collection: factor, its name, names of the labels.
fn labels(collection: &Collection) -> impl Iterator<Item = (usize, &str, &[String])> {
    collection
        .factors
        .iter()
        .enumerate()
        .filter_map(|(factor, of)| match &of.values {
            FactorValues::Labels { names, .. } if names.len() > 1 => {
                Some((factor, of.name.as_str(), names.as_slice()))
            }
            _ => None,
        })
}

fn label_of(collection: &Collection, factor: usize, picture: usize) -> Option<usize> {
    match &collection.factors.get(factor)?.values {
        FactorValues::Labels { of, .. } => of.get(picture).copied(),
        FactorValues::Numbers(_) => None,
    }
}

fn name_of(collection: &Collection, (factor, label): Label) -> String {
    let Some(factor) = collection.factors.get(factor) else {
        return String::new();
    };
    match &factor.values {
        FactorValues::Labels { names, .. } => {
            let label = names.get(label).map_or("", String::as_str);
            format!("{}: {label}", factor.name)
        }
        FactorValues::Numbers(_) => factor.name.clone(),
    }
}

impl Groups {
    fn follow(&mut self, collection: &Arc<Collection>) {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, collection)) {
            let first = labels(collection).next().map(|(factor, ..)| (factor, 0));
            *self = Self {
                of: Some(Arc::clone(collection)),
                with: first,
                ..Self::default()
            };
        }
    }

    fn group(&self, collection: &Collection, picture: usize) -> Option<Group> {
        if let Some(group) = self.ticked.get(&picture) {
            return *group;
        }
        let has = |(factor, label): Label| label_of(collection, factor, picture) == Some(label);
        if self.with.is_some_and(has) {
            return Some(Group::With);
        }
        let is_without = self.without.map_or(self.with.is_some(), has);
        is_without.then_some(Group::Without)
    }

    fn members(&self, collection: &Collection, group: Group) -> Vec<usize> {
        (0..collection.pictures.len())
            .filter(|picture| self.group(collection, *picture) == Some(group))
            .collect()
    }

    /// The two labels.
    pub(super) fn choice_ui(&mut self, ui: &mut Ui, collection: &Arc<Collection>) {
        self.follow(collection);
        let all: Vec<Label> = labels(collection)
            .flat_map(|(factor, _, names)| (0..names.len()).map(move |label| (factor, label)))
            .collect();
        let mut with = self.with;
        let mut without = self.without;
        for (name, chosen, none) in [
            ("with", &mut with, "those ticked"),
            (
                "without",
                &mut without,
                if self.with.is_some() {
                    "all others"
                } else {
                    "those ticked"
                },
            ),
        ] {
            ui.label(theme::muted(name));
            let text = chosen.map_or_else(|| none.to_owned(), |label| name_of(collection, label));
            ComboBox::from_id_salt(("group of pictures", name))
                .selected_text(text)
                .width(136.0)
                .icon(theme::combo_caret)
                .show_ui(ui, |ui| {
                    ui.selectable_value(chosen, None, none);
                    for label in &all {
                        ui.selectable_value(chosen, Some(*label), name_of(collection, *label));
                    }
                })
                .response
                .accessible_name(format!("pictures {name}"));
        }
        if (with, without) != (self.with, self.without) {
            (self.with, self.without) = (with, without);
            self.ticked.clear();
        }
    }

    /// `None` where a group has under two pictures.
    pub(super) fn order(&self, collection: &Arc<Collection>) -> Option<DirectionOrder> {
        let [with, without] = [Group::With, Group::Without].map(|group| self.members(collection, group));
        if with.len() < 2 || without.len() < 2 {
            return None;
        }
        let name = |label: Option<Label>, none: &str| {
            label.map_or_else(|| none.to_owned(), |label| name_of(collection, label))
        };
        Some(DirectionOrder::Difference {
            names: [name(self.with, "ticked with"), name(self.without, "without")],
            with,
            without,
            held_out_share: HELD_OUT,
            seed: 0,
        })
    }

    /// All pictures with the group they are in; a click goes from one to the other to none.
    pub(super) fn pictures_ui(
        &mut self,
        ui: &mut Ui,
        collection: &Arc<Collection>,
        textures: &mut Textures<Collection>,
    ) {
        self.follow(collection);
        let [with, without] =
            [Group::With, Group::Without].map(|group| self.members(collection, group).len());
        ui.label(theme::muted(format!(
            "{with} with, {without} without the property. Click a picture to put it with, without, or in neither group."
        )));
        let columns = (ui.available_width() / (SIDE + ui.spacing().item_spacing.x))
            .floor()
            .max(1.0) as usize;
        let rows = collection.pictures.len().div_ceil(columns);
        ScrollArea::vertical()
            .id_salt("pictures of groups")
            .max_height(HEIGHT)
            .show_rows(ui, SIDE + CAPTION, rows, |ui, shown| {
                for row in shown {
                    ui.horizontal(|ui| {
                        let places = row * columns..collection.pictures.len().min((row + 1) * columns);
                        for place in places {
                            self.picture_ui(ui, collection, textures, place);
                        }
                    });
                }
            });
    }

    fn picture_ui(
        &mut self,
        ui: &mut Ui,
        collection: &Arc<Collection>,
        textures: &mut Textures<Collection>,
        place: usize,
    ) {
        let texture = picture_texture(textures, ui.ctx(), collection, place);
        let Some((picture, texture)) = collection.pictures.get(place).zip(texture) else {
            return;
        };
        let group = self.group(collection, place);
        let said = match group {
            Some(Group::With) => "with",
            Some(Group::Without) => "without",
            None => "",
        };
        let spoken = format!("{} {said}", picture.name);
        let cell = Cell {
            texture,
            label: spoken.trim_end(),
            name: said,
            value: "",
            is_selected: group == Some(Group::With),
            is_hovered: false,
            is_stop: false,
        };
        if cell.ui(ui, SIDE).on_hover_text(&picture.name).clicked() {
            self.tick(place, group);
        }
    }

    /// With, without, neither, and around again.
    fn tick(&mut self, place: usize, group: Option<Group>) {
        let next = match group {
            None => Some(Group::With),
            Some(Group::With) => Some(Group::Without),
            Some(Group::Without) => None,
        };
        self.ticked.insert(place, next);
    }
}
