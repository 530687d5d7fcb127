//! The types of the face in TypeScript, drawn from the same types as everything else: for programs that want a compiler to look
//! over what they send and read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::error::{Condition, ErrorObject};
use super::methods;
use super::types::Event;

/// Where the types stand in a document.
const DEFINITIONS: &str = "/components/schemas";

/// The file, as it stands in the project's documents.
pub fn document() -> String {
    let settings = |settings: SchemaSettings| {
        settings.with(|settings| settings.definitions_path = DEFINITIONS.into()).into_generator()
    };
    let mut taken = settings(SchemaSettings::draft2020_12().for_deserialize());
    let mut told = settings(SchemaSettings::draft2020_12().for_serialize());
    let mut table = String::new();
    for method in methods::all() {
        let params = named(&(method.params)(&mut taken).to_value());
        let result = named(&(method.result)(&mut told).to_value());
        let _ = writeln!(table, "  /** {} */", method.summary);
        let _ = writeln!(table, "  '{}': {{ params: Taken.{params}; result: Told.{result} }};", method.name);
    }
    told.subschema_for::<Event>();
    told.subschema_for::<ErrorObject<'_>>();
    let mut text = String::from(
        "// The types of Waxwing's JSON face, drawn from the server's own: see docs/api.md. JSON-RPC 2.0 at `/api/socket`.\n\n\
         /** Every method: what it takes and what it answers. */\nexport interface Methods {\n",
    );
    text.push_str(&table);
    text.push_str("}\n\n");
    let conditions = Condition::ALL.iter().map(|condition| {
        format!("  /** {} */\n  {}: {};\n", condition.sentence(), word(*condition), condition.code())
    });
    let _ = writeln!(
        text,
        "/** Why requests are refused, with the numbers that stand for it. */\nexport interface Conditions {{\n{}}}\n",
        conditions.collect::<String>()
    );
    text.push_str(&namespace("Taken", "What the server takes.", &mut taken, false));
    text.push_str(&namespace(
        "Told",
        "What the server tells. A field that says nothing is absent, never `null`.",
        &mut told,
        true,
    ));
    text.push_str(
        "/** What the server tells unasked. */\nexport type Event = Told.Event;\n\n\
         /** Whatever comes from the server, one in each frame. */\nexport type Frame =\n\
         \x20 | { jsonrpc: '2.0'; id: number | string; result: Methods[keyof Methods]['result'] }\n\
         \x20 | { jsonrpc: '2.0'; id: number | string | null; error: Told.ErrorObject }\n\
         \x20 | { jsonrpc: '2.0'; method: 'event'; params: Event };\n",
    );
    text
}

fn word(condition: Condition) -> String {
    serde_json::to_value(condition).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The name of the type that a schema refers to.
fn named(schema: &Value) -> String {
    reference(schema).unwrap_or("Nothing").to_owned()
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn namespace(name: &str, says: &str, generator: &mut SchemaGenerator, told: bool) -> String {
    let types: BTreeMap<String, Value> = generator.take_definitions(true).into_iter().collect();
    let mut text = format!("/** {says} */\nexport namespace {name} {{\n");
    for (name, schema) in &types {
        text.push_str(&comment(schema, 1));
        if schema["type"] == "object" && schema["oneOf"].is_null() {
            let _ = writeln!(text, "  interface {name} {}", object(schema, 1, told));
        } else {
            let _ = writeln!(text, "  type {name} = {};", kind(schema, 1, told));
        }
    }
    text.push_str("}\n\n");
    text
}

fn comment(schema: &Value, depth: usize) -> String {
    let Some(said) = schema["description"].as_str() else { return String::new() };
    format!("{}/** {} */\n", "  ".repeat(depth), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The type that a schema is. What is absent when it says nothing is never `null` in what the server tells.
fn kind(schema: &Value, depth: usize, told: bool) -> String {
    if let Some(name) = reference(schema) {
        return name.to_owned();
    }
    if !schema["const"].is_null() {
        return schema["const"].to_string().replace('"', "'");
    }
    let union = |schemas: &Vec<Value>| {
        let mut kinds: Vec<String> = schemas.iter().map(|schema| kind(schema, depth, told)).collect();
        kinds.dedup();
        kinds.join(" | ")
    };
    if schema["oneOf"].is_array() && schema["properties"].is_object() {
        // Fields that all alternatives have stand beside them.
        let mut alternatives = schema.clone();
        alternatives["properties"].take();
        return format!("{} & ({})", object(schema, depth, told), kind(&alternatives, depth, told));
    }
    if let Some(schemas) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        return union(schemas);
    }
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().map(|value| value.to_string().replace('"', "'"));
        return values.collect::<Vec<_>>().join(" | ");
    }
    let of = |name: &str| match name {
        "integer" | "number" => "number".to_owned(),
        "array" => match kind(&schema["items"], depth, told) {
            items if items.contains(' ') => format!("({items})[]"),
            items => format!("{items}[]"),
        },
        "object" if schema["properties"].is_object() => object(schema, depth, told),
        "object" => "Record<string, unknown>".to_owned(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => of(name),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).map(of);
            names.collect::<Vec<_>>().join(" | ")
        }
        _ => "unknown".to_owned(),
    }
}

fn object(schema: &Value, depth: usize, told: bool) -> String {
    let empty = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&empty);
    if fields.is_empty() {
        return "{}".to_owned();
    }
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let mut text = String::from("{\n");
    for (name, field) in fields {
        text.push_str(&comment(field, depth + 1));
        let mut kind = kind(field, depth + 1, told);
        let optional = !required(name);
        if optional && told {
            kind = kind.trim_end_matches(" | null").to_owned();
        }
        let mark = if optional { "?" } else { "" };
        let _ = writeln!(text, "{}{name}{mark}: {kind};", "  ".repeat(depth + 1));
    }
    text.push_str(&"  ".repeat(depth));
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_become_types() {
        let cases = [
            (json!({"$ref": "#/components/schemas/Person"}), "Person"),
            (json!({"type": "string", "const": "online"}), "'online'"),
            (json!({"type": ["integer", "null"]}), "number | null"),
            (json!({"type": "array", "items": {"type": "string"}}), "string[]"),
            (json!({"type": "array", "items": {"type": ["string", "null"]}}), "(string | null)[]"),
            (json!({"anyOf": [{"$ref": "#/x/Draft"}, {"type": "null"}]}), "Draft | null"),
            (json!({"oneOf": [{"const": "a"}, {"const": "b"}]}), "'a' | 'b'"),
            (json!({"type": "object", "additionalProperties": true}), "Record<string, unknown>"),
            (json!({"description": "The data."}), "unknown"),
        ];
        for (schema, expected) in cases {
            assert_eq!(kind(&schema, 0, false), expected, "{schema}");
        }
    }

    #[test]
    fn what_all_alternatives_have_stands_beside_them() {
        let schema = json!({
            "properties": {"version": {"type": "integer"}}, "required": ["version"],
            "oneOf": [{"const": "a"}, {"const": "b"}],
        });
        assert_eq!(kind(&schema, 0, true), "{\n  version: number;\n} & ('a' | 'b')");
    }

    #[test]
    fn what_the_server_tells_is_absent_or_there() {
        let schema = json!({
            "type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}, "topic": {"type": ["string", "null"], "description": "What\n for."}},
        });
        assert_eq!(object(&schema, 0, true), "{\n  name: string;\n  /** What for. */\n  topic?: string;\n}");
        assert_eq!(
            object(&schema, 0, false),
            "{\n  name: string;\n  /** What for. */\n  topic?: string | null;\n}"
        );
    }

    #[test]
    fn every_method_has_its_types() {
        let text = document();
        for method in methods::all() {
            assert!(text.contains(&format!("  '{}': {{", method.name)), "{}", method.name);
        }
        assert!(text.starts_with("// ") && !text.contains("schemas/"), "{text}");
    }
}
