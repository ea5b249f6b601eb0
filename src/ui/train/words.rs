//! Errors and figures of a run in the words of the window.

use crate::trainer::TrainError;
use std::time::Duration;

/// What went wrong and what to do. The command's own words name its options.
pub(super) fn error_text(error: &TrainError) -> String {
    match error {
        TrainError::Folder { path, source } => format!(
            "Cannot use the folder {}: {source}. Choose another folder for the results.",
            path.display()
        ),
        TrainError::NoPictures { folders, missing, .. } => {
            format!("{folders} hold no {missing}. Add a folder of png, jpg, webp, gif, bmp or tiff files.")
        }
        TrainError::RunExists(path) => format!(
            "{} holds a run already. Continue it, or choose another folder for the results.",
            path.display()
        ),
        TrainError::NoRun(path) => format!("{} holds no run any more. Start a new one.", path.display()),
        TrainError::Diverged { what, step } => format!(
            "The {what} of step {step} is not finite: the run has diverged. Its last checkpoint is kept. Start again with \
             a configuration of your own in which `optimiser.learning_rate` is lower."
        ),
        TrainError::Read { path, source } => format!(
            "Cannot read {}: {source}. Choose one that is there and may be read.",
            path.display()
        ),
        TrainError::Picture(error) => {
            format!("{error}. Take the file out of the folder of pictures, then start again.")
        }
        other => other.to_string(),
    }
}

/// "under a minute", "12 min", "3 h 20 min", "2 days 4 h".
pub(super) fn time_text(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    match minutes {
        0 | 1 => "under a minute".to_owned(),
        2..=90 => format!("{minutes} min"),
        91..=2880 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} days {} h", minutes / 1440, minutes % 1440 / 60),
    }
}

/// A rate or a value with three figures that matter.
pub(super) fn three_figures(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 1e-3 || size == 0.0 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_as_people_say_them() {
        let minutes = |count: u64| time_text(Duration::from_secs(60 * count));
        assert_eq!(minutes(0), "under a minute");
        assert_eq!(minutes(12), "12 min");
        assert_eq!(minutes(200), "3 h 20 min");
        assert_eq!(minutes(3120), "2 days 4 h");
        assert_eq!(three_figures(123.4), "123");
        assert_eq!(three_figures(-2.345), "-2.35");
        assert_eq!(three_figures(0.01234), "0.0123");
        assert_eq!(three_figures(0.000_12), "1.2e-4");
    }

    #[test]
    fn advice_does_not_name_options_of_the_command() {
        let errors = [
            TrainError::RunExists("a".into()),
            TrainError::NoRun("a".into()),
            TrainError::Diverged {
                what: "loss",
                step: 3,
            },
            TrainError::Folder {
                path: "a".into(),
                source: std::io::ErrorKind::PermissionDenied.into(),
            },
        ];
        for error in errors {
            assert!(error.to_string().contains("--"), "{error}");
            assert!(!error_text(&error).contains("--"), "{error}");
        }
    }
}
