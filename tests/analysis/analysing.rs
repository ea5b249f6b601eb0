//! Analyses as the worker carries them out: what the calls behind them give, with progress and cancel.

use crate::models::{Stop, encoded, open};
use softscope::analysis::{HeatMaps, agreement};
use softscope::engine::{
    Ablation, AnalyseJob, Analysed, Analysis, Control, EngineError, NoControl, Runner, Sharpness,
};
use softscope::latent::LatentState;
use softscope::picture::Rgb8;
use std::sync::{Arc, Mutex};

const SET: &str = "a3_softvq_nol2";

/// Keeps what is told of progress.
#[derive(Default)]
struct Told(Mutex<Vec<f32>>);

impl Control for Told {
    fn progress(&self, fraction: f32) {
        self.0.lock().unwrap().push(fraction);
    }
    fn is_cancelled(&self) -> bool {
        false
    }
}

fn analyse(
    runner: &Runner,
    state: &LatentState,
    analysis: Analysis,
    control: &dyn Control,
) -> Result<Analysed, EngineError> {
    let job = AnalyseJob {
        state: Arc::new(state.clone()),
        analysis,
    };
    runner.analyse(&job, control)
}

#[test]
fn both_measures_are_those_of_their_own_calls() {
    let Some((golden, runner)) = open(SET) else { return };
    let state = encoded(&golden, &runner);
    let found = analyse(&runner, &state, Analysis::Influence(Ablation::Zero), &NoControl).unwrap();
    let Analysed::Influence(found) = found else {
        panic!("expected influence")
    };
    let ablated = runner.influence(&state, Ablation::Zero, &NoControl).unwrap();
    let gradient = runner
        .influence_by_gradient(&state, Ablation::Zero, &NoControl)
        .unwrap();
    assert_eq!(found.by_ablation.ranking, ablated.ranking());
    assert_eq!(found.by_gradient.ranking, gradient.ranking());
    assert_eq!(found.agreement, agreement(&gradient, &ablated).unwrap());
    assert_eq!(found.by_ablation.heats, HeatMaps::of(&ablated).heats);
}

#[test]
fn a_sweep_ends_in_one_codeword_each_and_begins_softer() {
    let Some((golden, runner)) = open(SET) else { return };
    let state = encoded(&golden, &runner);
    let tau = runner.info().space.codebook().unwrap().tau;
    let steps = [Sharpness::Tau(4.0 * tau), Sharpness::Tau(tau), Sharpness::Hard];
    let found = analyse(&runner, &state, Analysis::Sweep(Arc::from(steps)), &NoControl).unwrap();
    let Analysed::Sweep(swept) = found else {
        panic!("expected a sweep")
    };
    let entropies: Vec<f64> = swept.iter().map(|step| step.entropy_nats).collect();
    assert!(entropies[0] > entropies[1] && entropies[1] > entropies[2]);
    assert_eq!(entropies[2], 0.0);
    let own = runner
        .decode(&[&state.z], &NoControl)
        .unwrap()
        .remove(0)
        .to_rgb8();
    let furthest = own.as_bytes().iter().zip(swept[1].picture.as_bytes());
    let furthest = furthest.map(|(a, b)| a.abs_diff(*b)).max();
    assert!(
        furthest <= Some(1),
        "the model's own tau gives the tokens as they are: {furthest:?}"
    );
}

#[test]
fn every_analysis_tells_its_progress_and_can_be_cancelled() {
    let Some((golden, runner)) = open(SET) else { return };
    let state = encoded(&golden, &runner);
    let side = runner.info().args.image_size as u32;
    let reference = Arc::new(Rgb8::filled(side, side, [90; 3]));
    for analysis in [
        Analysis::Influence(Ablation::Mean),
        Analysis::Pairs(Ablation::Mean),
        Analysis::Orders(reference),
        Analysis::Spectra,
        Analysis::Sweep(Arc::from([Sharpness::Hard])),
    ] {
        let kind = analysis.kind();
        let cancelled = analyse(&runner, &state, analysis.clone(), &Stop);
        assert!(matches!(cancelled, Err(EngineError::Cancelled)), "{kind:?}");
        let told = Told::default();
        analyse(&runner, &state, analysis, &told).unwrap();
        let told = told.0.into_inner().unwrap();
        assert!(
            told.windows(2).all(|pair| pair[0] <= pair[1]),
            "{kind:?} goes back: {told:?}"
        );
        assert!((told.last().unwrap() - 1.0).abs() < 1e-4, "{kind:?}: {told:?}");
    }
}
