//! The typed edits of a recipe.

use super::json;
use serde::{Deserialize, Serialize};

/// Tokens taken from elsewhere: a path still to be resolved, or the values themselves.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TokenSource {
    /// A picture or token file, as written in a recipe by hand; the document room resolves it to `Embedded`.
    Path(String),
    /// L rows of D values.
    Embedded {
        /// The rows.
        z: Vec<Vec<f32>>,
        /// Where the tokens came from, for the history list.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

/// What the codewords not named by `set_weights` get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rest {
    /// They share what is left, in proportion to what they had.
    #[default]
    Proportional,
    /// Nothing; the named codewords are made to sum to 1.
    Zero,
}

/// How two rows are blended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlendMode {
    /// (1 - t) a + t b.
    #[default]
    Linear,
    /// Along the arc between the two rows; linear where they are nearly parallel or opposite.
    Slerp,
}

/// A direction: by name from the library, or its values (D for one row used on every token, or L x D).
#[derive(Debug, Clone, PartialEq)]
pub enum DirectionSource {
    /// A saved direction; the document room resolves it to `Vector`.
    Name(String),
    /// One row of D values, or L rows.
    Vector(Vec<Vec<f32>>),
}

/// One step of an edit list. The JSON form is the recipe format's: `{"type": "swap", "a": 2, "b": 13}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// One value of one token.
    SetValue {
        /// Token index, 0..L.
        token: usize,
        /// Value index, 0..D.
        dim: usize,
        /// What it becomes.
        value: f32,
    },
    /// z becomes factor * z.
    Scale {
        /// Token indices, each once.
        tokens: Vec<usize>,
        /// Any finite number.
        factor: f32,
    },
    /// Weights of some codewords of a token; z becomes their mixture. A token of a VQ model is one codeword: it takes
    /// the whole weight.
    SetWeights {
        /// Token index, 0..L.
        token: usize,
        /// (segment, codeword, weight): weights >= 0; above 1 in sum, they are divided by their sum.
        weights: Vec<(usize, usize, f32)>,
        /// What the codewords not listed get.
        #[serde(default)]
        rest: Rest,
    },
    /// The mixture of the encoder output behind each token at another temperature.
    Temperature {
        /// Token indices, each once.
        tokens: Vec<usize>,
        /// Above 0; the model's own tau gives the unedited token.
        tau: f32,
    },
    /// Only the heaviest codewords of each token stay.
    Harden {
        /// Token indices, each once.
        tokens: Vec<usize>,
        /// How many stay, 1..=n.
        top: usize,
    },
    /// Two tokens change places, with the encoder output and the mixture behind them.
    Swap {
        /// Token index, 0..L.
        a: usize,
        /// Token index, 0..L.
        b: usize,
    },
    /// Rows of other tokens.
    Copy {
        /// Where they come from.
        from: TokenSource,
        /// Rows of the source.
        tokens: Vec<usize>,
        /// Where they go, one place for each; empty for the same positions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        to: Vec<usize>,
    },
    /// Between the tokens and others at the same positions.
    Blend {
        /// What t = 1 gives.
        with: TokenSource,
        /// Token indices, each once.
        tokens: Vec<usize>,
        /// 0 keeps, 1 replaces; -1 to 2 to go beyond.
        t: f32,
        /// Along the line or the arc.
        #[serde(default)]
        mode: BlendMode,
    },
    /// Every value becomes the dataset mean of the latent.
    Mean {
        /// Token indices, each once.
        tokens: Vec<usize>,
    },
    /// Every value becomes 0.
    Zero {
        /// Token indices, each once.
        tokens: Vec<usize>,
    },
    /// Adds sigma * latent deviation * a standard normal draw. A token's draws depend on the seed and its index alone.
    Noise {
        /// Token indices, each once.
        tokens: Vec<usize>,
        /// In units of the latent deviation, >= 0.
        sigma: f32,
        /// Any number.
        seed: u64,
    },
    /// z becomes z + amount * direction.
    #[serde(with = "json::direction")]
    Direction {
        /// What to move along.
        source: DirectionSource,
        /// How far.
        amount: f32,
    },
    /// z becomes mean + amount * deviation * a standard normal draw, of the normal distribution that the encoder of a
    /// KL model put out. A token's draws depend on the seed and its index alone.
    Sample {
        /// Token indices, each once.
        tokens: Vec<usize>,
        /// In units of each value's deviation, >= 0; 0 gives the mean.
        amount: f32,
        /// Any number.
        seed: u64,
    },
    /// The nearest mixture of codewords; of a VQ model the nearest codeword.
    Project {
        /// Token indices, each once.
        tokens: Vec<usize>,
    },
    /// Back to the state before any edit.
    Restore {
        /// Token indices, each once.
        tokens: Vec<usize>,
    },
}

impl Edit {
    /// Tokens this edit may change; `None` means all.
    pub fn touched(&self) -> Option<Vec<usize>> {
        match self {
            Self::SetValue { token, .. } | Self::SetWeights { token, .. } => Some(vec![*token]),
            Self::Swap { a, b } => Some(vec![*a, *b]),
            Self::Copy { tokens, to, .. } => Some(if to.is_empty() { tokens.clone() } else { to.clone() }),
            Self::Scale { tokens, .. }
            | Self::Temperature { tokens, .. }
            | Self::Harden { tokens, .. }
            | Self::Blend { tokens, .. }
            | Self::Mean { tokens }
            | Self::Zero { tokens }
            | Self::Noise { tokens, .. }
            | Self::Sample { tokens, .. }
            | Self::Project { tokens }
            | Self::Restore { tokens } => Some(tokens.clone()),
            Self::Direction {
                source: DirectionSource::Vector(rows),
                ..
            } if rows.len() > 1 => Some(moving_rows(rows)),
            Self::Direction { .. } => None,
        }
    }
}

/// Indices of the rows that are not all 0.
fn moving_rows(rows: &[Vec<f32>]) -> Vec<usize> {
    let moves = |row: &[f32]| row.iter().any(|value| *value != 0.0);
    rows.iter()
        .enumerate()
        .filter(|(_, row)| moves(row))
        .map(|(token, _)| token)
        .collect()
}
