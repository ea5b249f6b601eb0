//! What an encode and a decode request consist of, given a model.

use super::control::Part;
use super::edit_cache::EditCache;
use super::painting::PaintRun;
use super::protocol::{DecodeJob, Decoded, Encoded};
use super::runner::milliseconds;
use super::{AnalyseJob, Analysed, Control, EngineError, ModelInfo, PaintStep, Runner, Work, WorkTurn};
use crate::analysis;
use crate::latent::{LatentState, Tokens};
use crate::picture::{Planar, Rgb8};
use std::sync::Arc;
use std::time::Instant;

/// A model as the worker uses it, one picture at a time.
pub(super) trait Backend: Send + Sync {
    fn info(&self) -> &Arc<ModelInfo>;
    fn encode(&self, picture: Planar, control: &dyn Control) -> Result<LatentState, EngineError>;
    fn decode(&self, tokens: &Tokens, control: &dyn Control) -> Result<Planar, EngineError>;
    /// Pictures for a preview, in one batch where the model has these.
    fn decode_ahead(&self, tokens: &[&Tokens], control: &dyn Control) -> Result<Vec<Planar>, EngineError> {
        tokens.iter().map(|tokens| self.decode(tokens, control)).collect()
    }
    fn analyse(&self, job: &AnalyseJob, control: &dyn Control) -> Result<Analysed, EngineError>;
    fn work(&self, work: &mut dyn Work, control: &dyn Control) -> Result<WorkTurn, EngineError>;
    fn paint(&self, run: &mut PaintRun, control: &dyn Control) -> Result<PaintStep, EngineError>;
}

impl Backend for Runner {
    fn info(&self) -> &Arc<ModelInfo> {
        Self::info(self)
    }
    fn encode(&self, picture: Planar, control: &dyn Control) -> Result<LatentState, EngineError> {
        only(Self::encode(self, &[picture], control)?)
    }
    fn decode(&self, tokens: &Tokens, control: &dyn Control) -> Result<Planar, EngineError> {
        only(Self::decode(self, &[tokens], control)?)
    }
    fn decode_ahead(&self, tokens: &[&Tokens], control: &dyn Control) -> Result<Vec<Planar>, EngineError> {
        Self::decode_ahead(self, tokens, control)
    }
    fn analyse(&self, job: &AnalyseJob, control: &dyn Control) -> Result<Analysed, EngineError> {
        Self::analyse(self, job, control)
    }
    fn work(&self, work: &mut dyn Work, control: &dyn Control) -> Result<WorkTurn, EngineError> {
        work.turn(self, control)
    }
    fn paint(&self, run: &mut PaintRun, control: &dyn Control) -> Result<PaintStep, EngineError> {
        run.turn(self, control)
    }
}

fn only<T>(batch: Vec<T>) -> Result<T, EngineError> {
    batch
        .into_iter()
        .next()
        .ok_or_else(|| EngineError::Model("it gave nothing for one picture".to_owned()))
}

/// Encoder, quantiser, decoder, metrics.
pub(super) fn encode(
    model: &dyn Backend,
    picture: &Rgb8,
    control: &dyn Control,
) -> Result<Encoded, EngineError> {
    let started = Instant::now();
    let encoder = Part {
        whole: control,
        from: 0.0,
        to: 0.5,
    };
    let state = model.encode(Planar::from_rgb8(picture), &encoder)?;
    let encode_ms = milliseconds(started.elapsed());
    let decoder = Part {
        whole: control,
        from: 0.5,
        to: 1.0,
    };
    let (reconstruction, decode_ms) = decode_tokens(model, &state.z, &decoder)?;
    Ok(Encoded {
        metrics: analysis::compare(&reconstruction, picture),
        state: Arc::new(state),
        reconstruction: Arc::new(reconstruction),
        encode_ms,
        decode_ms,
    })
}

/// Edits, decoder, metrics.
pub(super) fn decode(
    model: &dyn Backend,
    cache: &mut EditCache,
    job: &DecodeJob,
    control: &dyn Control,
) -> Result<Decoded, EngineError> {
    let started = Instant::now();
    let state = cache.apply(&model.info().space, &job.base, &job.edits)?;
    let edit_ms = milliseconds(started.elapsed());
    let (picture, decode_ms) = decode_tokens(model, &state.z, control)?;
    let metrics = job
        .reference
        .as_deref()
        .and_then(|reference| analysis::compare(&picture, reference));
    Ok(Decoded {
        state,
        picture: Arc::new(picture),
        metrics,
        edit_ms,
        decode_ms,
    })
}

/// The 8-bit picture of tokens and the time in the decoder.
fn decode_tokens(
    model: &dyn Backend,
    tokens: &Tokens,
    control: &dyn Control,
) -> Result<(Rgb8, f64), EngineError> {
    let started = Instant::now();
    let planar = model.decode(tokens, control)?;
    Ok((planar.to_rgb8(), milliseconds(started.elapsed())))
}
