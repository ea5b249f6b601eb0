use super::device::keep_launch_parameters;
use super::runner::milliseconds;
use super::{Control, EngineError, ModelInfo, RunOptions, device, threads};
use crate::generator::{Generator, GeneratorArgs, GeneratorClass, Sampler, Settings, Start};
use crate::latent::Tokens;
use crate::tokenizer::ModelFiles;
use candle_core::{Device, Tensor};
use rayon::ThreadPool;
use std::sync::Arc;
use std::time::Instant;

/// Facts of a loaded generator.
#[derive(Debug, Clone)]
pub struct GeneratorInfo {
    /// Name shown to a person.
    pub name: String,
    /// [`Generator::hash`](crate::generator::Generator::hash).
    pub hash: String,
    /// SiT or DiT.
    pub class: GeneratorClass,
    /// `config.json`.
    pub args: GeneratorArgs,
    /// Parameters in use.
    pub parameter_count: usize,
    /// Memory the weights take, bytes.
    pub weight_bytes: u64,
    /// Such as "CPU" or "CUDA 0".
    pub device: String,
    /// Such as "f32".
    pub precision: String,
    /// Time from the call to a generator ready to run.
    pub load_ms: f64,
}

/// A loaded generator on a device.
pub struct GeneratorRunner {
    info: Arc<GeneratorInfo>,
    generator: Generator,
    device: Device,
    /// Threads that candle's products are shared among; `None` on a GPU.
    pool: Option<ThreadPool>,
}

impl GeneratorRunner {
    /// Reads a generator and makes it ready to run. Progress is the share of its bytes read.
    ///
    /// # Errors
    /// A device that cannot be had, files that are no generator, [`EngineError::Cancelled`].
    pub fn open(
        files: &ModelFiles,
        options: &RunOptions,
        control: &dyn Control,
    ) -> Result<Self, EngineError> {
        let started = Instant::now();
        let device = device::open(options.device)?;
        let dtype = options.precision.dtype();
        let generator = Generator::load(files, &device, dtype, &mut |read, total| {
            control.progress(read as f32 / total.max(1) as f32);
            !control.is_cancelled()
        })?;
        let pool = match &device {
            Device::Cpu => Some(threads::pool(thread_count(options.threads))?),
            Device::Cuda(_) | Device::Metal(_) => None,
        };
        // On a GPU the last weights may still be under way.
        device.synchronize()?;
        let info = GeneratorInfo {
            name: files.name.clone(),
            hash: generator.hash().to_owned(),
            class: generator.class(),
            args: generator.args().clone(),
            parameter_count: generator.parameter_count(),
            weight_bytes: (generator.parameter_count() * dtype.size_in_bytes()) as u64,
            device: device::name(&device),
            precision: device::dtype_name(dtype).to_owned(),
            load_ms: milliseconds(started.elapsed()),
        };
        Ok(Self {
            info: Arc::new(info),
            generator,
            device,
            pool,
        })
    }

    /// Facts of the generator.
    pub fn info(&self) -> &Arc<GeneratorInfo> {
        &self.info
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// CPU threads that products are shared among; 1 on a GPU.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, ThreadPool::current_num_threads)
    }

    /// What the network predicts, row-major, for what [`Generator::forward`] takes.
    ///
    /// # Errors
    /// Tensors of other shapes, a fault of the device.
    pub fn evaluate(&self, x: &Tensor, t: &Tensor, labels: &Tensor) -> Result<Vec<f32>, EngineError> {
        let _kept = keep_launch_parameters(&self.device);
        let found = self.on_threads(|| self.generator.forward(x, t, labels))?;
        Ok(found.flatten_all()?.to_vec1()?)
    }

    fn on_threads<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Prepares a run.
    ///
    /// # Errors
    /// Settings or a start that this generator cannot follow.
    pub fn sampler(&self, settings: Settings, start: Start) -> Result<Sampler, EngineError> {
        Ok(Sampler::new(&self.generator, settings, start)?)
    }

    /// The next step of a run. One that was cancelled goes on where it stopped when it is asked for again.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`], a fault of the device.
    pub fn step(&self, sampler: &mut Sampler, control: &dyn Control) -> Result<(), EngineError> {
        let generator = &self.generator;
        let _kept = keep_launch_parameters(&self.device);
        Ok(self.on_threads(|| sampler.step(generator, &mut || !control.is_cancelled()))?)
    }
}

/// As many as asked for, else as many as this machine's products are cut into.
fn thread_count(asked: Option<usize>) -> usize {
    asked
        .filter(|threads| *threads > 0)
        .or_else(|| threads::candidates().first().copied())
        .unwrap_or(1)
}

/// Refuses a generator whose tokens are not those of the tokenizer: `model` by name, tokens, values of each.
///
/// # Errors
/// [`EngineError::GeneratorShape`].
pub fn check_generator_fits(
    generator: &str,
    args: &GeneratorArgs,
    model: (&str, usize, usize),
) -> Result<(), EngineError> {
    let (model, count, dim) = model;
    match args.token_shape() {
        Some(shape) if shape == (count, dim) => Ok(()),
        shape => Err(EngineError::GeneratorShape {
            generator: generator.to_owned(),
            shape: shape.map_or_else(
                || format!("latent squares of {side} x {side}", side = args.input_size),
                |(count, dim)| format!("{count} x {dim} tokens"),
            ),
            model: model.to_owned(),
            model_count: count,
            model_dim: dim,
        }),
    }
}

/// Latents of a batch, in the generator's scale, as tokens that the tokenizer decodes: z = latent * std + mean.
pub fn tokens_of_latents(latents: &[f64], model: &ModelInfo) -> Vec<Tokens> {
    let (count, dim) = (model.space.token_count, model.space.dim);
    let (mean, std) = (model.args.vq_mean, model.args.vq_std);
    latents
        .chunks_exact((count * dim).max(1))
        .map(|latent| Tokens {
            count,
            dim,
            values: latent.iter().map(|value| (value * std + mean) as f32).collect(),
        })
        .collect()
}

/// Tokens as latents in the generator's scale: (z - mean) / std.
pub fn latents_of_tokens(tokens: &Tokens, model: &ModelInfo) -> Vec<f64> {
    let (mean, std) = (model.args.vq_mean, model.args.vq_std);
    tokens
        .values
        .iter()
        .map(|value| (f64::from(*value) - mean) / std)
        .collect()
}
