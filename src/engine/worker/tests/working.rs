//! Works: turn by turn behind everything a person waits for.

use super::*;
use crate::engine::{Ablation, Analysis, Runner, WorkKind};

/// The scripted model does it without looking.
struct Unseen;

impl Work for Unseen {
    fn turn(&mut self, _: &Runner, _: &dyn Control) -> Result<WorkTurn, EngineError> {
        Ok(WorkTurn::Done)
    }
}

impl Rig {
    fn work(&self, kind: WorkKind) -> (Stamp, WorkJob) {
        let job = WorkJob::new(kind, Arc::new(Mutex::new(Unseen)));
        (self.engine.submit(Request::Work(job.clone())), job)
    }
    fn finish_work(&self, expected: Stamp) {
        self.cue(Cue::Finish);
        match self.engine.wait() {
            Some(Event::Worked { stamp, .. }) => assert_eq!(stamp, expected),
            other => panic!("expected a work, got {other:?}"),
        }
    }
}

#[test]
fn whatever_waits_comes_between_two_turns() {
    let rig = Rig::with_model();
    let (work, job) = rig.work(WorkKind::Collection);
    rig.sees(&Seen::Work);
    rig.cue(Cue::Step(0.25));
    rig.sees(&Seen::Stepped);
    let decode = rig.decode(0, 2.0);
    rig.cue(Cue::UntilCancelled);
    rig.sees_decode(2.0);
    assert_eq!(job.fraction(), 0.25, "what is done stays");
    rig.finish_decode(decode);
    rig.sees(&Seen::Work);
    let analysis = rig.engine.submit(Request::Analyse(Arc::new(AnalyseJob {
        state: tokens(1.0),
        analysis: Analysis::Influence(Ablation::Mean),
    })));
    rig.cue(Cue::UntilCancelled);
    rig.sees(&Seen::Analyse(AnalysisKind::Influence, 1.0));
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::Analysed { stamp, .. }) if stamp == analysis));
    rig.sees(&Seen::Work);
    rig.cue(Cue::Again);
    rig.sees(&Seen::Work);
    rig.finish_work(work);
    rig.is_idle();
}

#[test]
fn a_kind_is_given_up_alone_and_a_newer_one_replaces_it() {
    let rig = Rig::with_model();
    let (running, _) = rig.work(WorkKind::Collection);
    rig.sees(&Seen::Work);
    let (report, _) = rig.work(WorkKind::Report);
    let (waiting, _) = rig.work(WorkKind::Collection);
    rig.cue(Cue::UntilCancelled);
    rig.sees(&Seen::Work);
    rig.engine.cancel_work(WorkKind::Collection);
    rig.expect_cancelled(waiting);
    rig.finish_work(report);
    rig.is_idle();
    assert_ne!(running, waiting);
}

#[test]
fn another_model_makes_a_work_void() {
    let rig = Rig::with_model();
    let (work, _) = rig.work(WorkKind::Report);
    rig.sees(&Seen::Work);
    rig.load("b");
    rig.cue(Cue::UntilCancelled);
    rig.sees(&Seen::Open("b".to_owned()));
    rig.cue(Cue::Finish);
    rig.expect_cancelled(work);
    assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == "b"));
    rig.is_idle();
}
