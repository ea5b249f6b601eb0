//! All that a report shows of one model, measured.

use super::Args;
use crate::analysis::{
    Agreement, Components, InfluenceMaps, Interactions, MetricsSummary, OrderCurves, PictureMetrics,
    TokenRows, agreement, compare, mixture_figures, principal_components,
};
use crate::cli::atlas::{self, Atlas, Shown};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::inputs::{self, Batches, PictureInput};
use crate::cli::map::TokenMap;
use crate::cli::probe;
use crate::cli::progress::Progress;
use crate::document::Labelled;
use crate::engine::{Ablation, PaintFigures, PaintJob, PaintSettings, PaintTokens, Runner};
use crate::latent::LatentState;
use crate::picture::{Mask, Planar, Rgb8};
use std::path::PathBuf;

/// Principal components shown.
const COMPONENTS: usize = 16;

/// One model on one folder.
pub(super) struct Measured {
    pub(super) reconstruction: Option<MetricsSummary>,
    pub(super) mean_entropy_nats: Option<f64>,
    /// Of the folder's first picture.
    pub(super) first: First,
    /// `None` of a model without codewords.
    pub(super) atlas: Option<Atlas>,
    /// `None` of a single token.
    pub(super) map: Option<TokenMap>,
    /// `None` of a single picture.
    pub(super) components: Option<Components>,
    pub(super) probes: probe::Report,
    /// `None` of a single picture.
    pub(super) painted: Option<Painted>,
}

/// What was measured of one picture.
pub(super) struct First {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) crop: Rgb8,
    pub(super) decoded: Rgb8,
    pub(super) ablation: InfluenceMaps,
    pub(super) gradient: InfluenceMaps,
    pub(super) agreement: Option<Agreement>,
    pub(super) interactions: Interactions,
    pub(super) orders: OrderCurves,
    /// Token and its singular values.
    pub(super) spectra: Vec<(usize, Vec<f64>)>,
}

/// The middle of the second picture painted into the first.
pub(super) struct Painted {
    pub(super) path: PathBuf,
    pub(super) target: Rgb8,
    pub(super) picture: Rgb8,
    pub(super) before: Option<PaintFigures>,
    pub(super) after: Option<PaintFigures>,
}

impl Measured {
    pub(super) fn new(
        context: &Context,
        runner: &Runner,
        labelled: &Labelled,
        args: &Args,
    ) -> Result<Self, CliError> {
        let pictures = &labelled.pictures;
        let name = &runner.info().name;
        let progress = context.progress(&format!("{name}: reconstructing"));
        let mut metrics: Vec<PictureMetrics> = Vec::with_capacity(pictures.len());
        Batches::new(runner, pictures, args.fit, &progress).reconstruct(|_, crop, decoded| {
            metrics.extend(compare(crop, decoded));
            Ok(())
        })?;
        let mut states: Vec<LatentState> = Vec::with_capacity(pictures.len());
        Batches::new(runner, pictures, args.fit, &progress).encode(|_, state| {
            states.push(state);
            Ok(())
        })?;
        drop(progress);
        let (picture, state) = pictures.first().zip(states.first()).ok_or(CliError::Nothing)?;
        let crop = picture.crop(runner.info(), args.fit.into())?;
        let progress = context.progress(&format!("{name}: one picture in depth"));
        let first = First::new(runner, picture, crop, state, args.spectra, &progress)?;
        drop(progress);
        let progress = context.progress(&format!("{name}: all pictures together"));
        let shown = Shown {
            top: 12,
            users: 5,
            sweep: None,
            fit: args.fit,
        };
        let atlas = match runner.info().space.codebook() {
            Some(_) => Some(atlas::atlas(runner, pictures, &states, &shown, &progress)?),
            None => None,
        };
        let map = TokenMap::new(labelled, &states, args.most, &progress).ok();
        let rows: Vec<Vec<f32>> = states.iter().map(|state| state.z.values.clone()).collect();
        let of_rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let tokens = TokenRows {
            rows: &rows,
            count: state.z.count,
            dim: state.z.dim,
        };
        let painted = match pictures.get(1) {
            Some(second) => {
                let target = second.crop(runner.info(), args.fit.into())?;
                let path = second.path.clone();
                Some(Painted::new(runner, state, path, target, &progress)?)
            }
            None => None,
        };
        Ok(Self {
            reconstruction: MetricsSummary::of(&metrics),
            mean_entropy_nats: mean_entropy(&states),
            first,
            atlas,
            map,
            components: principal_components(&of_rows, COMPONENTS),
            probes: probe::probe(tokens, &labelled.factors, args.seed),
            painted,
        })
    }

    /// The figures that compare models.
    pub(super) fn summary(&self) -> Vec<(String, String)> {
        let mut summary = Vec::new();
        let mut push =
            |name: &str, value: Option<String>| summary.extend(value.map(|value| (name.to_owned(), value)));
        let metrics = self.reconstruction.as_ref().map(|found| found.mean);
        push(
            "PSNR of reconstructions",
            metrics.map(|mean| format!("{:.2} dB", mean.psnr_db)),
        );
        push(
            "SSIM of reconstructions",
            metrics.map(|mean| format!("{:.4}", mean.ssim)),
        );
        push(
            "Entropy of mixtures",
            self.mean_entropy_nats.map(|entropy| format!("{entropy:.3} nats")),
        );
        let segments = self.atlas.as_ref().map(|atlas| &atlas.segments);
        push(
            "Codewords in use (perplexity)",
            segments.map(|segments| {
                let texts: Vec<String> = segments
                    .iter()
                    .map(|segment| format!("{:.0}", segment.perplexity))
                    .collect();
                texts.join(", ")
            }),
        );
        push(
            "Dead codewords",
            segments.map(|segments| {
                segments
                    .iter()
                    .map(|segment| segment.dead)
                    .sum::<usize>()
                    .to_string()
            }),
        );
        let agreement = self.first.agreement.as_ref();
        push(
            "Gradient and ablation agree (cosine)",
            agreement.map(|found| format!("{:.3}", found.cosine)),
        );
        let strongest = self.first.interactions.pairs().first().copied();
        push(
            "Strongest pair beyond its sum",
            strongest.map(|pair| format!("{:.2} steps ({} + {})", pair.change, pair.a, pair.b)),
        );
        for found in &self.probes.found {
            if let probe::Found::Labels { factor, probes, .. } = found {
                let text = format!(
                    "{:.1} % (chance {:.1} %)",
                    100.0 * probes.all.hits.share,
                    100.0 * probes.chance.share
                );
                push(&format!("Probe: {factor}"), Some(text));
            }
        }
        let painted = self
            .painted
            .as_ref()
            .and_then(|painted| painted.before.zip(painted.after));
        push(
            "Painted region, error",
            painted.map(|(before, after)| format!("{:.1} to {:.1} steps", before.region, after.region)),
        );
        summary
    }
}

fn mean_entropy(states: &[LatentState]) -> Option<f64> {
    let entropies: Vec<f64> = states
        .iter()
        .flat_map(|state| (0..state.z.count).filter_map(|token| state.mixture(token)))
        .map(|mixture| mixture_figures(mixture).entropy_nats)
        .collect();
    (!entropies.is_empty()).then(|| entropies.iter().sum::<f64>() / entropies.len() as f64)
}

impl First {
    fn new(
        runner: &Runner,
        picture: &PictureInput,
        crop: Rgb8,
        state: &LatentState,
        spectra: usize,
        progress: &Progress,
    ) -> Result<Self, CliError> {
        const PARTS: usize = 5;
        let all: Vec<usize> = (0..state.z.count).collect();
        progress.enter(0, 1, PARTS);
        let ablation = runner.influence(state, Ablation::Mean, progress)?;
        progress.enter(1, 1, PARTS);
        let gradient = runner.influence_by_gradient(state, Ablation::Mean, progress)?;
        progress.enter(2, 1, PARTS);
        let interactions = runner.interactions(state, &all, Ablation::Mean, progress)?;
        progress.enter(3, 1, PARTS);
        let orders = runner.order_curves(&state.z, &Planar::from_rgb8(&crop), progress)?;
        let ranking = ablation.ranking();
        let mut of_tokens = Vec::new();
        for (index, token) in ranking.iter().take(spectra).enumerate() {
            progress.enter(4 * spectra + index, 1, PARTS * spectra);
            of_tokens.push((
                token.token,
                runner.sensitivity_spectrum(&state.z, token.token, progress)?,
            ));
        }
        let decoded = runner.decode(&[&state.z], progress)?;
        Ok(Self {
            name: picture.name.clone(),
            path: picture.path.clone(),
            crop,
            decoded: decoded.first().ok_or(CliError::Nothing)?.to_rgb8(),
            agreement: agreement(&gradient, &ablation),
            ablation,
            gradient,
            interactions,
            orders,
            spectra: of_tokens,
        })
    }
}

impl Painted {
    fn new(
        runner: &Runner,
        state: &LatentState,
        path: PathBuf,
        target: Rgb8,
        progress: &Progress,
    ) -> Result<Self, CliError> {
        let side = inputs::side(runner.info());
        let middle = side / 4..side - side / 4;
        let weight = |index: u32| {
            let is_inside = middle.contains(&(index % side)) && middle.contains(&(index / side));
            f32::from(u8::from(is_inside))
        };
        let mask = Mask::new(side, side, (0..side * side).map(weight).collect()).ok_or(CliError::Nothing)?;
        let job = PaintJob {
            start: state.z.clone(),
            target: Planar::from_rgb8(&target),
            mask,
            tokens: PaintTokens::All,
            settings: PaintSettings::default(),
        };
        let painting = runner.paint(job, progress)?;
        let (z, after) = painting.best();
        let decoded = runner.decode(&[z], progress)?;
        Ok(Self {
            path,
            target,
            picture: decoded.first().ok_or(CliError::Nothing)?.to_rgb8(),
            before: painting.first(),
            after,
        })
    }
}
