//! Which keys a state dict must hold, with which shapes (goldens' README, section 2.3), and how one compares.

mod comparison;
mod expected;

use super::checkpoint::{Checkpoint, Entry};
use super::head::CONV_ENLARGEMENT;
use super::{ModelArgs, ModelClass, ModelFiles, TokenizerError, VitSize};
use comparison::compare;
pub use comparison::{KeyComparison, WrongShape};
use expected::expected_keys;
pub use expected::parameter_shapes;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A key that every generator of the reference has, and no tokenizer.
const GENERATOR_KEY: &str = "y_embedder.embedding_table.weight";

/// Preflight report: what a model is and whether it can be loaded, without reading its weights.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// Name shown to a person.
    pub name: String,
    /// Family.
    pub class: ModelClass,
    /// Part of a training checkpoint that holds the weights ("ema", "model", "state_dict"); none at the root.
    pub section: Option<String>,
    /// Side of the picture in pixels.
    pub image_size: usize,
    /// Latent tokens (L).
    pub num_latent_tokens: usize,
    /// Channels of a token.
    pub codebook_embed_dim: usize,
    /// Codebooks (K); 0 where the class has none.
    pub num_codebooks: usize,
    /// Codewords in each codebook (n); 0 where the class has none.
    pub codebook_size: usize,
    /// Encoder ViT, where it is one and its size is known.
    pub encoder: Option<VitSize>,
    /// Decoder ViT, where it is one and its size is known.
    pub decoder: Option<VitSize>,
    /// Parameters in use at inference, as the file has them.
    pub parameter_count: usize,
    /// Their bytes in the file.
    pub weight_bytes: u64,
    /// Parts of the reference that Softscope does not run.
    pub unsupported: Vec<String>,
    /// Key by key.
    pub keys: KeyComparison,
}

impl CheckReport {
    /// Whether [`super::Tokenizer::load`] would get as far as the values.
    pub fn is_loadable(&self) -> bool {
        self.unsupported.is_empty() && self.keys.is_loadable()
    }
}

/// Compares a model's files with each other: class, sizes, keys and shapes, without reading weights.
///
/// # Errors
/// Files that cannot be read, a configuration with an impossible value, a damaged checkpoint. A model that merely
/// does not fit, or is not supported, gives a report that says so.
pub fn check(files: &ModelFiles) -> Result<CheckReport, TokenizerError> {
    let args = ModelArgs::read(&files.config)?;
    let checkpoint = Checkpoint::open(&files.weights)?;
    let Plan {
        class,
        unsupported,
        keys,
        used,
    } = Plan::new(&args, checkpoint.entries());
    let used_entries = || used.iter().filter_map(|key| checkpoint.entries().get(key));
    let (num_codebooks, codebook_size) = match class {
        ModelClass::SoftVq => (args.num_codebooks, args.codebook_size),
        // The reference's hard quantiser has one codebook, whatever the configuration says.
        ModelClass::Vq => (1, args.codebook_size),
        ModelClass::Kl | ModelClass::Ae => (0, 0),
    };
    Ok(CheckReport {
        name: files.name.clone(),
        class,
        section: checkpoint.section().map(str::to_owned),
        image_size: args.image_size,
        num_latent_tokens: args.num_latent_tokens,
        codebook_embed_dim: args.codebook_embed_dim,
        num_codebooks,
        codebook_size,
        encoder: args.encoder_size().ok(),
        decoder: args.decoder_size().ok(),
        parameter_count: used_entries().map(Entry::element_count).sum(),
        weight_bytes: used_entries().map(Entry::stored_bytes).sum(),
        unsupported,
        keys,
    })
}

/// Whether [`super::Tokenizer::load`] would get as far as the values, for a caller that has much to do before it loads.
///
/// # Errors
/// As [`super::Tokenizer::load`], but for weights that are not finite.
pub fn require_loadable(files: &ModelFiles) -> Result<ModelArgs, TokenizerError> {
    let args = ModelArgs::read(&files.config)?;
    let checkpoint = Checkpoint::open(&files.weights)?;
    Plan::new(&args, checkpoint.entries()).require_loadable(checkpoint.path())?;
    Ok(args)
}

/// What is to be read, and what stands in the way.
pub(super) struct Plan {
    pub(super) class: ModelClass,
    pub(super) unsupported: Vec<String>,
    pub(super) keys: KeyComparison,
    /// Keys that inference reads, sorted.
    pub(super) used: BTreeSet<String>,
}

impl Plan {
    pub(super) fn new(args: &ModelArgs, entries: &BTreeMap<String, Entry>) -> Self {
        let class = detect_class(args, entries);
        if entries.contains_key(GENERATOR_KEY) {
            return Self::not_a_tokenizer(class);
        }
        let mut unsupported = unsupported_features(args, class);
        let expected = match expected_keys(args, class) {
            Ok(expected) => expected,
            Err(reason) => {
                unsupported.push(reason);
                return Self {
                    class,
                    unsupported,
                    keys: KeyComparison::default(),
                    used: BTreeSet::new(),
                };
            }
        };
        let keys = compare(&expected, entries);
        let used = expected
            .into_iter()
            .filter(|key| key.is_used)
            .map(|key| key.name)
            .collect();
        Self {
            class,
            unsupported,
            keys,
            used,
        }
    }

    /// One reason instead of a list of all keys that a generator lacks.
    fn not_a_tokenizer(class: ModelClass) -> Self {
        let reason = "it is a generator of tokens (SiT or DiT), not a tokenizer; load the tokenizer it was trained with \
                      and generate with it";
        Self {
            class,
            unsupported: vec![reason.to_owned()],
            keys: KeyComparison::default(),
            used: BTreeSet::new(),
        }
    }

    /// Ends with the one error that lists everything, where anything stands in the way.
    pub(super) fn require_loadable(&self, path: &Path) -> Result<(), TokenizerError> {
        if !self.unsupported.is_empty() {
            return Err(TokenizerError::Unsupported {
                path: path.to_owned(),
                features: self.unsupported.join("; "),
            });
        }
        if !self.keys.is_loadable() {
            return Err(TokenizerError::Keys {
                path: path.to_owned(),
                problems: self.keys.problems(),
            });
        }
        Ok(())
    }
}

fn detect_class(args: &ModelArgs, entries: &BTreeMap<String, Entry>) -> ModelClass {
    if entries.contains_key("quantize.embedding") {
        return ModelClass::SoftVq;
    }
    if entries.contains_key("quantize.embedding.weight") {
        return ModelClass::Vq;
    }
    match entries
        .get("quant_conv.weight")
        .and_then(|entry| entry.shape.first())
    {
        Some(rows) if *rows == 2 * args.codebook_embed_dim => ModelClass::Kl,
        Some(_) => ModelClass::Ae,
        // Neither a codebook nor its projection: nothing tells, so it is held against what is asked for most.
        None => ModelClass::SoftVq,
    }
}

fn unsupported_features(args: &ModelArgs, class: ModelClass) -> Vec<String> {
    let mut features = Vec::new();
    for (key, kind) in [("enc_type", &args.enc_type), ("dec_type", &args.dec_type)] {
        if kind != "vit" {
            features.push(format!(
                "a convolutional variant (`{key}` is \"{kind}\", which is also its default; only \"vit\" is run)"
            ));
        }
    }
    if args.use_rope && !args.rope_mixed {
        features.push(
            "axial rotary positions (`use_rope` without `rope_mixed`; the reference fails too)".to_owned(),
        );
    }
    if !args.use_rope && !args.use_ape {
        features.push(
            "a decoder without positions (`use_ape` and `use_rope` are both false; the reference fails too)"
                .to_owned(),
        );
    }
    if !args.use_rope && !args.dec_cls_token {
        features
            .push("a decoder with a position table but no class token (`dec_cls_token` is false; the reference fails too)".to_owned());
    }
    if class == ModelClass::Kl && args.has_adaptive_norm_decoder() {
        features.push(format!(
            "class KL with an adaptive-norm decoder (`decoder_model` is \"{}\"; the reference fails too)",
            args.decoder_model
        ));
    }
    if args.use_rope {
        for (key, size) in [
            ("encoder_model", args.encoder_size()),
            ("decoder_model", args.decoder_size()),
        ] {
            if let Ok(size) = size
                && !size.head_dim().is_multiple_of(2)
            {
                features.push(format!(
                    "rotary positions with an odd head size (`{key}` has {} channels a head)",
                    size.head_dim()
                ));
            }
        }
    }
    match args.to_pixel.as_str() {
        "linear" => {}
        "conv" if args.dec_patch_size == CONV_ENLARGEMENT => {}
        "conv" => features.push(format!(
            "the pixel head \"conv\" with `dec_patch_size` {} (it always enlarges {CONV_ENLARGEMENT} times)",
            args.dec_patch_size
        )),
        "siren" if args.decoder_patches() == args.image_size => {}
        "siren" => features.push(format!(
            "the pixel head \"siren\" with {} patches at {} px (it needs as many patches as pixels on a side)",
            args.decoder_patches(),
            args.image_size
        )),
        other => features.push(format!("the pixel head \"{other}\" (`to_pixel`)")),
    }
    features
}
