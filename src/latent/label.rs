//! Edits in words, for the history list.

use super::{BlendMode, DirectionSource, Edit, TokenSource};
use std::path::Path;

/// Lists of up to this many tokens are written out.
const LISTED_TOKENS: usize = 4;

impl Edit {
    /// One line for the history list, such as "Swap tokens 2 and 13".
    pub fn label(&self) -> String {
        match self {
            Self::SetValue { token, dim, value } => {
                format!("Set value {dim} of token {token} to {}", number(*value))
            }
            Self::Scale { tokens, factor } => format!("Scale {} by {}", list(tokens), number(*factor)),
            Self::SetWeights { token, weights, .. } => set_weights_label(*token, weights),
            Self::Temperature { tokens, tau } => format!("Set tau of {} to {}", list(tokens), number(*tau)),
            Self::Harden { tokens, top: 1 } => format!("Keep the top codeword of {}", list(tokens)),
            Self::Harden { tokens, top } => format!("Keep the top {top} codewords of {}", list(tokens)),
            Self::Swap { a, b } => format!("Swap tokens {a} and {b}"),
            Self::Copy { from, tokens, to } => copy_label(from, tokens, to),
            Self::Blend {
                with,
                tokens,
                t,
                mode,
            } => {
                let along = match mode {
                    BlendMode::Linear => "",
                    BlendMode::Slerp => ", spherical",
                };
                format!(
                    "Blend {} with {} at {}{along}",
                    list(tokens),
                    source_name(with),
                    number(*t)
                )
            }
            Self::Mean { tokens } => format!("Set {} to the dataset mean", list(tokens)),
            Self::Zero { tokens } => format!("Zero {}", list(tokens)),
            Self::Noise { tokens, sigma, seed } => {
                format!(
                    "Add noise of {} sigma to {} (seed {seed})",
                    number(*sigma),
                    list(tokens)
                )
            }
            Self::Direction {
                source: DirectionSource::Name(name),
                amount,
            } => {
                format!("Move along '{name}' by {}", number(*amount))
            }
            Self::Direction {
                source: DirectionSource::Vector(_),
                amount,
            } => {
                format!("Move along a direction by {}", number(*amount))
            }
            Self::Sample {
                tokens, amount: 0.0, ..
            } => format!("Set {} to the mean", list(tokens)),
            Self::Sample { tokens, amount, seed } => {
                format!(
                    "Sample {}, amount {} (seed {seed})",
                    list(tokens),
                    number(*amount)
                )
            }
            Self::Project { tokens } => format!("Project {} onto the codewords", list(tokens)),
            Self::Restore { tokens } => format!("Restore {}", list(tokens)),
        }
    }
}

fn set_weights_label(token: usize, weights: &[(usize, usize, f32)]) -> String {
    match weights {
        [(_, codeword, weight)] => {
            format!("Set codeword {codeword} of token {token} to {}", number(*weight))
        }
        _ => format!("Set {} codeword weights of token {token}", weights.len()),
    }
}

fn copy_label(from: &TokenSource, tokens: &[usize], to: &[usize]) -> String {
    let from = source_name(from);
    if to.is_empty() || to == tokens {
        format!("Copy {} from {from}", list(tokens))
    } else {
        format!("Copy {} from {from} to {}", list(tokens), list(to))
    }
}

/// The file's name, or what the tokens were called.
fn source_name(source: &TokenSource) -> &str {
    match source {
        TokenSource::Path(path) => Path::new(path)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(path),
        TokenSource::Embedded { name: Some(name), .. } => name,
        TokenSource::Embedded { name: None, .. } => "other tokens",
    }
}

/// "token 5", "tokens 1, 2 and 9", "tokens 4 to 11", "12 tokens".
fn list(tokens: &[usize]) -> String {
    let is_run = tokens
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.checked_add(1) == Some(*b)));
    match tokens {
        [] => "no tokens".to_owned(),
        [token] => format!("token {token}"),
        [first, .., last] if is_run && tokens.len() > 2 => format!("tokens {first} to {last}"),
        [head @ .., last] if tokens.len() <= LISTED_TOKENS => {
            let head: Vec<String> = head.iter().map(ToString::to_string).collect();
            format!("tokens {} and {last}", head.join(", "))
        }
        _ => format!("{} tokens", tokens.len()),
    }
}

/// Up to three decimals, or scientific where that would hide the number.
fn number(value: f32) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e6) {
        return format!("{value:.2e}");
    }
    let fixed = format!("{value:.3}");
    let short = fixed.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" {
        "0".to_owned()
    } else {
        short.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(list(&[5]), "token 5");
        assert_eq!(list(&[2, 13]), "tokens 2 and 13");
        assert_eq!(list(&[1, 2, 9]), "tokens 1, 2 and 9");
        assert_eq!(list(&[4, 5, 6, 7, 8]), "tokens 4 to 8");
        assert_eq!(list(&[4, 6, 8, 10, 12]), "5 tokens");
    }

    #[test]
    fn numbers_are_short_and_never_hidden() {
        assert_eq!(number(0.25), "0.25");
        assert_eq!(number(-3.0), "-3");
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(1e-5), "1.00e-5");
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(100.0), "100");
    }

    #[test]
    fn labels_name_what_is_done() {
        assert_eq!(Edit::Swap { a: 2, b: 13 }.label(), "Swap tokens 2 and 13");
        let source = TokenSource::Path("pictures/cat.png".to_owned());
        let copy = Edit::Copy {
            from: source,
            tokens: vec![3],
            to: vec![7],
        };
        assert_eq!(copy.label(), "Copy token 3 from cat.png to token 7");
        let sample = |amount| Edit::Sample {
            tokens: vec![4],
            amount,
            seed: 9,
        };
        assert_eq!(sample(1.5).label(), "Sample token 4, amount 1.5 (seed 9)");
        assert_eq!(sample(0.0).label(), "Set token 4 to the mean");
    }
}
