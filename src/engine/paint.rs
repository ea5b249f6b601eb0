//! Paint to tokens: tokens are moved until a region of the picture looks as wanted and the rest stays.

use super::{Control, EngineError, Runner};
use crate::analysis::{STEPS, mean_squares};
use crate::latent::{Edit, TokenSource, Tokens, project_onto_hull};
use crate::picture::{Mask, Planar};
use candle_core::Tensor;
use rayon::prelude::*;

/// Decay of the running means of gradient and squared gradient (Adam, arXiv 1412.6980).
const DECAY: (f64, f64) = (0.9, 0.99);
const EPSILON: f64 = 1e-12;
/// The nearest mixtures are found anew after so many steps; tokens move little in between.
const HULL_EVERY: usize = 5;
/// Share of the rate that is left at the last step.
const LAST_RATE: f64 = 0.1;

/// Which tokens may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaintTokens {
    /// All.
    All,
    /// These.
    List(Vec<usize>),
    /// The so many whose gradient of the region's error is largest at the start.
    Best(usize),
}

/// How the tokens are kept near the convex hull of their segment's codewords; models without codewords have none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NearHull {
    /// Not at all.
    Free,
    /// By a penalty: this times the mean squared distance to the hull in units of the spread of the tokens' values.
    Penalty(f64),
    /// By projection: the outcome is mixtures of codewords.
    Project,
}

/// How tokens are searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaintSettings {
    /// How they are kept near the codewords.
    pub near_hull: NearHull,
    /// Steps of the search.
    pub steps: usize,
    /// First step's size, in units of the spread of the tokens' values.
    pub rate: f64,
    /// Weight of the rest's error against the region's.
    pub hold: f64,
}

impl PaintSettings {
    /// The weight of [`NearHull::Penalty`] where none is asked for.
    pub const PENALTY: f64 = 0.002;
}

impl Default for PaintSettings {
    fn default() -> Self {
        Self {
            near_hull: NearHull::Penalty(Self::PENALTY),
            steps: 30,
            rate: 0.15,
            hold: 1.0,
        }
    }
}

/// What is to be painted.
#[derive(Debug, Clone)]
pub struct PaintJob {
    /// Tokens before, [L, D].
    pub start: Tokens,
    /// What the region is to look like, [3, H, W]; only what the mask counts is read.
    pub target: Planar,
    /// The region.
    pub mask: Mask,
    /// Which tokens may move.
    pub tokens: PaintTokens,
    /// How they are searched.
    pub settings: PaintSettings,
}

/// Where a search is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PaintFigures {
    /// Steps done.
    pub step: usize,
    /// Root mean square difference from the target in the region, in steps of 8-bit values.
    pub region: f64,
    /// Root mean square difference from the decode before, outside the region, in steps of 8-bit values.
    pub rest: f64,
    /// What is made small: both mean squares (network's units), the rest's times its weight, and the penalty.
    pub loss: f64,
}

/// A search that goes on by a step at a time; it keeps the best tokens seen.
#[derive(Debug, Clone)]
pub struct Painting {
    job: PaintJob,
    tokens: Vec<usize>,
    /// The decode before.
    held: Planar,
    weights: RegionWeights,
    /// Spread of the tokens' values before: the unit of steps and of the penalty.
    spread: f64,
    z: Tokens,
    /// Nearest points of the hull to the moved rows, in the order of `tokens`; empty where there is no hull.
    nearest: Vec<Vec<f32>>,
    means: Vec<f64>,
    squares: Vec<f64>,
    step: usize,
    /// Whether what moves lies on the hull.
    is_on_hull: bool,
    best: Option<(Tokens, PaintFigures)>,
    first: Option<PaintFigures>,
}

/// Weights of each pixel in the two means; each sums to 1 over pixels and channels, or to 0 where there is no such pixel.
#[derive(Debug, Clone)]
struct RegionWeights {
    region: Vec<f32>,
    rest: Vec<f32>,
}

impl RegionWeights {
    fn of(mask: &Mask) -> Self {
        let pixels = mask.weights().len() as f64;
        let scaled = |area: f64, weight: &dyn Fn(f32) -> f32| {
            let scale = if area > 0.0 { 1.0 / (3.0 * area) } else { 0.0 };
            mask.weights()
                .iter()
                .map(|of| (f64::from(weight(*of)) * scale) as f32)
                .collect()
        };
        Self {
            region: scaled(mask.area(), &|weight| weight),
            rest: scaled(pixels - mask.area(), &|weight| 1.0 - weight),
        }
    }
}

impl Painting {
    /// Decodes the tokens as they are and chooses those that move.
    ///
    /// # Errors
    /// As [`Runner::decode`]; a target or a mask of another size than the model's; a token that does not exist.
    pub fn start(runner: &Runner, mut job: PaintJob, control: &dyn Control) -> Result<Self, EngineError> {
        runner.check_mask(&job.mask)?;
        if runner.info().space.codebook().is_none() {
            job.settings.near_hull = NearHull::Free;
        }
        let side = runner.info().args.image_size;
        if job.target.data.len() != 3 * side * side {
            return Err(EngineError::PictureSize {
                width: job.target.width,
                height: job.target.height,
                side,
            });
        }
        let weights = RegionWeights::of(&job.mask);
        let held = runner.decode_one(&job.start, control)?;
        let tokens = chosen(runner, &job, &weights, control)?;
        let moved = tokens.len() * job.start.dim;
        let mut painting = Self {
            z: job.start.clone(),
            spread: runner.spread(&job.start),
            job,
            tokens,
            held,
            weights,
            nearest: Vec::new(),
            means: vec![0.0; moved],
            squares: vec![0.0; moved],
            step: 0,
            is_on_hull: false,
            best: None,
            first: None,
        };
        painting.find_hull(runner);
        Ok(painting)
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.job.settings.steps
    }

    /// One step: the figures of the tokens before it, and their picture.
    ///
    /// # Errors
    /// A failing device, [`EngineError::Cancelled`].
    pub fn step(
        &mut self,
        runner: &Runner,
        control: &dyn Control,
    ) -> Result<(PaintFigures, Planar), EngineError> {
        let (picture, gradient) = self.look(runner, control)?;
        let figures = self.weigh(&picture);
        self.move_tokens(&gradient);
        self.step += 1;
        if self.step.is_multiple_of(HULL_EVERY) || self.is_done() {
            self.find_hull(runner);
            if self.job.settings.near_hull == NearHull::Project {
                self.take_hull();
            }
        }
        Ok((figures, picture))
    }

    /// The picture of the tokens as they are and the gradient of the loss, penalty aside.
    fn look(&self, runner: &Runner, control: &dyn Control) -> Result<(Planar, Tokens), EngineError> {
        let (mut pictures, mut gradients) = runner.backward(&self.z, 1, control, |decoded| {
            let target = error(decoded, &self.job.target, &self.weights.region)?;
            let held = error(decoded, &self.held, &self.weights.rest)?;
            Ok((target + (held * self.job.settings.hold)?)?)
        })?;
        match (pictures.pop(), gradients.pop()) {
            (Some(picture), Some(gradient)) => Ok((picture, gradient)),
            _ => Err(EngineError::Model("it gave nothing for one picture".to_owned())),
        }
    }

    /// Figures of the tokens as they are; the tokens are kept where none were better.
    fn weigh(&mut self, picture: &Planar) -> PaintFigures {
        let figures = self.figures(picture);
        self.first.get_or_insert(figures);
        let may_stay = self.is_on_hull || self.job.settings.near_hull != NearHull::Project;
        let is_best = |best: &(Tokens, PaintFigures)| figures.loss < best.1.loss;
        if may_stay && self.best.as_ref().is_none_or(is_best) {
            self.best = Some((self.z.clone(), figures));
        }
        figures
    }

    fn figures(&self, picture: &Planar) -> PaintFigures {
        let region = mean_squares(&picture.data, &self.job.target.data, &self.weights.region);
        let rest = mean_squares(&picture.data, &self.held.data, &self.weights.rest);
        PaintFigures {
            step: self.step,
            region: STEPS * region.sqrt(),
            rest: STEPS * rest.sqrt(),
            loss: region + self.job.settings.hold * rest + self.penalty(),
        }
    }

    fn penalty(&self) -> f64 {
        let NearHull::Penalty(weight) = self.job.settings.near_hull else {
            return 0.0;
        };
        let squares: f64 = self
            .tokens
            .iter()
            .zip(&self.nearest)
            .flat_map(|(token, nearest)| self.z.row(*token).iter().zip(nearest))
            .map(|(value, near)| f64::from(value - near).powi(2))
            .sum();
        weight * squares / self.unit()
    }

    /// Values that move times their squared spread.
    fn unit(&self) -> f64 {
        self.means.len().max(1) as f64 * self.spread.powi(2)
    }

    /// Adam on the rows that may move.
    fn move_tokens(&mut self, gradient: &Tokens) {
        self.is_on_hull = false;
        let pull = match self.job.settings.near_hull {
            NearHull::Penalty(weight) => 2.0 * weight / self.unit(),
            NearHull::Free | NearHull::Project => 0.0,
        };
        let done = self.step as f64 / self.job.settings.steps.max(1) as f64;
        let cosine = (1.0 + (std::f64::consts::PI * done).cos()) / 2.0;
        let rate = self.job.settings.rate * self.spread * (LAST_RATE + (1.0 - LAST_RATE) * cosine);
        let power = i32::try_from(self.step + 1).unwrap_or(i32::MAX);
        let correction = (1.0 - DECAY.0.powi(power), 1.0 - DECAY.1.powi(power));
        let width = self.z.dim.max(1);
        let moments = self.means.chunks_mut(width).zip(self.squares.chunks_mut(width));
        for (index, (token, (means, squares))) in self.tokens.iter().zip(moments).enumerate() {
            let near = self.nearest.get(index);
            let slopes = gradient.row(*token).iter().enumerate();
            let rows = self.z.row_mut(*token).iter_mut().zip(means).zip(squares);
            for (((value, mean), square), (dim, slope)) in rows.zip(slopes) {
                let away = near
                    .and_then(|near| near.get(dim))
                    .map_or(0.0, |near| f64::from(*value - near));
                let slope = f64::from(*slope) + pull * away;
                *mean = DECAY.0 * *mean + (1.0 - DECAY.0) * slope;
                *square = DECAY.1 * *square + (1.0 - DECAY.1) * slope * slope;
                let step = (*mean / correction.0) / ((*square / correction.1).sqrt() + EPSILON);
                *value -= (rate * step) as f32;
            }
        }
    }

    fn find_hull(&mut self, runner: &Runner) {
        let space = &runner.info().space;
        let Some(codebook) = space
            .codebook()
            .filter(|_| self.job.settings.near_hull != NearHull::Free)
        else {
            return;
        };
        let nearest = |token: &usize| {
            let segment = codebook.segment_of(*token, space.token_count);
            project_onto_hull(codebook, segment, self.z.row(*token)).z
        };
        self.nearest = self.tokens.par_iter().map(nearest).collect();
    }

    fn take_hull(&mut self) {
        for (token, nearest) in self.tokens.iter().zip(&self.nearest) {
            self.z.row_mut(*token).copy_from_slice(nearest);
        }
        self.is_on_hull = true;
    }

    /// The tokens that move.
    pub fn tokens(&self) -> &[usize] {
        &self.tokens
    }

    /// The best tokens seen, of those on the hull where they have to be; where the search stands as long as there are
    /// none. Their figures.
    pub fn best(&self) -> (&Tokens, Option<PaintFigures>) {
        match &self.best {
            Some((z, figures)) => (z, Some(*figures)),
            None => (&self.z, None),
        }
    }

    /// The figures before anything moved, once a step was made.
    pub fn first(&self) -> Option<PaintFigures> {
        self.first
    }

    /// The best tokens as one edit: the moved rows, embedded, each to its place.
    pub fn edit(&self) -> Edit {
        let (z, _) = self.best();
        Edit::Copy {
            from: TokenSource::Embedded {
                z: self.tokens.iter().map(|token| z.row(*token).to_vec()).collect(),
                name: Some("paint".to_owned()),
            },
            tokens: (0..self.tokens.len()).collect(),
            to: self.tokens.clone(),
        }
    }
}

/// Sum over pixels and channels of weight times squared difference. `weights`: one a pixel.
fn error(decoded: &Tensor, wanted: &Planar, weights: &[f32]) -> Result<Tensor, EngineError> {
    let (_, _, height, width) = decoded.dims4()?;
    let device = decoded.device();
    let wanted = Tensor::from_slice(&wanted.data, (1, 3, height, width), device)?;
    let weights = Tensor::from_slice(weights, (1, 1, height, width), device)?;
    Ok((decoded - wanted)?.sqr()?.broadcast_mul(&weights)?.sum_all()?)
}

/// The tokens that move, in ascending order.
fn chosen(
    runner: &Runner,
    job: &PaintJob,
    weights: &RegionWeights,
    control: &dyn Control,
) -> Result<Vec<usize>, EngineError> {
    let (count, dim) = (job.start.count, job.start.dim);
    let wanted = match &job.tokens {
        PaintTokens::All => return Ok((0..count).collect()),
        PaintTokens::List(list) => {
            if let Some(token) = list.iter().find(|token| **token >= count) {
                let space = &runner.info().space;
                return Err(EngineError::TokenShape {
                    count: token + 1,
                    dim,
                    model_count: space.token_count,
                    model_dim: space.dim,
                });
            }
            let mut list = list.clone();
            list.sort_unstable();
            list.dedup();
            return Ok(list);
        }
        PaintTokens::Best(wanted) => (*wanted).clamp(1, count.max(1)),
    };
    let (_, gradients) = runner.backward(&job.start, 1, control, |decoded| {
        error(decoded, &job.target, &weights.region)
    })?;
    let square = |token: usize| -> f64 {
        let rows = gradients.iter().flat_map(|gradient| gradient.row(token));
        rows.map(|value| f64::from(*value).powi(2)).sum()
    };
    let mut order: Vec<(usize, f64)> = (0..count).map(|token| (token, square(token))).collect();
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let mut tokens: Vec<usize> = order.into_iter().take(wanted).map(|(token, _)| token).collect();
    tokens.sort_unstable();
    Ok(tokens)
}

impl Runner {
    /// Carries a whole search out.
    ///
    /// # Errors
    /// As [`Painting::start`] and [`Painting::step`].
    pub fn paint(&self, job: PaintJob, control: &dyn Control) -> Result<Painting, EngineError> {
        let quiet = super::influence::Quiet(control);
        let steps = job.settings.steps;
        let mut painting = Painting::start(self, job, &quiet)?;
        while !painting.is_done() {
            painting.step(self, &quiet)?;
            control.progress(painting.step as f32 / steps as f32);
        }
        painting.look_last(self, &quiet)?;
        Ok(painting)
    }
}

impl Painting {
    /// Measures where the last step led, so that it counts among the best.
    ///
    /// # Errors
    /// As [`Painting::step`].
    pub fn look_last(
        &mut self,
        runner: &Runner,
        control: &dyn Control,
    ) -> Result<(PaintFigures, Planar), EngineError> {
        let picture = runner.decode_one(&self.z, control)?;
        Ok((self.weigh(&picture), picture))
    }
}
