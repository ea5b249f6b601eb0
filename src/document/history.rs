use crate::latent::Edit;
use std::sync::Arc;

/// The edit list of a picture: what is applied, what was undone, and the edit being dragged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    applied: Vec<Edit>,
    /// Newest undone first.
    undone: Vec<Edit>,
    pending: Option<Edit>,
}

impl History {
    /// A list as saved; `undone` as [`History::undone`] gives it, newest undone first.
    pub fn new(applied: Vec<Edit>, undone: Vec<Edit>) -> Self {
        Self {
            applied,
            undone,
            pending: None,
        }
    }
    /// The steps in force, oldest first.
    pub fn applied(&self) -> &[Edit] {
        &self.applied
    }
    /// What redo brings back, newest undone first.
    pub fn undone(&self) -> &[Edit] {
        &self.undone
    }
    /// The edit under the hand, not yet a step.
    pub fn pending(&self) -> Option<&Edit> {
        self.pending.as_ref()
    }
    /// Applied edits, then the pending one.
    pub fn effective(&self) -> Arc<[Edit]> {
        self.applied.iter().chain(&self.pending).cloned().collect()
    }
    /// Whether neither an applied nor a pending edit changes the picture.
    pub fn is_unedited(&self) -> bool {
        self.applied.is_empty() && self.pending.is_none()
    }
    /// Adds a step; what was undone is forgotten. A pending edit is dropped, for the step was made without it.
    pub fn push(&mut self, edit: Edit) {
        self.pending = None;
        self.undone.clear();
        self.applied.push(edit);
    }
    /// Replaces the edit being dragged.
    pub fn set_pending(&mut self, edit: Edit) {
        self.pending = Some(edit);
    }
    /// Makes the dragged edit one step. False when there was none.
    pub fn commit_pending(&mut self) -> bool {
        match self.pending.take() {
            Some(edit) => {
                self.push(edit);
                true
            }
            None => false,
        }
    }
    /// Forgets the dragged edit. False when there was none.
    pub fn drop_pending(&mut self) -> bool {
        self.pending.take().is_some()
    }
    /// Takes the newest step back. A pending edit is dropped: it was dragged on top of that step.
    pub fn undo(&mut self) -> bool {
        self.pending = None;
        match self.applied.pop() {
            Some(edit) => {
                self.undone.insert(0, edit);
                true
            }
            None => false,
        }
    }
    /// Brings the step undone last back.
    pub fn redo(&mut self) -> bool {
        self.pending = None;
        let exists = !self.undone.is_empty();
        if exists {
            self.applied.push(self.undone.remove(0));
        }
        exists
    }
    /// Goes to the state after `steps` applied edits, by undo or redo; as far as there are steps.
    pub fn go_to(&mut self, steps: usize) {
        while self.applied.len() > steps && self.undo() {}
        while self.applied.len() < steps && self.redo() {}
        self.pending = None;
    }
    /// Takes out the applied edit at `index`, which turned out not to be possible. False when there is none.
    pub(super) fn remove_applied(&mut self, index: usize) -> bool {
        let exists = index < self.applied.len();
        if exists {
            self.applied.remove(index);
        }
        exists
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(number: usize) -> Edit {
        Edit::Zero { tokens: vec![number] }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Push,
        Preview,
        Commit,
        Drop,
        Undo,
        Redo,
        GoTo(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            Just(Act::Push),
            Just(Act::Preview),
            Just(Act::Commit),
            Just(Act::Drop),
            Just(Act::Undo),
            Just(Act::Redo),
            (0usize..12).prop_map(Act::GoTo),
        ]
    }

    /// A history after any sequence of what a person can do; every edit in it is different.
    fn history() -> impl Strategy<Value = History> {
        prop::collection::vec(act(), 0..40).prop_map(|acts| {
            let mut history = History::default();
            for (number, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Push => history.push(step(number)),
                    Act::Preview => history.set_pending(step(number)),
                    Act::Commit => drop(history.commit_pending()),
                    Act::Drop => drop(history.drop_pending()),
                    Act::Undo => drop(history.undo()),
                    Act::Redo => drop(history.redo()),
                    Act::GoTo(steps) => history.go_to(steps),
                }
            }
            history
        })
    }

    proptest! {
        #[test]
        fn undo_after_push_is_identity(mut history in history()) {
            history.drop_pending();
            let before = history.effective();
            history.push(step(1000));
            prop_assert_eq!(history.undone().len(), 0);
            prop_assert!(history.undo());
            prop_assert_eq!(history.effective(), before);
        }

        #[test]
        fn redo_after_undo_is_identity(mut history in history()) {
            history.drop_pending();
            let before = history.clone();
            if history.undo() {
                prop_assert!(history.redo());
            }
            prop_assert_eq!(history, before);
        }

        #[test]
        fn committing_a_drag_shows_what_the_drag_showed(mut history in history()) {
            history.set_pending(step(1000));
            let dragged = history.effective();
            prop_assert!(history.commit_pending());
            prop_assert_eq!(history.effective(), dragged);
            prop_assert_eq!(history.pending(), None);
        }

        #[test]
        fn jumping_keeps_every_step(mut history in history(), steps in 0usize..50) {
            history.drop_pending();
            let all: Vec<Edit> = history.applied().iter().chain(history.undone()).cloned().collect();
            history.go_to(steps);
            prop_assert_eq!(history.applied().len(), steps.min(all.len()));
            let after: Vec<Edit> = history.applied().iter().chain(history.undone()).cloned().collect();
            prop_assert_eq!(after, all);
        }

        #[test]
        fn saved_and_read_back_it_is_the_same(mut history in history()) {
            history.drop_pending();
            prop_assert_eq!(History::new(history.applied().to_vec(), history.undone().to_vec()), history);
        }
    }

    #[test]
    fn undo_has_no_limit() {
        let mut history = History::default();
        for number in 0..2_000 {
            history.push(step(number));
        }
        while history.undo() {}
        assert!(history.effective().is_empty());
        assert_eq!(history.undone().len(), 2_000);
    }
}
