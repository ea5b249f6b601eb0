//! What codewords do, a decode at a time.

use super::{CODEWORD_PAIRS, CodewordSheetRow, DocumentError, PictureInput, SweepSheet, codeword_sheet};
use crate::analysis::{CodewordPair, CodewordUse, SegmentUse, UsageCounter};
use crate::engine::{Control, EngineError, ModelInfo, Runner};
use crate::latent::{Codebook, Tokens};
use crate::picture::{Fit, Planar, Rgb8};

/// What a folder's pictures are made of.
#[derive(Debug, Clone)]
pub struct Atlas {
    /// Every codeword, the one used most first.
    pub codewords: Vec<CodewordUse>,
    /// Every segment.
    pub segments: Vec<SegmentUse>,
    /// The pairs that come together most.
    pub pairs: Vec<CodewordPair>,
    /// The most used codewords: what each does, and the pictures that use it most.
    pub sheet: Rgb8,
    /// A picture from soft to hard; `None` of a model whose tokens are no mixtures.
    pub sweep: Option<SweepSheet>,
}

/// An atlas of which the sheet is not drawn yet.
#[derive(Debug, Clone)]
pub struct AtlasDraft {
    codewords: Vec<CodewordUse>,
    segments: Vec<SegmentUse>,
    pairs: Vec<CodewordPair>,
    /// Places of the codewords on the sheet, and what each does.
    rows: Vec<(usize, Rgb8)>,
    /// Codewords that are still to be decoded, by place, the next one last.
    waiting: Vec<usize>,
}

impl AtlasDraft {
    /// The `top` most used codewords come on the sheet.
    pub fn new(counter: &UsageCounter, top: usize) -> Self {
        let codewords = counter.codewords();
        let used = codewords
            .iter()
            .enumerate()
            .filter(|(_, codeword)| !codeword.users.is_empty());
        let mut waiting: Vec<usize> = used.map(|(place, _)| place).take(top).collect();
        waiting.reverse();
        Self {
            segments: counter.segments(),
            pairs: counter.pairs(CODEWORD_PAIRS),
            codewords,
            rows: Vec::new(),
            waiting,
        }
    }

    /// Decodes what the next codeword does; false when all are. `z_of` gives a picture's tokens.
    ///
    /// # Errors
    /// A fault of the device, [`EngineError::Cancelled`].
    pub fn decode_next<'a>(
        &mut self,
        runner: &Runner,
        z_of: impl Fn(usize) -> Option<&'a Tokens>,
        control: &dyn Control,
    ) -> Result<bool, EngineError> {
        let Some(place) = self.waiting.last().copied() else {
            return Ok(false);
        };
        let codeword = self.codewords.get(place);
        let z = codeword
            .zip(runner.info().space.codebook())
            .and_then(|(codeword, codebook)| alone_in_place(codebook, codeword, z_of));
        if let Some(z) = z {
            let decoded = runner.decode(&[&z], control)?;
            let picture = decoded.first().map(Planar::to_rgb8);
            self.rows.extend(picture.map(|picture| (place, picture)));
        }
        self.waiting.pop();
        Ok(true)
    }

    /// Draws the sheet, `columns` users a codeword; `pictures` are those that were counted.
    ///
    /// # Errors
    /// A picture that can no longer be read, a sheet that is too large.
    pub fn finish(
        self,
        info: &ModelInfo,
        pictures: &[PictureInput],
        (columns, fit): (usize, Fit),
        sweep: Option<SweepSheet>,
    ) -> Result<Atlas, DocumentError> {
        let mut rows = Vec::new();
        for (place, in_place) in self.rows {
            let Some(codeword) = self.codewords.get(place) else {
                continue;
            };
            let users = codeword
                .users
                .iter()
                .filter_map(|user| pictures.get(user.picture));
            let users = users.map(|picture| Ok((picture.crop(info, fit)?, picture.stem.clone())));
            rows.push(CodewordSheetRow {
                codeword,
                in_place,
                users: users.collect::<Result<_, DocumentError>>()?,
            });
        }
        let sheet = codeword_sheet(rows, columns.max(1))?;
        Ok(Atlas {
            codewords: self.codewords,
            segments: self.segments,
            pairs: self.pairs,
            sheet,
            sweep,
        })
    }
}

/// The tokens of the picture that uses a codeword most, with the codeword alone in the place of that token.
pub(super) fn alone_in_place<'a>(
    codebook: &Codebook,
    codeword: &CodewordUse,
    z_of: impl Fn(usize) -> Option<&'a Tokens>,
) -> Option<Tokens> {
    let most = codeword.users.first()?;
    let values = codebook.codeword(codeword.segment, codeword.codeword)?;
    let mut z = z_of(most.picture)?.clone();
    z.row_mut(most.token).copy_from_slice(values);
    Some(z)
}
