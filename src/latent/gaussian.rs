//! The normal distribution behind a token of a KL model.

use super::{LatentState, rows};

/// Range of the logarithm of a variance in the reference.
const LOGVAR_RANGE: (f32, f32) = (-30.0, 20.0);

/// Independent normal distributions, one for each of a token's D values.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianRow {
    /// D values.
    pub mean: Vec<f32>,
    /// Logarithms of the variances, D values in -30..20.
    pub logvar: Vec<f32>,
}

impl GaussianRow {
    /// From the encoder output behind token `token` of a KL model: means, then logarithms of variances. `None` where
    /// it is not known, or not twice as wide as the token.
    pub fn behind(state: &LatentState, token: usize) -> Option<Self> {
        let (mean, logvar) = state.h_row(token)?.split_at_checked(state.z.dim)?;
        let (lowest, highest) = LOGVAR_RANGE;
        (mean.len() == logvar.len()).then(|| Self {
            mean: mean.to_vec(),
            logvar: logvar.iter().map(|value| value.clamp(lowest, highest)).collect(),
        })
    }

    /// Standard deviations, D values.
    pub fn deviations(&self) -> Vec<f32> {
        self.logvar.iter().map(|logvar| (0.5 * logvar).exp()).collect()
    }

    /// Mean of the standard deviations.
    pub fn mean_deviation(&self) -> f32 {
        self.deviations().iter().sum::<f32>() / self.logvar.len().max(1) as f32
    }

    /// Divergence from the standard normal distribution, nats: 1/2 sum (mean^2 + var - 1 - ln var)
    /// (arXiv 1312.6114, appendix B).
    pub fn kl_nats(&self) -> f64 {
        let term = |(mean, logvar): (&f32, &f32)| {
            let (mean, logvar) = (f64::from(*mean), f64::from(*logvar));
            mean * mean + logvar.exp() - 1.0 - logvar
        };
        0.5 * self.mean.iter().zip(&self.logvar).map(term).sum::<f64>()
    }

    /// mean + `amount` * deviation * a standard normal draw, D values. The draws depend on seed and token alone.
    pub fn sample(&self, amount: f32, seed: u64, token: usize) -> Vec<f32> {
        let draws = rows::normal_draws(seed, token, self.mean.len());
        let deviations = self.deviations();
        self.mean
            .iter()
            .zip(deviations.iter().zip(draws))
            .map(|(mean, (deviation, draw))| mean + amount * deviation * draw)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mean: f32, logvar: f32) -> GaussianRow {
        GaussianRow {
            mean: vec![mean; 4],
            logvar: vec![logvar; 4],
        }
    }

    #[test]
    fn the_standard_normal_has_no_divergence_from_itself() {
        assert_eq!(row(0.0, 0.0).kl_nats(), 0.0);
        assert!((row(1.0, 0.0).kl_nats() - 2.0).abs() < 1e-12);
        assert!(row(0.0, -4.0).kl_nats() > 0.0 && row(0.0, 4.0).kl_nats() > 0.0);
    }

    #[test]
    fn a_sample_of_nothing_is_the_mean_and_draws_have_the_deviation() {
        let narrow = row(3.0, -2.0);
        assert_eq!(narrow.sample(0.0, 7, 1), narrow.mean);
        assert!((narrow.mean_deviation() - (-1.0_f32).exp()).abs() < 1e-6);
        let wide = GaussianRow {
            mean: vec![0.0; 20_000],
            logvar: vec![2.0; 20_000],
        };
        let squares: f32 = wide.sample(1.0, 1, 0).iter().map(|value| value * value).sum();
        assert!((squares / 20_000.0 - 2.0_f32.exp()).abs() < 0.2);
    }
}
