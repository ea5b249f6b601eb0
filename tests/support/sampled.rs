//! Generators on a device against the reference's numbers: the network, and the samplers to their end.

use super::{shared, values};
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use softscope::generator::{
    Generator, GeneratorError, Guidance, Noise, Path, Sampler, Settings, Solver, Start,
};
use softscope::tokenizer::ModelFiles;
use std::collections::HashMap;
use std::path::PathBuf;

/// A generator of the collection with what it was given and what it gave.
pub(crate) struct Sampled {
    pub(crate) generator: Generator,
    pub(crate) io: HashMap<String, Tensor>,
    pub(crate) meta: Value,
}

/// The folder of a set, from the collection or from the copies.
pub(crate) fn folder(set: &str) -> Option<PathBuf> {
    let copy = super::fixtures::folder(set);
    if copy.is_dir() {
        return Some(copy);
    }
    shared(&format!("goldens/gen/{set}"))
}

pub(crate) fn load(files: &ModelFiles, device: &Device) -> Result<Generator, GeneratorError> {
    Generator::load(files, device, DType::F32, &mut |_, _| true)
}

pub(crate) fn sampled(set: &str, device: &Device) -> Option<Sampled> {
    sampled_in(set, device, DType::F32)
}

pub(crate) fn sampled_in(set: &str, device: &Device, dtype: DType) -> Option<Sampled> {
    let folder = folder(set)?;
    let files = ModelFiles::locate(&folder).unwrap();
    Some(Sampled {
        generator: Generator::load(&files, device, dtype, &mut |_, _| true).unwrap(),
        io: candle_core::safetensors::load(folder.join("io.safetensors"), &Device::Cpu).unwrap(),
        meta: serde_json::from_slice(&std::fs::read(folder.join("meta.json")).unwrap()).unwrap(),
    })
}

/// Largest difference over the largest expected value; infinite where a value is no number.
pub(crate) fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    let largest = values(expected).iter().fold(0f64, |m, v| m.max(v.abs()));
    super::max_difference(found, expected) / largest
}

pub(crate) fn close(found: &[f64], expected: &Tensor, limit: f64, what: &str) {
    let found = Tensor::from_vec(found.to_vec(), expected.dims(), &Device::Cpu).unwrap();
    let error = relative_error(&found, expected);
    eprintln!("{what}: {error:.1e}");
    assert!(error < limit, "{what} is off by {error:e}");
}

impl Sampled {
    pub(crate) fn labels(&self, key: &str) -> Tensor {
        self.io[key].to_dtype(DType::U32).unwrap()
    }

    /// The stored start and draws of the first `batch` pictures.
    fn given(&self, noise: &str, batch: usize) -> Noise {
        let first = |tensor: &Tensor| -> Vec<f32> {
            let part = tensor.narrow(0, 0, batch).unwrap();
            part.flatten_all().unwrap().to_vec1().unwrap()
        };
        let draws = &self.io[noise];
        Noise::Given {
            start: first(&self.io["sample.z0"]),
            draws: (0..draws.dim(0).unwrap())
                .map(|index| first(&draws.get(index).unwrap()))
                .collect(),
        }
    }

    /// Where a run of the first two pictures with the stored `noise` starts.
    fn start(&self, noise: &str) -> Start {
        let labels = self.labels("sample.y").narrow(0, 0, 2).unwrap();
        Start {
            labels: labels.to_vec1().unwrap(),
            noise: self.given(noise, 2),
            original: None,
        }
    }

    fn run(&self, settings: Settings, start: Start) -> Vec<f64> {
        let mut sampler = Sampler::new(&self.generator, settings, start).unwrap();
        while !sampler.is_finished() {
            sampler.step(&self.generator, &mut || true).unwrap();
        }
        assert_eq!(sampler.state(), sampler.estimate());
        sampler.state().to_vec()
    }

    fn output(&self) -> Tensor {
        let t = self.io["t"].to_dtype(DType::F32).unwrap();
        let labels = self.labels("y");
        self.generator.forward(&self.io["x"], &t, &labels).unwrap()
    }

    pub(crate) fn check_network(&self, set: &str) {
        close(&values(&self.output()), &self.io["out"], 2e-5, set);
    }

    /// Relative RMS of what the network gives.
    pub(crate) fn network_error(&self) -> f64 {
        super::relative_rms(&self.output(), &self.io["out"])
    }

    /// Every sampler of a SiT, with and without guidance.
    pub(crate) fn check_flow(&self, set: &str) {
        let number = |key: &str| self.meta["sampler"][key].as_f64().unwrap();
        let guided = Guidance {
            scale: number("cfg_scale"),
            low: number("guidance_low"),
            high: number("guidance_high"),
        };
        let plain = Guidance { scale: 1.0, ..guided };
        let interval = Guidance {
            low: 0.2,
            high: 0.8,
            ..guided
        };
        for (name, guidance, solver, path) in [
            ("ode_nocfg", plain, Solver::Euler, Path::Linear),
            ("ode_cfg", guided, Solver::Euler, Path::Linear),
            ("ode_heun_cfg", interval, Solver::Heun, Path::Linear),
            ("sde_linear_nocfg", plain, Solver::Sde, Path::Linear),
            ("sde_linear_cfg", guided, Solver::Sde, Path::Linear),
            ("sde_cosine_cfg", guided, Solver::Sde, Path::Cosine),
        ] {
            let settings = Settings {
                solver,
                path,
                steps: number("num_steps") as usize,
                guidance,
            };
            let end = self.run(settings, self.start("sample.sde_noise"));
            let expected = &self.io[&format!("sample.{name}.final_f64")];
            close(&end, expected, 1e-4, &format!("{set} {name}"));
        }
    }

    /// Guided ancestral sampling of a DiT, step by step.
    pub(crate) fn check_ancestral(&self) {
        for (name, path) in [("linear", Path::Linear), ("cosine", Path::Cosine)] {
            let settings = Settings {
                solver: Solver::Ddpm,
                path,
                steps: self.meta["num_steps"].as_u64().unwrap() as usize,
                guidance: Guidance {
                    scale: self.meta["cfg_scale"].as_f64().unwrap(),
                    ..Guidance::default()
                },
            };
            let mut sampler = Sampler::new(&self.generator, settings, self.start("sample.noise")).unwrap();
            let trajectory = &self.io[&format!("sample.{name}.traj")];
            for step in 0..settings.steps {
                sampler.step(&self.generator, &mut || true).unwrap();
                let expected = trajectory.get(step).unwrap();
                close(sampler.state(), &expected, 1e-4, &format!("{name} step {step}"));
                if step == 0 {
                    let data = &self.io[&format!("sample.{name}.first_step.pred_xstart")];
                    close(sampler.estimate(), data, 1e-4, "the data seen behind the noise");
                }
            }
            assert!(sampler.is_finished());
        }
    }
}
