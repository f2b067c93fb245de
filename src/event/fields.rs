// SPDX-License-Identifier: Apache-2.0
//! Members of an event, each read only if its kind asks for it, and borrowed from the payload where it holds no
//! escapes. One small reader for all kinds; a struct for each would be four times the code.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::EventError;

/// A string.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// An object, in the order of the event.
#[derive(Debug)]
struct Pairs<'a, V>(Vec<(Cow<'a, str>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
            type Value = Pairs<'de, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

/// The members of an object, unread.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Names and values, a name as often as it has values.
pub(super) type Values<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl<'a> Object<'a> {
    pub(super) fn parse(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json).map(|Pairs(members)| Self(members))
    }

    /// A member that is there and not `null`.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|&(_, value)| value)
            .filter(|value| value.get() != "null")
    }

    /// Whether a member is this string.
    pub(super) fn is(&self, name: &str, text: &str) -> bool {
        self.get(name).is_some_and(|value| {
            value
                .get()
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                == Some(text)
        })
    }

    pub(super) fn has_text(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.get().starts_with('"'))
    }

    pub(super) fn has_object(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.get().starts_with('{'))
    }

    /// A member that is an object; where it is none, or not there, one without members.
    pub(super) fn object(&self, name: &str) -> Self {
        self.get(name)
            .and_then(|value| Self::parse(value.get()).ok())
            .unwrap_or_default()
    }

    pub(super) fn optional<T: Deserialize<'a>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, EventError> {
        let malformed = |error: serde_json::Error| EventError::Malformed {
            field: name,
            line: error.line(),
            column: error.column(),
        };
        self.get(name)
            .map(|value| serde_json::from_str(value.get()).map_err(malformed))
            .transpose()
    }

    pub(super) fn required_text(&self, name: &'static str) -> Result<Cow<'a, str>, EventError> {
        let text: Option<Text> = self.optional(name)?;
        text.map(|text| text.0).ok_or(EventError::Missing(name))
    }

    /// An object of strings.
    pub(super) fn single(&self, name: &'static str) -> Result<Option<Values<'a>>, EventError> {
        let pairs: Option<Pairs<Text>> = self.optional(name)?;
        Ok(pairs.map(|pairs| {
            pairs
                .0
                .into_iter()
                .map(|(name, value)| (name, value.0))
                .collect()
        }))
    }

    /// An object of lists of strings.
    pub(super) fn multi(&self, name: &'static str) -> Result<Option<Values<'a>>, EventError> {
        let pairs: Option<Pairs<Vec<Text>>> = self.optional(name)?;
        let values = |(name, values): (Cow<'a, str>, Vec<Text<'a>>)| {
            values.into_iter().map(move |value| (name.clone(), value.0))
        };
        Ok(pairs.map(|pairs| pairs.0.into_iter().flat_map(values).collect()))
    }

    /// The lists where they are there, which hold every value, else the plain ones.
    pub(super) fn multi_or_single(
        &self,
        multi: &'static str,
        single: &'static str,
    ) -> Result<Values<'a>, EventError> {
        Ok(match self.multi(multi)? {
            Some(values) => values,
            None => self.single(single)?.unwrap_or_default(),
        })
    }
}
