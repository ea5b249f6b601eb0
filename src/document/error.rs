use super::{RecipeError, SessionError, TokenFileError};
use crate::engine::EngineError;
use crate::generator::GeneratorError;
use crate::picture::PictureError;
use crate::tokenizer::TokenizerError;
use std::io;
use std::path::{Path, PathBuf};

/// Anything that goes wrong with a person's files. Display says what, which file, what to do.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A file could not be read.
    #[error("cannot read {}: {}", path.display(), explain_io(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder could not be written; what was there before is untouched.
    #[error("cannot write {}: {}", path.display(), explain_io(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The name's extension is none that can be written or read there.
    #[error("{}: unknown kind of file; use a name ending in {expected}", path.display())]
    UnknownExtension {
        /// The file as named.
        path: PathBuf,
        /// Extensions that work, for a person.
        expected: &'static str,
    },
    /// A file far larger than anything of its kind.
    #[error("{} is {mib} MiB, over the limit of {limit_mib} MiB for a file of this kind", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        mib: u64,
        /// The limit.
        limit_mib: u64,
    },
    /// A recipe that cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A recipe inside a named file that cannot be used.
    #[error("{name}: {source}")]
    RecipeIn {
        /// The file the recipe is in.
        name: String,
        /// Why.
        source: RecipeError,
    },
    /// A token file that cannot be used.
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    /// A session that cannot be used.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A picture that cannot be read or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A model that cannot be opened.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A generator that cannot be opened.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// The model could not work on it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No model of that name.
    #[error("{missing}. {advice}. Looked in {places}")]
    NoModel {
        /// What is not there, in words.
        missing: String,
        /// What to do.
        advice: String,
        /// Where it was looked for.
        places: String,
    },
    /// A saved direction that does not exist or does not hold one.
    #[error("direction \"{name}\" ({}): {reason}", path.display())]
    Direction {
        /// Name in the recipe.
        name: String,
        /// The file it should be in.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An edit of a list that cannot be applied.
    #[error("edit {} of {count} ({label}): {source}", index + 1)]
    Edit {
        /// Place in the list, from 0.
        index: usize,
        /// Length of the list.
        count: usize,
        /// The edit in words.
        label: String,
        /// Why.
        source: crate::latent::EditError,
    },
    /// A path where nothing is.
    #[error("{}: no such file or folder; check the path", .0.display())]
    Missing(PathBuf),
    /// A folder without pictures.
    #[error("{} holds no pictures (png, jpg, jpeg, webp, gif, bmp, tif, tiff)", .0.display())]
    EmptyFolder(PathBuf),
    /// A table of labels that cannot be used.
    #[error("{}: line {line} {what}", path.display())]
    LabelTable {
        /// The table.
        path: PathBuf,
        /// The line at fault, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Values of a picture of another size than the model's.
    #[error(
        "{} holds pictures of {width} x {height}, the model {model} takes {side} x {side}; crop them first or choose \
         another --model",
        path.display()
    )]
    WrongPictureSize {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Name of the model.
        model: String,
        /// Both sides of what the model reads.
        side: u32,
    },
    /// Pictures or tokens that do not go together.
    #[error("{0}")]
    Mismatch(String),
}

impl DocumentError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_path_buf(),
            source,
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_path_buf(),
            source,
        }
    }
}

/// What the system said, with what a person can do about it.
fn explain_io(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "check the name, or make the folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder you may write to, or change its permissions"
        }
        io::ErrorKind::NotADirectory => "a part of the path is a file, not a folder; choose another folder",
        io::ErrorKind::IsADirectory => "this is a folder; give the name of a file",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free some space or choose another disk, then try again"
        }
        _ => return error.to_string(),
    };
    format!("{error}; {advice}")
}
