//! The table of methods: what each is called, what it takes and answers, and who may use it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};
use waxwing_chat::Chat;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::session::Session;

use super::client::Client;
use super::config::Config;
use super::error::Fault;
use super::face::Face;

/// What a token for a program has to be good for to use a method. A person may use all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// The session itself; every token is good for that.
    Session,
    /// Reading conversations, and being told what happens in them.
    Read,
    /// Writing messages, and changing one's own.
    Write,
    /// Creating, changing and leaving rooms.
    Rooms,
    /// Looking people up.
    People,
    /// Putting files.
    Files,
    /// Contacts, blocked addresses, presence, profile and preferences.
    Profile,
    /// Devices, tokens and the password: what a person alone may use.
    Account,
}

impl Scope {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Read => "read",
            Self::Write => "write",
            Self::Rooms => "rooms",
            Self::People => "people",
            Self::Files => "files",
            Self::Profile => "profile",
            Self::Account => "account",
        }
    }
}

/// One method.
pub(crate) struct Method {
    /// Its name, `group.verb`.
    pub(crate) name: &'static str,
    /// What it does, one sentence.
    pub(crate) summary: &'static str,
    /// Who may use it.
    pub(crate) scope: Scope,
    /// What it takes.
    pub(crate) params: fn(&mut SchemaGenerator) -> Schema,
    /// What it answers.
    pub(crate) result: fn(&mut SchemaGenerator) -> Schema,
    /// Does it.
    pub(crate) run: Run,
}

/// How a method is done.
pub(crate) enum Run {
    /// By the connection itself, before there is a session.
    SignIn,
    /// For a session.
    Call(for<'a> fn(Call, &'a str) -> Running<'a>),
}

/// A method at work.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Fault>> + Send + 'a>>;

/// What a method has led to.
pub(crate) enum Outcome {
    /// It is done, and this is its result in JSON.
    Done(String),
    /// A message is on its way into the store.
    InFlight(InFlight),
}

/// A message on its way into the store, and how its result is made once it is there.
pub(crate) struct InFlight {
    pub(crate) place: Placing,
    pub(crate) finish: Finish,
}

/// Waits until a message is safe, and tells where it is kept. Safe to drop and call again.
pub(crate) type Placing = Pin<Box<dyn Future<Output = waxwing_chat::Result<Option<ArchiveId>>> + Send>>;

/// Makes the result of a message that is safe, in JSON.
pub(crate) type Finish = Box<dyn FnOnce(Option<ArchiveId>) -> Result<String, Fault> + Send>;

/// What a method works with.
#[derive(Clone)]
pub(crate) struct Call {
    /// The face.
    pub(crate) face: Arc<Face>,
    /// The one who asks.
    pub(crate) client: Arc<Client>,
    /// The configuration in force when the connection came.
    pub(crate) config: Arc<Config>,
}

impl Call {
    /// The domain.
    pub(crate) fn chat(&self) -> &Arc<Chat> {
        &self.face.chat
    }

    /// The session that asks.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.client.session
    }
}

/// An entry of the table whose result is there when the handler returns:
/// `method!("group.verb", "What it does.", Scope::Read, Params => Result, handler)`, with
/// `async fn handler(call: Call, params: Params) -> Result<Result, Fault>`.
macro_rules! method {
    ($name:literal, $summary:literal, $scope:expr, $params:ty => $result:ty, $handler:path) => {
        $crate::json::method::Method {
            name: $name,
            summary: $summary,
            scope: $scope,
            params: |generator| generator.subschema_for::<$params>(),
            result: |generator| generator.subschema_for::<$result>(),
            run: $crate::json::method::Run::Call(|call, text| {
                Box::pin(async move {
                    let params: $params = $crate::json::codec::params(text)?;
                    let result: $result = $handler(call, params).await?;
                    Ok($crate::json::method::Outcome::Done($crate::json::codec::written(&result)))
                })
            }),
        }
    };
}
pub(crate) use method;

/// An entry of the table whose handler may leave a message on its way into the store: the same as `method!`, with
/// `async fn handler(call: Call, params: Params) -> Result<Outcome, Fault>`.
macro_rules! sending {
    ($name:literal, $summary:literal, $scope:expr, $params:ty => $result:ty, $handler:path) => {
        $crate::json::method::Method {
            name: $name,
            summary: $summary,
            scope: $scope,
            params: |generator| generator.subschema_for::<$params>(),
            result: |generator| generator.subschema_for::<$result>(),
            run: $crate::json::method::Run::Call(|call, text| {
                Box::pin(async move {
                    let params: $params = $crate::json::codec::params(text)?;
                    $handler(call, params).await
                })
            }),
        }
    };
}
pub(crate) use sending;
