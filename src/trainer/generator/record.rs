//! What a generator's run was started with.

use super::GeneratorTrainConfig;
use crate::generator::{GeneratorClass, generator_shapes};
use crate::trainer::state::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kept in the state, so that a run goes on with what it was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GeneratorRecord {
    /// Names of the classes.
    pub(super) classes: Vec<String>,
    /// Of the tokenizer.
    pub(super) tokenizer_hash: String,
    /// Tokens of a picture, and values of each.
    pub(super) token_shape: [usize; 2],
    pub(super) config: GeneratorTrainConfig,
}

impl Record for GeneratorRecord {
    fn to_text(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, String> {
        let args = self.config.args(self.token_shape.into(), &self.classes)?;
        generator_shapes(&args, GeneratorClass::Sit)
    }
}
