//! The description of the API by OpenAPI 3.1, drawn from the tables of endpoints and commands.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::endpoint::{Endpoint, schema};
use super::problem::Problem;
use super::{commands, endpoints, hooks};

/// The description as text.
pub fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = serde_json::to_string_pretty(&describe()).unwrap_or_default();
        text.push('\n');
        text
    })
}

fn describe() -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints::all() {
        add(&mut paths, endpoint.path, endpoint.verb, operation(endpoint));
    }
    for command in commands::offered() {
        let path = commands::PATH.replace("{command}", &commands::slug(command));
        let mut described = json!({
            "operationId": format!("admin-{}", commands::slug(command)),
            "summary": command.summary,
            "description": format!("{}\n\nScope: {}.", command.help, commands::scope(command).as_str()).trim_start(),
            "tags": ["administration"],
            "requestBody": body(commands::arguments(command)),
            "responses": responses(200, json!({"type": "object"})),
        });
        if command.parameters.iter().all(|parameter| !parameter.required) {
            described["requestBody"]["required"] = json!(false);
        }
        add(&mut paths, &path, "POST", described);
    }
    add(&mut paths, &format!("{}{{id}}/{{secret}}", hooks::PATH), "POST", hook());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Waxwing for bots",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Everything is said in the name of the account that the access token belongs to, and that account's \
                            rights hold. Fields that are not known are refused.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": schema::<Problem>()},
        },
    })
}

fn add(paths: &mut Map<String, Value>, path: &str, verb: &str, operation: Value) {
    let methods = paths.entry(path).or_insert_with(|| json!({}));
    methods[verb.to_ascii_lowercase()] = operation;
}

/// Arguments that stand in the path, in the query of what only reads, and else in the content.
fn operation(endpoint: &Endpoint) -> Value {
    let whole = (endpoint.arguments)();
    let reads = matches!(endpoint.verb, "GET" | "DELETE");
    let required: Vec<&str> =
        whole["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (mut parameters, mut properties) = (Vec::new(), Map::new());
    for (name, property) in whole["properties"].as_object().into_iter().flatten() {
        let place = match endpoint.path.contains(&format!("{{{name}}}")) {
            true => "path",
            false if reads => "query",
            false => {
                properties.insert(name.clone(), property.clone());
                continue;
            }
        };
        let mut property = property.clone();
        let told = property.as_object_mut().and_then(|object| object.remove("description"));
        // What is not there is left out of a query, and never null.
        if let Some(kind) = property["type"].as_array().and_then(|kinds| kinds.first().cloned()) {
            property["type"] = kind;
        }
        if place == "path" {
            property["minLength"] = json!(1);
        }
        parameters.push(json!({
            "name": name, "in": place, "required": required.contains(&&**name), "description": told, "schema": property,
        }));
    }
    let scope = endpoint.scope.map_or("none", |scope| scope.as_str());
    let mut described = json!({
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "description": format!("Scope: {scope}."),
        "responses": responses(endpoint.status, (endpoint.result)()),
    });
    if endpoint.operation == "sendMessage" {
        parameters.push(idempotency_key());
    }
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    if !reads {
        let required: Vec<&str> =
            required.into_iter().filter(|name| properties.contains_key(*name)).collect();
        let optional = required.is_empty();
        let content = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        described["requestBody"] = body(content);
        described["requestBody"]["required"] = json!(!optional);
    }
    described
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "The client's own id of the message: the same one twice is one message.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    })
}

fn hook() -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}});
    json!({
        "operationId": "postByWebhook",
        "summary": "Say something by an incoming webhook",
        "security": [],
        "parameters": [parameter("id"), parameter("secret"), idempotency_key()],
        "requestBody": body(hooks::posted()),
        "responses": responses(200, json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]})),
    })
}

fn body(schema: Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

fn responses(status: u16, schema: Value) -> Value {
    let problem = json!({
        "description": "The request was not carried out.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    let mut responses = json!({"default": problem});
    responses[status.to_string()] =
        json!({"description": "Done.", "content": {"application/json": {"schema": schema}}});
    responses
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_describes_its_path() {
        let document = describe();
        let mut seen = HashSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (verb, operation) in methods.as_object().expect("methods") {
                let id = operation["operationId"].as_str().expect("a name");
                assert!(seen.insert(id.to_owned()), "{id} is there twice");
                let described = operation["parameters"].as_array().cloned().unwrap_or_default();
                let named = path.split('{').skip(1).filter_map(|part| part.split('}').next());
                for name in named {
                    let there = described.iter().any(|one| one["name"] == name && one["in"] == "path");
                    assert!(there, "{verb} {path}: {name}");
                }
            }
        }
        assert!(seen.len() > 40, "{}", seen.len());
    }
}
