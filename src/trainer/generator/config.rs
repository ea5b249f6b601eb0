//! The configuration of a generator's training: a TOML file with a table `generator`.

use crate::engine::DeviceChoice;
use crate::generator::{GeneratorArgs, Path as FlowPath, TimeDraw};
use crate::tokenizer::Products;
use crate::trainer::config::CUTOUT_OVERHANG;
use crate::trainer::{DataConfig, GroundColours, OptimiserConfig, OutputConfig, TrainConfig, TrainError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The table that tells a generator's configuration from a tokenizer's.
const TABLE: &str = "generator";

/// Everything that decides what a run computes, apart from tokenizer and pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorTrainConfig {
    /// Seed of the initial weights and of every draw.
    pub seed: u64,
    /// Optimiser steps of the whole run; the cosine ends there.
    pub steps: u64,
    /// CPU threads that compute; 0 takes as many as the machine has. Figures do not depend on it.
    pub threads: usize,
    /// Where passes are computed, there and back; see [`TrainConfig::device`].
    pub device: DeviceChoice,
    /// How products are computed; see [`TrainConfig::products`].
    #[serde(default)]
    pub products: Products,
    /// Folder or name of the tokenizer whose tokens are learned.
    pub tokenizer: String,
    /// Table of classes ([`super::LabelTable`]), relative to the configuration; without it folders name them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// Folder of a trained generator of the same sizes whose weights the run starts from, from where the command is
    /// called. Of its classes those stay that have the same name here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_from: Option<PathBuf>,
    /// What is trained, and on what path.
    pub generator: GeneratorConfig,
    /// The pictures that are kept as tokens.
    pub bank: BankConfig,
    /// What pictures look like.
    pub data: PictureConfig,
    /// How weights move.
    pub optimiser: OptimiserConfig,
    /// What sample sheets show.
    pub sheet: SheetConfig,
    /// What is written, and how often.
    pub output: OutputConfig,
}

/// Size and task of a SiT; tokens and their values are the tokenizer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorConfig {
    /// Width D of a token inside.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the MLP over D.
    pub mlp_ratio: f64,
    /// Whether queries and keys are normalised per head.
    pub qk_norm: bool,
    /// Interpolant between tokens and noise.
    pub path: FlowPath,
    /// How times are drawn.
    pub times: TimeDraw,
    /// Share of labels replaced by "no class", above 0: guidance needs it.
    pub label_dropout: f64,
}

/// Pictures that are encoded ahead and drawn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankConfig {
    /// Crops and composites kept as tokens.
    pub pictures: usize,
    /// Steps after which 64 of them, the oldest, are replaced; 0 keeps them for ever.
    pub renew_every: u64,
    /// 0: a class is drawn as often as it has pictures; 1: all classes are drawn as often.
    pub class_evenness: f64,
}

/// What is done to pictures; see [`DataConfig`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureConfig {
    /// Share of cut-outs whose ground is plain or a gradient instead of a photograph, 0..1.
    pub plain_ground_share: f64,
    /// Smallest part of a photograph's shorter side that a crop covers, above 0, up to 1.
    pub smallest_crop: f64,
    /// Smallest and largest side of a cut-out, as a part of the picture's side.
    pub cutout_size: [f64; 2],
    /// Largest turn of a cut-out, degrees to either side.
    pub cutout_turn_degrees: f64,
    /// How far a cut-out may reach over the picture's edge, as a part of the picture's side, 0..1.
    #[serde(default = "cutout_overhang")]
    pub cutout_overhang: f64,
    /// Colours of plain grounds and gradients.
    #[serde(default)]
    pub ground_colours: GroundColours,
    /// Share of pictures kept for evaluation by the hash of their name, in folders without `train` and `val`.
    pub held_out_share: f64,
}

/// What runs that were begun without the key had.
fn cutout_overhang() -> f64 {
    CUTOUT_OVERHANG
}

/// A grid of samples: a row for each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetConfig {
    /// Classes at most, spread over all.
    pub classes: usize,
    /// Samples of each.
    pub samples: usize,
    /// Steps of the ODE.
    pub steps: usize,
    /// Scale of classifier-free guidance; the model's configuration proposes it to who generates.
    pub guidance: f64,
}

impl Default for GeneratorTrainConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            steps: 20_000,
            threads: 0,
            device: DeviceChoice::Auto,
            products: Products::F32,
            tokenizer: String::new(),
            labels: None,
            start_from: None,
            generator: GeneratorConfig {
                width: 192,
                depth: 6,
                heads: 3,
                mlp_ratio: 4.0,
                qk_norm: false,
                path: FlowPath::Linear,
                times: TimeDraw::Lognormal,
                label_dropout: 0.1,
            },
            bank: BankConfig {
                pictures: 4096,
                renew_every: 32,
                class_evenness: 0.6,
            },
            data: PictureConfig {
                plain_ground_share: 1.0,
                smallest_crop: 0.8,
                cutout_size: [0.94, 1.0],
                cutout_turn_degrees: 0.0,
                cutout_overhang: 0.0,
                ground_colours: GroundColours::Pale,
                held_out_share: 0.1,
            },
            optimiser: OptimiserConfig {
                batch: 64,
                parts: 4,
                learning_rate: 1e-3,
                warmup_steps: 500,
                final_share: 0.05,
                weight_decay: 0.0,
                ema: 0.999,
                ..OptimiserConfig::default()
            },
            sheet: SheetConfig {
                classes: 24,
                samples: 6,
                steps: 25,
                guidance: 3.0,
            },
            output: OutputConfig {
                evaluate_every: 1000,
                evaluated_pictures: 256,
                ..OutputConfig::default()
            },
        }
    }
}

impl GeneratorTrainConfig {
    /// Reads a TOML file; `None` for one without the table `generator`, which configures a tokenizer's training. The
    /// path of `labels` becomes one that can be opened from here.
    ///
    /// # Errors
    /// An unreadable file, bad TOML, an unknown key, an impossible value; the message names file and key.
    pub fn read(path: &Path) -> Result<Option<Self>, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|source| TrainError::Read {
            path: path.to_owned(),
            source,
        })?;
        let refuse = |reason: String| TrainError::Config {
            path: path.to_owned(),
            reason,
        };
        let table: toml::Table = toml::from_str(&text).map_err(|error| refuse(words(&error)))?;
        if !table.contains_key(TABLE) {
            return Ok(None);
        }
        let mut config = Self::of_table(&table).map_err(refuse)?;
        if let (Some(labels), Some(folder)) = (&mut config.labels, path.parent()) {
            *labels = folder.join(&*labels);
        }
        Ok(Some(config))
    }

    /// Takes a configuration from TOML text.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of_table(&toml::from_str(text).map_err(|error| words(&error))?)
    }

    fn of_table(given: &toml::Table) -> Result<Self, String> {
        let mut table = toml::Table::try_from(Self::default()).map_err(|error| error.to_string())?;
        overlay(&mut table, given);
        let config: Self = table.try_into().map_err(|error| words(&error))?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as TOML, every key written out.
    ///
    /// # Errors
    /// A value that TOML cannot hold, such as a seed above 2^63.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// Refuses values with which no run can be.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        self.common().validate()?;
        if self.tokenizer.is_empty() {
            return Err("`tokenizer` is missing; name the model whose tokens are to be learned".to_owned());
        }
        let counts = [
            ("generator.width", self.generator.width),
            ("generator.depth", self.generator.depth),
            ("generator.heads", self.generator.heads),
            ("bank.pictures", self.bank.pictures),
            ("sheet.classes", self.sheet.classes),
            ("sheet.samples", self.sheet.samples),
            ("sheet.steps", self.sheet.steps),
        ];
        if let Some((key, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(format!("`{key}` is 0; it must be at least 1"));
        }
        if !self.generator.width.is_multiple_of(2 * self.generator.heads) {
            return Err(format!(
                "`generator.width` is {}; it must be a multiple of twice `generator.heads`, {}",
                self.generator.width, self.generator.heads
            ));
        }
        let shares = [
            ("generator.label_dropout", self.generator.label_dropout, false),
            ("bank.class_evenness", self.bank.class_evenness, true),
        ];
        for (key, value, may_be_zero) in shares {
            if !(0.0..=1.0).contains(&value) || (value <= 0.0 && !may_be_zero) {
                return Err(format!("`{key}` is {value}; it must be from 0 to 1"));
            }
        }
        for (key, value) in [
            ("generator.mlp_ratio", self.generator.mlp_ratio),
            ("sheet.guidance", self.sheet.guidance),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(format!("`{key}` is {value}; it must be above 0"));
            }
        }
        Ok(())
    }

    /// What a tokenizer's training shares with this one.
    pub(super) fn common(&self) -> TrainConfig {
        TrainConfig {
            seed: self.seed,
            steps: self.steps,
            threads: self.threads,
            device: self.device,
            products: self.products,
            data: self.data(),
            optimiser: self.optimiser.clone(),
            output: self.output.clone(),
            ..TrainConfig::default()
        }
    }

    pub(super) fn data(&self) -> DataConfig {
        DataConfig {
            plain_ground_share: self.data.plain_ground_share,
            smallest_crop: self.data.smallest_crop,
            cutout_size: self.data.cutout_size,
            cutout_turn_degrees: self.data.cutout_turn_degrees,
            cutout_overhang: self.data.cutout_overhang,
            ground_colours: self.data.ground_colours,
            held_out_share: self.data.held_out_share,
            ..DataConfig::default()
        }
    }

    /// The constructor arguments of the generator as the reference's hub files have them, with the names of its
    /// classes.
    pub(super) fn model_config(
        &self,
        (tokens, channels): (usize, usize),
        classes: &[String],
    ) -> Map<String, Value> {
        let config = &self.generator;
        let value = json!({
            "class_dropout_prob": config.label_dropout,
            "class_names": classes,
            "depth": config.depth,
            "flash_attn": false,
            "fused_attn": false,
            "guidance_scale": self.sheet.guidance,
            "hidden_size": config.width,
            "in_channels": channels,
            "input_size": tokens,
            "mlp_ratio": config.mlp_ratio,
            "num_classes": classes.len(),
            "num_heads": config.heads,
            "patch_size": 1,
            "path_type": config.path,
            "qk_norm": config.qk_norm,
            "use_cfg": true,
            "vae_1d": true,
            "z_dims": [0],
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// [`Self::model_config`] as the network takes it.
    ///
    /// # Errors
    /// Sizes of which no network can be built, in words.
    pub(super) fn args(&self, tokens: (usize, usize), classes: &[String]) -> Result<GeneratorArgs, String> {
        let config = Value::Object(self.model_config(tokens, classes));
        serde_json::from_value(config).map_err(|error| error.to_string())
    }
}

fn words(error: &toml::de::Error) -> String {
    error.to_string().trim_end().to_owned()
}

/// Puts the given values into a table of defaults, key by key.
fn overlay(defaults: &mut toml::Table, given: &toml::Table) {
    for (key, value) in given {
        match (defaults.get_mut(key), value) {
            (Some(toml::Value::Table(defaults)), toml::Value::Table(given)) => overlay(defaults, given),
            _ => {
                defaults.insert(key.clone(), value.clone());
            }
        }
    }
}
