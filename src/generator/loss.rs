//! What generators are trained to predict, as pure functions of latents, noise and times.

use super::{Diffusion, Path};
use candle_core::{D, Device, Result, Tensor};
use std::f64::consts::{FRAC_2_PI, LN_2, PI};

/// How the times of a flow's training are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeDraw {
    /// All times as likely.
    Uniform,
    /// The noise-to-data ratio is the exponential of a normal variable: times in the middle are likelier.
    #[default]
    Lognormal,
}

impl TimeDraw {
    /// The time in 0..1 behind a raw draw: a number in 0..1 for [`Self::Uniform`], a standard normal one for
    /// [`Self::Lognormal`].
    pub fn time(self, raw: f64, path: Path) -> f64 {
        match (self, path) {
            (Self::Uniform, _) => raw,
            (Self::Lognormal, Path::Linear) => 1.0 / (1.0 + (-raw).exp()),
            (Self::Lognormal, Path::Cosine) => FRAC_2_PI * raw.exp().atan(),
        }
    }
}

/// A point on the path between latents and noise, and the velocity there (SiT, arXiv 2401.08740, equation 4).
#[derive(Debug, Clone)]
pub struct FlowPoint {
    /// alpha(t) x + sigma(t) e, the shape of the latents.
    pub state: Tensor,
    /// alpha'(t) x + sigma'(t) e.
    pub velocity: Tensor,
}

impl FlowPoint {
    /// Of latents and noise [B, ..] f32 at a time in 0..1 for each picture.
    ///
    /// # Errors
    /// Shapes that differ, another number of times than pictures.
    pub fn new(path: Path, latents: &Tensor, noise: &Tensor, times: &[f64]) -> Result<Self> {
        let coefficients: Vec<_> = times.iter().map(|t| path.coefficients(*t)).collect();
        let mixed = |data: Vec<f64>, of_noise: Vec<f64>| mixture(latents, noise, &data, &of_noise);
        Ok(Self {
            state: mixed(
                coefficients.iter().map(|(alpha, ..)| *alpha).collect(),
                coefficients.iter().map(|(_, _, sigma, _)| *sigma).collect(),
            )?,
            velocity: mixed(
                coefficients.iter().map(|(_, rate, ..)| *rate).collect(),
                coefficients.iter().map(|(.., rate)| *rate).collect(),
            )?,
        })
    }
}

/// Mean squared difference of predicted and true velocity [B, ..] of each picture, `[B]`.
///
/// # Errors
/// Shapes that differ.
pub fn flow_losses(prediction: &Tensor, velocity: &Tensor) -> Result<Tensor> {
    mean_per_picture(&(prediction - velocity)?.sqr()?)
}

/// Both terms of a DiT's loss, which is their sum (arXiv 2102.09672, section 3.1, the bound unscaled).
#[derive(Debug, Clone)]
pub struct DiffusionLosses {
    /// Mean squared difference of predicted and true noise of each picture, `[B]`.
    pub mse: Tensor,
    /// Variational bound of each picture, bits for each value, `[B]`; it reaches the predicted variance alone.
    pub bound: Tensor,
}

/// Latents at a step of the process, f32.
///
/// # Errors
/// Shapes that differ, another number of steps than pictures, a step that the process does not have.
pub fn noised_latents(
    process: &Diffusion,
    latents: &Tensor,
    noise: &Tensor,
    steps: &[usize],
) -> Result<Tensor> {
    let alphas = at_steps(&process.alphas_cumprod, steps)?;
    let data: Vec<f64> = alphas.iter().map(|alpha| alpha.sqrt()).collect();
    let of_noise: Vec<f64> = alphas.iter().map(|alpha| (1.0 - alpha).sqrt()).collect();
    mixture(latents, noise, &data, &of_noise)
}

/// The losses of `prediction` [B, L, 2 C] (noise, then the variance's place between its bounds) made of
/// [`noised_latents`] `state` of `latents` and `noise`, each [B, L, C] f32, at `steps` of the process.
///
/// # Errors
/// Shapes that do not belong together, a step that the process does not have.
pub fn diffusion_losses(
    process: &Diffusion,
    latents: &Tensor,
    noise: &Tensor,
    state: &Tensor,
    steps: &[usize],
    prediction: &Tensor,
) -> Result<DiffusionLosses> {
    let width = latents.dim(D::Minus1)?;
    let predicted = prediction.narrow(D::Minus1, 0, width)?;
    let range = prediction.narrow(D::Minus1, width, width)?;
    let mse = mean_per_picture(&(&predicted - noise)?.sqr()?)?;

    let column = |table: &[f64]| per_picture(&at_steps(table, steps)?, latents);
    let of_alpha = |figure: fn(f64) -> f64| -> Result<Tensor> {
        let alphas = at_steps(&process.alphas_cumprod, steps)?;
        per_picture(&alphas.into_iter().map(figure).collect::<Vec<_>>(), latents)
    };
    let mean_of = |data: &Tensor| -> Result<Tensor> {
        data.broadcast_mul(&column(&process.posterior_mean_coef1)?)?
            + state.broadcast_mul(&column(&process.posterior_mean_coef2)?)?
    };
    let smallest = column(&process.posterior_log_variance_clipped)?;
    let log_betas: Vec<f64> = process.betas.iter().map(|beta| beta.ln()).collect();
    let share = ((range + 1.0)? * 0.5)?;
    let log_variance = share
        .broadcast_mul(&(column(&log_betas)? - &smallest)?)?
        .broadcast_add(&smallest)?;
    // The bound is to teach the variance alone.
    let data = (state.broadcast_mul(&of_alpha(|alpha| (1.0 / alpha).sqrt())?)?
        - predicted
            .detach()
            .broadcast_mul(&of_alpha(|alpha| (1.0 / alpha - 1.0).sqrt())?)?)?;
    let mean = mean_of(&data)?;
    let divergence = normal_divergence(&mean_of(latents)?, &smallest, &mean, &log_variance)?;
    let likelihood = discretised_log_likelihood(latents, &mean, &(&log_variance * 0.5)?)?;
    let is_first: Vec<f64> = steps.iter().map(|step| f64::from(*step == 0)).collect();
    let is_first = Tensor::new(is_first, &Device::Cpu)?.gt(0.5)?;
    let bits = |values: &Tensor| mean_per_picture(values)? / LN_2;
    let bound = is_first.where_cond(&bits(&likelihood.neg()?)?, &bits(&divergence)?)?;
    Ok(DiffusionLosses { mse, bound })
}

/// KL divergence of two normal distributions from logarithms of their variances, value by value.
fn normal_divergence(
    mean: &Tensor,
    log_variance: &Tensor,
    other: &Tensor,
    other_log_variance: &Tensor,
) -> Result<Tensor> {
    let difference = other_log_variance.broadcast_sub(log_variance)?;
    let distance = ((mean - other)?.sqr()? * other_log_variance.neg()?.exp()?)?;
    ((difference.neg()?.exp()? + difference)? + distance)?.affine(0.5, -0.5)
}

/// Logarithm of the probability that a normal distribution gives to the 256th part of -1..1 around `x`; the outermost
/// parts reach to infinity.
fn discretised_log_likelihood(x: &Tensor, mean: &Tensor, log_deviation: &Tensor) -> Result<Tensor> {
    /// Keeps logarithms finite.
    const SMALLEST: f64 = 1e-12;
    /// Beyond it a value belongs to an outermost part.
    const EDGE: f64 = 0.999;
    let centred = (x - mean)?;
    let inverse = log_deviation.neg()?.exp()?;
    let below = |shift: f64| normal_share(&((&centred + shift)? * &inverse)?);
    let (upper, lower) = (below(1.0 / 255.0)?, below(-1.0 / 255.0)?);
    let log = |share: &Tensor| share.maximum(SMALLEST)?.log();
    let inside = log(&(&upper - &lower)?)?;
    let right = x
        .gt(EDGE)?
        .where_cond(&log(&lower.affine(-1.0, 1.0)?)?, &inside)?;
    x.lt(-EDGE)?.where_cond(&log(&upper)?, &right)
}

/// The reference's approximation of the standard normal distribution function.
fn normal_share(x: &Tensor) -> Result<Tensor> {
    let cubed = (x.sqr()? * x)?;
    let inner = ((x + (cubed * 0.044_715)?)? * (2.0 / PI).sqrt())?;
    inner.tanh()?.affine(0.5, 0.5)
}

fn at_steps(table: &[f64], steps: &[usize]) -> Result<Vec<f64>> {
    let entry = |step: &usize| {
        let missing = || candle_core::Error::msg(format!("the process has no step {step}"));
        table.get(*step).copied().ok_or_else(missing)
    };
    steps.iter().map(entry).collect()
}

/// A figure for each picture, in a shape that goes with `latents`.
fn per_picture(figures: &[f64], latents: &Tensor) -> Result<Tensor> {
    let mut shape = vec![1; latents.rank()];
    if let Some(first) = shape.first_mut() {
        *first = figures.len();
    }
    let figures: Vec<f32> = figures.iter().map(|figure| *figure as f32).collect();
    Tensor::from_vec(figures, shape, latents.device())
}

fn mixture(latents: &Tensor, noise: &Tensor, data: &[f64], of_noise: &[f64]) -> Result<Tensor> {
    latents.broadcast_mul(&per_picture(data, latents)?)?
        + noise.broadcast_mul(&per_picture(of_noise, latents)?)?
}

fn mean_per_picture(values: &Tensor) -> Result<Tensor> {
    values.flatten_from(1)?.mean(D::Minus1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_velocity_is_the_slope_of_its_path() {
        let tensor = |values: [f32; 2]| Tensor::new(&[values], &Device::Cpu).unwrap();
        let (latents, noise) = (tensor([0.5, -1.0]), tensor([2.0, 0.25]));
        for path in [Path::Linear, Path::Cosine] {
            for t in [0.1, 0.5, 0.8] {
                let state = |t: f64| -> Vec<f32> {
                    let point = FlowPoint::new(path, &latents, &noise, &[t]).unwrap();
                    point.state.flatten_all().unwrap().to_vec1().unwrap()
                };
                let point = FlowPoint::new(path, &latents, &noise, &[t]).unwrap();
                let velocity: Vec<f32> = point.velocity.flatten_all().unwrap().to_vec1().unwrap();
                let (before, after) = (state(t - 0.01), state(t + 0.01));
                for ((before, after), velocity) in before.iter().zip(after).zip(velocity) {
                    let slope = (after - before) / 0.02;
                    assert!(
                        (slope - velocity).abs() < 1e-3,
                        "{path:?} at {t}: {slope}, {velocity}"
                    );
                }
            }
        }
    }

    #[test]
    fn times_stay_within_their_range_and_middle_ones_come_from_the_middle() {
        for path in [Path::Linear, Path::Cosine] {
            assert!((TimeDraw::Lognormal.time(0.0, path) - 0.5).abs() < 1e-12);
            let times = [-40.0, -1.0, 0.0, 1.0, 40.0].map(|raw| TimeDraw::Lognormal.time(raw, path));
            assert!(times.is_sorted() && times.iter().all(|t| (0.0..=1.0).contains(t)));
            assert_eq!(TimeDraw::Uniform.time(0.3, path), 0.3);
        }
    }

    #[test]
    fn a_step_that_the_process_does_not_have_is_refused() {
        let process = Diffusion::new(Path::Cosine, 10);
        let x = Tensor::zeros((1, 2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(noised_latents(&process, &x, &x, &[9]).is_ok());
        let error = noised_latents(&process, &x, &x, &[10]).unwrap_err();
        assert!(error.to_string().contains("no step 10"));
    }
}
