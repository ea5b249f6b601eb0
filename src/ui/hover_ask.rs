//! Hover asks, click decides: while the pointer rests on something, the picture shows what it would do.

use crate::document::Workspace;
use crate::engine::SubjectId;
use crate::latent::Edit;

/// What the pointer asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// The picture with this codeword alone in the token.
    Codeword {
        token: usize,
        segment: usize,
        codeword: usize,
    },
    /// The picture with this codeword alone in every token of its segment.
    Everywhere { segment: usize, codeword: usize },
    /// What a button would do to these tokens.
    Action { name: &'static str, tokens: Vec<usize> },
    /// These tokens at a step of the sweep from soft to hard.
    Sharpness { place: usize, tokens: Vec<usize> },
    /// Tokens copied from another picture.
    CopyFrom { subject: SubjectId, tokens: Vec<usize> },
}

/// Asks the workspace only when the question changes, and takes the question back when nothing asks any more.
#[derive(Debug, Default)]
pub(crate) struct HoverAsk {
    shown: Option<Question>,
    is_asked: bool,
    /// Just decided by a click: not asked again before the pointer has been elsewhere.
    decided: Option<Question>,
}

impl HoverAsk {
    /// Call in every frame in which the pointer rests on `question`; `edit` is made only when it is new.
    pub(crate) fn ask(
        &mut self,
        workspace: &mut Workspace,
        question: Question,
        edit: impl FnOnce(&Workspace) -> Option<Edit>,
    ) {
        self.is_asked = true;
        if self.shown.as_ref() == Some(&question) || self.decided.as_ref() == Some(&question) {
            return;
        }
        if let Some(edit) = edit(workspace) {
            workspace.hover(Some(edit));
            self.shown = Some(question);
        }
        self.decided = None;
    }

    /// The click: `edit` becomes a step.
    pub(crate) fn decide(&mut self, workspace: &mut Workspace, question: Question, edit: Edit) {
        self.withdraw(workspace);
        self.is_asked = true;
        self.decided = Some(question);
        workspace.edit(edit);
    }

    /// Call once at the end of a frame.
    pub(crate) fn end(&mut self, workspace: &mut Workspace) {
        if !self.is_asked {
            self.withdraw(workspace);
            self.decided = None;
        }
        self.is_asked = false;
    }

    fn withdraw(&mut self, workspace: &mut Workspace) {
        if self.shown.take().is_some() {
            workspace.hover(None);
        }
    }
}
