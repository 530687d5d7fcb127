//! Where programs post to incoming webhooks, in a form that many can already send: `{"text": …, "username": …}`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use waxwing_chat::webhooks::incoming::{Post, TEXT_BYTES_LIMIT};

use super::arguments::Arguments;
use super::endpoint::schema;
use super::problem::{Condition, Problem};
use crate::http::Http;

/// Where they are; the id and the secret follow.
pub const PATH: &str = crate::admin::commands::INCOMING_PATH;

/// What is posted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Posted {
    /// What it says.
    #[schemars(length(max = 10_000))]
    text: Option<String>,
    /// The name it is said under, in place of the webhook's own.
    #[schemars(length(max = 25))]
    username: Option<String>,
    /// Further texts, each with a title that may be a link.
    #[schemars(length(max = 20))]
    attachments: Option<Vec<Attachment>>,
}

/// A further text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Attachment {
    /// Its title.
    title: Option<String>,
    /// Where the title leads.
    title_link: Option<String>,
    /// What it says.
    text: Option<String>,
    /// What it says where nothing else can be shown.
    fallback: Option<String>,
}

pub(super) fn router() -> Router<Arc<Http>> {
    Router::new().route(&format!("{PATH}{{id}}/{{secret}}"), post(receive))
}

/// The schema of what is posted.
pub(super) fn posted() -> Value {
    schema::<Posted>()
}

async fn receive(
    State(http): State<Arc<Http>>,
    Path((id, secret)): Path<(String, String)>,
    request: Request,
) -> Response {
    match take(&http, &id, &secret, request).await {
        Ok(()) => (StatusCode::OK, axum::Json(json!({"ok": true}))).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn take(http: &Arc<Http>, id: &str, secret: &str, request: Request) -> Result<(), Problem> {
    let chat =
        http.chat.as_ref().ok_or_else(|| Problem::new(Condition::Unavailable, "The server is not ready."))?;
    let hook = chat.incoming_webhook(id, secret).await?;
    http.rest.rates.spend(
        &format!("webhook {id}"),
        chat.settings().webhooks.posts_per_minute,
        chat.now_ms(),
    )?;
    let key = super::idempotency_key(request.headers())?;
    let given = super::body_of(request).await?;
    Arguments::read(&posted()).check(&given)?;
    let posted: Posted = serde_json::from_value(Value::Object(given))
        .map_err(|error| Problem::new(Condition::InvalidParams, format!("{error}.")))?;
    let text = text(&posted);
    if text.is_empty() {
        return Err(Problem::invalid("text", "There is nothing to say."));
    }
    if text.len() > TEXT_BYTES_LIMIT {
        return Err(Problem::new(Condition::TooLarge, format!("It may have {TEXT_BYTES_LIMIT} bytes.")));
    }
    let post = Post { text, name: posted.username.filter(|name| !name.trim().is_empty()), id: key };
    Ok(chat.post_by_webhook(&hook, post).await?.await?)
}

/// Everything that is said, as one text.
fn text(posted: &Posted) -> String {
    let mut parts: Vec<String> = posted.text.iter().cloned().collect();
    for attachment in posted.attachments.iter().flatten() {
        let title = match (&attachment.title, &attachment.title_link) {
            (Some(title), Some(link)) => Some(format!("*{title}* {link}")),
            (Some(title), None) => Some(format!("*{title}*")),
            (None, link) => link.clone(),
        };
        let said = attachment.text.clone().or(attachment.fallback.clone());
        parts.extend(title.into_iter().chain(said));
    }
    parts.retain(|part| !part.trim().is_empty());
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_posted_is_said() {
        let posted = |value: Value| text(&serde_json::from_value(value).expect("read"));
        assert_eq!(posted(json!({"text": "done"})), "done");
        let all = json!({"text": "Build", "attachments": [
            {"title": "7", "title_link": "https://ci/7", "text": "red", "fallback": "not this"}, {"fallback": "plain"}]});
        assert_eq!(posted(all), "Build\n*7* https://ci/7\nred\nplain");
        assert_eq!(posted(json!({"text": " ", "attachments": [{}]})), "");
    }
}
