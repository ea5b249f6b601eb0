//! What the tokens of the active picture do: to its pixels, together, and from soft to hard; and which do what pixels
//! want.

mod bar;
mod brush;
mod cell;
mod codewords;
mod collected;
mod collection;
mod directions;
mod influence;
mod map;
mod matrix;
mod paint;
mod pixels;
mod plots;
mod probes;
mod structure;
mod sweep;
mod terms;
mod textures;

use super::commands::{Command, Situation};
use super::hand::Hand;
use super::selection::Selection;
use super::shown_tokens::why_no_tokens;
use super::theme;
use super::viewer::{Layer, Viewer};
use crate::document::{FindingsPart, Workspace};
use crate::engine::{Ablation, AnalysisKind};
use brush::{BrushPad, SIZE_STEP};
use codewords::Codewords;
use directions::Directions;
use egui::{CentralPanel, Key, Modifiers, Panel, ScrollArea, Ui};
use influence::Influence;
use map::MapSection;
use paint::PaintForm;
use pixels::Pixels;
use probes::Probes;
use std::sync::Arc;
use structure::Structure;
use sweep::Sweep;

/// The parts of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Section {
    /// What each token does to the picture.
    #[default]
    Influence,
    /// Which tokens do what is under the brush.
    Pixels,
    /// Tokens for what is wanted under the brush.
    Paint,
    /// How the picture is made up of its tokens.
    Structure,
    /// Mixtures from soft to hard.
    Sweep,
    /// What codewords are used for over a collection.
    Codewords,
    /// Directions among the pictures of a collection.
    Directions,
    /// A collection's tokens in the plane.
    Map,
    /// What can be read off a collection's tokens.
    Probes,
}

impl Section {
    const ALL: [Self; 9] = [
        Self::Influence,
        Self::Pixels,
        Self::Paint,
        Self::Structure,
        Self::Sweep,
        Self::Codewords,
        Self::Directions,
        Self::Map,
        Self::Probes,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Influence => "Token to pixels",
            Self::Pixels => "Pixels to tokens",
            Self::Paint => "Paint",
            Self::Structure => "Structure",
            Self::Sweep => "Soft to hard",
            Self::Codewords => "Codewords",
            Self::Directions => "Directions",
            Self::Map => "Map",
            Self::Probes => "Probe",
        }
    }

    /// What it shows, in two sentences.
    fn explanation(self) -> &'static str {
        match self {
            Self::Influence => {
                "Each map shows where and how much the picture changes when one token is left out, all on one scale. \
                 Point at a map to lay it over the picture, click it to select its token."
            }
            Self::Pixels => {
                "Draw over a part of the picture to see which tokens move its pixels: by the gradient at once, and by ablation \
                 once influence is measured. Point at a bar to see all that its token does, click it to select the token."
            }
            Self::Paint => {
                "Draw over a part of the picture, say what it is to look like, and tokens are searched that make it so while \
                 the rest stays. What is found is one edit, which can be undone and exported as any other."
            }
            Self::Structure => {
                "How the picture is made up of its tokens: how few are enough, which act together, and how sensitive the \
                 picture is to each. Click a pair to select both tokens; plots mark the selected ones."
            }
            Self::Sweep => {
                "The picture with all mixtures at one temperature tau, from soft to one codeword each. Point at a picture to \
                 see its tau on the selected tokens, or on all where none is; click it, or move tau by hand, to set it."
            }
            Self::Codewords => {
                "Which codewords the tokens of many pictures are mixed from, which pictures use one most, and which go with it. \
                 Choose a codeword by number, by rank or from the selected token, and point to see what it does alone."
            }
            Self::Directions => {
                "Ways through the latent space along which pictures change together: between two groups of pictures, or those \
                 along which most of them differ. Saved ones are sliders for every picture, and recipes find them by name."
            }
            Self::Map => {
                "Every token of many pictures is a point: tokens with like values lie together, before the quantiser and after \
                 it. Colours show what they share: a label, their place in the sequence, how mixed they are, their picture."
            }
            Self::Probes => {
                "How well a straight line through the tokens' values tells what is known of pictures it has not seen: the label \
                 of a folder or the columns of a table. Bright cells name the tokens that carry a label alone; click one to \
                 select its token."
            }
        }
    }

    /// The command that measures it; none of what is of a collection.
    fn command(self) -> Option<Command> {
        match self {
            Self::Influence => Some(Command::MeasureInfluence),
            Self::Pixels => Some(Command::RankUnderBrush),
            Self::Paint => Some(Command::PaintRegion),
            Self::Structure => Some(Command::MeasureStructure),
            Self::Sweep => Some(Command::SweepSharpness),
            Self::Codewords | Self::Directions | Self::Map | Self::Probes => None,
        }
    }

    /// What is written of it.
    fn part(self) -> Option<FindingsPart> {
        match self {
            Self::Influence => Some(FindingsPart::Influence),
            Self::Pixels => Some(FindingsPart::Pixels),
            Self::Paint => None,
            Self::Structure => Some(FindingsPart::Structure),
            Self::Sweep => Some(FindingsPart::Sweep),
            Self::Codewords => Some(FindingsPart::Codewords),
            Self::Directions => Some(FindingsPart::Directions),
            Self::Map => Some(FindingsPart::Map),
            Self::Probes => Some(FindingsPart::Probes),
        }
    }

    /// What is measured for it.
    fn kinds(self) -> &'static [AnalysisKind] {
        self.part().map_or(&[], FindingsPart::kinds)
    }

    /// Whether a hand draws over its picture.
    fn has_brush(self) -> bool {
        matches!(self, Self::Pixels | Self::Paint)
    }
}

/// What the view remembers between frames.
pub(super) struct AnalysisView {
    pub(super) viewer: Viewer,
    section: Section,
    ablation: Ablation,
    brush: BrushPad,
    influence: Influence,
    pixels: Pixels,
    paint: PaintForm,
    structure: Structure,
    sweep: Sweep,
    codewords: Codewords,
    directions: Directions,
    map: MapSection,
    probes: Probes,
    hand: Hand,
}

impl AnalysisView {
    pub(super) fn new(render_state: Option<&egui_wgpu::RenderState>) -> Self {
        let mut viewer = Viewer::new(render_state);
        viewer.is_plain = true;
        Self {
            viewer,
            section: Section::default(),
            ablation: Ablation::Mean,
            brush: BrushPad::default(),
            influence: Influence::default(),
            pixels: Pixels::default(),
            paint: PaintForm::default(),
            structure: Structure::default(),
            sweep: Sweep::default(),
            codewords: Codewords::default(),
            directions: Directions::default(),
            map: MapSection::default(),
            probes: Probes::default(),
            hand: Hand::default(),
        }
    }

    /// Shows `section` and measures what it shows.
    pub(super) fn measure(&mut self, workspace: &mut Workspace, section: Section) {
        self.section = section;
        if section == Section::Pixels && self.brush.drawn().is_none() {
            // What is on show now says what to do.
            return;
        }
        for kind in section.kinds() {
            workspace.analyse(*kind, self.ablation);
        }
    }

    /// Shows what a codeword is used for.
    pub(super) fn look_up(&mut self, segment: usize, codeword: usize) {
        self.section = Section::Codewords;
        self.codewords.look_up(segment, codeword);
    }

    /// Shows a section that is of a collection while it is none already.
    pub(super) fn show_collection(&mut self) {
        if self.section.command().is_some() {
            self.section = Section::Codewords;
        }
    }

    /// Lays the collection's tokens out by t-SNE, and shows them.
    pub(super) fn map(&mut self, workspace: &mut Workspace) {
        self.section = Section::Map;
        self.map.lay_out(workspace);
    }

    /// Probes the collection's tokens, and shows what is found.
    pub(super) fn probe(&mut self, workspace: &mut Workspace) {
        self.section = Section::Probes;
        workspace.probe_tokens(0);
    }

    /// What the section on show writes.
    pub(super) fn part(&self) -> Option<FindingsPart> {
        self.section.part()
    }

    /// The influence of the token under the pointer, to be laid over the picture.
    pub(super) fn overlay(&self, workspace: &Workspace, selection: &Selection) -> Option<Arc<Vec<f32>>> {
        self.influence.map(workspace, selection.hovered?)
    }

    /// Starts a painting of what is drawn and chosen, with the part of the view on show where that is done.
    pub(super) fn start_painting(&mut self, workspace: &mut Workspace, selection: &Selection) {
        self.section = Section::Paint;
        if let Some(mask) = self.brush.drawn() {
            let order = self.paint.order(Arc::clone(mask), workspace, selection);
            workspace.paint(&order);
            // What comes is to be seen.
            self.brush.hide();
        }
    }

    /// Carries out a command of the brush.
    pub(super) fn change_brush(&mut self, command: Command) {
        match command {
            Command::UndoStroke => self.brush.undo_stroke(),
            Command::InvertMask => self.brush.invert(),
            Command::ClearMask => self.brush.clear(),
            Command::EnlargeBrush => self.brush.resize(SIZE_STEP),
            Command::ReduceBrush => self.brush.resize(1.0 / SIZE_STEP),
            _ => {}
        }
    }

    /// Whether the part of the view on show has a brush; whether pixels are drawn; whether a stroke can be taken back.
    pub(super) fn brush_facts(&self) -> [bool; 3] {
        let has_brush = self.section.has_brush();
        [
            has_brush,
            self.brush.drawn().is_some(),
            has_brush && self.brush.has_strokes(),
        ]
    }

    /// Call at the end of every frame, on show or not: what nothing points at any more is taken back.
    pub(super) fn end(&mut self, workspace: &mut Workspace, is_on_show: bool) {
        self.sweep.end(workspace);
        self.codewords.end(workspace);
        let is_ranking = is_on_show && self.section == Section::Pixels;
        workspace.set_brush(self.brush.drawn().cloned(), is_ranking);
    }

    /// Draws the view beside the library; commands that were asked for are added to `commands`.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        workspace: &mut Workspace,
        selection: &mut Selection,
        now: &Situation,
        commands: &mut Vec<Command>,
    ) {
        self.hand.begin(ui, workspace);
        let is_escape = |ui: &Ui| ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
        if workspace.is_painting() && !egui::Popup::is_any_open(ui.ctx()) && is_escape(ui) {
            commands.push(Command::DiscardPainting);
        }
        Panel::right("analysed picture")
            .default_size(344.0)
            .size_range(240.0..=640.0)
            .show(ui, |ui| self.picture_ui(ui, workspace, selection));
        CentralPanel::default().show(ui, |ui| {
            self.head_ui(ui);
            match self.section.command() {
                None => collection::bar_ui(ui, workspace, now, commands),
                Some(_) if now.token_count == 0 => {
                    ui.label(theme::muted(why_no_tokens(workspace)));
                    return;
                }
                Some(_) if self.section == Section::Paint => {}
                Some(measure) => {
                    let row = bar::Bar {
                        section: self.section,
                        measure,
                    };
                    row.ui(ui, workspace, &mut self.ablation, now, commands);
                }
            }
            if self.section.has_brush() {
                self.brush.ui(ui, now, commands);
            }
            ui.separator();
            if self.section.has_brush() && self.brush.drawn().is_none() {
                no_brush_ui(ui);
                return;
            }
            if self.section == Section::Map {
                // It fills what is left: what scrolls is the map.
                self.map.ui(ui, workspace, selection);
                return;
            }
            ScrollArea::vertical()
                .id_salt(self.section.title())
                .auto_shrink([false, false])
                .show(ui, |ui| match self.section {
                    Section::Influence => self.influence.ui(ui, workspace, selection),
                    Section::Pixels => self.pixels.ui(ui, workspace, selection),
                    Section::Paint => {
                        if let Some(mask) = self.brush.drawn() {
                            self.paint.ui(ui, workspace, (mask, selection), now, commands);
                        }
                    }
                    Section::Structure => self.structure.ui(ui, workspace, selection),
                    Section::Sweep => self.sweep.ui(ui, workspace, selection, &mut self.hand),
                    Section::Codewords => self.codewords.ui(ui, workspace, selection),
                    Section::Directions => self.directions.ui(ui, workspace, &mut self.hand),
                    Section::Probes => self.probes.ui(ui, workspace, selection, now, commands),
                    Section::Map => {}
                });
        });
        self.hand.end(ui, workspace);
    }

    fn head_ui(&mut self, ui: &mut Ui) {
        ui.horizontal_wrapped(|ui| {
            // All of them in one row of a window of 1280 points.
            ui.spacing_mut().item_spacing.x = 2.0;
            for section in Section::ALL {
                ui.selectable_value(&mut self.section, section, section.title());
            }
        });
        ui.label(theme::muted(self.section.explanation()));
    }

    /// The picture, or what it would be under the hover, with the influence of the token under the pointer, or of the one
    /// selected last, over it.
    fn picture_ui(&mut self, ui: &mut Ui, workspace: &Workspace, selection: &Selection) {
        // In the other parts the picture itself is asked for.
        let selected = selection.primary().filter(|_| self.section == Section::Influence);
        let token = selection.hovered.or(selected);
        let heat = token.and_then(|token| self.influence.map(workspace, token));
        // A picture that is drawn on stays in its place.
        if let Some(token) = token.filter(|_| !self.section.has_brush()) {
            self.influence.figures_ui(ui, workspace, token);
        }
        let subject = workspace.active();
        let hovered = workspace.hovered();
        let shown = hovered.or_else(|| subject?.edited.as_ref());
        let painted = workspace.painting().filter(|_| workspace.is_painting());
        let preview = workspace.preview().filter(|_| hovered.is_none());
        let picture = match (painted, preview) {
            (Some(step), _) => Some(&step.picture),
            (None, Some(preview)) => Some(&preview.picture),
            (None, None) => shown.map(|shown| &shown.picture),
        };
        let influence = token
            .filter(|_| heat.is_some())
            .map(|token| format!("influence of {token}"));
        let layer = Layer {
            name: "edited".to_owned(),
            picture: picture.map(Arc::clone),
            empty_text: "The picture appears here once it is encoded.".to_owned(),
            badge: painted
                .map(|_| "painting".to_owned())
                .or(influence)
                .or_else(|| preview.map(|_| "preview".to_owned()))
                .or_else(|| hovered.map(|_| "hover".to_owned())),
            ..Layer::default()
        };
        if let Some(picture) = &layer.picture {
            self.brush.fit_to(picture.width());
        }
        let is_faint = heat.is_some() || painted.is_some();
        let has_brush = self.section.has_brush();
        self.viewer.brush = has_brush.then(|| self.brush.for_viewer(ui, is_faint));
        self.viewer.overlay = heat;
        if let Some(input) = self.viewer.ui(ui, &[layer]).brush {
            self.brush.take(input);
        }
    }
}

/// Where nothing is drawn yet: how that is done.
fn no_brush_ui(ui: &mut Ui) {
    ui.add_space(4.0 * theme::GRID);
    ui.label(theme::muted(
        "Nothing is drawn yet. Drag over the picture at the right to say which pixels you mean; “Invert brush mask” takes all \
         of them. With the keyboard: Tab to the picture, move the brush with the arrow keys, press Space.",
    ));
}

/// Where there is nothing yet: what comes here and what brings it, or that it is on its way.
fn empty_ui(ui: &mut Ui, workspace: &Workspace, section: Section) {
    let Some(command) = section.command() else { return };
    ui.add_space(4.0 * theme::GRID);
    if is_awaited(workspace, section.kinds()) {
        ui.label(theme::muted("Being measured."));
        return;
    }
    let keys = command.shortcut_text(ui.ctx());
    let keys = keys.map_or_else(String::new, |keys| format!(" ({keys})"));
    ui.label(theme::muted(format!(
        "Nothing is measured of this picture yet. “{}”{keys}: {}",
        command.name(),
        command.tooltip()
    )));
}

/// Whether one of `kinds` is being measured or waits for it.
fn is_awaited(workspace: &Workspace, kinds: &[AnalysisKind]) -> bool {
    workspace.waiting_analyses().any(|kind| kinds.contains(&kind))
}
