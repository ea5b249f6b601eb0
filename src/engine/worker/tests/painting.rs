//! Paintings: a step at a time, behind everything else, never begun anew.

use super::*;
use crate::engine::{PaintJob, PaintSettings, PaintTokens};
use crate::picture::Mask;

impl Rig {
    /// Of two steps, so of three looks.
    fn paint(&self, mark: f32) -> Stamp {
        let job = PaintJob {
            start: tokens(mark).z.clone(),
            target: Planar::from_rgb8(&Rgb8::filled(SIDE, SIDE, [9; 3])),
            mask: Mask::even(SIDE, 1.0),
            tokens: PaintTokens::All,
            settings: PaintSettings {
                steps: 2,
                ..PaintSettings::default()
            },
        };
        self.engine.submit(Request::Paint(Arc::new(job)))
    }
    fn sees_paint(&self, mark: f32) {
        self.sees(&Seen::Paint(mark));
    }
    /// Steps done, and whether that was the last.
    fn expect_painted(&self, expected: Stamp) -> (usize, bool) {
        match self.engine.wait() {
            Some(Event::Painted { stamp, step }) => {
                assert_eq!((stamp, step.total), (expected, 2));
                (step.curve.len() - 1, step.is_last)
            }
            other => panic!("expected a step, got {other:?}"),
        }
    }
    /// Lets the step under way through and takes its event.
    fn finish_step(&self, expected: Stamp) -> (usize, bool) {
        self.cue(Cue::Finish);
        self.expect_painted(expected)
    }
}

#[test]
fn every_step_arrives_and_the_last_says_so() {
    let rig = Rig::with_model();
    let stamp = rig.paint(1.0);
    for (done, is_last) in [(0, false), (1, false), (2, true)] {
        rig.sees_paint(1.0);
        assert_eq!(rig.engine.status().running, Some(Task::Paint));
        assert_eq!(rig.finish_step(stamp), (done, is_last));
    }
    rig.is_idle();
}

#[test]
fn of_steps_that_nobody_took_the_newest_is_told_with_the_figures_of_all() {
    let rig = Rig::with_model();
    let stamp = rig.paint(1.0);
    rig.sees_paint(1.0);
    rig.cue(Cue::Finish);
    rig.sees_paint(1.0);
    rig.cue(Cue::Finish);
    rig.sees_paint(1.0);
    assert_eq!(rig.expect_painted(stamp), (1, false));
    assert_eq!(rig.finish_step(stamp), (2, true));
    rig.is_idle();
}

#[test]
fn a_decode_goes_between_and_the_steps_made_stay() {
    let rig = Rig::with_model();
    let stamp = rig.paint(1.0);
    rig.sees_paint(1.0);
    assert_eq!(rig.finish_step(stamp), (0, false));
    rig.sees_paint(1.0);
    let decode = rig.decode(0, 2.0);
    rig.cue(Cue::UntilCancelled);
    rig.sees_decode(2.0);
    rig.finish_decode(decode);
    rig.sees_paint(1.0);
    assert_eq!(rig.finish_step(stamp), (1, false), "it goes on, not anew");
    rig.sees_paint(1.0);
    assert_eq!(rig.finish_step(stamp), (2, true));
    rig.is_idle();
}

#[test]
fn an_analysis_goes_first_too() {
    let rig = Rig::with_model();
    let stamp = rig.paint(1.0);
    rig.sees_paint(1.0);
    let job = AnalyseJob {
        state: tokens(3.0),
        analysis: crate::engine::Analysis::Spectra,
    };
    rig.engine.submit(Request::Analyse(Arc::new(job)));
    rig.cue(Cue::UntilCancelled);
    rig.sees(&Seen::Analyse(AnalysisKind::Spectra, 3.0));
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::Analysed { .. })));
    rig.sees_paint(1.0);
    rig.engine.cancel_painting();
    rig.cue(Cue::UntilCancelled);
    rig.expect_cancelled(stamp);
    rig.is_idle();
}

#[test]
fn a_newer_painting_replaces_the_one_that_runs_and_the_one_that_waits() {
    let rig = Rig::with_model();
    let first = rig.paint(1.0);
    rig.sees_paint(1.0);
    let second = rig.paint(2.0);
    let third = rig.paint(3.0);
    rig.cue(Cue::UntilCancelled);
    rig.expect_cancelled(second);
    rig.expect_cancelled(first);
    for _ in 0..3 {
        rig.sees_paint(3.0);
        rig.finish_step(third);
    }
    rig.is_idle();
}

#[test]
fn another_model_voids_it_and_a_fault_ends_it() {
    let rig = Rig::with_model();
    let failing = rig.paint(1.0);
    rig.sees_paint(1.0);
    rig.cue(Cue::Fail);
    assert!(rig.expect_failed(failing).contains("scripted to fail"));
    let void = rig.paint(2.0);
    rig.sees_paint(2.0);
    rig.load("b");
    rig.cue(Cue::UntilCancelled);
    rig.sees(&Seen::Open("b".to_owned()));
    rig.cue(Cue::Finish);
    rig.expect_cancelled(void);
    assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == "b"));
    rig.is_idle();
}
