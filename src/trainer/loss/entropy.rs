//! How surely tokens choose codewords, and how evenly codewords are chosen (SoftVQ-VAE, section 3.2, as the reference
//! computes it), with the gradient worked out in the same sweep.

use crate::tokenizer::over_rows::row_sums;
use crate::trainer::values::values;
use candle_core::{CpuStorage, CustomOp1, D, Device, Layout, Result, Shape, Tensor};
use std::sync::OnceLock;

/// Temperature of the softmax, whatever the model's own.
const ENTROPY_TEMPERATURE: f32 = 0.01;
/// Added under the logarithm of the mean distribution of a soft quantiser.
pub const SOFT_LOG_FLOOR: f32 = 1e-6;
/// The same of a hard one.
pub const HARD_LOG_FLOOR: f32 = 1e-5;

/// Mean entropy of the rows of `similarities` [.., n] as distributions, less the entropy of their mean: small when each
/// token leans on few codewords and all codewords have their tokens. A scalar. `log_floor`: [`SOFT_LOG_FLOOR`] or
/// [`HARD_LOG_FLOOR`].
///
/// # Errors
/// A tensor that is not f32.
pub fn entropy_term(similarities: &Tensor, log_floor: f32) -> Result<Tensor> {
    if !similarities.device().is_cpu() {
        return composed(similarities, log_floor);
    }
    similarities.contiguous()?.apply_op1(Entropy {
        log_floor,
        gradient: OnceLock::new(),
    })
}

/// The same of candle's operations, for any device.
fn composed(similarities: &Tensor, log_floor: f32) -> Result<Tensor> {
    let logits = (similarities / f64::from(ENTROPY_TEMPERATURE))?;
    let logits = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let logs = logits.broadcast_sub(&logits.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let weights = logs.exp()?;
    let row_entropy = (&weights * &logs)?.sum(D::Minus1)?.mean_all()?.neg()?;
    let rows = weights.elem_count() / weights.dim(D::Minus1)?.max(1);
    let mean = (row_sums(&weights.reshape((rows, ()))?)? / rows as f64)?;
    let mean_entropy = (&mean * (&mean + f64::from(log_floor))?.log()?)?
        .sum_all()?
        .neg()?;
    row_entropy - mean_entropy
}

struct Entropy {
    log_floor: f32,
    /// Of the similarities, known once the term is.
    gradient: OnceLock<Vec<f32>>,
}

/// `row` becomes softmax(`row` / temperature); gives back the entropy in nats.
fn soften(row: &mut [f32]) -> f32 {
    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    let mut weighted = 0.0;
    for value in row.iter_mut() {
        let logit = (*value - top) / ENTROPY_TEMPERATURE;
        *value = logit.exp();
        sum += *value;
        weighted += *value * logit;
    }
    for value in row.iter_mut() {
        *value /= sum;
    }
    // -sum p (logit - ln sum)
    sum.ln() - weighted / sum
}

impl CustomOp1 for Entropy {
    fn name(&self) -> &'static str {
        "entropy-term"
    }

    fn cpu_fwd(&self, similarities: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut weights = values(similarities, layout)?.to_vec();
        let codewords = layout.dims().last().copied().unwrap_or(1).max(1);
        let rows = (weights.len() / codewords).max(1) as f32;
        let entropies: Vec<f32> = weights.chunks_exact_mut(codewords).map(soften).collect();
        let mut mean = vec![0.0_f32; codewords];
        for row in weights.chunks_exact(codewords) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(mean, weight)| *mean += weight);
        }
        mean.iter_mut().for_each(|mean| *mean /= rows);
        let row_entropy = entropies.iter().sum::<f32>() / rows;
        let mean_entropy = -mean
            .iter()
            .map(|mean| mean * (mean + self.log_floor).ln())
            .sum::<f32>();
        // Of each codeword: how the entropy of the mean changes with its share.
        let pulls: Vec<f32> = mean
            .iter()
            .map(|mean| -((mean + self.log_floor).ln() + mean / (mean + self.log_floor)))
            .collect();
        let scale = 1.0 / (rows * ENTROPY_TEMPERATURE);
        for (row, entropy) in weights.chunks_exact_mut(codewords).zip(&entropies) {
            let mean_pull: f32 = row.iter().zip(&pulls).map(|(weight, pull)| weight * pull).sum();
            for (weight, pull) in row.iter_mut().zip(&pulls) {
                let log = weight.max(f32::MIN_POSITIVE).ln();
                *weight *= -scale * (log + entropy + pull - mean_pull);
            }
        }
        // A second forward of the same operation does not happen; the first gradient stays.
        let _ = self.gradient.set(weights);
        Ok((CpuStorage::F32(vec![row_entropy - mean_entropy]), Shape::from(())))
    }

    fn bwd(&self, similarities: &Tensor, _term: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let factor = gradient.to_scalar::<f32>()?;
        let pull = self.gradient.get().map(Vec::as_slice).unwrap_or_default();
        let pull = pull.iter().map(|value| value * factor).collect();
        Ok(Some(Tensor::from_vec(pull, similarities.shape(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trainer::values::gradient_values;
    use candle_core::Var;

    #[test]
    fn candles_operations_give_the_same_term_and_gradient() {
        let values: Vec<f32> = (0..6 * 9).map(|i| (i as f32 * 1.7).sin() * 0.05).collect();
        let similarities = Tensor::from_vec(values, (1, 6, 9), &Device::Cpu).unwrap();
        let similarities = Var::from_tensor(&similarities).unwrap();
        let of = |term: Result<Tensor>| {
            let term = term.unwrap();
            let gradient = term.backward().unwrap().get(&similarities).unwrap().clone();
            let mut values = gradient_values(&gradient).unwrap();
            values.push(term.to_scalar::<f32>().unwrap());
            values
        };
        let by_hand = of(entropy_term(&similarities, SOFT_LOG_FLOOR));
        let composed = of(composed(&similarities, SOFT_LOG_FLOOR));
        for (a, b) in by_hand.iter().zip(&composed) {
            assert!((a - b).abs() < 2e-5 * (1.0 + a.abs()), "{a} and {b}");
        }
    }
}
