//! A generator whose weights are variables: what it is trained with.

mod composed;
mod modulation;
mod pass;

use super::network::time_code;
use super::{GeneratorArgs, GeneratorClass, GeneratorError, schema};
use crate::tokenizer::by_hand::{Pair, WeightGradients};
use crate::tokenizer::over_rows::shifted;
use crate::tokenizer::{Products, TokenizerError};
use candle_core::backprop::GradStore;
use candle_core::{Result as CandleResult, Tensor};
use pass::{BlockWeights, GeneratorPass};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// Every key of a generator's state dict with its shape, sorted by key.
///
/// # Errors
/// Arguments of which no network can be built, in words.
pub fn generator_shapes(
    args: &GeneratorArgs,
    class: GeneratorClass,
) -> Result<BTreeMap<String, Vec<usize>>, String> {
    args.check()?;
    Ok(schema::expected(args, class))
}

/// A generator to be trained, f32. On the CPU blocks and final layer are one operation with a way back of its own;
/// gradients come from [`Self::backward`] alone. One loss at a time: parts that run side by side need a generator each,
/// built of the same variables.
#[derive(Debug)]
pub struct TrainableGenerator {
    args: GeneratorArgs,
    tensors: HashMap<String, Tensor>,
    blocks: Vec<BlockWeights>,
    gradients: WeightGradients,
}

impl TrainableGenerator {
    /// Builds a generator of variables by state-dict key; a change of a variable is seen by the next pass.
    ///
    /// # Errors
    /// A generator of latent squares, keys that are missing or of another shape.
    pub fn new(
        args: GeneratorArgs,
        class: GeneratorClass,
        tensors: HashMap<String, Tensor>,
    ) -> Result<Self, GeneratorError> {
        let refuse = |reason: String| GeneratorError::Config {
            path: "the given configuration".into(),
            reason,
        };
        let shapes = generator_shapes(&args, class).map_err(refuse)?;
        if !args.vae_1d {
            return Err(refuse(
                "generators of latent squares cannot be trained".to_owned(),
            ));
        }
        for (key, shape) in &shapes {
            let found = tensors.get(key).map(Tensor::dims);
            if found != Some(shape) {
                return Err(refuse(format!("`{key}` is {found:?}, not {shape:?}")));
            }
        }
        let mut generator = Self {
            blocks: Vec::with_capacity(args.depth),
            args,
            tensors,
            gradients: WeightGradients::default(),
        };
        for index in 0..generator.args.depth {
            let block = generator.block(index)?;
            generator.blocks.push(block);
        }
        Ok(generator)
    }

    /// The same generator with other products in the linear layers of its blocks; on the CPU alone.
    #[must_use]
    pub fn with_products(mut self, products: Products) -> Self {
        self.gradients = WeightGradients::new(products);
        self
    }

    fn tensor(&self, key: &str) -> Result<&Tensor, GeneratorError> {
        let missing = || TokenizerError::Input(format!("the tensor `{key}` is missing"));
        Ok(self.tensors.get(key).ok_or_else(missing)?)
    }

    fn pair(&self, layer: &str) -> Result<Pair, GeneratorError> {
        let part = |part: &str| Ok::<_, GeneratorError>(self.tensor(&format!("{layer}.{part}"))?.clone());
        Ok((part("weight")?, part("bias")?))
    }

    fn block(&self, index: usize) -> Result<BlockWeights, GeneratorError> {
        let layer = |name: &str| self.pair(&format!("blocks.{index}.{name}"));
        let query_key_norm = if self.args.qk_norm {
            Some((layer("attn.q_norm")?, layer("attn.k_norm")?))
        } else {
            None
        };
        Ok(BlockWeights {
            qkv: layer("attn.qkv")?,
            query_key_norm,
            proj: layer("attn.proj")?,
            fc1: layer("mlp.fc1")?,
            fc2: layer("mlp.fc2")?,
            modulation: layer("adaLN_modulation.1")?,
        })
    }

    fn linear(&self, layer: &str, x: &Tensor) -> Result<Tensor, GeneratorError> {
        let (weight, bias) = self.pair(layer)?;
        Ok(shifted(&x.matmul(&weight.t()?)?, &bias)?)
    }

    /// SiLU of the sum of time and label embedding, [B, D].
    fn condition(&self, t: &Tensor, labels: &Tensor) -> Result<Tensor, GeneratorError> {
        let time = self.linear("t_embedder.mlp.0", &time_code(t)?)?.silu()?;
        let time = self.linear("t_embedder.mlp.2", &time)?;
        let table = self.tensor("y_embedder.embedding_table.weight")?;
        Ok((time + table.index_select(labels, 0)?)?.silu()?)
    }

    /// The first sequence, [B, L, D].
    fn sequence(&self, x: &Tensor) -> Result<Tensor, GeneratorError> {
        let (batch, length, channels) = x.dims3()?;
        let embedded = self.linear("x_embedder", &x.reshape((batch * length, channels))?)?;
        // Positions are a stored table of sines, which is never trained.
        let positions = self.tensor("pos_embed")?.detach();
        Ok(embedded.reshape((batch, length, ()))?.broadcast_add(&positions)?)
    }

    /// The prediction at latents `x` [B, L, C] f32, times `t` `[B]` f32 and labels `[B]` u32, as
    /// [`super::Generator::forward`] makes it, where the variables are.
    ///
    /// # Errors
    /// Tensors of other shapes.
    pub fn forward(&self, x: &Tensor, t: &Tensor, labels: &Tensor) -> Result<Tensor, GeneratorError> {
        let (pass, condition) = (self.pass()?, self.condition(t, labels)?);
        let sequence = self.sequence(x)?;
        if sequence.device().is_cpu() {
            return Ok(sequence.apply_op2(&condition, pass)?);
        }
        Ok(pass.composed(&sequence, &condition)?)
    }

    fn pass(&self) -> Result<GeneratorPass, GeneratorError> {
        Ok(GeneratorPass {
            blocks: self.blocks.clone(),
            final_modulation: self.pair("final_layer.adaLN_modulation.1")?,
            final_linear: self.pair("final_layer.linear")?,
            heads: self.args.num_heads,
            gradients: self.gradients.clone(),
            saved: OnceLock::new(),
        })
    }

    /// Gradients of a scalar `loss` of this generator's passes, for every variable it was built of and that the loss
    /// depends on.
    ///
    /// # Errors
    /// A failing tensor operation.
    pub fn backward(&self, loss: &Tensor) -> CandleResult<GradStore> {
        let mut store = loss.backward()?;
        self.gradients.move_into(&mut store)?;
        Ok(store)
    }
}
