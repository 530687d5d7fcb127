//! Searching messages, with operators in the text.

use waxwing_chat::archive::ArchiveId;
use waxwing_chat::conversations::finding::Wanted;
use waxwing_xmpp::jid::Jid;

use super::address_in;
use crate::json::conversations;
use crate::json::error::Fault;
use crate::json::method::{Call, Method, method};
use crate::json::types::{MessagesPage, SearchMessages};

/// Bytes of what is searched for.
const TEXT_BYTES_LIMIT: usize = 1_024;

/// What a message can be found by that it holds.
const HOLDINGS: [&str; 4] = ["file", "image", "link", "poll"];

/// The methods.
pub(super) const METHODS: &[Method] = &[method!(
    "search.messages",
    "Finds messages by their words, the newest first. In the text may stand from:ADDRESS, in:ADDRESS, has:file, has:image, \
     has:link, has:poll, is:thread, is:mention, and before: and after: with a day like 2026-01-31.",
    SearchMessages => MessagesPage,
    messages
)];

async fn messages(call: Call, params: SearchMessages) -> Result<MessagesPage, Fault> {
    if params.text.len() > TEXT_BYTES_LIMIT {
        return Err(Fault::field("text", format!("It may have {TEXT_BYTES_LIMIT} bytes.")));
    }
    let mut wanted = read(&params.text, &call.session().bare)?;
    if let Some(conversation) = &params.conversation {
        wanted.conversation = Some(address_in("conversation", conversation)?);
    }
    let (before, limit) = (params.before.map(ArchiveId), call.page(params.limit));
    let (views, more) = call.chat().find_messages(call.session(), &wanted, before, limit).await?;
    let next = views.last().map(|last| last.id.0).filter(|_| more);
    Ok(MessagesPage { messages: conversations::messages(&call, &views).await?, more, next })
}

/// Reads words and operators. An operator that is not known is a word like any other.
fn read(text: &str, own: &Jid) -> Result<Wanted, Fault> {
    let mut wanted = Wanted::default();
    let mut words = Vec::new();
    for part in text.split_whitespace() {
        let Some((operator, value)) = part.split_once(':').filter(|(_, value)| !value.is_empty()) else {
            words.push(part);
            continue;
        };
        match operator {
            "from" if value == "me" => wanted.from = Some(own.clone()),
            "from" => wanted.from = Some(somebody(value, own)?),
            "in" => wanted.conversation = Some(somebody(value, own)?),
            "has" if HOLDINGS.contains(&value) => wanted.has = Some(value.to_owned()),
            "is" if value == "mention" => wanted.mentioning = true,
            "is" if value == "thread" => wanted.in_thread = true,
            "before" => wanted.before_ms = Some(day(value)?),
            "after" => wanted.after_ms = Some(day(value)?),
            "has" | "is" => {
                return Err(Fault::field("text", format!("`{operator}:{value}` is not known here.")));
            }
            _ => words.push(part),
        }
    }
    wanted.text = Some(words.join(" ")).filter(|words| !words.is_empty());
    Ok(wanted)
}

/// An address, or the first part of one of the searcher's own domain.
fn somebody(value: &str, own: &Jid) -> Result<Jid, Fault> {
    let whole = if value.contains('@') { value.to_owned() } else { format!("{value}@{}", own.domain()) };
    Jid::new(&whole)
        .map(|jid| jid.to_bare())
        .map_err(|_| Fault::field("text", format!("`{value}` is no address.")))
}

/// The beginning of a day, in milliseconds since the Unix epoch.
fn day(value: &str) -> Result<u64, Fault> {
    waxwing_chat::time::parse_timestamp(&format!("{value}T00:00:00Z"))
        .ok_or_else(|| Fault::field("text", format!("`{value}` is no day like 2026-01-31.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_stand_among_words() {
        let own = Jid::new("romeo@localhost").expect("an address");
        let wanted =
            read("from:juliet has:file the nightingale after:1970-01-02 is:thread a:b", &own).expect("read");
        assert_eq!(
            wanted,
            Wanted {
                text: Some("the nightingale a:b".to_owned()),
                from: Jid::new("juliet@localhost").ok(),
                has: Some("file".to_owned()),
                in_thread: true,
                after_ms: Some(86_400_000),
                ..Wanted::default()
            }
        );
        assert_eq!(read("from:me", &own).expect("read").from, Some(own.clone()));
        for wrong in ["has:gold", "is:good", "before:yesterday", "from:@"] {
            assert!(read(wrong, &own).is_err(), "{wrong}");
        }
        assert_eq!(read("12:30 http://x", &own).expect("read").text.as_deref(), Some("12:30 http://x"));
    }
}
