//! Generators and samplers against the reference's numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)] // a test stops at the first surprise

mod support;

use candle_core::{DType, Device, Tensor, Var};
use serde_json::{Value, json};
use softscope::generator::{
    Diffusion, FlowPoint, Generator, GeneratorArgs, GeneratorClass, GeneratorError, Guidance, Noise,
    Original, Path, Sampler, Settings, Solver, Start, TimeDraw, TrainableGenerator, diffusion_losses,
    flow_losses, noised_latents,
};
use softscope::tokenizer::{ModelFiles, Products};
use std::collections::HashMap;
use support::sampled::{Sampled, close, folder, load, relative_error, sampled};
use support::{relative_rms, rounding_of_bf16, values};

fn golden(set: &str) -> Option<Sampled> {
    sampled(set, &Device::Cpu)
}

#[test]
fn network_output_matches_the_reference() {
    for set in ["c1_sit_1d", "c2_sit_1d_qknorm", "c3_sit_2d", "c4_dit_1d"] {
        if let Some(golden) = golden(set) {
            golden.check_network(set);
        }
    }
}

#[test]
fn samplers_end_where_the_reference_ends() {
    for set in ["c1_sit_1d", "c2_sit_1d_qknorm"] {
        if let Some(golden) = golden(set) {
            golden.check_flow(set);
        }
    }
}

#[test]
fn diffusion_tables_match_the_reference() {
    let Some(golden) = golden("c4_dit_1d") else { return };
    for (name, path) in [("linear", Path::Linear), ("cosine", Path::Cosine)] {
        for steps in [6, 250] {
            let process = Diffusion::new(path, steps);
            let map: Vec<f64> = process.timestep_map.iter().map(|step| *step as f64).collect();
            for (table, found) in [
                ("timestep_map", &map),
                ("betas", &process.betas),
                ("alphas_cumprod", &process.alphas_cumprod),
                (
                    "posterior_log_variance_clipped",
                    &process.posterior_log_variance_clipped,
                ),
                ("posterior_mean_coef1", &process.posterior_mean_coef1),
                ("posterior_mean_coef2", &process.posterior_mean_coef2),
            ] {
                let key = format!("sched.{name}{steps}.{table}");
                if let Some(expected) = golden.io.get(&key) {
                    close(found, expected, 1e-12, &key);
                }
            }
        }
    }
}

#[test]
fn ancestral_sampling_follows_the_reference_step_by_step() {
    if let Some(golden) = golden("c4_dit_1d") {
        golden.check_ancestral();
    }
}

/// A doubled batch's output with guided noise, as [B, L, 2 D] rows of (noise, range) of the conditional half.
fn guided_output(golden: &Sampled, x: &Tensor, t: usize, y: &str, scale: f64) -> Vec<f64> {
    let half = x.narrow(0, 0, 2).unwrap();
    let x = Tensor::cat(&[&half, &half], 0).unwrap();
    let times = Tensor::full(t as f32, 4, &Device::Cpu).unwrap();
    let out = values(&golden.generator.forward(&x, &times, &golden.labels(y)).unwrap());
    let (cond, uncond) = out.split_at(out.len() / 2);
    let width = 2 * x.dim(2).unwrap();
    (cond.iter().zip(uncond).enumerate())
        .map(|(index, (cond, uncond))| {
            if index % width < width / 2 {
                uncond + scale * (cond - uncond)
            } else {
                *cond
            }
        })
        .collect()
}

#[test]
fn guided_noise_and_posteriors_match_the_reference() {
    let Some(golden) = golden("c4_dit_1d") else { return };
    let scale = golden.meta["cfg_scale"].as_f64().unwrap();
    let t = values(&golden.io["cfg.t"])[0] as usize;
    let expected = golden.io["cfg.out"].narrow(0, 0, 2).unwrap();
    close(
        &guided_output(&golden, &golden.io["x"], t, "y", scale),
        &expected,
        5e-5,
        "cfg.out",
    );

    let z0 = &golden.io["sample.z0"];
    let state = values(&z0.narrow(0, 0, 2).unwrap());
    let width = z0.dim(2).unwrap();
    for (name, path) in [("linear", Path::Linear), ("cosine", Path::Cosine)] {
        let process = Diffusion::new(path, 6);
        for (place, index) in [("first_step", 5), ("step_index0", 0), ("step_index2", 2)] {
            let step = process.step(index).unwrap();
            let out = guided_output(&golden, z0, step.timestep, "sample.y", scale);
            let found: Vec<_> = (state.iter().enumerate())
                .map(|(index, state)| {
                    let row = (index / width) * 2 * width + index % width;
                    step.posterior(*state, out[row], out[row + width])
                })
                .collect();
            let column =
                |of: fn(&softscope::generator::Posterior) -> f64| found.iter().map(of).collect::<Vec<_>>();
            for (figure, found) in [
                ("mean", column(|posterior| posterior.mean)),
                ("log_variance", column(|posterior| posterior.log_variance)),
                ("pred_xstart", column(|posterior| posterior.data)),
            ] {
                let key = format!("sample.{name}.{place}.{figure}");
                close(&found, &golden.io[&key], 1e-4, &key);
            }
        }
    }
}

#[test]
fn score_follows_from_velocity() {
    let Some(golden) = golden("c1_sit_1d") else { return };
    for (name, path) in [("linear", Path::Linear), ("cosine", Path::Cosine)] {
        let (x, v) = (values(&golden.io["x"]), values(&golden.io["out"]));
        let t = values(&golden.io["t"]);
        let per_sample = x.len() / t.len();
        let score: Vec<f64> = (0..x.len())
            .map(|i| {
                let (a, b) = path.score_factors(t[i / per_sample]);
                a * v[i] + b * x[i]
            })
            .collect();
        let expected = &golden.io[&format!("score_from_velocity.{name}")];
        let found = Tensor::from_vec(score, expected.dims(), &Device::Cpu).unwrap();
        let error = relative_error(&found, expected);
        assert!(error < 1e-6, "{name}: {error:e}");
    }
}

/// A small SiT of random weights: 5 classes, 4 tokens of 2 values.
fn small(changes: &Value) -> (GeneratorArgs, HashMap<String, Tensor>) {
    let mut config = json!({
        "input_size": 4, "in_channels": 2, "hidden_size": 8, "depth": 2, "num_heads": 2, "mlp_ratio": 2.0,
        "num_classes": 5,
    });
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    let args: GeneratorArgs = serde_json::from_value(config).unwrap();
    let outputs = if args.learn_sigma.is_some() { 4 } else { 2 };
    let rows = 5 + usize::from(args.class_dropout_prob > 0.0);
    let mut shapes = vec![
        ("pos_embed".to_owned(), vec![1, 4, 8]),
        ("y_embedder.embedding_table.weight".to_owned(), vec![rows, 8]),
    ];
    let mut linear = |name: &str, outputs: usize, inputs: usize| {
        shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("{name}.bias"), vec![outputs]));
    };
    linear("x_embedder", 8, 2);
    linear("t_embedder.mlp.0", 8, 256);
    linear("t_embedder.mlp.2", 8, 8);
    for block in 0..2 {
        linear(&format!("blocks.{block}.attn.qkv"), 24, 8);
        linear(&format!("blocks.{block}.attn.proj"), 8, 8);
        linear(&format!("blocks.{block}.mlp.fc1"), 16, 8);
        linear(&format!("blocks.{block}.mlp.fc2"), 8, 16);
        linear(&format!("blocks.{block}.adaLN_modulation.1"), 48, 8);
    }
    linear("final_layer.linear", outputs, 8);
    linear("final_layer.adaLN_modulation.1", 16, 8);
    let tensors = shapes
        .into_iter()
        .enumerate()
        .map(|(index, (key, shape))| {
            let count: usize = shape.iter().product();
            let values: Vec<f32> = (0..count)
                .map(|i| ((i * 37 + index * 11) % 17) as f32 / 20.0 - 0.4)
                .collect();
            (key, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
        })
        .collect();
    (args, tensors)
}

fn small_generator(changes: &Value) -> Generator {
    let (args, tensors) = small(changes);
    Generator::from_tensors(args, &tensors, &Device::Cpu).unwrap()
}

fn settings(solver: Solver, steps: usize, scale: f64) -> Settings {
    Settings {
        solver,
        path: Path::Linear,
        steps,
        guidance: Guidance {
            scale,
            ..Guidance::default()
        },
    }
}

fn from_seed(label: u32, seed: u64, original: Option<Original>) -> Start {
    Start {
        labels: vec![label],
        noise: Noise::Seeds(vec![seed]),
        original,
    }
}

fn finish(generator: &Generator, settings: Settings, start: Start) -> Vec<f64> {
    let mut sampler = Sampler::new(generator, settings, start).unwrap();
    while !sampler.is_finished() {
        sampler.step(generator, &mut || true).unwrap();
    }
    sampler.state().to_vec()
}

const EVERY_SOLVER: [Solver; 4] = [Solver::Euler, Solver::Heun, Solver::Sde, Solver::Ddpm];

fn generator_for(solver: Solver) -> Generator {
    match solver.class() {
        GeneratorClass::Sit => small_generator(&json!({})),
        GeneratorClass::Dit => small_generator(&json!({"learn_sigma": true})),
    }
}

#[test]
fn an_interrupted_step_goes_on_where_it_stopped() {
    for solver in EVERY_SOLVER {
        let generator = generator_for(solver);
        let whole = finish(&generator, settings(solver, 3, 2.0), from_seed(1, 5, None));
        let mut sampler = Sampler::new(&generator, settings(solver, 3, 2.0), from_seed(1, 5, None)).unwrap();
        let (mut interruptions, mut asked) = (0, 0);
        while !sampler.is_finished() {
            // Every other question is answered with no: each block needs two attempts.
            match sampler.step(&generator, &mut || {
                asked += 1;
                asked % 2 == 0
            }) {
                Ok(()) => {}
                Err(GeneratorError::Cancelled) => interruptions += 1,
                Err(error) => panic!("{error}"),
            }
            assert!(interruptions < 100);
        }
        let evaluations = if solver == Solver::Heun { 5 } else { 3 };
        assert_eq!(
            interruptions,
            2 * evaluations,
            "{solver:?}: no block is computed twice"
        );
        assert_eq!(sampler.state(), whole, "{solver:?}");
    }
}

#[test]
fn held_tokens_come_out_exactly_and_the_others_change() {
    for solver in EVERY_SOLVER {
        let generator = generator_for(solver);
        let data: Vec<f64> = (0..8).map(|value| f64::from(value) / 10.0 - 0.33).collect();
        let original = Original {
            data: data.clone(),
            t: 1.0,
            held: vec![0, 3],
        };
        let end = finish(
            &generator,
            settings(solver, 4, 1.5),
            from_seed(0, 9, Some(original)),
        );
        assert_eq!(end[..2], data[..2], "{solver:?}");
        assert_eq!(end[6..], data[6..], "{solver:?}");
        assert_ne!(end[2..6], data[2..6], "{solver:?}");
        let free = finish(&generator, settings(solver, 4, 1.5), from_seed(0, 9, None));
        assert_ne!(end[2..6], free[2..6], "{solver:?}: held tokens shape the others");
    }
}

#[test]
fn varying_changes_more_the_more_noise_it_starts_from() {
    for solver in EVERY_SOLVER {
        let generator = generator_for(solver);
        let data = vec![0.5; 8];
        let distance = |t: f64| -> f64 {
            let original = Original {
                data: data.clone(),
                t,
                held: Vec::new(),
            };
            let end = finish(
                &generator,
                settings(solver, 50, 1.0),
                from_seed(2, 3, Some(original)),
            );
            end.iter()
                .zip(&data)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        assert!(distance(0.02) < distance(0.9), "{solver:?}");
    }
}

#[test]
fn varying_from_pure_noise_is_generating() {
    let generator = small_generator(&json!({}));
    let original = Original {
        data: vec![0.5; 8],
        t: 1.0,
        held: Vec::new(),
    };
    for solver in [Solver::Euler, Solver::Heun, Solver::Sde] {
        assert_eq!(
            finish(
                &generator,
                settings(solver, 4, 1.0),
                from_seed(2, 3, Some(original.clone()))
            ),
            finish(&generator, settings(solver, 4, 1.0), from_seed(2, 3, None)),
        );
    }
}

#[test]
fn a_share_of_the_noise_takes_its_share_of_the_steps() {
    let generator = small_generator(&json!({}));
    for (t, total) in [(1.0, 10), (0.5, 5), (0.41, 5), (0.01, 1)] {
        let original = Original {
            data: vec![0.0; 8],
            t,
            held: Vec::new(),
        };
        let sampler = Sampler::new(
            &generator,
            settings(Solver::Euler, 10, 1.0),
            from_seed(0, 0, Some(original)),
        )
        .unwrap();
        assert_eq!(sampler.total(), total, "{t}");
    }
}

#[test]
fn a_batch_gives_what_each_picture_gives_alone() {
    for solver in EVERY_SOLVER {
        let generator = generator_for(solver);
        let both = Start {
            labels: vec![1, 4],
            noise: Noise::Seeds(vec![10, 20]),
            original: None,
        };
        let both = finish(&generator, settings(solver, 4, 2.0), both);
        let alone = finish(&generator, settings(solver, 4, 2.0), from_seed(4, 20, None));
        let expected = Tensor::from_vec(alone, 8, &Device::Cpu).unwrap();
        close(&both[8..], &expected, 1e-4, &format!("{solver:?}"));
    }
}

#[test]
fn runs_that_cannot_be_are_refused_with_reasons() {
    let sit = small_generator(&json!({}));
    let unguided = small_generator(&json!({"class_dropout_prob": 0.0}));
    let dit = small_generator(&json!({"learn_sigma": true}));
    let original = |count: usize, t: f64, held: Vec<usize>| {
        Some(Original {
            data: vec![0.0; count],
            t,
            held,
        })
    };
    let ode = settings(Solver::Euler, 3, 1.0);
    for (generator, settings, start, word) in [
        (
            &sit,
            settings(Solver::Ddpm, 3, 1.0),
            from_seed(0, 0, None),
            "ddpm",
        ),
        (&dit, ode, from_seed(0, 0, None), "DiT"),
        (
            &sit,
            settings(Solver::Euler, 0, 1.0),
            from_seed(0, 0, None),
            "1 step",
        ),
        (
            &dit,
            settings(Solver::Ddpm, 1001, 1.0),
            from_seed(0, 0, None),
            "1000",
        ),
        (
            &unguided,
            settings(Solver::Euler, 3, 2.0),
            from_seed(0, 0, None),
            "guided",
        ),
        (&sit, ode, from_seed(6, 0, None), "class 6"),
        (&sit, ode, from_seed(0, 0, original(7, 0.5, vec![])), "7 values"),
        (
            &sit,
            ode,
            from_seed(0, 0, original(8, 0.0, vec![])),
            "noise level",
        ),
        (&sit, ode, from_seed(0, 0, original(8, 0.5, vec![4])), "token 4"),
    ] {
        let Err(error) = Sampler::new(generator, settings, start) else {
            panic!("{word}: was accepted");
        };
        assert!(error.to_string().contains(word), "{error}");
    }
    // The null label is the last row, whatever the size of the table.
    assert!(Sampler::new(&sit, ode, from_seed(5, 0, None)).is_ok());
    assert_eq!(unguided.args().null_label(), None);
}

#[test]
fn every_key_in_the_way_is_named() {
    let (args, mut tensors) = small(&json!({}));
    let whole = Generator::from_tensors(args.clone(), &tensors, &Device::Cpu).unwrap();
    assert_eq!(whole.class(), GeneratorClass::Sit);
    let parameters: usize = tensors.values().map(Tensor::elem_count).sum();
    assert_eq!(whole.parameter_count(), parameters);

    tensors.remove("blocks.1.mlp.fc2.bias");
    tensors.remove("pos_embed");
    tensors.insert(
        "x_embedder.weight".to_owned(),
        Tensor::zeros((8, 3), DType::F32, &Device::Cpu).unwrap(),
    );
    tensors.insert(
        "blocks.0.attn.q_norm.weight".to_owned(),
        Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap(),
    );
    tensors.insert(
        "projectors.0.bias".to_owned(),
        Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap(),
    );
    let message = Generator::from_tensors(args, &tensors, &Device::Cpu)
        .unwrap_err()
        .to_string();
    for key in [
        "blocks.1.mlp.fc2.bias",
        "pos_embed",
        "x_embedder.weight",
        "blocks.0.attn.q_norm.weight",
    ] {
        assert!(message.contains(key), "{message}");
    }
    assert!(!message.contains("projectors"), "{message}");
}

#[test]
fn the_class_is_told_from_configuration_or_weights() {
    let (mut args, tensors) = small(&json!({"learn_sigma": true}));
    let dit = Generator::from_tensors(args.clone(), &tensors, &Device::Cpu).unwrap();
    assert_eq!(dit.class(), GeneratorClass::Dit);
    args.learn_sigma = None;
    let dit = Generator::from_tensors(args, &tensors, &Device::Cpu).unwrap();
    assert_eq!(dit.class(), GeneratorClass::Dit);
}

#[test]
fn files_that_are_no_generator_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let files = ModelFiles {
        name: "g".to_owned(),
        config: folder.path().join("config.json"),
        weights: folder.path().join("model.safetensors"),
    };
    let (_, tensors) = small(&json!({}));
    candle_core::safetensors::save(&tensors, &files.weights).unwrap();
    for (config, word) in [
        ("{", "config.json"),
        (r#"{"image_size": 256}"#, "no configuration of a SiT or DiT"),
        (
            r#"{"input_size": 4, "in_channels": 2, "hidden_size": 9, "depth": 2, "num_heads": 2, "mlp_ratio": 2,
                "num_classes": 5}"#,
            "num_heads",
        ),
        (
            r#"{"input_size": 4, "in_channels": 2, "hidden_size": 8, "depth": 3, "num_heads": 2, "mlp_ratio": 2,
                "num_classes": 5}"#,
            "blocks.2.attn.qkv.weight",
        ),
        (
            r#"{"input_size": 4, "in_channels": 2, "hidden_size": 8, "depth": 2, "num_heads": 2, "mlp_ratio": 2,
                "num_classes": 5, "class_names": ["cat"]}"#,
            "class_names",
        ),
        (
            r#"{"input_size": 4, "in_channels": 2, "hidden_size": 8, "depth": 2, "num_heads": 2, "mlp_ratio": 2,
                "num_classes": 5, "guidance_scale": 0.0}"#,
            "guidance_scale",
        ),
    ] {
        std::fs::write(&files.config, config).unwrap();
        let message = load(&files, &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
    let good = r#"{"input_size": 4, "in_channels": 2, "hidden_size": 8, "depth": 2, "num_heads": 2, "mlp_ratio": 2,
        "num_classes": 5}"#;
    std::fs::write(&files.config, good).unwrap();
    assert_eq!(load(&files, &Device::Cpu).unwrap().hash().len(), 16);
    let cancelled = Generator::load(&files, &Device::Cpu, DType::F32, &mut |_, _| false);
    assert!(matches!(cancelled, Err(GeneratorError::Cancelled)));
}

/// The weights of a set as variables by key.
fn variables(set: &str) -> Option<(GeneratorArgs, HashMap<String, Var>)> {
    let folder = folder(set)?;
    let args = GeneratorArgs::read(&folder.join("config.json")).unwrap();
    let weights = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
    let variables = weights
        .into_iter()
        .map(|(key, tensor)| (key, Var::from_tensor(&tensor).unwrap()))
        .collect();
    Some((args, variables))
}

fn trainable(
    args: &GeneratorArgs,
    class: GeneratorClass,
    variables: &HashMap<String, Var>,
) -> TrainableGenerator {
    let tensors = variables
        .iter()
        .map(|(key, var)| (key.clone(), var.as_tensor().clone()))
        .collect();
    TrainableGenerator::new(args.clone(), class, tensors).unwrap()
}

#[test]
fn a_trainable_generator_predicts_as_any_other() {
    for set in ["c1_sit_1d", "c2_sit_1d_qknorm", "c4_dit_1d"] {
        let Some(golden) = golden(set) else { continue };
        let (args, variables) = variables(set).unwrap();
        let generator = trainable(&args, golden.generator.class(), &variables);
        let t = golden.io["t"].to_dtype(DType::F32).unwrap();
        let out = generator
            .forward(&golden.io["x"], &t, &golden.labels("y"))
            .unwrap();
        let error = relative_error(&out, &golden.io["out"]);
        eprintln!("{set}: {error:.1e}");
        assert!(error < 1e-5, "{set} is off by {error:e}");
    }
}

#[test]
fn losses_of_a_sit_match_the_reference() {
    let Some(golden) = golden("c1_sit_1d") else { return };
    let (latents, noise) = (&golden.io["train.latents"], &golden.io["train.noise"]);
    for (draw, draw_name) in [(TimeDraw::Uniform, "uniform"), (TimeDraw::Lognormal, "lognormal")] {
        for (path, path_name) in [(Path::Linear, "linear"), (Path::Cosine, "cosine")] {
            let raw = values(&golden.io[&format!("train.{draw_name}.raw")]);
            let times: Vec<f64> = raw.iter().map(|raw| draw.time(*raw, path)).collect();
            let point = FlowPoint::new(path, latents, noise, &times).unwrap();
            let t: Vec<f32> = times.iter().map(|t| *t as f32).collect();
            let t = Tensor::new(t, &Device::Cpu).unwrap();
            let out = golden
                .generator
                .forward(&point.state, &t, &golden.labels("sample.y"))
                .unwrap();
            let losses = flow_losses(&out, &point.velocity).unwrap();
            let name = format!("train.{draw_name}.{path_name}.loss_per_sample");
            close(&values(&losses), &golden.io[&name], 1e-5, &name);
        }
    }
}

#[test]
fn gradients_of_a_sit_match_the_reference() {
    let Some(golden) = golden("c1_sit_1d") else { return };
    let (args, variables) = variables("c1_sit_1d").unwrap();
    let generator = trainable(&args, GeneratorClass::Sit, &variables);
    let raw = values(&golden.io["train.lognormal.raw"]);
    let times: Vec<f64> = raw
        .iter()
        .map(|raw| TimeDraw::Lognormal.time(*raw, Path::Linear))
        .collect();
    let (latents, noise) = (&golden.io["train.latents"], &golden.io["train.noise"]);
    let point = FlowPoint::new(Path::Linear, latents, noise, &times).unwrap();
    let t: Vec<f32> = times.iter().map(|t| *t as f32).collect();
    let classes = golden.labels("sample.y");
    let out = generator
        .forward(&point.state, &Tensor::new(t, &Device::Cpu).unwrap(), &classes)
        .unwrap();
    let loss = flow_losses(&out, &point.velocity).unwrap().mean(0).unwrap();
    let store = generator.backward(&loss).unwrap();
    let mut compared = 0;
    for (name, expected) in &golden.io {
        let Some(key) = name.strip_prefix("train.grad.") else {
            continue;
        };
        let found = if key == "y_embedder_rows" {
            let table = &variables["y_embedder.embedding_table.weight"];
            let gradient = store.get(table.as_tensor()).unwrap();
            gradient.index_select(&classes, 0).unwrap()
        } else {
            store.get(variables[key].as_tensor()).unwrap().clone()
        };
        close(&values(&found), expected, 1e-4, name);
        compared += 1;
    }
    assert_eq!(compared, 6);
    assert!(
        store.get(variables["pos_embed"].as_tensor()).is_none(),
        "positions are fixed"
    );
}

#[test]
fn gradients_of_rounded_products_are_the_same_within_the_rounding() {
    for set in ["c1_sit_1d", "c2_sit_1d_qknorm"] {
        let Some(golden) = golden(set) else { continue };
        let (args, variables) = variables(set).unwrap();
        let (x, classes) = (&golden.io["x"], golden.labels("y"));
        let t: Vec<f32> = (0..x.dim(0).unwrap())
            .map(|index| 0.2 + 0.2 * index as f32)
            .collect();
        let t = Tensor::new(t, &Device::Cpu).unwrap();
        let gradients = |products: Products| {
            let generator = trainable(&args, GeneratorClass::Sit, &variables).with_products(products);
            let loss = flow_losses(&generator.forward(x, &t, &classes).unwrap(), x).unwrap();
            generator.backward(&loss.mean(0).unwrap()).unwrap()
        };
        let (exact, rounded) = (gradients(Products::F32), gradients(Products::Bf16));
        // Five products of each block on the way there, five on the way back, two and two of the final layer, and the
        // gradient's own.
        let bound = rounding_of_bf16(10 * args.depth + 5);
        let mut furthest = 0.0_f64;
        let size = |gradient: &Tensor| {
            values(gradient)
                .iter()
                .map(|value| value.powi(2))
                .sum::<f64>()
                .sqrt()
        };
        for (key, var) in variables.iter().filter(|(key, _)| *key != "pos_embed") {
            let (exact_one, rounded) = (
                exact.get(var.as_tensor()).unwrap(),
                rounded.get(var.as_tensor()).unwrap(),
            );
            // What is added to all keys alike changes no weight of the softmax: nothing to be relative to.
            if let Some(norm) = key.strip_suffix("k_norm.bias") {
                let weight = &variables[&format!("{norm}k_norm.weight")];
                let beside = size(exact.get(weight.as_tensor()).unwrap());
                assert!(
                    size(rounded) <= 1e-4 * beside,
                    "{set}: the gradient of {key} is not 0 beside {beside:e}"
                );
                continue;
            }
            let error = relative_rms(rounded, exact_one);
            eprintln!("{set} {key}: {error:.4} of {bound:.4}");
            assert!(error <= bound, "{set}: the gradient of {key} is off by {error:e}");
            furthest = furthest.max(error);
        }
        assert!(
            furthest > 1.0 / 1024.0,
            "{set}: nothing was rounded, {furthest:e}"
        );
    }
}

#[test]
fn losses_of_a_dit_match_the_reference() {
    let Some(golden) = golden("c4_dit_1d") else { return };
    let (latents, noise) = (&golden.io["train.latents"], &golden.io["train.noise"]);
    let process = Diffusion::new(Path::Cosine, 1000);
    let steps = [0, 37, 500, 999];
    let state = noised_latents(&process, latents, noise, &steps).unwrap();
    let t = Tensor::new(&steps.map(|step| step as f32), &Device::Cpu).unwrap();
    let out = golden
        .generator
        .forward(&state, &t, &golden.labels("train.y"))
        .unwrap();
    let losses = diffusion_losses(&process, latents, noise, &state, &steps, &out).unwrap();
    close(&values(&losses.mse), &golden.io["train.mse"], 1e-5, "train.mse");
    // The bound spans magnitudes: each picture against its own.
    for (index, (found, expected)) in values(&losses.bound)
        .into_iter()
        .zip(values(&golden.io["train.vb"]))
        .enumerate()
    {
        assert!(
            (found - expected).abs() < 2e-4 * expected.abs(),
            "train.vb of picture {index}: {found} for {expected}"
        );
    }
    let total = (losses.mse + losses.bound).unwrap();
    close(&values(&total), &golden.io["train.loss"], 1e-5, "train.loss");
}

/// The slope of `loss` along a random direction of each variable, by differences, against its gradient.
fn check_slopes(
    variables: &HashMap<String, Var>,
    store: &candle_core::backprop::GradStore,
    loss: impl Fn() -> f64,
) {
    let mut keys: Vec<&String> = variables.keys().filter(|key| *key != "pos_embed").collect();
    keys.sort();
    for (number, key) in keys.into_iter().enumerate() {
        let var = &variables[key];
        let gradient = values(store.get(var.as_tensor()).unwrap());
        let original = var.as_tensor().copy().unwrap();
        let direction: Vec<f32> = (0..gradient.len())
            .map(|index| (((index * 7919 + number * 104_729) % 2003) as f32 / 1001.0 - 1.0) * 2e-3)
            .collect();
        let expected: f64 = gradient
            .iter()
            .zip(&direction)
            .map(|(g, d)| g * f64::from(*d))
            .sum();
        let moved = |sign: f64| {
            let direction = Tensor::from_vec(direction.clone(), original.dims(), &Device::Cpu).unwrap();
            var.set(&(&original + (direction * sign).unwrap()).unwrap())
                .unwrap();
            loss()
        };
        let found = (moved(1.0) - moved(-1.0)) / 2.0;
        var.set(&original).unwrap();
        let size = gradient.iter().map(|g| g.powi(2)).sum::<f64>().sqrt() * 2e-3;
        assert!(
            (found - expected).abs() < 0.02 * expected.abs() + 0.002 * size + 4e-7,
            "{key}: slope {found:e} by differences, {expected:e} by its gradient"
        );
    }
}

#[test]
fn gradients_are_slopes_with_and_without_query_key_norms_and_of_a_dit() {
    for set in ["c2_sit_1d_qknorm", "c4_dit_1d"] {
        let Some(golden) = golden(set) else { continue };
        let (args, variables) = variables(set).unwrap();
        let class = golden.generator.class();
        let generator = trainable(&args, class, &variables);
        let (x, classes) = (&golden.io["x"], golden.labels("y"));
        let count = x.dim(0).unwrap();
        let noise = x.roll(1, 0).unwrap();
        let loss = || match class {
            GeneratorClass::Sit => {
                let times: Vec<f64> = (0..count).map(|index| 0.2 + 0.2 * index as f64).collect();
                let point = FlowPoint::new(Path::Cosine, x, &noise, &times).unwrap();
                let t: Vec<f32> = times.iter().map(|t| *t as f32).collect();
                let t = Tensor::new(t, &Device::Cpu).unwrap();
                let out = generator.forward(&point.state, &t, &classes).unwrap();
                flow_losses(&out, &point.velocity).unwrap().mean(0).unwrap()
            }
            GeneratorClass::Dit => {
                let process = Diffusion::new(Path::Cosine, 1000);
                let steps: Vec<usize> = (0..count).map(|index| 150 + 200 * index).collect();
                let state = noised_latents(&process, x, &noise, &steps).unwrap();
                let t: Vec<f32> = steps.iter().map(|step| *step as f32).collect();
                let t = Tensor::new(t, &Device::Cpu).unwrap();
                let out = generator.forward(&state, &t, &classes).unwrap();
                diffusion_losses(&process, x, &noise, &state, &steps, &out)
                    .unwrap()
                    .mse
                    .mean(0)
                    .unwrap()
            }
        };
        let store = generator.backward(&loss()).unwrap();
        check_slopes(&variables, &store, || values(&loss())[0]);
    }
}

#[test]
fn the_bound_teaches_the_variance_alone() {
    let process = Diffusion::new(Path::Cosine, 1000);
    let steps = [0, 300];
    let wave = |count: usize, size: f32| -> Vec<f32> {
        (0..count)
            .map(|index| size * ((index * 7919 % 2003) as f32 / 1001.0 - 1.0))
            .collect()
    };
    let tensor = |values: Vec<f32>, width| Tensor::from_vec(values, (2, 3, width), &Device::Cpu).unwrap();
    let (latents, noise) = (tensor(wave(24, 0.8), 4), tensor(wave(24, 1.5), 4));
    let state = noised_latents(&process, &latents, &noise, &steps).unwrap();
    let bound = |prediction: &Tensor| {
        diffusion_losses(&process, &latents, &noise, &state, &steps, prediction)
            .unwrap()
            .bound
            .sum_all()
            .unwrap()
    };
    let given = wave(48, 1.0);
    let prediction = Var::from_tensor(&tensor(given.clone(), 8)).unwrap();
    let store = bound(prediction.as_tensor()).backward().unwrap();
    let gradient = values(store.get(prediction.as_tensor()).unwrap());
    for (index, gradient) in gradient.iter().enumerate() {
        if index % 8 < 4 {
            assert_eq!(*gradient, 0.0, "of the noise at {index}");
            continue;
        }
        let moved = |change: f32| {
            let mut values_ = given.clone();
            values_[index] += change;
            values(&bound(&tensor(values_, 8)))[0]
        };
        let slope = (moved(0.02) - moved(-0.02)) / 0.04;
        assert!(
            (slope - gradient).abs() < 0.02 * slope.abs() + 2e-4,
            "of the variance at {index}: {slope} by differences, {gradient}"
        );
    }
}

#[test]
fn a_trainable_generator_takes_every_key_and_only_tokens() {
    let Some((args, variables)) = variables("c1_sit_1d") else {
        return;
    };
    let mut tensors: HashMap<String, Tensor> = variables
        .iter()
        .map(|(key, var)| (key.clone(), var.as_tensor().clone()))
        .collect();
    tensors.remove("blocks.1.mlp.fc2.bias");
    let error = TrainableGenerator::new(args.clone(), GeneratorClass::Sit, tensors.clone()).unwrap_err();
    assert!(error.to_string().contains("blocks.1.mlp.fc2.bias"), "{error}");
    let squares = GeneratorArgs {
        vae_1d: false,
        ..args
    };
    let error = TrainableGenerator::new(squares, GeneratorClass::Sit, tensors).unwrap_err();
    assert!(error.to_string().contains("squares"), "{error}");
}

#[test]
fn the_path_of_a_generators_training_is_read_where_it_is_one() {
    let args = |path: Value| -> GeneratorArgs {
        serde_json::from_value(json!({
            "input_size": 4, "in_channels": 2, "hidden_size": 8, "depth": 1, "num_heads": 2, "mlp_ratio": 4.0,
            "num_classes": 2, "path_type": path,
        }))
        .unwrap()
    };
    let path = |path: Value| Settings::of_generator(GeneratorClass::Sit, &args(path)).path;
    assert_eq!(path(json!("cosine")), Path::Cosine);
    assert_eq!(args(json!("linear")).path(), Some(Path::Linear));
    for nothing in [json!("edm"), json!(null), json!(3)] {
        assert_eq!(args(nothing.clone()).path(), None);
        assert_eq!(path(nothing), Path::Linear);
    }
    let dit = Settings::of_generator(GeneratorClass::Dit, &args(json!("edm")));
    assert_eq!(dit, Settings::of(GeneratorClass::Dit));
}
