//! Aligned text tables.

pub(crate) use crate::document::csv_field;

/// Rows of text under a header; the first columns are aligned left, the others, which hold figures, right.
pub(crate) struct Table {
    rows: Vec<Row>,
    left_count: usize,
}

struct Row {
    cells: Vec<String>,
    /// Words in place of the cells that follow; no column grows for them.
    words: Option<String>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self {
            rows: vec![Row {
                cells: header.iter().map(ToString::to_string).collect(),
                words: None,
            }],
            left_count: 1,
        }
    }

    /// Aligns the first `count` columns left, not only one.
    pub(crate) fn with_left(self, count: usize) -> Self {
        Self {
            left_count: count,
            ..self
        }
    }

    pub(crate) fn push(&mut self, cells: Vec<String>) {
        self.rows.push(Row { cells, words: None });
    }

    /// Adds a row of a few cells and words in place of the others.
    pub(crate) fn push_words(&mut self, cells: Vec<String>, words: &str) {
        self.rows.push(Row {
            cells,
            words: Some(words.to_owned()),
        });
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let mut cells: Vec<String> = row
                .cells
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column {
                    column if column < self.left_count => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            cells.extend(row.words.clone());
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_place_of_figures_widen_no_column() {
        let mut table = Table::new(&["model", "dB"]);
        table.push(vec!["a".to_owned(), "12".to_owned()]);
        table.push_words(vec!["broken".to_owned()], "a long message");
        assert_eq!(table.render(), "model   dB\na       12\nbroken  a long message\n");
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["picture", "dB"]);
        table.push(vec!["a".into(), "21.5".into()]);
        assert_eq!(table.render(), "picture    dB\na        21.5\n");
        let mut table = Table::new(&["picture", "model", "dB"]).with_left(2);
        table.push(vec!["a".into(), "m".into(), "21.5".into()]);
        assert_eq!(table.render(), "picture  model    dB\na        m      21.5\n");
    }
}
