//! Picture files of any kind to 8-bit RGB.

use super::text::jpeg_is_complete;
use super::{PictureError, Rgb8, Rgba8};
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::{Cursor, Read};
use std::path::Path;

/// Pictures of more pixels are refused.
pub const MAX_PIXELS: u64 = 200_000_000;
/// Pictures that take more bytes than this when decoded are refused, and so are larger files.
pub const MAX_DECODED_BYTES: u64 = 1 << 30;

const MEGA: u64 = 1 << 20;

/// Reads a picture file (PNG, JPEG, WebP, GIF, BMP, TIFF; EXIF orientation applied, alpha over white, 16 bit to 8, the
/// first frame of an animation).
pub fn open(path: &Path) -> Result<Rgb8, PictureError> {
    let name = path.display().to_string();
    let bytes = read_file(path).map_err(|error| error.named(&name))?;
    from_bytes(&bytes, &name)
}

/// Reads a picture file with its alpha channel; one without is opaque all over.
pub fn open_rgba(path: &Path) -> Result<Rgba8, PictureError> {
    let name = path.display().to_string();
    let bytes = read_file(path).map_err(|error| error.named(&name))?;
    let image = image_from_bytes(&bytes, &name)?;
    Rgba8::new(image.width(), image.height(), image.into_rgba8().into_raw())
}

/// Reads a picture from the bytes of a file; `name` is for messages.
pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Rgb8, PictureError> {
    let image = over_white(image_from_bytes(bytes, name)?);
    Rgb8::new(image.width(), image.height(), image.into_raw())
}

fn image_from_bytes(bytes: &[u8], name: &str) -> Result<DynamicImage, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty {
            name: name.to_owned(),
        });
    }
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|source| PictureError::Unreadable {
            name: name.to_owned(),
            source,
        })?;
    let Some(format) = reader.format() else {
        return Err(PictureError::UnknownFormat {
            name: name.to_owned(),
        });
    };
    // The JPEG decoder fills what is missing with grey instead of failing.
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err(damaged(name, "the file breaks off before the end of the picture"));
    }
    decode(reader, name)
}

enum ReadError {
    NotAFile,
    TooLarge(u64),
    Io(std::io::Error),
}

impl ReadError {
    fn named(self, name: &str) -> PictureError {
        let name = name.to_owned();
        match self {
            Self::NotAFile => PictureError::NotAFile { name },
            Self::TooLarge(bytes) => PictureError::FileTooLarge {
                name,
                megabytes: bytes / MEGA,
                max_megabytes: MAX_DECODED_BYTES / MEGA,
            },
            Self::Io(source) => PictureError::Unreadable { name, source },
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, ReadError> {
    // Asked before opening: opening a pipe would wait for a writer.
    let facts = std::fs::metadata(path).map_err(ReadError::Io)?;
    if !facts.is_file() {
        return Err(ReadError::NotAFile);
    }
    if facts.len() > MAX_DECODED_BYTES {
        return Err(ReadError::TooLarge(facts.len()));
    }
    let mut bytes = Vec::with_capacity(facts.len() as usize);
    let file = std::fs::File::open(path).map_err(ReadError::Io)?;
    file.take(MAX_DECODED_BYTES)
        .read_to_end(&mut bytes)
        .map_err(ReadError::Io)?;
    Ok(bytes)
}

fn decode(mut reader: ImageReader<Cursor<&[u8]>>, name: &str) -> Result<DynamicImage, PictureError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| explain(error, name))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(PictureError::ZeroSize {
            name: name.to_owned(),
            width,
            height,
        });
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || decoder.total_bytes() > MAX_DECODED_BYTES {
        return Err(too_large(name, width, height));
    }
    // A picture whose EXIF block is damaged is still a picture.
    let orientation = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| match error {
        ImageError::Limits(_) => too_large(name, width, height),
        error => explain(error, name),
    })?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    Ok(image)
}

/// Opaque pixels; transparent ones mixed with white in proportion to their alpha.
fn over_white(image: DynamicImage) -> image::RgbImage {
    if !image.color().has_alpha() {
        return match image.color() {
            ColorType::Rgb8 | ColorType::L8 => image.into_rgb8(),
            _ => DynamicImage::ImageRgb8(image.to_rgb8()).into_rgb8(),
        };
    }
    let transparent = image.into_rgba8();
    let mut opaque = image::RgbImage::new(transparent.width(), transparent.height());
    for (out, pixel) in opaque.pixels_mut().zip(transparent.pixels()) {
        let [red, green, blue, alpha] = pixel.0;
        out.0 = [red, green, blue].map(|value| mix_with_white(value, alpha));
    }
    opaque
}

fn mix_with_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    // At most 255 * 255 + 127, divided by 255.
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn too_large(name: &str, width: u32, height: u32) -> PictureError {
    PictureError::TooLarge {
        name: name.to_owned(),
        width,
        height,
        max_megapixels: MAX_PIXELS / 1_000_000,
        max_megabytes: MAX_DECODED_BYTES / MEGA,
    }
}

fn damaged(name: &str, reason: &str) -> PictureError {
    PictureError::Damaged {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

fn explain(error: ImageError, name: &str) -> PictureError {
    match error {
        ImageError::Unsupported(error) => PictureError::Unsupported {
            name: name.to_owned(),
            reason: error.to_string(),
        },
        ImageError::Limits(error) => PictureError::Unsupported {
            name: name.to_owned(),
            reason: error.to_string(),
        },
        error => damaged(name, &error.to_string()),
    }
}
