//! The administrator's commands over HTTP: `/api/v1/admin/COMMAND`, for tokens of administrators with the scope of the
//! command's kind.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};
use waxwing_chat::access::Scope;

use super::problem::{Condition, Problem};
use crate::admin::parameter::Kind;
use crate::admin::registry::{self, Command, Permission, Run};
use crate::admin::{Actor, Context};
use crate::http::Http;

/// Where they are.
pub(super) const PATH: &str = "/api/v1/admin/{command}";

pub(super) fn router() -> Router<Arc<Http>> {
    Router::new().route(PATH, post(run))
}

/// What a command is called in a path.
pub(super) fn slug(command: &Command) -> String {
    command.name.replace(' ', "-")
}

/// The commands that can be asked for here: all but those of the command line.
pub(super) fn offered() -> impl Iterator<Item = &'static Command> {
    registry::all().iter().filter(|command| !matches!(command.run, Run::Program(_)))
}

/// What a token needs for a command.
pub(super) fn scope(command: &Command) -> Scope {
    match command.permission {
        Permission::View => Scope::AdminView,
        Permission::Accounts => Scope::AdminAccounts,
        Permission::Installation => Scope::AdminInstallation,
    }
}

async fn run(State(http): State<Arc<Http>>, Path(name): Path<String>, request: Request) -> Response {
    answer(&http, &name, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(http: &Arc<Http>, name: &str, request: Request) -> Result<Response, Problem> {
    let bearer = super::admit(http, request.headers()).await?;
    let command = offered().find(|command| slug(command) == name);
    let command = command.ok_or_else(|| Problem::not_found("command", "There is no such command."))?;
    if !bearer.may(scope(command)) {
        return Err(Problem::scope(scope(command)));
    }
    let arguments = super::body_of(request).await?;
    let admin = http.rest.admin.get();
    let admin = admin.ok_or_else(|| Problem::new(Condition::Unavailable, "The server is not ready."))?;
    let context = Context { admin: Arc::clone(admin), actor: Actor::program(&bearer) };
    let result = registry::run(context, command, arguments).await?;
    Ok(super::json(StatusCode::OK, &result))
}

/// The schema of a command's arguments.
pub(super) fn arguments(command: &Command) -> Value {
    let properties: Map<String, Value> = command
        .parameters
        .iter()
        .map(|parameter| {
            let mut schema = match parameter.kind {
                Kind::Number { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
                Kind::Flag => json!({"type": "boolean"}),
                Kind::Choice(words) => json!({"type": "string", "enum": words}),
                Kind::Duration => json!({"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}),
                Kind::Secret => json!({"type": "string", "format": "password", "minLength": 1}),
                _ => json!({"type": "string"}),
            };
            schema["description"] = json!(parameter.help);
            (parameter.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> = command.parameters.iter().filter(|p| p.required).map(|p| p.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
