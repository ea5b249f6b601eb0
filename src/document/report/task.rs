//! A report on the way: measured turn by turn, so that whatever a person waits for comes between two turns.

use super::measured::{COMPONENTS, First, Measured, Painted};
use super::steps::{ReportStage, Step};
use super::{ReportOrder, ReportPart, sections};
use crate::analysis::{
    InfluenceMaps, Interactions, MetricsSummary, OrderCurves, PictureMetrics, TokenRows, UsageCounter,
    agreement, compare, principal_components,
};
use crate::document::{
    AtlasDraft, CollectedPicture, Collection, DocumentError, Labelled, MappedPicture, PreparedPicture,
    ProbeReport, SweepSheet, TokenMap, sweep_sheet,
};
use crate::engine::{Ablation, Control, EngineError, ModelInfo, Part, Runner, Sharpness, Work, WorkTurn};
use crate::latent::{LatentState, Tokens};
use crate::picture::{self, Planar, Rgb8};
use std::sync::Arc;

/// Pictures that go through the model together.
const BATCH: usize = 8;
/// Codewords on the sheet, and their users in a row.
const CODEWORDS: (usize, usize) = (12, 5);

/// A report on one model and one folder, of which some turns are done.
pub struct ReportTask {
    order: ReportOrder,
    labelled: Arc<Labelled>,
    step: Step,
    stage: ReportStage,
    /// Read and not yet encoded.
    read: Vec<PreparedPicture>,
    metrics: Vec<PictureMetrics>,
    pictures: Vec<CollectedPicture>,
    usage: Option<UsageCounter>,
    start: Option<Start>,
    ablation: Option<InfluenceMaps>,
    gradient: Option<InfluenceMaps>,
    interactions: Option<Interactions>,
    orders: Option<OrderCurves>,
    /// Tokens and their singular values.
    spectra: Vec<(usize, Vec<f64>)>,
    draft: Option<AtlasDraft>,
    sweep: Option<SweepSheet>,
    map: Option<TokenMap>,
    probes: ProbeReport,
    painted: Option<Painted>,
    failure: Option<DocumentError>,
}

/// The first picture as it went through the model.
struct Start {
    state: LatentState,
    crop: Rgb8,
    decoded: Rgb8,
}

impl ReportTask {
    /// Nothing is measured yet. `labelled` holds the pictures of the order's folder.
    pub fn new(order: ReportOrder, labelled: Arc<Labelled>) -> Self {
        Self {
            order,
            labelled,
            step: Step::Pictures,
            stage: ReportStage::default(),
            read: Vec::new(),
            metrics: Vec::new(),
            pictures: Vec::new(),
            usage: None,
            start: None,
            ablation: None,
            gradient: None,
            interactions: None,
            orders: None,
            spectra: Vec::new(),
            draft: None,
            sweep: None,
            map: None,
            probes: ProbeReport::default(),
            painted: None,
            failure: None,
        }
    }

    /// What it is doing.
    pub fn stage(&self) -> ReportStage {
        self.stage.clone()
    }

    /// The part of the page that is of this model, which is drawn here; nothing is measured any more.
    ///
    /// # Errors
    /// A picture that could not be read, a sheet that cannot be drawn, a task that is not done.
    pub fn take_part(&mut self, info: &Arc<ModelInfo>) -> Result<ReportPart, DocumentError> {
        let anew = Self::new(self.order.clone(), Arc::clone(&self.labelled));
        std::mem::replace(self, anew).into_part(info)
    }

    fn into_part(self, info: &Arc<ModelInfo>) -> Result<ReportPart, DocumentError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let rows: Vec<&[f32]> = self
            .pictures
            .iter()
            .map(|picture| picture.z.values.as_slice())
            .collect();
        let components = principal_components(&rows, COMPONENTS);
        let input = self.labelled.pictures.first();
        let (Some(input), Some(start), Some(ablation), Some(gradient), Some(interactions), Some(orders)) = (
            input,
            self.start,
            self.ablation,
            self.gradient,
            self.interactions,
            self.orders,
        ) else {
            return Err(DocumentError::Mismatch("the report is not done".to_owned()));
        };
        let shown = (CODEWORDS.1, self.order.fit);
        let sweep = self.sweep;
        let atlas = self
            .draft
            .map(|draft| draft.finish(info, &self.labelled.pictures, shown, sweep));
        let measured = Measured {
            reconstruction: MetricsSummary::of(&self.metrics),
            mean_entropy_nats: mean_entropy(&self.pictures),
            first: First {
                name: input.name.clone(),
                path: input.path.clone(),
                crop: start.crop,
                decoded: start.decoded,
                agreement: agreement(&gradient, &ablation),
                ablation,
                gradient,
                interactions,
                orders,
                spectra: self.spectra,
            },
            atlas: atlas.transpose()?,
            map: self.map,
            components,
            probes: self.probes,
            painted: self.painted,
        };
        Ok(ReportPart {
            info: Arc::clone(info),
            summary: measured.summary(),
            sections: sections::of(&measured, &info.name, &self.order)?,
        })
    }

    /// Reads the next pictures, or takes those that were read through the model; true when all are.
    fn pass(&mut self, model: &Runner, control: &dyn Control) -> Result<bool, EngineError> {
        let all = self.labelled.pictures.len();
        let done = self.pictures.len();
        if done >= all {
            return Ok(true);
        }
        if self.read.is_empty() {
            let inputs = self.labelled.pictures.iter().skip(done).take(BATCH);
            let read = inputs.map(|input| input.prepare(model.info(), self.order.fit));
            match read.collect() {
                Ok(read) => self.read = read,
                Err(error) => self.failure = Some(error),
            }
            return Ok(false);
        }
        let share = |pictures: f32| pictures / all as f32;
        let batch = self.read.len() as f32;
        let part = |from: f32, to: f32| Part {
            whole: control,
            from: share(done as f32 + from * batch),
            to: share(done as f32 + to * batch),
        };
        let planars: Vec<Planar> = self.read.iter().map(|read| read.planar.clone()).collect();
        let states = model.encode(&planars, &part(0.0, 0.5))?;
        let tokens: Vec<&Tokens> = states.iter().map(|state| &state.z).collect();
        let decoded = model.decode(&tokens, &part(0.5, 1.0))?;
        let codebook = model.info().space.codebook();
        let usage = &mut self.usage;
        if usage.is_none() {
            *usage = codebook.map(|codebook| UsageCounter::new(codebook, CODEWORDS.1));
        }
        let inputs = self.labelled.pictures.iter().skip(done);
        for (((read, state), decoded), input) in self.read.drain(..).zip(states).zip(&decoded).zip(inputs) {
            let decoded = decoded.to_rgb8();
            self.metrics.extend(compare(&read.crop, &decoded));
            if let Some(usage) = usage {
                usage.add(&state);
            }
            if self.start.is_none() {
                self.start = Some(Start {
                    state: state.clone(),
                    crop: read.crop.clone(),
                    decoded,
                });
            }
            let thumbnail = picture::thumbnail(&read.crop, Collection::THUMBNAIL);
            let path = Some(input.path.clone());
            self.pictures.push(CollectedPicture::new(
                input.name.clone(),
                path,
                None,
                thumbnail,
                state,
            ));
        }
        Ok(self.pictures.len() >= all)
    }

    /// The sensitivity of the next of the most influential tokens; true when all are measured.
    fn next_spectrum(
        &mut self,
        model: &Runner,
        state: &LatentState,
        control: &dyn Control,
    ) -> Result<bool, EngineError> {
        let done = self.spectra.len();
        let ranking = self
            .ablation
            .as_ref()
            .map(InfluenceMaps::ranking)
            .unwrap_or_default();
        let Some(next) = ranking.get(done).filter(|_| done < self.order.spectra) else {
            return Ok(true);
        };
        let share = |tokens: usize| tokens as f32 / self.order.spectra as f32;
        let part = Part {
            whole: control,
            from: share(done),
            to: share(done + 1),
        };
        let spectrum = model.sensitivity_spectrum(&state.z, next.token, &part)?;
        self.spectra.push((next.token, spectrum));
        Ok(false)
    }

    /// Decodes what the next codeword does; true when all are.
    fn next_codeword(&mut self, model: &Runner, control: &dyn Control) -> Result<bool, EngineError> {
        if self.draft.is_none() {
            let usage = self.usage.as_ref();
            self.draft = usage.map(|usage| AtlasDraft::new(usage, CODEWORDS.0));
        }
        let Some(draft) = &mut self.draft else {
            return Ok(true);
        };
        let pictures = &self.pictures;
        let z_of = |picture: usize| Some(&pictures.get(picture)?.z);
        Ok(!draft.decode_next(model, z_of, control)?)
    }

    fn sweep(
        &mut self,
        model: &Runner,
        state: &LatentState,
        crop: &Rgb8,
        control: &dyn Control,
    ) -> Result<(), EngineError> {
        if model.info().space.mixing().is_none() {
            return Ok(());
        }
        let tau = model.info().args.tau as f32;
        let swept = model.swept_pictures(state, &Sharpness::sweep(tau), control)?;
        let name = self
            .labelled
            .pictures
            .first()
            .map_or("", |picture| picture.name.as_str());
        match sweep_sheet(crop, name, tau, &swept) {
            Ok(sheet) => self.sweep = Some(sheet),
            Err(error) => self.failure = Some(error),
        }
        Ok(())
    }

    fn map(&mut self, control: &dyn Control) -> Result<(), EngineError> {
        let mapped: Vec<MappedPicture<'_>> = self.pictures.iter().map(MappedPicture::of_collected).collect();
        let mut map = TokenMap::new(&mapped, &self.labelled.factors);
        if let Some(map) = &mut map
            && !map.lay_out(&mapped, self.order.most, &|share| watch(control, share))
        {
            return Err(EngineError::Cancelled);
        }
        self.map = map;
        Ok(())
    }

    fn probe(&mut self, control: &dyn Control) -> Result<(), EngineError> {
        let rows: Vec<Vec<f32>> = self
            .pictures
            .iter()
            .map(|picture| picture.z.values.clone())
            .collect();
        let shape = self
            .pictures
            .first()
            .map_or((0, 0), |picture| (picture.z.count, picture.z.dim));
        let tokens = TokenRows {
            rows: &rows,
            count: shape.0,
            dim: shape.1,
        };
        let watch = |share| watch(control, share);
        self.probes = ProbeReport::new(tokens, &self.labelled.factors, self.order.seed, &watch)
            .ok_or(EngineError::Cancelled)?;
        Ok(())
    }

    /// The middle of the second picture into the first.
    fn paint(
        &mut self,
        model: &Runner,
        state: &LatentState,
        control: &dyn Control,
    ) -> Result<(), EngineError> {
        let Some(second) = self.labelled.pictures.get(1) else {
            return Ok(());
        };
        let target = match second.crop(model.info(), self.order.fit) {
            Ok(target) => target,
            Err(error) => {
                self.failure = Some(error);
                return Ok(());
            }
        };
        let path = second.path.clone();
        self.painted = Painted::new(model, state, path, target, control)?;
        Ok(())
    }

    /// Does the next bit of what is measured after the pictures; true when that step is over.
    fn measure(&mut self, model: &Runner, start: &Start, control: &dyn Control) -> Result<bool, EngineError> {
        let Start { state, crop, .. } = start;
        match self.step {
            Step::Ablation => self.ablation = Some(model.influence(state, Ablation::Mean, control)?),
            Step::Gradient => {
                self.gradient = Some(model.influence_by_gradient(state, Ablation::Mean, control)?);
            }
            Step::Pairs => {
                let all: Vec<usize> = (0..state.z.count).collect();
                self.interactions = Some(model.interactions(state, &all, Ablation::Mean, control)?);
            }
            Step::Orders => {
                self.orders = Some(model.order_curves(&state.z, &Planar::from_rgb8(crop), control)?);
            }
            Step::Spectra => return self.next_spectrum(model, state, control),
            Step::Codewords => return self.next_codeword(model, control),
            Step::Sweep => self.sweep(model, state, crop, control)?,
            Step::Map => self.map(control)?,
            Step::Probes => self.probe(control)?,
            Step::Painting => self.paint(model, state, control)?,
            Step::Pictures | Step::Done => {}
        }
        Ok(true)
    }
}

impl Work for ReportTask {
    fn turn(&mut self, model: &Runner, control: &dyn Control) -> Result<WorkTurn, EngineError> {
        self.stage.set(self.step);
        let part = Part {
            whole: control,
            from: self.step.done_before(),
            to: self.step.done_after(),
        };
        let is_over = match self.step {
            Step::Pictures => self.pass(model, &part)?,
            _ => {
                let start = self.start.take();
                let measured = start
                    .as_ref()
                    .map_or(Ok(true), |start| self.measure(model, start, &part));
                self.start = start;
                measured?
            }
        };
        if self.failure.is_some() {
            return Ok(WorkTurn::Done);
        }
        if is_over {
            control.progress(self.step.done_after());
            self.step = self.step.next();
            self.stage.set(self.step);
        }
        Ok(match self.step {
            Step::Done => WorkTurn::Done,
            _ => WorkTurn::More,
        })
    }
}

/// A calculation without the model as part of a turn.
fn watch(control: &dyn Control, share: f32) -> bool {
    control.progress(share);
    !control.is_cancelled()
}

fn mean_entropy(pictures: &[CollectedPicture]) -> Option<f64> {
    let entropies: Vec<f64> = pictures
        .iter()
        .flat_map(|picture| &picture.mixtures)
        .map(|mixture| mixture.entropy_nats)
        .collect();
    (!entropies.is_empty()).then(|| entropies.iter().sum::<f64>() / entropies.len() as f64)
}
