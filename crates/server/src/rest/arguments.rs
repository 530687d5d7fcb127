//! The arguments of a request, checked against the very schema that describes them to others: what the description allows
//! is taken, and what it does not is refused with the field's name.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::endpoints;
use super::problem::Problem;

/// What a request takes.
pub(super) struct Arguments {
    properties: Map<String, Value>,
    required: Vec<String>,
}

/// What an endpoint takes.
pub(super) fn of(endpoint: &'static Endpoint) -> &'static Arguments {
    static ALL: OnceLock<HashMap<&'static str, Arguments>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let each = endpoints::all().iter();
        each.map(|endpoint| (endpoint.operation, Arguments::read(&(endpoint.arguments)()))).collect()
    });
    &all[endpoint.operation]
}

impl Arguments {
    /// Reads the schema of an object.
    pub(super) fn read(schema: &Value) -> Self {
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let required = schema["required"].as_array().into_iter().flatten();
        Self { properties, required: required.filter_map(|name| name.as_str().map(str::to_owned)).collect() }
    }

    /// What stands in a path or a query, in the types that the schema says.
    pub(super) fn read_text(
        &self,
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Map<String, Value>, Problem> {
        let mut given = Map::new();
        for (name, text) in pairs {
            let schema = self.property(&name)?;
            let value = match kinds(schema).first().map(String::as_str) {
                Some("integer") => text
                    .parse::<u64>()
                    .map(Value::from)
                    .map_err(|_| Problem::invalid(&name, "It has to be a whole number."))?,
                Some("boolean") => match text.as_str() {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    _ => return Err(Problem::invalid(&name, "It has to be true or false.")),
                },
                _ => Value::from(text),
            };
            if given.insert(name.clone(), value).is_some() {
                return Err(Problem::invalid(&name, "It is there twice."));
            }
        }
        Ok(given)
    }

    fn property(&self, name: &str) -> Result<&Value, Problem> {
        self.properties.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.properties.keys().map(String::as_str).collect();
            Problem::invalid(
                name,
                format!("There is no field of this name; there are: {}.", known.join(", ")),
            )
        })
    }

    /// Checks every field, and that none is missing.
    pub(super) fn check(&self, given: &Map<String, Value>) -> Result<(), Problem> {
        for (name, value) in given {
            check(self.property(name)?, value).map_err(|why| Problem::invalid(name, format!("It {why}.")))?;
        }
        match self.required.iter().find(|name| !given.contains_key(*name)) {
            Some(missing) => Err(Problem::invalid(missing, "It is missing.")),
            None => Ok(()),
        }
    }
}

/// JSON knows one kind of number: `1.0` is the whole number 1.
pub(super) fn whole(value: &mut Value) {
    /// Up to here every whole number has a form of its own (RFC 8259 section 6).
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Value::Number(number) = value
        && let Some(float) = number.as_f64().filter(|_| number.is_f64())
        && float.fract() == 0.0
        && (0.0..EXACT).contains(&float)
    {
        *value = Value::from(float as u64);
    }
}

fn kinds(schema: &Value) -> Vec<String> {
    match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// Says what is wrong with a value by its schema, as far as the schemas of this API go.
fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = kinds(schema);
    if !allowed.is_empty() && !allowed.iter().any(|one| one == kind) {
        return Err(format!("has to be of the type {}", allowed.join(" or ")));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        let words: Vec<String> =
            words.iter().map(|word| word.as_str().unwrap_or("null").to_owned()).collect();
        return Err(format!("has to be one of {}", words.join(", ")));
    }
    let (size, least, most) = match value {
        Value::String(text) => (text.chars().count() as u64, "minLength", "maxLength"),
        Value::Array(items) => (items.len() as u64, "minItems", "maxItems"),
        Value::Number(number) => (number.as_u64().unwrap_or_default(), "minimum", "maximum"),
        _ => return Ok(()),
    };
    let unit = match value {
        Value::String(_) => " characters",
        Value::Array(_) => " items",
        _ => "",
    };
    let bound =
        |name: &str| schema[name].as_u64().or_else(|| schema[name].as_f64().map(|bound| bound as u64));
    if let Some(bound) = bound(least).filter(|bound| size < *bound) {
        return Err(format!("has to be {bound}{unit} at least"));
    }
    if let Some(bound) = bound(most).filter(|bound| size > *bound) {
        return Err(format!("has to be {bound}{unit} at most"));
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check(&schema["items"], item)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_wrong_field_is_named() {
        let arguments = Arguments::read(&json!({
            "properties": {
                "text": {"type": "string", "minLength": 1, "maxLength": 3},
                "limit": {"type": ["integer", "null"], "minimum": 1, "maximum": 10},
                "emojis": {"type": "array", "items": {"type": "string"}, "maxItems": 1},
                "role": {"enum": ["member", "none"]}
            },
            "required": ["text"]
        }));
        let check = |value: Value| arguments.check(value.as_object().expect("an object"));
        assert!(check(json!({"text": "Öl!", "limit": null, "emojis": ["x"], "role": "none"})).is_ok());
        for (value, field) in [
            (json!({}), "text"),
            (json!({"text": ""}), "text"),
            (json!({"text": "four"}), "text"),
            (json!({"text": 1}), "text"),
            (json!({"text": "x", "limit": 11}), "limit"),
            (json!({"text": "x", "limit": -1}), "limit"),
            (json!({"text": "x", "limit": 1.5}), "limit"),
            (json!({"text": "x", "emojis": [1]}), "emojis"),
            (json!({"text": "x", "emojis": ["a", "b"]}), "emojis"),
            (json!({"text": "x", "role": "king"}), "role"),
            (json!({"text": "x", "colour": 1}), "colour"),
        ] {
            assert_eq!(check(value.clone()).expect_err("refused").field.as_deref(), Some(field), "{value}");
        }
        assert!(arguments.read_text([("limit".to_owned(), "x".to_owned())]).is_err());
        let read = arguments.read_text([("limit".to_owned(), "7".to_owned())]).expect("read");
        assert_eq!(Value::Object(read), json!({"limit": 7}));
    }
}
