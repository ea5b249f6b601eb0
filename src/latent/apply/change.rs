//! What becomes of a row, worked out and not yet written.

use crate::latent::{Assignment, Codebook, EditError, LatentState, Mixture};

/// What becomes of one row.
pub(super) enum Change {
    /// New values off the codewords, of a token whose encoder output stays known or not.
    Moved {
        token: usize,
        z: Vec<f32>,
        keeps_h: bool,
    },
    /// A new mixture or codeword and the values it gives.
    Assigned {
        token: usize,
        z: Vec<f32>,
        assignment: Assignment,
    },
    /// Another row with all that is behind it.
    Replaced {
        token: usize,
        h: Option<Vec<f32>>,
        z: Vec<f32>,
        assignment: Option<Assignment>,
    },
}

impl Change {
    pub(super) fn write(self, state: &mut LatentState) {
        match self {
            Self::Moved { token, z, keeps_h } => {
                if state.z.row(token) == z {
                    return;
                }
                state.z.row_mut(token).copy_from_slice(&z);
                set_assignment(state, token, None);
                if !keeps_h {
                    state.forget_h(token);
                }
            }
            Self::Assigned { token, z, assignment } => {
                state.z.row_mut(token).copy_from_slice(&z);
                set_assignment(state, token, Some(assignment));
            }
            Self::Replaced {
                token,
                h,
                z,
                assignment,
            } => {
                state.z.row_mut(token).copy_from_slice(&z);
                set_assignment(state, token, assignment);
                match (&mut state.h, h) {
                    (Some(rows), Some(row)) => rows.row_mut(token).copy_from_slice(&row),
                    _ => state.forget_h(token),
                }
            }
        }
    }
}

fn set_assignment(state: &mut LatentState, token: usize, assignment: Option<Assignment>) {
    if let Some(slot) = state.assignments.get_mut(token) {
        *slot = assignment;
    }
}

/// Rows from elsewhere are as they were there; what is worked out here must be finite.
pub(super) fn check_overflow(changes: &[Change]) -> Result<(), EditError> {
    for change in changes {
        if let Change::Moved { token, z, .. } | Change::Assigned { token, z, .. } = change
            && !z.iter().all(|value| value.is_finite())
        {
            return Err(EditError::Overflow { token: *token });
        }
    }
    Ok(())
}

/// Row `from` of `source`, with all that is behind it, for place `to`.
pub(super) fn replaced(source: &LatentState, from: usize, to: usize) -> Change {
    Change::Replaced {
        token: to,
        h: source.h_row(from).map(<[f32]>::to_vec),
        z: source.z.row(from).to_vec(),
        assignment: source.assignments.get(from).cloned().flatten(),
    }
}

/// Row `token` as a mixture.
pub(super) fn mixed(codebook: &Codebook, token: usize, mixture: Mixture) -> Change {
    Change::Assigned {
        token,
        z: codebook.mix(&mixture),
        assignment: Assignment::Soft(mixture),
    }
}

/// Row `token` as a codeword; `None` where there is no such codeword.
pub(super) fn chosen(codebook: &Codebook, token: usize, codeword: usize) -> Option<Change> {
    Some(Change::Assigned {
        token,
        z: codebook.codeword(0, codeword)?.to_vec(),
        assignment: Assignment::Hard(codeword),
    })
}
