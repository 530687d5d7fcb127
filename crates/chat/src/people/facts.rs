//! What colleagues look for on a card (XEP-0054): a title, a department, a telephone number, a mail address. Each is read and
//! changed by itself; whatever else a client has put on the card stays.

use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rosters::Owner;

/// Bytes of one fact.
pub const FACT_BYTES_LIMIT: usize = 255;

/// What is on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The name as it is written for others (`FN`).
    Name,
    /// What the person does.
    Title,
    /// Where in the organisation.
    Department,
    /// The telephone number to call at work, if that is told, or the first.
    Phone,
    /// The mail address that is preferred, or the first.
    Mail,
}

impl Fact {
    /// The element it stands in, and the part of that, if it has parts.
    fn place(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Name => ("FN", None),
            Self::Title => ("TITLE", None),
            Self::Department => ("ORG", Some("ORGUNIT")),
            Self::Phone => ("TEL", Some("NUMBER")),
            Self::Mail => ("EMAIL", Some("USERID")),
        }
    }

    /// What marks, of several, the one to show.
    fn mark(self) -> Option<&'static str> {
        match self {
            Self::Phone => Some("WORK"),
            Self::Mail => Some("PREF"),
            Self::Name | Self::Title | Self::Department => None,
        }
    }

    /// Which of a card's children says it.
    fn found(self, vcard: ElementRef<'_>) -> Option<usize> {
        let mark = self.mark();
        let said = vcard.children().enumerate().filter(|(_, child)| !self.said(*child).is_empty());
        let mut said: Vec<_> = said.collect();
        said.sort_by_key(|(_, child)| mark.is_some_and(|mark| child.child(ns::VCARD, mark).is_none()));
        said.first().map(|(at, _)| *at)
    }

    fn said(self, child: ElementRef<'_>) -> String {
        let (name, part) = self.place();
        let text = match part {
            _ if !child.is(ns::VCARD, name) => return String::new(),
            None => child.text().into_owned(),
            Some(part) => {
                child.child(ns::VCARD, part).map_or_else(String::new, |part| part.text().into_owned())
            }
        };
        text.trim().to_owned()
    }

    /// What a card says.
    pub fn read(self, vcard: ElementRef<'_>) -> Option<String> {
        let at = self.found(vcard)?;
        vcard.children().nth(at).map(|child| self.said(child))
    }

    /// The card that says this in place of what it said before; nothing any more without a text.
    fn write(self, vcard: ElementRef<'_>, text: Option<&str>) -> Element {
        let part = |name, text: &str| Element::new(ns::VCARD, name).with_text(text);
        let (name, inner) = self.place();
        let new = |kept: Option<ElementRef<'_>>| -> Option<Element> {
            let Some(inner) = inner else { return text.map(|text| part(name, text)) };
            let mut element = kept.map_or_else(|| Element::new(ns::VCARD, name), |kept| kept.to_element());
            element.retain_children(|child| !child.is(ns::VCARD, inner));
            match text {
                Some(text) => element.append(part(inner, text)),
                // The rest of a number or an address is nothing; the organisation is something without its part.
                None if self != Self::Department || element.children().next().is_none() => return None,
                None => {}
            }
            if kept.is_none() {
                for mark in self.mark().into_iter().chain((self == Self::Mail).then_some("INTERNET")) {
                    element.append(Element::new(ns::VCARD, mark));
                }
            }
            Some(element)
        };
        // Where the organisation is named but no part of it, the part belongs there.
        let at = self.found(vcard).or_else(|| {
            vcard.children().position(|child| self == Self::Department && child.is(ns::VCARD, name))
        });
        let mut card = Element::new(ns::VCARD, "vCard");
        for (number, child) in vcard.children().enumerate() {
            if Some(number) != at {
                card.append_copy(child);
            } else if let Some(new) = new(Some(child)) {
                card.append(new);
            }
        }
        if at.is_none()
            && let Some(new) = new(None)
        {
            card.append(new);
        }
        card
    }
}

impl Chat {
    /// Changes what an account's card says; `None` takes a fact away. Other clients see it in every format.
    pub async fn change_facts(&self, owner: &Owner, facts: &[(Fact, Option<String>)]) -> Result<()> {
        let mut checked = Vec::with_capacity(facts.len());
        for (fact, text) in facts {
            let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty());
            if text.is_some_and(|text| text.len() > FACT_BYTES_LIMIT) {
                return Err(Error::NotAcceptable("the text is too long"));
            }
            if text.is_some_and(|text| text.chars().any(unwritable)) {
                return Err(Error::NotAcceptable("the text holds control characters"));
            }
            checked.push((*fact, text));
        }
        self.edit_card(owner, |card| {
            checked.iter().fold(card, |card, (fact, text)| fact.write(card.root(), *text))
        })
        .await
    }
}

/// Whether a character cannot stand in XML, or would break a line.
pub(crate) fn unwritable(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    fn vcard(content: &str) -> Element {
        Element::parse(&format!("<vCard xmlns='vcard-temp'>{content}</vCard>")).unwrap()
    }

    #[test]
    fn of_several_the_one_for_work_is_read() {
        let card = vcard(
            "<FN> Juliet Capulet </FN><TITLE>Heiress</TITLE><ORG><ORGNAME>Capulet</ORGNAME><ORGUNIT>House</ORGUNIT></ORG>\
             <TEL><HOME/><NUMBER>1</NUMBER></TEL><TEL><WORK/><NUMBER>2</NUMBER></TEL><TEL><WORK/><NUMBER/></TEL>\
             <EMAIL><USERID>a@x.example</USERID></EMAIL><EMAIL><PREF/><USERID>b@x.example</USERID></EMAIL>",
        );
        let read = |fact: Fact| fact.read(card.root());
        assert_eq!(read(Fact::Name).as_deref(), Some("Juliet Capulet"));
        assert_eq!(read(Fact::Title).as_deref(), Some("Heiress"));
        assert_eq!(read(Fact::Department).as_deref(), Some("House"));
        assert_eq!(read(Fact::Phone).as_deref(), Some("2"));
        assert_eq!(read(Fact::Mail).as_deref(), Some("b@x.example"));
        assert_eq!(Fact::Mail.read(vcard("<EMAIL/>").root()), None);
    }

    #[test]
    fn a_fact_is_changed_and_the_rest_stays() {
        let cases = [
            (Fact::Title, "", Some("Heiress"), "<TITLE>Heiress</TITLE>"),
            (Fact::Title, "<TITLE>x</TITLE><NOTE>n</NOTE>", None, "<NOTE>n</NOTE>"),
            (
                Fact::Phone,
                "<TEL><HOME/><NUMBER>1</NUMBER></TEL><TEL><WORK/><VOICE/><NUMBER>2</NUMBER></TEL>",
                Some("3"),
                "<TEL><HOME/><NUMBER>1</NUMBER></TEL><TEL><WORK/><VOICE/><NUMBER>3</NUMBER></TEL>",
            ),
            (Fact::Phone, "", Some("3"), "<TEL><NUMBER>3</NUMBER><WORK/></TEL>"),
            (Fact::Phone, "<TEL><WORK/><NUMBER>2</NUMBER></TEL>", None, ""),
            (Fact::Mail, "", Some("a@x"), "<EMAIL><USERID>a@x</USERID><PREF/><INTERNET/></EMAIL>"),
            (
                Fact::Department,
                "<ORG><ORGNAME>Capulet</ORGNAME></ORG>",
                Some("House"),
                "<ORG><ORGNAME>Capulet</ORGNAME><ORGUNIT>House</ORGUNIT></ORG>",
            ),
            (
                Fact::Department,
                "<ORG><ORGNAME>Capulet</ORGNAME><ORGUNIT>House</ORGUNIT></ORG>",
                None,
                "<ORG><ORGNAME>Capulet</ORGNAME></ORG>",
            ),
            (Fact::Department, "<ORG><ORGUNIT>House</ORGUNIT></ORG>", None, ""),
            (Fact::Department, "", Some("House"), "<ORG><ORGUNIT>House</ORGUNIT></ORG>"),
        ];
        for (fact, before, text, after) in cases {
            assert_eq!(fact.write(vcard(before).root(), text), vcard(after), "{fact:?} {before} {text:?}");
        }
    }

    #[tokio::test]
    async fn facts_are_bounded_and_can_be_taken_away() {
        let world = World::of(&["juliet"]).await;
        let juliet = world.owner("juliet").await;
        let change =
            async |fact, text: &str| world.chat.change_facts(&juliet, &[(fact, Some(text.to_owned()))]).await;
        assert!(matches!(change(Fact::Title, &"x".repeat(256)).await, Err(Error::NotAcceptable(_))));
        assert!(matches!(change(Fact::Title, "a\u{1}b").await, Err(Error::NotAcceptable(_))));
        change(Fact::Title, " Heiress ").await.unwrap();
        change(Fact::Phone, "1").await.unwrap();
        let card = world.chat.own_card(&juliet).await.unwrap();
        assert_eq!(Fact::Title.read(card.root()).as_deref(), Some("Heiress"));
        change(Fact::Title, "").await.unwrap();
        let card = world.chat.own_card(&juliet).await.unwrap();
        assert_eq!(Fact::Title.read(card.root()), None);
        assert_eq!(Fact::Phone.read(card.root()).as_deref(), Some("1"));
    }
}
