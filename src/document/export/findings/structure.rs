//! How a picture is made up of its tokens, as files.

use super::text;
use crate::analysis::{Interactions, KeptQuality, OrderCurves};
use crate::document::{DocumentError, MatrixSheet, TensorData, TensorEntry, matrix_sheet, tensors_to_bytes};
use crate::picture;
use std::collections::BTreeMap;

/// What was measured of one picture; what is not there is left out.
#[derive(Debug, Clone, Copy)]
pub struct StructureFindings<'a> {
    /// Pairs of tokens.
    pub interactions: Option<&'a Interactions>,
    /// Quality by the number of tokens kept.
    pub orders: Option<&'a OrderCurves>,
    /// Token and its D singular values.
    pub spectra: Option<&'a [(usize, Vec<f64>)]>,
}

/// `interactions.csv` and `.png`, `orders.csv`, `spectra.csv` and `.png`, `structure.safetensors`. `model` is the hash of
/// the model.
///
/// # Errors
/// A sheet that is too large to hold, a picture that cannot be encoded.
pub fn structure_files(
    found: &StructureFindings<'_>,
    model: &str,
) -> Result<Vec<(String, Vec<u8>)>, DocumentError> {
    let mut files = Vec::new();
    if let Some(interactions) = found.interactions {
        files.push(text("interactions.csv", interactions_csv(interactions)));
        files.push(("interactions.png".to_owned(), interactions_png(interactions)?));
    }
    if let Some(orders) = found.orders {
        files.push(text("orders.csv", orders_csv(orders)));
    }
    if let Some(spectra) = found.spectra {
        files.push(text("spectra.csv", spectra_csv(spectra)));
        files.push(("spectra.png".to_owned(), spectra_png(spectra)?));
    }
    if found.interactions.is_some() || found.spectra.is_some() {
        files.push(("structure.safetensors".to_owned(), tensors(found, model)));
    }
    Ok(files)
}

fn interactions_csv(found: &Interactions) -> String {
    let mut text = "a,b,change\n".to_owned();
    for pair in found.pairs() {
        text.push_str(&format!("{},{},{}\n", pair.a, pair.b, pair.change));
    }
    text
}

fn names(tokens: impl Iterator<Item = usize>) -> Vec<String> {
    tokens.map(|token| token.to_string()).collect()
}

/// The pairs in false colour.
///
/// # Errors
/// A sheet that is too large to hold, a picture that cannot be encoded.
pub fn interactions_png(found: &Interactions) -> Result<Vec<u8>, DocumentError> {
    let tokens = names(found.tokens().iter().copied());
    // The diagonal is another quantity and would outshine the pairs.
    let mut values = found.values().to_vec();
    values
        .iter_mut()
        .step_by(tokens.len() + 1)
        .for_each(|own| *own = f64::NAN);
    let largest = found.pairs().first().map_or(0.0, |pair| pair.change);
    let sheet = matrix_sheet(&MatrixSheet {
        title: "What pairs of tokens change beyond the sum of both alone",
        rows: &tokens,
        columns: &tokens,
        values: &values,
        range: (0.0, largest),
        unit: "steps of 8-bit values",
    })?;
    Ok(picture::to_png(&sheet, &[])?)
}

fn orders_csv(orders: &OrderCurves) -> String {
    let mut text = "order,kept,token,mse,psnr_db\n".to_owned();
    for (name, curve) in [("prefix", &orders.prefix), ("greedy", &orders.greedy)] {
        for KeptQuality {
            kept,
            token,
            mse,
            psnr_db,
        } in curve
        {
            let token = token.map(|token| token.to_string()).unwrap_or_default();
            text.push_str(&format!("{name},{kept},{token},{mse},{psnr_db}\n"));
        }
    }
    text
}

fn spectra_csv(spectra: &[(usize, Vec<f64>)]) -> String {
    let mut text = "token,index,change_per_deviation\n".to_owned();
    for (token, values) in spectra {
        for (index, value) in values.iter().enumerate() {
            text.push_str(&format!("{token},{index},{value}\n"));
        }
    }
    text
}

fn spectra_png(spectra: &[(usize, Vec<f64>)]) -> Result<Vec<u8>, DocumentError> {
    let values: Vec<f64> = flat(spectra);
    let largest = values.iter().copied().fold(0.0, f64::max);
    let sheet = matrix_sheet(&MatrixSheet {
        title: "Singular values of the decoder's Jacobian, token by token",
        rows: &names(spectra.iter().map(|(token, _)| *token)),
        columns: &names(0..spectra.first().map_or(0, |(_, values)| values.len())),
        values: &values,
        range: (0.0, largest),
        unit: "steps of 8-bit values (root mean square) for one latent deviation",
    })?;
    Ok(picture::to_png(&sheet, &[])?)
}

fn flat(spectra: &[(usize, Vec<f64>)]) -> Vec<f64> {
    spectra
        .iter()
        .flat_map(|(_, values)| values.iter().copied())
        .collect()
}

/// `tokens` i64 `[S]`, `interactions` f64 `[S,S]`, `spectra` f64 `[S,D]`.
fn tensors(found: &StructureFindings<'_>, model: &str) -> Vec<u8> {
    let of_pairs = found.interactions.map(Interactions::tokens);
    let of_spectra = || found.spectra.unwrap_or_default().iter().map(|(token, _)| *token);
    let tokens: Vec<i64> = match of_pairs {
        Some(tokens) => tokens.iter().map(|token| *token as i64).collect(),
        None => of_spectra().map(|token| token as i64).collect(),
    };
    let size = tokens.len();
    let mut entries = vec![TensorEntry {
        key: "tokens",
        shape: vec![size],
        data: TensorData::I64(&tokens),
    }];
    if let Some(interactions) = found.interactions {
        entries.push(TensorEntry {
            key: "interactions",
            shape: vec![size, size],
            data: TensorData::F64(interactions.values()),
        });
    }
    let spectra = found.spectra.map(flat);
    if let Some(spectra) = &spectra {
        entries.push(TensorEntry {
            key: "spectra",
            shape: vec![size, spectra.len() / size.max(1)],
            data: TensorData::F64(spectra),
        });
    }
    let metadata = BTreeMap::from([("model".to_owned(), model.to_owned())]);
    tensors_to_bytes(entries, &metadata)
}
