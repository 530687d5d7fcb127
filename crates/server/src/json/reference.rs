//! The description of the face for programs (OpenRPC 1.3), drawn from the table of methods and the types.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::error::{Condition, ErrorObject};
use super::methods;
use super::types::Event;

/// The document, as it stands in the project's documents.
pub fn document() -> String {
    written(&describe())
}

/// A description as it stands in a file.
pub(super) fn written(description: &Value) -> String {
    let mut text = serde_json::to_string_pretty(description).unwrap_or_default();
    text.push('\n');
    text
}

/// Draws schemas from the types, and keeps them where documents of this kind have them.
pub(super) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator()
}

fn describe() -> Value {
    let mut generator = generator();
    let listed: Vec<Value> = methods::all()
        .map(|method| {
            json!({
                "name": method.name,
                "summary": method.summary,
                "paramStructure": "by-name",
                "params": [{"name": "params", "required": true, "schema": (method.params)(&mut generator)}],
                "result": {"name": "result", "schema": (method.result)(&mut generator)},
            })
        })
        .collect();
    let event = json!({
        "method": "event",
        "description": "A notification of the server: something that happened.",
        "params": generator.subschema_for::<Event>(),
    });
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "Waxwing over WebSocket",
            "description": "JSON-RPC 2.0 at /api/socket with the subprotocol waxwing.v1; the first request is session.sign_in.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "methods": listed,
        "x-notifications": [event],
        "components": {"errors": errors(&mut generator), "schemas": generator.take_definitions(true)},
    })
}

/// The refusals there are.
fn errors(generator: &mut SchemaGenerator) -> Value {
    let data = generator.subschema_for::<ErrorObject<'_>>();
    let each = Condition::ALL.iter().map(|condition| {
        let word = serde_json::to_value(condition).unwrap_or_default();
        (
            word.as_str().unwrap_or_default().to_owned(),
            json!({"code": condition.code(), "message": condition.sentence(), "data": data}),
        )
    });
    Value::Object(each.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_described_and_every_reference_leads_somewhere() {
        let document = describe();
        assert_eq!(document["methods"].as_array().map(Vec::len), Some(methods::all().count()));
        let text = document.to_string();
        let references = text.split("\"#").skip(1).filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 20, "{count}");
    }
}
