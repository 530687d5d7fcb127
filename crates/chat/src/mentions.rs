//! Whom a message mentions: by a reference (XEP-0372), or by a name that stands in it as a word.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::ElementRef;

/// The address that an element mentions, if it is such a reference.
pub fn mentioned<'a>(child: ElementRef<'a>) -> Option<&'a str> {
    let mentions = child.is(ns::REFERENCE, "reference") && child.attr("type") == Some("mention");
    let address = child.attr("uri").filter(|_| mentions)?.strip_prefix("xmpp:")?;
    address.split(['?', ';']).next()
}

/// Whether what was said in a room names somebody: by a reference to him, to his occupant or to the room as a whole, or by
/// his name in it.
pub fn names(message: &Stanza, him: &Jid, nick: Option<&str>) -> bool {
    let room = message.from.as_ref().map(Jid::to_bare);
    let is_meant = |to: Jid| {
        let here = room.as_ref().is_some_and(|room| to.same_bare(room));
        to.same_bare(him) || (here && (to.is_bare() || to.resource() == nick))
    };
    let referred = message.children().filter_map(mentioned).filter_map(|address| Jid::new(address).ok());
    let said = || {
        let body = message.child(ns::CLIENT, "body").map(|body| body.text());
        nick.or(him.local()).zip(body).is_some_and(|(name, body)| has_word(&body, name))
    };
    referred.into_iter().any(is_meant) || said()
}

/// Whether a text has these words in it, whatever their case, and not as a part of others.
pub fn has_word(text: &str, word: &str) -> bool {
    has_any_word(text, [word])
}

/// Whether it has one of several.
pub fn has_any_word<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> bool {
    let mut words =
        words.into_iter().map(|word| word.trim().to_lowercase()).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return false;
    }
    let text = text.to_lowercase();
    // Scripts that put no spaces between words have none to look for.
    let bounded =
        |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() || !c.is_ascii() && !c.is_lowercase());
    words.any(|word| {
        text.match_indices(&word).any(|(at, found)| {
            bounded(text[..at].chars().next_back()) && bounded(text[at + found.len()..].chars().next())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_xmpp::xml::Element;

    #[test]
    fn words_are_whole() {
        assert!(has_word("Ann, please", "ann") && has_word("please, ANN", "Ann"));
        assert!(!has_word("an announcement", "ann") && !has_word("Joann", "ann") && !has_word("x", " "));
        assert!(has_word("请看一下构建结果", "构建"));
        assert!(!has_word("Müller", "Mü"));
        assert!(has_word("@juliet", "juliet") && has_word("Юлия?", "юлия"));
        assert!(!has_word("juliette", "juliet") && !has_word("anything", ""));
    }

    #[test]
    fn a_reference_names_him_his_occupant_or_everybody() {
        let him = Jid::new("juliet@capulet.lit").unwrap();
        let names = |uri: &str, kind: &str| {
            let xml = format!(
                "<message xmlns='jabber:client' from='hall@rooms.capulet.lit/romeo'><body>you</body>\
                 <reference xmlns='urn:xmpp:reference:0' type='{kind}' uri='xmpp:{uri}'/></message>"
            );
            let message = Stanza::from_element(Element::parse(&xml).unwrap()).unwrap();
            names(&message, &him, Some("J"))
        };
        let room = "hall@rooms.capulet.lit";
        for meant in
            ["juliet@capulet.lit", "juliet@capulet.lit/balcony", room, "hall@rooms.capulet.lit/J?join"]
        {
            assert!(names(meant, "mention"), "{meant}");
        }
        for other in ["nurse@capulet.lit", "hall@rooms.capulet.lit/nurse", "other@rooms.capulet.lit", "@"] {
            assert!(!names(other, "mention"), "{other}");
        }
        assert!(!names("juliet@capulet.lit", "data"));
    }
}
