//! A value of a vendor's JSON that may be of any type.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A value as text, whatever its type; tells a key that is not there from one that is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Loose<'a> {
    /// The key is not there.
    #[default]
    Absent,
    /// `null`, `""`, `[]` or `{}`.
    Empty,
    /// Anything else: text as it is, numbers and booleans as JSON writes them, arrays and objects as compact JSON.
    Text(Cow<'a, str>),
}

impl Loose<'_> {
    /// Returns the text, `None` when it is absent or empty.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Loose::Text(text) => Some(text),
            Loose::Absent | Loose::Empty => None,
        }
    }

    /// Returns whether the key is there, be it empty.
    pub(crate) fn is_present(&self) -> bool {
        match self {
            Loose::Absent => false,
            Loose::Empty | Loose::Text(_) => true,
        }
    }

    fn owned(text: String) -> Loose<'static> {
        if text.is_empty() {
            Loose::Empty
        } else {
            Loose::Text(Cow::Owned(text))
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(if text.is_empty() {
            Loose::Empty
        } else {
            Loose::Text(Cow::Borrowed(text))
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose::owned(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Loose::owned(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Loose::owned(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Loose::owned(value.to_string()))
    }

    /// A whole number has no point, also when it was sent as `5.0`.
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Loose::owned(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Empty)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Empty)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Loose::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        let value = Value::deserialize(SeqAccessDeserializer::new(seq))?;
        let empty = value.as_array().is_some_and(Vec::is_empty);
        Ok(Loose::owned(if empty {
            String::new()
        } else {
            value.to_string()
        }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(map))?;
        let empty = value.as_object().is_some_and(serde_json::Map::is_empty);
        Ok(Loose::owned(if empty {
            String::new()
        } else {
            value.to_string()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_becomes_text() {
        let rows: Vec<Loose<'_>> = serde_json::from_str(
            r#"["a", "é\n", "", null, 7, -1, 5.0, 2.5, true, ["x", "y"], [], {"k": 1}, {}]"#,
        )
        .unwrap();
        let texts: Vec<Option<&str>> = rows.iter().map(Loose::text).collect();
        assert_eq!(
            texts,
            [
                Some("a"),
                Some("é\n"),
                None,
                None,
                Some("7"),
                Some("-1"),
                Some("5"),
                Some("2.5"),
                Some("true"),
                Some(r#"["x","y"]"#),
                None,
                Some(r#"{"k":1}"#),
                None,
            ]
        );
    }
}
