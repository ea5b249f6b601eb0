//! Directions: found among the pictures of a collection, saved under names, and turned by hand.

mod found;
mod groups;
mod saved;

use super::textures::Textures;
use crate::document::{Collection, DirectionOrder, Workspace};
use crate::ui::hand::Hand;
use crate::ui::theme;
use egui::{ComboBox, DragValue, Spinner, Ui};
use found::FoundPanel;
use groups::Groups;
use saved::SavedPanel;
use std::sync::Arc;

/// Share of the pictures that is held out, as the command takes it.
const HELD_OUT: f64 = 0.3;

/// How a direction is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Way {
    #[default]
    Groups,
    PicturePrincipal,
    TokenPrincipal,
}

impl Way {
    const ALL: [Self; 3] = [Self::Groups, Self::PicturePrincipal, Self::TokenPrincipal];

    fn name(self) -> &'static str {
        match self {
            Self::Groups => "Between two groups",
            Self::PicturePrincipal => "Principal components of pictures",
            Self::TokenPrincipal => "Principal components of tokens",
        }
    }
}

/// What the section remembers between frames.
pub(super) struct Directions {
    way: Way,
    count: usize,
    groups: Groups,
    found: FoundPanel,
    saved: SavedPanel,
    textures: Textures<Collection>,
}

impl Default for Directions {
    fn default() -> Self {
        Self {
            way: Way::default(),
            count: 8,
            groups: Groups::default(),
            found: FoundPanel::default(),
            saved: SavedPanel::default(),
            textures: Textures::default(),
        }
    }
}

impl Directions {
    /// The library is of use without a collection too: then a picture is moved along what was found before.
    pub(super) fn ui(&mut self, ui: &mut Ui, workspace: &mut Workspace, hand: &mut Hand) {
        self.saved.ui(ui, workspace, hand);
        let Some(collection) = workspace.collection().cloned() else {
            return;
        };
        ui.separator();
        self.find_ui(ui, workspace, &collection);
        self.found.ui(ui, workspace);
        if self.way == Way::Groups {
            self.groups.pictures_ui(ui, &collection, &mut self.textures);
        }
    }

    fn find_ui(&mut self, ui: &mut Ui, workspace: &mut Workspace, collection: &Arc<Collection>) {
        ui.horizontal_wrapped(|ui| {
            ui.strong("Find");
            ComboBox::from_id_salt("way to a direction")
                .selected_text(self.way.name())
                .width(216.0)
                .icon(theme::combo_caret)
                .show_ui(ui, |ui| {
                    for way in Way::ALL {
                        ui.selectable_value(&mut self.way, way, way.name());
                    }
                })
                .response
                .accessible_name("way to a direction");
            if self.way == Way::Groups {
                self.groups.choice_ui(ui, collection);
            } else {
                ui.add(DragValue::new(&mut self.count).range(1..=64).prefix("first "))
                    .accessible_name("number of components");
            }
        });
        ui.horizontal_wrapped(|ui| {
            let order = self.order(collection);
            let button = ui.add_enabled(order.is_some(), egui::Button::new("Find directions"));
            let button = button.on_disabled_hover_text("Both groups need at least two pictures.");
            if let Some(order) = order.filter(|_| button.clicked()) {
                workspace.find_directions(order);
            }
            if workspace.is_finding_directions() {
                ui.add(Spinner::new().size(14.0));
                if ui
                    .button("Cancel")
                    .on_hover_text("Gives up the search.")
                    .clicked()
                {
                    workspace.cancel_directions();
                }
            }
        });
    }

    fn order(&self, collection: &Arc<Collection>) -> Option<DirectionOrder> {
        match self.way {
            Way::Groups => self.groups.order(collection),
            Way::PicturePrincipal | Way::TokenPrincipal => Some(DirectionOrder::Components {
                count: self.count,
                of_tokens: self.way == Way::TokenPrincipal,
            }),
        }
    }
}
