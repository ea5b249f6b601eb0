//! Pixels: reading picture files, fitting them to a model, converting between bytes and network values, writing
//! pictures with their recipe inside. No model, no window.

mod blend;
mod brush;
mod error;
mod export;
mod fit;
mod import;
mod mask;
mod planar;
mod resample;
mod rgb8;
mod rgba8;
mod text;

pub use blend::blend;
pub use brush::Brush;
pub use error::PictureError;
pub use export::{to_apng, to_gif, to_jpeg, to_png};
pub use fit::{Fit, fit, scaled_crop, shrink_to_shorter_side, thumbnail};
pub use import::{MAX_DECODED_BYTES, MAX_PIXELS, from_bytes, open, open_rgba};
pub use mask::Mask;
pub use planar::Planar;
pub use rgb8::Rgb8;
pub use rgba8::Rgba8;
pub use text::embedded_text;
