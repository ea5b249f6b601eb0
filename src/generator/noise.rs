use super::GeneratorError;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Where a run's standard normal values come from.
///
/// A seed gives the same values everywhere and forever: ChaCha8 seeded with it, stream 0 for the starting noise and
/// stream i + 1 for the i-th draw of a stochastic sampler, values in row-major order by the ziggurat method. Every
/// picture of a batch has its own seed, so what it becomes does not depend on its neighbours.
#[derive(Debug, Clone, PartialEq)]
pub enum Noise {
    /// A seed for each picture.
    Seeds(Vec<u64>),
    /// Values from elsewhere.
    Given {
        /// Starting noise of the whole batch.
        start: Vec<f32>,
        /// The draws of the whole batch, one after the other.
        draws: Vec<Vec<f32>>,
    },
}

impl Noise {
    /// The starting noise of a batch, `values` to a picture.
    pub(super) fn start(&self, values: usize) -> Vec<f64> {
        match self {
            Self::Seeds(seeds) => normal(seeds, 0, values),
            Self::Given { start, .. } => start.iter().copied().map(f64::from).collect(),
        }
    }

    /// The i-th draw of a batch, from 0.
    pub(super) fn draw(&self, index: usize, values: usize) -> Vec<f64> {
        match self {
            Self::Seeds(seeds) => normal(seeds, index as u64 + 1, values),
            Self::Given { draws, .. } => draws
                .get(index)
                .map(|draw| draw.iter().copied().map(f64::from).collect())
                .unwrap_or_default(),
        }
    }

    /// Refuses values that are not those of a batch of `batch` pictures, or fewer draws than `draws`.
    pub(super) fn check(
        &self,
        batch: usize,
        values: usize,
        draws_needed: usize,
    ) -> Result<(), GeneratorError> {
        let refuse = |text: String| Err(GeneratorError::sampling(text));
        match self {
            Self::Seeds(seeds) if seeds.len() != batch => {
                refuse(format!("{} seeds were given for {batch} pictures", seeds.len()))
            }
            Self::Seeds(_) => Ok(()),
            Self::Given { start, draws } => {
                if start.len() != batch * values || draws.iter().any(|draw| draw.len() != batch * values) {
                    return refuse(format!(
                        "the given noise is not {batch} x {values} values, as the generator takes it"
                    ));
                }
                if draws.len() < draws_needed {
                    return refuse(format!(
                        "this run draws noise {draws_needed} times and {} draws were given: give as many as steps",
                        draws.len()
                    ));
                }
                Ok(())
            }
        }
    }
}

fn normal(seeds: &[u64], stream: u64, values: usize) -> Vec<f64> {
    seeds
        .iter()
        .flat_map(|seed| {
            let mut random = ChaCha8Rng::seed_from_u64(*seed);
            random.set_stream(stream);
            (0..values).map(move |_| {
                let draw: f32 = StandardNormal.sample(&mut random);
                f64::from(draw)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_values_forever() {
        let noise = Noise::Seeds(vec![7]);
        let start = noise.start(3);
        let expected: [f32; 3] = [-0.7753719, -1.3834218, 0.889713];
        assert_eq!(start.iter().map(|v| *v as f32).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_picture_gets_the_same_noise_in_any_batch() {
        let both = Noise::Seeds(vec![1, 2]);
        let alone = Noise::Seeds(vec![2]);
        assert_eq!(both.start(4)[4..], alone.start(4)[..]);
        assert_eq!(both.draw(5, 4)[4..], alone.draw(5, 4)[..]);
        assert_ne!(alone.draw(5, 4), alone.draw(6, 4));
        assert_ne!(alone.draw(0, 4), alone.start(4));
    }

    #[test]
    fn noise_that_does_not_fit_is_refused() {
        assert!(Noise::Seeds(vec![1]).check(2, 4, 0).is_err());
        let given = Noise::Given {
            start: vec![0.0; 8],
            draws: vec![vec![0.0; 8]; 2],
        };
        assert!(given.check(2, 4, 2).is_ok());
        assert!(given.check(2, 4, 3).is_err());
        assert!(given.check(1, 4, 2).is_err());
    }
}
