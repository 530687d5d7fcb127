//! Making a room by its name, for people who think of names and not of addresses.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use super::configuration::{Configuration, OPTION_BYTES_LIMIT};
use super::room::Room;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rosters::Owner;
use crate::service::Service;
use crate::session::Session;

/// Characters of the part of an address that is made of a name.
pub const SLUG_CHARS_LIMIT: usize = 48;

/// How many numbers are tried behind it when others have it.
const ADDRESS_ATTEMPTS: usize = 20;

/// What no room is called in its address, because people would take it for something else.
const RESERVED: &[&str] = &[
    "admin",
    "administrator",
    "all",
    "everybody",
    "everyone",
    "here",
    "online",
    "postmaster",
    "root",
    "security",
    "support",
];

/// A room that somebody would like to have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRoom {
    /// Its name for people.
    pub name: String,
    /// The first part of its address; made of the name when it is not given.
    pub local: Option<String>,
    /// What it is about, for whoever looks around.
    pub description: String,
    /// Can be found.
    pub public: bool,
    /// Only members may enter.
    pub members_only: bool,
}

/// The first part of an address, made of a name: letters and digits of whatever alphabet, in lower case, with hyphens
/// between. Empty when there are none.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    let mut chars = 0;
    // Decomposed without marks, so that `Café` becomes `cafe`; put together again for alphabets that need it.
    let plain: String = name.nfkd().filter(|c| !is_mark(*c)).nfc().collect();
    for c in plain.chars().flat_map(char::to_lowercase) {
        if chars >= SLUG_CHARS_LIMIT {
            break;
        }
        if c.is_alphanumeric() {
            slug.push(c);
            chars += 1;
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
            chars += 1;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

impl Room {
    async fn open(&mut self, owner: &Jid, configuration: Configuration) -> Result<()> {
        if self.exists() {
            return Err(Error::Conflict);
        }
        self.chat.may_create_room(owner).await?;
        self.found(owner, configuration, false).await
    }
}

impl Chat {
    /// Makes a room for the person of a session, who owns it, at an address made of its name. What people expect of a room
    /// in which they work is decided here: it stays, everybody in it knows who is who, and members may bring others in.
    ///
    /// # Errors
    /// `Conflict` when the address that is asked for is taken, `NotAllowed` for whoever may not make rooms (any more).
    pub async fn open_room(&self, session: &Session, new: NewRoom) -> Result<Jid> {
        let name = new.name.trim();
        if name.is_empty() || name.len() > OPTION_BYTES_LIMIT || new.description.len() > OPTION_BYTES_LIMIT {
            return Err(Error::NotAcceptable("a room has a name, which is not too long"));
        }
        let service = Service::Rooms.address(session.bare.domain());
        if self.service(&service) != Some(Service::Rooms) {
            return Err(Error::ServiceUnavailable);
        }
        let configuration = Configuration {
            name: name.to_owned(),
            description: new.description,
            persistent: true,
            public: new.public,
            members_only: new.members_only,
            non_anonymous: true,
            subject_by_anyone: true,
            members_invite: true,
            ..Configuration::default()
        };
        configuration.check()?;
        let owner = Owner::from(session);
        for local in self.wanted_addresses(&new.local, name)? {
            let room = Jid::from_parts(Some(&local), &service, None).map_err(|_| Error::JidMalformed)?;
            let (creator, wanted) = (owner.jid.clone(), configuration.clone());
            let opened = self
                .in_room(&room, move |room| Box::pin(async move { room.open(&creator, wanted).await }))
                .await?;
            match opened {
                Ok(()) => {
                    self.bookmark_room(&owner, &room, name).await?;
                    return Ok(room);
                }
                Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Conflict)
    }

    /// The addresses to try, one after the other.
    fn wanted_addresses(&self, asked: &Option<String>, name: &str) -> Result<Vec<String>> {
        if let Some(asked) = asked {
            let reserved = RESERVED.contains(&asked.to_lowercase().as_str());
            return if reserved { Err(Error::Conflict) } else { Ok(vec![asked.clone()]) };
        }
        let token = self.token().to_lowercase();
        let token: String = token.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        let slug = slug(name);
        if slug.is_empty() {
            return Ok(vec![format!("room-{token}")]);
        }
        let plain = Some(slug.clone()).filter(|slug| !RESERVED.contains(&slug.as_str()));
        let numbered = (2..=ADDRESS_ATTEMPTS).map(|number| format!("{slug}-{number}"));
        Ok(plain.into_iter().chain(numbered).chain([format!("{slug}-{token}")]).collect())
    }

    /// Says what a room is about at the moment, in the name of a session's person.
    pub async fn set_room_topic(
        self: &Arc<Self>,
        session: &Arc<Session>,
        room: &Jid,
        topic: &str,
    ) -> Result<()> {
        let subject = Element::new(ns::CLIENT, "subject").with_text(topic);
        let message = Stanza::message(MessageType::Groupchat)
            .with_from(session.jid.clone())
            .with_to(room.clone())
            .with_id(&self.token())
            .with_child(subject);
        self.send(session, message).await?.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_made_of_names() {
        for (name, expected) in [
            ("Design Team", "design-team"),
            ("  Café & Küche!  ", "cafe-kuche"),
            ("设计 团队", "设计-团队"),
            ("Отдел 7", "отдел-7"),
            ("R&D", "r-d"),
            ("🎉🎉", ""),
            ("/../etc", "etc"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        assert_eq!(slug(&"x".repeat(200)).len(), SLUG_CHARS_LIMIT);
        // Hangul falls apart when it is decomposed, and is put together again.
        assert_eq!(slug("한국어"), "한국어");
    }
}
