//! What a person works on: pictures, their edit lists with undo, recipes, sessions, exports, and the workspace that ties
//! them to the engine. The window and the command line sit on the calls of this room.

mod apply;
mod atomic;
mod autosave;
mod error;
mod export;
mod history;
mod models;
mod recipe;
mod session;
mod source;
mod subject;
mod tensor_file;
mod token_writer;
mod tokens;
mod workspace;

pub use apply::apply_edits;
pub use atomic::{write_atomically, write_folder_atomically};
pub use error::DocumentError;
pub use export::{
    AnimationFormat, EditedFormat, EditedPicture, Export, ExportedFiles, JPEG_QUALITY, RECIPE_KEYWORD,
    SOURCE_KEYWORD, SheetPictures, animation_bytes, comparison_sheet, edited_bytes, edited_jpeg, edited_png,
    influence_sheet, interpolation_edits,
};
pub use history::History;
pub use models::{InstalledModel, PICTURE_EXTENSIONS, Places, pictures_in};
pub use recipe::{Recipe, RecipeError, embedded};
pub use session::{Session, SessionError, SessionModel, SessionPicture, StoredAs};
pub use source::{SourcePicture, read_file, read_source, source_from_bytes};
pub use subject::{Shown, Subject};
pub use tensor_file::{TensorData, TensorEntry, tensors_to_bytes};
pub use token_writer::{TokenFileOptions, TokenFileWriter, tokens_to_bytes};
pub use tokens::{
    TokenFile, TokenFileError, holds_inputs, is_tensor_file, read_inputs, read_tokens, tokens_from_bytes,
};
pub use workspace::{Import, Notice, NoticeKind, Workspace};
