//! The engine on the real default model: what a decode gives, and that requests are answered as promised.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod support;

use softscope::engine::{
    Control, DecodeJob, Decoded, Encoded, Engine, EngineError, Event, NoControl, Precision, ReconstructJob,
    Reconstructed, Request, RunOptions, Runner, Stamp, SubjectId, ViewId,
};
use softscope::latent::{Edit, LatentState};
use softscope::picture::{self, Fit, Planar, Rgb8};
use softscope::tokenizer::ModelFiles;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::fixtures;

/// The model that ships, else the one the figures were made with; a test without either says so and passes.
fn model_files() -> Option<ModelFiles> {
    const PLACES: [&str; 2] = [
        concat!(env!("CARGO_MANIFEST_DIR"), "/models/softscope-32"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/models/starter"),
    ];
    let found = PLACES
        .iter()
        .map(Path::new)
        .find(|place| place.join("model.safetensors").is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no default model in any of {PLACES:?}");
    }
    found.map(|place| ModelFiles::locate(place).unwrap())
}

/// Two threads: the same on every machine, and no time spent on measuring.
fn options() -> RunOptions {
    RunOptions {
        threads: Some(2),
        ..RunOptions::default()
    }
}

/// Soft colour ramps with a bright square: smooth enough for a blurry model, not flat.
fn synthetic(side: u32) -> Rgb8 {
    let square = side / 4..side / 2;
    let bytes = (0..side)
        .flat_map(|y| (0..side).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let inside = square.contains(&x) && square.contains(&y);
            let ramp = |value: u32| (value * 200 / side) as u8;
            [if inside { 240 } else { ramp(x) }, ramp(y), ramp((x + y) / 2)]
        })
        .collect();
    Rgb8::new(side, side, bytes).unwrap()
}

fn opened() -> Option<Runner> {
    Some(Runner::open(&model_files()?, &options(), &NoControl).unwrap())
}

fn encoded_state(runner: &Runner) -> LatentState {
    let picture = Planar::from_rgb8(&synthetic(runner.info().args.image_size as u32));
    runner.encode(&[picture], &NoControl).unwrap().remove(0)
}

/// An engine with the default model, a picture and what became of it.
struct Opened {
    engine: Engine,
    picture: Arc<Rgb8>,
    encoded: Arc<Encoded>,
    last: Stamp,
}

impl Opened {
    fn new() -> Option<Self> {
        let files = model_files()?;
        let engine = Engine::start(options(), || {});
        engine.submit(Request::LoadModel(files));
        let Some(Event::ModelLoaded(info)) = engine.wait() else {
            panic!("no model")
        };
        let picture = Arc::new(synthetic(info.args.image_size as u32));
        let last = engine.submit(Request::Encode {
            subject: SubjectId(1),
            picture: Arc::clone(&picture),
        });
        let Some(Event::Encoded {
            stamp,
            subject,
            encoded,
        }) = engine.wait()
        else {
            panic!("no encode")
        };
        assert_eq!((stamp, subject), (last, SubjectId(1)));
        Some(Self {
            engine,
            picture,
            encoded,
            last,
        })
    }

    fn submit(&self, edits: &[Edit]) -> Stamp {
        let job = DecodeJob {
            base: Arc::clone(&self.encoded.state),
            edits: Arc::from(edits),
            reference: Some(Arc::clone(&self.picture)),
        };
        self.engine.submit(Request::Decode { view: ViewId(0), job })
    }

    fn decode(&self, edits: &[Edit]) -> Arc<Decoded> {
        let sent = self.submit(edits);
        assert!(sent > self.last);
        match self.engine.wait() {
            Some(Event::Decoded { stamp, decoded, .. }) => {
                assert_eq!(stamp, sent);
                decoded
            }
            other => panic!("expected a decode, got {other:?}"),
        }
    }
}

#[test]
fn an_encoded_picture_has_its_mixtures_reconstruction_and_metrics() {
    let Some(Opened {
        encoded,
        picture,
        engine,
        ..
    }) = Opened::new()
    else {
        return;
    };
    let state = &encoded.state;
    assert_eq!(state.assignments.len(), state.z.count);
    assert_eq!(
        state.h.as_ref().map(|h| (h.count, h.dim)),
        Some((state.z.count, state.z.dim))
    );
    for token in 0..state.z.count {
        let mixture = state.mixture(token).unwrap();
        let sum: f32 = mixture.weights.iter().sum();
        assert!((sum - 1.0).abs() < 1e-4, "weights sum to {sum}");
    }
    assert_eq!(
        (encoded.reconstruction.width(), encoded.reconstruction.height()),
        (picture.width(), picture.height())
    );
    let metrics = encoded.metrics.unwrap();
    assert!(
        metrics.psnr_db > 12.0,
        "even a blurry model beats {} dB on ramps",
        metrics.psnr_db
    );
    assert!(encoded.encode_ms > 0.0 && encoded.decode_ms > 0.0);
    assert!(engine.wait().is_none());
}

#[test]
fn no_edits_decode_to_the_reconstruction_and_twice_the_same_bits() {
    let Some(opened) = Opened::new() else { return };
    let first = opened.decode(&[]);
    assert_eq!(first.picture, opened.encoded.reconstruction);
    assert!(Arc::ptr_eq(&first.state, &opened.encoded.state));
    let edits = [
        Edit::Scale {
            tokens: vec![3, 4],
            factor: 0.5,
        },
        Edit::Swap { a: 0, b: 9 },
    ];
    let second = opened.decode(&edits);
    let third = opened.decode(&edits);
    assert_eq!(second.picture, third.picture);
    assert_eq!(second.state, third.state);
    assert_ne!(second.picture, first.picture);
    assert!(second.metrics.is_some());
}

#[test]
fn a_swap_decodes_as_the_rows_swapped_by_hand() {
    let Some(runner) = opened() else { return };
    let state = encoded_state(&runner);
    let mut by_hand = state.z.clone();
    let dim = by_hand.dim;
    for column in 0..dim {
        by_hand.values.swap(2 * dim + column, 13 * dim + column);
    }
    let expected = runner
        .decode(&[&by_hand], &NoControl)
        .unwrap()
        .remove(0)
        .to_rgb8();

    let Some(opened) = Opened::new() else { return };
    let decoded = opened.decode(&[Edit::Swap { a: 2, b: 13 }]);
    assert_eq!(decoded.state.z, by_hand);
    assert_eq!(*decoded.picture, expected);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let Some(files) = model_files() else { return };
    let pictures: Vec<Planar> = [1, 2, 3]
        .into_iter()
        .map(|threads| {
            let options = RunOptions {
                threads: Some(threads),
                ..RunOptions::default()
            };
            let runner = Runner::open(&files, &options, &NoControl).unwrap();
            assert_eq!(runner.info().threads, threads);
            let z = encoded_state(&runner).z;
            runner.decode(&[&z], &NoControl).unwrap().remove(0)
        })
        .collect();
    assert!(pictures.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn bf16_decodes_close_to_f32() {
    let Some(runner) = opened() else { return };
    let z = encoded_state(&runner).z;
    let exact = runner.decode(&[&z], &NoControl).unwrap().remove(0).to_rgb8();
    let bf16 = RunOptions {
        precision: Precision::Bf16,
        ..options()
    };
    let rough = Runner::open(&model_files().unwrap(), &bf16, &NoControl).unwrap();
    assert_eq!(rough.info().precision, "bf16");
    let picture = rough.decode(&[&z], &NoControl).unwrap().remove(0).to_rgb8();
    let metrics = softscope::analysis::compare(&exact, &picture).unwrap();
    assert!(metrics.psnr_db >= 45.0, "{} dB", metrics.psnr_db);
}

#[test]
fn what_is_decoded_ahead_is_near_the_picture_or_the_picture() {
    let Some(runner) = opened() else { return };
    let z = encoded_state(&runner).z;
    let picture = |decoded: Vec<Planar>| decoded[0].to_rgb8();
    let exact = picture(runner.decode(&[&z], &NoControl).unwrap());
    // The second one goes by what the first one found.
    for _ in 0..2 {
        let ahead = runner.decode_ahead(&[&z, &z], &NoControl).unwrap();
        assert_eq!(ahead.len(), 2);
        let metrics = softscope::analysis::compare(&picture(ahead), &exact).unwrap();
        assert!(metrics.psnr_db >= 38.0, "{} dB", metrics.psnr_db);
    }
    assert_eq!(runner.decode_ahead(&[], &NoControl).unwrap().len(), 0);
}

#[test]
fn the_measured_number_of_threads_is_one_the_machine_has() {
    let Some(files) = model_files() else { return };
    let runner = Runner::open(&files, &RunOptions::default(), &NoControl).unwrap();
    let most = std::thread::available_parallelism().unwrap().get();
    assert!((1..=most).contains(&runner.info().threads));
    assert!(runner.info().load_ms > 0.0);
}

#[test]
fn a_batch_gives_what_single_pictures_give() {
    let Some(runner) = opened() else { return };
    let side = runner.info().args.image_size as u32;
    let plain = Planar::from_rgb8(&synthetic(side));
    let mut turned = plain.clone();
    turned.data.reverse();
    let batch = runner
        .encode(&[plain.clone(), turned.clone()], &NoControl)
        .unwrap();
    let single = runner.encode(&[turned], &NoControl).unwrap().remove(0);
    let gap = batch[1]
        .z
        .values
        .iter()
        .zip(&single.z.values)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(gap < 1e-5, "largest difference {gap}");
    assert_ne!(batch[0].z, batch[1].z);
    let decoded = runner.decode(&[&batch[0].z, &batch[1].z], &NoControl).unwrap();
    assert_eq!(decoded.len(), 2);
    assert!(runner.encode(&[], &NoControl).unwrap().is_empty());
    assert!(runner.decode(&[], &NoControl).unwrap().is_empty());
}

#[test]
fn values_that_are_no_numbers_decode_without_a_fault() {
    let Some(runner) = opened() else { return };
    let mut z = encoded_state(&runner).z;
    z.values[0] = f32::NAN;
    z.values[40] = f32::INFINITY;
    let picture = runner.decode(&[&z], &NoControl).unwrap().remove(0).to_rgb8();
    assert_eq!(picture.width() as usize, runner.info().args.image_size);
}

#[test]
fn wrong_sizes_are_refused_with_both_sizes_named() {
    let Some(runner) = opened() else { return };
    let side = runner.info().args.image_size;
    let small = Planar::from_rgb8(&synthetic(48));
    let message = runner.encode(&[small], &NoControl).unwrap_err().to_string();
    assert!(
        message.contains("48x48") && message.contains(&format!("{side}x{side}")),
        "{message}"
    );

    let mut z = encoded_state(&runner).z;
    z.count -= 1;
    z.values.truncate(z.count * z.dim);
    let message = runner.decode(&[&z], &NoControl).unwrap_err().to_string();
    assert!(
        message.contains(&format!("31 x {}", z.dim)) && message.contains(&format!("32 x {}", z.dim)),
        "{message}"
    );
}

/// Cancels at the `after`-th question.
struct CancelAfter {
    after: usize,
    asked: AtomicUsize,
    reported: AtomicUsize,
}

impl CancelAfter {
    fn new(after: usize) -> Self {
        Self {
            after,
            asked: AtomicUsize::new(0),
            reported: AtomicUsize::new(0),
        }
    }
}

impl Control for CancelAfter {
    fn progress(&self, fraction: f32) {
        assert!((0.0..=1.0).contains(&fraction));
        self.reported.fetch_add(1, Ordering::SeqCst);
    }
    fn is_cancelled(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst) >= self.after
    }
}

#[test]
fn passes_and_loads_stop_where_they_are_told_to() {
    let Some(runner) = opened() else { return };
    let z = encoded_state(&runner).z;
    let control = CancelAfter::new(4);
    assert!(matches!(
        runner.decode(&[&z], &control),
        Err(EngineError::Cancelled)
    ));
    assert_eq!(
        control.asked.load(Ordering::SeqCst),
        5,
        "nothing runs after the answer"
    );

    let control = CancelAfter::new(2);
    let loaded = Runner::open(&model_files().unwrap(), &options(), &control);
    assert!(matches!(loaded, Err(EngineError::Cancelled)));
    assert_eq!(control.reported.load(Ordering::SeqCst), 3);
}

/// Keeps the progress reported.
#[derive(Default)]
struct Told(std::sync::Mutex<Vec<f32>>);

impl Control for Told {
    fn progress(&self, fraction: f32) {
        self.0.lock().unwrap().push(fraction);
    }
    fn is_cancelled(&self) -> bool {
        false
    }
}

#[test]
fn progress_grows_to_the_end_in_every_kind_of_call() {
    let Some(files) = model_files() else { return };
    let load = Told::default();
    let runner = Runner::open(&files, &options(), &load).unwrap();
    let picture = Planar::from_rgb8(&synthetic(runner.info().args.image_size as u32));
    let encode = Told::default();
    let state = runner.encode(&[picture], &encode).unwrap().remove(0);
    let decode = Told::default();
    runner.decode(&[&state.z], &decode).unwrap();
    for (name, told) in [("load", load), ("encode", encode), ("decode", decode)] {
        let told = told.0.into_inner().unwrap();
        assert!(told.len() > 5, "{name}: {told:?}");
        assert!(told.windows(2).all(|pair| pair[0] <= pair[1]), "{name}: {told:?}");
        assert!(
            told.last().is_some_and(|last| (last - 1.0).abs() < 1e-3),
            "{name}: {told:?}"
        );
    }
}

#[test]
fn a_drag_is_answered_in_order_and_ends_with_its_last_request() {
    let Some(opened) = Opened::new() else { return };
    let drag: Vec<(Stamp, f32)> = (0..50)
        .map(|step| {
            let value = step as f32 * 0.01;
            (
                opened.submit(&[
                    Edit::Swap { a: 1, b: 2 },
                    Edit::SetValue {
                        token: 5,
                        dim: 3,
                        value,
                    },
                ]),
                value,
            )
        })
        .collect();
    let mut answered = Vec::new();
    while let Some(event) = opened.engine.wait() {
        let Event::Decoded { stamp, decoded, .. } = event else {
            panic!("unexpected {event:?}")
        };
        let (_, value) = drag.iter().find(|(sent, _)| *sent == stamp).unwrap();
        assert_eq!(decoded.state.z.row(5)[3], *value);
        answered.push(stamp);
    }
    assert!(answered.is_sorted());
    assert_eq!(answered.last(), drag.last().map(|(stamp, _)| stamp));
    eprintln!(
        "{} of {} requests of the drag were answered",
        answered.len(),
        drag.len()
    );
    assert!(answered.len() <= drag.len());
}

#[test]
fn an_edit_that_cannot_be_applied_is_named_and_the_engine_goes_on() {
    let Some(opened) = Opened::new() else { return };
    let sent = opened.submit(&[Edit::Swap { a: 0, b: 1 }, Edit::Swap { a: 0, b: 999 }]);
    let Some(Event::Failed { stamp, message, .. }) = opened.engine.wait() else {
        panic!("must fail")
    };
    assert_eq!(stamp, sent);
    assert!(
        message.contains("edit 2 of 2") && message.contains("999"),
        "{message}"
    );
    opened.decode(&[Edit::Swap { a: 0, b: 1 }]);
}

#[test]
fn a_model_that_is_not_there_is_a_message_and_keeps_the_old_one() {
    let Some(opened) = Opened::new() else { return };
    let nowhere = ModelFiles {
        name: "nowhere".to_owned(),
        config: "/nowhere/config.json".into(),
        weights: "/nowhere/model.safetensors".into(),
    };
    opened.engine.submit(Request::LoadModel(nowhere));
    let Some(Event::Failed { message, .. }) = opened.engine.wait() else {
        panic!("must fail")
    };
    assert!(message.contains("nowhere"), "{message}");
    opened.decode(&[]);
}

/// A small model that comes with the sources, copied to where it may be changed.
fn small_model() -> (tempfile::TempDir, ModelFiles) {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_model(&fixtures::folder("a3_softvq_nol2"), folder.path());
    let files = ModelFiles::locate(folder.path()).unwrap();
    (folder, files)
}

fn reconstruct(engine: &Engine, model: &ModelFiles) -> Arc<Reconstructed> {
    let job = ReconstructJob {
        model: model.clone(),
        picture: Arc::new(synthetic(100)),
        fit: Fit::Crop,
    };
    engine.submit(Request::Reconstruct { view: ViewId(0), job });
    loop {
        match engine.wait() {
            Some(Event::Reconstructed { reconstructed, .. }) => return reconstructed,
            Some(Event::ModelLeft(_)) => {}
            other => panic!("no reconstruction: {other:?}"),
        }
    }
}

#[test]
fn a_reconstruction_is_what_the_model_itself_makes() {
    let (_folder, files) = small_model();
    let engine = Engine::start(options(), || {});
    let done = reconstruct(&engine, &files);
    let runner = Runner::open(&files, &options(), &NoControl).unwrap();
    let crop = picture::fit(&synthetic(100), runner.info().args.image_size as u32, Fit::Crop);
    assert_eq!(*done.crop, crop);
    let state = runner
        .encode(&[Planar::from_rgb8(&crop)], &NoControl)
        .unwrap()
        .remove(0);
    let decoded = runner
        .decode(&[&state.z], &NoControl)
        .unwrap()
        .remove(0)
        .to_rgb8();
    assert_eq!(*done.encoded.reconstruction, decoded);
    assert_eq!(done.model.hash, runner.info().hash);
    let weight_bytes = done.model.parameter_count as u64 * 4;
    assert_eq!(done.model.weight_bytes, weight_bytes, "f32");
}

#[test]
fn a_model_whose_file_changed_is_read_anew() {
    let (_folder, files) = small_model();
    let engine = Engine::start(options(), || {});
    let before = reconstruct(&engine, &files);
    assert_eq!(reconstruct(&engine, &files).model.hash, before.model.hash);

    // Another value in the last tensor; the length changes too, so that no clock has to tell.
    let mut bytes = std::fs::read(&files.weights).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    *bytes.last_mut().unwrap() ^= 0x40;
    let padded = header + 8;
    bytes.splice(8 + header..8 + header, [b' '; 8]);
    bytes[..8].copy_from_slice(&(padded as u64).to_le_bytes());
    std::fs::write(&files.weights, bytes).unwrap();

    let after = reconstruct(&engine, &files);
    assert_ne!(after.model.hash, before.model.hash);
    std::fs::remove_file(&files.weights).unwrap();
    engine.submit(Request::LoadModel(files));
    let failed = std::iter::from_fn(|| engine.wait()).find_map(|event| match event {
        Event::Failed { message, .. } => Some(message),
        _ => None,
    });
    let message = failed.expect("a file that is gone is not served from memory");
    assert!(message.contains("model.safetensors"), "{message}");
}
