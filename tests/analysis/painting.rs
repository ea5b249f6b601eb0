use crate::models::{Stop, decode, encoded, left_half, open};
use softscope::engine::{
    EngineError, NearHull, NoControl, PaintJob, PaintSettings, PaintTokens, Painting, Runner,
};
use softscope::latent::{Edit, LatentState, TokenSource, apply, project_onto_hull};
use softscope::picture::Planar;

/// Towards the decode of tokens that are a little different, which the decoder can reach.
fn job(runner: &Runner, state: &LatentState) -> PaintJob {
    let mut wanted = state.z.clone();
    let spread = state.z.values.iter().map(|value| value.abs()).fold(0.0, f32::max);
    for (index, value) in wanted.values.iter_mut().enumerate() {
        *value += 0.3 * spread * if index % 3 == 0 { 1.0 } else { -0.5 };
    }
    let side = runner.info().args.image_size as u32;
    PaintJob {
        start: state.z.clone(),
        target: Planar::new(side, side, decode(runner, &wanted)).unwrap(),
        mask: left_half(runner),
        tokens: PaintTokens::All,
        settings: PaintSettings {
            near_hull: NearHull::Free,
            steps: 60,
            rate: 0.1,
            hold: 0.2,
        },
    }
}

#[test]
fn a_painting_nears_its_target_and_is_one_edit() {
    for name in ["a3_softvq_nol2", "a4_kl16_vit", "a6c_ae_movq_ape"] {
        let (golden, runner) = open(name).unwrap();
        let state = encoded(&golden, &runner);
        let painting = runner.paint(job(&runner, &state), &NoControl).unwrap();
        let (z, after) = painting.best();
        let (before, after) = (painting.first().unwrap(), after.unwrap());
        assert!(after.region < 0.6 * before.region, "{name}: {before:?} {after:?}");
        // Two ways to compute the same picture differ by their rounding.
        assert!(before.rest < 1e-2 && after.loss < before.loss, "{before:?}");
        let edit = painting.edit();
        let mut edited = state.clone();
        apply(&runner.info().space, &state, &mut edited, &edit).unwrap();
        assert_eq!(&edited.z, z);
        // The figures are what the picture says.
        let job = job(&runner, &state);
        let (picture, mask) = (decode(&runner, z), job.mask.weights());
        let squares: f64 = picture
            .iter()
            .zip(&job.target.data)
            .enumerate()
            .map(|(index, (a, b))| f64::from(mask[index % mask.len()]) * f64::from(a - b).powi(2))
            .sum();
        let region = 127.5 * (squares / (3.0 * job.mask.area())).sqrt();
        assert!((region / after.region - 1.0).abs() < 1e-3, "{region} {after:?}");
    }
}

#[test]
fn the_step_follows_the_gradient_of_the_loss_it_reports() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let state = encoded(&golden, &runner);
    // A step so small that the loss is linear over it: Adam moves every value by the rate, against its slope.
    let mut job = job(&runner, &state);
    job.settings = PaintSettings {
        steps: 1,
        rate: 1e-3,
        near_hull: NearHull::Penalty(0.05),
        ..job.settings
    };
    let mut start = job.start.clone();
    start.values.iter_mut().for_each(|value| *value *= 1.3);
    let job = PaintJob { start, ..job };
    let mut painting = Painting::start(&runner, job.clone(), &NoControl).unwrap();
    let (before, _) = painting.step(&runner, &NoControl).unwrap();
    painting.look_last(&runner, &NoControl).unwrap();
    let (moved, after) = painting.best();
    let after = after.unwrap();
    assert!(after.loss < before.loss, "{before:?} {after:?}");
    // Turning any one value's step round makes it worse, up to rounding: each sign is right.
    let loss = |values: &[f32]| {
        let mut at = job.clone();
        at.start.values = values.to_vec();
        let held = decode(&runner, &job.start);
        let picture = decode(&runner, &at.start);
        let mask = job.mask.weights();
        let (mut region, mut rest) = (0.0, 0.0);
        for (index, value) in picture.iter().enumerate() {
            let weight = f64::from(mask[index % mask.len()]);
            region += weight * f64::from(value - job.target.data[index]).powi(2);
            rest += (1.0 - weight) * f64::from(value - held[index]).powi(2);
        }
        let pixels = mask.len() as f64;
        region / (3.0 * job.mask.area()) + job.settings.hold * rest / (3.0 * (pixels - job.mask.area()))
    };
    let codebook = runner.info().space.codebook().unwrap();
    let count = job.start.count;
    let squares: f64 = job
        .start
        .values
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum();
    let spread = (squares / job.start.values.len() as f64)
        .sqrt()
        .min(f64::from(runner.info().space.std));
    let penalty = |values: &[f32]| {
        let rows = values.chunks_exact(job.start.dim).enumerate();
        let distances = rows.map(|(token, row)| {
            f64::from(project_onto_hull(codebook, codebook.segment_of(token, count), row).distance).powi(2)
        });
        0.05 * distances.sum::<f64>() / (job.start.values.len() as f64 * spread * spread)
    };
    let mut checked = 0;
    for place in (0..job.start.values.len()).step_by(5) {
        let step = f64::from(moved.values[place] - job.start.values[place]);
        let numeric = |reach: f32| {
            let at = |sign: f32| {
                let mut values = job.start.values.clone();
                values[place] += sign * reach;
                loss(&values) + penalty(&values)
            };
            (at(1.0) - at(-1.0)) / (2.0 * f64::from(reach))
        };
        let slope = numeric(0.02 * spread as f32);
        if slope.abs() > 2e-3 {
            assert!(step * slope < 0.0, "value {place}: step {step}, slope {slope}");
            checked += 1;
        }
    }
    assert!(checked >= 3, "only {checked} slopes stand out");
}

#[test]
fn only_the_chosen_tokens_move_and_the_hull_is_kept() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let state = encoded(&golden, &runner);
    let job = PaintJob {
        tokens: PaintTokens::List(vec![5, 1, 5]),
        settings: PaintSettings {
            near_hull: NearHull::Project,
            steps: 12,
            ..job(&runner, &state).settings
        },
        ..job(&runner, &state)
    };
    let painting = runner.paint(job.clone(), &NoControl).unwrap();
    assert_eq!(painting.tokens(), [1, 5]);
    let (z, _) = painting.best();
    let codebook = runner.info().space.codebook().unwrap();
    for token in 0..z.count {
        if [1, 5].contains(&token) {
            let hull = project_onto_hull(codebook, codebook.segment_of(token, z.count), z.row(token));
            assert!(hull.distance < 1e-4, "token {token}: {}", hull.distance);
        } else {
            assert_eq!(z.row(token), state.z.row(token));
        }
    }
    let Edit::Copy {
        from: TokenSource::Embedded { z: rows, .. },
        tokens,
        to,
    } = painting.edit()
    else {
        panic!("a copy")
    };
    assert_eq!((rows.len(), tokens, to), (2, vec![0, 1], vec![1, 5]));
    // A penalty keeps nearer than none.
    let distance = |near_hull: NearHull| {
        let painting = runner
            .paint(
                PaintJob {
                    settings: PaintSettings {
                        near_hull,
                        steps: 40,
                        ..job.settings
                    },
                    ..job.clone()
                },
                &NoControl,
            )
            .unwrap();
        let (z, _) = painting.best();
        let of = |token: usize| {
            project_onto_hull(codebook, codebook.segment_of(token, z.count), z.row(token)).distance
        };
        of(1) + of(5)
    };
    assert!(distance(NearHull::Penalty(5.0)) < distance(NearHull::Free));
}

#[test]
fn the_best_tokens_are_those_with_the_largest_gradient() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let state = encoded(&golden, &runner);
    let job = PaintJob {
        tokens: PaintTokens::Best(3),
        ..job(&runner, &state)
    };
    let painting = Painting::start(&runner, job.clone(), &NoControl).unwrap();
    let mut u = job.target.clone();
    let whole = decode(&runner, &state.z);
    let mask = job.mask.weights();
    for (index, value) in u.data.iter_mut().enumerate() {
        *value = mask[index % mask.len()] * (whole[index] - *value);
    }
    let gradient = runner.pull_back(&state.z, &[u], &NoControl).unwrap().remove(0);
    let norm = |token: usize| -> f32 { gradient.row(token).iter().map(|value| value * value).sum() };
    let mut order: Vec<usize> = (0..state.z.count).collect();
    order.sort_by(|a, b| norm(*b).total_cmp(&norm(*a)));
    let mut expected = order[..3].to_vec();
    expected.sort_unstable();
    assert_eq!(painting.tokens(), expected);
}

#[test]
fn what_cannot_be_painted_is_refused() {
    let (golden, runner) = open("a3_softvq_nol2").unwrap();
    let state = encoded(&golden, &runner);
    let job = job(&runner, &state);
    assert!(matches!(
        runner.paint(job.clone(), &Stop),
        Err(EngineError::Cancelled)
    ));
    let absent = PaintJob {
        tokens: PaintTokens::List(vec![99]),
        ..job.clone()
    };
    assert!(matches!(
        runner.paint(absent, &NoControl),
        Err(EngineError::TokenShape { .. })
    ));
    let small = PaintJob {
        target: Planar::new(2, 2, vec![0.0; 12]).unwrap(),
        ..job
    };
    assert!(matches!(
        runner.paint(small, &NoControl),
        Err(EngineError::PictureSize { .. })
    ));
}
