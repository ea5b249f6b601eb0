//! The one selection of tokens, shared by the strip, the maps, the plots and the inspector.

use std::collections::BTreeSet;

/// The selected tokens, the same everywhere in the window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    tokens: BTreeSet<usize>,
    /// Where a Shift range starts.
    anchor: Option<usize>,
    /// The token that arrow keys move from.
    cursor: Option<usize>,
    /// Token under the pointer in any view.
    pub hovered: Option<usize>,
}

impl Selection {
    /// Selected token indices, ascending.
    pub fn tokens(&self) -> &BTreeSet<usize> {
        &self.tokens
    }
    /// The selected token indices as an edit wants them, ascending.
    pub fn to_vec(&self) -> Vec<usize> {
        self.tokens.iter().copied().collect()
    }
    /// Whether no token is selected.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
    /// Whether `token` is selected.
    pub fn contains(&self, token: usize) -> bool {
        self.tokens.contains(&token)
    }
    /// The token the inspector shows first: the one touched last, if it is still selected.
    pub fn primary(&self) -> Option<usize> {
        self.cursor
            .filter(|cursor| self.tokens.contains(cursor))
            .or_else(|| self.tokens.first().copied())
    }
    /// The token that arrow keys move from, selected or not.
    pub fn cursor(&self) -> Option<usize> {
        self.cursor
    }
    /// A click: plain replaces, `toggle` (Ctrl) adds or removes, `extend` (Shift) takes the range from the anchor.
    pub fn click(&mut self, token: usize, toggle: bool, extend: bool) {
        let range = match (extend, self.anchor) {
            (true, Some(anchor)) => Some(anchor.min(token)..=anchor.max(token)),
            _ => None,
        };
        if let Some(range) = range {
            if !toggle {
                self.tokens.clear();
            }
            self.tokens.extend(range);
        } else if toggle {
            if !self.tokens.remove(&token) {
                self.tokens.insert(token);
            }
            self.anchor = Some(token);
        } else {
            self.tokens = BTreeSet::from([token]);
            self.anchor = Some(token);
        }
        self.cursor = Some(token);
    }
    /// A brush from `from` to `to`, both included, on top of the tokens in `kept`.
    pub fn brush(&mut self, from: usize, to: usize, kept: &BTreeSet<usize>) {
        self.tokens = kept.clone();
        self.tokens.extend(from.min(to)..=from.max(to));
        self.anchor = Some(from);
        self.cursor = Some(to);
    }
    /// Selects all of `count` tokens; the cursor stays.
    pub fn select_all(&mut self, count: usize) {
        self.tokens = (0..count).collect();
        if self.cursor.is_none() && count > 0 {
            self.cursor = Some(0);
            self.anchor = Some(0);
        }
    }
    /// Selects `a` and `b` alone.
    pub(crate) fn select_pair(&mut self, a: usize, b: usize) {
        self.click(a, false, false);
        if a != b {
            self.click(b, true, false);
        }
    }
    /// Selects nothing.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.cursor = None;
        self.anchor = None;
    }
    /// Arrow keys: moves the cursor by `step` within `count` tokens.
    pub fn walk(&mut self, step: isize, count: usize, extend: bool) {
        if count == 0 {
            return;
        }
        let next = match self.cursor {
            Some(cursor) => cursor.saturating_add_signed(step).min(count - 1),
            None => 0,
        };
        self.click(next, false, extend);
    }
    /// A view tells which of its tokens is under the pointer; it takes back only its own report, kept in `reported`.
    pub(crate) fn report_hover(&mut self, reported: &mut Option<usize>, hovered: Option<usize>) {
        if hovered.is_some() {
            self.hovered = hovered;
        } else if reported.is_some() && self.hovered == *reported {
            self.hovered = None;
        }
        *reported = hovered;
    }
    /// Forgets tokens that a new model does not have.
    pub fn limit(&mut self, count: usize) {
        self.tokens.retain(|&token| token < count);
        let is_gone = |token: &Option<usize>| token.is_some_and(|token| token >= count);
        if is_gone(&self.cursor) {
            self.cursor = self.tokens.first().copied();
        }
        if is_gone(&self.anchor) {
            self.anchor = self.cursor;
        }
        if is_gone(&self.hovered) {
            self.hovered = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(selection: &Selection) -> Vec<usize> {
        selection.to_vec()
    }

    #[test]
    fn clicks_replace_toggle_and_extend() {
        let mut selection = Selection::default();
        selection.click(5, false, false);
        assert_eq!(tokens(&selection), [5]);
        selection.click(9, false, true);
        assert_eq!(tokens(&selection), [5, 6, 7, 8, 9]);
        selection.click(3, false, true);
        assert_eq!(
            tokens(&selection),
            [3, 4, 5],
            "a Shift range starts from the anchor, not from the last click"
        );
        selection.click(20, true, false);
        selection.click(4, true, false);
        assert_eq!(tokens(&selection), [3, 5, 20]);
        selection.click(6, true, true);
        assert_eq!(tokens(&selection), [3, 4, 5, 6, 20], "Ctrl+Shift adds the range");
    }

    #[test]
    fn the_primary_token_is_always_a_selected_one() {
        let mut selection = Selection::default();
        assert_eq!(selection.primary(), None);
        selection.click(2, false, false);
        selection.click(7, true, false);
        assert_eq!(selection.primary(), Some(7));
        selection.click(7, true, false);
        assert_eq!(
            selection.primary(),
            Some(2),
            "a token clicked away is no longer what the inspector shows"
        );
        assert_eq!(
            selection.cursor(),
            Some(7),
            "arrow keys still move from where the hand was"
        );
    }

    #[test]
    fn walking_stays_inside_and_extends() {
        let mut selection = Selection::default();
        selection.walk(1, 4, false);
        assert_eq!(tokens(&selection), [0]);
        selection.walk(-3, 4, false);
        assert_eq!(tokens(&selection), [0]);
        selection.walk(2, 4, true);
        selection.walk(9, 4, true);
        assert_eq!(tokens(&selection), [0, 1, 2, 3]);
        selection.walk(1, 0, false);
        assert_eq!(tokens(&selection), [0, 1, 2, 3]);
    }

    #[test]
    fn a_brush_keeps_what_was_selected_before() {
        let mut selection = Selection::default();
        selection.brush(6, 4, &BTreeSet::from([1]));
        assert_eq!(tokens(&selection), [1, 4, 5, 6]);
        selection.brush(6, 8, &BTreeSet::new());
        assert_eq!(tokens(&selection), [6, 7, 8]);
        selection.click(9, false, true);
        assert_eq!(
            tokens(&selection),
            [6, 7, 8, 9],
            "Shift goes on from where the brush began"
        );
    }

    #[test]
    fn a_smaller_model_drops_what_it_lacks() {
        let mut selection = Selection::default();
        selection.select_all(64);
        selection.walk(63, 64, true);
        selection.hovered = Some(40);
        selection.limit(32);
        assert_eq!(selection.tokens().len(), 32);
        assert_eq!(selection.primary(), Some(0));
        assert_eq!(selection.hovered, None);
        selection.limit(0);
        assert_eq!(selection.primary(), None);
        assert!(selection.is_empty());
    }
}
