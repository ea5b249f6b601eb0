//! The keys that a configuration asks for, with their shapes.

use crate::tokenizer::head::CONV_LAYERS;
use crate::tokenizer::{ModelArgs, ModelClass, VitSize};
use std::collections::BTreeMap;

/// A key of the reference's state dict.
pub(super) struct ExpectedKey {
    pub(super) name: String,
    /// None: any shape is as good, for nothing is read from it.
    pub(super) shape: Option<Vec<usize>>,
    /// Read at inference, so it has to be there.
    pub(super) is_used: bool,
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

pub(super) fn expected_keys(args: &ModelArgs, class: ModelClass) -> Result<Vec<ExpectedKey>, String> {
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
