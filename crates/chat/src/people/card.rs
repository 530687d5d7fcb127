//! A card, what an account says about itself (XEP-0054), and what of it others look for.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use crate::error::{Error, Result};

/// What others look for in a card. What is not there is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The name as it is written for others (`FN`).
    pub full_name: String,
    /// The given name.
    pub given_name: String,
    /// The family name.
    pub family_name: String,
    /// The nickname.
    pub nickname: String,
    /// The first address of electronic mail, or the one that is preferred.
    pub email: String,
    /// The card asks not to be shown to whoever looks around: its `CLASS` is `PRIVATE` or `CONFIDENTIAL`.
    pub private: bool,
}

/// A card as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The element `vCard`, in canonical form.
    pub xml: String,
    /// What others look for in it.
    pub person: Person,
    /// SHA-1 of the picture in it, in hexadecimal (XEP-0153 section 3.1).
    pub photo_hash: Option<String>,
}

impl Card {
    /// Reads a card, which may say nothing at all.
    pub fn read(vcard: ElementRef<'_>) -> Result<Self> {
        let photo = photo(vcard)?;
        Ok(Self {
            xml: vcard.to_element().to_xml(),
            person: Person::read(vcard),
            photo_hash: photo.map(|photo| sha1_hex(&photo.data)),
        })
    }
}

/// The picture of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Its media type as the card says it; a hint (XEP-0153 section 5).
    pub media_type: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// The picture in a card. `BadRequest` when it is not base64 (XEP-0153 section 4.5 rule 5).
pub fn photo(vcard: ElementRef<'_>) -> Result<Option<Photo>> {
    let Some(photo) = vcard.child(ns::VCARD, "PHOTO") else {
        return Ok(None);
    };
    let encoded: String = text(photo, "BINVAL").chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if encoded.is_empty() {
        return Ok(None);
    }
    let data = STANDARD.decode(encoded).map_err(|_| Error::BadRequest("the picture is not base64"))?;
    Ok(Some(Photo { media_type: text(photo, "TYPE"), data }))
}

/// SHA-1 in hexadecimal, in lower case as everybody writes it (XEP-0153 section 3.1).
pub fn sha1_hex(data: &[u8]) -> String {
    Sha1::digest(data).iter().fold(String::with_capacity(40), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Person {
    fn read(vcard: ElementRef<'_>) -> Self {
        let name = vcard.child(ns::VCARD, "N");
        let part = |part| name.map_or_else(String::new, |name| text(name, part));
        let mut emails: Vec<_> = vcard.children().filter(|child| child.is(ns::VCARD, "EMAIL")).collect();
        emails.sort_by_key(|email| email.child(ns::VCARD, "PREF").is_none());
        let class = vcard.child(ns::VCARD, "CLASS");
        let private = class.is_some_and(|class| {
            ["PRIVATE", "CONFIDENTIAL"].iter().any(|word| class.child(ns::VCARD, word).is_some())
        });
        Self {
            full_name: text(vcard, "FN"),
            given_name: part("GIVEN"),
            family_name: part("FAMILY"),
            nickname: text(vcard, "NICKNAME"),
            email: emails.first().map_or_else(String::new, |email| text(*email, "USERID")),
            private,
        }
    }

    /// The card that says this much and nothing else.
    pub fn to_vcard(&self) -> Element {
        let part = |name, text: &str| Element::new(ns::VCARD, name).with_text(text);
        let mut vcard = Element::new(ns::VCARD, "vCard");
        if !self.full_name.is_empty() {
            vcard.append(part("FN", &self.full_name));
        }
        if !self.given_name.is_empty() || !self.family_name.is_empty() {
            let name = Element::new(ns::VCARD, "N").with_child(part("FAMILY", &self.family_name));
            vcard.append(name.with_child(part("GIVEN", &self.given_name)));
        }
        if !self.nickname.is_empty() {
            vcard.append(part("NICKNAME", &self.nickname));
        }
        if !self.email.is_empty() {
            let email = Element::new(ns::VCARD, "EMAIL").with_child(Element::new(ns::VCARD, "INTERNET"));
            vcard.append(email.with_child(part("USERID", &self.email)));
        }
        vcard
    }
}

fn text(parent: ElementRef<'_>, name: &str) -> String {
    let child = parent.child(ns::VCARD, name);
    child.map_or_else(String::new, |child| child.text().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Card> {
        Card::read(Element::parse(&format!("<vCard xmlns='vcard-temp'>{content}</vCard>")).unwrap().root())
    }

    /// XEP-0054 section 3.1, its example, and XEP-0153 section 3.1.
    #[test]
    fn a_card_is_read() {
        let card = read(
            "<FN>Peter Saint-Andre</FN><N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN><MIDDLE/></N>\
             <NICKNAME>stpeter</NICKNAME><EMAIL><USERID>other@jabber.org</USERID></EMAIL>\
             <EMAIL><INTERNET/><PREF/><USERID>stpeter@jabber.org</USERID></EMAIL>\
             <PHOTO><TYPE>image/png</TYPE><BINVAL>\n YW\n Jj </BINVAL></PHOTO>",
        )
        .unwrap();
        let person = &card.person;
        assert_eq!(person.full_name, "Peter Saint-Andre");
        assert_eq!((person.given_name.as_str(), person.family_name.as_str()), ("Peter", "Saint-Andre"));
        assert_eq!((person.nickname.as_str(), person.email.as_str()), ("stpeter", "stpeter@jabber.org"));
        assert_eq!(card.photo_hash.as_deref(), Some("a9993e364706816aba3e25717850c26c9cd0d89d"));
        assert!(!person.private);
    }

    #[test]
    fn a_card_may_say_nothing_or_be_private() {
        assert_eq!(read("").unwrap().person, Person::default());
        let card = read("<FN>x</FN><CLASS><PRIVATE/></CLASS><PHOTO><BINVAL/></PHOTO>").unwrap();
        assert!(card.person.private);
        assert_eq!(card.photo_hash, None);
        assert!(matches!(read("<PHOTO><BINVAL>&lt;svg&gt;</BINVAL></PHOTO>"), Err(Error::BadRequest(_))));
    }

    #[test]
    fn a_person_makes_the_card_that_is_read_as_him() {
        let person = Person {
            full_name: "Juliet Capulet".to_owned(),
            given_name: "Juliet".to_owned(),
            family_name: "Capulet".to_owned(),
            nickname: "jule".to_owned(),
            email: "juliet@capulet.example".to_owned(),
            private: false,
        };
        assert_eq!(Person::read(person.to_vcard().root()), person);
    }
}
