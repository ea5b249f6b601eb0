//! Floating-point operations of a pass, counted from the configuration: matrix products and attention, a
//! multiplication and an addition being two. Norms, activations and softmax are left out, as is usual.

use crate::tokenizer::{ModelArgs, VitSize};

const GIGA: f64 = 1e9;
const CHANNELS: usize = 3;

/// 10^9 operations to encode one picture; `None` for ViTs of unknown size.
pub(super) fn encode(args: &ModelArgs) -> Option<f64> {
    let size = args.encoder_size().ok()?;
    let patch_values = CHANNELS * args.enc_patch_size.pow(2);
    let patches = patches(args, args.enc_patch_size);
    let tokens = args.num_latent_tokens;
    let embedding = product(patches, patch_values, size.embed_dim);
    let blocks = vit(size, 1 + patches + tokens);
    let latent = product(tokens, size.embed_dim, args.codebook_embed_dim);
    // Similarities with the codewords of a token's segment, and their weighted mean.
    let mixture = 2.0 * product(tokens, args.codebook_embed_dim, args.codebook_size);
    Some((embedding + blocks + latent + mixture) / GIGA)
}

/// 10^9 operations to decode one picture; `None` for ViTs of unknown size and for heads that are not linear.
pub(super) fn decode(args: &ModelArgs) -> Option<f64> {
    let size = args.decoder_size().ok()?;
    if args.to_pixel != "linear" {
        return None;
    }
    let patch_values = CHANNELS * args.dec_patch_size.pow(2);
    let patches = patches(args, args.dec_patch_size);
    let tokens = args.num_latent_tokens;
    let latent = product(tokens, args.codebook_embed_dim, size.embed_dim);
    let blocks = vit(size, usize::from(args.dec_cls_token) + patches + tokens);
    let pixels = product(patches, size.embed_dim, patch_values);
    Some((latent + blocks + pixels) / GIGA)
}

fn patches(args: &ModelArgs, patch: usize) -> usize {
    (args.image_size / patch.max(1)).pow(2)
}

/// Blocks of a ViT over a sequence.
fn vit(size: VitSize, sequence: usize) -> f64 {
    let width = size.embed_dim;
    let linear = product(sequence, width, 3 * width)
        + product(sequence, width, width)
        + 2.0 * product(sequence, width, size.mlp_dim());
    let attention = 2.0 * product(sequence, width, sequence);
    size.depth as f64 * (linear + attention)
}

/// A product [rows, inner] x [inner, columns].
fn product(rows: usize, inner: usize, columns: usize) -> f64 {
    2.0 * rows as f64 * inner as f64 * columns as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(extra: &serde_json::Value) -> ModelArgs {
        let mut config = json!({
            "image_size": 256, "codebook_size": 8192, "codebook_embed_dim": 32, "num_codebooks": 4,
            "num_latent_tokens": 64, "enc_type": "vit", "dec_type": "vit",
            "encoder_model": "vit_large_patch14_dinov2.lvd142m", "decoder_model": "vit_large_patch14_dinov2.lvd142m",
        });
        for (key, value) in extra.as_object().unwrap() {
            config[key] = value.clone();
        }
        ModelArgs::from_json(config).unwrap()
    }

    #[test]
    fn a_block_is_twelve_products_of_the_width_squared_and_attention() {
        let size = VitSize {
            embed_dim: 8,
            depth: 3,
            num_heads: 2,
        };
        let expected = 3 * (24 * 5 * 8 * 8 + 4 * 5 * 5 * 8);
        assert_eq!(vit(size, 5), f64::from(expected));
    }

    #[test]
    fn the_large_model_takes_about_two_operations_a_parameter_and_token() {
        // 24 blocks of 12.6 million parameters over 321 tokens, attention on top.
        let gflop = decode(&args(&json!({}))).unwrap();
        let products = 2.0 * 24.0 * 12.0 * 1024.0_f64.powi(2) * 321.0 / GIGA;
        assert!(gflop > products && gflop < 1.1 * products, "{gflop} {products}");
    }

    #[test]
    fn what_is_not_counted_is_not_claimed() {
        assert!(decode(&args(&json!({"to_pixel": "conv"}))).is_none());
        assert!(encode(&args(&json!({"encoder_model": "unheard_of"}))).is_none());
    }
}
