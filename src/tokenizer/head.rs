//! From image tokens to pixels: the reference's three pixel heads.

use super::layers::{After, Builder, Linear, RowChange};
use super::{Math, ModelArgs, TokenizerError};
use candle_core::Tensor;

const PREFIX: &str = "decoder.to_pixel.model";

/// The convolutional head's layers: index in the reference's sequence, output channels, kernel side. Every layer but
/// the last is followed by a ReLU and a doubling of both sides.
pub(super) const CONV_LAYERS: [(usize, usize, usize); 5] =
    [(1, 128, 1), (4, 64, 3), (7, 32, 3), (10, 16, 3), (13, 3, 3)];
/// What the convolutional head enlarges by, whatever the patch size: four doublings.
pub(super) const CONV_ENLARGEMENT: usize = 16;

/// Frequency of the sine layers.
const SIREN_OMEGA: f64 = 30.0;

#[derive(Debug, Clone)]
pub(super) enum PixelHead {
    /// One linear layer from a token to its patch.
    Linear {
        linear: Linear,
        patch_size: usize,
        /// Whether the packed rows are ordered (channel, row, column) instead of the reference's (row, column,
        /// channel): the picture is then put together from runs of a patch's width.
        is_channel_first: bool,
    },
    /// A 1 x 1 layer, then nearest-neighbour doublings with 3 x 3 convolutions.
    Conv { first: Linear, others: Vec<Convolution> },
    /// Two sine layers; each token becomes one run of pixels of the flattened planes.
    Siren {
        first: Linear,
        second: Linear,
        image_size: usize,
    },
}

/// A 3 x 3 convolution with padding 1.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    weight: Tensor,
    bias: Tensor,
}

impl Convolution {
    fn load(builder: &mut Builder<'_>, layer: usize) -> Result<Self, TokenizerError> {
        let bias = builder.tensor(&format!("{PREFIX}.{layer}.bias"))?;
        Ok(Self {
            weight: builder.tensor(&format!("{PREFIX}.{layer}.weight"))?,
            bias: bias.reshape((1, bias.elem_count(), 1, 1))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, TokenizerError> {
        Ok(x.conv2d(&self.weight, 1, 1, 1, 1)?.broadcast_add(&self.bias)?)
    }
}

impl PixelHead {
    pub(super) fn load(builder: &mut Builder<'_>, args: &ModelArgs) -> Result<Self, TokenizerError> {
        match args.to_pixel.as_str() {
            "conv" => {
                let [(first, ..), others @ ..] = CONV_LAYERS;
                Ok(Self::Conv {
                    first: builder.linear(&format!("{PREFIX}.{first}"), RowChange::None)?,
                    others: others
                        .iter()
                        .map(|(layer, ..)| Convolution::load(builder, *layer))
                        .collect::<Result<_, _>>()?,
                })
            }
            "siren" => Ok(Self::Siren {
                first: builder.linear(&format!("{PREFIX}.0.linear"), RowChange::None)?,
                second: builder.linear(&format!("{PREFIX}.1.linear"), RowChange::None)?,
                image_size: args.image_size,
            }),
            _ => {
                let patch_size = args.dec_patch_size;
                let pixels = patch_size * patch_size;
                let order: Vec<usize> = (0..3)
                    .flat_map(|channel| (0..pixels).map(move |pixel| 3 * pixel + channel))
                    .collect();
                Ok(Self::Linear {
                    linear: builder.linear(PREFIX, RowChange::Order(&order))?,
                    patch_size,
                    is_channel_first: builder.is_packed(),
                })
            }
        }
    }

    /// Image tokens [B, N, D] to [B, 3, H, W].
    pub(super) fn forward(&self, tokens: &Tensor, math: Math) -> Result<Tensor, TokenizerError> {
        let (batch, count, _) = tokens.dims3()?;
        let side = count.isqrt();
        match self {
            Self::Linear {
                linear,
                patch_size,
                is_channel_first,
            } => {
                let patch = *patch_size;
                let vectors = linear.forward(tokens, math, After::Nothing)?;
                let planes = if *is_channel_first {
                    vectors
                        .reshape((batch, side, side, 3, patch, patch))?
                        .permute((0, 3, 1, 4, 2, 5))?
                } else {
                    vectors
                        .reshape((batch, side, side, patch, patch, 3))?
                        .permute((0, 5, 1, 3, 2, 4))?
                };
                Ok(planes.reshape((batch, 3, side * patch, side * patch))?)
            }
            Self::Conv { first, others } => {
                let x = first.forward(tokens, math, After::Nothing)?;
                let mut x = x.transpose(1, 2)?.reshape((batch, (), side, side))?;
                for convolution in others {
                    let (height, width) = (x.dim(2)?, x.dim(3)?);
                    x = convolution.forward(&x.relu()?.upsample_nearest2d(2 * height, 2 * width)?)?;
                }
                Ok(x)
            }
            Self::Siren {
                first,
                second,
                image_size,
            } => {
                let sine = |layer: &Linear, x: &Tensor| -> Result<Tensor, TokenizerError> {
                    Ok((layer.forward(x, math, After::Nothing)? * SIREN_OMEGA)?.sin()?)
                };
                let pixels = sine(second, &sine(first, tokens)?)?;
                Ok(pixels.reshape((batch, 3, *image_size, *image_size))?)
            }
        }
    }
}
