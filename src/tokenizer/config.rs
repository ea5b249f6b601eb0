//! `config.json` as the reference's hub mixin writes it.

use super::TokenizerError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Largest value taken from a file for any size; keeps every product of sizes far from overflow.
const LARGEST_SIZE: usize = 1 << 20;
/// Most blocks of a ViT; every block has keys that are listed.
const MOST_BLOCKS: usize = 1024;

/// Width, depth and heads of a ViT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitSize {
    /// Channels of the residual stream (D).
    pub embed_dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads; divides `embed_dim`.
    pub num_heads: usize,
}

impl VitSize {
    /// Hidden channels of a block's MLP: four times the width in every model of the reference.
    pub fn mlp_dim(&self) -> usize {
        4 * self.embed_dim
    }

    /// Channels of one attention head.
    pub fn head_dim(&self) -> usize {
        self.embed_dim / self.num_heads.max(1)
    }
}

/// Model family, told from the state dict (nothing in `config.json` names it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ModelClass {
    /// Soft mixtures of codewords (`quantize.embedding`).
    SoftVq,
    /// Nearest codeword (`quantize.embedding.weight`).
    Vq,
    /// Gaussian posterior (`quant_conv` with 2C rows, no codebook).
    Kl,
    /// Plain autoencoder (`quant_conv` with C rows, no codebook).
    Ae,
}

impl std::fmt::Display for ModelClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SoftVq => "SoftVQ",
            Self::Vq => "VQ",
            Self::Kl => "KL",
            Self::Ae => "AE",
        })
    }
}

/// Declares [`ModelArgs`] once: field, type and default give the struct, its reader and its writer.
macro_rules! model_args {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr;)*) => {
        /// The reference's `ModelArgs`; missing keys at its defaults, unknown keys kept in `extra`.
        #[derive(Debug, Clone, PartialEq)]
        pub struct ModelArgs {
            $($(#[$doc])* pub $field: $type,)*
            /// Keys that the reference's dataclass does not have, as they were read.
            pub extra: Map<String, Value>,
        }

        impl Default for ModelArgs {
            fn default() -> Self {
                Self { $($field: $default,)* extra: Map::new() }
            }
        }

        impl ModelArgs {
            fn from_map(mut map: Map<String, Value>) -> Result<Self, String> {
                let mut args = Self::default();
                $(
                    // The mixin writes None as null; the dataclass default stands for both.
                    if let Some(value) = map.remove(stringify!($field)).filter(|value| !value.is_null()) {
                        args.$field = serde_json::from_value(value)
                            .map_err(|error| format!("`{}`: {error}", stringify!($field)))?;
                    }
                )*
                args.extra = map;
                Ok(args)
            }

            /// The flat JSON object that the reference reads back.
            pub fn to_json(&self) -> Value {
                let mut map = Map::new();
                $(map.insert(stringify!($field).to_owned(), serde_json::json!(self.$field));)*
                if self.vit_overrides.is_empty() {
                    map.remove("vit_overrides");
                }
                map.extend(self.extra.clone());
                Value::Object(map)
            }
        }
    };
}

model_args! {
    /// Side of the square picture in pixels.
    image_size: usize = 256;
    /// Side in pixels that the rotary grid buffers were made for.
    base_image_size: usize = 256;
    /// Codewords in each codebook (n).
    codebook_size: usize = 16384;
    /// Channels of a token and of a codeword (C; "D" of the latent in the paper).
    codebook_embed_dim: usize = 8;
    /// Whether tokens and codewords are normalised to unit length before they are compared.
    codebook_l2_norm: bool = true;
    /// Whether the state dict carries a usage buffer.
    codebook_show_usage: bool = true;
    /// Training only; ignored by SoftVQ.
    commit_loss_beta: f64 = 0.25;
    /// Training only: weight of the entropy term.
    entropy_loss_ratio: f64 = 0.0;
    /// Training only; ignored by SoftVQ.
    vq_loss_ratio: f64 = 1.0;
    /// Training only: weight of the KL term.
    kl_loss_weight: f64 = 1e-6;
    /// Temperature of the softmax over codewords.
    tau: f64 = 0.1;
    /// Codebooks (K); tokens are cut into K consecutive segments, one for each codebook.
    num_codebooks: usize = 1;
    /// Convolutional variants only.
    encoder_ch_mult: Vec<usize> = vec![1, 1, 2, 2, 4];
    /// Convolutional variants only.
    decoder_ch_mult: Vec<usize> = vec![1, 1, 2, 2, 4];
    /// Convolutional variants only.
    z_channels: usize = 256;
    /// Training only.
    dropout_p: f64 = 0.0;
    /// "vit" or "cnn".
    enc_type: String = "cnn".to_owned();
    /// "vit" or "cnn".
    dec_type: String = "cnn".to_owned();
    /// timm name of the encoder's ViT; gives its size.
    encoder_model: String = "llamagen_encoder".to_owned();
    /// timm name of the decoder's ViT; gives its size.
    decoder_model: String = "llamagen_decoder".to_owned();
    /// Latent tokens (L).
    num_latent_tokens: usize = 256;
    /// Pixel head: "linear", "conv" or "siren".
    to_pixel: String = "linear".to_owned();
    /// Training only.
    enc_tuning_method: String = "full".to_owned();
    /// Training only.
    dec_tuning_method: String = "full".to_owned();
    /// Training only: where the encoder's training started.
    enc_pretrained: bool = true;
    /// Training only: where the decoder's training started.
    dec_pretrained: bool = false;
    /// Side of an encoder patch in pixels.
    enc_patch_size: usize = 16;
    /// Side of a decoder patch in pixels.
    dec_patch_size: usize = 16;
    /// Training only.
    enc_drop_path_rate: f64 = 0.0;
    /// Training only.
    dec_drop_path_rate: f64 = 0.0;
    /// Training only: share of patches hidden from the encoder (MAETok).
    enc_token_drop: f64 = 0.0;
    /// Training only.
    enc_token_drop_max: f64 = 0.6;
    /// Whether the decoder's sequence begins with a class token.
    dec_cls_token: bool = true;
    /// Whether the decoder adds a learned position table.
    use_ape: bool = true;
    /// Whether attention rotates image tokens.
    use_rope: bool = false;
    /// Whether the rotary frequencies are learned for each head, in both axes.
    rope_mixed: bool = false;
    /// Base of the rotary frequencies at initialisation.
    rope_theta: f64 = 10.0;
    /// Training only: alignment with a pretrained vision model.
    repa: bool = false;
    /// Training only.
    repa_patch_size: usize = 16;
    /// Training only.
    repa_model: String = "vit_base_patch16_224".to_owned();
    /// Training only.
    repa_proj_dim: usize = 2048;
    /// Training only.
    repa_loss_weight: f64 = 0.1;
    /// Training only: "global", "avg_1d" or "repeat".
    repa_align: String = "global".to_owned();
    /// Mean of the latents, for generators.
    vq_mean: f64 = 0.0;
    /// Standard deviation of the latents, for generators.
    vq_std: f64 = 1.0;
    /// Not the reference's: sizes by timm name, for models smaller than any of timm's.
    vit_overrides: BTreeMap<String, VitSize> = BTreeMap::new();
}

impl ModelArgs {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// An unreadable file, bad JSON, or a key with a wrong type or an impossible value; the message names both.
    pub fn read(path: &Path) -> Result<Self, TokenizerError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokenizerError::read(path, source))?;
        let error = |reason: String| TokenizerError::Config {
            path: path.to_owned(),
            reason,
        };
        let value: Value =
            serde_json::from_str(&text).map_err(|cause| error(format!("not valid JSON ({cause})")))?;
        Self::from_json(value).map_err(error)
    }

    /// Takes the keys from a JSON object and checks their values.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn from_json(value: Value) -> Result<Self, String> {
        let Value::Object(map) = value else {
            return Err("a configuration is a JSON object".to_owned());
        };
        let args = Self::from_map(map)?;
        args.validate()?;
        Ok(args)
    }

    /// Refuses values with which no model can be built.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        for (key, value) in [
            ("image_size", self.image_size),
            ("codebook_size", self.codebook_size),
            ("codebook_embed_dim", self.codebook_embed_dim),
            ("num_codebooks", self.num_codebooks),
            ("num_latent_tokens", self.num_latent_tokens),
            ("enc_patch_size", self.enc_patch_size),
            ("dec_patch_size", self.dec_patch_size),
        ] {
            if value == 0 || value > LARGEST_SIZE {
                return Err(format!("`{key}` is {value}; it must be from 1 to {LARGEST_SIZE}"));
            }
        }
        for (key, patch) in [
            ("enc_patch_size", self.enc_patch_size),
            ("dec_patch_size", self.dec_patch_size),
        ] {
            if !self.image_size.is_multiple_of(patch) {
                return Err(format!(
                    "`{key}` is {patch}, which does not divide `image_size` {}",
                    self.image_size
                ));
            }
        }
        if !self.num_latent_tokens.is_multiple_of(self.num_codebooks) {
            return Err(format!(
                "`num_codebooks` is {}, which does not divide `num_latent_tokens` {}",
                self.num_codebooks, self.num_latent_tokens
            ));
        }
        for (key, value) in [("tau", self.tau), ("vq_std", self.vq_std)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(format!("`{key}` is {value}; it must be above 0"));
            }
        }
        for (name, size) in &self.vit_overrides {
            validate_size(name, *size)?;
        }
        Ok(())
    }

    /// Size of the encoder's ViT.
    ///
    /// # Errors
    /// A message for a timm name whose size is not known.
    pub fn encoder_size(&self) -> Result<VitSize, String> {
        self.vit_size("encoder_model", &self.encoder_model)
    }

    /// Size of the decoder's ViT.
    ///
    /// # Errors
    /// A message for a timm name whose size is not known.
    pub fn decoder_size(&self) -> Result<VitSize, String> {
        self.vit_size("decoder_model", &self.decoder_model)
    }

    fn vit_size(&self, key: &str, name: &str) -> Result<VitSize, String> {
        if let Some(size) = self.vit_overrides.get(name) {
            return Ok(*size);
        }
        // Sizes of the reference's release table (S, B, L); head size is 64 in all three.
        let (embed_dim, depth) = if name.contains("small") {
            (384, 12)
        } else if name.contains("base") {
            (768, 12)
        } else if name.contains("large") {
            (1024, 24)
        } else {
            return Err(format!(
                "`{key}` is \"{name}\", which names neither a small, a base nor a large ViT; \
                 give its size under `vit_overrides`"
            ));
        };
        Ok(VitSize {
            embed_dim,
            depth,
            num_heads: embed_dim / 64,
        })
    }

    /// Patches of the encoder's picture (N).
    pub fn encoder_patches(&self) -> usize {
        (self.image_size / self.enc_patch_size).pow(2)
    }

    /// Patches of the decoder's picture (N).
    pub fn decoder_patches(&self) -> usize {
        (self.image_size / self.dec_patch_size).pow(2)
    }

    /// Tokens that share one codebook (S = L / K).
    pub fn tokens_per_segment(&self) -> usize {
        self.num_latent_tokens / self.num_codebooks.max(1)
    }

    /// Whether the decoder is of the adaptive-norm kind ("movq" in its timm name).
    pub fn has_adaptive_norm_decoder(&self) -> bool {
        self.decoder_model.contains("movq")
    }
}

fn validate_size(name: &str, size: VitSize) -> Result<(), String> {
    let VitSize {
        embed_dim,
        depth,
        num_heads,
    } = size;
    for (key, value, most) in [
        ("embed_dim", embed_dim, LARGEST_SIZE),
        ("depth", depth, MOST_BLOCKS),
        ("num_heads", num_heads, LARGEST_SIZE),
    ] {
        if value == 0 || value > most {
            return Err(format!(
                "`vit_overrides.{name}.{key}` is {value}; it must be from 1 to {most}"
            ));
        }
    }
    if !embed_dim.is_multiple_of(num_heads) {
        return Err(format!(
            "`vit_overrides.{name}`: `num_heads` {num_heads} does not divide `embed_dim` {embed_dim}"
        ));
    }
    Ok(())
}
