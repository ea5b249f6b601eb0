//! Paths as people type and paste them.

use std::path::{Path, PathBuf};

/// A path as a person types or pastes it: quotes and `file://` taken off, `~` is the home folder.
pub(in crate::ui) fn typed_path(text: &str) -> PathBuf {
    let text = text.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|&quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text);
    if let Some(url) = unquoted.strip_prefix("file://") {
        return PathBuf::from(percent_decoded(url));
    }
    match (unquoted.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => Path::new(unquoted).to_owned(),
    }
}

/// `%20` and the like of a file URL as characters; what is no valid escape stays.
fn percent_decoded(url: &str) -> String {
    let bytes = url.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_people_paste_them() {
        assert_eq!(typed_path("  \"a b.png\" "), PathBuf::from("a b.png"));
        assert_eq!(typed_path("'x.png'"), PathBuf::from("x.png"));
        assert_eq!(
            typed_path("file:///pictures/a%20b%C3%A9.png"),
            PathBuf::from("/pictures/a bé.png")
        );
        assert_eq!(
            typed_path("file:///pictures/100%.png"),
            PathBuf::from("/pictures/100%.png")
        );
        assert_eq!(typed_path("/pictures/~/x"), PathBuf::from("/pictures/~/x"));
    }
}
