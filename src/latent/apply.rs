//! Edits carried out: an edit is first worked out as a list of changed rows, which is written only when all of it is
//! valid, so that a failed edit leaves the state as it was.

mod change;
mod weights;

use super::behind::{editable_mixture, segment_behind};
use super::checks::{check_row_finite, finite, in_range};
use super::mixture::{self, posterior};
use super::rows::{blend_rows, noisy};
use super::{
    Bottleneck, Codebook, DirectionSource, Edit, EditError, GaussianRow, LatentSpace, LatentState, Mixture,
    TokenSource, nearest_codeword, project_onto_hull,
};
use change::{Change, check_overflow, chosen, mixed, replaced};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// Blends may go this far beyond their ends.
const BLEND_RANGE: RangeInclusive<f32> = -1.0..=2.0;

/// Applies one edit to `state`. `original` is the state before any edit (what `restore` goes back to, and whose `h`
/// a new temperature is measured from). On error `state` is unchanged.
///
/// A row whose values an edit does not change keeps its mixture or codeword.
///
/// # Errors
/// Tokens, codewords or numbers that cannot be, and edits that the model's class does not have.
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
            Edit::Sample { tokens, amount, seed } => self.sample(tokens, *amount, *seed),
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
        codebook: &Codebook,
        tokens: &[usize],
        mixture: impl Fn(usize) -> Result<Mixture, EditError> + Sync,
    ) -> Result<Vec<Change>, EditError> {
        let change = |&token: &usize| Ok(mixed(codebook, token, mixture(token)?));
        tokens.par_iter().map(change).collect()
    }

    /// The codebook of a model whose tokens are mixtures, for the edit of the type `edit`.
    fn mixing(&self, edit: &'static str) -> Result<&Codebook, EditError> {
        let class = self.space.bottleneck.class_name();
        self.space.mixing().ok_or(EditError::NoMixtures { edit, class })
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

    fn temperature(&self, tokens: &[usize], tau: f32) -> Result<Vec<Change>, EditError> {
        in_range("tau", tau, tau > 0.0, "above 0")?;
        self.check_tokens(tokens)?;
        let codebook = self.mixing("temperature")?;
        Self::mixed(codebook, tokens, |token| {
            let h = self
                .state
                .h_row(token)
                .ok_or(EditError::EncoderOutputUnknown { token })?;
            Ok(posterior(codebook, self.segment_behind(codebook, token), h, tau))
        })
    }

    fn harden(&self, tokens: &[usize], top: usize) -> Result<Vec<Change>, EditError> {
        let codebook = self.mixing("harden")?;
        let size = codebook.size;
        if top == 0 || top > size {
            return Err(EditError::TopOutOfRange { top, size });
        }
        self.check_tokens(tokens)?;
        Self::mixed(codebook, tokens, |token| {
            Ok(mixture::hardened(&self.editable_mixture(codebook, token), top))
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

    fn sample(&self, tokens: &[usize], amount: f32, seed: u64) -> Result<Vec<Change>, EditError> {
        in_range("amount", amount, amount >= 0.0, "from 0 up")?;
        self.check_tokens(tokens)?;
        if !matches!(self.space.bottleneck, Bottleneck::Gaussian) {
            let class = self.space.bottleneck.class_name();
            return Err(EditError::NoDistribution { class });
        }
        let change = |&token: &usize| {
            let gaussian =
                GaussianRow::behind(self.state, token).ok_or(EditError::DistributionUnknown { token })?;
            Ok(Change::Moved {
                token,
                z: gaussian.sample(amount, seed, token),
                keeps_h: true,
            })
        };
        tokens.iter().map(change).collect()
    }

    /// Rows on a mixture are on the hull already, and rows that are a codeword are their own nearest.
    fn project(&self, tokens: &[usize]) -> Result<Vec<Change>, EditError> {
        self.check_tokens(tokens)?;
        let is_free = |token: &usize| self.state.assignments.get(*token).is_none_or(Option::is_none);
        let free: Vec<usize> = tokens.iter().copied().filter(is_free).collect();
        match &self.space.bottleneck {
            Bottleneck::Soft(codebook) => Self::mixed(codebook, &free, |token| {
                let segment = self.segment_behind(codebook, token);
                Ok(project_onto_hull(codebook, segment, self.state.z.row(token)).mixture)
            }),
            Bottleneck::Hard(codebook) => Ok(free
                .par_iter()
                .filter_map(|&token| {
                    let (nearest, _) = nearest_codeword(codebook, 0, self.state.z.row(token))?;
                    chosen(codebook, token, nearest)
                })
                .collect()),
            Bottleneck::Gaussian | Bottleneck::Identity => Err(EditError::NoCodebook {
                class: self.space.bottleneck.class_name(),
            }),
        }
    }

    fn editable_mixture(&self, codebook: &Codebook, token: usize) -> Mixture {
        editable_mixture(codebook, self.original, self.state, token)
    }

    fn segment_behind(&self, codebook: &Codebook, token: usize) -> usize {
        segment_behind(codebook, self.original, self.state, token)
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
            let tokens_fit = |tokens: &super::Tokens, dim: usize| {
                tokens.count == original.count
                    && tokens.dim == dim
                    && tokens.values.len() == tokens.count * tokens.dim
            };
            let h_fits = |h| tokens_fit(h, self.space.encoder_dim());
            tokens_fit(&state.z, self.space.dim)
                && state.h.as_ref().is_none_or(h_fits)
                && state.assignments.len() == state.z.count
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
}
