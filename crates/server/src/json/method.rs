//! The table of methods: what each is called, and what it takes and answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use schemars::{Schema, SchemaGenerator};
use waxwing_chat::Chat;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::rosters::Owner;
use waxwing_chat::session::Session;

use super::client::Client;
use super::config::Config;
use super::error::Fault;
use super::face::Face;

/// One method.
pub(crate) struct Method {
    /// Its name, `group.verb`.
    pub(crate) name: &'static str,
    /// What it does, one sentence.
    pub(crate) summary: &'static str,
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
    /// The account that asks.
    pub(crate) fn owner(&self) -> Owner {
        Owner::from(&**self.session())
    }

    /// How many things a page has, for one who asked for so many.
    pub(crate) fn page(&self, asked: Option<u32>) -> usize {
        let most = self.config.page.max(1);
        asked.map_or(most, |asked| usize::try_from(asked).unwrap_or(most)).clamp(1, most)
    }

    /// The domain.
    pub(crate) fn chat(&self) -> &Arc<Chat> {
        &self.face.chat
    }

    /// The session that asks.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.client.session
    }
}

/// An entry of the table: `method!("group.verb", "What it does.", Params => Result, handler)`, with
/// `async fn handler(call: Call, params: Params) -> Result<Result, Fault>`.
macro_rules! method {
    ($name:literal, $summary:literal, $params:ty => $result:ty, $handler:path) => {
        $crate::json::method::Method {
            name: $name,
            summary: $summary,
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

/// An entry of the table whose handler leaves a message on its way into the store: the same as `method!`, with
/// `async fn handler(call: Call, params: Params) -> Result<Outcome, Fault>`.
macro_rules! sending {
    ($name:literal, $summary:literal, $params:ty => $result:ty, $handler:path) => {
        $crate::json::method::Method {
            name: $name,
            summary: $summary,
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
