//! How a generated picture was made: kept with it, written into what is exported of it.

use crate::generator::Settings;
use serde::{Deserialize, Serialize};

/// Keyword of the record in PNG text chunks and JPEG segments, and of the list of records in a token file.
pub const GENERATION_KEYWORD: &str = "softscope_generation";

/// How a picture was generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerationRecord {
    /// Name of the generator.
    pub generator: String,
    /// Hash of its weights.
    pub generator_hash: String,
    /// Hash of the tokenizer its tokens belong to; `None` where nothing was decoded.
    pub model: Option<String>,
    /// `None` for a picture of no class.
    pub class: Option<u32>,
    /// Name of the class, where it has one.
    pub class_name: Option<String>,
    /// Of the noise; `None` where the noise was given.
    pub seed: Option<u64>,
    /// How it was sampled.
    pub settings: Settings,
    /// The picture it was made from; `None` for one made from noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartRecord>,
}

/// The picture that a generation started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartRecord {
    /// Its name.
    pub picture: String,
    /// How much of it was noise at the start, 0..1.
    pub t: f64,
    /// Tokens that were made anew; `None` for all.
    pub tokens: Option<Vec<usize>>,
}

impl GenerationRecord {
    /// What the picture is called: its class, or what it was made from, and its seed.
    pub fn name(&self) -> String {
        let what = match (&self.start, &self.class_name, self.class) {
            (Some(start), ..) if start.tokens.is_some() => format!("{}, filled", start.picture),
            (Some(start), ..) => format!("{}, varied", start.picture),
            (None, Some(name), _) => name.clone(),
            (None, None, Some(class)) => format!("class {class}"),
            (None, None, None) => "no class".to_owned(),
        };
        match self.seed {
            Some(seed) => format!("{what}, seed {seed}"),
            None => what,
        }
    }
}

/// The record of each of `count` pictures in a file's text; `None` where there is none that can be read.
pub(super) fn records(text: Option<&str>, count: usize) -> Vec<Option<GenerationRecord>> {
    let mut records: Vec<Option<GenerationRecord>> = text
        .and_then(|text| serde_json::from_str::<Vec<serde_json::Value>>(text).ok())
        .unwrap_or_default()
        .into_iter()
        .map(|record| serde_json::from_value(record).ok())
        .collect();
    records.resize(count, None);
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::GeneratorClass;

    fn record() -> GenerationRecord {
        GenerationRecord {
            generator: "sit".to_owned(),
            generator_hash: "0123".to_owned(),
            model: None,
            class: Some(3),
            class_name: None,
            seed: Some(7),
            settings: Settings::of(GeneratorClass::Sit),
            start: None,
        }
    }

    #[test]
    fn a_picture_is_named_by_class_or_origin_and_seed() {
        assert_eq!(record().name(), "class 3, seed 7");
        let mut named = record();
        named.class_name = Some("tiger shark".to_owned());
        assert_eq!(named.name(), "tiger shark, seed 7");
        named.start = Some(StartRecord {
            picture: "cat.jpg".to_owned(),
            t: 0.5,
            tokens: None,
        });
        assert_eq!(named.name(), "cat.jpg, varied, seed 7");
    }

    #[test]
    fn records_that_cannot_be_read_cost_nothing_else() {
        let text = serde_json::json!([record(), {"generator": 3}]).to_string();
        assert_eq!(records(Some(&text), 3), [Some(record()), None, None]);
        assert_eq!(records(Some("no list"), 1), [None]);
        assert_eq!(records(None, 1), [None]);
    }
}
