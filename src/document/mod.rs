//! What a person works on: pictures, their edit lists with undo, recipes, sessions, exports, and the workspace that ties
//! them to the engine. The window and the command line sit on the calls of this room.

mod apply;
mod atomic;
mod autosave;
mod class_names;
mod comparison;
mod directions;
mod error;
mod export;
mod extension;
mod generation;
mod history;
mod latents;
mod model_report;
mod models;
mod paint_target;
mod recipe;
mod report;
mod session;
mod source;
mod subject;
mod tensor_file;
mod token_writer;
mod tokens;
mod workspace;

pub use apply::apply_edits;
pub use atomic::{write_atomically, write_folder_atomically};
pub use class_names::{class_name, class_of};
pub use comparison::{
    ComparedFacts, ComparisonFailure, ComparisonRow, comparison_csv, comparison_summaries, csv_field,
};
pub use directions::direction_json;
pub use error::DocumentError;
pub use export::{
    AnimationFormat, EditedFormat, EditedPicture, Export, ExportedFiles, JPEG_QUALITY, MatrixSheet,
    ModelSheet, ModelSheetCell, ModelSheetRow, RECIPE_KEYWORD, SOURCE_KEYWORD, ScatterSheet, SheetPictures,
    animation_bytes, comparison_sheet, contact_sheet, edited_bytes, edited_jpeg, edited_png, influence_sheet,
    interpolation_edits, matrix_sheet, model_sheet, scatter_sheet,
};
pub use generation::{GENERATION_KEYWORD, GenerationRecord, StartRecord};
pub use history::History;
pub use latents::{LatentNoise, read_latents};
pub use model_report::ModelReport;
pub use models::{InstalledModel, ModelKind, ModelOrigin, PICTURE_EXTENSIONS, Places, pictures_in};
pub use recipe::{Recipe, RecipeError, embedded};
pub use report::{
    LinePlot, PlotLine, Report, ReportBlock, ReportSection, ReportTable, line_plot, report_html, utc_date,
};
pub use session::{Session, SessionError, SessionModel, SessionPicture, StoredAs};
pub use source::{SourcePicture, read_file, read_source, source_from_bytes};
pub use subject::{Shown, Subject};
pub use tensor_file::{TensorData, TensorEntry, tensors_to_bytes};
pub use token_writer::{TokenFileOptions, TokenFileWriter, tokens_to_bytes};
pub use tokens::{
    TokenFile, TokenFileError, holds_inputs, is_tensor_file, read_inputs, read_tokens, tokens_from_bytes,
};
pub use workspace::{
    BrushRanking, ComparedModel, ComparedState, ComparisonFile, Finding, GenerateOrder, GenerateStart, GenerationProgress,
    Import, MOST_COMPARED, Notice, NoticeKind, PaintOrder, PaintTarget, Workspace,
};
