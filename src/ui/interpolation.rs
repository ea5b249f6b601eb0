//! From the tokens of this picture to those of another one: a slider that can also play by itself.

use super::dial::{Dial, Snap};
use super::glossary::{self, Term};
use super::hand::{Grip, Hand};
use super::selection::Selection;
use super::shown_tokens::{ShownTokens, why_no_tokens};
use super::theme::icon;
use crate::document::Workspace;
use crate::engine::SubjectId;
use crate::latent::{BlendMode, Edit, TokenSource};
use crate::picture::Rgb8;
use egui::{
    Button, ColorImage, Key, Modifiers, RichText, Sense, StrokeKind, TextureHandle, TextureOptions, Ui, vec2,
};
use std::sync::Arc;

/// Which tokens go over to the other picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Every token.
    #[default]
    All,
    /// The selected ones; all while nothing is selected.
    Selected,
}

/// What the interpolation remembers between frames.
pub struct Interpolation {
    /// The other picture, B.
    other: Option<SubjectId>,
    /// 0 is this picture, 1 the other.
    t: f32,
    mode: BlendMode,
    scope: Scope,
    is_playing: bool,
    is_going_back: bool,
    /// Seconds from one picture to the other.
    seconds: f32,
    /// When t was moved last while playing, in seconds of the window's clock.
    moved_at: Option<f64>,
    /// What the preview on show was made from.
    previewed: Option<Preview>,
    hand: Hand,
    /// Somebody rests on the slider.
    is_looked_at: bool,
    thumbnails: Vec<Thumbnail>,
}

/// A blend as it was sent to be decoded.
#[derive(Debug, Clone, PartialEq)]
struct Preview {
    of: SubjectId,
    with: SubjectId,
    t: f32,
    mode: BlendMode,
    tokens: Vec<usize>,
}

struct Thumbnail {
    picture: Arc<Rgb8>,
    texture: TextureHandle,
}

impl Default for Interpolation {
    fn default() -> Self {
        Self {
            other: None,
            t: 0.0,
            mode: BlendMode::Linear,
            scope: Scope::All,
            is_playing: false,
            is_going_back: false,
            seconds: 2.0,
            moved_at: None,
            previewed: None,
            hand: Hand::default(),
            is_looked_at: false,
            thumbnails: Vec::new(),
        }
    }
}

impl Interpolation {
    /// The other picture, if one is chosen.
    pub fn other(&self) -> Option<SubjectId> {
        self.other
    }
    /// 0 is this picture as edited, 1 the other.
    pub fn t(&self) -> f32 {
        self.t
    }
    /// How the tokens go over.
    pub fn mode(&self) -> BlendMode {
        self.mode
    }
    /// Whether t moves by itself.
    pub fn is_playing(&self) -> bool {
        self.is_playing
    }
    /// Starts or stops going to and fro; needs an other picture.
    pub fn toggle_play(&mut self) {
        self.is_playing = !self.is_playing && self.other.is_some();
    }
    /// The tokens that go over, ascending.
    pub fn tokens(&self, selection: &Selection, count: usize) -> Vec<usize> {
        match self.scope {
            Scope::Selected if !selection.is_empty() => selection.to_vec(),
            _ => (0..count).collect(),
        }
    }
}

const THUMBNAIL_SIDE: f32 = 28.0;
/// What is right of the slider: the number, the other picture and its name.
const SLIDER_RIGHT: f32 = 248.0;
/// Seconds that playing moves on at once at most, however long a decode took.
const LONGEST_STEP: f32 = 0.25;

/// Two lines: the two pictures with t between them; how, which tokens, play, keep.
pub fn interpolation_ui(
    ui: &mut Ui,
    workspace: &mut Workspace,
    selection: &Selection,
    interpolation: &mut Interpolation,
) {
    let Some(tokens) = ShownTokens::of(workspace) else {
        ui.weak(why_no_tokens(workspace));
        interpolation.is_playing = false;
        return;
    };
    interpolation.choose_valid_other(workspace, tokens.id);
    if workspace.subjects().len() < 2 {
        ui.weak("Add a second picture to interpolate to it: drop one on the window, or press Ctrl+O.");
        return;
    }
    interpolation.forget_lost_preview(workspace, tokens.id);
    ui.horizontal(|ui| interpolation.ends_and_slider_ui(ui, workspace, &tokens));
    ui.horizontal_wrapped(|ui| {
        interpolation.options_ui(ui, selection);
        interpolation.play_ui(ui);
        interpolation.keep_ui(ui, workspace);
    });
    interpolation.play(ui, workspace);
    interpolation.follow(ui, workspace, &tokens, selection);
}

impl Interpolation {
    /// Forgets a picture that is gone or is the active one itself.
    fn choose_valid_other(&mut self, workspace: &Workspace, active: SubjectId) {
        let is_valid = |id: &SubjectId| *id != active && workspace.subject(*id).is_some();
        if self.other.is_some() && self.other.filter(is_valid).is_none() {
            *self = Self {
                seconds: self.seconds,
                mode: self.mode,
                scope: self.scope,
                ..Self::default()
            };
        }
    }

    /// Another edit, an undo or Esc elsewhere may have taken the preview away: then it is not ours any more.
    fn forget_lost_preview(&mut self, workspace: &Workspace, active: SubjectId) {
        let is_pending = workspace
            .active()
            .is_some_and(|subject| matches!(subject.history.pending(), Some(Edit::Blend { .. })));
        let is_ours = self
            .previewed
            .as_ref()
            .is_some_and(|preview| preview.of == active);
        if self.previewed.is_some() && !(is_pending && is_ours) {
            self.previewed = None;
            self.is_playing = false;
            self.t = 0.0;
        }
    }

    fn ends_and_slider_ui(&mut self, ui: &mut Ui, workspace: &Workspace, tokens: &ShownTokens) {
        let Some(active) = workspace.active() else { return };
        self.thumbnail_ui(ui, &active.thumbnail, &format!("A: {}", active.name));
        let name = "t";
        let label = glossary::term_label(ui, glossary::INTERPOLATION_T);
        let width = (ui.available_width() - SLIDER_RIGHT).max(64.0);
        let dial = ui.add_enabled_ui(self.other.is_some(), |ui| {
            Dial::new(Grip::T, name, self.t, 0.0..=1.0)
                .snap(Snap::Multiples(0.1))
                .original(Some(0.0))
                .width(width)
                .labelled_by(label.id)
                .show(ui, &mut self.hand)
        });
        if !ui.input(|input| input.pointer.any_down()) {
            self.hand.release();
        }
        self.is_looked_at = dial.inner.reach.is_looked_at;
        let mut t = dial.inner.value.unwrap_or(self.t);
        let number = egui::DragValue::new(&mut t)
            .range(0.0..=1.0)
            .speed(0.005)
            .fixed_decimals(2);
        let number = ui
            .add_enabled(self.other.is_some(), number)
            .accessible_name("typed t");
        if dial.inner.value.is_some() || number.changed() {
            self.t = t;
            self.is_playing = false;
        }
        if let Some(other) = self.other.and_then(|id| workspace.subject(id)) {
            self.thumbnail_ui(ui, &other.thumbnail, &format!("B: {}", other.name));
        } else {
            no_thumbnail_ui(ui);
        }
        self.other_ui(ui, workspace, tokens.id);
    }

    fn other_ui(&mut self, ui: &mut Ui, workspace: &Workspace, active: SubjectId) {
        let chosen = self.other.and_then(|id| workspace.subject(id));
        let text = chosen.map_or("choose a picture", |subject| subject.name.as_str());
        egui::ComboBox::from_id_salt("interpolate to")
            .selected_text(shortened(text, 18))
            .width(128.0)
            .show_ui(ui, |ui| {
                for subject in workspace.subjects().iter().filter(|subject| subject.id != active) {
                    let is_chosen = self.other == Some(subject.id);
                    let entry = Button::selectable(is_chosen, subject.name.as_str());
                    let is_encoded = subject.encoded.is_some();
                    let response = ui.add_enabled(is_encoded, entry);
                    if response
                        .on_disabled_hover_text("This picture has not been encoded yet.")
                        .clicked()
                    {
                        self.other = Some(subject.id);
                    }
                }
            })
            .response
            .on_hover_text("The picture to go to")
            .accessible_name("interpolate to");
    }

    fn options_ui(&mut self, ui: &mut Ui, selection: &Selection) {
        let mut choice = |ui: &mut Ui, mode: BlendMode, term: Term| {
            glossary::explain(ui.selectable_value(&mut self.mode, mode, term.name), term);
        };
        choice(ui, BlendMode::Linear, glossary::LINEAR);
        choice(ui, BlendMode::Slerp, glossary::SLERP);
        ui.separator();
        ui.selectable_value(&mut self.scope, Scope::All, "all tokens");
        let selected = match selection.tokens().len() {
            0 => "selected".to_owned(),
            count => format!("{count} selected"),
        };
        ui.selectable_value(&mut self.scope, Scope::Selected, selected)
            .on_hover_text("Only the selected tokens go over; the others stay as they are.");
    }

    fn play_ui(&mut self, ui: &mut Ui) {
        ui.separator();
        let (icon, text) = if self.is_playing {
            (icon::PAUSE, "Pause")
        } else {
            (icon::PLAY, "Play")
        };
        let play = ui.add_enabled(self.other.is_some(), Button::new((icon, text)));
        if play
            .accessible_name(text)
            .on_hover_text("Goes to and fro between the two pictures")
            .clicked()
        {
            self.toggle_play();
        }
        let seconds = egui::DragValue::new(&mut self.seconds)
            .range(0.5..=20.0)
            .speed(0.05)
            .suffix(" s");
        ui.add(seconds.fixed_decimals(1))
            .on_hover_text("Seconds from one picture to the other")
            .accessible_name("seconds of one way");
    }

    fn keep_ui(&mut self, ui: &mut Ui, workspace: &mut Workspace) {
        let is_live = self.previewed.is_some();
        let keep = ui.add_enabled(is_live, Button::new("Keep"));
        if keep
            .on_hover_text("Makes the picture between the two one step of the history")
            .clicked()
        {
            workspace.commit_preview();
            self.stop();
        }
        let cancel = ui.add_enabled(is_live, Button::new("Cancel"));
        let is_escaped = is_live
            && !self.is_text_focused(ui)
            && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
        if cancel.on_hover_text("Back to this picture (Esc)").clicked() || is_escaped {
            workspace.cancel_preview();
            self.stop();
        }
    }

    fn is_text_focused(&self, ui: &Ui) -> bool {
        ui.ctx().text_edit_focused()
    }

    fn stop(&mut self) {
        self.previewed = None;
        self.is_playing = false;
        self.t = 0.0;
    }

    /// Moves t by the time since the last frame. Asks for frames only while it plays.
    fn play(&mut self, ui: &Ui, workspace: &Workspace) {
        if !self.is_playing {
            self.moved_at = None;
            return;
        }
        ui.request_repaint();
        // The next place is asked for once this one is on show: a faster clock would only make the engine start over.
        if self
            .previewed
            .as_ref()
            .is_some_and(|preview| !workspace.is_current(preview.of))
        {
            return;
        }
        let now = ui.input(|input| input.time);
        let elapsed = now - self.moved_at.replace(now).unwrap_or(now);
        let step = (elapsed as f32).min(LONGEST_STEP) / self.seconds.max(0.1);
        let next = if self.is_going_back {
            self.t - step
        } else {
            self.t + step
        };
        if !(0.0..=1.0).contains(&next) {
            self.is_going_back = next > 1.0;
        }
        self.t = next.clamp(0.0, 1.0);
    }

    /// Sends a blend when anything it is made from has changed.
    fn follow(&mut self, ui: &Ui, workspace: &mut Workspace, tokens: &ShownTokens, selection: &Selection) {
        let Some(with) = self.other else { return };
        let wanted = Preview {
            of: tokens.id,
            with,
            t: self.t,
            mode: self.mode,
            tokens: self.tokens(selection, tokens.count()),
        };
        let is_unmoved =
            self.previewed.as_ref() == Some(&wanted) || (self.previewed.is_none() && self.t <= 0.0);
        if is_unmoved && !self.is_looked_at {
            return;
        }
        let Some(source) = workspace.embedded_tokens(with) else {
            return;
        };
        let edit_at = |t| blend(source.clone(), &wanted, t);
        if self.is_playing {
            // Playing shows every place as it is, however long that takes.
            workspace.preview_edit(edit_at(self.t));
        } else {
            workspace.look_ahead(self.t, &edit_at);
            if is_unmoved {
                return;
            }
            workspace.preview_edit_at(edit_at(self.t), self.t);
        }
        self.previewed = Some(wanted);
        if self.is_playing {
            ui.request_repaint();
        }
    }

    fn thumbnail_ui(&mut self, ui: &mut Ui, picture: &Arc<Rgb8>, name: &str) {
        let texture = self.texture(ui, picture);
        let size = texture.size_vec2();
        let size = size * (THUMBNAIL_SIDE / size.max_elem().max(1.0));
        let image = egui::Image::new((texture.id(), size))
            .sense(Sense::hover())
            .alt_text(name)
            .corner_radius(3.0);
        ui.add(image).on_hover_text(name);
    }

    fn texture(&mut self, ui: &Ui, picture: &Arc<Rgb8>) -> TextureHandle {
        if let Some(known) = self
            .thumbnails
            .iter()
            .find(|known| Arc::ptr_eq(&known.picture, picture))
        {
            return known.texture.clone();
        }
        // Two are on show; a few more make going through the library smooth.
        const KEPT: usize = 8;
        if self.thumbnails.len() >= KEPT {
            self.thumbnails.remove(0);
        }
        let size = [picture.width() as usize, picture.height() as usize];
        let image = ColorImage::from_rgb(size, picture.as_bytes());
        let texture = ui
            .ctx()
            .load_texture("interpolation thumbnail", image, TextureOptions::LINEAR);
        self.thumbnails.push(Thumbnail {
            picture: picture.clone(),
            texture: texture.clone(),
        });
        texture
    }
}

/// The place of a picture not chosen yet.
fn no_thumbnail_ui(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(THUMBNAIL_SIDE, THUMBNAIL_SIDE), Sense::hover());
    let stroke = ui.visuals().widgets.noninteractive.bg_stroke;
    ui.painter().rect_stroke(rect, 3, stroke, StrokeKind::Inside);
}

fn blend(with: TokenSource, preview: &Preview, t: f32) -> Edit {
    Edit::Blend {
        with,
        tokens: preview.tokens.clone(),
        t,
        mode: preview.mode,
    }
}

fn shortened(text: &str, most: usize) -> RichText {
    if text.chars().count() <= most {
        return RichText::new(text);
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    RichText::new(format!("{kept}..."))
}
