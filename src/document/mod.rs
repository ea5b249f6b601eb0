//! What a person works on: pictures, their edit lists with undo, recipes, sessions, exports, and the workspace that ties
//! them to the engine. The window and the command line sit on the calls of this room.

mod apply;
mod atlas;
mod atomic;
mod autosave;
mod class_names;
mod collection;
mod comparison;
mod directions;
mod error;
mod export;
mod extension;
mod generation;
mod history;
mod inputs;
mod labelled;
mod latents;
mod model_report;
mod models;
mod paint_target;
mod probing;
mod recipe;
mod report;
mod session;
mod source;
mod subject;
mod tensor_file;
mod token_map;
mod token_writer;
mod tokens;
mod workspace;

pub use apply::apply_edits;
pub use atlas::{Atlas, AtlasDraft};
pub use atomic::{write_atomically, write_folder_atomically};
pub use class_names::{class_name, class_of};
pub use collection::{CollectedPicture, Collection, MixtureSummary};
pub use comparison::{
    ComparedFacts, ComparisonFailure, ComparisonRow, comparison_csv, comparison_summaries, csv_field,
};
pub use directions::{Direction, DirectionOrigin, SavedDirection};
pub use error::DocumentError;
pub use export::{
    AnimationFormat, CODEWORD_PAIRS, CodewordFindings, CodewordSheetRow, EditedFormat, EditedPicture, Export,
    ExportedFiles, FindingsPart, GradientFindings, INFLUENCE_COLUMNS, InfluenceFindings, JPEG_QUALITY,
    MatrixSheet, ModelSheet, ModelSheetCell, ModelSheetRow, RECIPE_KEYWORD, SOURCE_KEYWORD, ScatterSheet,
    SheetPictures, StructureFindings, SweepRow, SweepSheet, animation_bytes, codeword_files, codeword_sheet,
    comparison_sheet, component_files, contact_sheet, edited_bytes, edited_jpeg, edited_png, influence_files,
    influence_sheet, interactions_png, interpolation_edits, matrix_sheet, model_sheet, scatter_sheet,
    structure_files, sweep_files, sweep_sheet,
};
pub use generation::{GENERATION_KEYWORD, GenerationRecord, StartRecord};
pub use history::History;
pub use inputs::{PictureInput, PreparedPicture, gather_pictures, model_side, path_name, picture_count};
pub use labelled::{Factor, FactorValues, Labelled};
pub use latents::{LatentNoise, read_latents};
pub use model_report::ModelReport;
pub use models::{InstalledModel, ModelKind, ModelOrigin, PICTURE_EXTENSIONS, Places, pictures_in};
pub use probing::{FactorProbes, FoundProbes, ProbeReport, TokenFigures};
pub use recipe::{Recipe, RecipeError, embedded};
pub use report::{
    LinePlot, PlotLine, REPORT_FILE, Report, ReportBlock, ReportOrder, ReportPart, ReportSection,
    ReportStage, ReportTable, ReportTask, line_plot, report_html, report_page, utc_date,
};
pub use session::{Session, SessionError, SessionModel, SessionPicture, StoredAs};
pub use source::{SourcePicture, read_file, read_source, source_from_bytes};
pub use subject::{Shown, Subject};
pub use tensor_file::{TensorData, TensorEntry, tensors_to_bytes};
pub use token_map::{ColourBy, MapPoint, MapStage, MappedPicture, PointColours, TokenMap, TokenPlane};
pub use token_writer::{TokenFileOptions, TokenFileWriter, tokens_to_bytes};
pub use tokens::{
    TokenFile, TokenFileError, holds_inputs, is_tensor_file, read_inputs, read_tokens, tokens_from_bytes,
};
pub use workspace::{
    BrushRanking, CollectingProgress, CollectionOrder, CollectionSource, ComparedModel, ComparedState,
    ComparisonFile, DEFAULT_MOST_COLLECTED, DEFAULT_MOST_MAPPED, DirectionFigures, DirectionOrder, Finding,
    FoundDirections, GenerateOrder, GenerateStart, GenerationProgress, Import, MOST_COMPARED, Notice,
    NoticeKind, PaintOrder, PaintTarget, Preview, ReportProgress, Workspace,
};
