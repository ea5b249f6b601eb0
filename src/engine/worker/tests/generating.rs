//! Generations beside the rest of the work: a small real generator, the scripted model as its decoder.

use super::{Cue, Rig, Seen};
use crate::engine::{Event, GenerateJob, PictureSeed, Request, Stamp, Task};
use crate::generator::{Guidance, Path, Settings, Solver};
use crate::tokenizer::ModelFiles;
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

const WIDTH: usize = 8;

/// A SiT of one block for 1 token of 2 values, 3 classes.
pub(super) fn write_generator(folder: &std::path::Path) -> ModelFiles {
    let mut tensors = HashMap::new();
    let mut add = |key: String, shape: &[usize]| {
        let values: Vec<f32> = (0..shape.iter().product::<usize>())
            .map(|index| (index * 37 % 17) as f32 / 20.0 - 0.4)
            .collect();
        tensors.insert(key, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    };
    for (layer, outputs, inputs) in [
        ("x_embedder", WIDTH, 2),
        ("t_embedder.mlp.0", WIDTH, 256),
        ("t_embedder.mlp.2", WIDTH, WIDTH),
        ("blocks.0.attn.qkv", 3 * WIDTH, WIDTH),
        ("blocks.0.attn.proj", WIDTH, WIDTH),
        ("blocks.0.mlp.fc1", WIDTH, WIDTH),
        ("blocks.0.mlp.fc2", WIDTH, WIDTH),
        ("blocks.0.adaLN_modulation.1", 6 * WIDTH, WIDTH),
        ("final_layer.linear", 2, WIDTH),
        ("final_layer.adaLN_modulation.1", 2 * WIDTH, WIDTH),
    ] {
        add(format!("{layer}.weight"), &[outputs, inputs]);
        add(format!("{layer}.bias"), &[outputs]);
    }
    add("pos_embed".to_owned(), &[1, 1, WIDTH]);
    add("y_embedder.embedding_table.weight".to_owned(), &[4, WIDTH]);
    let files = ModelFiles {
        name: "g".to_owned(),
        config: folder.join("config.json"),
        weights: folder.join("model.safetensors"),
    };
    candle_core::safetensors::save(&tensors, &files.weights).unwrap();
    let config = serde_json::json!({
        "input_size": 1, "in_channels": 2, "hidden_size": WIDTH, "depth": 1, "num_heads": 2, "mlp_ratio": 1.0,
        "num_classes": 3,
    });
    std::fs::write(&files.config, config.to_string()).unwrap();
    files
}

/// Two steps a picture: the first is always shown, the last is the picture itself.
fn job(pictures: u64) -> Arc<GenerateJob> {
    Arc::new(GenerateJob {
        settings: Settings {
            solver: Solver::Euler,
            path: Path::Linear,
            steps: 2,
            guidance: Guidance::default(),
        },
        pictures: (0..pictures).map(|seed| PictureSeed { label: 1, seed }).collect(),
        from: None,
    })
}

impl Rig {
    fn with_generator() -> Self {
        let rig = Self::with_model();
        let folder = tempfile::tempdir().unwrap();
        rig.engine
            .submit(Request::OpenGenerator(write_generator(folder.path())));
        match rig.engine.wait() {
            Some(Event::GeneratorOpened(info)) => assert_eq!(info.args.num_classes, 3),
            other => panic!("expected a generator, got {other:?}"),
        }
        rig
    }
    fn generate(&self, pictures: u64) -> Stamp {
        self.engine.submit(Request::Generate(job(pictures)))
    }
    /// The decoder of the generation is entered.
    fn sees_any_decode(&self) {
        assert!(matches!(self.seen.recv().unwrap(), Seen::Decode(..)));
    }
    /// (steps done, whether a picture came with it)
    fn expect_step(&self, expected: Stamp) -> (usize, bool) {
        match self.engine.wait() {
            Some(Event::GenerationStep { stamp, step }) => {
                assert_eq!(stamp, expected);
                assert!(step.fraction > 0.0 && step.fraction <= 1.0);
                (step.done, step.picture.is_some())
            }
            other => panic!("expected a step, got {other:?}"),
        }
    }
    fn expect_picture(&self, expected: Stamp, index: usize) -> Vec<f32> {
        match self.engine.wait() {
            Some(Event::Generated { stamp, picture }) => {
                assert_eq!((stamp, picture.index), (expected, index));
                picture.state.z.values.clone()
            }
            other => panic!("expected a picture, got {other:?}"),
        }
    }
    /// Lets a picture through and takes its events.
    fn finish_picture(&self, stamp: Stamp, index: usize) -> Vec<f32> {
        self.sees_any_decode();
        self.cue(Cue::Finish);
        self.sees_any_decode();
        let (done, _) = self.expect_step(stamp);
        assert_eq!(
            done, 2,
            "the first step was not taken in time: only the newest is told"
        );
        self.cue(Cue::Finish);
        self.expect_picture(stamp, index)
    }
}

#[test]
fn steps_then_pictures_come_in_order() {
    let rig = Rig::with_generator();
    let stamp = rig.generate(2);
    let first = rig.finish_picture(stamp, 0);
    let second = rig.finish_picture(stamp, 1);
    assert_ne!(first, second, "another seed is another picture");
    rig.is_idle();
}

#[test]
fn a_view_goes_before_the_next_step_and_nothing_is_lost() {
    let rig = Rig::with_generator();
    let undisturbed = rig.generate(1);
    let expected = rig.finish_picture(undisturbed, 0);

    let stamp = rig.generate(1);
    rig.sees_any_decode();
    // The picture of the first step is being decoded when the view asks.
    let view = rig.decode(0, 9.0);
    rig.cue(Cue::UntilCancelled);
    rig.sees_decode(9.0);
    assert_eq!(
        rig.expect_step(stamp),
        (1, false),
        "the step counts, its picture was given up"
    );
    rig.finish_decode(view);
    rig.sees_any_decode();
    assert_eq!(rig.expect_step(stamp).0, 2);
    // The same while the finished picture is decoded.
    let view = rig.decode(0, 8.0);
    rig.cue(Cue::UntilCancelled);
    rig.sees_decode(8.0);
    rig.finish_decode(view);
    rig.sees_any_decode();
    rig.cue(Cue::Finish);
    assert_eq!(rig.expect_picture(stamp, 0), expected);
    rig.is_idle();
}

#[test]
fn an_encode_goes_before_the_next_step() {
    let rig = Rig::with_generator();
    let stamp = rig.generate(1);
    rig.sees_any_decode();
    rig.encode(1, 5);
    rig.cue(Cue::UntilCancelled);
    rig.sees(&Seen::Encode("a".to_owned(), 5));
    assert_eq!(rig.expect_step(stamp), (1, false));
    rig.cue(Cue::Finish);
    rig.sees_decode(5.0);
    rig.cue(Cue::Finish);
    assert!(matches!(rig.engine.wait(), Some(Event::Encoded { .. })));
    rig.sees_any_decode();
    assert_eq!(rig.expect_step(stamp).0, 2);
    rig.cue(Cue::Finish);
    rig.expect_picture(stamp, 0);
    rig.is_idle();
}

#[test]
fn a_newer_generation_replaces_the_older() {
    let rig = Rig::with_generator();
    let older = rig.generate(5);
    rig.sees_any_decode();
    let newer = rig.generate(1);
    rig.cue(Cue::UntilCancelled);
    rig.expect_cancelled(older);
    rig.finish_picture(newer, 0);
    rig.is_idle();
}

#[test]
fn a_generation_can_be_cancelled_running_and_waiting() {
    let rig = Rig::with_generator();
    let stamp = rig.generate(3);
    rig.sees_any_decode();
    rig.engine.cancel_generation();
    rig.cue(Cue::UntilCancelled);
    rig.expect_cancelled(stamp);
    rig.is_idle();

    let view = rig.decode(0, 1.0);
    rig.sees_decode(1.0);
    let waiting = rig.generate(1);
    rig.engine.cancel_generation();
    rig.expect_cancelled(waiting);
    rig.finish_decode(view);
    rig.is_idle();
}

#[test]
fn another_model_voids_a_generation() {
    let rig = Rig::with_generator();
    let stamp = rig.generate(3);
    rig.sees_any_decode();
    rig.load("b");
    rig.cue(Cue::UntilCancelled);
    rig.sees(&Seen::Open("b".to_owned()));
    assert_eq!(rig.expect_step(stamp), (1, false));
    rig.cue(Cue::Finish);
    let mut events = [rig.engine.wait(), rig.engine.wait()].map(Option::unwrap);
    events.sort_by_key(|event| matches!(event, Event::ModelLoaded(_)));
    assert!(
        matches!(&events[0], Event::Cancelled { stamp: cancelled, task: Task::Generate } if *cancelled == stamp)
    );
    assert!(matches!(&events[1], Event::ModelLoaded(info) if info.name == "b"));
    rig.is_idle();
}

#[test]
fn a_decoder_that_fails_ends_the_generation_with_its_reason() {
    let rig = Rig::with_generator();
    let stamp = rig.generate(2);
    rig.sees_any_decode();
    rig.cue(Cue::Fail);
    assert!(rig.expect_failed(stamp).contains("scripted to fail"));
    let stamp = rig.generate(2);
    rig.sees_any_decode();
    rig.cue(Cue::Panic);
    assert!(rig.expect_failed(stamp).contains("scripted fault"));
    rig.is_idle();
}

#[test]
fn generating_needs_a_generator_that_is_there() {
    let rig = Rig::with_model();
    let stamp = rig.generate(1);
    assert!(rig.expect_failed(stamp).contains("no generator is open"));
    let nowhere = ModelFiles {
        name: "nowhere".to_owned(),
        config: "no/config.json".into(),
        weights: "no/model.safetensors".into(),
    };
    let stamp = rig.engine.submit(Request::OpenGenerator(nowhere));
    assert!(rig.expect_failed(stamp).contains("config.json"));
    rig.is_idle();
}
