//! Pushes: telling somebody who looks at no client that something has come, by way of a service that can wake his device.

pub mod deciding;
pub mod subscriptions;
pub mod wishes;

use waxwing_xmpp::jid::Jid;

use crate::archive::ArchiveId;
use subscriptions::Subscription;
use wishes::Wishes;

/// How much of a message a push may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Content {
    /// That something has come, and nothing else.
    Nothing,
    /// Who has written.
    Sender,
    /// Who has written what.
    #[default]
    Full,
}

/// What an administrator decides about pushes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushSettings {
    /// How much a push may carry.
    pub content: Content,
}

/// Something to be pushed to one device.
#[derive(Debug, Clone)]
pub struct Push {
    /// Where to.
    pub subscription: Subscription,
    /// The room or person it is about: what is pushed about the same one later takes its place.
    pub conversation: Jid,
    /// What has happened.
    pub news: News,
}

/// What a push says has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A message has come.
    Message(Preview),
    /// What was pushed about the conversation has been read elsewhere.
    Read,
}

/// A message as far as a push may tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Its place in the archive.
    pub position: ArchiveId,
    /// Its id as clients see it.
    pub id: String,
    /// The account's messages that were pushed since it last looked, this one included.
    pub count: u32,
    /// Who has written, if it may be told.
    pub sender: Option<String>,
    /// The beginning of what he has written, if it may be told.
    pub text: Option<String>,
    /// It is meant for the account in particular: said to it alone, or naming it.
    pub urgent: bool,
    /// It is said where many speak, and names the account or has one of its words in it.
    pub named: bool,
}

/// The port through which pushes leave.
pub trait Pusher: Send + Sync + 'static {
    /// Whether a push service's address may be asked at all.
    fn accepts(&self, endpoint: &str) -> bool;
    /// What somebody wants, from his preferences and his settings of the conversation as they are kept.
    fn wishes(&self, preferences: Option<&str>, settings: Option<&str>) -> Wishes;
    /// Queues a push. Never waits; what does not fit into the queue is dropped, since clients read the archive.
    fn push(&self, push: Push);
}
