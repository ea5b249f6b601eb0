//! Which keys a state dict must hold, with which shapes (goldens' README, section 2.3), and how one compares.

use super::checkpoint::{Checkpoint, Entry, StoredType};
use super::head::{CONV_ENLARGEMENT, CONV_LAYERS};
use super::{ModelArgs, ModelClass, ModelFiles, TokenizerError, VitSize};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// A key that every generator of the reference has, and no tokenizer.
const GENERATOR_KEY: &str = "y_embedder.embedding_table.weight";

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

/// A key of the reference's state dict.
struct ExpectedKey {
    name: String,
    /// None: any shape is as good, for nothing is read from it.
    shape: Option<Vec<usize>>,
    /// Read at inference, so it has to be there.
    is_used: bool,
}

/// Collects expected keys under a prefix.
struct KeyList {
    keys: Vec<ExpectedKey>,
}

impl KeyList {
    fn used(&mut self, name: String, shape: &[usize]) {
        self.keys.push(ExpectedKey {
            name,
            shape: Some(shape.to_vec()),
            is_used: true,
        });
    }
    fn unused(&mut self, name: &str) {
        self.keys.push(ExpectedKey {
            name: name.to_owned(),
            shape: None,
            is_used: false,
        });
    }
    /// `weight` [out, in] and `bias` `[out]`.
    fn linear(&mut self, prefix: &str, rows: usize, columns: usize) {
        self.used(format!("{prefix}.weight"), &[rows, columns]);
        self.used(format!("{prefix}.bias"), &[rows]);
    }
    fn norm(&mut self, prefix: &str, width: usize) {
        self.used(format!("{prefix}.weight"), &[width]);
        self.used(format!("{prefix}.bias"), &[width]);
    }
}

/// Keys and shapes of every parameter that a model of this class reads, sorted by key.
///
/// # Errors
/// A message for a configuration of which no keys are known.
pub fn parameter_shapes(args: &ModelArgs, class: ModelClass) -> Result<BTreeMap<String, Vec<usize>>, String> {
    let keys = expected_keys(args, class)?.into_iter();
    Ok(keys
        .filter(|key| key.is_used)
        .filter_map(|key| Some((key.name, key.shape?)))
        .collect())
}

fn expected_keys(args: &ModelArgs, class: ModelClass) -> Result<Vec<ExpectedKey>, String> {
    if args.enc_type != "vit" || args.dec_type != "vit" {
        return Err("its keys cannot be checked".to_owned());
    }
    let (encoder, decoder) = (args.encoder_size()?, args.decoder_size()?);
    let channels = args.codebook_embed_dim;
    let mut list = KeyList { keys: Vec::new() };

    encoder_keys(&mut list, args, encoder);
    let rows = if class == ModelClass::Kl {
        2 * channels
    } else {
        channels
    };
    list.linear("quant_conv", rows, encoder.embed_dim);
    match class {
        ModelClass::SoftVq => {
            list.used(
                "quantize.embedding".to_owned(),
                &[args.num_codebooks, args.codebook_size, channels],
            );
        }
        ModelClass::Vq => {
            list.used(
                "quantize.embedding.weight".to_owned(),
                &[args.codebook_size, channels],
            );
        }
        ModelClass::Kl | ModelClass::Ae => {}
    }
    list.unused("quantize.codebook_used");
    list.linear("post_quant_conv", decoder.embed_dim, channels);
    decoder_keys(&mut list, args, decoder);
    Ok(list.keys)
}

fn encoder_keys(list: &mut KeyList, args: &ModelArgs, size: VitSize) {
    let width = size.embed_dim;
    let patch = args.enc_patch_size;
    list.used(
        "encoder.latent_tokens".to_owned(),
        &[1, args.num_latent_tokens, width],
    );
    list.used(
        "encoder.latent_pos_embed".to_owned(),
        &[1, args.num_latent_tokens, width],
    );
    list.unused("encoder.mask_token");
    rotary_keys(list, args, "encoder", size);
    list.used("encoder.model.cls_token".to_owned(), &[1, 1, width]);
    list.used(
        "encoder.model.pos_embed".to_owned(),
        &[1, 1 + args.encoder_patches(), width],
    );
    list.used(
        "encoder.model.patch_embed.proj.weight".to_owned(),
        &[width, 3, patch, patch],
    );
    list.used("encoder.model.patch_embed.proj.bias".to_owned(), &[width]);
    for index in 0..size.depth {
        block_keys(list, &format!("encoder.model.blocks.{index}"), size);
    }
    list.norm("encoder.model.norm", width);
}

fn decoder_keys(list: &mut KeyList, args: &ModelArgs, size: VitSize) {
    let width = size.embed_dim;
    list.used("decoder.mask_token".to_owned(), &[1, 1, width]);
    list.used(
        "decoder.latent_pos_embed".to_owned(),
        &[1, args.num_latent_tokens, width],
    );
    rotary_keys(list, args, "decoder", size);
    if args.dec_cls_token {
        list.used("decoder.model.cls_token".to_owned(), &[1, 1, width]);
    }
    if args.use_rope {
        list.unused("decoder.model.pos_embed");
    } else {
        list.used(
            "decoder.model.pos_embed".to_owned(),
            &[1, 1 + args.decoder_patches(), width],
        );
    }
    // The December-2024 code deletes the decoder's patch embedding, the later one keeps it.
    list.unused("decoder.model.patch_embed.proj.weight");
    list.unused("decoder.model.patch_embed.proj.bias");
    for index in 0..size.depth {
        let prefix = format!("decoder.model.blocks.{index}");
        if args.has_adaptive_norm_decoder() {
            linear_layer_keys(list, &prefix, size);
            list.linear(
                &format!("{prefix}.adaLN_modulation.1"),
                4 * width,
                args.codebook_embed_dim,
            );
        } else {
            block_keys(list, &prefix, size);
        }
    }
    if args.has_adaptive_norm_decoder() {
        list.linear(
            "decoder.model.norm.adaLN_modulation.1",
            2 * width,
            args.codebook_embed_dim,
        );
    } else {
        list.norm("decoder.model.norm", width);
    }
    head_keys(list, args, width);
}

fn block_keys(list: &mut KeyList, prefix: &str, size: VitSize) {
    let width = size.embed_dim;
    list.norm(&format!("{prefix}.norm1"), width);
    list.norm(&format!("{prefix}.norm2"), width);
    list.used(format!("{prefix}.ls1.gamma"), &[width]);
    list.used(format!("{prefix}.ls2.gamma"), &[width]);
    linear_layer_keys(list, prefix, size);
}

fn linear_layer_keys(list: &mut KeyList, prefix: &str, size: VitSize) {
    let width = size.embed_dim;
    list.linear(&format!("{prefix}.attn.qkv"), 3 * width, width);
    list.linear(&format!("{prefix}.attn.proj"), width, width);
    list.linear(&format!("{prefix}.mlp.fc1"), size.mlp_dim(), width);
    list.linear(&format!("{prefix}.mlp.fc2"), width, size.mlp_dim());
}

fn rotary_keys(list: &mut KeyList, args: &ModelArgs, side: &str, size: VitSize) {
    if args.use_rope {
        list.used(
            format!("{side}.freqs"),
            &[2, size.depth, size.num_heads * (size.head_dim() / 2)],
        );
        list.unused(&format!("{side}.freqs_t_x"));
        list.unused(&format!("{side}.freqs_t_y"));
    }
}

fn head_keys(list: &mut KeyList, args: &ModelArgs, width: usize) {
    let pixels = 3 * args.dec_patch_size * args.dec_patch_size;
    let prefix = "decoder.to_pixel.model";
    match args.to_pixel.as_str() {
        "conv" => {
            let mut inputs = width;
            for (layer, outputs, kernel) in CONV_LAYERS {
                list.used(
                    format!("{prefix}.{layer}.weight"),
                    &[outputs, inputs, kernel, kernel],
                );
                list.used(format!("{prefix}.{layer}.bias"), &[outputs]);
                inputs = outputs;
            }
        }
        "siren" => {
            list.linear(&format!("{prefix}.0.linear"), 2 * width, width);
            // One row of a picture plane for every token and channel.
            list.linear(&format!("{prefix}.1.linear"), 3 * args.image_size, 2 * width);
        }
        _ => list.linear(prefix, pixels, width),
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

fn compare(expected: &[ExpectedKey], entries: &BTreeMap<String, Entry>) -> KeyComparison {
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
