//! Hats (XEP-0317): what people are called in a room besides their roles, made and given by its admins.

use std::collections::BTreeMap;
use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::sasl::Hash;
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::room::Room;
use super::store::RoomChange;
use super::telling;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::store::DocumentKind;

/// How many hats one room may have.
pub const HATS_LIMIT: usize = 100;

/// How many people may wear hats in one room.
pub const WEARERS_LIMIT: usize = 1000;

/// How many hats one person may wear in one room.
pub const HATS_WORN_LIMIT: usize = 10;

/// Bytes of a hat's title and of its URI.
pub const HAT_BYTES_LIMIT: usize = 256;

/// Under which key a room's hats are kept.
pub(super) const DOCUMENT: &str = "hats";

/// A hat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hat {
    /// What it is known by.
    pub uri: String,
    /// Its name for people.
    pub title: String,
    /// The angle of its colour, as the text writes it.
    pub hue: Option<String>,
}

/// The hats of a room, and who wears them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hats {
    /// In the order in which they were made.
    pub list: Vec<Hat>,
    /// The URIs of the hats that somebody wears, by his bare address.
    pub worn: BTreeMap<Jid, Vec<String>>,
}

/// A change to the hats of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HatChange {
    /// Makes a hat, or changes the one with this URI.
    Create(Hat),
    /// Takes a hat away from everybody and out of the room.
    Destroy(String),
    /// Gives somebody a hat.
    Assign(Jid, String),
    /// Takes a hat from somebody.
    Unassign(Jid, String),
}

impl Hats {
    fn find(&self, uri: &str) -> Option<&Hat> {
        self.list.iter().find(|hat| hat.uri == uri)
    }

    /// What presence says of somebody's hats; nothing if he wears none.
    pub(super) fn of(&self, wearer: &Jid) -> Option<Arc<Element>> {
        let worn = self.worn.get(wearer)?.iter().filter_map(|uri| self.find(uri));
        let hats = worn.fold(Element::new(ns::HATS, "hats"), |hats, hat| {
            let mut element =
                Element::new(ns::HATS, "hat").with_attr("title", &hat.title).with_attr("uri", &hat.uri);
            if let Some(hue) = &hat.hue {
                element.set_attr("hue", hue);
            }
            hats.with_child(element)
        });
        Some(Arc::new(hats))
    }

    /// What tells a client that the list is another one; `None` without hats.
    pub fn hash(&self) -> Option<String> {
        if self.list.is_empty() {
            return None;
        }
        let parts = self.list.iter().flat_map(|hat| [hat.uri.as_bytes(), b"\n", hat.title.as_bytes(), b"\n"]);
        let code = Hash::Sha256.hmac(DOCUMENT.as_bytes(), &parts.collect::<Vec<_>>());
        Some(code.iter().take(20).map(|octet| format!("{octet:02x}")).collect())
    }

    /// The form that is kept: a line for each hat and each that is worn. Neither can hold a tab or a line's end.
    fn to_stored(&self) -> String {
        let mut out = String::new();
        for hat in &self.list {
            let hue = hat.hue.as_deref().unwrap_or_default();
            out.push_str(&format!("hat\t{}\t{}\t{hue}\n", hat.uri, hat.title));
        }
        for (wearer, uris) in &self.worn {
            uris.iter().for_each(|uri| out.push_str(&format!("worn\t{wearer}\t{uri}\n")));
        }
        out
    }

    /// Reads the form that is kept, without what cannot be read.
    pub(super) fn from_stored(stored: &str) -> Self {
        let mut hats = Self::default();
        for line in stored.lines() {
            let parts: Vec<&str> = line.split('\t').collect();
            match parts.as_slice() {
                ["hat", uri, title, hue] => {
                    let hue = Some((*hue).to_owned()).filter(|hue| !hue.is_empty());
                    hats.list.push(Hat { uri: (*uri).to_owned(), title: (*title).to_owned(), hue });
                }
                ["worn", wearer, uri] => {
                    if let Ok(wearer) = Jid::new(wearer) {
                        hats.worn.entry(wearer).or_default().push((*uri).to_owned());
                    }
                }
                _ => {}
            }
        }
        hats
    }

    fn apply(&mut self, change: &HatChange) -> Result<()> {
        match change {
            HatChange::Create(hat) => {
                check(hat)?;
                let full = self.list.len() >= HATS_LIMIT;
                match self.list.iter_mut().find(|known| known.uri == hat.uri) {
                    Some(known) => *known = hat.clone(),
                    None if full => {
                        return Err(Error::ResourceConstraint("the room has too many hats"));
                    }
                    None => self.list.push(hat.clone()),
                }
            }
            HatChange::Destroy(uri) => {
                self.find(uri).ok_or(Error::NotFound)?;
                self.list.retain(|hat| hat.uri != *uri);
                self.worn.values_mut().for_each(|worn| worn.retain(|other| other != uri));
            }
            HatChange::Assign(wearer, uri) => {
                self.find(uri).ok_or(Error::NotFound)?;
                if !self.worn.contains_key(wearer) && self.worn.len() >= WEARERS_LIMIT {
                    return Err(Error::ResourceConstraint("too many people wear hats"));
                }
                let worn = self.worn.entry(wearer.clone()).or_default();
                if !worn.contains(uri) && worn.len() >= HATS_WORN_LIMIT {
                    return Err(Error::ResourceConstraint("somebody wears too many hats"));
                }
                if !worn.contains(uri) {
                    worn.push(uri.clone());
                }
            }
            HatChange::Unassign(wearer, uri) => {
                let worn = self.worn.get_mut(wearer).filter(|worn| worn.contains(uri));
                worn.ok_or(Error::NotFound)?.retain(|other| other != uri);
            }
        }
        self.worn.retain(|_, worn| !worn.is_empty());
        Ok(())
    }
}

fn check(hat: &Hat) -> Result<()> {
    let fits = |text: &str| {
        !text.trim().is_empty() && text.len() <= HAT_BYTES_LIMIT && !text.chars().any(char::is_control)
    };
    if !fits(&hat.uri) || !fits(&hat.title) {
        return Err(Error::NotAcceptable("a hat has a title and a URI of at most 256 bytes"));
    }
    let angle = |hue: &String| hue.parse::<f64>().is_ok_and(|angle| (0.0..=360.0).contains(&angle));
    if hat.hue.as_ref().is_some_and(|hue| !angle(hue) || hue.len() > 20) {
        return Err(Error::NotAcceptable("the hue is no angle between 0 and 360"));
    }
    Ok(())
}

impl Room {
    async fn change_hats(&mut self, actor: &Jid, change: HatChange) -> Result<()> {
        if self.standing(actor)?.affiliation < Affiliation::Admin {
            return Err(Error::Forbidden);
        }
        let state = self.visible_to(actor)?;
        let before = state.hats.clone();
        let mut after = before.clone();
        after.apply(&change)?;
        let stored = Some(after.to_stored()).filter(|stored| !stored.is_empty());
        self.keep(RoomChange::Document(DocumentKind::Room, DOCUMENT, stored)).await?;
        self.state_mut()?.hats = after.clone();
        self.put_on(&after);
        if before.list != after.list {
            self.say(telling::statuses(&self.jid, &[104]));
        }
        Ok(())
    }

    /// Tells of everybody in the room whose hats look otherwise now.
    fn put_on(&self, hats: &Hats) {
        let mut occupants = self.floor.occupants();
        let mut changed = Vec::new();
        for occupant in occupants.iter_mut() {
            let worn = hats.of(&occupant.bare);
            if worn != occupant.hats {
                occupant.hats = worn;
                changed.push(occupant.nick().to_owned());
            }
        }
        for nick in changed {
            if let Some(occupant) = occupants.named(&nick) {
                self.tell_current(&occupants, occupant, None);
            }
        }
    }

    /// The hats of the room, for those who may enter it; who wears them, for its admins.
    fn hats_for(&self, asker: &Jid) -> Result<Hats> {
        let standing = self.standing(asker)?;
        let state = self.visible_to(asker)?;
        let closed = state.configuration().members_only && standing.affiliation < Affiliation::Member;
        if standing.affiliation == Affiliation::Outcast || closed {
            return Err(Error::Forbidden);
        }
        let mut hats = state.hats.clone();
        if standing.affiliation < Affiliation::Admin {
            hats.worn.clear();
        }
        Ok(hats)
    }
}

impl Chat {
    /// Changes the hats of a room in the name of one of its admins. `NotFound` for a hat that is not there.
    pub async fn change_room_hats(&self, room: &Jid, actor: &Jid, change: HatChange) -> Result<()> {
        let actor = actor.clone();
        self.in_room(room, move |room| Box::pin(async move { room.change_hats(&actor, change).await }))
            .await?
    }

    /// The hats of a room, as far as somebody may know them: who wears them only its admins are told.
    pub async fn room_hats(&self, room: &Jid, asker: &Jid) -> Result<Hats> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.hats_for(&asker) })).await?
    }

    /// Refuses whoever is no admin of a room.
    pub async fn must_administer_room(&self, room: &Jid, asker: &Jid) -> Result<()> {
        let asker = asker.clone();
        self.in_room(room, move |room| {
            Box::pin(async move {
                match room.standing(&asker)?.affiliation >= Affiliation::Admin {
                    true => Ok(()),
                    false => Err(Error::Forbidden),
                }
            })
        })
        .await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hat(uri: &str, hue: Option<&str>) -> Hat {
        Hat { uri: uri.to_owned(), title: format!("The {uri}"), hue: hue.map(str::to_owned) }
    }

    #[test]
    fn hats_are_kept_as_they_are() {
        let mut hats = Hats::default();
        let terry = Jid::new("terry@example.edu").unwrap();
        assert_eq!(hats.hash(), None);
        hats.apply(&HatChange::Create(hat("urn:teacher", Some("327.255249")))).unwrap();
        hats.apply(&HatChange::Create(hat("urn:proctor", None))).unwrap();
        hats.apply(&HatChange::Assign(terry.clone(), "urn:teacher".to_owned())).unwrap();
        assert_eq!(Hats::from_stored(&hats.to_stored()), hats);
        let before = hats.hash();
        assert!(hats.of(&terry).is_some_and(|element| element.children().count() == 1));
        hats.apply(&HatChange::Destroy("urn:teacher".to_owned())).unwrap();
        assert_eq!((hats.of(&terry), hats.list.len()), (None, 1));
        assert_ne!(hats.hash(), before);
    }

    #[test]
    fn hats_are_bounded_and_checked() {
        let mut hats = Hats::default();
        for bad in
            [hat("", None), hat("urn:a\tb", None), hat("urn:a", Some("red")), hat("urn:a", Some("361"))]
        {
            assert!(hats.apply(&HatChange::Create(bad)).is_err());
        }
        for n in 0..HATS_LIMIT {
            hats.apply(&HatChange::Create(hat(&format!("urn:{n}"), None))).unwrap();
        }
        assert!(hats.apply(&HatChange::Create(hat("urn:more", None))).is_err());
        let terry = Jid::new("terry@example.edu").unwrap();
        for n in 0..HATS_WORN_LIMIT {
            hats.apply(&HatChange::Assign(terry.clone(), format!("urn:{n}"))).unwrap();
        }
        assert!(hats.apply(&HatChange::Assign(terry.clone(), "urn:99".to_owned())).is_err());
        assert!(hats.apply(&HatChange::Unassign(terry, "urn:99".to_owned())).is_err());
    }
}
