//! The tokens of many pictures, with what little of the pictures is needed to show them.

use super::Factor;
use crate::analysis::{UsageCounter, mixture_figures, top_codewords};
use crate::engine::SubjectId;
use crate::latent::{LatentState, Tokens};
use crate::picture::Rgb8;
use std::path::PathBuf;
use std::sync::Arc;

/// What became of many pictures in one model.
#[derive(Debug, Clone)]
pub struct Collection {
    /// What a person calls it: the folder's name, or "library".
    pub name: String,
    /// Where the pictures lie; `None` where they are those of the library.
    pub folder: Option<PathBuf>,
    /// Hash of the model that encoded them.
    pub model: String,
    /// L, tokens of a picture.
    pub token_count: usize,
    /// D, values of a token.
    pub dim: usize,
    /// The pictures, in the order of the folder.
    pub pictures: Vec<CollectedPicture>,
    /// What is known of them: one value for each of `pictures`, each.
    pub factors: Vec<Factor>,
    /// Pictures that were there, those left out included.
    pub found: usize,
    /// What is not among `pictures` and why, in words.
    pub left_out: Vec<String>,
    /// Which codewords all their tokens are made of; `None` of a model without codewords.
    pub usage: Option<UsageCounter>,
}

/// One picture of a collection. Its pixels are not kept.
#[derive(Debug, Clone)]
pub struct CollectedPicture {
    /// File name, or what the library calls it.
    pub name: String,
    /// Its file, where it has one.
    pub path: Option<PathBuf>,
    /// The picture of the library that it is of, where it was taken from there.
    pub subject: Option<SubjectId>,
    /// Longer side at most [`Collection::THUMBNAIL`] pixels.
    pub thumbnail: Arc<Rgb8>,
    /// After the quantiser, [L, D].
    pub z: Tokens,
    /// Before the quantiser, [L, D], of a KL model [L, 2D].
    pub h: Option<Tokens>,
    /// L summaries; empty of a model whose tokens are no mixtures.
    pub mixtures: Vec<MixtureSummary>,
}

/// What is kept of a token's mixture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixtureSummary {
    /// Codebook segment.
    pub segment: usize,
    /// -sum w ln w, nats.
    pub entropy_nats: f64,
    /// The heaviest codeword of the segment.
    pub codeword: usize,
    /// Its weight, 0..1.
    pub weight: f32,
}

impl Collection {
    /// Longer side of thumbnails, pixels.
    pub const THUMBNAIL: u32 = 64;
    /// Users that `usage` keeps of each codeword.
    pub const USERS: usize = 5;

    /// Tokens of all pictures together.
    pub fn total_tokens(&self) -> usize {
        self.pictures.len() * self.token_count
    }

    /// Each picture's tokens after the quantiser, L x D values, as probes take them.
    pub fn rows(&self) -> Vec<Vec<f32>> {
        self.pictures
            .iter()
            .map(|picture| picture.z.values.clone())
            .collect()
    }
}

impl CollectedPicture {
    /// What is kept of a picture's tokens.
    pub(super) fn new(
        name: String,
        path: Option<PathBuf>,
        subject: Option<SubjectId>,
        thumbnail: Rgb8,
        state: LatentState,
    ) -> Self {
        let mixtures = (0..state.z.count).filter_map(|token| MixtureSummary::of(&state, token));
        Self {
            name,
            path,
            subject,
            thumbnail: Arc::new(thumbnail),
            mixtures: mixtures.collect(),
            z: state.z,
            h: state.h,
        }
    }
}

impl MixtureSummary {
    fn of(state: &LatentState, token: usize) -> Option<Self> {
        let mixture = state.mixture(token)?;
        let (codeword, weight) = top_codewords(mixture, 1).first().copied()?;
        Some(Self {
            segment: mixture.segment,
            entropy_nats: mixture_figures(mixture).entropy_nats,
            codeword,
            weight,
        })
    }
}
