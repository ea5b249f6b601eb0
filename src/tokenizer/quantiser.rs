//! The soft quantiser: every token becomes a mixture of its segment's codewords (SoftVQ-VAE, section 3.2).

use super::layers::{Builder, softmax};
use super::{Math, ModelArgs, TokenizerError};
use candle_core::{D, Tensor};

/// Length below which a vector is not stretched to unit length (torch's `normalize`).
const SHORTEST_LENGTH: f64 = 1e-12;

/// Tokens as mixtures of codewords.
#[derive(Debug, Clone)]
pub struct Mixtures {
    /// `z` [B, L, D], f32: the weighted means of the codewords.
    pub z: Tensor,
    /// `w` [B, L, n], f32: the weights of each token over the codewords of its segment; rows sum to 1.
    pub weights: Tensor,
}

#[derive(Debug, Clone)]
pub(super) struct Quantiser {
    /// As stored [K, n, C].
    embedding: Tensor,
    /// Unit-length codewords [K, n, C]; None where codewords are used as stored, or have to follow them.
    normalised: Option<Tensor>,
    has_l2_norm: bool,
}

impl Quantiser {
    pub(super) fn load(builder: &mut Builder<'_>, args: &ModelArgs) -> Result<Self, TokenizerError> {
        let embedding = builder.tensor("quantize.embedding")?;
        let normalised = if builder.is_packed() && args.codebook_l2_norm {
            Some(normalise(&embedding)?)
        } else {
            None
        };
        Ok(Self {
            embedding,
            normalised,
            has_l2_norm: args.codebook_l2_norm,
        })
    }

    pub(super) fn embedding(&self) -> &Tensor {
        &self.embedding
    }

    /// The codewords that are mixed [K, n, C].
    fn codewords(&self) -> Result<Tensor, TokenizerError> {
        match &self.normalised {
            Some(codewords) => Ok(codewords.clone()),
            None if self.has_l2_norm => normalise(&self.embedding),
            None => Ok(self.embedding.clone()),
        }
    }

    /// `h` [B, L, C] to mixtures at a temperature.
    pub(super) fn forward(&self, h: &Tensor, tau: f64, math: Math) -> Result<Mixtures, TokenizerError> {
        let codewords = self.codewords()?;
        let similarities = self.similarities_with(h, &codewords)?;
        let weights = softmax(similarities, 1.0 / tau, math)?;
        let z = weights.matmul(&codewords)?;
        let batch = h.dim(0)?;
        Ok(Mixtures {
            z: self.to_tokens(&z, batch)?,
            weights: self.to_tokens(&weights, batch)?,
        })
    }

    /// `h` [B, L, C] to similarities [K, B S, n].
    pub(super) fn similarities(&self, h: &Tensor) -> Result<Tensor, TokenizerError> {
        self.similarities_with(h, &self.codewords()?)
    }

    fn similarities_with(&self, h: &Tensor, codewords: &Tensor) -> Result<Tensor, TokenizerError> {
        let tokens = if self.has_l2_norm {
            normalise(h)?
        } else {
            h.clone()
        };
        let tokens = self.to_segments(&tokens)?;
        // The codebook learns through the weighted mean alone (README section 6), so similarities see a copy.
        Ok(tokens.matmul(&codewords.detach().transpose(1, 2)?)?)
    }

    /// Weights [B, L, n] to the weighted means of the codewords [B, L, C].
    pub(super) fn mix(&self, weights: &Tensor) -> Result<Tensor, TokenizerError> {
        let z = self.to_segments(weights)?.matmul(&self.codewords()?)?;
        self.to_tokens(&z, weights.dim(0)?)
    }

    /// [B, L, x] to [K, B S, x]: tokens are cut into K consecutive segments, one for each codebook.
    fn to_segments(&self, tokens: &Tensor) -> Result<Tensor, TokenizerError> {
        let (batch, length, width) = tokens.dims3()?;
        let books = self.embedding.dim(0)?;
        let segment = length / books;
        let cut = tokens.reshape((batch, books, segment, width))?;
        Ok(cut.transpose(0, 1)?.reshape((books, batch * segment, width))?)
    }

    /// [K, B S, x] to [B, L, x].
    fn to_tokens(&self, segments: &Tensor, batch: usize) -> Result<Tensor, TokenizerError> {
        let (books, rows, width) = segments.dims3()?;
        let segment = rows / batch.max(1);
        let cut = segments.reshape((books, batch, segment, width))?;
        Ok(cut.transpose(0, 1)?.reshape((batch, books * segment, width))?)
    }
}

/// Unit length over the last dimension.
pub(super) fn normalise(vectors: &Tensor) -> Result<Tensor, TokenizerError> {
    let length = vectors
        .sqr()?
        .sum_keepdim(D::Minus1)?
        .sqrt()?
        .maximum(SHORTEST_LENGTH)?;
    Ok(vectors.broadcast_div(&length)?)
}
