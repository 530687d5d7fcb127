//! Result set management (XEP-0059): long answers page by page.

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Advertised, At, Feature, Spec};

/// XEP-0059.
pub const FEATURE: Feature = Feature {
    name: "result set management",
    summary: "Gives long answers page by page.",
    specs: &[Spec {
        name: "XEP-0059",
        version: "1.0",
        note: "Without counts and indexes: counting would cost as much as the whole set. For the archive.",
    }],
    advertises: &[Advertised { at: At::Account, var: ns::RSM }],
    ..Feature::EMPTY
};

/// The page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// How many items it may have.
    pub max: Option<usize>,
    /// Where it lies.
    pub place: Place,
}

/// Where a page lies in the result set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// The beginning.
    #[default]
    First,
    /// Directly behind this item.
    After(String),
    /// The end.
    Last,
    /// Directly before this item.
    Before(String),
}

/// Reads a `<set/>`.
pub fn read(set: ElementRef<'_>) -> Result<Asked, StanzaError> {
    let bad = |why: &str| StanzaError::new(Condition::BadRequest).with_text(why);
    let text = |name| set.child(ns::RSM, name).map(|child| child.text().into_owned());
    if text("index").is_some() {
        // Section 2.6: the answer of one that cannot find items by their number.
        return Err(StanzaError::new(Condition::FeatureNotImplemented));
    }
    let max =
        text("max").map(|max| max.trim().parse().map_err(|_| bad("max is not a number"))).transpose()?;
    let place = match (text("after").filter(|after| !after.is_empty()), text("before")) {
        (Some(_), Some(_)) => return Err(bad("a page lies after or before an item, not both")),
        (Some(after), None) => Place::After(after),
        (None, Some(before)) if before.is_empty() => Place::Last,
        (None, Some(before)) => Place::Before(before),
        (None, None) => Place::First,
    };
    Ok(Asked { max, place })
}

/// The `<set/>` of an answer, with the ends of its page unless that is empty (section 2.2).
pub fn answer(ends: Option<(&str, &str)>) -> Element {
    let set = Element::new(ns::RSM, "set");
    match ends {
        Some((first, last)) => set
            .with_child(Element::new(ns::RSM, "first").with_text(first))
            .with_child(Element::new(ns::RSM, "last").with_text(last)),
        None => set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(content: &str) -> Result<Asked, Condition> {
        let set =
            Element::parse(&format!("<set xmlns='http://jabber.org/protocol/rsm'>{content}</set>")).unwrap();
        read(set.root()).map_err(|error| error.condition)
    }

    /// Sections 2.1 to 2.7.
    #[test]
    fn reads_the_page_asked_for() {
        let page = |max, place| Ok(Asked { max, place });
        assert_eq!(asked(""), page(None, Place::First));
        assert_eq!(asked("<max>10</max>"), page(Some(10), Place::First));
        assert_eq!(asked("<max>0</max>"), page(Some(0), Place::First));
        assert_eq!(asked("<max>10</max><after>a</after>"), page(Some(10), Place::After("a".to_owned())));
        assert_eq!(asked("<max>10</max><before>a</before>"), page(Some(10), Place::Before("a".to_owned())));
        assert_eq!(asked("<max>10</max><before/>"), page(Some(10), Place::Last));
    }

    /// Section 2.6 for the index; what is not a page otherwise.
    #[test]
    fn refuses_what_is_no_page() {
        assert_eq!(asked("<max>10</max><index>371</index>"), Err(Condition::FeatureNotImplemented));
        assert_eq!(asked("<max>ten</max>"), Err(Condition::BadRequest));
        assert_eq!(asked("<max>-1</max>"), Err(Condition::BadRequest));
        assert_eq!(asked("<after>a</after><before>b</before>"), Err(Condition::BadRequest));
    }
}
