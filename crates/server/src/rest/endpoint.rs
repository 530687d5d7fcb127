//! What an endpoint of the API is: its path and scope, what it takes and answers, and the function that does it.

use std::pin::Pin;
use std::sync::Arc;

use axum::http::Method;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use waxwing_chat::Chat;
use waxwing_chat::access::{Bearer, Scope};
use waxwing_chat::rosters::Owner;
use waxwing_chat::route::Destination;
use waxwing_chat::service::Service;
use waxwing_chat::session::Session;
use waxwing_xmpp::jid::Jid;

use super::Rest;
use super::problem::{Condition, Problem};

/// A request that is being carried out.
pub(super) type Pending = Pin<Box<dyn Future<Output = Result<Value, Problem>> + Send>>;

/// One endpoint.
pub(super) struct Endpoint {
    /// Its method.
    pub(super) verb: &'static str,
    /// Its path; what stands in braces is an argument.
    pub(super) path: &'static str,
    /// What it is called in the description.
    pub(super) operation: &'static str,
    /// What it does, in one line without a full stop.
    pub(super) summary: &'static str,
    /// What a token needs for it; any will do without one.
    pub(super) scope: Option<Scope>,
    /// The status of a good answer.
    pub(super) status: u16,
    /// The schema of its arguments, wherever they stand.
    pub(super) arguments: fn() -> Value,
    /// The schema of what it answers.
    pub(super) result: fn() -> Value,
    /// What does it.
    pub(super) run: fn(Call, Value) -> Pending,
}

impl Endpoint {
    pub(super) fn method(&self) -> Method {
        self.verb.parse().unwrap_or(Method::GET)
    }
}

/// Who asks, and what answering needs.
pub(super) struct Call {
    pub(super) chat: Arc<Chat>,
    pub(super) rest: Arc<Rest>,
    pub(super) bearer: Bearer,
    /// The client's own id of what it sends.
    pub(super) key: Option<String>,
}

impl Call {
    /// For whom.
    pub(super) fn owner(&self) -> Owner {
        Owner::from(&self.bearer.account)
    }

    /// Their address.
    pub(super) fn jid(&self) -> &Jid {
        &self.bearer.account.jid
    }

    /// The session by which they send.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Problem> {
        Ok(self.rest.sessions.of(&self.chat, &self.bearer.account, &self.bearer.token.id).await?)
    }

    /// Whether an address is that of a room here.
    pub(super) fn is_room(&self, address: &Jid) -> bool {
        matches!(self.chat.locate(address), Destination::Service(Service::Rooms))
    }
}

/// An address without a resource that names somebody or a room; whatever is none does not exist.
pub(super) fn address(field: &str, text: &str) -> Result<Jid, Problem> {
    let jid = Jid::new(text).ok().filter(|jid| jid.is_bare() && jid.local().is_some());
    jid.ok_or_else(|| Problem::not_found(field, "There is nobody and no room of this address."))
}

/// The schema of a type, everything in it spelled out.
pub(super) fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
        // What a generated type says of itself is for its readers in Rust.
        object.remove("description");
    }
    schema
}

/// Joins an endpoint's typed function to the table.
pub(super) fn call<A, R, F>(call: Call, arguments: Value, function: fn(Call, A) -> F) -> Pending
where
    A: DeserializeOwned + Send + 'static,
    R: Serialize,
    F: Future<Output = Result<R, Problem>> + Send + 'static,
{
    let arguments = serde_json::from_value::<A>(arguments);
    Box::pin(async move {
        let arguments =
            arguments.map_err(|error| Problem::new(Condition::InvalidParams, format!("{error}.")))?;
        let result = function(call, arguments).await?;
        serde_json::to_value(result).map_err(|error| Problem::new(Condition::Internal, error.to_string()))
    })
}

/// An entry of the table.
macro_rules! endpoint {
    ($verb:literal $path:literal, $operation:literal, $summary:literal, $scope:expr, $status:literal, $arguments:ty => $result:ty, $run:path) => {
        $crate::rest::endpoint::Endpoint {
            verb: $verb,
            path: $path,
            operation: $operation,
            summary: $summary,
            scope: $scope,
            status: $status,
            arguments: $crate::rest::endpoint::schema::<$arguments>,
            result: $crate::rest::endpoint::schema::<$result>,
            run: |call, arguments| $crate::rest::endpoint::call(call, arguments, $run),
        }
    };
}

pub(super) use endpoint;
