//! Rotary positions with learned frequencies for each block and head ("mixed"): image tokens are turned by
//! column * fx + row * fy, class and latent tokens stay as they are.

use super::layers::Builder;
use super::{TokenizerError, VitSize};
use candle_core::{D, Tensor};

/// Which tokens of a sequence lie on the picture's grid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Tokens before the first image token.
    pub(super) start: usize,
    /// Image tokens on a side.
    pub(super) side: usize,
    /// Tokens after the last image token.
    pub(super) after: usize,
}

/// Rotations of all blocks.
#[derive(Debug, Clone)]
pub(super) struct Rotary {
    /// [2, depth, heads * head size / 2]: along columns, along rows.
    frequencies: Tensor,
    /// Column and row of every token [T, 1], 0 where a token has no place.
    columns: Tensor,
    rows: Tensor,
    num_heads: usize,
    /// One for each block when the frequencies cannot change.
    ready: Vec<Rotation>,
}

/// What one block does to queries and keys: cosine and sine of every angle [heads, T, head size / 2].
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    cosines: Tensor,
    sines: Tensor,
}

impl Rotary {
    pub(super) fn load(
        builder: &mut Builder<'_>,
        key: &str,
        size: VitSize,
        grid: Grid,
    ) -> Result<Self, TokenizerError> {
        let places = (0..grid.side * grid.side).map(|index| (index % grid.side, index / grid.side));
        let off_grid = |count| std::iter::repeat_n((0, 0), count);
        let places: Vec<(usize, usize)> = off_grid(grid.start)
            .chain(places)
            .chain(off_grid(grid.after))
            .collect();
        let column = |values: Vec<f32>| Tensor::from_vec(values, (places.len(), 1), builder.device);
        let columns = column(places.iter().map(|place| place.0 as f32).collect())?;
        let rows = column(places.iter().map(|place| place.1 as f32).collect())?;
        let mut rotary = Self {
            frequencies: builder.tensor(key)?,
            columns,
            rows,
            num_heads: size.num_heads,
            ready: Vec::new(),
        };
        if builder.is_packed() {
            rotary.ready = (0..size.depth)
                .map(|block| rotary.compute(block))
                .collect::<Result<_, _>>()?;
        }
        Ok(rotary)
    }

    pub(super) fn block(&self, block: usize) -> Result<Rotation, TokenizerError> {
        match self.ready.get(block) {
            Some(rotation) => Ok(rotation.clone()),
            None => self.compute(block),
        }
    }

    fn compute(&self, block: usize) -> Result<Rotation, TokenizerError> {
        let of_axis = |axis: usize| self.frequencies.get(axis)?.get(block)?.unsqueeze(0);
        let angles = (self.columns.matmul(&of_axis(0)?)? + self.rows.matmul(&of_axis(1)?)?)?;
        let (length, width) = angles.dims2()?;
        let angles = angles
            .reshape((length, self.num_heads, width / self.num_heads))?
            .transpose(0, 1)?
            .contiguous()?;
        Ok(Rotation {
            cosines: angles.cos()?,
            sines: angles.sin()?,
        })
    }
}

impl Rotation {
    /// Cosine and sine [heads, T, head size / 2].
    pub(super) fn tables(&self) -> (&Tensor, &Tensor) {
        (&self.cosines, &self.sines)
    }

    /// Turns adjacent pairs of channels of `x` [B, heads, T, head size].
    pub(super) fn apply(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, heads, length, width) = x.dims4()?;
        let pairs = x.contiguous()?.reshape((batch, heads, length, width / 2, 2))?;
        let (first, second) = (
            pairs.narrow(D::Minus1, 0, 1)?.squeeze(D::Minus1)?,
            pairs.narrow(D::Minus1, 1, 1)?.squeeze(D::Minus1)?,
        );
        let turned_first = (first.broadcast_mul(&self.cosines)? - second.broadcast_mul(&self.sines)?)?;
        let turned_second = (first.broadcast_mul(&self.sines)? + second.broadcast_mul(&self.cosines)?)?;
        Tensor::stack(&[turned_first, turned_second], D::Minus1)?.reshape((batch, heads, length, width))
    }
}
