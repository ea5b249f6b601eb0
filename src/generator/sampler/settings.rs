//! What a sampling run is like: its solver, its path, its steps and its guidance.

use crate::generator::{Generator, GeneratorArgs, GeneratorClass, GeneratorError, Path, TRAINED_STEPS};

/// Classifier-free guidance: prediction = uncond + scale (cond - uncond) where `low` <= t <= `high`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Guidance {
    /// 1 or less: no guidance.
    pub scale: f64,
    /// Interval of t in 0..1; sampling runs from 1 to 0. A DiT's t is its trained step over 999.
    pub low: f64,
    /// Upper end of that interval.
    pub high: f64,
}

impl Default for Guidance {
    fn default() -> Self {
        Self {
            scale: 1.0,
            low: 0.0,
            high: 1.0,
        }
    }
}

impl Guidance {
    pub(super) fn acts_at(&self, t: f64) -> bool {
        self.scale > 1.0 && self.low <= t && t <= self.high
    }
}

/// How the path from noise to tokens is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// SiT: probability-flow ODE, Euler steps.
    #[serde(rename = "ode")]
    Euler,
    /// SiT: probability-flow ODE, Heun's second-order steps (the last one is Euler's).
    Heun,
    /// SiT: reverse SDE with diffusion 2t, Euler-Maruyama.
    Sde,
    /// DiT: ancestral sampling with learned variance.
    Ddpm,
}

impl Solver {
    /// The generators it works with.
    pub fn class(self) -> GeneratorClass {
        match self {
            Self::Euler | Self::Heun | Self::Sde => GeneratorClass::Sit,
            Self::Ddpm => GeneratorClass::Dit,
        }
    }
}

/// What a sampling run is like.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// How steps are made.
    pub solver: Solver,
    /// Interpolant of a SiT (matters to [`Solver::Sde`] and to what is estimated), noise schedule of a DiT.
    pub path: Path,
    /// Steps from pure noise, 1 or more; a DiT has 1000 at most. A run from t < 1 takes its share of them.
    pub steps: usize,
    /// Classifier-free guidance.
    pub guidance: Guidance,
}

impl Settings {
    /// What the reference samples this class with: 250 steps, no guidance; a SiT stochastically on the linear path, a
    /// DiT on the cosine schedule it was trained on.
    pub fn of(class: GeneratorClass) -> Self {
        let (solver, path) = match class {
            GeneratorClass::Sit => (Solver::Sde, Path::Linear),
            GeneratorClass::Dit => (Solver::Ddpm, Path::Cosine),
        };
        Self {
            solver,
            path,
            steps: 250,
            guidance: Guidance::default(),
        }
    }

    /// The same on the path that the generator says it was trained on.
    pub fn of_generator(class: GeneratorClass, args: &GeneratorArgs) -> Self {
        let usual = Self::of(class);
        Self {
            path: args.path().unwrap_or(usual.path),
            ..usual
        }
    }

    /// Refuses what `generator` cannot follow.
    pub(super) fn check(&self, generator: &Generator) -> Result<(), GeneratorError> {
        let refuse = |text: String| Err(GeneratorError::sampling(text));
        let class = generator.class();
        if self.solver.class() != class {
            return refuse(match class {
                GeneratorClass::Sit => "a SiT is sampled with ode, heun or sde, not with ddpm".to_owned(),
                GeneratorClass::Dit => "a DiT is sampled with ddpm, not with ode, heun or sde".to_owned(),
            });
        }
        if self.steps == 0 {
            return refuse("sampling needs at least 1 step".to_owned());
        }
        if class == GeneratorClass::Dit && self.steps > TRAINED_STEPS {
            return refuse(format!(
                "a DiT has {TRAINED_STEPS} steps; {} are too many",
                self.steps
            ));
        }
        let Guidance { scale, low, high } = self.guidance;
        if !scale.is_finite() || !(0.0..=1.0).contains(&low) || !(0.0..=1.0).contains(&high) {
            return refuse(format!(
                "guidance of scale {scale} from {low} to {high}: the interval lies in 0 to 1"
            ));
        }
        if scale > 1.0 && generator.args().null_label().is_none() {
            return refuse(
                "this generator was trained without a label for \"no class\" and cannot be guided: take the scale 1"
                    .to_owned(),
            );
        }
        Ok(())
    }
}
