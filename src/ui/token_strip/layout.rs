//! Where the cells of the strip lie.

use egui::{Pos2, Rect, Vec2, pos2, vec2};

/// Equal cells in reading order, in as few rows as their smallest size allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CellGrid {
    count: usize,
    columns: usize,
    cell_width: f32,
}

const MIN_CELL_WIDTH: f32 = 18.0;
const MAX_CELL_WIDTH: f32 = 32.0;
const CELL_HEIGHT: f32 = 24.0;
/// Between cells; the band of the codebook segment lies in it below a cell.
const GAP: Vec2 = vec2(3.0, 7.0);
/// Around all cells, for the outlines of the outer ones.
const MARGIN: f32 = 3.0;
/// Rows are a multiple of this long where there are several, so that indices line up.
const COLUMN_STEP: usize = 8;

impl CellGrid {
    pub(super) fn new(width: f32, count: usize) -> Self {
        let width = (width - 2.0 * MARGIN).max(MIN_CELL_WIDTH);
        let fitting = (((width + GAP.x) / (MIN_CELL_WIDTH + GAP.x)) as usize).max(1);
        let columns = if count <= fitting {
            count.max(1)
        } else {
            let rows = count.div_ceil(fitting);
            let even = count.div_ceil(rows).next_multiple_of(COLUMN_STEP);
            if even <= fitting {
                even
            } else {
                (fitting / COLUMN_STEP * COLUMN_STEP).max(fitting.min(COLUMN_STEP))
            }
        };
        let cell_width = ((width + GAP.x) / columns as f32 - GAP.x).clamp(1.0, MAX_CELL_WIDTH);
        Self {
            count,
            columns,
            cell_width: cell_width.floor(),
        }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn size(&self) -> Vec2 {
        let rows = self.count.div_ceil(self.columns) as f32;
        let columns = self.columns.min(self.count) as f32;
        vec2(
            columns * (self.cell_width + GAP.x) - GAP.x,
            rows * (CELL_HEIGHT + GAP.y),
        ) + Vec2::splat(2.0 * MARGIN)
    }

    /// The cell of `token`, from the grid's corner.
    pub(super) fn cell(&self, token: usize) -> Rect {
        let (row, column) = (token / self.columns, token % self.columns);
        let corner = pos2(
            MARGIN + column as f32 * (self.cell_width + GAP.x),
            MARGIN + row as f32 * (CELL_HEIGHT + GAP.y),
        );
        Rect::from_min_size(corner, vec2(self.cell_width, CELL_HEIGHT))
    }

    /// The token whose cell is nearest to `point`, from the grid's corner.
    pub(super) fn nearest(&self, point: Pos2) -> usize {
        let along = |at: f32, step: f32| ((at - MARGIN) / step).floor().max(0.0) as usize;
        let last_row = self.count.saturating_sub(1) / self.columns;
        let row = along(point.y, CELL_HEIGHT + GAP.y).min(last_row);
        let column = along(point.x, self.cell_width + GAP.x).min(self.columns - 1);
        (row * self.columns + column).min(self.count.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thirty_two_tokens_fit_one_row_of_the_window() {
        assert_eq!(CellGrid::new(720.0, 32).columns(), 32);
        assert_eq!(CellGrid::new(720.0, 64).columns(), 32);
        assert_eq!(CellGrid::new(720.0, 128).columns(), 32);
    }

    proptest! {
        #[test]
        fn every_cell_is_found_where_it_is(width in 10.0_f32..2000.0, count in 1_usize..300) {
            let grid = CellGrid::new(width, count);
            let all = Rect::from_min_size(Pos2::ZERO, grid.size());
            for token in 0..count {
                let cell = grid.cell(token);
                prop_assert!(all.contains_rect(cell));
                prop_assert_eq!(grid.nearest(cell.center()), token);
            }
            prop_assert!(width < 60.0 || grid.size().x <= width, "{} in {}", grid.size().x, width);
            prop_assert!(grid.nearest(pos2(-50.0, -50.0)) == 0);
            prop_assert!(grid.nearest(pos2(9e4, 9e4)) == count - 1);
        }
    }
}
