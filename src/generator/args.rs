use super::GeneratorError;
use std::path::Path;

/// Which of the two published families a generator belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum GeneratorClass {
    /// Velocity of an interpolant between data and noise (arXiv 2401.08740).
    #[serde(rename = "SiT")]
    Sit,
    /// Noise and variance of a 1000-step diffusion (arXiv 2212.09748).
    #[serde(rename = "DiT")]
    Dit,
}

impl std::fmt::Display for GeneratorClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sit => "SiT",
            Self::Dit => "DiT",
        })
    }
}

/// The constructor arguments that the hub writes into a generator's `config.json`; others in that file are ignored.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GeneratorArgs {
    /// Tokens in the sequence (1-D), or side of the latent square (2-D).
    pub input_size: usize,
    /// Values per token, or channels of the latent square.
    pub in_channels: usize,
    /// Side of a patch of the latent square; without effect in 1-D.
    #[serde(default = "default_patch")]
    pub patch_size: usize,
    /// Width D.
    pub hidden_size: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Width of the MLP over D.
    pub mlp_ratio: f64,
    /// Classes; the label table has a further row for "no class" when `class_dropout_prob` > 0.
    pub num_classes: usize,
    /// Share of training labels replaced by "no class".
    #[serde(default = "default_dropout")]
    pub class_dropout_prob: f64,
    /// Whether queries and keys are normalised per head (SiT).
    #[serde(default)]
    pub qk_norm: bool,
    /// Whether the latent is a sequence of tokens.
    #[serde(default = "default_vae_1d")]
    pub vae_1d: bool,
    /// DiT only: whether the variance is predicted beside the noise.
    #[serde(default)]
    pub learn_sigma: Option<bool>,
    /// The path it was trained on, "linear" or "cosine"; the reference writes other words here, which say nothing.
    #[serde(default)]
    pub path_type: Option<serde_json::Value>,
    /// Names of the classes, in order. A key of Softscope's own.
    #[serde(default)]
    pub class_names: Option<Vec<String>>,
    /// Scale of classifier-free guidance at which it shows its classes well, above 0. A key of Softscope's own.
    #[serde(default)]
    pub guidance_scale: Option<f64>,
}

fn default_patch() -> usize {
    1
}

fn default_dropout() -> f64 {
    0.1
}

fn default_vae_1d() -> bool {
    true
}

impl GeneratorArgs {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// A file that cannot be read, is no such JSON, or describes no network.
    pub fn read(path: &Path) -> Result<Self, GeneratorError> {
        let text = std::fs::read(path).map_err(|source| {
            GeneratorError::Files(crate::tokenizer::TokenizerError::Read {
                path: path.to_owned(),
                source,
            })
        })?;
        let config = |reason: String| GeneratorError::Config {
            path: path.to_owned(),
            reason,
        };
        let args: Self = serde_json::from_slice(&text).map_err(|error| {
            config(format!(
                "{error}; this is no configuration of a SiT or DiT generator (a tokenizer's is given with --model)"
            ))
        })?;
        args.check().map_err(config)?;
        Ok(args)
    }

    /// Which family: only a DiT has the key `learn_sigma`, and only it predicts twice its input. `outputs` is the
    /// number of rows of `final_layer.linear.weight`, where known.
    pub fn class(&self, outputs: Option<usize>) -> GeneratorClass {
        if self.learn_sigma.is_some() || outputs == Some(2 * self.token_values()) {
            GeneratorClass::Dit
        } else {
            GeneratorClass::Sit
        }
    }

    /// The path it was trained on, where the configuration says so.
    pub fn path(&self) -> Option<super::Path> {
        serde_json::from_value(self.path_type.clone()?).ok()
    }

    /// Number of tokens that the blocks see.
    pub fn sequence_length(&self) -> usize {
        if self.vae_1d {
            self.input_size
        } else {
            (self.input_size / self.patch_size.max(1)).pow(2)
        }
    }

    /// Tokens and values of each; `None` for a generator of latent squares.
    pub fn token_shape(&self) -> Option<(usize, usize)> {
        self.vae_1d.then_some((self.input_size, self.in_channels))
    }

    /// Shape of a batch of `batch` latents: [B, L, D], or [B, C, S, S] in 2-D.
    pub fn latent_shape(&self, batch: usize) -> Vec<usize> {
        let (size, channels) = (self.input_size, self.in_channels);
        if self.vae_1d {
            vec![batch, size, channels]
        } else {
            vec![batch, channels, size, size]
        }
    }

    /// The label that means "no class": the last row of the label table. `None` where the table has no such row.
    pub fn null_label(&self) -> Option<u32> {
        let has_row = self.class_dropout_prob > 0.0;
        u32::try_from(self.num_classes).ok().filter(|_| has_row)
    }

    /// Rows of the label table.
    pub(super) fn label_rows(&self) -> usize {
        self.num_classes + usize::from(self.class_dropout_prob > 0.0)
    }

    /// Values that a token of the sequence takes in.
    pub(super) fn token_values(&self) -> usize {
        if self.vae_1d {
            self.in_channels
        } else {
            self.in_channels * self.patch_size.pow(2)
        }
    }

    pub(super) fn mlp_width(&self) -> usize {
        // The reference truncates the product.
        (self.hidden_size as f64 * self.mlp_ratio) as usize
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.num_heads == 0 || !self.hidden_size.is_multiple_of(self.num_heads) {
            return Err(format!(
                "`hidden_size` {} is not a multiple of `num_heads` {}",
                self.hidden_size, self.num_heads
            ));
        }
        if !self.vae_1d && (self.patch_size == 0 || !self.input_size.is_multiple_of(self.patch_size)) {
            return Err(format!(
                "`input_size` {} is not a multiple of `patch_size` {}",
                self.input_size, self.patch_size
            ));
        }
        let sizes = [self.input_size, self.in_channels, self.hidden_size, self.depth];
        if sizes.contains(&0) || self.mlp_width() == 0 || self.label_rows() == 0 {
            return Err(
                "`input_size`, `in_channels`, `hidden_size`, `depth`, `mlp_ratio` and `num_classes` must be above 0"
                    .to_owned(),
            );
        }
        let largest = sizes
            .into_iter()
            .chain([self.num_classes, self.mlp_width()])
            .max();
        if largest > Some(LARGEST_SIZE) {
            return Err(format!(
                "a size of {} is no network's",
                largest.unwrap_or_default()
            ));
        }
        if self.learn_sigma == Some(false) {
            return Err(
                "`learn_sigma` is false: the reference's sampler needs a DiT that predicts its variance"
                    .to_owned(),
            );
        }
        if let Some(scale) = self
            .guidance_scale
            .filter(|scale| !(scale.is_finite() && *scale > 0.0))
        {
            return Err(format!("`guidance_scale` is {scale}; it must be above 0"));
        }
        match &self.class_names {
            Some(names) if names.len() != self.num_classes => Err(format!(
                "`class_names` has {} names for {} classes",
                names.len(),
                self.num_classes
            )),
            _ => Ok(()),
        }
    }
}

/// Keeps products of sizes from overflowing.
const LARGEST_SIZE: usize = 1 << 20;
