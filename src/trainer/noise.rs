//! The noise with which tokens of a KL model are drawn.

use candle_core::{Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Keeps this noise apart from what the same seed draws elsewhere.
const STREAMS: u64 = 0x6E6F_6973_6500_0000;

/// Standard normal values [pictures, tokens, channels] for the run's pictures from number `first` on: a picture's are
/// the same however batches are cut.
pub(super) fn of_tokens(
    seed: u64,
    first: u64,
    (pictures, tokens, channels): (usize, usize, usize),
) -> Result<Tensor> {
    let mut values: Vec<f32> = Vec::with_capacity(pictures * tokens * channels);
    for picture in first..first + pictures as u64 {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ STREAMS);
        random.set_stream(picture);
        values.extend((0..tokens * channels).map(|_| -> f32 { StandardNormal.sample(&mut random) }));
    }
    Tensor::from_vec(values, (pictures, tokens, channels), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pictures_noise_does_not_depend_on_the_batch() {
        let all = of_tokens(3, 10, (4, 2, 5)).unwrap();
        let some = of_tokens(3, 12, (1, 2, 5)).unwrap();
        let rows = |tensor: &Tensor| tensor.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows(&all)[2], rows(&some)[0]);
        assert_ne!(rows(&all)[0], rows(&all)[1]);
        assert_ne!(rows(&of_tokens(4, 10, (4, 2, 5)).unwrap()), rows(&all));
    }
}
