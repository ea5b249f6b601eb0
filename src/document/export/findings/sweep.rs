//! A picture from soft to hard, as files.

use super::text;
use crate::analysis::compare;
use crate::document::{DocumentError, contact_sheet};
use crate::engine::{Sharpness, SweptPicture};
use crate::picture::{self, Rgb8};

/// A picture from soft to hard.
#[derive(Debug, Clone)]
pub struct SweepSheet {
    /// The picture itself and its decode at each sharpness, in one row.
    pub sheet: Rgb8,
    /// What is known of each decode.
    pub rows: Vec<SweepRow>,
}

/// Figures of one decode of a sweep.
#[derive(Debug, Clone)]
pub struct SweepRow {
    name: String,
    entropy_nats: f64,
    psnr_db: Option<f64>,
}

impl SweepRow {
    /// The row as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({"name": self.name, "entropy_nats": self.entropy_nats, "psnr_db": self.psnr_db})
    }

    /// Sharpness, mean entropy in nats and PSNR in dB, as texts.
    pub fn cells(&self) -> [String; 3] {
        let psnr = self.psnr_db.map_or_else(String::new, |psnr| format!("{psnr:.2}"));
        [self.name.clone(), format!("{:.3}", self.entropy_nats), psnr]
    }
}

/// The sheet and the figures of a sweep of `crop`, a picture called `name`, by a model of temperature `tau`.
///
/// # Errors
/// A sheet that is too large to hold.
pub fn sweep_sheet(
    crop: &Rgb8,
    name: &str,
    tau: f32,
    swept: &[SweptPicture],
) -> Result<SweepSheet, DocumentError> {
    let mut cells = vec![(crop.clone(), name.to_owned())];
    let mut rows = Vec::new();
    for step in swept {
        let psnr_db = compare(crop, &step.picture)
            .map(|metrics| metrics.psnr_db)
            .filter(|psnr| psnr.is_finite());
        let name = match step.sharpness {
            Sharpness::Tau(of) if of == tau => format!("tau {of:.4} (own)"),
            Sharpness::Tau(of) => format!("tau {of:.4}"),
            Sharpness::Hard => "hard".to_owned(),
        };
        cells.push(((*step.picture).clone(), name.clone()));
        rows.push(SweepRow {
            name,
            entropy_nats: step.entropy_nats,
            psnr_db,
        });
    }
    let columns = cells.len() as u32;
    Ok(SweepSheet {
        sheet: contact_sheet(&cells, columns)?,
        rows,
    })
}

/// `sweep.png` and `sweep.csv`.
///
/// # Errors
/// A picture that cannot be encoded.
pub fn sweep_files(sweep: &SweepSheet) -> Result<Vec<(String, Vec<u8>)>, DocumentError> {
    let rows = sweep.rows.iter().map(|row| row.cells().join(",") + "\n");
    let table = "tau,entropy_nats,psnr_db\n".to_owned() + &rows.collect::<String>();
    Ok(vec![
        ("sweep.png".to_owned(), picture::to_png(&sweep.sheet, &[])?),
        text("sweep.csv", table),
    ])
}
