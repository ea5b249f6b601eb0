//! Pictures of any shape to a model's square, and to thumbnails.

use super::Rgb8;
use super::resample::{Filter, Side, resample};

/// Ground of [`Fit::Pad`]: mid grey, the network's 0.
const PAD_GREY: [u8; 3] = [128; 3];

/// How a picture of any shape becomes a model's square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Box halving, bicubic, centre crop: the reference's evaluation crop.
    #[default]
    Crop,
    /// Bicubic to the square, aspect ratio lost (the reference's notebooks).
    Stretch,
    /// Bicubic so that the longer side fits, centred on mid grey.
    Pad,
}

/// Fits `picture` to a `side` x `side` square (a side of 0 counts as 1), bit for bit as Pillow does it in the
/// reference.
pub fn fit(picture: &Rgb8, side: u32, fit: Fit) -> Rgb8 {
    let side = side.max(1);
    match fit {
        Fit::Crop => centre_crop(picture, side),
        Fit::Stretch => resize(picture, side, side),
        Fit::Pad => {
            let (width, height) = scaled_size(picture, side);
            let mut square = Rgb8::filled(side, side, PAD_GREY);
            square.paste(
                &resize(picture, width, height),
                (side - width) / 2,
                (side - height) / 2,
            );
            square
        }
    }
}

/// A thumbnail whose longer side is at most `side`; a smaller picture stays as it is.
pub fn thumbnail(picture: &Rgb8, side: u32) -> Rgb8 {
    let side = side.max(1);
    if picture.width().max(picture.height()) <= side {
        return picture.clone();
    }
    let (width, height) = scaled_size(picture, side);
    let small = halve_while(picture, |width, height| {
        width.max(height) >= side.saturating_mul(4)
    });
    resize(small.as_ref().unwrap_or(picture), width, height)
}

/// A picture whose shorter side is at most `side`; a smaller one stays as it is.
pub fn shrink_to_shorter_side(picture: Rgb8, side: u32) -> Rgb8 {
    let shorter = picture.width().min(picture.height());
    if shorter <= side {
        return picture;
    }
    let scale = f64::from(side) / f64::from(shorter);
    let scaled = |length: u32| ((f64::from(length) * scale).round_ties_even() as u32).max(1);
    resize(&picture, scaled(picture.width()), scaled(picture.height()))
}

/// A `side` x `side` crop that covers the part `covered` (above 0, up to 1) of the shorter side, at `place` (across and
/// down, 0..1 of the room there is): the reference's augmentation.
pub fn scaled_crop(picture: &Rgb8, side: u32, covered: f64, place: [f64; 2]) -> Rgb8 {
    let side = side.max(1);
    let shorter = f64::from(picture.width().min(picture.height()));
    let scale = f64::from(side) / (shorter * covered.clamp(f64::MIN_POSITIVE, 1.0));
    let part = |length: u32, place: f64| {
        let whole = ((f64::from(length) * scale).round_ties_even() as u64).max(side.into());
        let room = whole - u64::from(side);
        let offset = ((place.clamp(0.0, 1.0) * (room + 1) as f64) as u64).min(room);
        Side {
            whole,
            wanted: offset..offset + u64::from(side),
        }
    };
    let [across, down] = place;
    resample(
        picture,
        &part(picture.width(), across),
        &part(picture.height(), down),
        Filter::Bicubic,
    )
}

fn centre_crop(picture: &Rgb8, side: u32) -> Rgb8 {
    let small = halve_while(picture, |width, height| {
        width.min(height) >= side.saturating_mul(2)
    });
    let picture = small.as_ref().unwrap_or(picture);
    let shorter = picture.width().min(picture.height());
    let scale = f64::from(side) / f64::from(shorter);
    // The shorter side is `side` by definition; rounding must not make it less where the product falls short.
    let scaled = |length: u32| ((f64::from(length) * scale).round_ties_even() as u64).max(side.into());
    let columns = Side::middle(scaled(picture.width()), side);
    let rows = Side::middle(scaled(picture.height()), side);
    resample(picture, &columns, &rows, Filter::Bicubic)
}

/// Halves both sides by box averages for as long as `is_large` holds of them and a side is left to halve; `None` when
/// it does not hold at the start.
fn halve_while(picture: &Rgb8, is_large: impl Fn(u32, u32) -> bool) -> Option<Rgb8> {
    let mut halved: Option<Rgb8> = None;
    loop {
        let current = halved.as_ref().unwrap_or(picture);
        let (width, height) = (current.width(), current.height());
        if !is_large(width, height) || width.min(height) < 2 {
            return halved;
        }
        halved = Some(resample(
            current,
            &Side::whole(width / 2),
            &Side::whole(height / 2),
            Filter::Box,
        ));
    }
}

/// The size at which the longer side is `side` and the shape stays.
fn scaled_size(picture: &Rgb8, side: u32) -> (u32, u32) {
    let scale = f64::from(side) / f64::from(picture.width().max(picture.height()));
    let scaled = |length: u32| ((f64::from(length) * scale).round_ties_even() as u32).clamp(1, side);
    (scaled(picture.width()), scaled(picture.height()))
}

fn resize(picture: &Rgb8, width: u32, height: u32) -> Rgb8 {
    resample(
        picture,
        &Side::whole(width),
        &Side::whole(height),
        Filter::Bicubic,
    )
}
