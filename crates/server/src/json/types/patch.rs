//! A field of a partial change: left alone, cleared or set.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

/// A field of a partial change. Absent it stays as it is, `null` clears it, and anything else is its new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Patch<T> {
    /// Stays as it is.
    #[default]
    Keep,
    /// Is cleared.
    Clear,
    /// Gets this value.
    Set(T),
}

impl<T> Patch<T> {
    /// Makes the change.
    pub(crate) fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// Makes the change to something that always has a value; cleared it has this one.
    pub(crate) fn apply_or(self, field: &mut T, otherwise: T) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = otherwise,
            Self::Set(value) => *field = value,
        }
    }

    /// The same where the type says what it is when it is cleared.
    pub(crate) fn apply_or_default(self, field: &mut T)
    where
        T: Default,
    {
        self.apply_or(field, T::default());
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        <Option<T>>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <Option<T>>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Change {
        #[serde(default)]
        name: Patch<String>,
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        let cases = [
            ("{}", Patch::Keep),
            (r#"{"name":null}"#, Patch::Clear),
            (r#"{"name":"x"}"#, Patch::Set("x".to_owned())),
        ];
        for (json, expected) in cases {
            assert_eq!(serde_json::from_str::<Change>(json).expect("a change").name, expected, "{json}");
        }
    }
}
