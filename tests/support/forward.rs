//! The tokenizer on a device against the authors' numbers on small models, at the figures of the contract.

use super::{Golden, Recorder, assert_close, decode, differing_bytes, load_on, on_cpu, recon_bytes, values};
use candle_core::{DType, Device, IndexOp, Tensor};
use softscope::tokenizer::{Encoding, Gaussian, Math, NoHook, Posterior, Tokenizer};

const H: f64 = 2e-5;
pub(crate) const Z: f64 = 1e-5;
pub(crate) const DEC: f64 = 5e-5;
/// Below this gap between its two largest weights a token's arg-max may go either way.
const CLEAR_MARGIN: f64 = 1e-4;

/// [B, L, n] in the goldens' order [K, B S, n].
fn by_segment(weights: &Tensor, books: usize) -> Tensor {
    let (batch, length, codes) = weights.dims3().unwrap();
    weights
        .reshape((batch, books, length / books, codes))
        .unwrap()
        .transpose(0, 1)
        .unwrap()
        .reshape((books, batch * length / books, codes))
        .unwrap()
}

/// Packed for speed, packed with differentiable operations, and as a training run holds it.
pub(crate) fn check_all_forms(golden: &Golden, device: &Device) {
    let tokenizer = load_on(&golden.files, device, DType::F32);
    check_forward(golden, &tokenizer);
    check_forward(golden, &tokenizer.with_math(Math::Differentiable));
    let weights = golden.weights_on(device);
    let given = Tokenizer::from_tensors(golden.args.clone(), weights, Math::Differentiable);
    check_forward(golden, &given.unwrap());
}

fn check_forward(golden: &Golden, tokenizer: &Tokenizer) {
    let mut recorder = Recorder::default();
    let encoding = tokenizer.encode(&golden.x(), &mut recorder).unwrap();
    let dec = tokenizer.decode(golden.get("z"), &mut recorder).unwrap();
    let mut stages = 0;
    let is_stage = |name: &str| name.starts_with("stage.") || name == "enc_tokens";
    for (name, expected) in golden.io.iter().filter(|(name, _)| is_stage(name)) {
        let found = recorder
            .0
            .get(name)
            .unwrap_or_else(|| panic!("no stage was reported as {name}"));
        // The contract has no figure for stages; they lie between the tokens' and the picture's.
        assert_close(name, found, expected, DEC);
        stages += 1;
    }
    let expects_stages = golden.io.contains_key("stage.enc.seq_in");
    assert!(
        !expects_stages || stages == recorder.0.len(),
        "some stage has no golden"
    );

    assert_close("h", &encoding.h, golden.get("h"), H);
    assert_close("z", &encoding.z, golden.get("z"), Z);
    check_posterior(golden, tokenizer, &encoding);

    assert_close("dec", &dec, golden.get("dec"), DEC);
    let first = dec.i(0..1).unwrap();
    assert!(differing_bytes(&recon_bytes(&first), golden.get("u8_recon")) < 0.005);
    let one = decode(tokenizer, &golden.get("z").i(0..1).unwrap());
    assert_close(
        "dec of one picture",
        &one,
        &golden.get("dec").i(0..1).unwrap(),
        DEC,
    );
    let alone = tokenizer
        .encode(&golden.x().i(0..1).unwrap(), &mut NoHook)
        .unwrap();
    assert_close("z of one picture", &alone.z, &golden.get("z").i(0..1).unwrap(), Z);
}

/// What each class knows of its tokens beside their values.
fn check_posterior(golden: &Golden, tokenizer: &Tokenizer, encoding: &Encoding) {
    assert_eq!(
        format!("{}Model", tokenizer.class()),
        golden.meta["model_class"].as_str().unwrap()
    );
    match &encoding.posterior {
        Posterior::Mixture { weights } => {
            let by_segment = by_segment(weights, golden.args.num_codebooks);
            if let Some(expected) = golden.io.get("softvq.probs") {
                assert_close("weights", &by_segment, expected, Z);
            }
            let sums = weights.sum(2).unwrap();
            assert_close("sum of weights", &sums, &sums.ones_like().unwrap(), 1e-5);
            check_argmax(golden, weights);
            assert_close("mix", &tokenizer.mix(weights).unwrap(), golden.get("z"), Z);
        }
        Posterior::Nearest { indices, distances } => check_nearest(golden, tokenizer, indices, distances),
        Posterior::Gaussian(gaussian) => check_gaussian(golden, tokenizer, gaussian),
        Posterior::Point => assert_close("z is h", &encoding.z, &encoding.h, 0.0),
    }
}

fn check_nearest(golden: &Golden, tokenizer: &Tokenizer, indices: &Tensor, distances: &Tensor) {
    let expected = golden.get("vq.indices");
    let margins = golden.get("vq.margin");
    let clear = values(margins)
        .into_iter()
        .filter(|margin| *margin > CLEAR_MARGIN);
    assert_eq!(
        clear.count(),
        margins.elem_count(),
        "some token has no clear codeword"
    );
    assert_eq!(values(indices), values(expected));
    let sorted = on_cpu(distances)
        .contiguous()
        .unwrap()
        .sort_last_dim(true)
        .unwrap()
        .0;
    let gap = (sorted.i((.., .., 1)).unwrap() - sorted.i((.., .., 0)).unwrap()).unwrap();
    assert_close("margin", &gap, margins, H);

    let entry = tokenizer.look_up(expected).unwrap();
    assert_close("codebook entry", &entry, golden.get("vq.codebook_entry"), Z);
    let dec = decode(tokenizer, &entry);
    assert_close("decoded codes", &dec, golden.get("vq.decode_code"), DEC);
}

fn check_gaussian(golden: &Golden, tokenizer: &Tokenizer, gaussian: &Gaussian) {
    assert_close("mean", &gaussian.mean, golden.get("kl.mean"), Z);
    assert_close("logvar", &gaussian.logvar, golden.get("kl.logvar"), H);
    let deviation = gaussian.deviation().unwrap();
    assert_close("deviation", &deviation, golden.get("kl.std"), H);
    assert_close("variance", &gaussian.variance().unwrap(), golden.get("kl.var"), H);
    let kl = gaussian.kl_nats().unwrap().sum(1).unwrap();
    let expected = golden.get("kl.per_image");
    for (found, expected) in values(&kl).into_iter().zip(values(expected)) {
        assert!(
            (found - expected).abs() < 1e-5 * expected,
            "KL {found}, expected {expected}"
        );
    }
    let weighted = (kl.mean_all().unwrap() * golden.args.kl_loss_weight).unwrap();
    let expected = golden.get("kl.loss_weighted");
    let (found, expected) = (values(&weighted)[0], values(expected)[0]);
    assert!(
        (found - expected).abs() < 1e-5 * expected,
        "{found}, expected {expected}"
    );
    let sample = gaussian
        .sample(&golden.get("kl.eps").to_device(tokenizer.device()).unwrap())
        .unwrap();
    assert_close("sample", &sample, golden.get("kl.z_sample"), Z);
    let dec = decode(tokenizer, golden.get("kl.z_sample"));
    assert_close("decoded sample", &dec, golden.get("kl.dec_sample"), DEC);
}

fn check_argmax(golden: &Golden, weights: &Tensor) {
    let found: Vec<u32> = weights
        .argmax(2)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    let Some(expected) = golden.io.get("softvq.indices_by_token") else {
        return;
    };
    let margins = values(golden.get("softvq.top1_minus_top2"));
    let mut compared = 0;
    for ((found, expected), margin) in found.iter().zip(values(expected)).zip(margins) {
        if margin > CLEAR_MARGIN {
            assert_eq!(f64::from(*found), expected);
            compared += 1;
        }
    }
    assert!(compared > found.len() / 2, "hardly any token had a clear arg-max");
}
