//! The facts about the window that commands depend on.

use crate::ui::app::Tab;
use crate::ui::viewer::CompareMode;

/// What commands may depend on, gathered once a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Situation {
    /// A model is loaded.
    pub has_model: bool,
    /// A picture is active.
    pub has_picture: bool,
    /// Pictures in the library.
    pub picture_count: usize,
    /// Tokens of the active picture; 0 until it is encoded.
    pub token_count: usize,
    /// Edits on the active picture.
    pub applied_count: usize,
    /// Edits of the active picture that redo would bring back.
    pub undone_count: usize,
    /// Tokens selected.
    pub selected_count: usize,
    /// Models of the comparison that are done with the picture.
    pub compared_count: usize,
    /// Tokens of many pictures are collected.
    pub has_collection: bool,
    /// Pictures were collected, by this model or another.
    pub can_collect_again: bool,
    /// The pictures collected last are those of a folder, and no report is being made.
    pub can_report: bool,
    /// A report was written.
    pub has_report: bool,
    /// Something is measured of what the view Analysis shows.
    pub has_findings: bool,
    /// A second picture to interpolate to is known.
    pub has_interpolation: bool,
    /// An edit is under the hand, or being painted on show, and not yet a step.
    pub has_preview: bool,
    /// What is on show has a brush.
    pub has_brush: bool,
    /// Pixels are drawn.
    pub has_mask: bool,
    /// A stroke of the brush on show can be taken back.
    pub has_strokes: bool,
    /// A painting is under way.
    pub is_painting: bool,
    /// A removed picture can be brought back.
    pub has_removed: bool,
    /// The last run ended without being saved, and has not been brought back.
    pub has_autosave: bool,
    /// The tokens of the active picture are mixtures of codewords.
    pub has_mixtures: bool,
    /// A generator is open whose tokens the loaded model decodes.
    pub can_generate: bool,
    /// What is chosen in the view Train can be started.
    pub can_train: bool,
    /// A model is being trained.
    pub is_training: bool,
    /// The run in the view Train has written a model.
    pub has_trained: bool,
    /// A model load, an encode, a comparison, an analysis, a painting or a generation is running or waiting.
    pub is_cancellable: bool,
    /// The view on show.
    pub tab: Tab,
    /// How pictures are compared.
    pub mode: CompareMode,
    /// The library is on show.
    pub shows_library: bool,
    /// The inspector is on show.
    pub shows_inspector: bool,
    /// Paths are asked for through the system's dialogs.
    pub uses_system_dialogs: bool,
    /// Pictures are decoded ahead of the hand.
    pub previews_while_dragging: bool,
    /// Pictures are encoded before anybody looks at them.
    pub encodes_ahead: bool,
}
