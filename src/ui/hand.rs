//! The hand on a number: the picture follows while it moves, one undo step when it lets go, Esc takes it back.

use super::dial::Axis;
use crate::document::Workspace;
use crate::latent::Edit;
use egui::{Key, Modifiers, Ui};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Names the number under the hand, over all widgets that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grip {
    Weight {
        token: usize,
        segment: usize,
        codeword: usize,
    },
    Value {
        token: usize,
        dim: usize,
    },
    Tau,
    TopK,
    Scale,
    Noise,
    Sample,
    SampleSeed,
    T,
    /// Along a direction of the library, by its place there.
    Direction(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Idle,
    /// Previewing; not a step yet.
    Live,
    /// Made a step; its decode may still be on the way.
    Settling,
    /// Taken back with Esc while the pointer is still down.
    Cancelled,
}

/// At most one number is under the hand at a time.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    phase: Phase,
    grip: Option<Grip>,
    value: f32,
    /// Number of applied edits after the step was made.
    steps: usize,
    /// Where a drag is along its widget's axis. Kept apart from the value, so that snapping holds no movement back.
    slide: Option<(Grip, f32)>,
    /// The number that is looked at, and since when, in seconds of the window's clock.
    looked_at: Option<(Grip, f64)>,
}

/// How long a hand rests on a number before its positions are decoded ahead: a pointer that passes by asks for nothing.
const GLANCE: Duration = Duration::from_millis(120);

/// The axis of a number that a hand is on or near.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) axis: Axis,
    pub(crate) range: RangeInclusive<f32>,
    /// As shown.
    pub(crate) value: f32,
    /// Somebody has rested on it long enough.
    pub(crate) is_looked_at: bool,
}

impl Hand {
    /// Call before the widgets of a frame.
    pub(crate) fn begin(&mut self, ui: &Ui, workspace: &mut Workspace) {
        let active = workspace.active();
        let is_pending = active.is_some_and(|subject| subject.history.pending().is_some());
        let steps = active.map_or(0, |subject| subject.history.applied().len());
        let is_current = active.is_none_or(|subject| workspace.is_current(subject.id));
        match self.phase {
            Phase::Live if !is_pending => self.phase = Phase::Cancelled,
            Phase::Live if takes_escape(ui) => {
                workspace.cancel_preview();
                ui.ctx().stop_dragging();
                self.phase = Phase::Cancelled;
            }
            Phase::Settling if steps != self.steps || is_current => self.phase = Phase::Idle,
            _ => {}
        }
        let is_pointer_down = ui.input(|input| input.pointer.any_down());
        if self.phase == Phase::Cancelled && !is_pointer_down {
            self.phase = Phase::Idle;
        }
        if self.phase == Phase::Idle {
            self.grip = None;
        }
        if !is_pointer_down {
            self.slide = None;
        }
    }

    /// Whether `grip`, which the pointer or the keyboard is on, has been looked at long enough. Asks for one frame when
    /// that will be.
    pub(crate) fn looks_at(&mut self, ui: &Ui, grip: Grip) -> bool {
        let now = ui.input(|input| input.time);
        match self.looked_at {
            Some((known, since)) if known == grip => now - since >= GLANCE.as_secs_f64(),
            _ => {
                self.looked_at = Some((grip, now));
                ui.ctx().request_repaint_after(GLANCE);
                false
            }
        }
    }

    /// Follows a number that may be looked at, and may have been moved: what lies ahead of it is decoded, and the picture
    /// goes with it. `edit` makes the edit of a value.
    pub(crate) fn follow(
        &mut self,
        workspace: &mut Workspace,
        grip: Grip,
        reach: &Reach,
        moved: Option<f32>,
        edit: impl Fn(f32) -> Edit,
    ) {
        let position = reach.axis.position(moved.unwrap_or(reach.value), &reach.range);
        if reach.is_looked_at || moved.is_some() {
            workspace.look_ahead(position, &|position| {
                edit(reach.axis.value(position, &reach.range))
            });
        }
        if let Some(value) = moved {
            self.preview(workspace, grip, value, |workspace| {
                workspace.preview_edit_at(edit(value), position);
            });
        }
    }

    /// The number `grip` was moved to `value`: shows the picture with `edit`.
    pub(crate) fn moved(&mut self, workspace: &mut Workspace, grip: Grip, value: f32, edit: Edit) {
        self.preview(workspace, grip, value, |workspace| workspace.preview_edit(edit));
    }

    fn preview(
        &mut self,
        workspace: &mut Workspace,
        grip: Grip,
        value: f32,
        show: impl FnOnce(&mut Workspace),
    ) {
        match self.phase {
            Phase::Cancelled => return,
            Phase::Live if self.grip == Some(grip) && self.value.to_bits() == value.to_bits() => return,
            Phase::Live if self.grip != Some(grip) => workspace.commit_preview(),
            _ => {}
        }
        self.phase = Phase::Live;
        self.grip = Some(grip);
        self.value = value;
        show(workspace);
    }

    /// Call after the widgets of a frame: makes the preview a step once nothing holds it any more.
    pub(crate) fn end(&mut self, ui: &Ui, workspace: &mut Workspace) {
        if self.phase != Phase::Live || is_held(ui) {
            return;
        }
        workspace.commit_preview();
        self.steps = workspace
            .active()
            .map_or(0, |subject| subject.history.applied().len());
        self.phase = Phase::Settling;
    }

    /// Whether an edit is being previewed by this hand.
    pub(crate) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// The value of `grip` while it is under the hand.
    pub(crate) fn live(&self, grip: Grip) -> Option<f32> {
        (self.phase == Phase::Live && self.grip == Some(grip)).then_some(self.value)
    }

    /// The value of `grip` from the first movement until the tokens on show have caught up with it.
    pub(crate) fn shown(&self, grip: Grip) -> Option<f32> {
        let is_ahead = matches!(self.phase, Phase::Live | Phase::Settling);
        (is_ahead && self.grip == Some(grip)).then_some(self.value)
    }

    /// Lets go of the widget, for one that follows the number by itself.
    pub(crate) fn release(&mut self) {
        self.slide = None;
    }

    /// Starts a drag at `position` of the widget's axis.
    pub(crate) fn grab(&mut self, grip: Grip, position: f32) {
        self.slide = Some((grip, position));
    }

    /// Moves the drag of `grip` by `delta` of the axis; the new position, which may lie beyond the ends.
    pub(crate) fn slide(&mut self, grip: Grip, delta: f32) -> Option<f32> {
        match &mut self.slide {
            Some((held, position)) if *held == grip && self.phase != Phase::Cancelled => {
                *position += delta;
                Some(*position)
            }
            _ => None,
        }
    }
}

/// Esc, also while Ctrl is held to snap.
fn takes_escape(ui: &Ui) -> bool {
    ui.input_mut(|input| {
        [Modifiers::NONE, Modifiers::COMMAND]
            .iter()
            .any(|&held| input.consume_key(held, Key::Escape))
    })
}

fn is_held(ui: &Ui) -> bool {
    const STEPPING: [Key; 4] = [Key::ArrowLeft, Key::ArrowRight, Key::ArrowUp, Key::ArrowDown];
    let (is_held, is_scrolling) = ui.input(|input| {
        let is_stepping = STEPPING.iter().any(|&key| input.key_down(key));
        (input.pointer.any_down() || is_stepping, input.is_scrolling())
    });
    if is_scrolling {
        // A wheel has no release: look again when it has come to rest.
        ui.request_repaint();
    }
    is_held || is_scrolling
}
