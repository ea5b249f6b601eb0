use super::TokenizerError;
use candle_core::{D, Tensor};

/// Range of the logarithm of a variance in the reference.
const LOGVAR_RANGE: (f32, f32) = (-30.0, 20.0);

/// The posterior of a KL model: independent normal distributions, one for each token and channel
/// (arXiv 1312.6114, section 3).
#[derive(Debug, Clone)]
pub struct Gaussian {
    /// [B, L, D], f32.
    pub mean: Tensor,
    /// Logarithm of the variance [B, L, D], f32, in -30..20.
    pub logvar: Tensor,
}

impl Gaussian {
    /// `h` [B, L, 2D]: means, then logarithms of variances.
    pub(super) fn new(h: &Tensor) -> Result<Self, TokenizerError> {
        let dim = h.dim(D::Minus1)? / 2;
        let (lowest, highest) = LOGVAR_RANGE;
        Ok(Self {
            mean: h.narrow(D::Minus1, 0, dim)?.contiguous()?,
            logvar: h
                .narrow(D::Minus1, dim, dim)?
                .contiguous()?
                .clamp(lowest, highest)?,
        })
    }

    /// Standard deviation [B, L, D], f32.
    ///
    /// # Errors
    /// A failing device.
    pub fn deviation(&self) -> Result<Tensor, TokenizerError> {
        Ok((&self.logvar * 0.5)?.exp()?)
    }

    /// Variance [B, L, D], f32.
    ///
    /// # Errors
    /// A failing device.
    pub fn variance(&self) -> Result<Tensor, TokenizerError> {
        Ok(self.logvar.exp()?)
    }

    /// Divergence from the standard normal distribution [B, L], f32, nats: 1/2 sum (mean^2 + var - 1 - ln var) over
    /// the channels of each token.
    ///
    /// # Errors
    /// A failing device.
    pub fn kl_nats(&self) -> Result<Tensor, TokenizerError> {
        let terms = ((self.mean.sqr()? + self.variance()?)? - (&self.logvar + 1.0)?)?;
        Ok((terms.sum(D::Minus1)? * 0.5)?)
    }

    /// mean + deviation * `noise`, `noise` [B, L, D] f32 on the model's device.
    ///
    /// # Errors
    /// Another shape than the mean's, a failing device.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor, TokenizerError> {
        Ok((&self.mean + (self.deviation()? * noise)?)?)
    }
}
