use std::f64::consts::FRAC_PI_2;

/// The interpolant between data and noise: x_t = alpha(t) x + sigma(t) e, t from 0 (data) to 1 (noise)
/// (SiT, arXiv 2401.08740, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Path {
    /// alpha = 1 - t, sigma = t.
    #[default]
    Linear,
    /// alpha = cos(pi t / 2), sigma = sin(pi t / 2).
    Cosine,
}

impl Path {
    /// (alpha, alpha', sigma, sigma') at time `t`.
    fn coefficients(self, t: f64) -> (f64, f64, f64, f64) {
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
}
