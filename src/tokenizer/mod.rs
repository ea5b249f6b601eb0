//! The tokenizer family of SoftVQ-VAE (arXiv 2412.10958) in candle: encoder, bottleneck, decoder. The bottleneck is a
//! soft quantiser (SoftVQ), a hard one (VQ), a normal distribution (KL) or nothing (AE, as in MAETok, arXiv 2502.03444).
//!
//! No user interface, no threads but while a model is read: a pass runs on the calling thread and reports through a
//! [`PassHook`].

mod adaptive;
mod bottleneck;
pub(crate) mod by_hand;
pub(crate) mod checkpoint;
mod config;
mod cpu_vit;
mod decoder;
mod encoder;
mod error;
mod files;
mod fixed_product;
pub(crate) mod flash;
pub(crate) mod fused;
mod gaussian;
mod head;
pub(crate) mod layers;
mod nearest;
pub(crate) mod over_rows;
pub(crate) mod picture_vit;
mod quantiser;
mod rotary;
mod schema;
pub(crate) mod source;
mod stage;
mod trained_vit;
mod vit;

pub use bottleneck::Posterior;
pub use by_hand::Products;
pub use checkpoint::shard_names;
pub use config::{ModelArgs, ModelClass, VitSize};
pub use error::TokenizerError;
pub use files::{INDEX_SUFFIX, ModelFiles, WEIGHT_EXTENSIONS, WEIGHT_NAMES};
pub use gaussian::Gaussian;
pub use nearest::NearestTerms;
pub use quantiser::Mixtures;
pub use schema::{CheckReport, KeyComparison, WrongShape, check, parameter_shapes, require_loadable};
pub use stage::{NoHook, PassHook, Stage};

use bottleneck::Bottleneck;
use by_hand::WeightGradients;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use checkpoint::{Checkpoint, Entry, Reading};
use decoder::Decoder;
use encoder::Encoder;
use layers::{Builder, Form};
use nearest::NearestQuantiser;
use quantiser::Quantiser;
use schema::Plan;
use source::{FileSource, GivenSource, reader_count};
use std::collections::HashMap;
use std::path::Path;

/// How the operations of a pass are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Math {
    /// Fused candle kernels; no gradients.
    Fused,
    /// Only operations with a backward pass.
    Differentiable,
}

/// Result of an encoder pass over B pictures.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// `h` [B, L, D], of a KL model [B, L, 2D], f32: encoder output after `quant_conv`.
    pub h: Tensor,
    /// `z` [B, L, D], f32: what the decoder reads. Mixtures of codewords (SoftVQ), codewords (VQ), means (KL) or `h`
    /// itself (AE).
    pub z: Tensor,
    /// What is known of the tokens beside their values.
    pub posterior: Posterior,
}

/// A loaded model. A clone shares its weights.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    args: ModelArgs,
    class: ModelClass,
    encoder: Encoder,
    bottleneck: Bottleneck,
    decoder: Decoder,
    device: Device,
    math: Math,
    hash: String,
    parameter_count: usize,
    /// What [`Self::backward`] collects; shared by clones.
    gradients: WeightGradients,
}

/// What makes tokens of a picture. It and the decoder are read side by side.
struct EncodingPart {
    encoder: Encoder,
    bottleneck: Bottleneck,
}

impl EncodingPart {
    fn load(builder: &mut Builder<'_>, args: &ModelArgs, class: ModelClass) -> Result<Self, TokenizerError> {
        Ok(Self {
            encoder: Encoder::load(builder, args)?,
            bottleneck: Bottleneck::load(builder, args, class)?,
        })
    }
}

/// Runs `other` on a thread of its own meanwhile.
fn side_by_side<A, B: Send>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        let other = other.join();
        (
            one,
            other.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    })
}

impl Tokenizer {
    /// Reads a model. `progress` is told bytes read and bytes in all, and returns false to cancel.
    ///
    /// `dtype` is that of the matrices (f32, f16 or bf16); norms, softmax and outputs are f32 in any case. Several threads
    /// read, each a tensor or less at a time, so the peak is little over the weights' size. Gradients with respect to
    /// inputs can be had from [`Self::with_math`]; to train, see [`Self::from_tensors`].
    ///
    /// # Errors
    /// Unreadable or damaged files, a configuration that cannot be, one error with every missing and wrongly shaped
    /// key, parts of the reference that are not supported, weights that are not finite, cancellation.
    pub fn load(
        files: &ModelFiles,
        device: &Device,
        dtype: DType,
        progress: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Self, TokenizerError> {
        Self::load_by(reader_count(device, dtype), files, device, dtype, progress)
    }

    /// As [`Self::load`], by so many threads.
    fn load_by(
        readers: usize,
        files: &ModelFiles,
        device: &Device,
        dtype: DType,
        progress: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Self, TokenizerError> {
        let args = ModelArgs::read(&files.config)?;
        let checkpoint = Checkpoint::open(&files.weights)?;
        let plan = Plan::new(&args, checkpoint.entries());
        plan.require_loadable(checkpoint.path())?;
        let used = || plan.used.iter().filter_map(|key| checkpoint.entries().get(key));
        let total_bytes = used().map(Entry::stored_bytes).sum();
        let parameter_count = used().map(Entry::element_count).sum();
        let reading = Reading::new(total_bytes, progress);
        let load_encoding_part = || {
            let mut source = FileSource::new(&checkpoint, &reading);
            let builder = &mut Builder::packed(&mut source, device, dtype, readers / 2);
            EncodingPart::load(builder, &args, plan.class).inspect_err(|_| reading.stop())
        };
        let load_decoder = || {
            let mut source = FileSource::new(&checkpoint, &reading);
            let builder = &mut Builder::packed(&mut source, device, dtype, readers / 2);
            Decoder::load(builder, &args).inspect_err(|_| reading.stop())
        };
        let (encoding_part, decoder) = if readers > 1 {
            side_by_side(load_encoding_part, load_decoder)
        } else {
            (load_encoding_part(), load_decoder())
        };
        let (encoding_part, decoder) = match (encoding_part, decoder) {
            // The other part has failed.
            (Err(TokenizerError::Cancelled), Err(error)) => return Err(error),
            (encoding_part, decoder) => (encoding_part?, decoder?),
        };
        let mut tokenizer = Self::of_parts(args, plan.class, device, Math::Fused, encoding_part, decoder);
        tokenizer.hash = reading.finish();
        tokenizer.parameter_count = parameter_count;
        Ok(tokenizer)
    }

    /// Builds a model from tensors by state-dict key, for training and tests.
    ///
    /// With [`Math::Differentiable`] tensors are used as they are: gradients reach the variables they belong to, and
    /// a change of a variable is seen by the next pass. With [`Math::Fused`] they are packed as [`Self::load`] does.
    /// Such a model has no hash.
    ///
    /// # Errors
    /// As [`Self::load`], for keys and shapes.
    pub fn from_tensors(
        args: ModelArgs,
        tensors: HashMap<String, Tensor>,
        math: Math,
    ) -> Result<Self, TokenizerError> {
        args.validate().map_err(TokenizerError::Input)?;
        let entries = tensors
            .iter()
            .map(|(key, tensor)| (key.clone(), Entry::of_tensor(tensor)))
            .collect();
        let plan = Plan::new(&args, &entries);
        plan.require_loadable(Path::new("the given tensors"))?;
        let parameter_count = plan
            .used
            .iter()
            .filter_map(|key| entries.get(key))
            .map(Entry::element_count)
            .sum();
        let device = tensors
            .values()
            .next()
            .map_or(Device::Cpu, |tensor| tensor.device().clone());
        let mut source = GivenSource { tensors };
        let form = match math {
            Math::Fused => Form::Packed,
            Math::Differentiable => Form::AsGiven,
        };
        let mut builder = Builder {
            source: &mut source,
            device: &device,
            dtype: DType::F32,
            form,
            readers: 1,
        };
        let encoding_part = EncodingPart::load(&mut builder, &args, plan.class)?;
        let decoder = Decoder::load(&mut builder, &args)?;
        let mut tokenizer = Self::of_parts(args, plan.class, &device, math, encoding_part, decoder);
        tokenizer.parameter_count = parameter_count;
        Ok(tokenizer)
    }

    /// A model to be trained on the CPU: as [`Self::from_tensors`] with [`Math::Differentiable`], but each ViT without
    /// rotary positions is one operation with a backward pass of its own, and hooks do not see its blocks. Gradients
    /// come from [`Self::backward`] alone. One loss at a time: parts that run side by side need a model each, built of
    /// the same variables.
    ///
    /// # Errors
    /// As [`Self::from_tensors`].
    pub fn for_training(args: ModelArgs, tensors: HashMap<String, Tensor>) -> Result<Self, TokenizerError> {
        let tokenizer = Self::from_tensors(args, tensors, Math::Differentiable)?;
        Ok(tokenizer.with_products(Products::F32))
    }

    /// The same model to be trained with other products in the linear layers of its ViTs; on the CPU alone.
    #[must_use]
    pub fn with_products(mut self, products: Products) -> Self {
        if self.device.is_cpu() {
            self.gradients = WeightGradients::new(products);
            self.encoder.train(&self.gradients);
            self.decoder.train(&self.gradients);
        }
        self
    }

    /// Changes the temperature of the softmax over codewords, above 0: a training run lowers it step by step.
    pub fn set_tau(&mut self, tau: f64) {
        self.args.tau = tau;
    }

    /// Gradients of a scalar `loss` of this model's passes, for every variable it was built of and that the loss
    /// depends on.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn backward(&self, loss: &Tensor) -> Result<GradStore, TokenizerError> {
        let mut store = loss.backward()?;
        self.gradients.move_into(&mut store)?;
        Ok(store)
    }

    fn of_parts(
        args: ModelArgs,
        class: ModelClass,
        device: &Device,
        math: Math,
        EncodingPart { encoder, bottleneck }: EncodingPart,
        decoder: Decoder,
    ) -> Self {
        Self {
            encoder,
            bottleneck,
            decoder,
            device: device.clone(),
            args,
            class,
            math,
            hash: String::new(),
            parameter_count: 0,
            gradients: WeightGradients::default(),
        }
    }

    /// The same model, its weights shared, computing with other operations.
    ///
    /// With [`Math::Differentiable`] gradients flow to `x`, `h` or `z`, whichever is a variable.
    #[must_use]
    pub fn with_math(&self, math: Math) -> Self {
        Self { math, ..self.clone() }
    }

    /// The configuration as read.
    pub fn args(&self) -> &ModelArgs {
        &self.args
    }

    /// The model's family, told from the state dict.
    pub fn class(&self) -> ModelClass {
        self.class
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// XXH3 (first 16 hex digits of 128 bits) over the used entries of the state dict: key, shape, stored values, by key.
    /// Empty for a model that was not read from a file.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Number of parameters in use.
    pub fn parameter_count(&self) -> usize {
        self.parameter_count
    }

    /// Codebooks as stored, [K, n, D] f32 on the CPU; none of a KL or AE model.
    ///
    /// # Errors
    /// A failing device.
    pub fn codebook(&self) -> Result<Option<Tensor>, TokenizerError> {
        let codebook = self.bottleneck.codebook()?;
        Ok(codebook
            .map(|stored| stored.to_device(&Device::Cpu))
            .transpose()?)
    }

    /// `x` [B, 3, H, W] f32 in -1..1 on any device.
    ///
    /// # Errors
    /// Another shape than the model's, a failing device, or what the hook returns.
    pub fn encode(&self, x: &Tensor, hook: &mut dyn PassHook) -> Result<Encoding, TokenizerError> {
        let side = self.args.image_size;
        let x = self.take_input(x, "a picture", &[3, side, side])?;
        let h = self.encoder.forward(&x, self.math, hook)?;
        self.bottleneck.forward(h, self.args.tau, self.math)
    }

    /// `h` [B, L, D] f32 to mixtures of codewords at temperature `tau` (above 0; the model's own is in
    /// [`ModelArgs::tau`]).
    ///
    /// # Errors
    /// A model that does not mix codewords, another shape than its own, an impossible `tau`, a failing device.
    pub fn quantise(&self, h: &Tensor, tau: f64) -> Result<Mixtures, TokenizerError> {
        if !(tau.is_finite() && tau > 0.0) {
            return Err(TokenizerError::Input(format!(
                "the temperature is {tau}; it must be above 0"
            )));
        }
        let quantiser = self.soft_quantiser()?;
        let h = self.take_tokens(h)?;
        quantiser.forward(&h, tau, self.math)
    }

    /// How near `h` [B, L, D] is to each codeword of its segment: [K, B S, n], before the temperature; gradients reach
    /// `h` alone. Of a VQ model minus the squared distances [B L, n]; gradients reach codewords too.
    ///
    /// # Errors
    /// A model without codewords, another shape than its own, a failing device.
    pub fn similarities(&self, h: &Tensor) -> Result<Tensor, TokenizerError> {
        if let Bottleneck::Hard(quantiser) = &self.bottleneck {
            return quantiser.similarities(&self.take_tokens(h)?);
        }
        let quantiser = self.soft_quantiser()?;
        quantiser.similarities(&self.take_tokens(h)?)
    }

    /// What the codewords and tokens of a VQ model learn from: `h` [B, L, D] and its nearest codewords [B, L] u32, as
    /// [`Self::encode`] gives them.
    ///
    /// # Errors
    /// A model that is not VQ, another shape than its own, a failing device.
    pub fn nearest_terms(&self, h: &Tensor, indices: &Tensor) -> Result<NearestTerms, TokenizerError> {
        self.hard_quantiser()?.terms(&self.take_tokens(h)?, indices)
    }

    fn hard_quantiser(&self) -> Result<&NearestQuantiser, TokenizerError> {
        match &self.bottleneck {
            Bottleneck::Hard(quantiser) => Ok(quantiser),
            _ => Err(TokenizerError::Input(format!(
                "this model's class is {}; only a VQ model's tokens are codewords by index",
                self.class
            ))),
        }
    }

    /// Weights [B, L, n] f32 over each token's codewords to `z` [B, L, D]. Rows are used as given.
    ///
    /// # Errors
    /// A model that does not mix codewords, another shape than its own, a failing device.
    pub fn mix(&self, weights: &Tensor) -> Result<Tensor, TokenizerError> {
        let quantiser = self.soft_quantiser()?;
        let shape = [self.args.num_latent_tokens, self.args.codebook_size];
        let weights = self.take_input(weights, "codeword weights", &shape)?;
        quantiser.mix(&weights)
    }

    fn soft_quantiser(&self) -> Result<&Quantiser, TokenizerError> {
        match &self.bottleneck {
            Bottleneck::Soft(quantiser) => Ok(quantiser),
            _ => Err(TokenizerError::Input(format!(
                "this model's class is {}; only SoftVQ models mix codewords",
                self.class
            ))),
        }
    }

    /// The codewords of a VQ model by index: `indices` [B, L], whole numbers of any type from 0 to n - 1, to `z`
    /// [B, L, D].
    ///
    /// # Errors
    /// A model that is not VQ, another shape than its own, an index that no codeword has, a failing device.
    pub fn look_up(&self, indices: &Tensor) -> Result<Tensor, TokenizerError> {
        let quantiser = self.hard_quantiser()?;
        let (count, codes) = (self.args.num_latent_tokens, self.args.codebook_size);
        Self::check_shape(indices, "codeword indices", &[count])?;
        let given = indices.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        if let Some(odd) = given
            .iter()
            .find(|index| !(0.0..codes as f64).contains(*index) || index.fract() != 0.0)
        {
            return Err(TokenizerError::Input(format!(
                "{odd} is no codeword; this model has codewords 0 to {}",
                codes - 1
            )));
        }
        let indices = indices.to_dtype(DType::U32)?.to_device(&self.device)?;
        quantiser.look_up(&indices)
    }

    /// `z` [B, L, D] f32 to pixels [B, 3, H, W] f32, about -1..1, unclamped, on the model's device.
    ///
    /// # Errors
    /// Another shape than the model's, a failing device, or what the hook returns.
    pub fn decode(&self, z: &Tensor, hook: &mut dyn PassHook) -> Result<Tensor, TokenizerError> {
        let z = self.take_tokens(z)?;
        self.decoder.forward(&z, self.math, hook)
    }

    /// Makes [`Self::decode_preview`] ready: the decoder's weights in 8 bits beside the exact ones, a quarter of their
    /// size in f32. False where this model or processor has none, and previews are as slow as exact pictures.
    pub fn prepare_preview(&self) -> bool {
        self.decoder.has_preview()
    }

    /// As [`Self::decode`], faster and less exact: weights and activations in 8 bits, to be followed by the exact
    /// picture. Without [`Self::prepare_preview`] the first call takes longer.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_preview(&self, z: &Tensor, hook: &mut dyn PassHook) -> Result<Tensor, TokenizerError> {
        let z = self.take_tokens(z)?;
        self.decoder.forward_preview(&z, hook)
    }

    fn take_tokens(&self, tokens: &Tensor) -> Result<Tensor, TokenizerError> {
        let shape = [self.args.num_latent_tokens, self.args.codebook_embed_dim];
        self.take_input(tokens, "tokens", &shape)
    }

    /// Checks a batch of inputs and brings it to the device as f32.
    fn take_input(&self, input: &Tensor, what: &str, shape: &[usize]) -> Result<Tensor, TokenizerError> {
        Self::check_shape(input, what, shape)?;
        Ok(input.to_device(&self.device)?.to_dtype(DType::F32)?)
    }

    fn check_shape(input: &Tensor, what: &str, shape: &[usize]) -> Result<(), TokenizerError> {
        match input.dims() {
            [batch, rest @ ..] if *batch > 0 && rest == shape => Ok(()),
            found => Err(TokenizerError::Input(format!(
                "this model takes {what} of shape {shape:?} after the batch, not {found:?}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::source::MOST_READERS;
    use super::*;

    fn shipped() -> ModelFiles {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/softscope-32");
        ModelFiles::locate(&folder).unwrap()
    }

    #[test]
    fn a_model_is_the_same_whatever_the_number_of_its_readers() {
        let load = |readers, dtype| {
            let load = Tokenizer::load_by(readers, &shipped(), &Device::Cpu, dtype, &mut |_, _| true);
            load.unwrap()
        };
        for dtype in [DType::F32, DType::BF16] {
            let (one, many) = (load(1, dtype), load(MOST_READERS, dtype));
            assert_eq!(one.hash(), many.hash());
            let z = Tensor::rand(-1.0_f32, 1.0, (1, 32, 64), &Device::Cpu).unwrap();
            let picture = |tokenizer: &Tokenizer| -> Vec<f32> {
                let picture = tokenizer.decode(&z, &mut NoHook).unwrap();
                picture.flatten_all().unwrap().to_vec1().unwrap()
            };
            assert_eq!(picture(&one), picture(&many));
        }
    }

    #[test]
    fn many_readers_stop_together_and_name_the_reason() {
        let mut told = 0;
        let stopped = Tokenizer::load_by(MOST_READERS, &shipped(), &Device::Cpu, DType::F32, &mut |_, _| {
            told += 1;
            told < 5
        });
        assert!(matches!(stopped, Err(TokenizerError::Cancelled)));
        assert_eq!(told, 5);
    }
}
