//! JSON as it is read here: objects whose members are named once, at every depth. Two readers of one
//! document that disagree on which of two members counts are how signatures are talked around.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Refusal;

/// An object of which no member is there twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Object(BTreeMap<String, Value>);

impl Object {
    /// Reads an object of at most `cap` bytes.
    pub(crate) fn parse(bytes: &[u8], cap: usize) -> Result<Self, Refusal> {
        if bytes.len() > cap {
            return Err(Refusal::TooLarge);
        }
        match serde_json::from_slice::<Once>(bytes) {
            Ok(Once(Value::Object(members))) => Ok(Self(members.into_iter().collect())),
            Ok(_) | Err(_) => Err(Refusal::Malformed),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A member that is a text, if it is there.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::Malformed),
        }
    }

    /// A member that is a list of texts, if it is there.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) => {
                let texts = list.iter().map(|item| item.as_str().ok_or(Refusal::Malformed));
                Ok(Some(texts.collect::<Result<_, _>>()?))
            }
            Some(_) => Err(Refusal::Malformed),
        }
    }

    /// A member that is a moment in seconds since 1970 (RFC 7519 `NumericDate`), in whole seconds.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
                (Some(whole), _) => Ok(Some(whole)),
                // Beyond 2^53 a fraction cannot be told from a whole number any more.
                (None, Some(part)) if (0.0..9_007_199_254_740_992.0).contains(&part) =>
                {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
                    Ok(Some(part as u64))
                }
                _ => Err(Refusal::Malformed),
            },
            Some(_) => Err(Refusal::Malformed),
        }
    }

    pub(crate) fn members(&self) -> &BTreeMap<String, Value> {
        &self.0
    }
}

/// A value in which no object has a member twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Once, E> {
        Ok(Once(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Once, A::Error> {
        let mut items = Vec::new();
        while let Some(Once(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(Once(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut members = Map::new();
        while let Some((name, Once(value))) = map.next_entry::<String, Once>()? {
            if members.insert(name, value).is_some() {
                return Err(de::Error::custom("a member is there twice"));
            }
        }
        Ok(Once(Value::Object(members)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Object, Refusal> {
        Object::parse(text.as_bytes(), 1000)
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused_at_every_depth() {
        assert!(parse(r#"{"a":1,"b":{"c":[{"d":1}]}}"#).is_ok());
        for bad in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":[{"b":1,"\u0062":2}]}"#] {
            assert_eq!(parse(bad), Err(Refusal::Malformed), "{bad}");
        }
        for bad in ["", "[]", "{} {}", "{", "null", "{\"a\":1}x", &"[".repeat(500)] {
            assert_eq!(parse(bad), Err(Refusal::Malformed), "{bad}");
        }
        assert_eq!(Object::parse(b"{ }", 2), Err(Refusal::TooLarge));
    }

    #[test]
    fn moments_are_whole_seconds_whatever_their_spelling() {
        let times = parse(r#"{"a":7,"b":7.9,"c":7e0,"d":-1,"e":"7","f":1e300,"g":null}"#).unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(times.seconds(name), Ok(Some(7)), "{name}");
        }
        for name in ["d", "e", "f"] {
            assert_eq!(times.seconds(name), Err(Refusal::Malformed), "{name}");
        }
        assert_eq!(times.seconds("g"), Ok(None));
        assert_eq!(times.seconds("h"), Ok(None));
    }
}
