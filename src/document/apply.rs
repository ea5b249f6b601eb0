use super::DocumentError;
use crate::latent::{Edit, LatentSpace, LatentState, apply};

/// The tokens after an edit list; an error names the edit that is not possible.
pub fn apply_edits(
    space: &LatentSpace,
    original: &LatentState,
    edits: &[Edit],
) -> Result<LatentState, DocumentError> {
    let mut state = original.clone();
    for (index, edit) in edits.iter().enumerate() {
        apply(space, original, &mut state, edit).map_err(|source| DocumentError::Edit {
            index,
            count: edits.len(),
            label: edit.label(),
            source,
        })?;
    }
    Ok(state)
}
