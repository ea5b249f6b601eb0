//! Analyses of one picture's tokens as requests of the worker.

use super::control::Part;
use super::{Ablation, Control, EngineError, Runner, Sharpness};
use crate::analysis::{self, Agreement, ChannelChanges, HeatMaps, InfluenceMaps, Interactions, OrderCurves};
use crate::latent::LatentState;
use crate::picture::{Mask, Planar, Rgb8};
use std::sync::Arc;

/// What is measured; of the requests of a kind only the newest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnalysisKind {
    /// What each token does to the picture.
    Influence,
    /// What tokens do together that they do not do alone.
    Pairs,
    /// Quality by the number of tokens kept.
    Orders,
    /// How sensitive the picture is to moves of each token.
    Spectra,
    /// The picture from soft to hard mixtures.
    Sweep,
    /// What each token does to the pixels under a brush.
    Brush,
}

impl AnalysisKind {
    /// In words, as what is measured.
    pub fn name(self) -> &'static str {
        match self {
            Self::Influence => "influence of tokens",
            Self::Pairs => "pairs of tokens",
            Self::Orders => "orders of tokens",
            Self::Spectra => "sensitivity of tokens",
            Self::Sweep => "soft to hard",
            Self::Brush => "tokens under the brush",
        }
    }
}

/// A measurement with all it depends on but the tokens.
#[derive(Debug, Clone)]
pub enum Analysis {
    /// Influence by ablation and by the gradient.
    Influence(Ablation),
    /// All pairs of tokens.
    Pairs(Ablation),
    /// Prefix and greedy order against a picture of the model's size.
    Orders(Arc<Rgb8>),
    /// All tokens' spectra.
    Spectra,
    /// A picture at each sharpness.
    Sweep(Arc<[Sharpness]>),
    /// Every token's gradient of the pixels under a mask.
    Brush(Arc<Mask>),
}

impl Analysis {
    /// What is measured.
    pub fn kind(&self) -> AnalysisKind {
        match self {
            Self::Influence(_) => AnalysisKind::Influence,
            Self::Pairs(_) => AnalysisKind::Pairs,
            Self::Orders(_) => AnalysisKind::Orders,
            Self::Spectra => AnalysisKind::Spectra,
            Self::Sweep(_) => AnalysisKind::Sweep,
            Self::Brush(_) => AnalysisKind::Brush,
        }
    }
}

/// Tokens and what to measure of them.
#[derive(Debug, Clone)]
pub struct AnalyseJob {
    /// The tokens.
    pub state: Arc<LatentState>,
    /// What to measure.
    pub analysis: Analysis,
}

/// Influence by both measures.
#[derive(Debug, Clone)]
pub struct InfluenceFound {
    /// What took a token's place.
    pub ablation: Ablation,
    /// The decode with each token minus the decode without it.
    pub by_ablation: HeatMaps,
    /// The same were the decoder linear around the tokens.
    pub by_gradient: HeatMaps,
    /// How far the gradient says what the ablation says.
    pub agreement: Agreement,
    /// Signed changes by channel, by ablation and by the gradient.
    pub channels: Box<[ChannelChanges; 2]>,
    /// The maps themselves, by ablation and by the gradient.
    pub maps: Box<[InfluenceMaps; 2]>,
}

/// Tokens and the pixels under a brush.
#[derive(Debug, Clone)]
pub struct BrushFound {
    /// The pixels.
    pub mask: Arc<Mask>,
    /// L values as [`Runner::brush_sensitivity`] gives them.
    pub sensitivity: Vec<f64>,
}

/// A picture at one sharpness.
#[derive(Debug, Clone)]
pub struct SweptPicture {
    /// How sharp.
    pub sharpness: Sharpness,
    /// Mean entropy of the mixtures, nats.
    pub entropy_nats: f64,
    /// The decode.
    pub picture: Arc<Rgb8>,
}

/// What was measured.
#[derive(Debug, Clone)]
pub enum Analysed {
    /// Of [`Analysis::Influence`].
    Influence(InfluenceFound),
    /// Of [`Analysis::Pairs`].
    Pairs(Interactions),
    /// Of [`Analysis::Orders`].
    Orders(OrderCurves),
    /// Of [`Analysis::Spectra`]: `[L, D]`, each token's singular values, largest first.
    Spectra(Vec<Vec<f64>>),
    /// Of [`Analysis::Sweep`].
    Sweep(Vec<SweptPicture>),
    /// Of [`Analysis::Brush`].
    Brush(BrushFound),
}

/// The share of the progress bar that ablation takes beside the gradient, which decodes twice as often.
const ABLATION_SHARE: f32 = 1.0 / 3.0;
/// Backward passes behind the sensitivity of a brush.
const BRUSH_PROBES: usize = 16;

impl Runner {
    /// Carries out an analysis.
    ///
    /// # Errors
    /// As the call it stands for: [`Runner::influence`], [`Runner::interactions`], [`Runner::order_curves`],
    /// [`Runner::sensitivity_spectrum`], [`Runner::sharpness_sweep`], [`Runner::brush_sensitivity`].
    pub fn analyse(&self, job: &AnalyseJob, control: &dyn Control) -> Result<Analysed, EngineError> {
        let state = &*job.state;
        match &job.analysis {
            Analysis::Influence(ablation) => {
                let found = self.both(state, *ablation, control)?;
                Ok(Analysed::Influence(found))
            }
            Analysis::Pairs(ablation) => {
                let tokens: Vec<usize> = (0..state.z.count).collect();
                Ok(Analysed::Pairs(
                    self.interactions(state, &tokens, *ablation, control)?,
                ))
            }
            Analysis::Orders(reference) => {
                let reference = Planar::from_rgb8(reference);
                Ok(Analysed::Orders(
                    self.order_curves(&state.z, &reference, control)?,
                ))
            }
            Analysis::Spectra => {
                let count = state.z.count;
                let share = |tokens: usize| tokens as f32 / count.max(1) as f32;
                let spectrum = |token: usize| {
                    let part = Part {
                        whole: control,
                        from: share(token),
                        to: share(token + 1),
                    };
                    self.sensitivity_spectrum(&state.z, token, &part)
                };
                let spectra = (0..count).map(spectrum).collect::<Result<_, _>>()?;
                Ok(Analysed::Spectra(spectra))
            }
            Analysis::Sweep(steps) => Ok(Analysed::Sweep(self.swept_pictures(state, steps, control)?)),
            Analysis::Brush(mask) => {
                let sensitivity = self.brush_sensitivity(&state.z, mask, BRUSH_PROBES, 0, control)?;
                Ok(Analysed::Brush(BrushFound {
                    mask: Arc::clone(mask),
                    sensitivity,
                }))
            }
        }
    }

    /// [`Runner::sharpness_sweep`] as pictures.
    ///
    /// # Errors
    /// As [`Runner::sharpness_sweep`].
    pub fn swept_pictures(
        &self,
        state: &LatentState,
        steps: &[Sharpness],
        control: &dyn Control,
    ) -> Result<Vec<SweptPicture>, EngineError> {
        let swept = self.sharpness_sweep(state, steps, control)?.into_iter();
        let shown = swept.map(|step| SweptPicture {
            sharpness: step.sharpness,
            entropy_nats: step.entropy_nats,
            picture: Arc::new(step.picture.to_rgb8()),
        });
        Ok(shown.collect())
    }

    fn both(
        &self,
        state: &LatentState,
        ablation: Ablation,
        control: &dyn Control,
    ) -> Result<InfluenceFound, EngineError> {
        let part = |from, to| Part {
            whole: control,
            from,
            to,
        };
        let ablated = self.influence(state, ablation, &part(0.0, ABLATION_SHARE))?;
        let gradient = self.influence_by_gradient(state, ablation, &part(ABLATION_SHARE, 1.0))?;
        let agreement = analysis::agreement(&gradient, &ablated)
            .ok_or_else(|| EngineError::Model("its pictures differ in size".to_owned()))?;
        Ok(InfluenceFound {
            ablation,
            by_ablation: HeatMaps::of(&ablated),
            by_gradient: HeatMaps::of(&gradient),
            agreement,
            channels: Box::new([ChannelChanges::of(&ablated), ChannelChanges::of(&gradient)]),
            maps: Box::new([ablated, gradient]),
        })
    }
}
