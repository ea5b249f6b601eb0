//! Code points of the Phosphor icon font (private use area), named by what they mean in this window.

/// Undo the last edit.
pub const UNDO: &str = "\u{E08A}";
/// Redo the edit undone last.
pub const REDO: &str = "\u{E08C}";
/// Open a file.
pub const OPEN: &str = "\u{E256}";
/// Save.
pub const SAVE: &str = "\u{E248}";
/// Write a result to a file.
pub const EXPORT: &str = "\u{EAF0}";
/// Start an animation.
pub const PLAY: &str = "\u{E3D0}";
/// Halt an animation.
pub const PAUSE: &str = "\u{E39E}";
/// End a running job.
pub const STOP: &str = "\u{E46C}";
/// A picture.
pub const IMAGE: &str = "\u{E2CA}";
/// Several pictures.
pub const IMAGES: &str = "\u{E836}";
/// Frames of an animation.
pub const FILM: &str = "\u{E792}";
/// A file.
pub const FILE: &str = "\u{E230}";
/// Add, zoom in.
pub const PLUS: &str = "\u{E3D4}";
/// Remove, zoom out.
pub const MINUS: &str = "\u{E32A}";
/// Delete.
pub const TRASH: &str = "\u{E4A6}";
/// Exchange two things.
pub const SWAP: &str = "\u{E83C}";
/// Back to the original value.
pub const RESET: &str = "\u{E038}";
/// Run again, replay.
pub const REPEAT: &str = "\u{E094}";
/// Light theme.
pub const SUN: &str = "\u{E472}";
/// Dark theme.
pub const MOON: &str = "\u{E330}";
/// Search, command palette.
pub const SEARCH: &str = "\u{E30C}";
/// Close, cancel.
pub const X: &str = "\u{E4F6}";
/// Done, yes.
pub const CHECK: &str = "\u{E182}";
/// Something needs attention.
pub const WARNING: &str = "\u{E4E0}";
/// Something failed.
pub const ERROR: &str = "\u{E4E2}";
/// Explanation.
pub const INFO: &str = "\u{E2CE}";
/// Help.
pub const QUESTION: &str = "\u{E3E8}";
/// Settings.
pub const GEAR: &str = "\u{E270}";
/// Keyboard shortcuts.
pub const KEYBOARD: &str = "\u{E2D8}";
/// Side by side.
pub const COLUMNS: &str = "\u{E546}";
/// One picture after the other in one place.
pub const FLIP: &str = "\u{ED6A}";
/// Difference of two pictures.
pub const DIFF: &str = "\u{E3D8}";
/// Two pictures with a divider.
pub const WIPE: &str = "\u{E870}";
/// Grip of a horizontal drag.
pub const DRAG_HORIZONTAL: &str = "\u{EB06}";
/// The whole picture fits its place.
pub const FIT: &str = "\u{E626}";
/// Copy to the clipboard.
pub const COPY: &str = "\u{E1CA}";
/// Paste from the clipboard.
pub const PASTE: &str = "\u{E196}";
/// Set to zero.
pub const ZERO: &str = "\u{E388}";
/// Multiply by a factor.
pub const SCALE: &str = "\u{E434}";
/// Random values.
pub const NOISE: &str = "\u{E1EE}";
/// Wave form, values of a token.
pub const WAVE: &str = "\u{E802}";
/// Keep only the strongest.
pub const FILTER: &str = "\u{E266}";
/// Everything is selected.
pub const SELECT_ALL: &str = "\u{E746}";
/// Shown.
pub const EYE: &str = "\u{E220}";
/// Hidden.
pub const EYE_OFF: &str = "\u{E224}";
/// Fold or unfold, pointing down.
pub const CARET_DOWN: &str = "\u{E136}";
/// Fold or unfold, pointing right.
pub const CARET_RIGHT: &str = "\u{E13A}";
/// Previous.
pub const CARET_LEFT: &str = "\u{E138}";
/// Fold or unfold, pointing up.
pub const CARET_UP: &str = "\u{E13C}";
/// More commands.
pub const MORE: &str = "\u{E1FE}";
/// A menu.
pub const MENU: &str = "\u{E2F0}";
/// A model.
pub const MODEL: &str = "\u{E1DA}";
/// The device that computes.
pub const DEVICE: &str = "\u{E610}";
/// Time, cost.
pub const CLOCK: &str = "\u{E19A}";
/// History of edits.
pub const HISTORY: &str = "\u{E1A0}";
/// Bar chart, measures.
pub const CHART: &str = "\u{E150}";
/// Grid of tokens or pictures.
pub const GRID: &str = "\u{E296}";
/// Edited.
pub const PENCIL: &str = "\u{E3B4}";
/// Brush over pixels.
pub const BRUSH: &str = "\u{E6F0}";
/// Made new by a generator.
pub const GENERATE: &str = "\u{E6A2}";
/// Pinned, kept.
pub const PIN: &str = "\u{E3E2}";
/// The program itself.
pub const MICROSCOPE: &str = "\u{EC7A}";

/// Every icon above.
pub const ALL: &[&str] = &[
    UNDO,
    REDO,
    OPEN,
    SAVE,
    EXPORT,
    PLAY,
    PAUSE,
    STOP,
    IMAGE,
    IMAGES,
    FILM,
    FILE,
    PLUS,
    MINUS,
    TRASH,
    SWAP,
    RESET,
    REPEAT,
    SUN,
    MOON,
    SEARCH,
    X,
    CHECK,
    WARNING,
    ERROR,
    INFO,
    QUESTION,
    GEAR,
    KEYBOARD,
    COLUMNS,
    FLIP,
    DIFF,
    WIPE,
    DRAG_HORIZONTAL,
    FIT,
    COPY,
    PASTE,
    ZERO,
    SCALE,
    NOISE,
    WAVE,
    FILTER,
    SELECT_ALL,
    EYE,
    EYE_OFF,
    CARET_DOWN,
    CARET_RIGHT,
    CARET_LEFT,
    CARET_UP,
    MORE,
    MENU,
    MODEL,
    DEVICE,
    CLOCK,
    HISTORY,
    CHART,
    GRID,
    PENCIL,
    BRUSH,
    GENERATE,
    PIN,
    MICROSCOPE,
];
