//! The API for bots: plain HTTP with JSON, in the name of whoever's access token comes along, described by OpenAPI.

mod arguments;
mod commands;
mod endpoint;
mod endpoints;
mod hooks;
pub mod openapi;
mod problem;
mod rates;
mod sessions;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use waxwing_chat::access::Bearer;

use crate::admin::Admin;
use crate::http::Http;
use endpoint::{Call, Endpoint};
use problem::{Condition, Problem};
use rates::Rates;
use sessions::Sessions;

pub use hooks::PATH as HOOKS_PATH;

/// Where the description of the API is.
const OPENAPI_PATH: &str = "/api/openapi.json";

/// Characters of the id that a client gives a message.
const KEY_CHARS_LIMIT: usize = 128;

/// What requests share.
#[derive(Default)]
pub struct Rest {
    sessions: Sessions,
    rates: Rates,
    admin: OnceLock<Arc<Admin>>,
}

impl Rest {
    /// Makes the administrator's commands available.
    pub fn administer(&self, admin: Arc<Admin>) {
        let _ = self.admin.set(admin);
    }
}

/// Every path of the API.
pub fn router() -> Router<Arc<Http>> {
    let mut router = Router::new().route(OPENAPI_PATH, get(description));
    for endpoint in endpoints::all() {
        let run = move |State(http): State<Arc<Http>>,
                        Path(path): Path<HashMap<String, String>>,
                        request: Request| async move {
            answer(&http, endpoint, path, request).await.unwrap_or_else(IntoResponse::into_response)
        };
        let filter = MethodFilter::try_from(endpoint.method()).unwrap_or(MethodFilter::GET);
        router = router.route(endpoint.path, on(filter, run));
    }
    router.merge(hooks::router()).merge(commands::router())
}

async fn description() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, openapi::document()).into_response()
}

/// One request: who asks, whether he may, what he asks, and the answer.
async fn answer(
    http: &Arc<Http>,
    endpoint: &'static Endpoint,
    path: HashMap<String, String>,
    request: Request,
) -> Result<Response, Problem> {
    let bearer = admit(http, request.headers()).await?;
    if let Some(scope) = endpoint.scope
        && !bearer.may(scope)
    {
        return Err(Problem::scope(scope));
    }
    let key = idempotency_key(request.headers())?;
    let reads = *request.method() == Method::GET || *request.method() == Method::DELETE;
    let query = query(&request)?;
    let checked = arguments::of(endpoint);
    let mut given = checked.read_text(path)?;
    if reads {
        given.extend(checked.read_text(query)?);
    } else {
        if let Some((name, _)) = query.first() {
            return Err(Problem::invalid(name, "This request takes no query."));
        }
        let body = body_of(request).await?;
        for (name, value) in body {
            if given.insert(name.clone(), value).is_some() {
                return Err(Problem::invalid(&name, "It stands in the path already."));
            }
        }
    }
    checked.check(&given)?;
    let chat =
        http.chat.clone().ok_or_else(|| Problem::new(Condition::Unavailable, "The server is not ready."))?;
    let call = Call { chat, rest: Arc::clone(&http.rest), bearer, key };
    let result = (endpoint.run)(call, Value::Object(given)).await?;
    let status = StatusCode::from_u16(endpoint.status).unwrap_or(StatusCode::OK);
    Ok(json(status, &result))
}

fn json(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Whose token came along, within the number of requests that one may make.
async fn admit(http: &Http, headers: &HeaderMap) -> Result<Bearer, Problem> {
    let chat =
        http.chat.as_ref().ok_or_else(|| Problem::new(Condition::Unavailable, "The server is not ready."))?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = given
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, secret) = secret.ok_or_else(Problem::unauthorized)?;
    let bearer = chat.bearer(secret.trim()).await.map_err(Problem::from)?;
    let limit = http.live.current().integrations.requests_per_minute;
    http.rest.rates.spend(&bearer.token.id, limit, chat.now_ms())?;
    Ok(bearer)
}

/// The client's own id of what it sends: the same one twice is one message.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=KEY_CHARS_LIMIT).contains(&text.len()));
    match text {
        Some(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(text.to_owned())),
        _ => Err(Problem::invalid("Idempotency-Key", "It has to be 1 to 128 visible characters of ASCII.")),
    }
}

fn query(request: &Request<Body>) -> Result<Vec<(String, String)>, Problem> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    pairs
        .map(|pairs| pairs.0)
        .map_err(|_| Problem::new(Condition::InvalidParams, "The query cannot be read."))
}

/// The content of a request: an object in JSON.
async fn body_of(request: Request) -> Result<Map<String, Value>, Problem> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !kind.is_empty() && kind != "application/json" {
        return Err(Problem::new(Condition::UnsupportedMedia, "The content has to be application/json."));
    }
    let bytes = request.into_body().collect().await.map_err(|_| {
        Problem::new(Condition::TooLarge, "The content is larger than http.body_bytes, or broke off.")
    })?;
    let bytes = bytes.to_bytes();
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(mut object)) => {
            object.values_mut().for_each(arguments::whole);
            Ok(object)
        }
        Ok(_) => Err(Problem::new(Condition::InvalidParams, "The content has to be an object.")),
        Err(error) => {
            Err(Problem::new(Condition::InvalidParams, format!("The content is not JSON: {error}.")))
        }
    }
}
