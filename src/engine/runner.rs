use super::control::ControlHook;
use super::device::keep_launch_parameters;
use super::threads::{self, BlockTimer};
use super::{Control, DeviceChoice, EngineError, Precision, device};
use crate::analysis::compare;
use crate::latent::{Assignment, Bottleneck, Codebook, LatentSpace, LatentState, Mixture, Tokens};
use crate::picture::Planar;
use crate::tokenizer::{
    Encoding, ModelArgs, ModelClass, ModelFiles, PassHook, Posterior, Tokenizer, TokenizerError,
};
use candle_core::{DType, Device, IndexOp, Tensor};
use rayon::ThreadPool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How a model runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Where.
    pub device: DeviceChoice,
    /// In which number format.
    pub precision: Precision,
    /// CPU threads for products; `None` (or 0) measures a few counts after loading, within 0.3 s, and keeps the fastest.
    pub threads: Option<usize>,
}

/// Facts of a loaded model.
#[derive(Debug, Clone)]
pub struct ModelInfo {
    /// Name shown to a person.
    pub name: String,
    /// [`Tokenizer::hash`](crate::tokenizer::Tokenizer::hash).
    pub hash: String,
    /// Model family.
    pub class: ModelClass,
    /// `config.json`.
    pub args: ModelArgs,
    /// What edits need to know.
    pub space: Arc<LatentSpace>,
    /// Parameters in use.
    pub parameter_count: usize,
    /// Memory that they take in the precision that runs, bytes.
    pub weight_bytes: u64,
    /// Such as "CPU" or "CUDA 0".
    pub device: String,
    /// Such as "f32".
    pub precision: String,
    /// CPU threads the products use; 1 on a GPU.
    pub threads: usize,
    /// Time from the call to a model ready to run, choice of the thread count included.
    pub load_ms: f64,
}

/// Least PSNR of 8-bit pictures at which a preview stands for the exact picture, dB.
const NEAR_DB: f64 = 38.0;

/// A loaded model on a device.
pub struct Runner {
    info: Arc<ModelInfo>,
    model: Placed,
    /// Whether this model's previews are near their pictures; known from the first one on.
    has_near_previews: OnceLock<bool>,
}

/// The model and where it computes.
struct Placed {
    tokenizer: Tokenizer,
    device: Device,
    /// Threads that candle's products are shared among; `None` on a GPU.
    pool: Option<ThreadPool>,
}

impl Placed {
    /// Runs `work` where candle's products find this model's threads.
    fn run<T: Send>(&self, work: impl FnOnce(&Tokenizer) -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(|| work(&self.tokenizer)),
            None => work(&self.tokenizer),
        }
    }
}

impl Runner {
    /// Reads a model and makes it ready to run. Progress is the share of its bytes read.
    ///
    /// # Errors
    /// A device that cannot be had, files that are no such model, [`EngineError::Cancelled`].
    pub fn open(
        files: &ModelFiles,
        options: &RunOptions,
        control: &dyn Control,
    ) -> Result<Self, EngineError> {
        let started = Instant::now();
        let device = device::open(options.device)?;
        let dtype = options.precision.dtype();
        let tokenizer = Tokenizer::load(files, &device, dtype, &mut |read, total| {
            control.progress(read as f32 / total.max(1) as f32);
            !control.is_cancelled()
        })?;
        let space = Arc::new(latent_space(&tokenizer)?);
        let pool = match &device {
            Device::Cpu => Some(choose_pool(&tokenizer, &space, options.threads, control)?),
            Device::Cuda(_) | Device::Metal(_) => None,
        };
        // On a GPU the last weights may still be under way.
        device.synchronize()?;
        let info = ModelInfo {
            name: files.name.clone(),
            hash: tokenizer.hash().to_owned(),
            class: tokenizer.class(),
            args: tokenizer.args().clone(),
            space,
            parameter_count: tokenizer.parameter_count(),
            weight_bytes: (tokenizer.parameter_count() * dtype.size_in_bytes()) as u64,
            device: device::name(&device),
            precision: device::dtype_name(dtype).to_owned(),
            threads: pool.as_ref().map_or(1, ThreadPool::current_num_threads),
            load_ms: milliseconds(started.elapsed()),
        };
        Ok(Self {
            info: Arc::new(info),
            model: Placed {
                tokenizer,
                device,
                pool,
            },
            has_near_previews: OnceLock::new(),
        })
    }

    /// Facts of the model.
    pub fn info(&self) -> &Arc<ModelInfo> {
        &self.info
    }

    /// The model itself, for passes with a hook of one's own. They run on the calling thread's pool.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.model.tokenizer
    }

    /// Runs `work` on the threads this model computes on; on the calling thread where it has none of its own.
    pub fn on_threads<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.model.run(|_| work())
    }

    /// Pictures of the model's size to their latent states, with `h` and what each token is made of, in one
    /// batch.
    ///
    /// # Errors
    /// [`EngineError::PictureSize`], a fault of the device, [`EngineError::Cancelled`].
    pub fn encode(
        &self,
        pictures: &[Planar],
        control: &dyn Control,
    ) -> Result<Vec<LatentState>, EngineError> {
        let side = self.info.args.image_size;
        for picture in pictures {
            check_picture(picture, side)?;
        }
        if pictures.is_empty() {
            return Ok(Vec::new());
        }
        if control.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        let values: Vec<f32> = pictures
            .iter()
            .flat_map(|picture| picture.data.iter().copied())
            .collect();
        let stage_count = encoder_stages(&self.info.args);
        self.model.run(|tokenizer| {
            let batch = Tensor::from_vec(values, (pictures.len(), 3, side, side), &self.model.device)?;
            let _kept = keep_launch_parameters(&self.model.device);
            let encoding = tokenizer.encode(&batch, &mut ControlHook::new(control, stage_count))?;
            latent_states(&encoding, &self.info.space)
        })
    }

    /// Tokens to pixels, in one batch. Values that are not finite are decoded as they are; what they become is not
    /// finite either, and [`Planar::to_rgb8`] makes 0 of what is not a number.
    ///
    /// # Errors
    /// [`EngineError::TokenShape`], a fault of the device, [`EngineError::Cancelled`].
    pub fn decode(&self, tokens: &[&Tokens], control: &dyn Control) -> Result<Vec<Planar>, EngineError> {
        self.decode_by(tokens, control, Tokenizer::decode)
    }

    /// As [`Self::decode`], faster and less exact where [`Self::prepare_preview`] says so: for a picture that the exact
    /// one will follow.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_preview(
        &self,
        tokens: &[&Tokens],
        control: &dyn Control,
    ) -> Result<Vec<Planar>, EngineError> {
        self.decode_by(tokens, control, Tokenizer::decode_preview)
    }

    /// Tokens to pixels that exact ones will follow: by [`Self::decode_preview`] where this model's first preview came
    /// within 38 dB of the exact picture (PSNR of 8-bit pictures), else by [`Self::decode`].
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_ahead(
        &self,
        tokens: &[&Tokens],
        control: &dyn Control,
    ) -> Result<Vec<Planar>, EngineError> {
        let Some(first) = tokens.first() else {
            return Ok(Vec::new());
        };
        if self.has_near_previews(first, control)? {
            self.decode_preview(tokens, control)
        } else {
            self.decode(tokens, control)
        }
    }

    fn has_near_previews(&self, tokens: &Tokens, control: &dyn Control) -> Result<bool, EngineError> {
        if let Some(known) = self.has_near_previews.get() {
            return Ok(*known);
        }
        let is_near = self.prepare_preview() && {
            let exact = self.decode(&[tokens], control)?;
            let preview = self.decode_preview(&[tokens], control)?;
            let metrics = exact
                .first()
                .zip(preview.first())
                .and_then(|(exact, preview)| compare(&exact.to_rgb8(), &preview.to_rgb8()));
            metrics.is_some_and(|metrics| metrics.psnr_db >= NEAR_DB)
        };
        Ok(*self.has_near_previews.get_or_init(|| is_near))
    }

    /// Makes previews ready; see [`Tokenizer::prepare_preview`].
    pub fn prepare_preview(&self) -> bool {
        self.model.run(Tokenizer::prepare_preview)
    }

    fn decode_by(
        &self,
        tokens: &[&Tokens],
        control: &dyn Control,
        decode: impl FnOnce(&Tokenizer, &Tensor, &mut dyn PassHook) -> Result<Tensor, TokenizerError> + Send,
    ) -> Result<Vec<Planar>, EngineError> {
        for given in tokens {
            check_tokens(given, &self.info.space)?;
        }
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        if control.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        let values: Vec<f32> = tokens
            .iter()
            .flat_map(|given| given.values.iter().copied())
            .collect();
        let shape = (tokens.len(), self.info.space.token_count, self.info.space.dim);
        let stage_count = decoder_stages(&self.info.args);
        self.model.run(|tokenizer| {
            let z = Tensor::from_vec(values, shape, &self.model.device)?;
            let _kept = keep_launch_parameters(&self.model.device);
            planars(&decode(
                tokenizer,
                &z,
                &mut ControlHook::new(control, stage_count),
            )?)
        })
    }
}

/// How often an encoder pass calls its hook: patch embedding, sequence, blocks, norm, latent tokens.
fn encoder_stages(args: &ModelArgs) -> usize {
    args.encoder_size().map_or(0, |size| size.depth) + 4
}

/// How often a decoder pass calls its hook: post-quantisation, sequence, blocks, norm, image tokens.
pub(super) fn decoder_stages(args: &ModelArgs) -> usize {
    args.decoder_size().map_or(0, |size| size.depth) + 4
}

fn check_picture(picture: &Planar, side: usize) -> Result<(), EngineError> {
    let Planar { width, height, data } = picture;
    let is_square = u32::try_from(side).is_ok_and(|side| *width == side && *height == side);
    if is_square && data.len() == 3 * side * side {
        return Ok(());
    }
    Err(EngineError::PictureSize {
        width: *width,
        height: *height,
        side,
    })
}

pub(super) fn check_tokens(tokens: &Tokens, space: &LatentSpace) -> Result<(), EngineError> {
    let fits = tokens.count == space.token_count && tokens.dim == space.dim;
    if fits && tokens.values.len() == tokens.count * tokens.dim {
        return Ok(());
    }
    Err(EngineError::TokenShape {
        count: tokens.count,
        dim: tokens.dim,
        model_count: space.token_count,
        model_dim: space.dim,
    })
}

/// The numbers that edits need, copied out of the model.
fn latent_space(tokenizer: &Tokenizer) -> Result<LatentSpace, EngineError> {
    let args = tokenizer.args();
    Ok(LatentSpace {
        token_count: args.num_latent_tokens,
        dim: args.codebook_embed_dim,
        bottleneck: bottleneck(tokenizer)?,
        mean: args.vq_mean as f32,
        std: args.vq_std as f32,
    })
}

fn bottleneck(tokenizer: &Tokenizer) -> Result<Bottleneck, EngineError> {
    let class = tokenizer.class();
    Ok(match (class, tokenizer.codebook()?) {
        (ModelClass::SoftVq, Some(stored)) => Bottleneck::Soft(codebook(tokenizer.args(), &stored)?),
        (ModelClass::Vq, Some(stored)) => Bottleneck::Hard(codebook(tokenizer.args(), &stored)?),
        (ModelClass::Kl, None) => Bottleneck::Gaussian,
        (ModelClass::Ae, None) => Bottleneck::Identity,
        (_, found) => {
            let what = if found.is_some() { "has" } else { "lacks" };
            return Err(EngineError::Model(format!(
                "a {class} model that {what} a codebook"
            )));
        }
    })
}

/// `stored` [K, n, D] f32 on the CPU.
fn codebook(args: &ModelArgs, stored: &Tensor) -> Result<Codebook, EngineError> {
    let (segments, size, dim) = stored.dims3()?;
    let values = stored.flatten_all()?.to_vec1::<f32>()?;
    let tau = args.tau as f32;
    Codebook::new(segments, size, dim, args.codebook_l2_norm, tau, values)
        .ok_or_else(|| EngineError::Model(format!("its codebook of shape {segments} x {size} x {dim}")))
}

/// Splits an encoding of B pictures into B states.
fn latent_states(encoding: &Encoding, space: &LatentSpace) -> Result<Vec<LatentState>, EngineError> {
    let h = host(&encoding.h)?;
    let z = host(&encoding.z)?;
    let (batch, count, _) = z.dims3()?;
    let mut assignments = match &encoding.posterior {
        Posterior::Mixture { weights } => mixtures(&host(weights)?, space)?,
        Posterior::Nearest { indices, .. } => codewords(indices)?,
        Posterior::Gaussian(_) | Posterior::Point => vec![None; batch * count],
    }
    .into_iter();
    (0..batch)
        .map(|index| {
            Ok(LatentState {
                h: Some(tokens(&h.i(index)?)?),
                z: tokens(&z.i(index)?)?,
                assignments: assignments.by_ref().take(count).collect(),
            })
        })
        .collect()
}

/// `weights` [B, L, n] f32 on the CPU to B L mixtures.
fn mixtures(weights: &Tensor, space: &LatentSpace) -> Result<Vec<Option<Assignment>>, EngineError> {
    let (_, count, size) = weights.dims3()?;
    let flat = weights.flatten_all()?.to_vec1::<f32>()?;
    let mixture = |(row, weights): (usize, &[f32])| {
        let token = row % count.max(1);
        let codebook = space.mixing()?;
        Some(Assignment::Soft(Mixture {
            segment: codebook.segment_of(token, count),
            weights: Arc::from(weights),
        }))
    };
    Ok(flat.chunks_exact(size.max(1)).enumerate().map(mixture).collect())
}

/// `indices` [B, L] u32 to B L codewords.
fn codewords(indices: &Tensor) -> Result<Vec<Option<Assignment>>, EngineError> {
    let flat = indices.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<u32>()?;
    Ok(flat
        .into_iter()
        .map(|index| Some(Assignment::Hard(index as usize)))
        .collect())
}

/// [L, D] as plain rows.
pub(super) fn tokens(tensor: &Tensor) -> Result<Tokens, EngineError> {
    let (count, dim) = tensor.dims2()?;
    Ok(Tokens {
        count,
        dim,
        values: tensor.flatten_all()?.to_vec1::<f32>()?,
    })
}

/// Splits pixels [B, 3, H, W] into B pictures.
pub(super) fn planars(pixels: &Tensor) -> Result<Vec<Planar>, EngineError> {
    let (batch, channels, height, width) = pixels.dims4()?;
    let values = host(pixels)?.flatten_all()?.to_vec1::<f32>()?;
    let side = |length: usize| {
        u32::try_from(length).map_err(|_| EngineError::Model(format!("a decoded side of {length} pixels")))
    };
    let (width_px, height_px) = (side(width)?, side(height)?);
    Ok(values
        .chunks_exact((channels * height * width).max(1))
        .take(batch)
        .map(|data| Planar {
            width: width_px,
            height: height_px,
            data: data.to_vec(),
        })
        .collect())
}

/// f32 on the CPU, wherever it was computed.
pub(super) fn host(tensor: &Tensor) -> Result<Tensor, EngineError> {
    Ok(tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?)
}

/// The threads for a model on the CPU: as many as asked for, else as many as decode fastest.
fn choose_pool(
    tokenizer: &Tokenizer,
    space: &LatentSpace,
    asked: Option<usize>,
    control: &dyn Control,
) -> Result<ThreadPool, EngineError> {
    if let Some(threads) = asked.filter(|threads| *threads > 0) {
        return threads::pool(threads);
    }
    let z = Tensor::full(space.mean, (1, space.token_count, space.dim), &Device::Cpu)?;
    threads::fastest(&threads::candidates(), |pool, share| {
        pool.install(|| time_blocks(tokenizer, &z, share, control))
    })
}

/// Time of a decoder block, from up to two passes within `share`.
fn time_blocks(
    tokenizer: &Tokenizer,
    z: &Tensor,
    share: Duration,
    control: &dyn Control,
) -> Result<Duration, EngineError> {
    const MOST_PASSES: usize = 2;
    let mut timer = BlockTimer::new(control, share);
    for _ in 0..MOST_PASSES {
        match tokenizer.decode(z, &mut timer) {
            Ok(_) => {}
            Err(TokenizerError::Cancelled) if !control.is_cancelled() => break,
            Err(error) => return Err(error.into()),
        }
        if timer.is_over() {
            break;
        }
    }
    Ok(timer.undisturbed_block())
}

/// A duration as shown to a person.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
