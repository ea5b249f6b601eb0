//! Reconstructions beside the model in use, and the models kept loaded for them.

use super::*;
use crate::engine::{ReconstructJob, Reconstructed};

impl Rig {
    fn reconstruct(&self, view: u64, model: &str) -> Stamp {
        let job = ReconstructJob {
            model: files(model),
            picture: Arc::new(Rgb8::filled(2 * SIDE, SIDE, [7; 3])),
            fit: crate::picture::Fit::Crop,
        };
        self.engine.submit(Request::Reconstruct {
            view: ViewId(view),
            job,
        })
    }
    /// Lets encode and decode of `model` finish and takes the result.
    fn finish_reconstruction(&self, model: &str, expected: Stamp) -> Arc<Reconstructed> {
        self.sees(&Seen::Encode(model.to_owned(), 7));
        self.cue(Cue::Finish);
        self.sees(&Seen::Decode(model.to_owned(), 7.0));
        self.cue(Cue::Finish);
        match self.engine.wait() {
            Some(Event::Reconstructed {
                stamp, reconstructed, ..
            }) => {
                assert_eq!(stamp, expected);
                reconstructed
            }
            other => panic!("expected a reconstruction, got {other:?}"),
        }
    }
    fn open(&self, model: &str) {
        self.sees(&Seen::Open(model.to_owned()));
        self.cue(Cue::Finish);
    }
    fn expect_left(&self, model: &str) {
        match self.engine.wait() {
            Some(Event::ModelLeft(eviction)) => assert_eq!(eviction.model, model),
            other => panic!("expected {model} to leave, got {other:?}"),
        }
    }
}

#[test]
fn a_reconstruction_fits_the_picture_to_its_own_model_and_leaves_the_one_in_use() {
    let rig = Rig::with_model();
    let stamp = rig.reconstruct(0, "b");
    rig.open("b");
    let result = rig.finish_reconstruction("b", stamp);
    assert_eq!(result.model.name, "b");
    assert_eq!((result.crop.width(), result.crop.height()), (SIDE, SIDE));
    assert!(result.encoded.metrics.is_some());
    let decode = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.finish_decode(decode);
    rig.is_idle();
}

#[test]
fn a_model_that_fails_is_told_and_the_others_go_on() {
    let rig = Rig::with_model();
    let stamps: Vec<Stamp> = ["b", "c", "d"]
        .iter()
        .zip(0..)
        .map(|(model, view)| rig.reconstruct(view, model))
        .collect();
    rig.sees(&Seen::Open("b".to_owned()));
    rig.cue(Cue::Fail);
    assert!(rig.expect_failed(stamps[0]).contains("scripted to fail"));
    rig.open("c");
    rig.sees(&Seen::Encode("c".to_owned(), 7));
    rig.cue(Cue::Panic);
    assert!(rig.expect_failed(stamps[1]).contains("reconstructing"));
    rig.open("d");
    rig.finish_reconstruction("d", stamps[2]);
    rig.is_idle();
}

#[test]
fn shelved_models_are_not_read_again() {
    let rig = Rig::with_model();
    let first = rig.reconstruct(0, "b");
    rig.open("b");
    let before = rig.finish_reconstruction("b", first);
    let second = rig.reconstruct(0, "b");
    let after = rig.finish_reconstruction("b", second);
    assert!(Arc::ptr_eq(&before.model, &after.model));
    for model in ["b", "a", "b"] {
        rig.load(model);
        assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == model));
    }
    rig.is_idle();
}

#[test]
fn models_leave_over_the_memory_limit_and_are_told() {
    let rig = Rig::with_model();
    // Each takes 100 bytes.
    rig.engine.set_memory_limit(250);
    for model in ["b", "c"] {
        let stamp = rig.reconstruct(0, model);
        rig.open(model);
        rig.finish_reconstruction(model, stamp);
    }
    rig.expect_left("b");
    let again = rig.reconstruct(0, "b");
    rig.open("b");
    rig.finish_reconstruction("b", again);
    rig.expect_left("c");
    rig.is_idle();
}

#[test]
fn the_model_before_leaves_when_only_one_fits() {
    let rig = Rig::with_model();
    rig.engine.set_memory_limit(100);
    rig.load("b");
    rig.open("b");
    assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == "b"));
    rig.expect_left("a");
    rig.is_idle();
}

#[test]
fn a_lower_limit_takes_effect_at_once() {
    let rig = Rig::with_model();
    for model in ["b", "c"] {
        let stamp = rig.reconstruct(0, model);
        rig.open(model);
        rig.finish_reconstruction(model, stamp);
    }
    rig.engine.set_memory_limit(200);
    rig.expect_left("b");
    rig.engine.set_memory_limit(1);
    rig.expect_left("c");
    rig.is_idle();
    // The one in use is still there.
    let decode = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.finish_decode(decode);
    rig.is_idle();
}

#[test]
fn a_full_gpu_keeps_the_model_in_use_alone_and_tries_once_more() {
    let rig = Rig::with_model();
    let stamp = rig.reconstruct(0, "b");
    rig.open("b");
    rig.finish_reconstruction("b", stamp);
    let stamp = rig.reconstruct(0, "c");
    rig.sees(&Seen::Open("c".to_owned()));
    rig.cue(Cue::Full);
    rig.expect_left("b");
    rig.open("c");
    rig.finish_reconstruction("c", stamp);

    let stamp = rig.reconstruct(0, "d");
    for attempt in 0..2 {
        rig.sees(&Seen::Open("d".to_owned()));
        rig.cue(Cue::Full);
        if attempt == 0 {
            rig.expect_left("c");
        }
    }
    assert!(rig.expect_failed(stamp).contains("the memory of the GPU is full"));
    let decode = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    rig.finish_decode(decode);
    rig.is_idle();
}

#[test]
fn an_open_generator_takes_its_part_of_the_limit() {
    let rig = Rig::with_model();
    let folder = tempfile::tempdir().unwrap();
    let generator = generating::write_generator(folder.path());
    let stamp = rig.reconstruct(0, "b");
    rig.open("b");
    rig.finish_reconstruction("b", stamp);
    // Room for a, b and the generator, whose weights are no longer than their file, but for no third tokenizer.
    let file_bytes = std::fs::metadata(&generator.weights).unwrap().len();
    rig.engine.set_memory_limit(200 + file_bytes);
    rig.engine.submit(Request::OpenGenerator(generator));
    let Some(Event::GeneratorOpened(info)) = rig.engine.wait() else {
        panic!("a generator")
    };
    rig.is_idle();
    assert_eq!(info.weight_bytes, 4 * info.parameter_count as u64, "f32");
    assert!(info.weight_bytes > 100 && info.weight_bytes <= file_bytes);
    // Without the generator all three would fit.
    rig.engine.set_memory_limit(200 + info.weight_bytes);
    let stamp = rig.reconstruct(0, "c");
    rig.open("c");
    rig.finish_reconstruction("c", stamp);
    rig.expect_left("b");
    // The generator and the model in use stay whatever the limit is.
    rig.engine.set_memory_limit(1);
    rig.expect_left("c");
    rig.is_idle();
}

#[test]
fn a_decode_interrupts_a_reconstruction_which_goes_on_after_it() {
    let rig = Rig::with_model();
    let stamp = rig.reconstruct(0, "b");
    rig.sees(&Seen::Open("b".to_owned()));
    let decode = rig.decode(0, 1.0);
    rig.cue(Cue::Step(0.5));
    rig.sees_decode(1.0);
    assert_eq!(rig.engine.status().waiting, 1);
    rig.finish_decode(decode);
    rig.open("b");
    rig.finish_reconstruction("b", stamp);
    rig.is_idle();
}

#[test]
fn a_newer_reconstruction_of_a_view_replaces_the_older() {
    let rig = Rig::with_model();
    rig.reconstruct(0, "b");
    rig.sees(&Seen::Open("b".to_owned()));
    rig.reconstruct(1, "c");
    let newest = rig.reconstruct(1, "d");
    let newer = rig.reconstruct(0, "e");
    rig.cue(Cue::Step(0.5));
    rig.open("d");
    rig.finish_reconstruction("d", newest);
    rig.open("e");
    rig.finish_reconstruction("e", newer);
    rig.is_idle();
}

#[test]
fn reconstructions_are_cancelled_on_their_own() {
    let rig = Rig::with_model();
    let running = rig.reconstruct(0, "b");
    rig.sees(&Seen::Open("b".to_owned()));
    let waiting = rig.reconstruct(1, "c");
    let encode = rig.encode(1, 10);
    rig.engine.cancel_reconstructions();
    rig.expect_cancelled(waiting);
    rig.cue(Cue::Step(0.5));
    rig.expect_cancelled(running);
    rig.sees(&Seen::Encode("a".to_owned(), 10));
    rig.cue(Cue::Finish);
    rig.sees_decode(10.0);
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::Encoded { stamp, .. }) if stamp == encode));
    rig.is_idle();
}

#[test]
fn a_new_model_in_use_voids_no_reconstruction() {
    let rig = Rig::with_model();
    let stamp = rig.reconstruct(0, "c");
    rig.sees(&Seen::Open("c".to_owned()));
    rig.load("b");
    rig.cue(Cue::Step(0.5));
    rig.open("b");
    assert!(matches!(rig.engine.wait(), Some(Event::ModelLoaded(info)) if info.name == "b"));
    rig.open("c");
    rig.finish_reconstruction("c", stamp);
    rig.is_idle();
}

#[test]
fn the_status_names_the_model_of_a_reconstruction() {
    let rig = Rig::with_model();
    rig.reconstruct(3, "b");
    rig.sees(&Seen::Open("b".to_owned()));
    rig.cue(Cue::Step(0.5));
    rig.sees(&Seen::Stepped);
    let status = rig.engine.status();
    let task = Task::Reconstruct {
        view: ViewId(3),
        model: "b".to_owned(),
    };
    assert_eq!(status.running, Some(task));
    assert_eq!(status.fraction, Some(0.3), "half of the share that loading has");
}
