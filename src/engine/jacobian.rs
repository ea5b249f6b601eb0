//! How the decoder's output moves with its tokens: directional derivatives by differences, and their transpose by the
//! backward pass.

use super::control::{Batched, ControlHook};
use super::device::keep_launch_parameters;
use super::runner::{check_tokens, decoder_stages, host, planars, tokens};
use super::{Control, EngineError, Runner};
use crate::latent::Tokens;
use crate::picture::Planar;
use crate::tokenizer::Math;
use candle_core::{IndexOp, Tensor, Var};

/// Passes that go through the model together.
pub(super) const BATCH: usize = 8;
/// How far a difference reaches from the tokens at its largest value, in units of the spread of the tokens' values: far
/// enough to stand out of the rounding of f32, near enough that the third derivative does not show.
const REACH: f64 = 0.05;

impl Runner {
    /// Derivatives of the decoder's output at `z` [L, D] along each direction [L, D]: [3, H, W] in the network's units
    /// for one whole direction. Central differences in f32: about 1e-3 of the largest entry.
    ///
    /// # Errors
    /// As [`Runner::decode`].
    pub fn directional_derivatives(
        &self,
        z: &Tokens,
        directions: &[Tokens],
        control: &dyn Control,
    ) -> Result<Vec<Planar>, EngineError> {
        for direction in directions {
            check_tokens(direction, &self.info().space)?;
        }
        let mut derivatives = Vec::with_capacity(directions.len());
        for batch in directions.chunks(BATCH / 2) {
            let steps: Vec<f64> = batch
                .iter()
                .map(|direction| step(direction, REACH * self.spread(z)))
                .collect();
            let moved: Vec<Tokens> = batch
                .iter()
                .zip(&steps)
                .flat_map(|(direction, step)| [moved(z, direction, *step), moved(z, direction, -step)])
                .collect();
            let part = Batched::new(control, derivatives.len(), batch.len(), directions.len());
            let decoded = self.decode(&moved.iter().collect::<Vec<_>>(), &part)?;
            let pairs = decoded.as_chunks::<2>().0.iter().zip(steps);
            derivatives.extend(pairs.map(|([ahead, behind], step)| difference(ahead, behind, step)));
        }
        Ok(derivatives)
    }

    /// A length that is small for these tokens: the root mean square distance of their values from the data-set mean,
    /// at most the latent's deviation (which a model's configuration may not know).
    pub(super) fn spread(&self, z: &Tokens) -> f64 {
        let space = &self.info().space;
        let squares = z.values.iter().map(|value| f64::from(value - space.mean).powi(2));
        let spread = (squares.sum::<f64>() / z.values.len().max(1) as f64).sqrt();
        let usable = |length: f64| (length > 0.0 && length.is_finite()).then_some(length);
        match (usable(spread), usable(f64::from(space.std))) {
            (Some(spread), Some(deviation)) => spread.min(deviation),
            (spread, deviation) => spread.or(deviation).unwrap_or(1.0),
        }
    }

    /// The transpose: for each picture u of network values [3, H, W] the gradient of the sum of u times the decoder's
    /// output with respect to `z`, [L, D]. One backward pass for up to eight.
    ///
    /// # Errors
    /// As [`Runner::decode`]; a picture of another size than the decoder's.
    pub fn pull_back(
        &self,
        z: &Tokens,
        pictures: &[Planar],
        control: &dyn Control,
    ) -> Result<Vec<Tokens>, EngineError> {
        let mut gradients = Vec::with_capacity(pictures.len());
        for batch in pictures.chunks(BATCH) {
            let part = Batched::new(control, gradients.len(), batch.len(), pictures.len());
            let values: Vec<f32> = batch
                .iter()
                .flat_map(|picture| picture.data.iter().copied())
                .collect();
            let (_, of_batch) = self.backward(z, batch.len(), &part, |decoded| {
                let given = Tensor::from_vec(values, decoded.shape(), decoded.device())?;
                Ok((decoded * given)?.sum_all()?)
            })?;
            gradients.extend(of_batch);
        }
        Ok(gradients)
    }

    /// Decodes `copies` times `z` and goes back from the scalar that `loss` makes of the output [copies, 3, H, W]:
    /// the decoded pictures and the gradient of each copy.
    pub(super) fn backward(
        &self,
        z: &Tokens,
        copies: usize,
        control: &dyn Control,
        loss: impl FnOnce(&Tensor) -> Result<Tensor, EngineError> + Send,
    ) -> Result<(Vec<Planar>, Vec<Tokens>), EngineError> {
        check_tokens(z, &self.info().space)?;
        if control.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        let tokenizer = self.tokenizer().with_math(Math::Differentiable);
        let stage_count = decoder_stages(&self.info().args);
        self.on_threads(|| {
            let values = z.values.repeat(copies);
            let start = Tensor::from_vec(values, (copies, z.count, z.dim), tokenizer.device())?;
            let start = Var::from_tensor(&start)?;
            let _kept = keep_launch_parameters(tokenizer.device());
            let decoded = tokenizer.decode(start.as_tensor(), &mut ControlHook::new(control, stage_count))?;
            let store = loss(&decoded)?.backward()?;
            let gradient = match store.get(start.as_tensor()) {
                Some(gradient) => host(gradient)?,
                None => host(&start.zeros_like()?)?,
            };
            let gradients = (0..copies)
                .map(|copy| tokens(&gradient.i(copy)?.contiguous()?))
                .collect::<Result<_, _>>()?;
            Ok((planars(&decoded.detach())?, gradients))
        })
    }
}

/// The factor of a direction at which its largest value moves by `reach`.
fn step(direction: &Tokens, reach: f64) -> f64 {
    let sizes = direction.values.iter().map(|value| f64::from(value.abs()));
    let largest = sizes.fold(0.0, f64::max);
    if largest > 0.0 { reach / largest } else { 1.0 }
}

/// z + step * direction.
fn moved(z: &Tokens, direction: &Tokens, step: f64) -> Tokens {
    let value = |(value, by): (&f32, &f32)| (f64::from(*value) + step * f64::from(*by)) as f32;
    Tokens {
        values: z.values.iter().zip(&direction.values).map(value).collect(),
        ..*z
    }
}

fn difference(ahead: &Planar, behind: &Planar, step: f64) -> Planar {
    let value =
        |(ahead, behind): (&f32, &f32)| ((f64::from(*ahead) - f64::from(*behind)) / (2.0 * step)) as f32;
    Planar {
        data: ahead.data.iter().zip(&behind.data).map(value).collect(),
        ..*ahead
    }
}
