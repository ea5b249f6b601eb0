//! Codewords: what each is used for over a collection, and what it does here.

use super::cell::{Cell, filling_side};
use super::collected::{picture_texture, show_collected};
use super::terms;
use super::textures::Textures;
use crate::analysis::{CodewordAtlas, CodewordUse, top_codewords};
use crate::document::{Collection, Workspace};
use crate::latent::{Codebook, Edit, Rest, TokenSource};
use crate::ui::hover_ask::{HoverAsk, Question};
use crate::ui::selection::Selection;
use crate::ui::shown_tokens::ShownTokens;
use crate::ui::{fact, glossary, theme};
use egui::{Button, CollapsingHeader, DragValue, Grid, Spinner, Ui};
use std::sync::Arc;

/// Least side of a picture, in points.
const LEAST_SIDE: f32 = 96.0;
/// Codewords of the selected token that are offered.
const OF_TOKEN: usize = 6;
/// Dead codewords that are listed.
const LISTED_DEAD: usize = 120;

/// Segment and codeword.
type Place = (usize, usize);

/// What the section remembers between frames.
#[derive(Default)]
pub(super) struct Codewords {
    chosen: Option<Place>,
    textures: Textures<Collection>,
    asks: HoverAsk,
}

impl Codewords {
    /// Chooses a codeword.
    pub(super) fn look_up(&mut self, segment: usize, codeword: usize) {
        self.chosen = Some((segment, codeword));
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, workspace: &mut Workspace, selection: &mut Selection) {
        let Some(space) = workspace.model().map(|model| Arc::clone(&model.space)) else {
            return;
        };
        let Some(codebook) = space.codebook() else {
            ui.label(theme::muted(
                "This model's tokens are made of no codewords: open a SoftVQ or VQ model to see what codewords are used for.",
            ));
            return;
        };
        let Some(collection) = workspace.collection().cloned() else {
            return;
        };
        let Some(atlas) = workspace.codeword_atlas() else {
            ui.horizontal(|ui| {
                ui.add(Spinner::new().size(14.0));
                ui.label(theme::muted("Counting what codewords are used for."));
            });
            return;
        };
        let most_used = atlas.codewords.first();
        let chosen = self
            .chosen
            .filter(|(segment, codeword)| *segment < codebook.segments && *codeword < codebook.size);
        let Some(mut place) = chosen.or(most_used.map(place_of)) else {
            return;
        };
        chooser_ui(ui, codebook, &atlas, &mut place);
        of_token_ui(ui, workspace, selection, &mut place);
        let shown = atlas.rank(place.0, place.1);
        let shown = shown.and_then(|rank| Some((rank, atlas.codewords.get(rank)?)));
        if let Some((rank, codeword)) = shown {
            facts_ui(ui, rank, &atlas, codeword);
            partners_ui(ui, &atlas, &mut place);
            self.effect_ui(ui, workspace, selection, codebook, codeword);
            self.users_ui(ui, workspace, selection, &collection, codeword);
        }
        ui.separator();
        segments_ui(ui, &atlas);
        dead_ui(ui, &atlas, &mut place);
        self.chosen = Some(place);
    }

    /// Call once at the end of a frame, on show or not: what nothing points at any more is taken back.
    pub(super) fn end(&mut self, workspace: &mut Workspace) {
        self.asks.end(workspace);
    }

    /// What the codeword does when it stands alone in a token of the active picture, and in all of them.
    fn effect_ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        selection: &Selection,
        codebook: &Codebook,
        codeword: &CodewordUse,
    ) {
        let Some(tokens) = ShownTokens::of(workspace) else {
            ui.label(theme::muted(
                "Open a picture to see what the codeword does in it.",
            ));
            return;
        };
        let (segment, index) = place_of(codeword);
        let of_segment: Vec<usize> = (0..tokens.count())
            .filter(|token| tokens.segment_of(*token) == segment)
            .collect();
        let token = selection.primary().filter(|token| of_segment.contains(token));
        ui.horizontal_wrapped(|ui| {
            glossary::named_term_label(ui, "alone in", terms::IN_PLACE);
            let text = token.map_or_else(|| "a token".to_owned(), |token| format!("token {token}"));
            let button = ui
                .add_enabled(token.is_some(), Button::new(text))
                .on_disabled_hover_text("Select a token of the codeword's segment in the strip below.")
                .accessible_name("codeword alone in the selected token");
            if let Some(token) = token {
                let question = Question::Codeword {
                    token,
                    segment,
                    codeword: index,
                };
                let edit = Edit::SetWeights {
                    token,
                    weights: vec![(segment, index, 1.0)],
                    rest: Rest::Zero,
                };
                self.ask(workspace, &button, question, edit);
            }
            let name = if codebook.segments > 1 {
                "all tokens of its segment"
            } else {
                "all tokens"
            };
            let button = ui.button(name).accessible_name("codeword alone in all tokens");
            let question = Question::Everywhere {
                segment,
                codeword: index,
            };
            if let Some(edit) = everywhere(codebook, codeword, &tokens, of_segment) {
                self.ask(workspace, &button, question, edit);
            }
            ui.label(theme::muted("Point to see it, click to set it."));
        });
    }

    fn ask(&mut self, workspace: &mut Workspace, button: &egui::Response, question: Question, edit: Edit) {
        if button.clicked() {
            self.asks.decide(workspace, question, edit);
        } else if button.hovered() {
            self.asks.ask(workspace, question, |_| Some(edit));
        }
    }

    /// The tokens that use the codeword most, as the pictures they are of.
    fn users_ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        selection: &mut Selection,
        collection: &Arc<Collection>,
        codeword: &CodewordUse,
    ) {
        if codeword.users.is_empty() {
            ui.label(theme::muted("No token of these pictures uses it."));
            return;
        }
        ui.label(theme::muted("used most by"));
        let mut shown = None;
        ui.horizontal_wrapped(|ui| {
            let side = filling_side(ui, LEAST_SIDE);
            for user in &codeword.users {
                let Some(picture) = collection.pictures.get(user.picture) else {
                    continue;
                };
                let texture = picture_texture(&mut self.textures, ui.ctx(), collection, user.picture);
                let Some(texture) = texture else { continue };
                let cell = Cell {
                    texture,
                    label: &format!("{}, token {}: {:.3}", picture.name, user.token, user.weight),
                    name: &format!("token {}", user.token),
                    value: &format!("{:.3}", user.weight),
                    is_selected: false,
                    is_hovered: false,
                    is_stop: true,
                };
                let response = cell.ui(ui, side).on_hover_text(format!(
                    "{}: the codeword weighs {:.3} in token {}. Click shows the picture with the token selected.",
                    picture.name, user.weight, user.token
                ));
                if response.clicked() {
                    shown = Some((picture, user.token));
                }
            }
        });
        if let Some((picture, token)) = shown {
            show_collected(workspace, picture);
            selection.click(token, false, false);
        }
    }
}

fn place_of(codeword: &CodewordUse) -> Place {
    (codeword.segment, codeword.codeword)
}

fn name_of((segment, codeword): Place) -> String {
    format!("{segment}:{codeword}")
}

/// The codeword by number and by rank of its use.
fn chooser_ui(ui: &mut Ui, codebook: &Codebook, atlas: &CodewordAtlas, place: &mut Place) {
    ui.horizontal_wrapped(|ui| {
        glossary::term_label(ui, glossary::CODEWORD);
        let (segment, codeword) = (&mut place.0, &mut place.1);
        if codebook.segments > 1 {
            ui.add(
                DragValue::new(segment)
                    .range(0..=codebook.segments.saturating_sub(1))
                    .suffix(":"),
            )
            .accessible_name("segment of the codeword");
        }
        ui.add(DragValue::new(codeword).range(0..=codebook.size.saturating_sub(1)))
            .accessible_name("number of the codeword");
        glossary::named_term_label(ui, "rank of use", terms::USE);
        let mut rank = atlas.rank(place.0, place.1).map_or(1, |rank| rank + 1);
        let number = DragValue::new(&mut rank)
            .range(1..=atlas.codewords.len().max(1))
            .suffix(format!(" of {}", atlas.codewords.len()));
        if ui.add(number).accessible_name("rank of the codeword").changed()
            && let Some(of_rank) = atlas.codewords.get(rank - 1)
        {
            *place = place_of(of_rank);
        }
    });
}

/// The heaviest codewords of the selected token.
fn of_token_ui(ui: &mut Ui, workspace: &Workspace, selection: &Selection, place: &mut Place) {
    let Some((tokens, token)) = ShownTokens::of(workspace).zip(selection.primary()) else {
        return;
    };
    let mixed: Vec<(Place, f32)> = match (tokens.state.mixture(token), tokens.state.codeword(token)) {
        (Some(mixture), _) => top_codewords(mixture, OF_TOKEN)
            .into_iter()
            .map(|(codeword, weight)| ((mixture.segment, codeword), weight))
            .collect(),
        (None, Some(codeword)) => vec![((0, codeword), 1.0)],
        (None, None) => return,
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::muted(format!("of token {token}")));
        for (of_token, weight) in mixed {
            let name = name_of(of_token);
            let button = Button::selectable(of_token == *place, format!("{name}  {weight:.3}"));
            let button = ui
                .add(button)
                .accessible_name(format!("codeword {name} of token {token}"));
            if button.clicked() {
                *place = of_token;
            }
        }
    });
}

fn facts_ui(ui: &mut Ui, rank: usize, atlas: &CodewordAtlas, codeword: &CodewordUse) {
    ui.horizontal_wrapped(|ui| {
        ui.strong(format!("Codeword {}", name_of(place_of(codeword))));
        fact::ui(
            ui,
            None,
            "rank",
            &format!("{} of {}", rank + 1, atlas.codewords.len()),
        );
        let weight = format!("{:.3} %", 100.0 * codeword.mean_weight);
        glossary::explain(fact::ui(ui, None, "mean weight", &weight), terms::USE);
        fact::ui(
            ui,
            None,
            "heaviest of",
            &format!("{} tokens", codeword.times_first),
        );
        if codeword.is_dead {
            let dead = ui.colored_label(ui.visuals().warn_fg_color, "dead");
            glossary::explain(dead, terms::DEAD);
        }
    });
}

/// The codewords that go with it.
fn partners_ui(ui: &mut Ui, atlas: &CodewordAtlas, place: &mut Place) {
    let partners = atlas.partners(place.0, place.1);
    if partners.is_empty() {
        return;
    }
    let segment = place.0;
    let mut chosen = None;
    ui.horizontal_wrapped(|ui| {
        glossary::named_term_label(ui, "goes with", terms::TOGETHER);
        for pair in partners {
            let other = if pair.a == place.1 { pair.b } else { pair.a };
            let name = name_of((segment, other));
            let button = ui
                .button(format!("{name}  ×{:.1}", pair.lift))
                .on_hover_text(format!(
                    "Mean product of both weights {:.2e}: {:.1} times what chance gives. Click looks at it.",
                    pair.together, pair.lift
                ))
                .accessible_name(format!("goes with codeword {name}"));
            if button.clicked() {
                chosen = Some((segment, other));
            }
        }
    });
    if let Some(chosen) = chosen {
        *place = chosen;
    }
}

fn segments_ui(ui: &mut Ui, atlas: &CodewordAtlas) {
    Grid::new("use of segments")
        .num_columns(5)
        .spacing([4.0 * theme::GRID, theme::GRID])
        .show(ui, |ui| {
            for (name, term) in [
                ("segment", glossary::SEGMENT),
                ("tokens", glossary::TOKEN),
                ("in use", terms::IN_USE),
                ("never heaviest", terms::NEVER_FIRST),
                ("dead", terms::DEAD),
            ] {
                glossary::named_term_label(ui, name, term);
            }
            ui.end_row();
            for of in &atlas.segments {
                ui.label(of.segment.to_string());
                ui.label(of.tokens.to_string());
                ui.label(format!("{:.1}", of.perplexity));
                ui.label(of.never_first.to_string());
                ui.label(of.dead.to_string());
                ui.end_row();
            }
        });
}

fn dead_ui(ui: &mut Ui, atlas: &CodewordAtlas, place: &mut Place) {
    let dead: Vec<Place> = atlas.dead().map(place_of).collect();
    if dead.is_empty() {
        ui.label(theme::muted("No codeword is dead."));
        return;
    }
    CollapsingHeader::new(format!("{} dead codewords", dead.len()))
        .id_salt("dead codewords")
        .show(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                for of_dead in dead.iter().take(LISTED_DEAD) {
                    if ui.small_button(name_of(*of_dead)).clicked() {
                        *place = *of_dead;
                    }
                }
                if dead.len() > LISTED_DEAD {
                    ui.label(theme::muted(format!("and {} more", dead.len() - LISTED_DEAD)));
                }
            });
        });
}

/// The codeword alone in all of its segment's tokens.
fn everywhere(
    codebook: &Codebook,
    codeword: &CodewordUse,
    tokens: &ShownTokens,
    of_segment: Vec<usize>,
) -> Option<Edit> {
    let (segment, index) = place_of(codeword);
    let row = codebook.codeword(segment, index)?.to_vec();
    Some(Edit::Copy {
        from: TokenSource::Embedded {
            z: vec![row; tokens.count()],
            name: Some(format!("codeword {}", name_of((segment, index)))),
        },
        tokens: of_segment,
        to: Vec::new(),
    })
}
