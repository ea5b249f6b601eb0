//! What each command needs, and the advice where it is missing.

use super::Situation;

/// What a command needs before it makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    Picture,
    OtherPicture,
    Encoded,
    Compared,
    Findings,
    Interpolation,
    Applied,
    Undone,
    Selection,
    EditedSelection,
    Removed,
    Autosave,
    Running,
    Generator,
    Variable,
    Fillable,
    Mixtures,
    Loaded,
    LoadedPicture,
    Brush,
    Mask,
    Strokes,
    Paintable,
    Painting,
    Collected,
    Collectable,
    Reportable,
    Reported,
    Idle,
    Trainable,
    Training,
    Trained,
}

impl Need {
    /// Why the command cannot run now, as advice; `None` when it can.
    pub(super) fn refusal(self, now: &Situation) -> Option<&'static str> {
        let (is_met, advice) = match self {
            Self::Mixtures => (
                now.has_mixtures,
                "Open a SoftVQ model and a picture: only its tokens are mixtures of codewords.",
            ),
            Self::Nothing => (true, ""),
            Self::Picture => (now.has_picture, "Open a picture first."),
            Self::OtherPicture => (now.picture_count > 1, "Add a second picture first."),
            Self::Encoded => (now.token_count > 0, "Wait until a picture is encoded."),
            Self::Compared => (
                now.compared_count > 0,
                "Compare models first: choose some in the Compare view.",
            ),
            Self::Findings => (
                now.has_findings,
                "Measure something in the view Analysis first: what its section shows is written.",
            ),
            Self::Interpolation => (
                now.has_interpolation,
                "Choose a second picture in the interpolation panel first.",
            ),
            Self::Applied => (now.applied_count > 0, "Nothing has been edited."),
            Self::Undone => (now.undone_count > 0, "Nothing has been undone."),
            // Esc ends what is under the hand first.
            Self::Selection => (
                now.selected_count > 0 && !now.has_preview,
                "No token is selected.",
            ),
            Self::EditedSelection => (
                now.selected_count > 0 && now.applied_count > 0,
                "Select a token that was edited.",
            ),
            Self::Removed => (now.has_removed, "No picture has been removed."),
            Self::Autosave => (now.has_autosave, "The last run left nothing unsaved."),
            Self::Running => (now.is_cancellable, "Nothing is running."),
            Self::Generator => (now.can_generate, NO_GENERATOR),
            Self::Variable if !now.can_generate => (false, NO_GENERATOR),
            Self::Variable => (now.token_count > 0, "Wait until a picture is encoded."),
            Self::Fillable if !now.can_generate => (false, NO_GENERATOR),
            Self::Fillable => (now.selected_count > 0, "Select the tokens to make anew first."),
            Self::Loaded | Self::LoadedPicture if !now.has_model => (false, "Open a model first."),
            Self::Loaded => (true, ""),
            Self::LoadedPicture => (now.has_picture, "Open a picture first."),
            Self::Brush => (
                now.has_brush,
                "Open Pixels to tokens or Paint in the view Analysis first.",
            ),
            Self::Mask => (
                now.has_mask,
                "Draw over a part of the picture first, in the view Analysis.",
            ),
            Self::Strokes => (now.has_strokes, "Nothing was drawn in the view Analysis."),
            Self::Paintable if now.is_painting => (false, "A region is being painted: stop that first."),
            Self::Paintable => (now.token_count > 0, "Wait until a picture is encoded."),
            Self::Painting => (now.is_painting, "Nothing is being painted."),
            Self::Collectable if !now.has_model => (false, "Open a model first."),
            Self::Collectable => (now.can_collect_again, "Nothing has been collected yet."),
            Self::Reportable if !now.has_model => (false, "Open a model first."),
            Self::Reportable => (
                now.can_report,
                "Collect a folder of pictures first: the report is of that folder.",
            ),
            Self::Reported => (now.has_report, "Nothing has been reported yet."),
            Self::Collected => (now.has_collection, "Collect a folder of pictures first."),
            Self::Idle | Self::Trainable if now.is_training => {
                (false, "A model is being trained: stop that first.")
            }
            Self::Idle => (true, ""),
            Self::Trainable => (now.can_train, "Choose what to train first, in the view Train."),
            Self::Training => (now.is_training, "No model is being trained."),
            Self::Trained => (
                now.has_trained,
                "Nothing is written yet: the first checkpoint is on its way, or no run is chosen in the view Train.",
            ),
        };
        (!is_met).then_some(advice)
    }
}

const NO_GENERATOR: &str = "Open a generator for the loaded model first, in the view Generate.";
