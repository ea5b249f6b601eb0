//! Blocks and final layer of candle's operations, which find their own way back: for devices other than the CPU.

use super::modulation::{ATTENTION, MLP, Place};
use super::pass::{BlockWeights, FINAL, GeneratorPass};
use crate::generator::network::{NORM_EPS, QK_NORM_EPS};
use crate::tokenizer::by_hand::Pair;
use crate::tokenizer::over_rows::{over_tokens, shifted};
use candle_core::{D, Result, Tensor};
use candle_nn::ops;

/// What the condition makes of a block: [B, parts D].
struct Modulation {
    values: Tensor,
    width: usize,
}

impl Modulation {
    /// One part for every token of a sequence like `x` [B, T, D].
    fn over_tokens(&self, part: usize, x: &Tensor) -> Result<Tensor> {
        let part = self.values.narrow(1, part * self.width, self.width)?;
        over_tokens(&part.unsqueeze(1)?.contiguous()?, x.dim(1)?)
    }

    /// The norm of `x` [B, T, D], scaled and shifted.
    fn apply(&self, x: &Tensor, place: Place) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + f64::from(NORM_EPS))?.sqrt()?)?;
        let scale = self.over_tokens(place.scale, x)?;
        (&normed + (&normed * scale)?)? + self.over_tokens(place.shift, x)?
    }
}

/// `x` [B, T, in] to [B, T, out].
fn linear(x: &Tensor, (weight, bias): &Pair) -> Result<Tensor> {
    let (batch, length, inputs) = x.dims3()?;
    let rows = x.reshape((batch * length, inputs))?;
    let product = shifted(&rows.matmul(&weight.t()?)?, bias)?;
    product.reshape((batch, length, ()))
}

impl BlockWeights {
    fn composed(&self, x: &Tensor, condition: &Tensor, heads: usize) -> Result<Tensor> {
        let modulation = modulation(condition, &self.modulation, x.dim(D::Minus1)?)?;
        let mixed = self.composed_attention(&modulation.apply(x, ATTENTION)?, heads)?;
        let projected = linear(&mixed, &self.proj)?;
        let x = (x + (projected * modulation.over_tokens(ATTENTION.gate, x)?)?)?;
        // candle's `gelu` is the tanh approximation, as the reference has it here.
        let hidden = linear(&modulation.apply(&x, MLP)?, &self.fc1)?.gelu()?;
        let fed = linear(&hidden, &self.fc2)?;
        &x + (fed * modulation.over_tokens(MLP.gate, &x)?)?
    }

    /// [B, T, D] to mixed values [B, T, D].
    fn composed_attention(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        let (batch, length, width) = x.dims3()?;
        let head_dim = width / heads.max(1);
        let qkv = linear(x, &self.qkv)?.reshape((batch, length, 3, heads, head_dim))?;
        let part = |part: usize| qkv.narrow(2, part, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (mut query, mut key) = (part(0)?, part(1)?);
        if let Some((query_norm, key_norm)) = &self.query_key_norm {
            query = ops::layer_norm_slow(&query, &query_norm.0, &query_norm.1, QK_NORM_EPS)?;
            key = ops::layer_norm_slow(&key, &key_norm.0, &key_norm.1, QK_NORM_EPS)?;
        }
        let query = (query * (head_dim as f64).powf(-0.5))?;
        let scores = query.matmul(&key.transpose(2, 3)?.contiguous()?)?;
        let mixed = ops::softmax(&scores, D::Minus1)?.matmul(&part(2)?)?;
        mixed.transpose(1, 2)?.reshape((batch, length, width))
    }
}

fn modulation(condition: &Tensor, (weight, bias): &Pair, width: usize) -> Result<Modulation> {
    let values = shifted(&condition.matmul(&weight.t()?)?, bias)?;
    Ok(Modulation { values, width })
}

impl GeneratorPass {
    /// Sequences [B, T, D] and conditions [B, D] (after SiLU) to predictions [B, T, outputs].
    pub(super) fn composed(&self, sequence: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let mut x = sequence.clone();
        for block in &self.blocks {
            x = block.composed(&x, condition, self.heads)?;
        }
        let modulation = modulation(condition, &self.final_modulation, x.dim(D::Minus1)?)?;
        linear(&modulation.apply(&x, FINAL)?, &self.final_linear)
    }
}

#[cfg(test)]
mod tests {
    use crate::generator::{GeneratorArgs, GeneratorClass, TrainableGenerator, generator_shapes};
    use candle_core::{Device, Tensor, Var};
    use std::collections::HashMap;

    fn waves(shape: &[usize], rate: f64, size: f64) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|i| ((i as f64 * rate).sin() * size) as f32)
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn close(a: &Tensor, b: &Tensor, what: &str) {
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (a, b) = (values(a), values(b));
        let size = a.iter().fold(0.0_f32, |top, value| top.max(value.abs()));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= 2e-5 * (size + 1e-3), "{what}: {a} and {b}");
        }
    }

    #[test]
    fn candles_operations_give_the_same_prediction_and_gradients() {
        for qk_norm in [false, true] {
            let args: GeneratorArgs = serde_json::from_value(serde_json::json!({
                "input_size": 4, "in_channels": 6, "hidden_size": 24, "depth": 2, "num_heads": 3, "mlp_ratio": 2.0,
                "num_classes": 5, "qk_norm": qk_norm,
            }))
            .unwrap();
            let shapes = generator_shapes(&args, GeneratorClass::Sit).unwrap();
            let vars: HashMap<String, Var> = (1..)
                .zip(&shapes)
                .map(|(index, (key, shape))| {
                    let tensor = waves(shape, 0.37 + f64::from(index) * 0.11, 0.3);
                    (key.clone(), Var::from_tensor(&tensor).unwrap())
                })
                .collect();
            let tensors = vars
                .iter()
                .map(|(key, var)| (key.clone(), var.as_tensor().clone()))
                .collect();
            let generator = TrainableGenerator::new(args.clone(), GeneratorClass::Sit, tensors).unwrap();
            let x = waves(&args.latent_shape(2), 0.9, 1.0);
            let t = Tensor::new(&[0.2_f32, 0.7], &Device::Cpu).unwrap();
            let labels = Tensor::new(&[1_u32, 3], &Device::Cpu).unwrap();
            let by_hand = generator.forward(&x, &t, &labels).unwrap();
            let condition = generator.condition(&t, &labels).unwrap();
            let sequence = generator.sequence(&x).unwrap();
            let composed = generator.pass().unwrap().composed(&sequence, &condition).unwrap();
            close(&by_hand, &composed, "prediction");
            let loss = |prediction: &Tensor| prediction.sqr().unwrap().mean_all().unwrap();
            let expected = generator.backward(&loss(&by_hand)).unwrap();
            let found = loss(&composed).backward().unwrap();
            let mut compared = 0;
            for (key, var) in &vars {
                if let Some(expected) = expected.get(var) {
                    close(expected, found.get(var).unwrap(), key);
                    compared += 1;
                }
            }
            assert!(compared > 2 * 8, "{compared} gradients");
        }
    }
}
