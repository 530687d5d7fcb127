//! Reads a file of XEP-0227 into the store, one user after the other.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::sync::mpsc;
use waxwing_chat::Chat;
use waxwing_chat::account::{AccountChange, AccountId, NewAccount, Role};
use waxwing_chat::archive::{ArchiveId, Direction, ImportedMessage};
use waxwing_chat::labels;
use waxwing_chat::preferences::{ArchivePreferences, DefaultPolicy};
use waxwing_chat::roster::{RosterItem, Subscription};
use waxwing_chat::rosters::Owner;
use waxwing_chat::store::{DocumentKind, StoreError};
use waxwing_chat::time::parse_timestamp;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::Verifier;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::nodes;
use super::pieces::{self, Container, Piece};
use super::{ACCOUNT, ARCHIVE, CLIENT, DELAY, FORWARD, PIE_SCRAM, PRIVACY, STANZA_ID, VCARD};

/// Pieces read ahead of what the store has taken.
const READ_AHEAD: usize = 128;

/// Messages given to the store at a time.
const BATCH: usize = 256;

/// Reasons kept for the report; more are only counted.
const NOTES: usize = 200;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Accounts made.
    pub accounts: u64,
    /// Contacts and requests put into rosters.
    pub contacts: u64,
    /// Messages put into archives, each once for each of its owners.
    pub messages: u64,
    /// Users passed over, with the reason.
    pub skipped: Vec<(String, String)>,
    /// What was not understood or has no place here, and how often.
    pub ignored: BTreeMap<String, u64>,
}

/// Why an import stopped. What was imported before stays; the user at whom it stopped is taken out again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read or is not of this format.
    #[error("{0}")]
    File(String),
    /// The store refused.
    #[error("the store refused it: {0}")]
    Store(#[from] StoreError),
}

/// Imports the accounts of a file and the files it includes. Accounts that exist, and domains not served, are passed over.
pub async fn import(chat: &Chat, path: &Path, actor: &str) -> Result<Imported, ImportError> {
    let (sender, mut pieces) = mpsc::channel(READ_AHEAD);
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        pieces::read(&path, &mut |piece| {
            sender.blocking_send(piece).map_err(|_| "the import was given up".to_owned())
        })
    });
    let mut importer = Importer { chat, actor, host: None, user: User::None, report: Imported::default() };
    let mut result = Ok(());
    while let Some(piece) = pieces.recv().await {
        result = importer.take(piece).await;
        if result.is_err() {
            break;
        }
    }
    drop(pieces);
    let read = reading.await.unwrap_or_else(|error| Err(error.to_string()));
    let result = result.and_then(|()| read.map_err(ImportError::File));
    match result {
        Ok(()) => Ok(importer.report),
        Err(error) => {
            importer.give_up().await;
            Err(error)
        }
    }
}

struct Importer<'a> {
    chat: &'a Chat,
    /// Who imports, for the audit log.
    actor: &'a str,
    /// The domain of the users that come, if it is served here.
    host: Option<String>,
    user: User,
    report: Imported,
}

enum User {
    None,
    Skipped,
    /// Named, and not made yet: what comes first may say when it was made elsewhere.
    Announced(Jid, Option<String>),
    Open(Box<Open>),
}

/// The user whose parts are coming.
struct Open {
    jid: Jid,
    account: AccountId,
    has_credentials: bool,
    password: Option<String>,
    /// Offline messages and archive, on their way to the store.
    batch: Vec<ImportedMessage>,
    /// The last id used, so that messages of one instant keep their order.
    last: ArchiveId,
    newest: ArchiveId,
    first_waiting: Option<ArchiveId>,
}

impl Importer<'_> {
    async fn take(&mut self, piece: Piece) -> Result<(), ImportError> {
        match piece {
            Piece::Host(domain) => {
                let domain = Jid::new(&domain).map(|jid| jid.domain().to_owned()).unwrap_or(domain);
                self.host = self.chat.is_local(&domain).then(|| domain.clone());
                if self.host.is_none() {
                    self.skip(domain, "the domain is not served here");
                }
            }
            Piece::User { name, password } => self.begin(&name, password).await?,
            Piece::Part(element) => {
                self.announced(element.is(ACCOUNT, "account").then(|| element.attr("created")).flatten())
                    .await?;
                self.part(&element).await?;
            }
            Piece::Item(container, element) => {
                self.announced(None).await?;
                self.item(container, &element).await?;
            }
            Piece::UserEnd => {
                self.announced(None).await?;
                self.end().await?;
            }
            Piece::Ignored(what) => self.ignore(what),
        }
        Ok(())
    }

    fn skip(&mut self, who: String, why: &str) {
        if self.report.skipped.len() < NOTES {
            self.report.skipped.push((who, why.to_owned()));
        } else {
            self.ignore("more users that were passed over".to_owned());
        }
    }

    fn ignore(&mut self, what: String) {
        if self.report.ignored.len() < NOTES || self.report.ignored.contains_key(&what) {
            *self.report.ignored.entry(what).or_default() += 1;
        }
    }

    async fn begin(&mut self, name: &str, password: Option<String>) -> Result<(), ImportError> {
        self.user = User::Skipped;
        let Some(host) = &self.host else { return Ok(()) };
        let Ok(jid) = Jid::from_parts(Some(name), host, None) else {
            let who = format!("{name}@{host}");
            self.skip(who, "it is not a valid address");
            return Ok(());
        };
        if self.chat.store().account(&jid).await?.is_some() {
            self.skip(jid.to_string(), "the account exists");
        } else {
            self.user = User::Announced(jid, password);
        }
        Ok(())
    }

    /// Makes the account if it was announced and is not there yet.
    async fn announced(&mut self, created: Option<&str>) -> Result<(), ImportError> {
        let User::Announced(jid, password) = &mut self.user else { return Ok(()) };
        let (jid, password) = (jid.clone(), password.take());
        let new = NewAccount {
            jid: jid.clone(),
            name: None,
            role: Role::Member,
            verifiers: Vec::new(),
            created_ms: created.and_then(parse_timestamp).unwrap_or_else(|| self.chat.now_ms()),
        };
        let account = self.chat.store().create_account(new).await?;
        self.user = User::Open(Box::new(Open {
            jid,
            account: account.id,
            has_credentials: false,
            password,
            batch: Vec::new(),
            last: ArchiveId(0),
            newest: ArchiveId(0),
            first_waiting: None,
        }));
        Ok(())
    }

    async fn part(&mut self, element: &Element) -> Result<(), ImportError> {
        let store = self.chat.store();
        let User::Open(open) = &mut self.user else { return Ok(()) };
        if element.is(ACCOUNT, "account") {
            for change in account_changes(element) {
                store.change_account(open.account, change).await?;
            }
        } else if element.is(PIE_SCRAM, "scram-credentials") {
            match verifier(element) {
                Some(verifier) => {
                    store.change_account(open.account, AccountChange::AddVerifier(verifier)).await?;
                    open.has_credentials = true;
                }
                None => self.ignore(format!(
                    "credentials of {}",
                    element.attr("mechanism").unwrap_or("no mechanism")
                )),
            }
        } else if element.is(CLIENT, "presence") && element.attr("type") == Some("subscribe") {
            let from = element.attr("from").and_then(|from| Jid::new(from).ok());
            let Some(contact) = from.map(|from| from.to_bare()) else { return Ok(()) };
            let known = store.roster_item(open.account, &contact).await?;
            let mut xml = Vec::new();
            element.write(&mut xml, "");
            let item = RosterItem { request: Some(xml), ..known.unwrap_or_else(|| unlisted(contact)) };
            store.put_roster_item(open.account, item).await?;
            self.report.contacts += 1;
        } else if element.is(ARCHIVE, "prefs") {
            let stored = preferences(element).to_stored();
            store.put_document(open.account, DocumentKind::ArchivePreferences, "", Some(&stored)).await?;
        } else if element.is(VCARD, "vCard") {
            let owner = Owner { account: open.account, jid: open.jid.clone() };
            if let Err(error) = self.chat.set_card(&owner, element.root()).await {
                self.ignore(format!("a card: {error}"));
            }
        } else if element.is(PRIVACY, "query") {
            // XEP-0191 section 5: a blocked contact is a denied JID at the head of the default privacy list.
            let (blocked, passed_over) = denied(element);
            store.block(open.account, &blocked).await?;
            if passed_over {
                self.ignore("rules of privacy lists other than blocked addresses (XEP-0016)".to_owned());
            }
        } else {
            self.ignore(format!("<{} xmlns='{}'/>", element.name(), element.ns()));
        }
        Ok(())
    }

    async fn item(&mut self, container: Container, element: &Element) -> Result<(), ImportError> {
        let store = self.chat.store();
        let User::Open(open) = &mut self.user else { return Ok(()) };
        match container {
            Container::Roster => match contact(element) {
                Some(mut item) => {
                    if let Some(known) = store.roster_item(open.account, &item.jid).await? {
                        item.request = known.request;
                    }
                    store.put_roster_item(open.account, item).await?;
                    self.report.contacts += 1;
                }
                None => self.ignore("roster items that are not valid".to_owned()),
            },
            Container::Private => {
                let key = format!("{{{}}}{}", element.ns(), element.name());
                store
                    .put_document(open.account, DocumentKind::PrivateXml, &key, Some(&element.to_xml()))
                    .await?;
            }
            Container::Blocklist => {
                let jid = element.attr("jid").and_then(|jid| Jid::new(jid).ok());
                match jid {
                    Some(jid) => store.block(open.account, &[jid]).await?,
                    None => self.ignore("blocked addresses that are not valid".to_owned()),
                }
            }
            Container::Nodes => {
                if !nodes::import(self.chat, (&open.jid, open.account), element).await? {
                    self.ignore("parts of nodes that are not valid".to_owned());
                }
            }
            Container::Offline | Container::Archive => {
                let message = match container {
                    Container::Offline => open.waiting(element),
                    _ => open.archived(element),
                };
                match message {
                    Some(message) => {
                        open.batch.push(message);
                        self.report.messages += 1;
                        if open.batch.len() >= BATCH {
                            store.import_archive(open.account, std::mem::take(&mut open.batch)).await?;
                        }
                    }
                    None => self
                        .ignore("messages without a time, an address or a body that can be read".to_owned()),
                }
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), ImportError> {
        let User::Open(open) = std::mem::replace(&mut self.user, User::None) else { return Ok(()) };
        let result = self.complete(&open).await;
        match &result {
            Ok(()) => {
                self.report.accounts += 1;
                self.chat.profile_changed(&open.jid);
            }
            // Put back, so that giving up takes it out again.
            Err(_) => self.user = User::Open(open),
        }
        result
    }

    async fn complete(&mut self, open: &Open) -> Result<(), ImportError> {
        let store = self.chat.store();
        if !open.batch.is_empty() {
            store.import_archive(open.account, open.batch.clone()).await?;
        }
        let mark = open.first_waiting.map_or(open.newest, |id| ArchiveId(id.0.saturating_sub(1)));
        store.set_delivered(open.account, mark).await?;
        match &open.password {
            _ if open.has_credentials => {}
            Some(password) => {
                let set = self.chat.set_password(&open.jid, password, self.actor).await;
                if set.is_err() {
                    self.ignore(format!("the password of {}, which is not allowed here", open.jid));
                }
            }
            None => self.ignore("accounts without credentials, which need a new password".to_owned()),
        }
        Ok(())
    }

    /// Takes the user out again at whom the import stopped, so that a second attempt does not pass over him.
    async fn give_up(&mut self) {
        if let User::Open(open) = std::mem::replace(&mut self.user, User::None)
            && let Err(error) = self.chat.store().delete_account(open.account).await
        {
            tracing::warn!(%error, account = %open.jid, "an account whose import failed could not be taken out again");
        }
    }
}

impl Open {
    /// A message of `<offline-messages/>` (XEP-0227 section 4.5). Its time is that of its delay stamp; an id of ours on it
    /// (XEP-0359) says which message of the archive it is.
    fn waiting(&mut self, element: &Element) -> Option<ImportedMessage> {
        let domain = self.jid.domain().to_owned();
        let delay = element.children().find(|child| child.is(DELAY, "delay"));
        let stamp = delay.and_then(|delay| delay.attr("stamp")).and_then(parse_timestamp);
        let own =
            element.children().find(|child| is_own_id(child, &self.jid)).and_then(|child| child.attr("id"));
        let id = self.place(own, stamp?);
        let mut message = element.clone();
        message.retain_children(|child| {
            let by_us = child.attr("from").is_none_or(|from| from == domain || from == self.jid.as_str());
            !(is_own_id(&child, &self.jid) || child.is(DELAY, "delay") && by_us)
        });
        self.first_waiting = Some(self.first_waiting.map_or(id, |first| first.min(id)));
        self.message(id, &message, true)
    }

    /// A `<result/>` of `<archive/>` (XEP-0227 section 4.11).
    fn archived(&mut self, element: &Element) -> Option<ImportedMessage> {
        let forwarded = element.child(FORWARD, "forwarded")?;
        let stamp = forwarded.child(DELAY, "delay")?.attr("stamp").and_then(parse_timestamp)?;
        let mut message = forwarded.child(CLIENT, "message")?.to_element();
        message.retain_children(|child| !is_own_id(&child, &self.jid));
        let id = self.place(element.attr("id"), stamp);
        self.message(id, &message, false)
    }

    /// The place in the archive: the id itself when it is one of ours, which has the time in it; else one made of the time.
    fn place(&mut self, id: Option<&str>, stamp_ms: u64) -> ArchiveId {
        let own = id.and_then(|id| id.parse::<ArchiveId>().ok()).filter(|id| id.stamp_ms() == stamp_ms);
        let id = own.unwrap_or_else(|| ArchiveId::at_ms(stamp_ms).max(ArchiveId(self.last.0 + 1)));
        self.last = if own.is_some() { self.last } else { id };
        self.newest = self.newest.max(id);
        id
    }

    fn message(&self, id: ArchiveId, message: &Element, waits: bool) -> Option<ImportedMessage> {
        let address = |name| message.attr(name).and_then(|text| Jid::new(text).ok());
        let from = address("from").unwrap_or_else(|| self.jid.clone());
        let (direction, peer) = if from.same_bare(&self.jid) && !waits {
            (Direction::Outgoing, address("to").unwrap_or_else(|| self.jid.clone()))
        } else {
            (Direction::Incoming, from)
        };
        if !message.is(CLIENT, "message") {
            return None;
        }
        let mut xml = Vec::new();
        message.write(&mut xml, "");
        let text = message.child(CLIENT, "body").map(|body| body.text().into_owned());
        let labels =
            Stanza::from_element(message.clone()).map(|stanza| labels::of(&stanza)).unwrap_or_default();
        Some(ImportedMessage { id, peer, direction, waits, xml, text, labels })
    }
}

fn is_own_id(child: &ElementRef<'_>, owner: &Jid) -> bool {
    child.is(STANZA_ID, "stanza-id") && child.attr("by") == Some(owner.as_str())
}

fn unlisted(contact: Jid) -> RosterItem {
    RosterItem {
        jid: contact,
        name: None,
        groups: Vec::new(),
        subscription: Subscription::None,
        ask: false,
        approved: false,
        request: None,
        listed: false,
    }
}

/// A roster item (XEP-0227 section 4.4, RFC 6121 section 2.1.2).
fn contact(element: &Element) -> Option<RosterItem> {
    let jid = Jid::new(element.attr("jid")?).ok()?.to_bare();
    let subscription = match element.attr("subscription") {
        None | Some("none") => Subscription::None,
        Some("to") => Subscription::To,
        Some("from") => Subscription::From,
        Some("both") => Subscription::Both,
        Some(_) => return None,
    };
    let mut groups: Vec<String> = Vec::new();
    for group in element.children().filter(|child| child.name() == "group") {
        let group = group.text().into_owned();
        if !group.is_empty() && !groups.contains(&group) {
            groups.push(group);
        }
    }
    Some(RosterItem {
        name: element.attr("name").filter(|name| !name.is_empty()).map(str::to_owned),
        groups,
        subscription,
        ask: element.attr("ask") == Some("subscribe"),
        approved: matches!(element.attr("approved"), Some("true" | "1")),
        listed: true,
        ..unlisted(jid)
    })
}

/// SCRAM credentials (XEP-0227 section 4.3) as a verifier in its text form; `None` for a mechanism not known here.
fn verifier(element: &Element) -> Option<String> {
    let text = |name| {
        element.child(PIE_SCRAM, name).map(|child| child.text().split_whitespace().collect::<String>())
    };
    let form = format!(
        "{}${}:{}${}:{}",
        element.attr("mechanism")?,
        text("iter-count")?,
        text("salt")?,
        text("stored-key")?,
        text("server-key")?,
    );
    form.parse::<Verifier>().ok().map(|verifier| verifier.to_string())
}

fn account_changes(element: &Element) -> Vec<AccountChange> {
    let time = |name| element.attr(name).and_then(parse_timestamp);
    let mut changes = Vec::new();
    if let Some(name) = element.attr("name") {
        changes.push(AccountChange::Name(Some(name.to_owned())));
    }
    if element.attr("role") == Some("administrator") {
        changes.push(AccountChange::Role(Role::Administrator));
    }
    if element.attr("disabled") == Some("true") {
        changes.push(AccountChange::Disabled(true));
    }
    if let Some(expires) = time("expires") {
        changes.push(AccountChange::Expires(Some(expires)));
    }
    if let Some(at_ms) = time("last-seen") {
        let status = element.attr("last-status").map(str::to_owned);
        changes.push(AccountChange::LastSeen { at_ms, status });
    }
    changes
}

/// Archiving preferences (XEP-0441 section 2).
fn preferences(element: &Element) -> ArchivePreferences {
    let list = |name| -> Vec<Jid> {
        let list = element.children().find(|child| child.name() == name);
        let jids = list.into_iter().flat_map(|list| list.children());
        jids.filter_map(|jid| Jid::new(jid.text().trim()).ok()).collect()
    };
    ArchivePreferences {
        default: match element.attr("default") {
            Some("never") => DefaultPolicy::Never,
            Some("roster") => DefaultPolicy::Roster,
            _ => DefaultPolicy::Always,
        },
        always: list("always"),
        never: list("never"),
    }
}

/// The addresses that the default privacy list denies everything, and whether there are other rules.
fn denied(element: &Element) -> (Vec<Jid>, bool) {
    let default =
        element.children().find(|child| child.name() == "default").and_then(|child| child.attr("name"));
    let (mut blocked, mut others) = (Vec::new(), false);
    for list in element.children().filter(|child| child.name() == "list") {
        for item in list.children() {
            let plain = list.attr("name") == default
                && item.attr("type") == Some("jid")
                && item.attr("action") == Some("deny")
                && item.children().next().is_none();
            match item.attr("value").and_then(|value| Jid::new(value).ok()).filter(|_| plain) {
                Some(jid) => blocked.push(jid),
                // A last rule that lets everything else through is how such lists end.
                None => others |= item.attr("action") != Some("allow") || item.attr("type").is_some(),
            }
        }
    }
    (blocked, others)
}
