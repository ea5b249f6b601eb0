//! Which class a picture belongs to.

use crate::trainer::TrainError;
use std::path::Path;

/// Classes by the beginning of file names: lines of `beginning<TAB>class`, `#` for remarks. The longest beginning that
/// ends where a word of the name ends decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelTable {
    entries: Vec<(String, String)>,
}

impl LabelTable {
    /// Reads a table.
    ///
    /// # Errors
    /// An unreadable file, a line that is not of two columns; the message names file and line.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|source| TrainError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|reason| TrainError::Config {
            path: path.to_owned(),
            reason,
        })
    }

    /// Takes a table from its text.
    ///
    /// # Errors
    /// A message that names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entries = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
            match *columns {
                [beginning, class] if !beginning.is_empty() && !class.is_empty() => {
                    entries.push((beginning.to_owned(), class.to_owned()));
                }
                _ => {
                    return Err(format!(
                        "line {number} is not the beginning of a file name, a tab and a class: {line}"
                    ));
                }
            }
        }
        if entries.is_empty() {
            return Err("the table names no class".to_owned());
        }
        Ok(Self { entries })
    }

    /// The classes, in the order in which the table first names them.
    pub fn classes(&self) -> Vec<String> {
        let mut classes: Vec<String> = Vec::new();
        for (_, class) in &self.entries {
            if !classes.contains(class) {
                classes.push(class.clone());
            }
        }
        classes
    }

    /// The class of a file by its name without extension.
    pub fn class_of(&self, stem: &str) -> Option<&str> {
        self.entries
            .iter()
            .filter(|(beginning, _)| begins_with_word(stem, beginning))
            .max_by_key(|(beginning, _)| beginning.len())
            .map(|(_, class)| class.as_str())
    }
}

/// "man" begins "man-dancing" and "man2", but not "mango".
fn begins_with_word(stem: &str, beginning: &str) -> bool {
    stem.strip_prefix(beginning)
        .is_some_and(|rest| !rest.chars().next().is_some_and(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_of_whole_words_decides() {
        let table = LabelTable::parse(
            "# people before objects\nman\tpeople\n\nman-in-tuxedo\tclothes\nmango\tfood\npack__sea\twater\n",
        )
        .unwrap();
        let class = |stem| table.class_of(stem);
        assert_eq!(class("man"), Some("people"));
        assert_eq!(class("man-dancing-dark"), Some("people"));
        assert_eq!(class("man-in-tuxedo-light"), Some("clothes"));
        assert_eq!(class("mango"), Some("food"));
        assert_eq!(class("mantis"), None);
        assert_eq!(class("pack__sea12"), Some("water"));
        assert_eq!(class("pack__seal"), None);
        assert_eq!(table.classes(), ["people", "clothes", "food", "water"]);
    }

    #[test]
    fn lines_that_are_no_entries_are_named() {
        for wrong in ["man", "man\t", "\tpeople", "a\tb\tc"] {
            let error = LabelTable::parse(&format!("cat\tanimals\n{wrong}\n")).unwrap_err();
            assert!(error.contains("line 2"), "{error}");
        }
        assert!(LabelTable::parse("# nothing\n").is_err());
    }
}
