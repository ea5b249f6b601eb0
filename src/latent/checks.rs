//! What numbers an edit may hold.

use super::EditError;

pub(super) fn finite(what: &'static str, value: f32) -> Result<(), EditError> {
    in_range(what, value, true, "that is finite")
}

/// `is_inside` says whether a finite value is allowed.
pub(super) fn in_range(
    what: &'static str,
    value: f32,
    is_inside: bool,
    range: &'static str,
) -> Result<(), EditError> {
    if value.is_finite() && is_inside {
        Ok(())
    } else {
        Err(EditError::ValueOutOfRange { what, value, range })
    }
}

pub(super) fn check_row_finite(row: usize, values: &[f32]) -> Result<(), EditError> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(&value) => Err(EditError::SourceNotFinite { row, value }),
        None => Ok(()),
    }
}
