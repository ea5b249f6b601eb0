//! The tokens on show: the active picture's, as decoded last, with figures computed once per state.

use crate::analysis::{self, TokenQuantity};
use crate::document::Workspace;
use crate::engine::SubjectId;
use crate::latent::{LatentSpace, LatentState};
use std::rc::Rc;
use std::sync::Arc;

/// The active picture's tokens. Cheap to clone: all behind `Arc`s.
#[derive(Debug, Clone)]
pub(crate) struct ShownTokens {
    pub(crate) id: SubjectId,
    pub(crate) space: Arc<LatentSpace>,
    /// Before any edit.
    pub(crate) original: Arc<LatentState>,
    /// After the edits, the one under the hand included, as far as decoded.
    pub(crate) state: Arc<LatentState>,
}

impl ShownTokens {
    /// `None` while no model is loaded, no picture is open, or it has not been encoded by this model yet.
    pub(crate) fn of(workspace: &Workspace) -> Option<Self> {
        let space = workspace.model()?.space.clone();
        let subject = workspace.active()?;
        let original = subject.encoded.as_ref()?.state.clone();
        let fits = |state: &LatentState| state.z.count == space.token_count && state.z.dim == space.dim;
        let state = subject
            .edited
            .as_ref()
            .map(|shown| shown.state.clone())
            .filter(|state| fits(state))
            .unwrap_or_else(|| original.clone());
        fits(&state).then_some(Self {
            id: subject.id,
            space,
            original,
            state,
        })
    }

    /// L.
    pub(crate) fn count(&self) -> usize {
        self.state.z.count
    }

    /// K; 1 of a model without codebooks.
    pub(crate) fn segment_count(&self) -> usize {
        self.space.codebook().map_or(1, |codebook| codebook.segments)
    }

    pub(crate) fn segment_of(&self, token: usize) -> usize {
        let codebook = self.space.codebook();
        codebook.map_or(0, |codebook| codebook.segment_of(token, self.count()))
    }
}

/// Why there are no tokens to show, and what to do about it.
pub(crate) fn why_no_tokens(workspace: &Workspace) -> &'static str {
    if workspace.model().is_none() {
        return "Tokens appear once a model is loaded: Model > Open model…, or wait while it loads.";
    }
    match workspace.active() {
        None => "Drop a picture on the window, or press Ctrl+O: its tokens appear here.",
        Some(subject) if subject.encoded.is_none() => "The picture is being encoded; its tokens appear here.",
        Some(_) => "These tokens come from another model; they are encoded again now.",
    }
}

/// A figure per token; `None` where it does not exist.
pub(crate) type TokenValues = Rc<[Option<f32>]>;

/// Figures of every token, computed once per state.
#[derive(Default)]
pub(crate) struct QuantityCache {
    entries: Vec<Entry>,
}

struct Entry {
    quantity: TokenQuantity,
    original: Arc<LatentState>,
    state: Arc<LatentState>,
    values: TokenValues,
}

impl QuantityCache {
    /// `quantity` of the tokens as they are now.
    pub(crate) fn current(&mut self, tokens: &ShownTokens, quantity: TokenQuantity) -> TokenValues {
        self.get(tokens, &tokens.state, quantity)
    }

    /// `quantity` of the tokens before any edit.
    pub(crate) fn original(&mut self, tokens: &ShownTokens, quantity: TokenQuantity) -> TokenValues {
        self.get(tokens, &tokens.original, quantity)
    }

    fn get(
        &mut self,
        tokens: &ShownTokens,
        state: &Arc<LatentState>,
        quantity: TokenQuantity,
    ) -> TokenValues {
        self.entries.retain(|entry| {
            Arc::ptr_eq(&entry.original, &tokens.original)
                && (Arc::ptr_eq(&entry.state, &tokens.state) || Arc::ptr_eq(&entry.state, &tokens.original))
        });
        let known = self
            .entries
            .iter()
            .find(|entry| entry.quantity == quantity && Arc::ptr_eq(&entry.state, state));
        if let Some(entry) = known {
            return entry.values.clone();
        }
        let values: TokenValues =
            analysis::token_quantity(&tokens.space, &tokens.original, state, quantity).into();
        self.entries.push(Entry {
            quantity,
            original: tokens.original.clone(),
            state: state.clone(),
            values: values.clone(),
        });
        values
    }
}
