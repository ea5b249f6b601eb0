use super::rgb8::{CHANNELS, check_length};
use super::{PictureError, Rgb8};

/// Network values of one picture: [3, H, W] f32, about -1..1, not clamped.
#[derive(Debug, Clone, PartialEq)]
pub struct Planar {
    /// W.
    pub width: u32,
    /// H.
    pub height: u32,
    /// 3 x H x W values: the red plane, the green, the blue, rows from the top.
    pub data: Vec<f32>,
}

impl Planar {
    /// An error when a side is 0 or `data` is not `3 * width * height` values.
    pub fn new(width: u32, height: u32, data: Vec<f32>) -> Result<Self, PictureError> {
        check_length(width, height, data.len())?;
        Ok(Self { width, height, data })
    }

    /// (u8/255 - 0.5)/0.5
    pub fn from_rgb8(picture: &Rgb8) -> Self {
        let area = picture.pixels().len();
        let mut data = Vec::with_capacity(area * CHANNELS);
        for channel in 0..CHANNELS {
            let plane = picture.as_bytes().iter().skip(channel).step_by(CHANNELS);
            data.extend(plane.map(|byte| (f32::from(*byte) / 255.0 - 0.5) / 0.5));
        }
        Self {
            width: picture.width(),
            height: picture.height(),
            data,
        }
    }

    /// clamp(127.5 v + 128, 0, 255) truncated: the reference's reconstruction convention.
    pub fn to_rgb8(&self) -> Rgb8 {
        self.to_bytes(|value| 127.5 * value + 128.0)
    }

    /// clamp to -1..1, (v+1)/2 * 255 truncated: the reference's generation convention.
    pub fn to_rgb8_generation(&self) -> Rgb8 {
        self.to_bytes(|value| (value.clamp(-1.0, 1.0) + 1.0) / 2.0 * 255.0)
    }

    /// clamp((0.5 v + 0.5) * 255, 0, 255) truncated: what the reference's notebooks show.
    pub fn to_rgb8_notebook(&self) -> Rgb8 {
        self.to_bytes(|value| (0.5 * value + 0.5) * 255.0)
    }

    /// Clamps to 0..255 and truncates what `scale` gives; NaN and values missing from `data` become 0.
    fn to_bytes(&self, scale: impl Fn(f32) -> f32) -> Rgb8 {
        let area = self.width as usize * self.height as usize;
        let mut picture = Rgb8::filled(self.width, self.height, [0; CHANNELS]).into_bytes();
        for (channel, plane) in self.data.chunks(area.max(1)).take(CHANNELS).enumerate() {
            for (byte, value) in picture.iter_mut().skip(channel).step_by(CHANNELS).zip(plane) {
                // A cast from a float saturates and truncates.
                *byte = scale(*value) as u8;
            }
        }
        Rgb8::new(self.width, self.height, picture)
            .unwrap_or_else(|_| Rgb8::filled(self.width, self.height, [0; CHANNELS]))
    }
}
