//! Aligned text tables.

pub(crate) use crate::document::csv_field;

/// Rows of text under a header; the first columns are aligned left, the others, which hold figures, right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    left_count: usize,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self {
            rows: vec![header.iter().map(ToString::to_string).collect()],
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

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| match column {
                    column if column < self.left_count => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
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
    fn columns_line_up() {
        let mut table = Table::new(&["picture", "dB"]);
        table.push(vec!["a".into(), "21.5".into()]);
        assert_eq!(table.render(), "picture    dB\na        21.5\n");
        let mut table = Table::new(&["picture", "model", "dB"]).with_left(2);
        table.push(vec!["a".into(), "m".into(), "21.5".into()]);
        assert_eq!(table.render(), "picture  model    dB\na        m      21.5\n");
    }
}
