//! Pictures and animations to the bytes of files. The same input gives the same bytes.

use super::text::{check_keyword, text_segments};
use super::{PictureError, Rgb8};
use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::jpeg::JpegEncoder;
use image::{Delay, DynamicImage, ExtendedColorType, Frame, RgbImage};
use img_parts::jpeg::{Jpeg, markers};
use png::text_metadata::ITXtChunk;

/// NeuQuant's sampling factor: every tenth pixel trains a frame's palette, ten times as fast as all, hardly worse.
const GIF_QUANTISER_SPEED: i32 = 10;
/// Browsers show GIF frames of a shorter delay at a tenth of a second.
const GIF_MIN_FRAME_MS: u16 = 20;

/// PNG bytes of a picture with text chunks (`keyword`, `text`), as compressed iTXt. Deterministic.
pub fn to_png(picture: &Rgb8, text: &[(&str, &str)]) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    write_png(&mut bytes, std::slice::from_ref(picture), None, text).map_err(|error| error.of("PNG"))?;
    Ok(bytes)
}

/// JPEG bytes (quality 1..=100) with application segments (`keyword`, `text`) split over as many APP15 segments as
/// needed. Deterministic, full chroma resolution.
pub fn to_jpeg(picture: &Rgb8, quality: u8, text: &[(&str, &str)]) -> Result<Vec<u8>, PictureError> {
    if !(1..=100).contains(&quality) {
        return Err(PictureError::Quality { quality });
    }
    let fail = |reason: String| PictureError::Encode {
        format: "JPEG",
        reason,
    };
    let mut plain = Vec::new();
    JpegEncoder::new_with_quality(&mut plain, quality)
        .encode(
            picture.as_bytes(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .map_err(|error| fail(error.to_string()))?;
    if text.is_empty() {
        return Ok(plain);
    }
    let mut jpeg = Jpeg::from_bytes(plain.into()).map_err(|error| fail(error.to_string()))?;
    let mut segments = Vec::new();
    for (keyword, text) in text {
        segments.extend(text_segments(keyword, text)?);
    }
    // After the JFIF header, which must come first.
    let is_header = |marker: u8| marker == markers::APP0;
    let place = jpeg
        .segments()
        .iter()
        .take_while(|segment| is_header(segment.marker()))
        .count();
    jpeg.segments_mut().splice(place..place, segments);
    Ok(jpeg.encoder().bytes().to_vec())
}

/// An endless animation of equally sized frames, 256 colours a frame. Delays are kept to 10 ms, 20 ms at least.
pub fn to_gif(frames: &[Rgb8], frame_ms: u16) -> Result<Vec<u8>, PictureError> {
    check_frames(frames)?;
    let fail = |reason: String| PictureError::Encode {
        format: "GIF",
        reason,
    };
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, GIF_QUANTISER_SPEED);
    encoder
        .set_repeat(Repeat::Infinite)
        .map_err(|error| fail(error.to_string()))?;
    let delay = Delay::from_numer_denom_ms(frame_ms.max(GIF_MIN_FRAME_MS).into(), 1);
    for frame in frames {
        let pixels = RgbImage::from_raw(frame.width(), frame.height(), frame.as_bytes().to_vec())
            .ok_or_else(|| fail("the frame has the wrong length".to_owned()))?;
        let pixels = DynamicImage::ImageRgb8(pixels).into_rgba8();
        encoder
            .encode_frame(Frame::from_parts(pixels, 0, 0, delay))
            .map_err(|error| fail(error.to_string()))?;
    }
    drop(encoder);
    Ok(bytes)
}

/// The same as an animated PNG, lossless.
pub fn to_apng(frames: &[Rgb8], frame_ms: u16) -> Result<Vec<u8>, PictureError> {
    check_frames(frames)?;
    let mut bytes = Vec::new();
    write_png(&mut bytes, frames, Some(frame_ms), &[]).map_err(|error| error.of("APNG"))?;
    Ok(bytes)
}

/// What a PNG writer can fail with, before it is known what was being written.
enum PngError {
    Encoding(png::EncodingError),
    Picture(PictureError),
}

impl PngError {
    fn of(self, format: &'static str) -> PictureError {
        match self {
            Self::Encoding(error) => PictureError::Encode {
                format,
                reason: error.to_string(),
            },
            Self::Picture(error) => error,
        }
    }
}

impl From<png::EncodingError> for PngError {
    fn from(error: png::EncodingError) -> Self {
        Self::Encoding(error)
    }
}

/// Writes frames of one size; `frame_ms` makes them an animation.
fn write_png(
    bytes: &mut Vec<u8>,
    frames: &[Rgb8],
    frame_ms: Option<u16>,
    text: &[(&str, &str)],
) -> Result<(), PngError> {
    let first = frames.first().ok_or(PngError::Picture(PictureError::NoFrames))?;
    let mut encoder = png::Encoder::new(bytes, first.width(), first.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    if let Some(frame_ms) = frame_ms {
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        encoder.set_animated(count, 0)?;
        encoder.set_frame_delay(frame_ms, 1000)?;
    }
    let mut writer = encoder.write_header()?;
    for (keyword, text) in text {
        check_keyword(keyword).map_err(PngError::Picture)?;
        let mut chunk = ITXtChunk::new(*keyword, *text);
        chunk.compressed = true;
        writer.write_text_chunk(&chunk)?;
    }
    for frame in frames {
        writer.write_image_data(frame.as_bytes())?;
    }
    writer.finish()?;
    Ok(())
}

fn check_frames(frames: &[Rgb8]) -> Result<(), PictureError> {
    let first = frames.first().ok_or(PictureError::NoFrames)?;
    let (expected_width, expected_height) = (first.width(), first.height());
    for (frame, picture) in frames.iter().enumerate() {
        let (width, height) = (picture.width(), picture.height());
        if (width, height) != (expected_width, expected_height) {
            return Err(PictureError::FrameSize {
                frame,
                width,
                height,
                expected_width,
                expected_height,
            });
        }
    }
    Ok(())
}
