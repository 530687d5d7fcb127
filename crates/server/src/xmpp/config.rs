//! The configuration of the XMPP face.

use waxwing_chat::people::{Findable, PeopleSettings, PresenceFor, Readers, Scope};
use waxwing_xmpp::sm;

use crate::config::{choice, config};

config! {
    /// XMPP for clients.
    pub struct Config {
        /// Allow SASL PLAIN. Only ever offered on encrypted streams, unless `plaintext_on_loopback` says otherwise.
        plain: bool = true,
        /// Allow signing in without TLS on connections from this machine itself. For measuring and debugging.
        plaintext_on_loopback: bool = false,
        /// The largest stanza taken from a client that has signed in.
        stanza_bytes: usize = 262_144,
        /// The largest element taken from a client that has not signed in.
        /// Over a WebSocket, what is not yet a whole message may hold 8 KiB more.
        unauthenticated_stanza_bytes: usize = 16_384,
        /// How long a client that lost its connection may take to resume its stream (XEP-0198).
        resume_timeout_ms: u64 = 600_000,
        /// How many streams may be resumable at one time. Those beyond it are managed too, but end with their connection.
        resumable_streams_limit: usize = 200_000,
        /// How many stanzas may wait for a client's acknowledgement before its stream is given up; what is archived
        /// then waits for its next sign-in. At least 200, so that a page of what waits fits into half of it.
        unacknowledged_limit: usize = 5_000,
        /// How many messages of one client may be on their way into the store at one time.
        in_flight_limit: usize = 64,
        /// After how long a silence a client is asked whether it still is there.
        idle_timeout_ms: u64 = 300_000,
        /// How long it may take to answer that.
        response_timeout_ms: u64 = 60_000,
        /// How many stanzas a client may hold back with client state indication (XEP-0352) before they are sent.
        held_stanzas_limit: usize = 200,
        /// How many attempts to sign in one connection may make.
        sign_in_attempts: u32 = 3,
        /// Where clients are sent when this server drains, as `host` or `host:port` (RFC 6120 section 4.9.3.19). Unset:
        /// they are told system-shutdown.
        /// Example: "other.example.org"
        see_other_host: Option<String> = None,
        /// Let every member invite people to make an account here. Without it, a member's invitation only makes
        /// contacts; accounts are made by administrators, or by anybody where registration is open. Off by default: in an
        /// organisation the members do not decide who belongs to it.
        members_invite_accounts: bool = false,
        /// What people say about themselves, and how they are found.
        people: People = People::default(),
        /// Whom to write to, shown in service discovery (XEP-0157).
        contact: Contact = Contact::default(),
    }
}

config! {
    /// What people say about themselves (XEP-0054), and how they are found (XEP-0055).
    pub struct People {
        /// Bytes of one card, its picture included.
        card_bytes_limit: usize = PeopleSettings::default().card_bytes_limit,
        /// Who may read the cards of others.
        cards_for: CardsFor = CardsFor::Everyone,
        /// Who is told on the JSON face, by the web client say, whether somebody is there, beside his contacts. To XMPP clients
        /// only contacts are shown.
        presence_for: ShownTo = ShownTo::Domain,
        /// Where a member may search for people.
        search: Search = Search::Domain,
        /// Who is found. Whoever's card says that it is private (`CLASS`) never is.
        found: Found = Found::Everyone,
        /// How many people one page of an answer holds at most.
        search_page_limit: usize = PeopleSettings::default().page_limit,
    }
}

choice! {
    /// Who may read the cards of others.
    pub enum CardsFor {
        /// Everybody, other servers included.
        Everyone = "everyone",
        /// Accounts of this server.
        Accounts = "accounts",
        /// Those who see the account's presence.
        Contacts = "contacts",
    }
}

choice! {
    /// Who is told whether somebody is there.
    pub enum ShownTo {
        /// Contacts alone.
        Contacts = "contacts",
        /// The people of his domain.
        Domain = "domain",
    }
}

choice! {
    /// Where a member may search for people.
    pub enum Search {
        /// Nowhere.
        Off = "off",
        /// In his own domain.
        Domain = "domain",
        /// In every domain of this server.
        Installation = "installation",
    }
}

choice! {
    /// Who is found.
    pub enum Found {
        /// Every account.
        Everyone = "everyone",
        /// Those who have filled in a card.
        WithCard = "with-card",
    }
}

impl From<&People> for PeopleSettings {
    fn from(people: &People) -> Self {
        Self {
            card_bytes_limit: people.card_bytes_limit,
            readers: match people.cards_for {
                CardsFor::Everyone => Readers::Everyone,
                CardsFor::Accounts => Readers::Accounts,
                CardsFor::Contacts => Readers::Contacts,
            },
            presence_for: match people.presence_for {
                ShownTo::Contacts => PresenceFor::Contacts,
                ShownTo::Domain => PresenceFor::Domain,
            },
            scope: match people.search {
                Search::Off => Scope::Off,
                Search::Domain => Scope::Domain,
                Search::Installation => Scope::Installation,
            },
            findable: match people.found {
                Found::Everyone => Findable::Everyone,
                Found::WithCard => Findable::WithCard,
            },
            page_limit: people.search_page_limit,
        }
    }
}

config! {
    /// Addresses of the people responsible for this server, as URIs such as `mailto:help@example.org`.
    pub struct Contact {
        /// For reports of abuse.
        abuse: Vec<String> = Vec::new(),
        /// For technical questions.
        admin: Vec<String> = Vec::new(),
        /// For comments.
        feedback: Vec<String> = Vec::new(),
        /// For questions about money.
        sales: Vec<String> = Vec::new(),
        /// For reports of weaknesses.
        security: Vec<String> = Vec::new(),
        /// For help.
        support: Vec<String> = Vec::new(),
    }
}

impl Config {
    /// The bounds of a managed stream.
    pub(crate) fn management_limits(&self) -> sm::Limits {
        sm::Limits { unacknowledged: self.unacknowledged_limit, ..sm::Limits::default() }
    }
}
