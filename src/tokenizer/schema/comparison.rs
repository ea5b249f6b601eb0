//! A state dict held against the keys that are expected of it.

use super::expected::ExpectedKey;
use crate::tokenizer::checkpoint::{Entry, StoredType};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A key and its two shapes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongShape {
    /// State-dict key.
    pub key: String,
    /// Shape that the configuration asks for.
    pub expected: Vec<usize>,
    /// Shape in the file.
    pub found: Vec<usize>,
}

/// How a state dict compares with what its configuration asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeyComparison {
    /// Needed and not there.
    pub missing: Vec<String>,
    /// There, in another shape.
    pub wrong: Vec<WrongShape>,
    /// There, stored as something else than floating-point numbers.
    pub wrong_type: Vec<String>,
    /// Blocks beyond the configured depth, or parts of a block that the reference does not have: without them the
    /// model would compute something else.
    pub surplus: Vec<String>,
    /// There, not asked for, without influence.
    pub unexpected: Vec<String>,
}

impl KeyComparison {
    /// Whether the model can be built.
    pub fn is_loadable(&self) -> bool {
        self.missing.is_empty()
            && self.wrong.is_empty()
            && self.wrong_type.is_empty()
            && self.surplus.is_empty()
    }

    /// One line for each key that stands in the way, each after a line break.
    pub(crate) fn problems(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        for key in &self.missing {
            let _ = write!(text, "\n  missing: {key}");
        }
        for WrongShape { key, expected, found } in &self.wrong {
            let _ = write!(
                text,
                "\n  wrong shape: {key}: expected {expected:?}, found {found:?}"
            );
        }
        for key in &self.wrong_type {
            let _ = write!(text, "\n  wrong type: {key}: expected floating-point numbers");
        }
        for key in &self.surplus {
            let _ = write!(text, "\n  not in the configured model: {key}");
        }
        text
    }
}

/// Keys of training aids that inference never reads.
fn is_training_aid(key: &str) -> bool {
    key.starts_with("repa_model.") || key.starts_with("projection.")
}

/// Keys that would change what a block computes.
fn is_in_a_block(key: &str) -> bool {
    key.starts_with("encoder.model.blocks.") || key.starts_with("decoder.model.blocks.")
}

pub(super) fn compare(expected: &[ExpectedKey], entries: &BTreeMap<String, Entry>) -> KeyComparison {
    let mut comparison = KeyComparison::default();
    for ExpectedKey { name, shape, is_used } in expected {
        match (entries.get(name), shape) {
            (None, _) if *is_used => comparison.missing.push(name.clone()),
            (Some(entry), Some(shape)) if entry.shape != *shape => comparison.wrong.push(WrongShape {
                key: name.clone(),
                expected: shape.clone(),
                found: entry.shape.clone(),
            }),
            (Some(entry), _) if *is_used && entry.stored_type == StoredType::Other => {
                comparison.wrong_type.push(name.clone());
            }
            _ => {}
        }
    }
    let known: BTreeSet<&str> = expected.iter().map(|key| key.name.as_str()).collect();
    for key in entries
        .keys()
        .filter(|key| !known.contains(key.as_str()) && !is_training_aid(key))
    {
        if is_in_a_block(key) {
            comparison.surplus.push(key.clone());
        } else {
            comparison.unexpected.push(key.clone());
        }
    }
    comparison
}
