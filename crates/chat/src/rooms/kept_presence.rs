//! Presence as a room keeps it of its occupants: its form, which clients of one kind have alike, once for all of them, and
//! each one's own texts, such as what his status says and which picture is his.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

/// So many forms that nobody sends any more may be remembered before they are looked through.
const FORMS_SLACK: usize = 64;

/// Where a text of one's own stands in a form, and what is between two of them. No XML has this character.
const OWN: char = '\0';

/// The presence of one occupant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPresence {
    /// Canonical XML with [`OWN`] in place of each text.
    form: Arc<str>,
    /// The texts, escaped as they stand in XML, in their order.
    texts: Box<str>,
}

impl KeptPresence {
    /// Presence that says nothing and is shared with nobody's.
    pub fn empty() -> Self {
        let (form, texts) = split(&Element::new(ns::CLIENT, "presence").to_xml());
        Self { form: form.into(), texts: texts.into() }
    }

    /// The presence as it was.
    pub fn content(&self) -> Element {
        let mut texts = self.texts.split(OWN);
        let mut xml = String::with_capacity(self.form.len() + self.texts.len());
        for (at, piece) in self.form.split(OWN).enumerate() {
            if at > 0 {
                xml.push_str(texts.next().unwrap_or_default());
            }
            xml.push_str(piece);
        }
        Element::parse(&xml).unwrap_or_else(|error| {
            tracing::error!(%error, "a presence that was kept cannot be read");
            Element::new(ns::CLIENT, "presence")
        })
    }
}

/// The forms that there are in a room, by their hash.
#[derive(Debug, Default)]
pub struct Forms(HashMap<u64, Weak<str>>);

impl Forms {
    /// Keeps a presence, in the form of another that has the same. `occupants` is how many there are.
    pub fn keep(&mut self, presence: &Element, occupants: usize) -> KeptPresence {
        let (form, texts) = split(&presence.to_xml());
        KeptPresence { form: self.shared(form, occupants), texts: texts.into() }
    }

    fn shared(&mut self, form: String, occupants: usize) -> Arc<str> {
        let mut hasher = DefaultHasher::new();
        form.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(known) = self.0.get(&hash).and_then(Weak::upgrade)
            && *known == *form
        {
            return known;
        }
        if self.0.len() > FORMS_SLACK + 2 * occupants {
            self.0.retain(|_, form| form.strong_count() > 0);
        }
        let form: Arc<str> = form.into();
        self.0.insert(hash, Arc::downgrade(&form));
        form
    }
}

/// Parts canonical XML into its form and its texts.
fn split(xml: &str) -> (String, String) {
    let (mut form, mut texts) = (String::with_capacity(xml.len()), String::new());
    let mut rest = xml;
    let mut any = false;
    while let Some(start) = rest.find('<') {
        let (text, markup) = rest.split_at(start);
        if !text.is_empty() {
            if any {
                texts.push(OWN);
            }
            any = true;
            form.push(OWN);
            texts.push_str(text);
        }
        let (tag, behind) = markup.split_at(end_of_tag(markup));
        form.push_str(tag);
        rest = behind;
    }
    (form, texts)
}

/// Where a tag ends that begins here. Values of attributes may have its last character in them.
fn end_of_tag(markup: &str) -> usize {
    let mut quote = None;
    for (at, byte) in markup.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    markup.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(content: &str) -> Element {
        Element::parse(&format!("<presence xmlns='jabber:client'>{content}</presence>")).unwrap()
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let mut forms = Forms::default();
        for content in [
            "",
            "<show>away</show><status xml:lang='en'>I &lt;3 &amp; &gt; </status><priority>1</priority>",
            "<status>a</status><status/><x xmlns='vcard-temp:x:update'><photo>abc</photo></x>",
            "<c xmlns='urn:x' node='a&gt;b&quot;' ver='&lt;&apos;'/>tail",
            "<a xmlns='urn:x'>one<b>two</b>three</a>",
        ] {
            let presence = presence(content);
            assert_eq!(forms.keep(&presence, 0).content(), presence, "{content}");
        }
        assert_eq!(KeptPresence::empty().content(), presence(""));
    }

    #[test]
    fn a_form_is_kept_once() {
        let mut forms = Forms::default();
        let kept: Vec<_> = ["in a meeting", "at lunch", ""]
            .map(|status| forms.keep(&presence(&format!("<status>{status}</status>")), 3))
            .into();
        assert!(Arc::ptr_eq(&kept[0].form, &kept[1].form));
        assert_eq!(kept[1].texts.as_ref(), "at lunch");
        assert!(!Arc::ptr_eq(&kept[0].form, &kept[2].form), "an element without text has another form");
        let before = forms.0.len();
        drop(kept);
        for number in 0..2 * FORMS_SLACK {
            forms.keep(&presence(&format!("<x xmlns='urn:{number}'/>")), 0);
        }
        assert!(forms.0.len() <= before + FORMS_SLACK + 1);
    }
}
