//! Writes accounts as a file of XEP-0227, one after the other, so that memory does not grow with the archive.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use waxwing_chat::Chat;
use waxwing_chat::account::{Account, Role};
use waxwing_chat::archive::{ArchiveQuery, Archived, PageFrom};
use waxwing_chat::preferences::{ArchivePreferences, DefaultPolicy};
use waxwing_chat::roster::{RosterItem, Subscription};
use waxwing_chat::store::{DocumentKind, StoreError};
use waxwing_chat::time::timestamp;
use waxwing_xmpp::xml::Element;

use super::{
    ACCOUNT, ARCHIVE, BLOCKING, DELAY, FORWARD, PIE, PIE_ARCHIVE, PIE_SCRAM, PRIVATE, ROSTER, STANZA_ID,
};

/// Accounts, and messages, read from the store at a time.
const PAGE: usize = 200;

/// What an export wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many domains.
    pub domains: u64,
    /// How many accounts.
    pub accounts: u64,
    /// How many messages of their archives.
    pub messages: u64,
}

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store could not be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Writes the accounts of these domains with all that is theirs.
pub async fn export(
    chat: &Chat,
    domains: &[String],
    archive: bool,
    out: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let mut exported = Exported::default();
    write!(out, "<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='{PIE}'>\n")?;
    for domain in domains {
        exported.domains += 1;
        writeln!(out, "<host jid='{}'>", attribute(domain))?;
        let mut after = None;
        loop {
            let accounts = chat.store().accounts(Some(domain), after.as_ref(), PAGE).await?;
            for account in &accounts {
                exported.accounts += 1;
                exported.messages += user(chat, account, archive, out).await?;
            }
            match accounts.into_iter().next_back() {
                Some(last) => after = Some(last.jid),
                None => break,
            }
        }
        out.write_all(b"</host>\n")?;
    }
    out.write_all(b"</server-data>\n")?;
    out.flush()?;
    Ok(exported)
}

/// Writes one account. What is small comes first, and what waits for it before the archive that holds it too, so that an
/// import in one pass knows of each message whether it still has to be delivered.
async fn user(
    chat: &Chat,
    account: &Account,
    archive: bool,
    out: &mut (dyn Write + Send),
) -> Result<u64, ExportError> {
    let store = chat.store();
    writeln!(out, "<user name='{}'>", attribute(account.jid.local().unwrap_or_default()))?;
    put(out, &about(account))?;
    for verifier in account.verifiers.iter().filter_map(|text| credentials(text)) {
        put(out, &verifier)?;
    }
    let roster = store.roster(account.id).await?;
    let mut query = Element::new(ROSTER, "query");
    for item in roster.items.iter().filter(|item| item.listed) {
        query.append(contact(item));
    }
    put(out, &query)?;
    for request in roster.items.iter().filter_map(|item| item.request.as_deref()) {
        out.write_all(request)?;
        out.write_all(b"\n")?;
    }
    let mut private = Element::new(PRIVATE, "query");
    for (_, content) in store.documents(account.id, DocumentKind::PrivateXml).await? {
        if let Ok(element) = Element::parse(&content) {
            private.append(element);
        }
    }
    put(out, &private)?;
    if let Some(card) = store.card(account.id).await?
        && let Ok(card) = Element::parse(&card.xml)
    {
        put(out, &card)?;
    }
    if let Some(stored) = store.document(account.id, DocumentKind::ArchivePreferences, "").await? {
        put(out, &preferences(&ArchivePreferences::parse(Some(&stored))))?;
    }
    let mut blocklist = Element::new(BLOCKING, "blocklist");
    for jid in store.blocked(account.id).await? {
        blocklist.append(Element::new(BLOCKING, "item").with_attr("jid", jid.as_str()));
    }
    put(out, &blocklist)?;
    super::nodes::export(chat, account, out).await?;
    offline(chat, account, out).await?;
    let messages = if archive { archived(chat, account, out).await? } else { 0 };
    out.write_all(b"</user>\n")?;
    Ok(messages)
}

/// What XEP-0227 has no place for, in an element of our own namespace, which others pass over (XEP-0227 section 4).
fn about(account: &Account) -> Element {
    let mut about = Element::new(ACCOUNT, "account").with_attr("created", &timestamp(account.created_ms));
    if let Some(name) = &account.name {
        about.set_attr("name", name);
    }
    if account.role == Role::Administrator {
        about.set_attr("role", "administrator");
    }
    if account.disabled {
        about.set_attr("disabled", "true");
    }
    if let Some(expires) = account.expires_ms {
        about.set_attr("expires", &timestamp(expires));
    }
    if let Some(seen) = account.last_seen_ms {
        about.set_attr("last-seen", &timestamp(seen));
    }
    if let Some(status) = &account.last_status {
        about.set_attr("last-status", status);
    }
    about
}

/// A verifier, `SCRAM-SHA-256$iterations:salt$stored:server` (RFC 5803), as XEP-0227 section 4.3 writes it.
fn credentials(verifier: &str) -> Option<Element> {
    let (mechanism, rest) = verifier.split_once('$')?;
    let (parameters, keys) = rest.split_once('$')?;
    let (iterations, salt) = parameters.split_once(':')?;
    let (stored, server) = keys.split_once(':')?;
    let text = |name: &str, text: &str| Element::new(PIE_SCRAM, name).with_text(text);
    // Every part is checked, so that nothing but credentials can stand here.
    let sound = [salt, stored, server].iter().all(|part| BASE64_STANDARD.decode(part).is_ok());
    (sound && iterations.parse::<u32>().is_ok()).then(|| {
        Element::new(PIE_SCRAM, "scram-credentials")
            .with_attr("mechanism", mechanism)
            .with_child(text("iter-count", iterations))
            .with_child(text("salt", salt))
            .with_child(text("server-key", server))
            .with_child(text("stored-key", stored))
    })
}

fn contact(item: &RosterItem) -> Element {
    let subscription = match item.subscription {
        Subscription::None => "none",
        Subscription::To => "to",
        Subscription::From => "from",
        Subscription::Both => "both",
    };
    let mut element = Element::new(ROSTER, "item").with_attr("jid", item.jid.as_str());
    if let Some(name) = &item.name {
        element.set_attr("name", name);
    }
    element.set_attr("subscription", subscription);
    if item.ask {
        element.set_attr("ask", "subscribe");
    }
    if item.approved {
        element.set_attr("approved", "true");
    }
    for group in &item.groups {
        element.append(Element::new(ROSTER, "group").with_text(group));
    }
    element
}

/// Archiving preferences (XEP-0441 section 2).
fn preferences(preferences: &ArchivePreferences) -> Element {
    let default = match preferences.default {
        DefaultPolicy::Always => "always",
        DefaultPolicy::Never => "never",
        DefaultPolicy::Roster => "roster",
    };
    let mut element = Element::new(ARCHIVE, "prefs").with_attr("default", default);
    for (name, list) in [("always", &preferences.always), ("never", &preferences.never)] {
        let mut child = Element::new(ARCHIVE, name);
        for jid in list {
            child.append(Element::new(ARCHIVE, "jid").with_text(jid.as_str()));
        }
        element.append(child);
    }
    element
}

/// Messages that wait for the account (XEP-0227 section 4.5), each with its id in the archive (XEP-0359).
async fn offline(chat: &Chat, account: &Account, out: &mut (dyn Write + Send)) -> Result<(), ExportError> {
    let mut after = account.delivered;
    let mut begun = false;
    loop {
        let page = chat.store().waiting(account.id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        if !begun {
            out.write_all(b"<offline-messages>\n")?;
            begun = true;
        }
        for message in &page {
            let extra = format!(
                "<delay xmlns='{DELAY}' from='{}' stamp='{}'/><stanza-id xmlns='{STANZA_ID}' by='{}' id='{}'/>",
                attribute(account.jid.domain()),
                timestamp(message.id.stamp_ms()),
                attribute(account.jid.as_str()),
                message.id,
            );
            writeln!(out, "{}", with_more(&message.xml, "message", &extra))?;
        }
    }
    if begun {
        out.write_all(b"</offline-messages>\n")?;
    }
    Ok(())
}

/// The archive, oldest first (XEP-0227 section 4.11).
async fn archived(chat: &Chat, account: &Account, out: &mut (dyn Write + Send)) -> Result<u64, ExportError> {
    let mut count = 0;
    let mut page = PageFrom::Start;
    writeln!(out, "<archive xmlns='{PIE_ARCHIVE}'>")?;
    loop {
        let query = ArchiveQuery { page, limit: PAGE, ..everything(account) };
        let found = chat.store().archive_page(query).await?;
        for message in &found.items {
            result(message, out)?;
            count += 1;
        }
        match found.items.last() {
            Some(last) if !found.complete => page = PageFrom::After(last.id),
            _ => break,
        }
    }
    out.write_all(b"</archive>\n")?;
    Ok(count)
}

fn everything(account: &Account) -> ArchiveQuery {
    ArchiveQuery::page(account.id, PageFrom::Start, PAGE)
}

fn result(message: &Archived, out: &mut (dyn Write + Send)) -> io::Result<()> {
    writeln!(
        out,
        "<result xmlns='{ARCHIVE}' id='{}'><forwarded xmlns='{FORWARD}'><delay xmlns='{DELAY}' stamp='{}'/>{}\
         </forwarded></result>",
        message.id,
        timestamp(message.id.stamp_ms()),
        String::from_utf8_lossy(&message.xml),
    )
}

/// A canonical stanza as it stands in the store, with something more before its end.
fn with_more(xml: &[u8], name: &str, more: &str) -> String {
    let xml = String::from_utf8_lossy(xml);
    let end = format!("</{name}>");
    match xml.strip_suffix("/>") {
        Some(open) => format!("{open}>{more}{end}"),
        None => format!("{}{more}{end}", xml.strip_suffix(&end).unwrap_or(&xml)),
    }
}

/// Writes an element; one without attributes and children would say nothing and is left out.
pub(super) fn put(out: &mut (dyn Write + Send), element: &Element) -> io::Result<()> {
    if element.children().next().is_none() && element.attrs().next().is_none() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    element.write(&mut bytes, PIE);
    bytes.push(b'\n');
    out.write_all(&bytes)
}

pub(super) fn attribute(text: &str) -> String {
    let mut out = Vec::new();
    waxwing_xmpp::xml::escape_attr(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_comes_before_the_end() {
        let empty = with_more(b"<message xmlns='jabber:client'/>", "message", "<x/>");
        assert_eq!(empty, "<message xmlns='jabber:client'><x/></message>");
        let full = with_more(b"<message><body>hi</body></message>", "message", "<x/>");
        assert_eq!(full, "<message><body>hi</body><x/></message>");
    }

    /// XEP-0227 section 4.3.
    #[test]
    fn credentials_are_written_out() {
        let element = credentials("SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy").expect("sound");
        assert_eq!(element.attr("mechanism"), Some("SCRAM-SHA-256"));
        let text = |name| element.child(PIE_SCRAM, name).map(|child| child.text().into_owned());
        assert_eq!(text("iter-count").as_deref(), Some("4096"));
        assert_eq!(text("salt").as_deref(), Some("c2FsdA=="));
        assert_eq!(text("stored-key").as_deref(), Some("c3RvcmVk"));
        assert_eq!(text("server-key").as_deref(), Some("c2VydmVy"));
        assert!(credentials("plain").is_none());
    }
}
