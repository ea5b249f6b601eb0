use super::PictureError;

/// Bytes per pixel.
pub(super) const CHANNELS: usize = 3;

/// An 8-bit RGB picture, rows from the top, channels interleaved; `data.len() == 3 * width * height`, both sides >= 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb8 {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

/// An error when a side is 0 or `found` values are not those of a picture, `3 * width * height`.
pub(super) fn check_length(width: u32, height: u32, found: usize) -> Result<(), PictureError> {
    let expected = (u64::from(width) * u64::from(height)).saturating_mul(CHANNELS as u64);
    if expected == 0 {
        return Err(PictureError::ZeroSize {
            name: "the picture".to_owned(),
            width,
            height,
        });
    }
    if expected != found as u64 {
        return Err(PictureError::BufferLength {
            width,
            height,
            expected,
            found,
        });
    }
    Ok(())
}

impl Rgb8 {
    /// An error when a side is 0 or `data` is not `3 * width * height` bytes.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Result<Self, PictureError> {
        check_length(width, height, data.len())?;
        Ok(Self { width, height, data })
    }

    /// One colour all over; a side of 0 becomes 1.
    pub fn filled(width: u32, height: u32, colour: [u8; 3]) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self {
            width,
            height,
            data: colour.repeat(width as usize * height as usize),
        }
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Interleaved RGB bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }

    /// Interleaved RGB bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.data
    }

    /// The colours, row by row from the top left.
    pub fn pixels(&self) -> &[[u8; 3]] {
        self.data.as_chunks().0
    }

    /// The colours, row by row from the top left, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [[u8; 3]] {
        self.data.as_chunks_mut().0
    }

    /// Left becomes right.
    pub fn flip(&mut self) {
        let width = self.width as usize;
        self.pixels_mut()
            .chunks_exact_mut(width)
            .for_each(<[[u8; 3]]>::reverse);
    }

    /// The colour at column `x`, row `y`, or `None` outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        let is_inside = x < self.width && y < self.height;
        is_inside
            .then(|| {
                self.pixels()
                    .get(y as usize * self.width as usize + x as usize)
                    .copied()
            })
            .flatten()
    }

    /// Puts `other` with its top left corner at column `x`, row `y`; what lies outside is cut off.
    pub fn paste(&mut self, other: &Self, x: u32, y: u32) {
        let columns = other.width.min(self.width.saturating_sub(x)) as usize * CHANNELS;
        let start = x as usize * CHANNELS;
        let rows = self
            .data
            .chunks_exact_mut(self.width as usize * CHANNELS)
            .skip(y as usize);
        for (row, source) in rows.zip(other.data.chunks_exact(other.width as usize * CHANNELS)) {
            if let (Some(row), Some(source)) = (row.get_mut(start..start + columns), source.get(..columns)) {
                row.copy_from_slice(source);
            }
        }
    }
}
