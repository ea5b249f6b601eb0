//! Edges that a picture has between its patches and the original has not.

use candle_core::{Result, Tensor};

/// Mean absolute difference, across plus down, of the steps that `found` and `wanted`, both `[B, 3, H, W]`, take from a
/// patch of `patch` pixels to the next. A decoder whose patches err each on its own shows them as a grid, however small the
/// errors are; pixels inside a patch do not count. 0 where there is one patch only.
///
/// # Errors
/// Other shapes, sides that are no multiples of `patch`.
pub fn seam_term(found: &Tensor, wanted: &Tensor, patch: usize) -> Result<Tensor> {
    let error = (found - wanted)?;
    let (pictures, channels, height, width) = error.dims4()?;
    let across = error.reshape((pictures * channels * height, width / patch, patch, 1))?;
    let down = error.reshape((pictures * channels, height / patch, patch, width))?;
    steps_between_patches(&across)? + steps_between_patches(&down)?
}

/// Of [rows, patches, pixels of a patch, columns]: mean |first of the next - last of this|.
fn steps_between_patches(error: &Tensor) -> Result<Tensor> {
    let (_, patches, pixels, _) = error.dims4()?;
    if patches < 2 {
        return Tensor::zeros((), error.dtype(), error.device());
    }
    let last = error.narrow(1, 0, patches - 1)?.narrow(2, pixels - 1, 1)?;
    let first = error.narrow(1, 1, patches - 1)?.narrow(2, 0, 1)?;
    (first - last)?.abs()?.mean_all()
}
