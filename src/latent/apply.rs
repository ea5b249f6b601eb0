//! Edits carried out: an edit is first worked out as a list of changed rows, which is written only when all of it is
//! valid, so that a failed edit leaves the state as it was.

use super::behind::{editable_mixture, segment_behind};
use super::mixture::{self, posterior};
use super::rows::{blend_rows, noisy};
use super::{
    DirectionSource, Edit, EditError, LatentSpace, LatentState, Mixture, Rest, TokenSource, project_onto_hull,
};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// Blends may go this far beyond their ends.
const BLEND_RANGE: RangeInclusive<f32> = -1.0..=2.0;

/// Applies one edit to `state`. `original` is the state before any edit (what `restore` goes back to, and whose `h`
/// a new temperature is measured from). On error `state` is unchanged.
///
/// A row whose values an edit does not change keeps its mixture.
pub fn apply(
    space: &LatentSpace,
    original: &LatentState,
    state: &mut LatentState,
    edit: &Edit,
) -> Result<(), EditError> {
    let pass = Pass {
        space,
        original,
        state,
    };
    pass.check_shapes()?;
    let changes = pass.changes(edit)?;
    check_overflow(&changes)?;
    for change in changes {
        change.write(state);
    }
    Ok(())
}

/// What becomes of one row.
enum Change {
    /// New values on no mixture, of a token whose encoder output stays known or not.
    Moved {
        token: usize,
        z: Vec<f32>,
        keeps_h: bool,
    },
    /// A new mixture and the values it gives.
    Mixed {
        token: usize,
        z: Vec<f32>,
        mixture: Mixture,
    },
    /// Another row with all that is behind it.
    Replaced {
        token: usize,
        h: Option<Vec<f32>>,
        z: Vec<f32>,
        mixture: Option<Mixture>,
    },
}

impl Change {
    fn write(self, state: &mut LatentState) {
        match self {
            Self::Moved { token, z, keeps_h } => {
                if state.z.row(token) == z {
                    return;
                }
                state.z.row_mut(token).copy_from_slice(&z);
                set_mixture(state, token, None);
                if !keeps_h {
                    state.forget_h(token);
                }
            }
            Self::Mixed { token, z, mixture } => {
                state.z.row_mut(token).copy_from_slice(&z);
                set_mixture(state, token, Some(mixture));
            }
            Self::Replaced { token, h, z, mixture } => {
                state.z.row_mut(token).copy_from_slice(&z);
                set_mixture(state, token, mixture);
                match (&mut state.h, h) {
                    (Some(rows), Some(row)) => rows.row_mut(token).copy_from_slice(&row),
                    _ => state.forget_h(token),
                }
            }
        }
    }
}

fn set_mixture(state: &mut LatentState, token: usize, mixture: Option<Mixture>) {
    if let Some(slot) = state.mixtures.get_mut(token) {
        *slot = mixture;
    }
}

/// One edit being worked out.
struct Pass<'a> {
    space: &'a LatentSpace,
    original: &'a LatentState,
    state: &'a LatentState,
}

impl Pass<'_> {
    fn changes(&self, edit: &Edit) -> Result<Vec<Change>, EditError> {
        match edit {
            Edit::SetValue { token, dim, value } => self.set_value(*token, *dim, *value),
            Edit::Scale { tokens, factor } => {
                finite("factor", *factor)?;
                self.moved(tokens, |_, row| row.iter().map(|value| factor * value).collect())
            }
            Edit::SetWeights { token, weights, rest } => self.set_weights(*token, weights, *rest),
            Edit::Temperature { tokens, tau } => self.temperature(tokens, *tau),
            Edit::Harden { tokens, top } => self.harden(tokens, *top),
            Edit::Swap { a, b } => {
                self.check_token(*a)?;
                self.check_token(*b)?;
                Ok(vec![replaced(self.state, *b, *a), replaced(self.state, *a, *b)])
            }
            Edit::Copy { from, tokens, to } => self.copy(from, tokens, to),
            Edit::Blend {
                with,
                tokens,
                t,
                mode,
            } => {
                in_range("t", *t, BLEND_RANGE.contains(t), "from -1 to 2")?;
                self.check_tokens(tokens)?;
                let source = self.source_rows(with, tokens)?;
                let blended = tokens.iter().zip(source).map(|(&token, row)| Change::Moved {
                    token,
                    z: blend_rows(self.state.z.row(token), row, *t, *mode),
                    keeps_h: false,
                });
                Ok(blended.collect())
            }
            Edit::Mean { tokens } => self.moved(tokens, |_, row| vec![self.space.mean; row.len()]),
            Edit::Zero { tokens } => self.moved(tokens, |_, row| vec![0.0; row.len()]),
            Edit::Noise { tokens, sigma, seed } => {
                in_range("sigma", *sigma, *sigma >= 0.0, "from 0 up")?;
                let deviation = sigma * self.space.std;
                self.moved(tokens, |token, row| noisy(row, deviation, *seed, token))
            }
            Edit::Direction { source, amount } => self.direction(source, *amount),
            Edit::Project { tokens } => self.project(tokens),
            Edit::Restore { tokens } => {
                self.check_tokens(tokens)?;
                Ok(tokens
                    .iter()
                    .map(|&token| replaced(self.original, token, token))
                    .collect())
            }
        }
    }

    /// Rows that a function of token and values moves off their mixtures.
    fn moved(
        &self,
        tokens: &[usize],
        values: impl Fn(usize, &[f32]) -> Vec<f32>,
    ) -> Result<Vec<Change>, EditError> {
        self.check_tokens(tokens)?;
        let change = |&token: &usize| Change::Moved {
            token,
            z: values(token, self.state.z.row(token)),
            keeps_h: true,
        };
        Ok(tokens.iter().map(change).collect())
    }

    /// Rows that get a new mixture, worked out side by side: one takes a pass over a whole codebook segment.
    fn mixed(
        &self,
        tokens: &[usize],
        mixture: impl Fn(usize) -> Result<Mixture, EditError> + Sync,
    ) -> Result<Vec<Change>, EditError> {
        let change = |&token: &usize| {
            let mixture = mixture(token)?;
            Ok(Change::Mixed {
                token,
                z: self.space.codebook.mix(&mixture),
                mixture,
            })
        };
        tokens.par_iter().map(change).collect()
    }

    fn set_value(&self, token: usize, dim: usize, value: f32) -> Result<Vec<Change>, EditError> {
        finite("value", value)?;
        self.check_token(token)?;
        let mut z = self.state.z.row(token).to_vec();
        let dims = z.len();
        *z.get_mut(dim)
            .ok_or(EditError::DimOutOfRange { token, dim, dims })? = value;
        Ok(vec![Change::Moved {
            token,
            z,
            keeps_h: true,
        }])
    }

    fn set_weights(
        &self,
        token: usize,
        listed: &[(usize, usize, f32)],
        rest: Rest,
    ) -> Result<Vec<Change>, EditError> {
        self.check_token(token)?;
        let current = self.editable_mixture(token);
        self.check_weights(token, current.segment, listed)?;
        let mut weights: Vec<f64> = match rest {
            Rest::Proportional => current.weights.iter().map(|weight| f64::from(*weight)).collect(),
            Rest::Zero => vec![0.0; current.weights.len()],
        };
        for (_, codeword, _) in listed {
            set(&mut weights, *codeword, 0.0);
        }
        let rest_sum: f64 = weights.iter().sum();
        let listed_sum: f64 = listed.iter().map(|(_, _, weight)| f64::from(*weight)).sum();
        let share = if rest_sum > 0.0 {
            (1.0 - listed_sum).max(0.0) / rest_sum
        } else {
            0.0
        };
        for weight in &mut weights {
            *weight *= share;
        }
        for (_, codeword, weight) in listed {
            set(&mut weights, *codeword, f64::from(*weight));
        }
        let weights = mixture::distribution(&weights).ok_or(EditError::NoMass { token })?;
        let mixture = Mixture {
            segment: current.segment,
            weights,
        };
        Ok(vec![Change::Mixed {
            token,
            z: self.space.codebook.mix(&mixture),
            mixture,
        }])
    }

    fn temperature(&self, tokens: &[usize], tau: f32) -> Result<Vec<Change>, EditError> {
        in_range("tau", tau, tau > 0.0, "above 0")?;
        self.check_tokens(tokens)?;
        self.mixed(tokens, |token| {
            let h = self
                .state
                .h_row(token)
                .ok_or(EditError::EncoderOutputUnknown { token })?;
            Ok(posterior(
                &self.space.codebook,
                self.segment_behind(token),
                h,
                tau,
            ))
        })
    }

    fn harden(&self, tokens: &[usize], top: usize) -> Result<Vec<Change>, EditError> {
        let size = self.space.codebook.size;
        if top == 0 || top > size {
            return Err(EditError::TopOutOfRange { top, size });
        }
        self.check_tokens(tokens)?;
        self.mixed(tokens, |token| {
            Ok(mixture::hardened(&self.editable_mixture(token), top))
        })
    }

    fn copy(&self, from: &TokenSource, tokens: &[usize], to: &[usize]) -> Result<Vec<Change>, EditError> {
        let source = self.source_rows(from, tokens)?;
        let places = if to.is_empty() { tokens } else { to };
        if places.len() != tokens.len() {
            return Err(EditError::TargetCount {
                tokens: tokens.len(),
                targets: places.len(),
            });
        }
        self.check_tokens(places)?;
        let change = |(&token, row): (&usize, &[f32])| Change::Moved {
            token,
            z: row.to_vec(),
            keeps_h: false,
        };
        Ok(places.iter().zip(source).map(change).collect())
    }

    fn direction(&self, source: &DirectionSource, amount: f32) -> Result<Vec<Change>, EditError> {
        finite("amount", amount)?;
        let rows = match source {
            DirectionSource::Name(name) => return Err(EditError::DirectionUnresolved { name: name.clone() }),
            DirectionSource::Vector(rows) => rows,
        };
        let (count, dim) = (self.state.z.count, self.space.dim);
        let odd = rows.iter().find(|row| row.len() != dim);
        if odd.is_some() || (rows.len() != 1 && rows.len() != count) {
            let width = odd.or(rows.first()).map_or(0, Vec::len);
            return Err(EditError::DirectionShape {
                rows: rows.len(),
                width,
                count,
                dim,
            });
        }
        for (row, values) in rows.iter().enumerate() {
            check_row_finite(row, values)?;
        }
        let steps = rows.iter().cycle().take(count);
        let moved = steps.enumerate().map(|(token, step)| {
            let z = self
                .state
                .z
                .row(token)
                .iter()
                .zip(step)
                .map(|(value, step)| value + amount * step)
                .collect();
            Change::Moved {
                token,
                z,
                keeps_h: true,
            }
        });
        Ok(moved.collect())
    }

    /// Rows on a mixture are on the hull already.
    fn project(&self, tokens: &[usize]) -> Result<Vec<Change>, EditError> {
        self.check_tokens(tokens)?;
        let free: Vec<usize> = tokens
            .iter()
            .copied()
            .filter(|token| self.state.mixture(*token).is_none())
            .collect();
        self.mixed(&free, |token| {
            let segment = self.segment_behind(token);
            Ok(project_onto_hull(&self.space.codebook, segment, self.state.z.row(token)).mixture)
        })
    }

    fn editable_mixture(&self, token: usize) -> Mixture {
        editable_mixture(self.space, self.original, self.state, token)
    }

    fn segment_behind(&self, token: usize) -> usize {
        segment_behind(self.space, self.original, self.state, token)
    }

    /// The rows `tokens` of tokens given in the edit.
    fn source_rows<'s>(
        &self,
        source: &'s TokenSource,
        tokens: &[usize],
    ) -> Result<Vec<&'s [f32]>, EditError> {
        let rows = match source {
            TokenSource::Path(path) => return Err(EditError::SourceUnresolved { path: path.clone() }),
            TokenSource::Embedded { z, .. } => z,
        };
        let find = |&token: &usize| {
            let row = rows.get(token).ok_or(EditError::SourceTokenOutOfRange {
                token,
                count: rows.len(),
            })?;
            if row.len() != self.space.dim {
                return Err(EditError::SourceWidth {
                    row: token,
                    found: row.len(),
                    expected: self.space.dim,
                });
            }
            check_row_finite(token, row)?;
            Ok(row.as_slice())
        };
        tokens.iter().map(find).collect()
    }

    fn check_shapes(&self) -> Result<(), EditError> {
        let (z, original) = (&self.state.z, &self.original.z);
        let fits = |state: &LatentState| {
            let tokens_fit = |tokens: &super::Tokens| {
                tokens.count == original.count
                    && tokens.dim == self.space.dim
                    && tokens.values.len() == tokens.count * tokens.dim
            };
            tokens_fit(&state.z)
                && state.h.as_ref().is_none_or(tokens_fit)
                && state.mixtures.len() == state.z.count
        };
        if fits(self.state) && fits(self.original) {
            return Ok(());
        }
        Err(EditError::StateShape {
            count: z.count,
            dim: z.dim,
            expected_count: original.count,
            expected_dim: self.space.dim,
        })
    }

    fn check_token(&self, token: usize) -> Result<(), EditError> {
        let count = self.state.z.count;
        if token < count {
            Ok(())
        } else {
            Err(EditError::TokenOutOfRange { token, count })
        }
    }

    fn check_tokens(&self, tokens: &[usize]) -> Result<(), EditError> {
        if tokens.is_empty() {
            return Err(EditError::NoTokens);
        }
        let mut seen = HashSet::new();
        for &token in tokens {
            self.check_token(token)?;
            if !seen.insert(token) {
                return Err(EditError::DuplicateToken { token });
            }
        }
        Ok(())
    }

    fn check_weights(
        &self,
        token: usize,
        segment: usize,
        listed: &[(usize, usize, f32)],
    ) -> Result<(), EditError> {
        if listed.is_empty() {
            return Err(EditError::NoWeights { token });
        }
        let size = self.space.codebook.size;
        let mut seen = HashSet::new();
        for &(given, codeword, weight) in listed {
            if given != segment {
                return Err(EditError::SegmentMismatch {
                    token,
                    given,
                    expected: segment,
                });
            }
            if codeword >= size {
                return Err(EditError::CodewordOutOfRange {
                    segment,
                    codeword,
                    size,
                });
            }
            in_range("weight", weight, weight >= 0.0, "from 0 up")?;
            if !seen.insert(codeword) {
                return Err(EditError::DuplicateCodeword { token, codeword });
            }
        }
        Ok(())
    }
}

/// Rows from elsewhere are as they were there; what is worked out here must be finite.
fn check_overflow(changes: &[Change]) -> Result<(), EditError> {
    for change in changes {
        if let Change::Moved { token, z, .. } | Change::Mixed { token, z, .. } = change
            && !z.iter().all(|value| value.is_finite())
        {
            return Err(EditError::Overflow { token: *token });
        }
    }
    Ok(())
}

/// Row `from` of `source`, with all that is behind it, for place `to`.
fn replaced(source: &LatentState, from: usize, to: usize) -> Change {
    Change::Replaced {
        token: to,
        h: source.h_row(from).map(<[f32]>::to_vec),
        z: source.z.row(from).to_vec(),
        mixture: source.mixture(from).cloned(),
    }
}

fn set(weights: &mut [f64], codeword: usize, weight: f64) {
    if let Some(slot) = weights.get_mut(codeword) {
        *slot = weight;
    }
}

fn finite(what: &'static str, value: f32) -> Result<(), EditError> {
    in_range(what, value, true, "that is finite")
}

/// `is_inside` says whether a finite value is allowed.
fn in_range(what: &'static str, value: f32, is_inside: bool, range: &'static str) -> Result<(), EditError> {
    if value.is_finite() && is_inside {
        Ok(())
    } else {
        Err(EditError::ValueOutOfRange { what, value, range })
    }
}

fn check_row_finite(row: usize, values: &[f32]) -> Result<(), EditError> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(&value) => Err(EditError::SourceNotFinite { row, value }),
        None => Ok(()),
    }
}
