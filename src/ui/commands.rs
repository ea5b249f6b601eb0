//! Everything a person can ask the window for, in one table: menus, shortcuts, palette and help are all read from it.
//! What a command does is in [`super::actions`].

mod need;
mod shortcuts;
mod situation;

use super::app::Tab;
use super::viewer::CompareMode;
use egui::{Key, KeyboardShortcut, Modifiers};
use need::Need;
pub(super) use shortcuts::take_shortcuts;
pub use situation::Situation;

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}
const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}
const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}
const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

/// Where a command is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Reading and writing files.
    File,
    /// Edits, undo and the selection.
    Edit,
    /// What is shown, and how large.
    View,
    /// The tokenizer.
    Model,
    /// Explanations.
    Help,
}

impl Group {
    /// Every group, in the order of the menu bar.
    pub const ALL: [Self; 5] = [Self::File, Self::Edit, Self::View, Self::Model, Self::Help];

    /// The title of the menu.
    pub fn title(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Edit => "Edit",
            Self::View => "View",
            Self::Model => "Model",
            Self::Help => "Help",
        }
    }
}

macro_rules! commands {
    ($($command:ident: $group:ident, $need:ident, $name:literal, $tooltip:literal, [$($shortcut:expr),*];)*) => {
        /// Everything a person can ask the window for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $(#[doc = $tooltip] $command,)*
        }

        impl Command {
            /// Every command, in the order of the menus.
            pub const ALL: &[Self] = &[$(Self::$command,)*];

            /// The menu entry. Ends in "…" when the command asks something before it acts.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$command => $name,)*
                }
            }
            /// What it does, in a sentence.
            pub fn tooltip(self) -> &'static str {
                match self {
                    $(Self::$command => $tooltip,)*
                }
            }
            /// Its shortcuts; the first is the one shown in menus.
            pub fn shortcuts(self) -> &'static [KeyboardShortcut] {
                match self {
                    $(Self::$command => const { &[$($shortcut),*] },)*
                }
            }
            /// The menu it is listed in.
            pub fn group(self) -> Group {
                match self {
                    $(Self::$command => Group::$group,)*
                }
            }
            fn need(self) -> Need {
                match self {
                    $(Self::$command => Need::$need,)*
                }
            }
        }
    };
}

commands! {
    OpenPictures: File, Nothing, "Open pictures…", "Adds picture files, recipe pictures or token files to the library. Dropping files on the window does the same.", [ctrl(Key::O)];
    AddPath: File, Nothing, "Add from a path", "Puts the cursor into the path field of the library: type or paste a file or a folder.", [ctrl(Key::L)];
    PastePicture: File, Nothing, "Paste picture", "Adds the picture on the clipboard, or the picture file whose path is there.", [ctrl(Key::V)];
    OpenSession: File, Nothing, "Open session…", "Replaces what is open by a saved session: all pictures with their edits.", [ctrl_shift(Key::O)];
    RestoreAutosave: File, Autosave, "Restore last run", "Brings back the pictures and edits of the last run, which ended without being saved.", [];
    ForgetAutosave: File, Autosave, "Forget last run", "Deletes the pictures and edits of the last run, which ended without being saved.", [];
    SaveSession: File, Picture, "Save session", "Saves all pictures with their edits to one file.", [ctrl(Key::S)];
    SaveSessionAs: File, Picture, "Save session as…", "Saves all pictures with their edits under a new name.", [ctrl_shift(Key::S)];
    ExportPicture: File, Encoded, "Export edited picture…", "Writes the edited picture as PNG or JPEG with its recipe inside: opening it again restores every edit.", [ctrl(Key::E)];
    ExportSheet: File, Encoded, "Export comparison sheet…", "Writes original, reconstruction, edited picture and difference with their metrics as one PNG.", [ctrl_shift(Key::E)];
    ExportRecipe: File, Encoded, "Export recipe…", "Writes the list of edits as JSON, for the edit command.", [];
    ExportTokens: File, Encoded, "Export tokens…", "Writes the edited tokens z [1, L, D] as safetensors, for the decode command.", [];
    ExportModelSheet: File, Compared, "Export model sheet…", "Writes the picture and what each compared model made of it, with the figures, as one PNG.", [];
    ExportModelTable: File, Compared, "Export model table…", "Writes the figures of the compared models as CSV.", [];
    ExportFindings: File, Findings, "Export findings…", "Writes what the section of the view Analysis shows into a folder: tables, tensors and pictures, as the commands write them.", [];
    ExportGif: File, Interpolation, "Interpolation as GIF…", "Writes the interpolation to the second picture as an endless GIF (256 colours a frame).", [];
    ExportApng: File, Interpolation, "Interpolation as animated PNG…", "Writes the interpolation to the second picture as a lossless animated PNG.", [];
    ExportFrames: File, Interpolation, "Interpolation as frames…", "Writes the interpolation to the second picture as a folder of numbered PNG files.", [];
    ExportStrip: File, Interpolation, "Interpolation as strip…", "Writes the interpolation to the second picture as one PNG, its frames side by side.", [];
    Quit: File, Nothing, "Quit", "Closes the window. What is open is kept for the next start.", [ctrl(Key::Q)];

    Undo: Edit, Applied, "Undo", "Takes back the last edit of this picture.", [ctrl(Key::Z)];
    Redo: Edit, Undone, "Redo", "Brings back the edit that was undone last.", [ctrl_shift(Key::Z), ctrl(Key::Y)];
    ResetTokens: Edit, EditedSelection, "Reset selected tokens", "Sets the selected tokens back to what the encoder gave. Can be undone.", [ctrl(Key::Backspace)];
    ResetAll: Edit, Applied, "Reset all tokens", "Sets every token back to what the encoder gave. Can be undone.", [ctrl_shift(Key::Backspace)];
    SelectAll: Edit, Encoded, "Select all tokens", "Selects every token of this picture.", [ctrl(Key::A)];
    ClearSelection: Edit, Selection, "Clear selection", "Selects no token.", [plain(Key::Escape)];
    NextToken: Edit, Encoded, "Next token", "Moves the selection to the next token.", [plain(Key::ArrowRight)];
    PreviousToken: Edit, Encoded, "Previous token", "Moves the selection to the token before.", [plain(Key::ArrowLeft)];
    ExtendToNext: Edit, Encoded, "Extend to next token", "Stretches the selection by one token to the right.", [shift(Key::ArrowRight)];
    ExtendToPrevious: Edit, Encoded, "Extend to previous token", "Stretches the selection by one token to the left.", [shift(Key::ArrowLeft)];
    RemovePicture: Edit, Picture, "Remove picture", "Takes this picture out of the library; its file stays. Can be brought back with its edits.", [plain(Key::Delete)];
    RestorePicture: Edit, Removed, "Bring back removed picture", "Puts the picture that was removed last back into the library, with its edits.", [ctrl_shift(Key::T)];
    TogglePreviews: Edit, Nothing, "Previews while dragging", "With a model slower than a frame, decodes positions of the number under the pointer ahead, and shows blends of them until the exact picture is there.", [];
    ToggleEncodeAhead: Edit, Nothing, "Encode ahead", "Encodes the pictures of the library while nothing else is to do, the next one first.", [];
    UndoStroke: Edit, Strokes, "Take back stroke", "Takes back the last stroke of the brush in the view Analysis.", [];
    InvertMask: Edit, Brush, "Invert brush mask", "Takes the pixels that are not drawn in place of those that are; all of them where none are.", [];
    ClearMask: Edit, Mask, "Clear brush mask", "Takes away all that was drawn over the picture in the view Analysis.", [];
    EnlargeBrush: Edit, Brush, "Larger brush", "Makes the brush of the view Analysis larger.", [plain(Key::CloseBracket)];
    ReduceBrush: Edit, Brush, "Smaller brush", "Makes the brush of the view Analysis smaller.", [plain(Key::OpenBracket)];

    ShowExplore: View, Nothing, "Explore", "Pictures, tokens and edits.", [ctrl(Key::F1)];
    ShowCompare: View, Nothing, "Compare", "One picture through up to four models, side by side, with their figures.", [ctrl(Key::F4)];
    ShowAnalysis: View, Nothing, "Analysis", "What the tokens of a picture do: to its pixels, together, and from soft to hard.", [ctrl(Key::F6)];
    ShowGenerate: View, Nothing, "Generate", "New pictures with a SiT or DiT, and pictures made anew from edited tokens.", [ctrl(Key::F3)];
    ShowTrain: View, Nothing, "Train", "A tokenizer of your own from folders of pictures: start, watch, stop, continue, use.", [ctrl(Key::F5)];
    ShowModels: View, Nothing, "Models", "Models that are installed, and the facts of the loaded one.", [ctrl(Key::F2)];
    ToggleLibrary: View, Nothing, "Library", "Shows or hides the pictures on the left.", [ctrl(Key::B)];
    ToggleInspector: View, Nothing, "Inspector", "Shows or hides the selected token and the history on the right.", [ctrl(Key::I)];
    SideBySide: View, Nothing, "Side by side", "Shows original, reconstruction and edited picture next to each other, under one zoom.", [plain(Key::Num1)];
    Wipe: View, Nothing, "Wipe", "Shows two pictures on one place, divided by a line to drag.", [plain(Key::Num2)];
    Flip: View, Nothing, "Flip", "Shows two pictures in turn on one place.", [plain(Key::Num3)];
    Difference: View, Nothing, "Difference", "Shows how far two pictures are apart, in false colour.", [plain(Key::Num4)];
    FitView: View, Picture, "Zoom to fit", "Shows the whole picture as large as there is room.", [plain(Key::F), plain(Key::Num0)];
    ActualSize: View, Picture, "Zoom to 100 %", "Shows one pixel of the picture as one pixel of the screen.", [ctrl(Key::Num1)];
    NextPicture: View, OtherPicture, "Next picture", "Goes to the next picture of the library.", [plain(Key::PageDown)];
    PreviousPicture: View, OtherPicture, "Previous picture", "Goes to the picture before in the library.", [plain(Key::PageUp)];
    EnlargeUi: View, Nothing, "Larger text and buttons", "Scales the whole window up.", [ctrl(Key::Plus), ctrl(Key::Equals)];
    ReduceUi: View, Nothing, "Smaller text and buttons", "Scales the whole window down.", [ctrl(Key::Minus)];
    ResetUiScale: View, Nothing, "Normal text and buttons", "Sets the window's scale back to what the screen asks for.", [ctrl(Key::Num0)];
    ToggleTheme: View, Nothing, "Light or dark", "Switches between the light and the dark theme.", [ctrl(Key::T)];
    ToggleSystemDialogs: View, Nothing, "Use the system's file dialogs", "When off, Softscope asks for a path in a small window of its own: for systems without a file dialog.", [];

    OpenModel: Model, Nothing, "Open model…", "Loads a checkpoint (.safetensors, .pt, .pth, .bin) that lies beside its config.json. Pictures are encoded again, edits stay.", [ctrl(Key::M)];
    OpenModelFolder: Model, Nothing, "Open model folder…", "Loads the model in a folder with config.json and model.safetensors.", [];
    OpenGenerator: Model, Nothing, "Open generator folder…", "Loads a SiT or DiT from a folder with config.json and model.safetensors.", [ctrl_shift(Key::M)];
    Generate: Model, Generator, "Generate pictures", "Makes new pictures from noise with the settings of the view Generate. They enter the library one by one.", [ctrl(Key::G)];
    Vary: Model, Variable, "Vary active picture", "Adds noise to the edited tokens of the active picture, up to the noise level, and lets the generator take it away again.", [ctrl_shift(Key::G)];
    Fill: Model, Fillable, "Fill selected tokens", "Makes the selected tokens of the active picture anew; the others stay exactly as they are.", [ctrl_shift(Key::F)];
    MeasureInfluence: Model, Encoded, "Measure influence of tokens", "Leaves out one token after the other and shows where the picture changes, by ablation and by the gradient.", [ctrl_shift(Key::I)];
    MeasureStructure: Model, Encoded, "Measure structure of tokens", "Measures how few tokens are enough, which act together and how sensitive the picture is to each. Takes thousands of decodes.", [];
    SweepSharpness: Model, Mixtures, "Sweep tau from soft to hard", "Decodes the picture with all mixtures at one temperature after the other, down to one codeword each.", [];
    CollectFolder: Model, Loaded, "Collect folder…", "Encodes the pictures of a folder and keeps their tokens, labelled by sub-folders or a table, for what is measured over many pictures.", [];
    CollectLibrary: Model, LoadedPicture, "Collect library", "Encodes the pictures of the library and keeps their tokens, for what is measured over many pictures.", [];
    RankUnderBrush: Model, Encoded, "Rank tokens under the brush", "Measures what each token does to the pixels drawn over in the view Analysis, by ablation and by the gradient.", [];
    PaintRegion: Model, Paintable, "Paint region", "Searches tokens that make what is drawn over in the view Analysis look as wanted while the rest stays. One edit, which can be undone.", [ctrl_shift(Key::B)];
    StopPainting: Model, Painting, "Stop painting", "Ends the painting under way and keeps the best tokens so far, as an edit that can be undone.", [];
    DiscardPainting: Model, Painting, "Discard painting", "Ends the painting under way and keeps nothing of it. Esc in the view Analysis does the same.", [];
    CollectAgain: Model, Collectable, "Collect again", "Encodes the pictures that were collected last anew, such as with another model.", [];
    MapTokens: Model, Collected, "Map collected tokens", "Lays the tokens of the collected pictures out in the plane, before and after the quantiser: by principal components, then by t-SNE.", [];
    ProbeTokens: Model, Collected, "Probe collected tokens", "Measures how well the labels of the collected pictures can be read off their tokens by a line, all tokens together and each alone.", [];
    MakeReport: Model, Reportable, "Make report…", "Measures all of this of the collected folder and writes one page with it into a folder, as the report command does. Takes minutes.", [];
    OpenReportFolder: Model, Reported, "Open folder of the report", "Shows the report that was made last in the system's file manager.", [];
    AddTrainingFolder: Model, Idle, "Add training folder…", "Adds a folder of pictures to train on. Dropping a folder on the view Train does the same.", [];
    ChooseTrainingResults: Model, Idle, "Choose folder for training results…", "Chooses the folder that takes the trained model, its log and its sheets.", [];
    ChooseTrainingConfig: Model, Idle, "Choose training configuration…", "Chooses a TOML file with the sizes of the model and all that decides its training.", [];
    StartTraining: Model, Trainable, "Start or continue training", "Trains what is chosen in the view Train; a run that lies in the folder of results goes on.", [ctrl(Key::R)];
    StopTraining: Model, Training, "Stop training", "Ends training after the step under way. All that was reached is kept, and it can be continued.", [ctrl_shift(Key::R)];
    UseTrainedModel: Model, Trained, "Use trained model", "Loads the run's last checkpoint into this window; training goes on meanwhile.", [ctrl(Key::U)];
    OpenTrainingFolder: Model, Trained, "Open folder of the run", "Shows model, log and sheets in the system's file manager.", [];
    CancelTask: Model, Running, "Cancel running task", "Stops loading a model, encoding pictures, comparing models, measuring tokens, painting or generating.", [ctrl(Key::Period)];

    CommandPalette: Help, Nothing, "Command palette…", "Finds any command by a few letters of its name.", [ctrl(Key::K), ctrl_shift(Key::P)];
    Shortcuts: Help, Nothing, "Keyboard shortcuts", "Lists every key.", [plain(Key::F1)];
    About: Help, Nothing, "About Softscope", "Version, the paper and the licence.", [];
}

impl Command {
    /// Why it cannot run now, as advice; `None` when it can.
    pub fn refusal(self, now: &Situation) -> Option<&'static str> {
        self.need().refusal(now)
    }
    /// Whether it can run now.
    pub fn is_enabled(self, now: &Situation) -> bool {
        self.refusal(now).is_none()
    }
    /// Whether it chooses or switches on what is chosen or on already.
    pub fn is_on(self, now: &Situation) -> bool {
        match self {
            Self::ShowExplore => now.tab == Tab::Explore,
            Self::ShowCompare => now.tab == Tab::Compare,
            Self::ShowAnalysis => now.tab == Tab::Analysis,
            Self::ShowGenerate => now.tab == Tab::Generate,
            Self::ShowTrain => now.tab == Tab::Train,
            Self::ShowModels => now.tab == Tab::Models,
            Self::SideBySide => now.mode == CompareMode::SideBySide,
            Self::Wipe => now.mode == CompareMode::Wipe,
            Self::Flip => now.mode == CompareMode::Flip,
            Self::Difference => now.mode == CompareMode::Difference,
            Self::ToggleLibrary => now.shows_library,
            Self::ToggleInspector => now.shows_inspector,
            Self::ToggleSystemDialogs => now.uses_system_dialogs,
            Self::TogglePreviews => now.previews_while_dragging,
            Self::ToggleEncodeAhead => now.encodes_ahead,
            _ => false,
        }
    }
    /// The shortcut shown beside its name, as this system writes it.
    pub fn shortcut_text(self, ctx: &egui::Context) -> Option<String> {
        self.shortcuts()
            .first()
            .map(|shortcut| ctx.format_shortcut(shortcut))
    }
}

#[cfg(test)]
mod tests;
