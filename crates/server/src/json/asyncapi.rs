//! The description of the face as messages on a channel (AsyncAPI 3.0), drawn from the table of methods and the types: for tools
//! that draw pages and code from it.

use serde_json::{Map, Value, json};

use super::error::ErrorObject;
use super::methods;
use super::reference::{generator, written};
use super::types::Event;

/// The one channel.
const CHANNEL: &str = "#/channels/socket";

/// The document, as it stands in the project's documents.
pub fn document() -> String {
    written(&describe())
}

fn describe() -> Value {
    let mut generator = generator();
    let (mut messages, mut operations) = (Map::new(), Map::new());
    let on_channel = |name: &str| json!({ "$ref": format!("{CHANNEL}/messages/{name}") });
    for method in methods::all() {
        let (name, result) = (method.name, format!("{}.result", method.name));
        let params = (method.params)(&mut generator);
        messages.insert(name.to_owned(), message(name, method.summary, &request(name, &params.to_value())));
        let answered = (method.result)(&mut generator).to_value();
        let says = format!("What `{name}` answers.");
        messages.insert(result.clone(), message(&result, &says, &answer("result", &answered)));
        operations.insert(
            name.to_owned(),
            json!({
                "action": "receive",
                "channel": { "$ref": CHANNEL },
                "summary": method.summary,
                "messages": [on_channel(name)],
                "reply": {
                    "channel": { "$ref": CHANNEL },
                    "messages": [on_channel(&result), on_channel("refusal")],
                },
            }),
        );
    }
    let refused = generator.subschema_for::<ErrorObject<'_>>().to_value();
    messages.insert(
        "refusal".to_owned(),
        message("refusal", "A request was refused.", &answer("error", &refused)),
    );
    let told = json!({
        "type": "object",
        "required": ["jsonrpc", "method", "params"],
        "properties": {
            "jsonrpc": { "const": "2.0" },
            "method": { "const": "event" },
            "params": generator.subschema_for::<Event>(),
        },
    });
    messages.insert("event".to_owned(), message("event", "Something happened.", &told));
    operations.insert(
        "event".to_owned(),
        json!({
            "action": "send",
            "channel": { "$ref": CHANNEL },
            "summary": "Tells that something happened.",
            "messages": [on_channel("event")],
        }),
    );
    document_of(&messages, &operations, &generator.take_definitions(true))
}

fn document_of(
    messages: &Map<String, Value>,
    operations: &Map<String, Value>,
    schemas: &Map<String, Value>,
) -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waxwing over WebSocket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON-RPC 2.0 at `/api/socket` with the subprotocol `waxwing.v1`, one request, answer or event in a \
                frame. The first request is `session.sign_in`; see api.md.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "own": { "host": "chat.example.org", "protocol": "wss", "description": "Wherever the server runs." },
        },
        "channels": {
            "socket": {
                "address": "/api/socket",
                "description": "The WebSocket. Everything of one client goes over one.",
                "messages": messages,
                "bindings": { "ws": { "method": "GET", "headers": {
                    "type": "object",
                    "required": ["Sec-WebSocket-Protocol"],
                    "properties": { "Sec-WebSocket-Protocol": { "const": "waxwing.v1" } },
                }}},
            },
        },
        "operations": operations,
        "components": { "schemas": schemas },
    })
}

fn message(name: &str, says: &str, payload: &Value) -> Value {
    json!({ "name": name, "summary": says, "payload": payload })
}

fn id() -> Value {
    json!({ "type": ["integer", "string"], "description": "By what the client knows the answer." })
}

fn request(name: &str, params: &Value) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["jsonrpc", "id", "method"],
        "properties": {
            "jsonrpc": { "const": "2.0" },
            "id": id(),
            "method": { "const": name },
            "params": params,
        },
    })
}

fn answer(kind: &str, value: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["jsonrpc", "id", kind],
        "properties": { "jsonrpc": { "const": "2.0" }, "id": id(), kind: value },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_an_operation_and_every_reference_leads_somewhere() {
        let document = describe();
        assert_eq!(document["operations"].as_object().map(Map::len), Some(methods::all().count() + 1));
        let text = document.to_string();
        let references = text.split("\"#").skip(1).filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 300, "{count}");
    }
}
