//! Lists of a room and changes to them (XEP-0045 sections 8 to 10), and moderated retraction (XEP-0425).

use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::moderation::{Change, Listed, Named};
use waxwing_chat::rooms::role::Role;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::{DONE, Reply, Request};
use crate::xmpp::error::stanza_error;

fn bad(why: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_text(why)
}

fn items(query: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    query.children().filter(|child| child.is(ns::MUC_ADMIN, "item"))
}

fn affiliation(item: &ElementRef<'_>) -> Result<Option<Affiliation>, StanzaError> {
    let read = |word| Affiliation::from_word(word).ok_or_else(|| bad("there is no such affiliation"));
    item.attr("affiliation").map(read).transpose()
}

fn role(item: &ElementRef<'_>) -> Result<Option<Role>, StanzaError> {
    item.attr("role")
        .map(|word| Role::from_word(word).ok_or_else(|| bad("there is no such role")))
        .transpose()
}

/// A list of those with an affiliation or a role.
pub(super) async fn read(request: Request<'_>) -> Reply {
    let mut asked = items(request.payload);
    let (Some(item), None) = (asked.next(), asked.next()) else {
        return Err(bad("one list is asked for at a time"));
    };
    let room = request.to();
    let list = match (affiliation(&item)?, role(&item)?) {
        (Some(affiliation), None) => request.chat.room_affiliated(&room, request.from, affiliation).await,
        (None, Some(role)) => request.chat.room_in_role(&room, request.from, role).await,
        _ => return Err(bad("a list is of one affiliation or one role")),
    };
    let list = list.map_err(|error| stanza_error(&error))?;
    let query = Element::new(ns::MUC_ADMIN, "query");
    Ok(list.iter().fold(query, |query, listed| query.with_child(render(listed))).into())
}

fn render(listed: &Listed) -> Element {
    let mut item = Element::new(ns::MUC_ADMIN, "item").with_attr("affiliation", listed.affiliation.as_str());
    if let Some(jid) = &listed.jid {
        item.set_attr("jid", jid.as_str());
    }
    if let Some(nick) = &listed.nick {
        item.set_attr("nick", nick);
    }
    if let Some(role) = listed.role {
        item.set_attr("role", role.as_str());
    }
    if let Some(reason) = &listed.reason {
        item.append(Element::new(ns::MUC_ADMIN, "reason").with_text(reason));
    }
    item
}

pub(super) async fn change(request: Request<'_>) -> Reply {
    let changes = items(request.payload).map(|item| read_change(&item)).collect::<Result<Vec<_>, _>>()?;
    if changes.is_empty() {
        return Err(bad("there is nothing to change"));
    }
    let done = request.chat.change_in_room(&request.to(), request.from, changes).await;
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}

fn read_change(item: &ElementRef<'_>) -> Result<Change, StanzaError> {
    let (affiliation, role) = (affiliation(item)?, role(item)?);
    let nick = item.attr("nick").map(str::to_owned);
    let jid = item.attr("jid").map(Jid::new).transpose();
    let jid = jid.map_err(|_| StanzaError::new(Condition::JidMalformed))?;
    // With an address the nickname is the one to keep (section 9.5); without one it says who is meant.
    let (who, nick) = match (jid, nick) {
        (Some(jid), nick) => (Named::Jid(jid), nick.filter(|_| affiliation.is_some())),
        (None, Some(nick)) => (Named::Nick(nick), None),
        (None, None) => return Err(bad("an item names somebody")),
    };
    let reason = item.child(ns::MUC_ADMIN, "reason").map(|reason| reason.text().into_owned());
    Ok(Change { who, role, affiliation, nick, reason: reason.filter(|reason| !reason.is_empty()) })
}

/// XEP-0425 section 3.
pub(super) async fn moderate(request: Request<'_>) -> Reply {
    let id = request.payload.attr("id").ok_or_else(|| bad("the id of the message is missing"))?;
    if request.payload.child(ns::RETRACTION, "retract").is_none() {
        return Err(StanzaError::new(Condition::FeatureNotImplemented));
    }
    let reason = request.payload.child(ns::MODERATION, "reason").map(|reason| reason.text().into_owned());
    let done = request.chat.moderate_in_room(&request.to(), request.from, id.to_owned(), reason).await;
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(xml: &str) -> Result<Change, Condition> {
        let item =
            Element::parse(&format!("<item xmlns='http://jabber.org/protocol/muc#admin' {xml}")).unwrap();
        read_change(&item.root()).map_err(|error| error.condition)
    }

    /// Sections 8.2, 9.1 and 9.5.
    #[test]
    fn items_are_read() {
        let kick = item("nick='pistol' role='none'><reason>Avaunt, you cullion!</reason></item>").unwrap();
        assert_eq!((kick.who, kick.role), (Named::Nick("pistol".to_owned()), Some(Role::None)));
        assert_eq!(kick.reason.as_deref(), Some("Avaunt, you cullion!"));
        let ban = item("affiliation='outcast' jid='earlofcambridge@shakespeare.lit'/>").unwrap();
        assert_eq!(ban.affiliation, Some(Affiliation::Outcast));
        let member = item("affiliation='member' jid='hag66@shakespeare.lit' nick='thirdwitch'/>").unwrap();
        assert_eq!(member.nick.as_deref(), Some("thirdwitch"));
        assert_eq!(item("role='none'/>"), Err(Condition::BadRequest));
        assert_eq!(item("nick='pistol' role='king'/>"), Err(Condition::BadRequest));
        assert_eq!(item("jid='@' affiliation='none'/>"), Err(Condition::JidMalformed));
    }
}
