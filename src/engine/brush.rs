//! Pixels to tokens: which tokens move what lies under a brush.

use super::{Control, EngineError, Runner};
use crate::analysis::STEPS;
use crate::latent::Tokens;
use crate::picture::{Mask, Planar};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

impl Runner {
    /// How strongly each token moves the pixels under a mask, L values: the root mean square change of the pixels and
    /// channels there, each pixel counting with its weight, in steps of 8-bit values, for a random move of the token
    /// by one latent deviation in every value, were the decoder linear. All 0 for an empty mask.
    ///
    /// It is the Frobenius norm of the Jacobian of those pixels, estimated from `probes` backward passes with random
    /// signs (Hutchinson's estimator): the relative error falls with the square root of their number.
    ///
    /// # Errors
    /// A mask of another size than the model's pictures; as [`Runner::pull_back`].
    pub fn brush_sensitivity(
        &self,
        z: &Tokens,
        mask: &Mask,
        probes: usize,
        seed: u64,
        control: &dyn Control,
    ) -> Result<Vec<f64>, EngineError> {
        self.check_mask(mask)?;
        let area = mask.area();
        if area <= 0.0 || probes == 0 {
            return Ok(vec![0.0; z.count]);
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let pictures: Vec<Planar> = (0..probes).map(|_| signs(mask, &mut random)).collect();
        let gradients = self.pull_back(z, &pictures, control)?;
        let deviation = f64::from(self.info().space.std);
        let unit = STEPS * deviation / (3.0 * area * probes as f64).sqrt();
        let squares = |token: usize| -> f64 {
            let rows = gradients.iter().flat_map(|gradient| gradient.row(token));
            rows.map(|value| f64::from(*value).powi(2)).sum()
        };
        Ok((0..z.count).map(|token| unit * squares(token).sqrt()).collect())
    }

    pub(super) fn check_mask(&self, mask: &Mask) -> Result<(), EngineError> {
        let side = self.info().args.image_size;
        if (mask.width() as usize, mask.height() as usize) == (side, side) {
            return Ok(());
        }
        Err(EngineError::PictureSize {
            width: mask.width(),
            height: mask.height(),
            side,
        })
    }
}

/// A random sign for every pixel and channel, times the root of the pixel's weight.
fn signs(mask: &Mask, random: &mut ChaCha8Rng) -> Planar {
    let roots: Vec<f32> = mask.weights().iter().map(|weight| weight.sqrt()).collect();
    let mut bits = 0_u64;
    let mut left = 0;
    let mut sign = move || {
        if left == 0 {
            (bits, left) = (random.next_u64(), 64);
        }
        let is_negative = bits & 1 == 1;
        bits >>= 1;
        left -= 1;
        if is_negative { -1.0 } else { 1.0 }
    };
    let data = (0..3)
        .flat_map(|_| roots.iter())
        .map(|root| sign() * root)
        .collect();
    Planar {
        width: mask.width(),
        height: mask.height(),
        data,
    }
}
