use std::f64::consts::FRAC_PI_2;

/// The interpolant between data and noise: x_t = alpha(t) x + sigma(t) e, t from 0 (data) to 1 (noise)
/// (SiT, arXiv 2401.08740, section 2). For a DiT it names the noise schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// alpha = 1 - t, sigma = t.
    #[default]
    Linear,
    /// alpha = cos(pi t / 2), sigma = sin(pi t / 2).
    Cosine,
}

impl Path {
    /// (alpha, alpha', sigma, sigma') at time `t`.
    pub(super) fn coefficients(self, t: f64) -> (f64, f64, f64, f64) {
        match self {
            Self::Linear => (1.0 - t, -1.0, t, 1.0),
            Self::Cosine => {
                let (sin, cos) = (FRAC_PI_2 * t).sin_cos();
                (cos, -FRAC_PI_2 * sin, sin, FRAC_PI_2 * cos)
            }
        }
    }

    /// The score of the marginal at time `t` as an affine function of velocity v and state x: returns (a, b) of
    /// score = a v + b x (SiT, equation 9). `t` > 0; at 0 the score of a linear path is not defined.
    pub fn score_factors(self, t: f64) -> (f64, f64) {
        let (alpha, alpha_rate, sigma, sigma_rate) = self.coefficients(t);
        let ratio = alpha / alpha_rate;
        let variance = sigma * sigma - ratio * sigma_rate * sigma;
        (ratio / variance, -1.0 / variance)
    }

    /// (alpha, sigma) at time `t`: what data and noise are weighted with.
    pub fn mixing_factors(self, t: f64) -> (f64, f64) {
        let (alpha, _, sigma, _) = self.coefficients(t);
        (alpha, sigma)
    }

    /// The data that velocity v and state x at time `t` point to: returns (a, b) of x0 = a v + b x.
    pub fn data_factors(self, t: f64) -> (f64, f64) {
        let (alpha, alpha_rate, sigma, sigma_rate) = self.coefficients(t);
        let determinant = alpha * sigma_rate - alpha_rate * sigma;
        (-sigma / determinant, sigma_rate / determinant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_found_again_from_state_and_velocity() {
        let (data, noise) = (0.7, -1.3);
        for path in [Path::Linear, Path::Cosine] {
            for t in [0.0, 0.04, 0.5, 1.0] {
                let (alpha, alpha_rate, sigma, sigma_rate) = path.coefficients(t);
                let state = alpha * data + sigma * noise;
                let velocity = alpha_rate * data + sigma_rate * noise;
                let (a, b) = path.data_factors(t);
                assert!((a * velocity + b * state - data).abs() < 1e-12, "{path:?} at {t}");
            }
        }
    }
}
