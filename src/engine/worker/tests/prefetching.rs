//! Decoding ahead: behind what a person waits for, given up at once by anything newer.

use super::*;
use crate::engine::{Ablation, Analysis, PrefetchJob};
use crate::latent::Edit;

impl Rig {
    /// Positions that set the first value to each of `marks`.
    fn prefetch(&self, marks: &[f32]) -> Stamp {
        let position = |&value: &f32| -> Arc<[Edit]> {
            Arc::from([Edit::SetValue {
                token: 0,
                dim: 0,
                value,
            }])
        };
        let job = PrefetchJob {
            base: tokens(0.0),
            positions: marks.iter().map(position).collect(),
        };
        self.engine.submit(Request::Prefetch(Arc::new(job)))
    }

    /// Takes what was decoded: index of the first and how many, and whether it was the last.
    fn prefetched(&self, expected: Stamp) -> (usize, usize, bool) {
        match self.engine.wait() {
            Some(Event::Prefetched { stamp, prefetched }) => {
                assert_eq!(stamp, expected);
                (prefetched.first, prefetched.pictures.len(), prefetched.is_last)
            }
            other => panic!("expected a position decoded ahead, got {other:?}"),
        }
    }
}

#[test]
fn every_position_is_told_once_in_order() {
    let rig = Rig::with_model();
    let stamp = rig.prefetch(&[1.0, 2.0, 3.0, 4.0]);
    for mark in [1.0, 2.0, 3.0, 4.0] {
        rig.sees_decode(mark);
        rig.cue(Cue::Finish);
    }
    let mut next = 0;
    loop {
        let (first, count, is_last) = rig.prefetched(stamp);
        assert_eq!(first, next);
        next += count;
        if is_last {
            break;
        }
    }
    assert_eq!(next, 4);
    rig.is_idle();
}

#[test]
fn a_decode_gives_it_up_and_what_was_decoded_stays_told() {
    let rig = Rig::with_model();
    let ahead = rig.prefetch(&[1.0, 2.0, 3.0]);
    rig.sees_decode(1.0);
    rig.cue(Cue::Finish);
    assert_eq!(rig.prefetched(ahead), (0, 1, false));
    rig.sees_decode(2.0);
    let decode = rig.decode(0, 9.0);
    rig.cue(Cue::UntilCancelled);
    rig.expect_cancelled(ahead);
    rig.sees_decode(9.0);
    rig.finish_decode(decode);
    rig.is_idle();
}

#[test]
fn one_that_waits_is_given_up_by_anything_newer() {
    let rig = Rig::with_model();
    let encode = rig.encode(1, 10);
    rig.sees(&Seen::Encode("a".to_owned(), 10));
    let ahead = rig.prefetch(&[1.0]);
    assert_eq!(rig.engine.status().waiting, 1);
    let later = rig.encode(2, 20);
    rig.expect_cancelled(ahead);
    for (stamp, mark) in [(encode, 10), (later, 20)] {
        if stamp == later {
            rig.sees(&Seen::Encode("a".to_owned(), mark));
        }
        rig.cue(Cue::Finish);
        rig.sees_decode(f32::from(mark));
        rig.cue(Cue::Finish);
        assert!(matches!(rig.engine.wait(), Some(Event::Encoded { stamp: told, .. }) if told == stamp));
    }
    rig.is_idle();
}

#[test]
fn it_goes_after_encodes_and_before_analyses_and_interrupts_nothing() {
    let rig = Rig::with_model();
    let decode = rig.decode(0, 5.0);
    rig.sees_decode(5.0);
    rig.engine.submit(Request::Analyse(Arc::new(AnalyseJob {
        state: tokens(7.0),
        analysis: Analysis::Influence(Ablation::Mean),
    })));
    rig.encode(1, 10);
    let ahead = rig.prefetch(&[1.0]);
    rig.cue(Cue::Step(0.5));
    rig.sees(&Seen::Stepped);
    rig.finish_decode(decode);
    rig.sees(&Seen::Encode("a".to_owned(), 10));
    rig.cue(Cue::Finish);
    rig.sees_decode(10.0);
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::Encoded { .. })));
    rig.sees_decode(1.0);
    rig.cue(Cue::Finish);
    assert_eq!(rig.prefetched(ahead), (0, 1, true));
    rig.sees(&Seen::Analyse(AnalysisKind::Influence, 7.0));
}

#[test]
fn an_analysis_under_way_is_not_begun_anew_for_it() {
    let rig = Rig::with_model();
    rig.engine.submit(Request::Analyse(Arc::new(AnalyseJob {
        state: tokens(7.0),
        analysis: Analysis::Influence(Ablation::Mean),
    })));
    rig.sees(&Seen::Analyse(AnalysisKind::Influence, 7.0));
    rig.prefetch(&[1.0]);
    rig.cue(Cue::Step(0.5));
    rig.sees(&Seen::Stepped);
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::Analysed { .. })));
    rig.sees_decode(1.0);
}

#[test]
fn of_two_the_newer_counts() {
    let rig = Rig::with_model();
    rig.prefetch(&[1.0, 2.0]);
    rig.sees_decode(1.0);
    let newer = rig.prefetch(&[3.0]);
    rig.cue(Cue::UntilCancelled);
    rig.sees_decode(3.0);
    rig.cue(Cue::Finish);
    assert_eq!(rig.prefetched(newer), (0, 1, true));
    rig.is_idle();
}

#[test]
fn it_is_cancelled_on_its_own() {
    let rig = Rig::with_model();
    let ahead = rig.prefetch(&[1.0]);
    rig.sees_decode(1.0);
    rig.engine.cancel_prefetch();
    rig.cue(Cue::UntilCancelled);
    rig.expect_cancelled(ahead);
    rig.is_idle();
}

#[test]
fn a_position_that_cannot_be_applied_is_told_as_a_failure() {
    let rig = Rig::with_model();
    let job = PrefetchJob {
        base: tokens(0.0),
        positions: vec![Arc::from([Edit::Swap { a: 0, b: 9 }])],
    };
    let stamp = rig.engine.submit(Request::Prefetch(Arc::new(job)));
    rig.expect_failed(stamp);
    rig.is_idle();
}
