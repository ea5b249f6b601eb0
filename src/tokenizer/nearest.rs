//! The hard quantiser: every token becomes its nearest codeword (VQ-VAE, arXiv 1711.00937, section 3.1).

use super::layers::Builder;
use super::quantiser::normalise;
use super::{Math, ModelArgs, TokenizerError};
use candle_core::{D, Tensor};

/// Tokens as their nearest codewords.
#[derive(Debug, Clone)]
pub(super) struct Nearest {
    /// `z` [B, L, C], f32.
    pub(super) z: Tensor,
    /// [B, L], u32.
    pub(super) indices: Tensor,
    /// Squared Euclidean distances to all codewords [B, L, n], f32.
    pub(super) distances: Tensor,
}

/// What a hard quantiser learns from beside the picture (VQ-VAE, equation 3). Scalars, equal in value.
#[derive(Debug, Clone)]
pub struct NearestTerms {
    /// Mean squared difference between tokens and their codewords; its gradient reaches codewords alone.
    pub codebook: Tensor,
    /// The same; its gradient reaches tokens alone.
    pub commitment: Tensor,
}

#[derive(Debug, Clone)]
pub(super) struct NearestQuantiser {
    /// As stored [n, C].
    embedding: Tensor,
    has_l2_norm: bool,
}

impl NearestQuantiser {
    pub(super) fn load(builder: &mut Builder<'_>, args: &ModelArgs) -> Result<Self, TokenizerError> {
        Ok(Self {
            embedding: builder.tensor("quantize.embedding.weight")?,
            has_l2_norm: args.codebook_l2_norm,
        })
    }

    pub(super) fn embedding(&self) -> &Tensor {
        &self.embedding
    }

    /// Unit length where the model compares directions.
    fn comparable(&self, vectors: &Tensor) -> Result<Tensor, TokenizerError> {
        if self.has_l2_norm {
            return normalise(vectors);
        }
        Ok(vectors.clone())
    }

    /// `h` [B, L, C] to the codewords it is nearest to.
    pub(super) fn forward(&self, h: &Tensor, math: Math) -> Result<Nearest, TokenizerError> {
        let (batch, length, channels) = h.dims3()?;
        let tokens = self.comparable(h)?.reshape((batch * length, channels))?;
        // The codebook learns from its own loss alone, never from the picture.
        let codewords = self.comparable(&self.embedding.detach())?;
        let distances = squared_distances(&tokens.detach(), &codewords)?;
        let indices = distances.argmin(D::Minus1)?;
        let found = codewords.index_select(&indices, 0)?;
        let z = match math {
            Math::Fused => found,
            // Straight through: the value is the codeword, the gradient goes to the token.
            Math::Differentiable => (&tokens + (found - &tokens)?.detach())?,
        };
        Ok(Nearest {
            z: z.reshape((batch, length, channels))?,
            indices: indices.reshape((batch, length))?,
            distances: distances.reshape((batch, length, ()))?,
        })
    }

    /// Minus the squared distances of `h` [B, L, C] to all codewords [B L, n]; gradients reach both.
    pub(super) fn similarities(&self, h: &Tensor) -> Result<Tensor, TokenizerError> {
        let tokens = self.comparable(h)?.flatten_to(1)?;
        Ok(squared_distances(&tokens, &self.comparable(&self.embedding)?)?.neg()?)
    }

    /// How far `h` [B, L, C] is from the codewords at `indices` [B, L].
    pub(super) fn terms(&self, h: &Tensor, indices: &Tensor) -> Result<NearestTerms, TokenizerError> {
        let tokens = self.comparable(h)?;
        let codewords = self.look_up(indices)?;
        let between = |a: &Tensor, b: &Tensor| (a - b)?.sqr()?.mean_all();
        Ok(NearestTerms {
            codebook: between(&codewords, &tokens.detach())?,
            commitment: between(&codewords.detach(), &tokens)?,
        })
    }

    /// Codewords by index [B, L] u32, all below n, as the decoder reads them [B, L, C].
    pub(super) fn look_up(&self, indices: &Tensor) -> Result<Tensor, TokenizerError> {
        let (batch, length) = indices.dims2()?;
        let codewords = self.comparable(&self.embedding)?;
        let found = codewords.index_select(&indices.flatten_all()?, 0)?;
        Ok(found.reshape((batch, length, ()))?)
    }
}

/// Between `a` [N, C] and `b` [n, C]: [N, n].
fn squared_distances(a: &Tensor, b: &Tensor) -> Result<Tensor, TokenizerError> {
    let of_a = a.sqr()?.sum_keepdim(D::Minus1)?;
    let of_b = b.sqr()?.sum_keepdim(D::Minus1)?.t()?;
    let products = a.matmul(&b.t()?)?;
    // Rounding must not make a distance negative.
    Ok((of_a.broadcast_add(&of_b)? - (products * 2.0)?)?.relu()?)
}
