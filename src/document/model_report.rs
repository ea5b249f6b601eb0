use super::{DocumentError, ModelKind};
use crate::generator::{self, GeneratorReport};
use crate::tokenizer::{self, CheckReport, KeyComparison, ModelFiles};
use serde::Serialize;

/// What the files of a model say about it, without its weights.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ModelReport {
    /// Of a tokenizer.
    Tokenizer(CheckReport),
    /// Of a SiT or DiT.
    Generator(GeneratorReport),
}

impl ModelReport {
    /// Compares a model's files with each other, as what its configuration says it is; one that says nothing is held
    /// against a tokenizer.
    ///
    /// # Errors
    /// As [`tokenizer::check`] and [`generator::check`].
    pub fn of(files: &ModelFiles) -> Result<Self, DocumentError> {
        match ModelKind::of(&files.config) {
            Some(ModelKind::Generator) => Ok(Self::Generator(generator::check(files)?)),
            Some(ModelKind::Tokenizer) | None => Ok(Self::Tokenizer(tokenizer::check(files)?)),
        }
    }

    /// What the model is for.
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Tokenizer(_) => ModelKind::Tokenizer,
            Self::Generator(_) => ModelKind::Generator,
        }
    }

    /// Name shown to a person.
    pub fn name(&self) -> &str {
        match self {
            Self::Tokenizer(report) => &report.name,
            Self::Generator(report) => &report.name,
        }
    }

    /// "SoftVQ", "VQ", "KL", "AE", "SiT" or "DiT".
    pub fn class(&self) -> String {
        match self {
            Self::Tokenizer(report) => report.class.to_string(),
            Self::Generator(report) => report.class.to_string(),
        }
    }

    /// Tokens and values of each; `None` for a generator of latent squares.
    pub fn token_shape(&self) -> Option<(usize, usize)> {
        match self {
            Self::Tokenizer(report) => Some((report.num_latent_tokens, report.codebook_embed_dim)),
            Self::Generator(report) => report.token_shape(),
        }
    }

    /// Whether it could be loaded as far as keys and shapes tell.
    pub fn is_loadable(&self) -> bool {
        match self {
            Self::Tokenizer(report) => report.is_loadable(),
            Self::Generator(report) => report.is_loadable(),
        }
    }

    /// Key by key.
    pub fn keys(&self) -> &KeyComparison {
        match self {
            Self::Tokenizer(report) => &report.keys,
            Self::Generator(report) => &report.keys,
        }
    }

    /// Parts of the reference that Softscope does not run.
    pub fn unsupported(&self) -> &[String] {
        match self {
            Self::Tokenizer(report) => &report.unsupported,
            Self::Generator(_) => &[],
        }
    }
}
