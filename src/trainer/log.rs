//! `log.csv`: a row for some steps, figures of held-out pictures where they were measured.

use super::{Evaluation, Terms, TrainError};
use crate::document::{DocumentError, write_atomically};
use std::io::Write;
use std::path::{Path, PathBuf};

const HEADER: &str = "step,pictures,seconds,pictures_per_second,learning_rate,gradient_norm,loss,l1,mse,gradient_l1,\
entropy,photograph_psnr_db,composite_psnr_db,perplexity,top_weight,codebook_used,kl_nats,codebook,commitment,perceptual,alignment,adversarial,\
discriminator,lecam,consistency,seam_l1";

/// A row of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Steps done.
    pub(super) step: u64,
    pub(super) pictures: u64,
    /// Since this sitting began.
    pub(super) seconds: f64,
    pub(super) pictures_per_second: f64,
    pub(super) learning_rate: f64,
    pub(super) gradient_norm: f64,
    pub(super) terms: Terms,
    pub(super) evaluation: Option<Evaluation>,
}

/// A table that grows by a line at a time.
#[derive(Debug)]
pub(super) struct CsvLog {
    path: PathBuf,
}

impl CsvLog {
    /// An empty log.
    pub(super) fn start(path: &Path, header: &str) -> Result<Self, TrainError> {
        write_atomically(path, format!("{header}\n").as_bytes())?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The log of a run that goes on after `step` steps, the number that lines begin with; lines after it were written
    /// by steps that are done again.
    pub(super) fn resume(path: &Path, header: &str, step: u64) -> Result<Self, TrainError> {
        let Ok(text) = std::fs::read_to_string(path) else {
            return Self::start(path, header);
        };
        let mut kept = format!("{header}\n");
        for line in text.lines().skip(1) {
            let row = line.split(',').next().and_then(|step| step.parse::<u64>().ok());
            if row.is_some_and(|row| row <= step) {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        write_atomically(path, kept.as_bytes())?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Adds a line, given without its end.
    pub(super) fn add_line(&self, line: &str) -> Result<(), TrainError> {
        let file = std::fs::OpenOptions::new().append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .map_err(|source| {
                TrainError::Document(DocumentError::Write {
                    path: self.path.clone(),
                    source,
                })
            })
    }
}

/// The log of a tokenizer's run.
#[derive(Debug)]
pub(super) struct Log(CsvLog);

impl Log {
    /// An empty log.
    pub(super) fn start(path: &Path) -> Result<Self, TrainError> {
        Ok(Self(CsvLog::start(path, HEADER)?))
    }

    /// See [`CsvLog::resume`].
    pub(super) fn resume(path: &Path, step: u64) -> Result<Self, TrainError> {
        Ok(Self(CsvLog::resume(path, HEADER, step)?))
    }

    pub(super) fn add(&self, row: &Row) -> Result<(), TrainError> {
        let Terms {
            loss,
            l1,
            mse,
            gradient_l1,
            seam_l1,
            entropy,
            kl_nats,
            codebook,
            commitment,
            perceptual,
            alignment,
            adversarial,
            discriminator,
            lecam,
            consistency,
        } = row.terms;
        let mut line = format!(
            "{},{},{:.1},{:.2},{:.3e},{:.4},{loss:.5},{l1:.5},{mse:.5},{gradient_l1:.5},{entropy:.5}",
            row.step,
            row.pictures,
            row.seconds,
            row.pictures_per_second,
            row.learning_rate,
            row.gradient_norm
        );
        match row.evaluation {
            Some(figures) => line.push_str(&format!(
                ",{:.3},{:.3},{:.1},{:.4},{:.4}",
                figures.photograph_psnr_db,
                figures.composite_psnr_db,
                figures.perplexity,
                figures.top_weight,
                figures.codebook_used
            )),
            None => line.push_str(",,,,,"),
        }
        line.push_str(&format!(
            ",{kl_nats:.3},{codebook:.5},{commitment:.5},{perceptual:.5},{alignment:.5},{adversarial:.5},\
             {discriminator:.5},{lecam:.5},{consistency:.5},{seam_l1:.5}"
        ));
        self.0.add_line(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_every_term_and_every_figure() {
        let terms = Terms::default().named();
        let figures = Evaluation::default().named();
        let names: Vec<&str> = terms.iter().chain(&figures).map(|(name, _)| *name).collect();
        let columns: Vec<&str> = HEADER.split(',').collect();
        assert!(names.iter().all(|name| columns.contains(name)), "{names:?}");
        // Before them: step, pictures, seconds, rate of pictures, learning rate, norm of the gradient.
        assert_eq!(columns.len(), 6 + names.len());
    }
}
