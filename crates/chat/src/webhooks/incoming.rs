//! Incoming webhooks: who may post, and under which name it is said.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use super::{WEBHOOK_NAME_BYTES_LIMIT, Way, Webhook};
use crate::access::is_hashed;
use crate::archive::{Append, ArchiveCopy, Committed, Direction};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::hints::{self, Keeping};
use crate::labels;
use crate::messages::Checked;
use crate::receipt::Receipt;
use crate::route::Destination;
use crate::service::Service;
use crate::store::StoreResult;

/// Bytes of a text that a webhook posts.
pub const TEXT_BYTES_LIMIT: usize = 40_000;

/// What is put behind the name of whoever speaks by a webhook, so that nobody passes for a person.
pub const WEBHOOK_MARK: &str = " ⚙";

/// What somebody posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The text.
    pub text: String,
    /// The name it is said under, in place of the webhook's own.
    pub name: Option<String>,
    /// An id of the poster's own: a second post with the same one is not said again.
    pub id: Option<String>,
}

/// A text as XML can carry it: characters that no XML may hold (XML 1.0 section 2.2) become U+FFFD.
pub fn carried(text: &str) -> String {
    let held =
        |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    text.chars().map(|c| if held(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

impl Chat {
    /// The incoming webhook of an id, for whoever shows its secret. `NotFound` for everything else, whatever is wrong.
    pub async fn incoming_webhook(&self, id: &str, secret: &str) -> Result<Webhook> {
        let hook = self.store.webhook(id).await?.ok_or(Error::NotFound)?;
        match &hook.way {
            Way::Incoming { hash, .. } if is_hashed(secret, hash) => Ok(hook),
            _ => Err(Error::NotFound),
        }
    }

    /// Says what was posted to a webhook whose secret was shown.
    pub async fn post_by_webhook(self: &Arc<Self>, hook: &Webhook, post: Post) -> Result<Receipt> {
        let Way::Incoming { to, .. } = &hook.way else { return Err(Error::NotFound) };
        if post.text.is_empty() || post.text.len() > TEXT_BYTES_LIMIT {
            return Err(Error::NotAcceptable("the text is empty or too long"));
        }
        let name = post.name.as_deref().unwrap_or(&hook.name).trim();
        if name.is_empty() || name.len() > WEBHOOK_NAME_BYTES_LIMIT || name.chars().any(char::is_control) {
            return Err(Error::NotAcceptable("the name is empty or too long"));
        }
        self.acting(&hook.owner).await?.ok_or(Error::NotFound)?;
        let name = format!("{name}{WEBHOOK_MARK}");
        // An id is unique within its webhook, and no client of the account can have chosen it.
        let id = post.id.map_or_else(|| self.token(), |id| format!("{}:{id}", hook.id));
        let message = Stanza::message(MessageType::Chat)
            .with_id(&id)
            .with_child(Element::new(ns::CLIENT, "body").with_text(&carried(&post.text)))
            .with_child(Element::new(ns::STANZA_ID, "origin-id").with_attr("id", &id));
        if let Destination::Service(Service::Rooms) = self.locate(to) {
            return self.say_in_room(to, &hook.owner.jid, &name, message).await;
        }
        let nick = Element::new(ns::NICK, "nick").with_text(&carried(&name));
        let from = hook.owner.jid.with_resource(&hook.id).map_err(|_| Error::JidMalformed)?;
        self.send_for(hook, message.with_child(nick).with_from(from).with_to(to.clone())).await
    }

    /// Sends a message in the name of an account that no session sends: to a person, by whom it may be blocked.
    async fn send_for(self: &Arc<Self>, hook: &Webhook, message: Stanza) -> Result<Receipt> {
        let (Some(from), Some(to)) = (message.from.clone(), message.to.clone()) else {
            return Err(Error::JidMalformed);
        };
        if !self.is_local(to.domain()) {
            self.to_remote(message)?;
            return Ok(Receipt::DONE);
        }
        let recipient = self.profile(&to).await?.ok_or(Error::NotFound)?;
        if recipient.blocks(&from) {
            return Err(Error::ServiceUnavailable);
        }
        let kept = self.settings().archive
            && hints::keeping(&message) == Keeping::Archive
            && self.keeps(&recipient, &from).await?;
        let (copy, mut xml) = (
            |owner, peer: &Jid, direction, waits, kept| ArchiveCopy {
                owner,
                peer: peer.clone(),
                direction,
                kept,
                waits,
            },
            Vec::with_capacity(512),
        );
        message.write(&mut xml, "");
        let mut copies = vec![copy(recipient.account, &from, Direction::Incoming, true, kept)];
        if recipient.account != hook.owner.account && self.settings().archive {
            copies.push(copy(hook.owner.account, &to, Direction::Outgoing, false, true));
        }
        let append = Append {
            copies,
            dedupe: message.id.as_deref().map(|id| (hook.owner.account, id.to_owned())),
            xml,
            text: message.child(ns::CLIENT, "body").map(|body| body.text().into_owned()),
            labels: labels::of(&message),
            fence: None,
        };
        let (promise, receipt) = Receipt::new();
        let chat = Arc::clone(self);
        let checked =
            Checked { message, from, sender: None, to, recipient: Some(recipient), own_copy: false };
        let on_commit = move |committed: StoreResult<Committed>| {
            let outcome = committed.map(|committed| {
                if let Committed::New(id) = committed {
                    chat.set_off(&checked, id);
                    chat.deliver(checked, Some(id));
                }
                Some(committed.id())
            });
            promise.keep(outcome);
        };
        self.store.append(append, Box::new(on_commit));
        Ok(receipt)
    }
}
