//! What a person has chosen to train, kept between runs of the window.

use crate::trainer::PRESETS;
use std::path::PathBuf;

/// Where sizes and weights of the loss come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipe {
    /// A preset, by [`TrainChoices::preset`].
    #[default]
    Preset,
    /// A file, at [`TrainChoices::config_path`].
    File,
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// After so many steps.
    #[default]
    Steps,
    /// After so many minutes, or when the steps are done.
    Minutes,
}

/// The form of the view Train.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TrainChoices {
    /// Folders of pictures.
    #[serde(serialize_with = "only_text")]
    pub data: Vec<PathBuf>,
    /// Folder of results, as typed; empty: one is proposed.
    pub out: String,
    /// Where sizes come from.
    pub recipe: Recipe,
    /// Name of a preset.
    pub preset: String,
    /// Path of a configuration, as typed.
    pub config_path: String,
    /// When it ends.
    pub length: Length,
    /// Steps of the whole run; `None`: as the recipe says.
    pub steps: Option<u64>,
    /// Minutes of one sitting.
    pub minutes: u64,
    /// Threads that compute; `None`: all cores but one.
    pub threads: Option<usize>,
}

impl Default for TrainChoices {
    fn default() -> Self {
        let [quickest, ..] = PRESETS;
        Self {
            data: Vec::new(),
            out: String::new(),
            recipe: Recipe::default(),
            preset: quickest.name.to_owned(),
            config_path: String::new(),
            length: Length::default(),
            steps: None,
            minutes: 30,
            threads: None,
        }
    }
}

impl TrainChoices {
    /// Threads that compute: the machine's are kept to, and one of them is left to the window unless a person wants it too.
    pub fn threads(&self) -> usize {
        let cores = core_count();
        self.threads.unwrap_or(cores.saturating_sub(1)).clamp(1, cores)
    }
}

/// Paths that are no text cannot be kept; they must not keep the other settings from being kept.
fn only_text<S: serde::Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().filter_map(|path| path.to_str()))
}

/// Threads that this machine runs side by side.
pub(super) fn core_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn choices_are_kept_even_where_a_path_is_no_text() {
        use std::os::unix::ffi::OsStringExt;
        let bytes = std::ffi::OsString::from_vec(vec![b'/', 0xFF]);
        let choices = TrainChoices {
            data: vec!["/pictures".into(), bytes.into()],
            steps: Some(500),
            recipe: Recipe::File,
            ..TrainChoices::default()
        };
        let kept = serde_json::to_string(&choices).unwrap();
        let read: TrainChoices = serde_json::from_str(&kept).unwrap();
        assert_eq!(read.data, [PathBuf::from("/pictures")]);
        assert_eq!((read.steps, read.recipe), (Some(500), Recipe::File));
        assert_eq!(
            serde_json::from_str::<TrainChoices>("{}").unwrap(),
            TrainChoices::default()
        );
    }

    #[test]
    fn a_core_is_left_to_the_window() {
        let cores = core_count();
        let with = |threads| TrainChoices {
            threads,
            ..TrainChoices::default()
        };
        assert_eq!(with(None).threads(), (cores - 1).max(1));
        assert_eq!(with(Some(0)).threads(), 1);
        assert_eq!(with(Some(10_000)).threads(), cores);
    }
}
