use super::HubError;
use std::fmt;
use std::str::FromStr;

/// The hub's own limit on the characters of an id.
const LONGEST: usize = 96;

/// `owner/name` of a model on the hub, of characters that neither leave a folder nor need quoting in an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId {
    owner: String,
    name: String,
}

impl ModelId {
    /// The user or organisation.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The model's name below its owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From the name of a folder in the cache, `models--owner--name`.
    pub(super) fn from_folder_name(folder: &str) -> Option<Self> {
        let (owner, name) = folder.strip_prefix("models--")?.split_once("--")?;
        format!("{owner}/{name}").parse().ok()
    }
}

impl FromStr for ModelId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        text.split_once('/')
            .filter(|(owner, name)| text.len() <= LONGEST && is_part(owner) && is_part(name))
            .map(|(owner, name)| Self {
                owner: owner.to_owned(),
                name: name.to_owned(),
            })
            .ok_or_else(|| HubError::BadId {
                text: text.to_owned(),
            })
    }
}

/// The hub forbids `--` and `..`: the first separates owner and name in the cache.
fn is_part(part: &str) -> bool {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let is_edge = |character: char| "-.".contains(character);
    !part.is_empty()
        && part.chars().all(is_allowed)
        && !part.starts_with(is_edge)
        && !part.ends_with(is_edge)
        && !part.contains("--")
        && !part.contains("..")
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_leave_the_cache() {
        let id: ModelId = "SoftVQVAE/softvq-l-64".parse().unwrap();
        assert_eq!((id.owner(), id.name()), ("SoftVQVAE", "softvq-l-64"));
        assert_eq!(id.to_string(), "SoftVQVAE/softvq-l-64");
        let long = format!("a/{}", "b".repeat(100));
        for text in [
            "../x", "a/..", "a/b/c", "a", "/b", "a/", "a/b c", "a--b/c", "a/.b", "a/b?x", "a\\b/c", &long,
        ] {
            let error = text.parse::<ModelId>().unwrap_err().to_string();
            assert!(error.contains("owner/name"), "{error}");
        }
    }

    #[test]
    fn folder_names_are_ids_again() {
        let id = ModelId::from_folder_name("models--MAETok--maetok-b-128").unwrap();
        assert_eq!(id.to_string(), "MAETok/maetok-b-128");
        for folder in ["datasets--a--b", "models--gpt2", "models--a--..", ".locks"] {
            assert_eq!(ModelId::from_folder_name(folder), None, "{folder}");
        }
    }
}
