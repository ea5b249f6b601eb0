use super::mixture;
use std::sync::Arc;

/// L tokens of D values, row-major f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tokens {
    /// L.
    pub count: usize,
    /// D.
    pub dim: usize,
    /// L x D values, token by token.
    pub values: Vec<f32>,
}

impl Tokens {
    /// `None` when the length is not `count * dim`.
    pub fn new(count: usize, dim: usize, values: Vec<f32>) -> Option<Self> {
        (count.checked_mul(dim) == Some(values.len())).then_some(Self { count, dim, values })
    }

    /// From one list of values per token; `None` when the rows differ in length.
    pub fn from_rows(rows: &[Vec<f32>]) -> Option<Self> {
        let dim = rows.first().map_or(0, Vec::len);
        rows.iter().all(|row| row.len() == dim).then(|| Self {
            count: rows.len(),
            dim,
            values: rows.concat(),
        })
    }

    /// One list of values per token.
    pub fn to_rows(&self) -> Vec<Vec<f32>> {
        (0..self.count).map(|token| self.row(token).to_vec()).collect()
    }

    /// Row `token`; panics never: out of range gives an empty slice.
    pub fn row(&self, token: usize) -> &[f32] {
        row_range(token, self.dim)
            .and_then(|range| self.values.get(range))
            .unwrap_or_default()
    }

    /// Row `token` to write to; out of range gives an empty slice.
    pub fn row_mut(&mut self, token: usize) -> &mut [f32] {
        row_range(token, self.dim)
            .and_then(|range| self.values.get_mut(range))
            .unwrap_or_default()
    }
}

/// Where row `row` of rows of `width` values lies.
fn row_range(row: usize, width: usize) -> Option<std::ops::Range<usize>> {
    let start = row.checked_mul(width)?;
    Some(start..start.checked_add(width)?)
}

/// The codebooks as the mixture uses them (rows l2-normalised when the model normalises).
#[derive(Debug, Clone)]
pub struct Codebook {
    /// K: how many segments the token sequence is cut into.
    pub segments: usize,
    /// n: codewords per segment.
    pub size: usize,
    /// D: values per codeword.
    pub dim: usize,
    /// Whether tokens are normalised before the similarity.
    pub l2_norm: bool,
    /// Temperature the model was trained with.
    pub tau: f32,
    /// [K, n, D].
    pub values: Arc<[f32]>,
}

impl Codebook {
    /// From codewords as stored in the checkpoint, [K, n, D]; they are l2-normalised here if `l2_norm` says so.
    ///
    /// `None` when a size is 0, the length is not K n D, a value is not finite or `tau` is not above 0.
    pub fn new(
        segments: usize,
        size: usize,
        dim: usize,
        l2_norm: bool,
        tau: f32,
        mut stored: Vec<f32>,
    ) -> Option<Self> {
        let length = segments.checked_mul(size)?.checked_mul(dim)?;
        let is_usable = length > 0
            && stored.len() == length
            && tau > 0.0
            && tau.is_finite()
            && stored.iter().all(|value| value.is_finite());
        if !is_usable {
            return None;
        }
        if l2_norm {
            stored.chunks_exact_mut(dim).for_each(mixture::normalise);
        }
        Some(Self {
            segments,
            size,
            dim,
            l2_norm,
            tau,
            values: stored.into(),
        })
    }

    /// The codewords of a segment, [n, D].
    pub fn segment(&self, segment: usize) -> Option<&[f32]> {
        row_range(segment, self.size.checked_mul(self.dim)?).and_then(|range| self.values.get(range))
    }

    /// One codeword, D values.
    pub fn codeword(&self, segment: usize, codeword: usize) -> Option<&[f32]> {
        self.segment(segment)?.get(row_range(codeword, self.dim)?)
    }

    /// Segment of token `token` in a sequence of `count` tokens: the sequence is cut into K equal runs.
    pub fn segment_of(&self, token: usize, count: usize) -> usize {
        let tokens_per_segment = (count / self.segments.max(1)).max(1);
        (token / tokens_per_segment).min(self.segments.saturating_sub(1))
    }

    /// z = w C, D values.
    pub fn mix(&self, mixture: &Mixture) -> Vec<f32> {
        mixture::weighted_sum(
            self.segment(mixture.segment).unwrap_or_default(),
            self.dim,
            &mixture.weights,
        )
    }
}

/// Codeword weights of one token: n values >= 0 that sum to 1, over the codewords of one segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Codebook segment, 0..K.
    pub segment: usize,
    /// One weight per codeword of the segment.
    pub weights: Arc<[f32]>,
}

/// How a quantiser made a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Assignment {
    /// SoftVQ: as a mixture.
    Soft(Mixture),
    /// VQ: as one codeword, 0..n.
    Hard(usize),
}

/// All that is known of a picture's tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentState {
    /// Encoder output before the quantiser, where known (a token file may lack it), [L, D], of a KL model [L, 2D]. It
    /// travels with its token through swaps; a token that came from elsewhere has a row of infinities: read rows
    /// through [`LatentState::h_row`].
    pub h: Option<Tokens>,
    /// What the decoder reads.
    pub z: Tokens,
    /// What each row of `z` is made of; `None` once a row was moved off its codewords, and in classes without any.
    pub assignments: Vec<Option<Assignment>>,
}

/// Marks a row of `h` as unknown: an encoder never puts it out, and it is equal to itself, so states still compare.
const UNKNOWN_H: f32 = f32::INFINITY;

impl LatentState {
    /// Tokens of which nothing but `z` is known, such as those of a token file.
    pub fn from_z(z: Tokens) -> Self {
        Self {
            h: None,
            assignments: vec![None; z.count],
            z,
        }
    }

    /// Encoder output behind row `token`, D values (of a KL model 2D), where known.
    pub fn h_row(&self, token: usize) -> Option<&[f32]> {
        let row = self.h.as_ref()?.row(token);
        (!row.is_empty() && row.iter().all(|value| value.is_finite())).then_some(row)
    }

    /// The mixture behind row `token`, where known.
    pub fn mixture(&self, token: usize) -> Option<&Mixture> {
        match self.assignments.get(token)?.as_ref()? {
            Assignment::Soft(mixture) => Some(mixture),
            Assignment::Hard(_) => None,
        }
    }

    /// The one codeword that row `token` is, where it is one.
    pub fn codeword(&self, token: usize) -> Option<usize> {
        match self.assignments.get(token)?.as_ref()? {
            Assignment::Soft(_) => None,
            Assignment::Hard(codeword) => Some(*codeword),
        }
    }

    pub(super) fn forget_h(&mut self, token: usize) {
        if let Some(h) = &mut self.h {
            h.row_mut(token).fill(UNKNOWN_H);
        }
    }
}

/// What makes tokens of the encoder's output, by the class of the model.
#[derive(Debug, Clone)]
pub enum Bottleneck {
    /// SoftVQ: mixtures of codewords.
    Soft(Codebook),
    /// VQ: the nearest codeword.
    Hard(Codebook),
    /// KL: the mean of a normal distribution.
    Gaussian,
    /// AE: the encoder's output as it is.
    Identity,
}

impl Bottleneck {
    /// The class's name.
    pub fn class_name(&self) -> &'static str {
        match self {
            Self::Soft(_) => "SoftVQ",
            Self::Hard(_) => "VQ",
            Self::Gaussian => "KL",
            Self::Identity => "AE",
        }
    }
}

/// The model's facts that edits need.
#[derive(Debug, Clone)]
pub struct LatentSpace {
    /// L.
    pub token_count: usize,
    /// D.
    pub dim: usize,
    /// What makes tokens of the encoder's output.
    pub bottleneck: Bottleneck,
    /// Scalar mean of the latent over the training set (`vq_mean`).
    pub mean: f32,
    /// Scalar standard deviation of the latent over the training set (`vq_std`).
    pub std: f32,
}

impl LatentSpace {
    /// The codewords that tokens are mixtures of; SoftVQ only.
    pub fn mixing(&self) -> Option<&Codebook> {
        match &self.bottleneck {
            Bottleneck::Soft(codebook) => Some(codebook),
            Bottleneck::Hard(_) | Bottleneck::Gaussian | Bottleneck::Identity => None,
        }
    }

    /// The codewords that tokens are made of; SoftVQ and VQ.
    pub fn codebook(&self) -> Option<&Codebook> {
        match &self.bottleneck {
            Bottleneck::Soft(codebook) | Bottleneck::Hard(codebook) => Some(codebook),
            Bottleneck::Gaussian | Bottleneck::Identity => None,
        }
    }

    /// Values of the encoder's output for one token: D, of a KL model 2D.
    pub fn encoder_dim(&self) -> usize {
        match self.bottleneck {
            Bottleneck::Gaussian => 2 * self.dim,
            Bottleneck::Soft(_) | Bottleneck::Hard(_) | Bottleneck::Identity => self.dim,
        }
    }
}
