//! The worker against a scripted model: every call reports that it was entered and then waits for its cues, so that
//! each order of events is forced, none is hoped for.

mod analysing;
mod generating;
mod painting;
mod prefetching;
mod working;

use super::*;
use crate::engine::{
    AnalyseJob, Analysed, AnalysisKind, DecodeJob, ModelInfo, PaintStep, SubjectId, Task, ViewId, Work,
    WorkJob, WorkTurn,
};
use crate::latent::{Codebook, LatentSpace, LatentState, Tokens};
use crate::picture::{Planar, Rgb8};
use crate::tokenizer::{ModelArgs, ModelClass};
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What the scripted model does next.
enum Cue {
    /// Reports the progress and looks whether it is cancelled, as between two blocks.
    Step(f32),
    Finish,
    Fail,
    /// Fails as a GPU does whose memory is full.
    Full,
    Panic,
    /// Looks until it is cancelled.
    UntilCancelled,
    /// Ends a turn of a work that wants another one.
    Again,
}

/// What the test sees of the scripted model.
#[derive(Debug, PartialEq)]
enum Seen {
    Open(String),
    /// Model and mark of the picture (its first byte).
    Encode(String, u8),
    /// Model and mark of the tokens (their first value).
    Decode(String, f32),
    /// Mark of the tokens.
    Analyse(AnalysisKind, f32),
    Work,
    /// Mark of the tokens.
    Paint(f32),
    /// A step is through, not cancelled.
    Stepped,
}

#[derive(Clone)]
struct Script {
    seen: Sender<Seen>,
    cues: Arc<Mutex<Receiver<Cue>>>,
}

impl Script {
    fn play(&self, call: Seen, control: &dyn Control) -> Result<WorkTurn, EngineError> {
        self.seen.send(call).unwrap();
        loop {
            let cue = self.cues.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match cue {
                Ok(Cue::Step(fraction)) => {
                    if control.is_cancelled() {
                        return Err(EngineError::Cancelled);
                    }
                    control.progress(fraction);
                    self.seen.send(Seen::Stepped).unwrap();
                }
                Ok(Cue::Finish) => return Ok(WorkTurn::Done),
                Ok(Cue::Again) => return Ok(WorkTurn::More),
                Ok(Cue::Fail) => return Err(EngineError::Model("it is scripted to fail".to_owned())),
                Ok(Cue::Full) => {
                    let full = candle_core::Error::msg("CUDA_ERROR_OUT_OF_MEMORY");
                    return Err(EngineError::from(full));
                }
                Ok(Cue::Panic) => panic!("scripted fault"),
                Ok(Cue::UntilCancelled) => {
                    while !control.is_cancelled() {
                        std::thread::yield_now();
                    }
                    return Err(EngineError::Cancelled);
                }
                Err(_) => return Err(EngineError::Cancelled),
            }
        }
    }
}

struct ScriptedModel {
    info: Arc<ModelInfo>,
    script: Script,
}

const SIDE: u32 = 8;

impl Backend for ScriptedModel {
    fn info(&self) -> &Arc<ModelInfo> {
        &self.info
    }
    fn encode(&self, picture: Planar, control: &dyn Control) -> Result<LatentState, EngineError> {
        let mark = picture.to_rgb8().as_bytes()[0];
        self.script
            .play(Seen::Encode(self.info.name.clone(), mark), control)?;
        Ok(LatentState::clone(&tokens(f32::from(mark))))
    }
    fn decode(&self, tokens: &Tokens, control: &dyn Control) -> Result<Planar, EngineError> {
        self.script
            .play(Seen::Decode(self.info.name.clone(), tokens.values[0]), control)?;
        let data = (0..3 * SIDE * SIDE)
            .map(|index| (index % 7) as f32 / 7.0)
            .collect();
        Ok(Planar {
            width: SIDE,
            height: SIDE,
            data,
        })
    }
    fn analyse(&self, job: &AnalyseJob, control: &dyn Control) -> Result<Analysed, EngineError> {
        let call = Seen::Analyse(job.analysis.kind(), job.state.z.values[0]);
        self.script.play(call, control)?;
        Ok(Analysed::Spectra(Vec::new()))
    }
    fn work(&self, _: &mut dyn Work, control: &dyn Control) -> Result<WorkTurn, EngineError> {
        self.script.play(Seen::Work, control)
    }
    fn paint(&self, run: &mut PaintRun, control: &dyn Control) -> Result<PaintStep, EngineError> {
        self.script.play(Seen::Paint(run.mark()), control)?;
        Ok(run.made_up())
    }
}

pub(in crate::engine) fn info(name: &str) -> ModelInfo {
    let codebook = Codebook::new(1, 2, 2, false, 0.07, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    ModelInfo {
        name: name.to_owned(),
        hash: "0".repeat(16),
        class: ModelClass::SoftVq,
        args: ModelArgs::from_json(serde_json::json!({
            "image_size": SIDE, "enc_patch_size": SIDE, "dec_patch_size": SIDE,
        }))
        .unwrap(),
        space: Arc::new(LatentSpace {
            token_count: 1,
            dim: 2,
            bottleneck: crate::latent::Bottleneck::Soft(codebook),
            mean: 0.0,
            std: 1.0,
        }),
        parameter_count: 0,
        weight_bytes: 100,
        device: "CPU".to_owned(),
        precision: "f32".to_owned(),
        threads: 1,
        load_ms: 0.0,
    }
}

fn files(name: &str) -> ModelFiles {
    ModelFiles {
        name: name.to_owned(),
        config: "c".into(),
        weights: "w".into(),
    }
}

/// One token of two values, the first being `mark`.
fn tokens(mark: f32) -> Arc<LatentState> {
    let z = Tokens {
        count: 1,
        dim: 2,
        values: vec![mark, 0.0],
    };
    Arc::new(LatentState {
        h: None,
        z,
        assignments: vec![None],
    })
}

/// Fields drop in this order: an open script ends before the engine is joined.
struct Rig {
    cues: Sender<Cue>,
    seen: Receiver<Seen>,
    wakes: Arc<AtomicUsize>,
    engine: Engine,
}

impl Rig {
    fn new() -> Self {
        let (seen_sender, seen) = channel();
        let (cues, cue_receiver) = channel();
        let script = Script {
            seen: seen_sender,
            cues: Arc::new(Mutex::new(cue_receiver)),
        };
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let open: Open = Box::new(move |files, control| {
            script.play(Seen::Open(files.name.clone()), control)?;
            Ok(Box::new(ScriptedModel {
                info: Arc::new(info(&files.name)),
                script: script.clone(),
            }))
        });
        let wake = Box::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        Self {
            cues,
            seen,
            wakes,
            engine: Engine::start_with(open, RunOptions::default(), wake),
        }
    }

    /// With model "a" open.
    fn with_model() -> Self {
        let rig = Self::new();
        rig.load("a");
        rig.sees(&Seen::Open("a".to_owned()));
        rig.cue(Cue::Finish);
        assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == "a"));
        rig
    }

    fn cue(&self, cue: Cue) {
        self.cues.send(cue).unwrap();
    }
    fn sees(&self, expected: &Seen) {
        assert_eq!(self.seen.recv().unwrap(), *expected);
    }
    fn sees_decode(&self, mark: f32) {
        self.sees(&Seen::Decode("a".to_owned(), mark));
    }
    fn load(&self, name: &str) -> Stamp {
        self.engine.submit(Request::LoadModel(files(name)))
    }
    fn encode(&self, subject: u64, mark: u8) -> Stamp {
        let mut bytes = vec![mark; (3 * SIDE * SIDE) as usize];
        bytes[5] = 99;
        let picture = Arc::new(Rgb8::new(SIDE, SIDE, bytes).unwrap());
        self.engine.submit(Request::Encode {
            subject: SubjectId(subject),
            picture,
        })
    }
    fn decode(&self, view: u64, mark: f32) -> Stamp {
        let job = DecodeJob {
            base: tokens(mark),
            edits: Arc::from([]),
            reference: None,
        };
        self.engine.submit(Request::Decode {
            view: ViewId(view),
            job,
        })
    }
    /// Lets the running decode finish and takes its event.
    fn finish_decode(&self, expected: Stamp) {
        self.cue(Cue::Finish);
        match self.engine.wait() {
            Some(Event::Decoded { stamp, .. }) => assert_eq!(stamp, expected),
            other => panic!("expected a decode, got {other:?}"),
        }
    }
    fn is_idle(&self) {
        assert!(self.engine.wait().is_none());
        assert_eq!(self.engine.status(), EngineStatus::default());
    }
    fn expect_cancelled(&self, expected: Stamp) {
        match self.engine.wait() {
            Some(Event::Cancelled { stamp, .. }) => assert_eq!(stamp, expected),
            other => panic!("expected a cancellation, got {other:?}"),
        }
    }
    fn expect_failed(&self, expected: Stamp) -> String {
        match self.engine.wait() {
            Some(Event::Failed { stamp, message, .. }) => {
                assert_eq!(stamp, expected);
                message
            }
            other => panic!("expected a failure, got {other:?}"),
        }
    }
}

#[test]
fn work_without_a_model_says_to_open_one() {
    let rig = Rig::new();
    let stamp = rig.decode(0, 1.0);
    assert!(rig.expect_failed(stamp).contains("open one first"));
    let stamp = rig.encode(0, 1);
    assert!(rig.expect_failed(stamp).contains("no model is open"));
    rig.is_idle();
}

#[test]
fn an_encode_gives_tokens_reconstruction_and_metrics() {
    let rig = Rig::with_model();
    let sent = rig.encode(7, 40);
    rig.sees(&Seen::Encode("a".to_owned(), 40));
    rig.cue(Cue::Finish);
    rig.sees_decode(40.0);
    rig.cue(Cue::Finish);
    let Some(Event::Encoded {
        stamp,
        subject,
        encoded,
    }) = rig.engine.wait()
    else {
        panic!("expected an encode");
    };
    assert_eq!((stamp, subject), (sent, SubjectId(7)));
    assert_eq!(encoded.state.z.values[0], 40.0);
    let metrics = encoded.metrics.unwrap();
    assert!(metrics.mse > 0.0 && metrics.psnr_db.is_finite());
    rig.is_idle();
}

#[test]
fn a_stale_decode_is_dropped_before_it_starts() {
    let rig = Rig::with_model();
    let first = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.decode(1, 2.0);
    rig.decode(1, 3.0);
    let newest = rig.decode(1, 4.0);
    assert_eq!(rig.engine.status().waiting, 1);
    rig.cue(Cue::Step(0.5));
    rig.sees(&Seen::Stepped);
    rig.finish_decode(first);
    rig.sees_decode(4.0);
    rig.finish_decode(newest);
    rig.is_idle();
}

#[test]
fn a_newer_decode_cancels_the_running_one_of_its_view_between_blocks() {
    let rig = Rig::with_model();
    rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.cue(Cue::Step(0.4));
    rig.sees(&Seen::Stepped);
    let newer = rig.decode(0, 2.0);
    rig.cue(Cue::Step(0.5));
    rig.sees_decode(2.0);
    rig.finish_decode(newer);
    rig.is_idle();
}

#[test]
fn a_stale_decode_does_not_count_even_when_it_ends() {
    let rig = Rig::with_model();
    rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    let newer = rig.decode(0, 2.0);
    rig.cue(Cue::Finish);
    rig.sees_decode(2.0);
    rig.finish_decode(newer);
    rig.is_idle();
}

#[test]
fn views_take_turns_and_decodes_go_before_encodes() {
    let rig = Rig::with_model();
    rig.encode(1, 10);
    rig.sees(&Seen::Encode("a".to_owned(), 10));
    rig.encode(2, 20);
    let first = rig.decode(0, 1.0);
    rig.decode(5, 2.0);
    // A newer one of view 5 keeps the place of the older.
    let second = rig.decode(5, 3.0);
    rig.cue(Cue::Finish);
    rig.sees_decode(10.0);
    rig.cue(Cue::Finish);
    assert!(matches!(
        rig.engine.wait(),
        Some(Event::Encoded {
            subject: SubjectId(1),
            ..
        })
    ));
    rig.sees_decode(1.0);
    // The view just served goes to the end of the line.
    let third = rig.decode(0, 4.0);
    rig.cue(Cue::Step(0.5));
    rig.sees_decode(3.0);
    rig.finish_decode(second);
    rig.sees_decode(4.0);
    rig.finish_decode(third);
    assert!(first < second && second < third);
    rig.sees(&Seen::Encode("a".to_owned(), 20));
    rig.cue(Cue::Finish);
    rig.sees_decode(20.0);
    rig.cue(Cue::Finish);
    assert!(matches!(
        rig.engine.wait(),
        Some(Event::Encoded {
            subject: SubjectId(2),
            ..
        })
    ));
    rig.is_idle();
}

#[test]
fn a_newer_encode_of_a_subject_replaces_the_older() {
    let rig = Rig::with_model();
    rig.encode(1, 10);
    rig.sees(&Seen::Encode("a".to_owned(), 10));
    rig.encode(1, 11);
    let newest = rig.encode(1, 12);
    rig.cue(Cue::Step(0.5));
    rig.sees(&Seen::Encode("a".to_owned(), 12));
    rig.cue(Cue::Finish);
    rig.sees_decode(12.0);
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::Encoded { stamp, .. }) if stamp == newest));
    rig.is_idle();
}

#[test]
fn a_panic_becomes_a_message_and_the_worker_lives_on() {
    let rig = Rig::with_model();
    let fatal = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.cue(Cue::Panic);
    let message = rig.expect_failed(fatal);
    assert!(
        message.contains("decoding") && message.contains("scripted fault"),
        "{message}"
    );
    let next = rig.decode(0, 2.0);
    rig.sees_decode(2.0);
    rig.finish_decode(next);
    rig.is_idle();
}

#[test]
fn a_panic_while_loading_keeps_the_old_model() {
    let rig = Rig::with_model();
    let load = rig.load("b");
    rig.sees(&Seen::Open("b".to_owned()));
    rig.cue(Cue::Panic);
    assert!(rig.expect_failed(load).contains("loading the model"));
    let stamp = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.finish_decode(stamp);
}

#[test]
fn a_cancelled_load_keeps_the_old_model() {
    let rig = Rig::with_model();
    let load = rig.load("b");
    rig.sees(&Seen::Open("b".to_owned()));
    rig.engine.cancel();
    rig.cue(Cue::Step(0.5));
    rig.expect_cancelled(load);
    let stamp = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.finish_decode(stamp);
    rig.is_idle();
}

#[test]
fn a_load_that_ends_in_spite_of_its_cancellation_is_not_taken() {
    let rig = Rig::with_model();
    let load = rig.load("b");
    rig.sees(&Seen::Open("b".to_owned()));
    rig.engine.cancel();
    rig.cue(Cue::Finish);
    rig.expect_cancelled(load);
    let stamp = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.finish_decode(stamp);
}

#[test]
fn a_failed_load_lets_interrupted_work_go_on_with_the_old_model() {
    let rig = Rig::with_model();
    let encode = rig.encode(1, 10);
    rig.sees(&Seen::Encode("a".to_owned(), 10));
    let waiting = rig.decode(0, 3.0);
    let load = rig.load("b");
    rig.cue(Cue::Step(0.5));
    rig.sees(&Seen::Open("b".to_owned()));
    assert_eq!(rig.engine.status().waiting, 2);
    rig.cue(Cue::Fail);
    assert!(rig.expect_failed(load).contains("scripted to fail"));
    rig.sees_decode(3.0);
    rig.finish_decode(waiting);
    rig.sees(&Seen::Encode("a".to_owned(), 10));
    rig.cue(Cue::Finish);
    rig.sees_decode(10.0);
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::Encoded { stamp, .. }) if stamp == encode));
    rig.is_idle();
}

#[test]
fn a_loaded_model_voids_what_was_asked_of_the_old_one() {
    let rig = Rig::with_model();
    let running = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    let waiting = rig.encode(1, 10);
    rig.load("b");
    let later = rig.decode(2, 5.0);
    rig.cue(Cue::Step(0.5));
    rig.sees(&Seen::Open("b".to_owned()));
    rig.cue(Cue::Finish);
    rig.expect_cancelled(running);
    rig.expect_cancelled(waiting);
    assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == "b"));
    rig.sees(&Seen::Decode("b".to_owned(), 5.0));
    rig.finish_decode(later);
    rig.is_idle();
}

#[test]
fn the_newest_load_wins_and_every_load_is_answered() {
    let rig = Rig::new();
    let first = rig.load("a");
    rig.sees(&Seen::Open("a".to_owned()));
    let second = rig.load("b");
    rig.load("c");
    rig.expect_cancelled(second);
    rig.cue(Cue::Step(0.5));
    rig.expect_cancelled(first);
    rig.sees(&Seen::Open("c".to_owned()));
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == "c"));
    rig.is_idle();
}

#[test]
fn cancel_gives_up_encodes_and_leaves_decodes() {
    let rig = Rig::with_model();
    let running = rig.encode(1, 10);
    rig.sees(&Seen::Encode("a".to_owned(), 10));
    let waiting = rig.encode(2, 20);
    let decode = rig.decode(0, 3.0);
    rig.engine.cancel();
    rig.expect_cancelled(waiting);
    rig.cue(Cue::Step(0.5));
    rig.expect_cancelled(running);
    rig.sees_decode(3.0);
    rig.engine.cancel();
    rig.cue(Cue::Step(0.5));
    rig.sees(&Seen::Stepped);
    rig.finish_decode(decode);
    rig.is_idle();
}

#[test]
fn the_status_tells_task_share_and_what_waits() {
    let rig = Rig::new();
    rig.load("a");
    rig.sees(&Seen::Open("a".to_owned()));
    assert_eq!(rig.engine.status().fraction, None);
    rig.decode(0, 1.0);
    rig.cue(Cue::Step(0.25));
    rig.sees(&Seen::Stepped);
    let status = rig.engine.status();
    assert_eq!(status.running, Some(Task::LoadModel("a".to_owned())));
    assert_eq!(status.fraction, Some(0.25));
    assert_eq!(status.waiting, 1);
}

#[test]
fn progress_of_a_load_wakes_once_a_percent() {
    let rig = Rig::new();
    rig.load("a");
    rig.sees(&Seen::Open("a".to_owned()));
    for fraction in [0.101, 0.104, 0.109, 0.111] {
        rig.cue(Cue::Step(fraction));
        rig.sees(&Seen::Stepped);
    }
    assert_eq!(rig.wakes.load(Ordering::SeqCst), 2);
}

#[test]
fn stamps_grow_and_every_event_wakes() {
    let rig = Rig::with_model();
    let before = rig.wakes.load(Ordering::SeqCst);
    let first = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    assert!(
        rig.engine.poll().is_none(),
        "poll does not wait for the running task"
    );
    rig.cue(Cue::Finish);
    let second = rig.decode(1, 2.0);
    assert!(second > first);
    rig.sees_decode(2.0);
    // The first is finished when the second is entered: its event is there and was told.
    assert!(matches!(rig.engine.poll(), Some(Event::Decoded { stamp, .. }) if stamp == first));
    assert!(rig.wakes.load(Ordering::SeqCst) > before);
}

#[test]
fn dropping_cancels_what_runs_and_forgets_what_waits() {
    let rig = Rig::with_model();
    rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.encode(1, 10);
    rig.cue(Cue::UntilCancelled);
    let Rig {
        cues, seen, engine, ..
    } = rig;
    drop(engine);
    drop(cues);
    assert!(
        seen.try_recv().is_err(),
        "the waiting encode must not have been started"
    );
}

mod comparing;
