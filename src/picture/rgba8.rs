use super::rgb8::CHANNELS;
use super::{PictureError, Rgb8};

/// An 8-bit picture with alpha, rows from the top, channels interleaved, colours not multiplied by alpha.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgba8 {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Rgba8 {
    /// An error when a side is 0 or `data` is not `4 * width * height` bytes.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, PictureError> {
        let expected = (u64::from(width) * u64::from(height)).saturating_mul(CHANNELS as u64 + 1);
        if expected == 0 {
            return Err(PictureError::ZeroSize {
                name: "the picture".to_owned(),
                width,
                height,
            });
        }
        if expected != data.len() as u64 {
            return Err(PictureError::BufferLength {
                width,
                height,
                expected,
                found: data.len(),
            });
        }
        Ok(Self { width, height, data })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Red, green, blue and alpha, row by row from the top left.
    pub fn pixels(&self) -> &[[u8; 4]] {
        self.data.as_chunks().0
    }

    /// The colours alone where every pixel is opaque; else the picture back.
    pub fn into_opaque(self) -> Result<Rgb8, Self> {
        if self.pixels().iter().any(|pixel| pixel[CHANNELS] != u8::MAX) {
            return Err(self);
        }
        let colours = self
            .pixels()
            .iter()
            .flat_map(|[red, green, blue, _]| [*red, *green, *blue])
            .collect();
        Rgb8::new(self.width, self.height, colours).map_err(|_| self)
    }
}
