//! Where a run keeps its unsaved work. Several windows may run at once: each holds a slot of its own, locked while it
//! runs, so that none writes over or restores what another is working on.

use super::{DocumentError, Places};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Windows at once that keep their unsaved work apart; further ones share the last slot.
const SLOTS: usize = 16;

/// One run's autosave. The lock goes with the process, however it ends.
#[derive(Debug)]
pub(super) struct AutosaveSlot {
    folder: PathBuf,
    number: usize,
    /// `None` where the folder does not allow one: then nothing can be written there either.
    _lock: Option<File>,
}

impl AutosaveSlot {
    /// The first slot no running window holds.
    pub(super) fn take(places: &Places) -> Self {
        let folder = places.data.clone();
        let free = (0..SLOTS).find_map(|number| Some((number, lock(&folder, number)?)));
        let (number, lock) = match free {
            Some((number, lock)) => (number, Some(lock)),
            None => (0, None),
        };
        Self {
            folder,
            number,
            _lock: lock,
        }
    }

    /// This run's unsaved work.
    pub(super) fn file(&self) -> PathBuf {
        autosave_file(&self.folder, self.number)
    }

    /// The unsaved work of a run that has ended, kept while this run writes its own.
    pub(super) fn last_file(&self) -> PathBuf {
        self.folder.join(numbered("last-run", self.number))
    }

    /// Puts what a run that has ended left unsaved aside, so that this run's work does not replace it: what lies in this
    /// slot, else what lies in one that no running window holds.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub(super) fn keep_last(&self) -> Result<(), DocumentError> {
        let to = self.last_file();
        let mut left = vec![(self.file(), None)];
        if !self.file().is_file() && !to.is_file() {
            let others = (0..SLOTS).filter(|number| *number != self.number);
            left.extend(others.filter_map(|number| {
                let file = autosave_file(&self.folder, number);
                let lock = file.is_file().then(|| lock(&self.folder, number)).flatten()?;
                Some((file, Some(lock)))
            }));
        }
        match left.into_iter().find(|(file, _)| file.is_file()) {
            Some((from, _lock)) => {
                std::fs::rename(&from, &to).map_err(|error| DocumentError::write(&to, error))
            }
            None => Ok(()),
        }
    }
}

fn autosave_file(folder: &Path, number: usize) -> PathBuf {
    folder.join(numbered("autosave", number))
}

/// The first slot has the plain name.
fn numbered(stem: &str, number: usize) -> String {
    match number {
        0 => format!("{stem}.softscope"),
        number => format!("{stem}-{number}.softscope"),
    }
}

/// The lock of a slot, or `None` where another process holds it or the folder does not allow one.
fn lock(folder: &Path, number: usize) -> Option<File> {
    let open = || -> io::Result<File> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!(".autosave-{number}.lock"));
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
    };
    let file = open().ok()?;
    file.try_lock().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> Places {
        Places {
            shipped_models: None,
            installed_models: folder.join("models"),
            samples: None,
            data: folder.to_path_buf(),
            hub: crate::hub::Settings::offline_in(folder),
        }
    }

    #[test]
    fn windows_at_once_keep_their_work_apart() {
        let folder = tempfile::tempdir().unwrap();
        let first = AutosaveSlot::take(&places(folder.path()));
        let second = AutosaveSlot::take(&places(folder.path()));
        assert_ne!(first.file(), second.file());
        std::fs::write(first.file(), "first").unwrap();

        // What the first is working on is not taken from under it.
        second.keep_last().unwrap();
        assert!(first.file().is_file());
        assert!(!second.last_file().exists());
    }

    #[test]
    fn what_an_ended_run_left_is_found_in_whichever_slot_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let first = AutosaveSlot::take(&places(folder.path()));
        let second = AutosaveSlot::take(&places(folder.path()));
        std::fs::write(second.file(), "second").unwrap();
        drop((first, second));

        let next = AutosaveSlot::take(&places(folder.path()));
        next.keep_last().unwrap();
        assert_eq!(std::fs::read_to_string(next.last_file()).unwrap(), "second");
        assert!(!autosave_file(folder.path(), 1).exists());
    }

    #[test]
    fn unsaved_work_of_two_runs_is_offered_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(autosave_file(folder.path(), 0), "plain").unwrap();
        std::fs::write(autosave_file(folder.path(), 1), "other").unwrap();
        let slot = AutosaveSlot::take(&places(folder.path()));
        slot.keep_last().unwrap();
        assert_eq!(std::fs::read_to_string(slot.last_file()).unwrap(), "plain");
        // Until that is restored or given up, the other one waits.
        slot.keep_last().unwrap();
        assert_eq!(std::fs::read_to_string(slot.last_file()).unwrap(), "plain");
        std::fs::remove_file(slot.last_file()).unwrap();
        slot.keep_last().unwrap();
        assert_eq!(std::fs::read_to_string(slot.last_file()).unwrap(), "other");
    }
}
