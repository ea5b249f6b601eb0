//! What a path is asked for: the title of the question, what may answer it, and the extension it stands for.

use crate::document::{AnimationFormat, FindingsPart};
use std::path::PathBuf;

/// A file that is written from the active picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum ExportKind {
    /// PNG or JPEG with the recipe inside.
    Picture,
    /// The comparison sheet.
    Sheet,
    /// The edit list as JSON.
    Recipe,
    /// The edited tokens as safetensors.
    Tokens,
    /// The compared models' reconstructions.
    ModelSheet,
    /// The compared models' figures as CSV.
    ModelTable,
    /// What was measured of tokens, as a folder.
    Findings(FindingsPart),
    /// The interpolation to the second picture.
    Interpolation(AnimationFormat),
}

/// What a path is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ui) enum Question {
    /// Pictures, recipe pictures, token files.
    Pictures,
    /// A session to open.
    Session,
    /// A checkpoint file.
    Model,
    /// A folder with a model.
    ModelFolder,
    /// A folder with a generator.
    GeneratorFolder,
    /// A folder of pictures whose tokens are collected.
    CollectionFolder,
    /// A folder for a report.
    Report,
    /// A folder of pictures to train on.
    TrainingFolder,
    /// A folder for what training writes.
    TrainingResults,
    /// A configuration of a training run.
    TrainingConfig,
    /// Where to save the session.
    SaveSession,
    /// Where to export to.
    Export(ExportKind),
}

/// Extensions that a dialog offers, under a name.
type Filter = (&'static str, &'static [&'static str]);

impl Question {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Pictures => "Open pictures",
            Self::Session => "Open session",
            Self::Model => "Open model checkpoint",
            Self::ModelFolder => "Open model folder",
            Self::GeneratorFolder => "Open generator folder",
            Self::CollectionFolder => "Collect folder of pictures",
            Self::Report => "Choose folder for the report",
            Self::TrainingFolder => "Add folder of pictures",
            Self::TrainingResults => "Choose folder for results",
            Self::TrainingConfig => "Choose training configuration",
            Self::SaveSession => "Save session",
            Self::Export(ExportKind::Picture) => "Export edited picture",
            Self::Export(ExportKind::Sheet) => "Export comparison sheet",
            Self::Export(ExportKind::ModelSheet) => "Export model sheet",
            Self::Export(ExportKind::ModelTable) => "Export model table",
            Self::Export(ExportKind::Recipe) => "Export recipe",
            Self::Export(ExportKind::Tokens) => "Export tokens",
            Self::Export(ExportKind::Findings(_)) => "Export findings",
            Self::Export(ExportKind::Interpolation(_)) => "Export interpolation",
        }
    }
    pub(super) fn filters(self) -> &'static [Filter] {
        match self {
            Self::Pictures => &[
                (
                    "Pictures",
                    &["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"],
                ),
                ("All files", &["*"]),
            ],
            Self::Session | Self::SaveSession => &[("Softscope session", &["softscope"])],
            Self::Model => &[
                ("Checkpoints", &["safetensors", "pt", "pth", "bin"]),
                ("All files", &["*"]),
            ],
            Self::ModelFolder
            | Self::GeneratorFolder
            | Self::CollectionFolder
            | Self::Report
            | Self::TrainingFolder
            | Self::TrainingResults => &[],
            Self::TrainingConfig => &[("Configuration", &["toml"]), ("All files", &["*"])],
            Self::Export(ExportKind::Picture) => &[
                ("PNG with recipe", &["png"]),
                ("JPEG with recipe", &["jpg", "jpeg"]),
            ],
            Self::Export(ExportKind::ModelTable) => &[("Table", &["csv"])],
            Self::Export(ExportKind::Recipe) => &[("Recipe", &["json"])],
            Self::Export(ExportKind::Tokens) => &[("Tokens", &["safetensors"])],
            Self::Export(ExportKind::Interpolation(AnimationFormat::Gif)) => &[("GIF", &["gif"])],
            Self::Export(ExportKind::Findings(_) | ExportKind::Interpolation(AnimationFormat::Frames)) => &[],
            Self::Export(ExportKind::Sheet | ExportKind::ModelSheet | ExportKind::Interpolation(_)) => {
                &[("PNG", &["png"])]
            }
        }
    }
    pub(super) fn is_save(self) -> bool {
        matches!(self, Self::SaveSession | Self::Export(_))
    }
    /// `path` with the extension this question stands for, where a person typed none of those it offers.
    pub(super) fn with_extension(self, path: PathBuf) -> PathBuf {
        let offered: Vec<&str> = self
            .filters()
            .iter()
            .flat_map(|(_, extensions)| extensions.iter().copied())
            .collect();
        let Some(&standard) = offered.first() else {
            return path;
        };
        let is_offered = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| offered.iter().any(|offer| extension.eq_ignore_ascii_case(offer)));
        if !self.is_save() || is_offered {
            return path;
        }
        let mut name = path.into_os_string();
        name.push(".");
        name.push(standard);
        PathBuf::from(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_extension_is_added_only_where_something_is_saved() {
        let picture = Question::Export(ExportKind::Picture);
        assert_eq!(picture.with_extension("a".into()), PathBuf::from("a.png"));
        assert_eq!(picture.with_extension("a.JPEG".into()), PathBuf::from("a.JPEG"));
        assert_eq!(picture.with_extension("a.v2".into()), PathBuf::from("a.v2.png"));
        assert_eq!(Question::Pictures.with_extension("a".into()), PathBuf::from("a"));
        let frames = Question::Export(ExportKind::Interpolation(AnimationFormat::Frames));
        assert_eq!(frames.with_extension("frames".into()), PathBuf::from("frames"));
    }
}
