//! Tables of labels.

use crate::document::DocumentError;
use crate::document::extension::lower_extension;
use std::path::{Path, PathBuf};

/// The files of a table and its columns, each with its name.
pub(super) struct Table {
    pub(super) files: Vec<PathBuf>,
    pub(super) columns: Vec<(String, Vec<String>)>,
}

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self, DocumentError> {
        let text = std::fs::read_to_string(path).map_err(|source| DocumentError::read(path, source))?;
        let wrong = |line: usize, what: &str| DocumentError::LabelTable {
            path: path.to_path_buf(),
            line,
            what: what.to_owned(),
        };
        let divider = match lower_extension(path).as_deref() {
            Some("tsv") => '\t',
            _ => ',',
        };
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        let header = lines
            .next()
            .map(|(_, line)| fields(line, divider))
            .unwrap_or_default();
        if header.len() < 2 {
            return Err(wrong(1, "needs a line of names such as `file,label`"));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut files = Vec::new();
        let names = header.iter().skip(1);
        let mut columns: Vec<(String, Vec<String>)> = names.map(|name| (name.clone(), Vec::new())).collect();
        for (index, line) in lines {
            let row = fields(line, divider);
            if row.len() != header.len() {
                let what = format!("holds {} values and the first line {}", row.len(), header.len());
                return Err(wrong(index + 1, &what));
            }
            let mut values = row.into_iter();
            files.extend(values.next().map(|file| folder.join(file)));
            for ((_, column), value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
        if files.is_empty() {
            return Err(wrong(2, "names no picture"));
        }
        Ok(Self { files, columns })
    }
}

/// The values of a line, quotes taken off.
fn fields(line: &str, divider: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        let Some(field) = fields.last_mut() else { break };
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' => is_quoted = !is_quoted,
            other if other == divider && !is_quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields.iter().map(|field| field.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_keep_their_commas() {
        assert_eq!(fields(r#"a.png, "x, ""y""" ,z"#, ','), ["a.png", "x, \"y\"", "z"]);
        assert_eq!(fields("a,,", ','), ["a", "", ""]);
        assert_eq!(fields("a\tx, y", '\t'), ["a", "x, y"]);
    }

    #[test]
    fn a_broken_table_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("labels.csv");
        for (text, parts) in [
            ("", "file,label"),
            ("file,label\n", "names no picture"),
            ("file,label\na.png\n", "line 2 holds 1 values"),
        ] {
            std::fs::write(&table, text).unwrap();
            let told = Table::read(&table).err().unwrap().to_string();
            assert!(told.contains(parts), "{told}");
        }
    }
}
