use super::{GeneratorArgs, GeneratorClass, GeneratorError, schema};
use crate::tokenizer::checkpoint::{Checkpoint, Entry};
use crate::tokenizer::{KeyComparison, ModelFiles, TokenizerError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Preflight report: what a generator is and whether it can be loaded, without reading its weights.
#[derive(Debug, Clone, Serialize)]
pub struct GeneratorReport {
    /// Name shown to a person.
    pub name: String,
    /// Family.
    pub class: GeneratorClass,
    /// Part of a training checkpoint that holds the weights ("ema", "model", "state_dict"); none at the root.
    pub section: Option<String>,
    /// Shape of one latent: `[L, D]`, or `[C, S, S]` of a generator of latent squares.
    pub latent_shape: Vec<usize>,
    /// Classes that can be asked for.
    pub num_classes: usize,
    /// Width of the blocks.
    pub hidden_size: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Parameters in use, as the file has them.
    pub parameter_count: usize,
    /// Their bytes in the file.
    pub weight_bytes: u64,
    /// Key by key.
    pub keys: KeyComparison,
}

impl GeneratorReport {
    /// Whether [`super::Generator::load`] would get as far as the values.
    pub fn is_loadable(&self) -> bool {
        self.keys.is_loadable()
    }

    /// L and D; `None` for a generator of latent squares.
    pub fn token_shape(&self) -> Option<(usize, usize)> {
        match *self.latent_shape {
            [count, dim] => Some((count, dim)),
            _ => None,
        }
    }
}

/// Compares a generator's files with each other: class, sizes, keys and shapes, without reading weights.
///
/// # Errors
/// Files that cannot be read, a configuration that makes no network, a damaged checkpoint. A generator that merely does
/// not fit its configuration gives a report that says so.
pub fn check(files: &ModelFiles) -> Result<GeneratorReport, GeneratorError> {
    let args = GeneratorArgs::read(&files.config)?;
    let checkpoint = Checkpoint::open(&files.weights)?;
    let plan = Plan::new(&args, checkpoint.entries());
    let used = || plan.used(checkpoint.entries());
    Ok(GeneratorReport {
        name: files.name.clone(),
        class: plan.class,
        section: checkpoint.section().map(str::to_owned),
        latent_shape: args.latent_shape(1).into_iter().skip(1).collect(),
        num_classes: args.num_classes,
        hidden_size: args.hidden_size,
        depth: args.depth,
        num_heads: args.num_heads,
        parameter_count: used().map(Entry::element_count).sum(),
        weight_bytes: used().map(Entry::stored_bytes).sum(),
        keys: plan.comparison,
    })
}

/// Whether [`super::Generator::load`] would get as far as the values, for a caller that has much to do before it loads.
///
/// # Errors
/// As [`super::Generator::load`], but for weights that are not finite.
pub fn require_loadable(files: &ModelFiles) -> Result<(), GeneratorError> {
    let args = GeneratorArgs::read(&files.config)?;
    let checkpoint = Checkpoint::open(&files.weights)?;
    Plan::new(&args, checkpoint.entries()).require_loadable(&files.weights)
}

/// What is to be read, and what stands in the way.
pub(super) struct Plan {
    pub(super) class: GeneratorClass,
    pub(super) keys: BTreeMap<String, Vec<usize>>,
    comparison: KeyComparison,
}

impl Plan {
    pub(super) fn new(args: &GeneratorArgs, entries: &BTreeMap<String, Entry>) -> Self {
        let rows = entries
            .get(schema::OUTPUT_KEY)
            .and_then(|entry| entry.shape.first())
            .copied();
        let class = args.class(rows);
        let keys = schema::expected(args, class);
        let comparison = schema::compare(&keys, entries);
        Self {
            class,
            keys,
            comparison,
        }
    }

    /// Of the state dict's `entries`, those that are read.
    pub(super) fn used<'a>(
        &'a self,
        entries: &'a BTreeMap<String, Entry>,
    ) -> impl Iterator<Item = &'a Entry> {
        self.keys.keys().filter_map(|key| entries.get(key))
    }

    /// Ends with the one error that lists everything, where anything stands in the way.
    pub(super) fn require_loadable(&self, path: &Path) -> Result<(), GeneratorError> {
        if self.comparison.is_loadable() {
            return Ok(());
        }
        Err(GeneratorError::Files(TokenizerError::Keys {
            path: path.to_owned(),
            problems: self.comparison.problems(),
        }))
    }
}
