//! All that a report shows of one model, measured.

use crate::analysis::{Agreement, Components, InfluenceMaps, Interactions, MetricsSummary, OrderCurves};
use crate::document::{Atlas, FoundProbes, ProbeReport, TokenMap, model_side};
use crate::engine::{Control, EngineError, PaintFigures, PaintJob, PaintSettings, PaintTokens, Runner};
use crate::latent::LatentState;
use crate::picture::{Mask, Planar, Rgb8};
use std::path::PathBuf;

/// Principal components shown.
pub(super) const COMPONENTS: usize = 16;

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
    pub(super) probes: ProbeReport,
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
            if let FoundProbes::Labels { probes, .. } = &found.probes {
                let text = format!(
                    "{:.1} % (chance {:.1} %)",
                    100.0 * probes.all.hits.share,
                    100.0 * probes.chance.share
                );
                push(&format!("Probe: {}", found.factor), Some(text));
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

impl Painted {
    /// `None` of a model too small to have a middle.
    pub(super) fn new(
        runner: &Runner,
        state: &LatentState,
        path: PathBuf,
        target: Rgb8,
        control: &dyn Control,
    ) -> Result<Option<Self>, EngineError> {
        let side = model_side(runner.info());
        let middle = side / 4..side - side / 4;
        let weight = |index: u32| {
            let is_inside = middle.contains(&(index % side)) && middle.contains(&(index / side));
            f32::from(u8::from(is_inside))
        };
        let Some(mask) = Mask::new(side, side, (0..side * side).map(weight).collect()) else {
            return Ok(None);
        };
        let job = PaintJob {
            start: state.z.clone(),
            target: Planar::from_rgb8(&target),
            mask,
            tokens: PaintTokens::All,
            settings: PaintSettings::default(),
        };
        let painting = runner.paint(job, control)?;
        let (z, after) = painting.best();
        let decoded = runner.decode(&[z], control)?;
        Ok(decoded.first().map(|decoded| Self {
            path,
            target,
            picture: decoded.to_rgb8(),
            before: painting.first(),
            after,
        }))
    }
}
