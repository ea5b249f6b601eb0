use super::sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What an ETag says about the bytes of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// 64 hex digits: how large files are named.
    Sha256,
    /// 40 hex digits: how git names small files; some mirrors give that of the bytes alone.
    Sha1,
    /// Anything else says nothing.
    None,
}

impl Algorithm {
    pub(super) fn of_etag(etag: &str) -> Self {
        let is_hex = etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        match etag.len() {
            64 if is_hex => Self::Sha256,
            40 if is_hex => Self::Sha1,
            _ => Self::None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha1 => "SHA-1",
            Self::None => "checksum",
        }
    }
}

/// The digest of a file while it arrives.
#[derive(Clone)]
pub(super) enum Checksum {
    Sha256(Sha256),
    Sha1 { git: Sha1, plain: Sha1 },
    None,
}

impl Checksum {
    /// git counts a header with the size in, so that it has to be known beforehand.
    pub(super) fn new(algorithm: Algorithm, size_bytes: Option<u64>) -> Self {
        match (algorithm, size_bytes) {
            (Algorithm::Sha256, _) => Self::Sha256(Sha256::new()),
            (Algorithm::Sha1, Some(size)) => {
                let mut git = Sha1::new();
                git.update(format!("blob {size}\0").as_bytes());
                Self::Sha1 {
                    git,
                    plain: Sha1::new(),
                }
            }
            (Algorithm::Sha1, None) | (Algorithm::None, _) => Self::None,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sha256) => sha256.update(bytes),
            Self::Sha1 { git, plain } => {
                git.update(bytes);
                plain.update(bytes);
            }
            Self::None => {}
        }
    }

    /// Whether the bytes are those that `etag` names; true where it names none.
    pub(super) fn fits(self, etag: &str) -> bool {
        let is_etag = |digest: String| digest.eq_ignore_ascii_case(etag);
        match self {
            Self::Sha256(sha256) => is_etag(hex(&sha256.finalize())),
            Self::Sha1 { git, plain } => is_etag(git.finish()) || is_etag(plain.finish()),
            Self::None => true,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(etag: &str, bytes: &[u8]) -> bool {
        let mut checksum = Checksum::new(Algorithm::of_etag(etag), Some(bytes.len() as u64));
        checksum.update(bytes);
        checksum.fits(etag)
    }

    #[test]
    fn etags_name_bytes() {
        // As `git hash-object` and `sha1sum` give them.
        assert!(fits("ce013625030ba8dba906f756967f9e9ca394464a", b"hello\n"));
        assert!(fits("f572d396fae9206628714fb2ce00f72e94f2258f", b"hello\n"));
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert!(fits(sha256, b"hello\n") && fits(&sha256.to_uppercase(), b"hello\n"));
        assert!(!fits(sha256, b"hello") && !fits("ce013625030ba8dba906f756967f9e9ca394464a", b"hello"));
        assert!(fits("686897696a7c876b7e-2", b"anything"));
    }
}
