//! Whether what was chosen can be trained: done off the window's thread, for it reads folders and files.

use super::choices::{Length, Recipe, TrainChoices};
use super::words;
use crate::tokenizer::ModelFiles;
use crate::trainer::{DataFolders, Order, Preset, Run, RunRecord, TrainConfig};
use crate::ui::dialogs::typed_path;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the folder that is proposed for results.
const PROPOSED_NAME: &str = "my-tokenizer";
/// Pictures below which a run is hardly worth while.
const FEW_PICTURES: usize = 100;

/// Pictures of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pictures {
    pub(super) train: usize,
    pub(super) held_out: usize,
}

/// What lies in the folder of results.
#[derive(Debug, Clone)]
pub(super) enum Results {
    /// Nothing that would be in the way.
    Free,
    /// A run to look at, and to go on with.
    Run(Box<RunRecord>),
    /// Something else.
    Refused(String),
}

/// What the choices amount to.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    /// The choices that were looked at.
    pub(super) choices: TrainChoices,
    /// Of each folder of pictures, in order.
    pub(super) data: Vec<Result<Pictures, String>>,
    pub(super) out: PathBuf,
    pub(super) results: Results,
    /// The configuration that a run would have, or what is wrong with it.
    pub(super) config: Result<TrainConfig, String>,
}

impl Checked {
    /// Looks at everything that `choices` name. `models` is where results are proposed to go.
    pub(super) fn of(mut choices: TrainChoices, models: &Path) -> Self {
        if choices.out.trim().is_empty() {
            choices.out = proposed_folder(models).display().to_string();
        }
        let out = typed_path(&choices.out);
        let results = results_in(&out);
        let mut config = match &results {
            Results::Run(record) => Ok(record.config.clone()),
            Results::Free | Results::Refused(_) => recipe(&choices),
        };
        if let Ok(config) = &mut config {
            config.steps = choices.steps.unwrap_or(config.steps);
            config.threads = choices.threads();
        }
        let config = config.and_then(|config| config.validate().map(|()| config));
        let share = config.as_ref().map_or(0.0, |config| config.data.held_out_share);
        Self {
            data: choices
                .data
                .iter()
                .map(|folder| pictures_of(folder, share))
                .collect(),
            out,
            results,
            config,
            choices,
        }
    }

    /// The run that lies in the folder of results.
    pub(super) fn record(&self) -> Option<&RunRecord> {
        match &self.results {
            Results::Run(record) => Some(record),
            Results::Free | Results::Refused(_) => None,
        }
    }

    /// What to start.
    ///
    /// # Errors
    /// What is missing, as advice.
    pub(super) fn order(&self) -> Result<Order, String> {
        if self.data.is_empty() {
            return Err("Add a folder of pictures first.".to_owned());
        }
        if self.data.iter().any(Result::is_err) {
            return Err("Remove the folder that has no pictures, or choose another one.".to_owned());
        }
        let config = self.config.clone()?;
        if let Results::Refused(reason) = &self.results {
            return Err(reason.clone());
        }
        if let Some(record) = self.record()
            && record.steps_done >= config.steps
        {
            return Err(format!(
                "All {} steps are done: choose more steps to go on, or another folder of results.",
                record.steps_done
            ));
        }
        Ok(Order {
            run: Run {
                config,
                data: self.choices.data.clone(),
                out: self.out.clone(),
                is_resumed: self.record().is_some(),
            },
            time_limit: match self.choices.length {
                Length::Steps => None,
                Length::Minutes => Some(Duration::from_secs(60 * self.choices.minutes)),
            },
        })
    }

    /// A remark on how many pictures there are; nothing where they are enough.
    pub(super) fn remark(&self) -> Option<String> {
        let counts = self.data.iter().flatten();
        let (train, held_out) = counts.fold((0, 0), |(train, held_out), folder| {
            (train + folder.train, held_out + folder.held_out)
        });
        if train > 0 && train < FEW_PICTURES {
            Some(format!(
                "Only {train} pictures: enough to try it out, too few for a model that holds up on others."
            ))
        } else if train > 0 && held_out == 0 {
            Some("None is held out, so that no PSNR and no sheets can be shown.".to_owned())
        } else {
            None
        }
    }
}

fn recipe(choices: &TrainChoices) -> Result<TrainConfig, String> {
    match choices.recipe {
        Recipe::Preset => Preset::named(&choices.preset)
            .ok_or_else(|| "Choose a size.".to_owned())?
            .config(),
        Recipe::File if choices.config_path.trim().is_empty() => Err(
            "Give the path of a TOML file, such as a changed copy of models/recipe/softscope-32.toml."
                .to_owned(),
        ),
        Recipe::File => {
            TrainConfig::read(&typed_path(&choices.config_path)).map_err(|error| words::error_text(&error))
        }
    }
}

fn pictures_of(folder: &Path, held_out_share: f64) -> Result<Pictures, String> {
    let found =
        DataFolders::find(&[folder.to_owned()], held_out_share).map_err(|error| words::error_text(&error))?;
    if found.train.is_empty() {
        return Err(format!(
            "No pictures to train on lie directly in {} (nor in `train` inside it). Choose a folder of png, jpg, webp, \
             gif, bmp or tiff files.",
            folder.display()
        ));
    }
    Ok(Pictures {
        train: found.train.len(),
        held_out: found.held_out.len(),
    })
}

fn results_in(out: &Path) -> Results {
    match RunRecord::read(out) {
        Ok(Some(record)) => Results::Run(Box::new(record)),
        Ok(None) if out.exists() && !out.is_dir() => Results::Refused(format!(
            "{} is a file: choose a folder for the results.",
            out.display()
        )),
        Ok(None) if ModelFiles::locate(out).is_ok() => Results::Refused(format!(
            "{} holds a model that is no run of training, and would be overwritten: choose another folder.",
            out.display()
        )),
        Ok(None) => Results::Free,
        Err(error) => Results::Refused(words::error_text(&error)),
    }
}

/// The first of `my-tokenizer`, `my-tokenizer-2`, … that is not there.
fn proposed_folder(models: &Path) -> PathBuf {
    let first = models.join(PROPOSED_NAME);
    if !first.exists() {
        return first;
    }
    (2..)
        .map(|number: u32| models.join(format!("{PROPOSED_NAME}-{number}")))
        .find(|folder| !folder.exists())
        .unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(folder: &Path) -> TrainChoices {
        TrainChoices {
            data: vec![folder.to_owned()],
            ..TrainChoices::default()
        }
    }

    #[test]
    fn a_free_folder_among_the_models_is_proposed() {
        let folder = tempfile::tempdir().unwrap();
        let propose = || Checked::of(TrainChoices::default(), folder.path()).out;
        assert_eq!(propose(), folder.path().join("my-tokenizer"));
        std::fs::create_dir(folder.path().join("my-tokenizer")).unwrap();
        assert_eq!(propose(), folder.path().join("my-tokenizer-2"));
    }

    #[test]
    fn each_fault_is_told_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let checked = Checked::of(choices(&path("nowhere")), folder.path());
        assert!(checked.data[0].as_ref().unwrap_err().contains("nowhere"));
        let checked = Checked::of(choices(folder.path()), folder.path());
        assert!(checked.data[0].as_ref().unwrap_err().contains("No pictures"));
        assert!(checked.config.is_ok() && checked.order().is_err());

        std::fs::write(path("wrong.toml"), "stepz = 3").unwrap();
        let wrong = TrainChoices {
            recipe: Recipe::File,
            config_path: path("wrong.toml").display().to_string(),
            ..choices(folder.path())
        };
        let error = Checked::of(wrong, folder.path()).config.unwrap_err();
        assert!(error.contains("stepz") && error.contains("wrong.toml"), "{error}");

        std::fs::write(path("config.json"), "{}").unwrap();
        std::fs::write(path("model.safetensors"), "").unwrap();
        let taken = TrainChoices {
            out: folder.path().display().to_string(),
            ..TrainChoices::default()
        };
        let checked = Checked::of(taken, folder.path());
        assert!(matches!(checked.results, Results::Refused(text) if text.contains("overwritten")));
    }
}
