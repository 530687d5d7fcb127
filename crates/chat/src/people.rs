//! People: what an account says about itself, how it is found, how many are there, and what administrators tell everybody.

mod avatars;
mod bookmarks;
pub mod card;
pub mod cards;
mod displayed;
pub mod facts;
pub(crate) mod following;
pub mod headcount;
pub mod notices;
pub(crate) mod photo_hash;
pub mod search;
pub mod store;
pub mod vcard4;

/// Who may read what an account says about itself (XEP-0054).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Readers {
    /// Everybody, other servers included: the text calls it world-readable.
    #[default]
    Everyone,
    /// Accounts of this installation.
    Accounts,
    /// Those who see the account's presence.
    Contacts,
}

/// Whom clients tell how somebody is, beside his contacts. XMPP itself tells contacts alone (RFC 6121 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PresenceFor {
    /// Nobody.
    Contacts,
    /// The people of his domain.
    #[default]
    Domain,
}

/// Where people may be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Nowhere.
    Off,
    /// Each in his own domain.
    #[default]
    Domain,
    /// In every domain of this installation.
    Installation,
}

/// Who is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Findable {
    /// Every account, but for those whose card says that it is private.
    #[default]
    Everyone,
    /// Those who have filled in a card that does not say so.
    WithCard,
}

/// What an administrator decides about people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleSettings {
    /// Bytes of one card, its picture included.
    pub card_bytes_limit: usize,
    /// Who may read cards.
    pub readers: Readers,
    /// Who is told how somebody is.
    pub presence_for: PresenceFor,
    /// Where people may be searched for.
    pub scope: Scope,
    /// Who is found.
    pub findable: Findable,
    /// How many people one page of an answer holds at most.
    pub page_limit: usize,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self {
            card_bytes_limit: 131_072,
            readers: Readers::Everyone,
            presence_for: PresenceFor::Domain,
            scope: Scope::Domain,
            findable: Findable::Everyone,
            page_limit: 100,
        }
    }
}
