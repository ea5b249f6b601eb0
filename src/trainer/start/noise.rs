//! Random first weights.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};

/// Random values of one key, the same whatever other keys there are.
pub(in crate::trainer) struct Noise(ChaCha8Rng);

impl Noise {
    pub(in crate::trainer) fn of_key(seed: u64, key: &str) -> Self {
        let digest = Sha256::digest(key.as_bytes());
        let stream = digest
            .iter()
            .take(8)
            .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self(random)
    }

    pub(in crate::trainer) fn normal(&mut self, count: usize, deviation: f64) -> Vec<f32> {
        (0..count)
            .map(|_| {
                let value: f64 = StandardNormal.sample(&mut self.0);
                (value * deviation) as f32
            })
            .collect()
    }
}
