//! Where the recipe's JSON form is not what a derive gives.

use super::{DirectionSource, TokenSource};
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A path as a string, or an object with the values. By hand, since a derived untagged enum's errors name no field.
impl<'de> Deserialize<'de> for TokenSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TokenSourceVisitor)
    }
}

struct TokenSourceVisitor;

impl<'de> Visitor<'de> for TokenSourceVisitor {
    type Value = TokenSource;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a path or tokens as {\"z\": [[...], ...]}")
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<Self::Value, E> {
        Ok(TokenSource::Path(path.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Embedded {
            z: Vec<Vec<f32>>,
            name: Option<String>,
        }
        let Embedded { z, name } = Embedded::deserialize(MapAccessDeserializer::new(map))?;
        Ok(TokenSource::Embedded { z, name })
    }
}

/// `{"name": ..., "amount": ...}` or `{"vector": ..., "amount": ...}`; the vector may be one flat row.
pub(super) mod direction {
    use super::DirectionSource;
    use serde::de::Error;
    use serde::ser::SerializeStruct;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        name: Option<String>,
        vector: Option<Rows>,
        amount: f32,
    }

    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "`vector` must be a list of numbers or a list of such lists"
    )]
    enum Rows {
        One(Vec<f32>),
        Many(Vec<Vec<f32>>),
    }

    pub(in crate::latent) fn serialize<S: Serializer>(
        source: &DirectionSource,
        amount: &f32,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("Direction", 2)?;
        match source {
            DirectionSource::Name(name) => form.serialize_field("name", name)?,
            DirectionSource::Vector(rows) => form.serialize_field("vector", rows)?,
        }
        form.serialize_field("amount", amount)?;
        form.end()
    }

    pub(in crate::latent) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<(DirectionSource, f32), D::Error> {
        let form = Form::deserialize(deserializer)?;
        let source = match (form.name, form.vector) {
            (Some(name), None) => DirectionSource::Name(name),
            (None, Some(Rows::One(row))) => DirectionSource::Vector(vec![row]),
            (None, Some(Rows::Many(rows))) => DirectionSource::Vector(rows),
            (Some(_), Some(_)) => {
                return Err(D::Error::custom(
                    "a direction has either `name` or `vector`, not both",
                ));
            }
            (None, None) => return Err(D::Error::missing_field("name` or `vector")),
        };
        Ok((source, form.amount))
    }
}
