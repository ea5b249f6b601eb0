use crate::runs::{SMALL, pictures};
use softscope::trainer::{Order, Phase, Run, RunRecord, Status, TrainConfig, TrainError, TrainingRun};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn order(text: &str, data: &Path, out: &Path) -> Order {
    Order {
        run: Run {
            config: TrainConfig::parse(text).unwrap(),
            data: vec![data.to_owned()],
            out: out.to_owned(),
            is_resumed: false,
        },
        time_limit: None,
    }
}

fn endless() -> String {
    let text = SMALL.replacen("steps = 6", "steps = 1000000", 1);
    assert_ne!(text, SMALL);
    text
}

#[test]
fn a_whole_run_tells_all_it_did_and_leaves_the_same_record() {
    let data = pictures();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let run = TrainingRun::start(order(SMALL, data.path(), &out), move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    assert!(run.wait_until(Status::is_ended));
    assert!(wakes.load(Ordering::SeqCst) >= 6, "a wake for every step");
    let told = run.look(|status| {
        assert!(matches!(&status.phase, Phase::Ended(Ok(outcome)) if outcome.steps == 6));
        assert!(status.photographs > 0 && status.cutouts > 0);
        assert!(status.learning_rate > 0.0 && status.pictures_per_second.unwrap() > 0.0);
        status.record.clone()
    });
    assert!(told.is_done());
    assert_eq!(told.steps_saved, Some(6));
    let steps: Vec<u64> = told.sheets.iter().map(|sheet| sheet.step).collect();
    assert_eq!(steps, [4, 6]);

    let kept = RunRecord::read(&out).unwrap().unwrap();
    assert_eq!((kept.steps_done, &kept.config), (6, &told.config));
    assert_eq!(kept.sheets, told.sheets);
    let names = |record: &RunRecord| -> Vec<String> {
        let curves = record.history.terms.iter().chain(&record.history.figures);
        curves.map(|curve| curve.name.clone()).collect()
    };
    assert_eq!(names(&kept), names(&told));
    for (kept, told) in kept.history.terms.iter().zip(&told.history.terms) {
        for (a, b) in kept.points().zip(told.points()) {
            // The log has five digits.
            assert!(
                a[0] == b[0] && (a[1] - b[1]).abs() <= 1e-5,
                "{}: {a:?} {b:?}",
                kept.name
            );
        }
        assert_eq!(kept.points().count(), 6);
    }
}

#[test]
fn a_run_that_is_dropped_or_whose_time_is_over_keeps_what_it_reached_and_goes_on() {
    let data = pictures();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut order = order(&endless(), data.path(), &out);
    let run = TrainingRun::start(order.clone(), || ());
    assert!(run.wait_until(|status| status.record.steps_done >= 3));
    drop(run);
    let record = RunRecord::read(&out).unwrap().unwrap();
    assert!(record.steps_done >= 3 && !record.is_done());

    order.run.is_resumed = true;
    order.time_limit = Some(Duration::ZERO);
    let run = TrainingRun::start(order, || ());
    assert!(run.wait_until(Status::is_ended));
    run.look(|status| {
        let Phase::Ended(Ok(outcome)) = &status.phase else {
            panic!("{:?}", status.phase)
        };
        assert_eq!(
            outcome.steps,
            record.steps_done + 1,
            "one step, then the time is over"
        );
        assert!(status.record.history.terms[0].points().count() as u64 > record.steps_done);
    });
}

#[test]
fn a_run_that_cannot_be_ends_with_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let run = TrainingRun::start(order(SMALL, &nowhere, &folder.path().join("run")), || ());
    assert!(!run.wait_until(|status| status.record.steps_done > 0));
    run.look(|status| {
        let Phase::Ended(Err(error)) = &status.phase else {
            panic!("{:?}", status.phase)
        };
        assert!(
            matches!(&**error, TrainError::Read { path, .. } if *path == nowhere),
            "{error}"
        );
    });
    assert!(RunRecord::read(&folder.path().join("run")).unwrap().is_none());
}

#[test]
fn a_state_that_is_damaged_is_told_and_not_taken_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in [
        &b"half"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
        b"\x02\0\0\0\0\0\0\0{}",
    ] {
        std::fs::write(folder.path().join("state.safetensors"), bytes).unwrap();
        let error = RunRecord::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("state.safetensors"), "{error}");
    }
}
