//! `set_weights`: named codewords get their weights, and the others what is left.

use super::change::{Change, chosen, mixed};
use super::{Pass, in_range, mixture};
use crate::latent::{Bottleneck, Codebook, EditError, Mixture, Rest};
use std::collections::HashSet;

impl Pass<'_> {
    pub(super) fn set_weights(
        &self,
        token: usize,
        listed: &[(usize, usize, f32)],
        rest: Rest,
    ) -> Result<Vec<Change>, EditError> {
        self.check_token(token)?;
        if let Bottleneck::Hard(codebook) = &self.space.bottleneck {
            return choose_codeword(codebook, token, listed, rest);
        }
        let codebook = self.mixing("set_weights")?;
        let current = self.editable_mixture(codebook, token);
        check_weights(codebook, token, current.segment, listed)?;
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
        Ok(vec![mixed(codebook, token, mixture)])
    }
}

fn set(weights: &mut [f64], codeword: usize, weight: f64) {
    if let Some(slot) = weights.get_mut(codeword) {
        *slot = weight;
    }
}

/// `set_weights` on a token of a hard quantiser: one codeword takes the whole weight.
fn choose_codeword(
    codebook: &Codebook,
    token: usize,
    listed: &[(usize, usize, f32)],
    rest: Rest,
) -> Result<Vec<Change>, EditError> {
    check_weights(codebook, token, 0, listed)?;
    match *listed {
        [(_, codeword, weight)] if weight > 0.0 && (rest == Rest::Zero || weight >= 1.0) => {
            Ok(chosen(codebook, token, codeword).into_iter().collect())
        }
        _ => Err(EditError::NotOneCodeword { token }),
    }
}

fn check_weights(
    codebook: &Codebook,
    token: usize,
    segment: usize,
    listed: &[(usize, usize, f32)],
) -> Result<(), EditError> {
    if listed.is_empty() {
        return Err(EditError::NoWeights { token });
    }
    let size = codebook.size;
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
