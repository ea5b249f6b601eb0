//! Passes through small models of every kind.

use crate::support::chosen::device;
use crate::support::{Golden, backward, decode, forward, load_on, psnr, recon_bytes, relative_rms};
use candle_core::DType;
use softscope::tokenizer::NoHook;

/// PSNR of 8-bit pictures that half precision must reach.
const HALF_DB: f64 = 45.0;
/// Relative RMS of pictures and tokens in bf16. The CPU rounds weights and what is multiplied with them and stays below
/// 0.02 in the most sensitive set; a GPU rounds products too, which adds half as much again.
const BF16: f64 = 0.03;

const SETS: [&str; 17] = [
    "a1_softvq_k1",
    "a2_softvq_k4",
    "a3_softvq_nol2",
    "a4_kl16_vit",
    "a5_vq16_vit",
    "a5b_vq16_nol2",
    "a6_maetok",
    "a6b_ae_rope_plain",
    "a6c_ae_movq_ape",
    "a6d_softvq_rope",
    "a7_maetok_512",
    "a8_to_pixel_conv",
    "a8_to_pixel_siren",
    "a9_softvq_b_32",
    "a9_softvq_bl_64",
    "a9_softvq_bl_64_512",
    "a10_softvq_repa",
];

fn sets() -> impl Iterator<Item = Golden> {
    SETS.iter().filter_map(|name| Golden::tiny(name))
}

#[test]
fn every_stage_is_what_the_authors_have() {
    for golden in sets() {
        eprintln!("{}", golden.files.name);
        forward::check_all_forms(&golden, &device());
    }
}

#[test]
fn gradients_are_what_the_authors_have() {
    let with_gradients = sets().filter(|golden| golden.io.contains_key("bw.loss"));
    let mut checked = 0;
    for golden in with_gradients {
        eprintln!("{}", golden.files.name);
        backward::check_gradients(&golden, &device());
        checked += 1;
    }
    assert!(checked > 0, "no set has gradients");
}

#[test]
fn half_precision_pictures_are_close() {
    for name in ["a3_softvq_nol2", "a10_softvq_repa"] {
        let golden = Golden::tiny(name).unwrap();
        let expected = recon_bytes(golden.get("dec"));
        for dtype in [DType::BF16, DType::F16] {
            let tokenizer = load_on(&golden.files, &device(), dtype);
            let psnr_db = psnr(&recon_bytes(&decode(&tokenizer, golden.get("z"))), &expected);
            eprintln!("{name} in {dtype:?}: {psnr_db:.1} dB");
            assert!(psnr_db >= HALF_DB, "{name} in {dtype:?}: PSNR {psnr_db}");
        }
    }
}

#[test]
fn bf16_is_close_in_every_variant() {
    for golden in sets() {
        let tokenizer = load_on(&golden.files, &device(), DType::BF16);
        let encoding = tokenizer.encode(&golden.x(), &mut NoHook).unwrap();
        for (what, found, expected) in [
            ("h", encoding.h, golden.get("h")),
            ("dec", decode(&tokenizer, golden.get("z")), golden.get("dec")),
        ] {
            let error = relative_rms(&found, expected);
            eprintln!("{} {what}: {error:.1e}", golden.files.name);
            assert!(error < BF16, "{}: {what} is off by {error}", golden.files.name);
        }
    }
}
