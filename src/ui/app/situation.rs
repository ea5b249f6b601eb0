//! What commands may depend on, as the window finds it.

use super::{SoftscopeApp, Tab};
use crate::engine::Task;
use crate::latent::Bottleneck;
use crate::ui::commands::Situation;

impl SoftscopeApp {
    /// What commands may depend on.
    pub(in crate::ui) fn situation(&self) -> Situation {
        let active = self.workspace.active();
        let status = self.workspace.engine_status();
        let is_painting = self.workspace.is_painting();
        let is_analysis = self.state.tab == Tab::Analysis;
        let [has_brush, has_mask, has_strokes] = self.state.analysis.brush_facts();
        Situation {
            has_picture: active.is_some(),
            picture_count: self.workspace.subjects().len(),
            token_count: self.token_count(),
            applied_count: active.map_or(0, |subject| subject.history.applied().len()),
            undone_count: active.map_or(0, |subject| subject.history.undone().len()),
            compared_count: self.workspace.compared_count(),
            has_model: self.workspace.model().is_some(),
            has_collection: self.workspace.collection().is_some(),
            can_collect_again: self.workspace.collection_order().is_some(),
            can_report: self.workspace.reported_folder().is_some() && self.workspace.reporting().is_none(),
            has_report: self.workspace.last_report().is_some(),
            has_findings: self
                .state
                .analysis
                .part()
                .is_some_and(|part| self.workspace.has_findings(part)),
            selected_count: self.state.selection.tokens().len(),
            has_interpolation: self.token_count() > 0 && self.other_picture().is_some(),
            has_preview: active.is_some_and(|subject| subject.history.pending().is_some())
                || (is_painting && is_analysis),
            has_brush: has_brush && is_analysis,
            has_mask,
            has_strokes: has_strokes && is_analysis,
            is_painting,
            has_removed: self.state.removed_count > 0,
            has_autosave: self.state.has_autosave,
            has_mixtures: self.token_count() > 0
                && self
                    .workspace
                    .model()
                    .is_some_and(|model| matches!(model.space.bottleneck, Bottleneck::Soft(_))),
            can_generate: self.workspace.generator().is_some()
                && self.workspace.model().is_some()
                && self.workspace.generator_mismatch().is_none(),
            can_train: self.state.train.can_train(),
            is_training: self.state.train.is_training(),
            has_trained: self.state.train.has_model(),
            tab: self.state.tab,
            mode: match self.state.tab {
                Tab::Compare => self.state.comparison.viewer.mode,
                Tab::Explore | Tab::Analysis | Tab::Generate | Tab::Train | Tab::Models => {
                    self.state.viewer.mode
                }
            },
            shows_library: self.settings.shows_library,
            shows_inspector: self.settings.shows_inspector,
            uses_system_dialogs: self.settings.use_system_dialogs,
            previews_while_dragging: self.settings.previews_while_dragging,
            encodes_ahead: self.settings.encodes_ahead,
            is_cancellable: matches!(
                status.running,
                Some(Task::LoadModel(_) | Task::Encode(_) | Task::Reconstruct { .. })
            ) || self.workspace.waiting_analyses().next().is_some()
                || is_painting
                || self.workspace.generation().is_some()
                || self.workspace.opening_generator().is_some()
                || self.workspace.export_progress().is_some()
                || self.workspace.collecting().is_some()
                || self.workspace.mapping().is_some()
                || self.workspace.probing().is_some()
                || self.workspace.reporting().is_some(),
        }
    }
}
