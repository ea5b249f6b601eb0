//! Looking ahead of the hand, and encoding ahead of the eye.

use super::{Bench, photo};
use softscope::analysis;
use softscope::document::Import;
use softscope::engine::EngineStatus;
use softscope::latent::Edit;
use softscope::picture::{self, Rgb8};
use std::sync::Arc;

fn scaled(position: f32) -> Edit {
    Edit::Scale {
        tokens: vec![3, 4, 5],
        factor: 1.0 - 3.0 * position,
    }
}

/// A workspace with a picture whose model counts as slow, and the positions of one number decoded ahead.
fn looking() -> Option<Bench> {
    let mut bench = Bench::new()?;
    bench.import(1);
    bench.workspace.set_quick_decode_ms(0.0);
    bench.workspace.look_ahead(0.5, &scaled);
    bench.quiet();
    Some(bench)
}

fn preview(bench: &Bench) -> Option<Arc<Rgb8>> {
    Some(Arc::clone(&bench.workspace.preview()?.picture))
}

fn previewed_at(bench: &mut Bench, position: f32) -> Option<Arc<Rgb8>> {
    bench.workspace.look_ahead(position, &scaled);
    bench.workspace.preview_edit_at(scaled(position), position);
    preview(bench)
}

#[test]
fn a_blend_is_shown_at_once_and_the_exact_picture_replaces_it() {
    let Some(mut bench) = looking() else { return };
    assert_eq!(bench.workspace.decoded_ahead(), Some((9, 9)));
    let before = bench.edited();
    let [low, between, high] = [0.25, 0.3, 0.375].map(|position| previewed_at(&mut bench, position).unwrap());
    assert_eq!(bench.edited(), before, "no exact picture was taken in meanwhile");
    assert_eq!(*between, picture::blend(&low, &high, 0.4).unwrap());
    let active = bench.workspace.active().unwrap().id;
    assert!(bench.workspace.behind(active).is_some());

    bench.quiet();
    assert!(bench.workspace.preview().is_none());
    assert!(bench.workspace.behind(active).is_none());
    assert!(bench.workspace.is_current(active));
    assert_ne!(bench.edited(), before);
    assert_eq!(
        bench.workspace.active().unwrap().history.pending(),
        Some(&scaled(0.375))
    );
    let psnr_db = analysis::compare(&bench.edited(), &high).unwrap().psnr_db;
    // In 8 bits only where these come near enough.
    assert!(
        psnr_db >= 38.0,
        "what was decoded ahead is near that picture: {psnr_db} dB"
    );
}

#[test]
fn a_step_made_of_a_preview_keeps_it_until_the_exact_picture_is_there() {
    let Some(mut bench) = looking() else { return };
    let shown = previewed_at(&mut bench, 0.7).unwrap();
    bench.workspace.commit_preview();
    assert_eq!(preview(&bench), Some(shown));
    bench.quiet();
    assert_eq!(preview(&bench), None);
    bench.workspace.undo();
    assert_eq!(preview(&bench), None);
    bench.quiet();
}

#[test]
fn what_a_hand_came_to_is_known_from_then_on() {
    let Some(mut bench) = looking() else { return };
    previewed_at(&mut bench, 0.3).unwrap();
    bench.quiet();
    let exact = bench.edited();
    previewed_at(&mut bench, 0.9).unwrap();
    bench.quiet();
    assert_eq!(previewed_at(&mut bench, 0.3), Some(exact));
}

#[test]
fn another_number_has_no_preview_of_the_first() {
    let Some(mut bench) = looking() else { return };
    let other = |position: f32| Edit::Scale {
        tokens: vec![9],
        factor: position,
    };
    bench.workspace.look_ahead(0.3, &other);
    bench.workspace.preview_edit_at(other(0.3), 0.3);
    assert!(bench.workspace.preview().is_none());
    bench.quiet();
    // The first number is not forgotten meanwhile.
    bench.workspace.cancel_preview();
    bench.quiet();
    assert!(previewed_at(&mut bench, 0.3).is_some());
}

#[test]
fn switched_off_nothing_is_decoded_ahead() {
    let Some(mut bench) = Bench::new() else { return };
    bench.import(1);
    bench.workspace.set_quick_decode_ms(0.0);
    bench.workspace.set_previews(false);
    bench.workspace.look_ahead(0.5, &scaled);
    assert_eq!(bench.workspace.engine_status(), EngineStatus::default());
    assert_eq!(bench.workspace.decoded_ahead(), None);
    assert_eq!(previewed_at(&mut bench, 0.5), None);
    bench.quiet();
    bench.workspace.set_previews(true);
    bench.workspace.look_ahead(0.5, &scaled);
    bench.quiet();
    assert_eq!(bench.workspace.decoded_ahead(), Some((9, 9)));
}

#[test]
fn a_model_that_decodes_within_a_frame_is_not_asked_ahead() {
    let Some(mut bench) = Bench::new() else { return };
    bench.import(1);
    bench.workspace.set_quick_decode_ms(f64::INFINITY);
    bench.workspace.look_ahead(0.5, &scaled);
    assert_eq!(bench.workspace.engine_status(), EngineStatus::default());
    assert!(!bench.workspace.wants_previews());
}

#[test]
fn what_nobody_looks_at_any_more_is_given_up() {
    let Some(mut bench) = Bench::new() else { return };
    bench.import(1);
    bench.workspace.set_quick_decode_ms(0.0);
    bench.workspace.look_ahead(0.5, &scaled);
    bench.workspace.end_look();
    assert!(
        bench.workspace.decoded_ahead().is_some(),
        "looked at in this frame"
    );
    bench.workspace.end_look();
    assert_eq!(bench.workspace.decoded_ahead(), None);
    bench.quiet();
    assert_eq!(bench.workspace.engine_status(), EngineStatus::default());
}

#[test]
fn an_edit_that_cannot_be_applied_is_not_decoded_ahead_and_says_nothing() {
    let Some(mut bench) = Bench::new() else { return };
    bench.import(1);
    bench.workspace.set_quick_decode_ms(0.0);
    let bad = |_: f32| Edit::Swap { a: 0, b: 10_000 };
    bench.workspace.look_ahead(0.5, &bad);
    bench.quiet();
    assert_eq!(bench.workspace.decoded_ahead(), Some((0, 9)));
}

fn encoded(bench: &Bench) -> Vec<bool> {
    let subjects = bench.workspace.subjects().iter();
    subjects.map(|subject| subject.encoded.is_some()).collect()
}

#[test]
fn the_next_picture_of_the_library_is_encoded_next_while_nothing_else_is_to_do() {
    let Some(mut bench) = Bench::new() else { return };
    bench.workspace.set_encodes_ahead(false);
    let folder = bench.path("pictures");
    std::fs::create_dir(&folder).unwrap();
    for seed in 0..4 {
        let bytes = picture::to_png(&photo(96, 96, seed), &[]).unwrap();
        std::fs::write(folder.join(format!("{seed}.png")), bytes).unwrap();
    }
    bench.workspace.import(Import::Path(folder));
    bench.quiet();
    assert_eq!(
        encoded(&bench),
        [true, false, false, false],
        "only the one looked at"
    );
    let third = bench.workspace.subjects()[2].id;
    bench.workspace.set_active(third);
    bench.quiet();
    assert_eq!(encoded(&bench), [true, false, true, false]);

    bench.workspace.set_encodes_ahead(true);
    while encoded(&bench) == [true, false, true, false] {
        bench.workspace.update();
        std::thread::yield_now();
    }
    assert_eq!(
        encoded(&bench),
        [true, false, true, true],
        "the one after the active picture first"
    );
    bench.quiet();
    assert_eq!(encoded(&bench), [true; 4]);
}
