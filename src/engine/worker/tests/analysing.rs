//! Analyses: behind everything a person waits for, one a kind, given up on their own.

use super::*;
use crate::engine::{Ablation, AnalyseJob, Analysed, Analysis, AnalysisKind};

impl Rig {
    fn analyse(&self, mark: f32, analysis: Analysis) -> Stamp {
        let job = AnalyseJob {
            state: tokens(mark),
            analysis,
        };
        self.engine.submit(Request::Analyse(Arc::new(job)))
    }
    fn influence(&self, mark: f32) -> Stamp {
        self.analyse(mark, Analysis::Influence(Ablation::Mean))
    }
    fn sees_analysis(&self, kind: AnalysisKind, mark: f32) {
        self.sees(&Seen::Analyse(kind, mark));
    }
    fn finish_analysis(&self, expected: Stamp) {
        self.cue(Cue::Finish);
        match self.engine.wait() {
            Some(Event::Analysed { stamp, analysed }) => {
                assert_eq!(stamp, expected);
                assert!(matches!(&*analysed, Analysed::Spectra(spectra) if spectra.is_empty()));
            }
            other => panic!("expected an analysis, got {other:?}"),
        }
    }
}

#[test]
fn a_newer_analysis_of_a_kind_replaces_the_older_and_leaves_the_others() {
    let rig = Rig::with_model();
    rig.influence(1.0);
    rig.sees_analysis(AnalysisKind::Influence, 1.0);
    let spectra = rig.analyse(2.0, Analysis::Spectra);
    rig.influence(3.0);
    let newest = rig.influence(4.0);
    rig.cue(Cue::UntilCancelled);
    rig.sees_analysis(AnalysisKind::Spectra, 2.0);
    rig.finish_analysis(spectra);
    rig.sees_analysis(AnalysisKind::Influence, 4.0);
    rig.finish_analysis(newest);
    rig.is_idle();
}

#[test]
fn a_decode_goes_before_an_analysis_which_begins_anew() {
    let rig = Rig::with_model();
    let analysis = rig.influence(1.0);
    rig.sees_analysis(AnalysisKind::Influence, 1.0);
    let decode = rig.decode(0, 2.0);
    rig.cue(Cue::UntilCancelled);
    rig.sees_decode(2.0);
    rig.finish_decode(decode);
    rig.sees_analysis(AnalysisKind::Influence, 1.0);
    rig.finish_analysis(analysis);
    rig.is_idle();
}

#[test]
fn analyses_that_run_and_wait_are_cancelled_on_their_own() {
    let rig = Rig::with_model();
    let running = rig.influence(1.0);
    rig.sees_analysis(AnalysisKind::Influence, 1.0);
    let waiting = rig.analyse(1.0, Analysis::Spectra);
    rig.engine.cancel_analyses();
    rig.cue(Cue::UntilCancelled);
    rig.expect_cancelled(waiting);
    rig.expect_cancelled(running);
    rig.is_idle();
}

#[test]
fn the_status_tells_how_far_it_is() {
    let rig = Rig::with_model();
    let analysis = rig.influence(1.0);
    rig.sees_analysis(AnalysisKind::Influence, 1.0);
    rig.cue(Cue::Step(0.25));
    rig.sees(&Seen::Stepped);
    let status = rig.engine.status();
    assert_eq!(status.running, Some(Task::Analyse(AnalysisKind::Influence)));
    assert_eq!(status.fraction, Some(0.25));
    rig.finish_analysis(analysis);
    rig.is_idle();
}

#[test]
fn another_model_voids_what_was_asked_of_the_one_before() {
    let rig = Rig::with_model();
    let analysis = rig.influence(1.0);
    rig.sees_analysis(AnalysisKind::Influence, 1.0);
    rig.load("b");
    rig.cue(Cue::UntilCancelled);
    rig.sees(&Seen::Open("b".to_owned()));
    rig.cue(Cue::Finish);
    rig.expect_cancelled(analysis);
    assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == "b"));
    rig.is_idle();
}
