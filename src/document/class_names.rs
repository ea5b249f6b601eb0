//! Names of a generator's classes: its own, else those of ImageNet where it has 1000.

use super::DocumentError;
use crate::generator::GeneratorArgs;
use std::sync::LazyLock;

/// Classes of ILSVRC 2012, in the order of their synset identifiers.
const IMAGENET_CLASSES: usize = 1000;
/// Names that a message lists at most.
const MOST_LISTED: usize = 40;

static IMAGENET_NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    include_str!("../../assets/imagenet_classes.txt")
        .lines()
        .collect()
});

/// Name of a class; `None` for a class without one, and for the label that means none.
pub fn class_name(class: u32, generator: &GeneratorArgs) -> Option<&str> {
    let index = class as usize;
    match &generator.class_names {
        Some(names) => names.get(index).map(String::as_str),
        None if generator.num_classes == IMAGENET_CLASSES => IMAGENET_NAMES.get(index).copied(),
        None => None,
    }
}

/// The class that a person means by its number, or by its name in whatever case.
///
/// # Errors
/// A number that is no class, a name that no class or several have.
pub fn class_of(text: &str, generator: &GeneratorArgs) -> Result<u32, DocumentError> {
    let count = generator.num_classes;
    let text = text.trim();
    let refuse = |text: String| Err(DocumentError::Mismatch(text));
    if let Ok(number) = text.parse::<u32>() {
        return if (number as usize) < count {
            Ok(number)
        } else {
            refuse(format!(
                "there is no class {number}: the generator has {count}, numbered from 0"
            ))
        };
    }
    let classes = (0_u32..).take(count);
    let named = classes
        .filter(|class| class_name(*class, generator).is_some_and(|name| name.eq_ignore_ascii_case(text)));
    match named.collect::<Vec<_>>().as_slice() {
        [class] => Ok(*class),
        [] => refuse(format!(
            "the generator has no class named \"{text}\"; give its number, 0 to {}{}",
            count.saturating_sub(1),
            few_names(generator)
        )),
        several => refuse(format!(
            "several classes are named \"{text}\": {several:?}; give the number"
        )),
    }
}

/// The names to choose from, where they fit into a message.
fn few_names(generator: &GeneratorArgs) -> String {
    let names = generator.class_names.as_ref();
    names
        .filter(|names| names.len() <= MOST_LISTED)
        .map_or_else(String::new, |names| format!(", or one of: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn generator(classes: usize, names: Option<&[&str]>) -> GeneratorArgs {
        serde_json::from_value(json!({
            "input_size": 4, "in_channels": 2, "hidden_size": 8, "depth": 1, "num_heads": 2, "mlp_ratio": 4.0,
            "num_classes": classes, "class_names": names,
        }))
        .unwrap()
    }

    #[test]
    fn a_thousand_classes_are_those_of_imagenet() {
        let imagenet = generator(1000, None);
        assert_eq!(IMAGENET_NAMES.len(), IMAGENET_CLASSES);
        assert!(
            IMAGENET_NAMES
                .iter()
                .all(|name| !name.is_empty() && name.trim() == *name)
        );
        for (class, name) in [
            (0, "tench"),
            (207, "golden retriever"),
            (974, "geyser"),
            (999, "toilet tissue"),
        ] {
            assert_eq!(class_name(class, &imagenet), Some(name));
        }
        assert_eq!(class_name(1000, &imagenet), None);
        assert_eq!(class_of("Golden Retriever", &imagenet).unwrap(), 207);
        assert_eq!(class_of(" 974 ", &imagenet).unwrap(), 974);
        for wrong in ["1000", "-1", "no such thing", ""] {
            assert!(class_of(wrong, &imagenet).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_generator_may_name_its_own() {
        let own = generator(2, Some(&["ink", "chalk"]));
        assert_eq!(class_name(1, &own), Some("chalk"));
        assert_eq!(class_of("INK", &own).unwrap(), 0);
        let wrong = class_of("paint", &own).unwrap_err().to_string();
        assert!(wrong.contains("0 to 1, or one of: ink, chalk"), "{wrong}");
        let twice = generator(2, Some(&["ink", "ink"]));
        assert!(
            class_of("ink", &twice)
                .unwrap_err()
                .to_string()
                .contains("several")
        );
        assert_eq!(class_name(0, &generator(2, None)), None);
    }
}
