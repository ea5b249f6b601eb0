//! Configurations to choose from by name.

use super::TrainConfig;

/// A configuration that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What it is called, and remembered by.
    pub name: &'static str,
    /// What it is good for, in a sentence.
    pub summary: &'static str,
    toml: &'static str,
}

/// Every preset, the quickest first.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "quick, 16 tokens",
        summary: "64 px pictures, a very small network: shows within minutes whether the pictures are any good to learn from.",
        toml: include_str!("../../models/recipe/quick-16.toml"),
    },
    Preset {
        name: "small, 32 tokens",
        summary: "128 px pictures, the sizes of the model that ships: hours on a few cores.",
        toml: include_str!("../../models/recipe/softscope-32.toml"),
    },
    Preset {
        name: "detailed, 64 tokens",
        summary: "128 px pictures in twice as many tokens: finer reconstructions, hours on a few cores.",
        toml: include_str!("../../models/recipe/detailed-64.toml"),
    },
    Preset {
        name: "large, 64 tokens",
        summary: "256 px pictures, a larger network: days on a few cores, for a machine with many.",
        toml: include_str!("../../models/recipe/large-64.toml"),
    },
];

impl Preset {
    /// The preset of that name.
    pub fn named(name: &str) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }

    /// Its configuration.
    ///
    /// # Errors
    /// A text that names the key; no preset that comes with the program has any.
    pub fn config(&self) -> Result<TrainConfig, String> {
        TrainConfig::parse(self.toml)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{ModelClass, parameter_shapes};
    use std::collections::HashSet;

    #[test]
    fn every_preset_is_a_model_of_its_own() {
        let mut sizes = HashSet::new();
        for preset in PRESETS {
            let config = preset.config().unwrap();
            let shapes = parameter_shapes(&config.model.args(), ModelClass::SoftVq).unwrap();
            sizes.insert(format!("{shapes:?}"));
            assert!(
                preset.name.ends_with(&format!("{} tokens", config.model.tokens))
                    && preset
                        .summary
                        .starts_with(&format!("{} px", config.model.image_size)),
                "{preset:?}"
            );
            assert_eq!(Preset::named(preset.name), Some(preset));
        }
        assert_eq!(sizes.len(), PRESETS.len());
    }
}
