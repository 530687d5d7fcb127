//! Patterns: XML with wildcards and captures, compared with what arrives by meaning.
//!
//! `{any}` stands for any text that is not empty. `{name}` captures what stands there when the name is first met, and
//! must equal the captured text from then on, in this pattern and in all later ones of the same world; what is sent
//! may use captured names too. A child `{...}` allows children (and text) that the pattern does not name, and an
//! attribute `{...}` cannot be written in XML, so `_='...'` allows further attributes.
//!
//! Three things that servers may add are ignored unless the pattern names them: `xml:lang` on a stanza, a `to` that
//! is the receiver's own address, and the archive's `<stanza-id/>` (XEP-0359) by the receiver's own account. An
//! absent `from` also matches the receiver's own bare address (RFC 6120 section 8.1.2.1).

use std::collections::BTreeMap;

use crate::xml::{CLIENT, Element, Node};

const STANZA_ID: &str = "urn:xmpp:sid:0";

/// What patterns have captured, by name.
pub type Captures = BTreeMap<String, String>;

/// Replaces captured names in a text that is about to be sent.
pub fn substitute(text: &str, captures: &Captures) -> String {
    split(text)
        .into_iter()
        .map(|part| match part {
            Part::Literal(literal) => literal.to_owned(),
            Part::Name(name) => match captures.get(name) {
                Some(value) => crate::xml::escape(value),
                None => panic!("nothing was captured as {{{name}}}, in: {text}"),
            },
        })
        .collect()
}

/// Compares an element with a pattern. `own` is the receiver's full address, if it has one.
pub fn compare(
    pattern: &Element,
    actual: &Element,
    own: Option<&str>,
    captures: &mut Captures,
) -> Result<(), String> {
    let mut tried = captures.clone();
    let actual = without_additions(pattern, actual, own);
    element(pattern, &actual, &mut tried)?;
    *captures = tried;
    Ok(())
}

/// Removes from what arrived the additions that the pattern does not speak of.
fn without_additions(pattern: &Element, actual: &Element, own: Option<&str>) -> Element {
    let mut actual = actual.clone();
    if actual.ns != CLIENT {
        return actual;
    }
    if pattern.lang().is_none() {
        actual.attrs.retain(|(ns, _), _| ns.is_empty());
    }
    let Some(own) = own else { return actual };
    let bare = own.split('/').next().unwrap_or(own);
    let key = |name: &str| (String::new(), name.to_owned());
    if pattern.attr("to").is_none() && actual.attr("to").is_some_and(|to| to == own || to == bare) {
        actual.attrs.remove(&key("to"));
    }
    if pattern.attr("from").is_none() && actual.attr("from") == Some(bare) {
        actual.attrs.remove(&key("from"));
    }
    if pattern.child(STANZA_ID, "stanza-id").is_none() {
        actual.nodes.retain(|node| match node {
            Node::Element(child) => !(child.is(STANZA_ID, "stanza-id") && child.attr("by") == Some(bare)),
            Node::Text(_) => true,
        });
    }
    actual
}

fn element(pattern: &Element, actual: &Element, captures: &mut Captures) -> Result<(), String> {
    if pattern.name != actual.name || pattern.ns != actual.ns {
        let (p, a) = (pattern, actual);
        return Err(format!("expected {{{}}}{}, got {{{}}}{}", p.ns, p.name, a.ns, a.name));
    }
    attributes(pattern, actual, captures)?;
    content(pattern, actual, captures)
}

fn attributes(pattern: &Element, actual: &Element, captures: &mut Captures) -> Result<(), String> {
    for ((ns, name), expected) in &pattern.attrs {
        if name == "_" {
            continue;
        }
        let Some(value) = actual.attrs.get(&(ns.clone(), name.clone())) else {
            return Err(format!("<{}/> lacks the attribute {name}", actual.name));
        };
        text(expected, value, captures)
            .map_err(|e| format!("attribute {name} of <{}/>: {e}", actual.name))?;
    }
    if pattern.attr("_").is_some() {
        return Ok(());
    }
    match actual.attrs.iter().find(|(key, _)| !pattern.attrs.contains_key(key)) {
        Some(((_, name), value)) => Err(format!("<{}/> has an unexpected {name}='{value}'", actual.name)),
        None => Ok(()),
    }
}

fn content(pattern: &Element, actual: &Element, captures: &mut Captures) -> Result<(), String> {
    let expected_text = pattern.text();
    let open = expected_text.contains("{...}");
    let expected_text = expected_text.replace("{...}", "");
    let wanted: Vec<&Element> = pattern.children().collect();
    let there: Vec<&Element> = actual.children().collect();
    let (expected_text, actual_text) = match wanted.is_empty() && !open {
        true => (expected_text, actual.text()),
        false => (expected_text.trim().to_owned(), actual.text().trim().to_owned()),
    };
    if !(open && expected_text.is_empty()) {
        text(&expected_text, &actual_text, captures)
            .map_err(|e| format!("text of <{}/>: {e}", actual.name))?;
    }
    let mut used = vec![false; there.len()];
    children(&wanted, &there, &mut used, captures)?;
    match used.iter().position(|used| !used) {
        Some(index) if !open => Err(format!("unexpected child {}", there[index])),
        _ => Ok(()),
    }
}

/// Finds a distinct child for each that is wanted, whatever their order, taking a choice back when it leads nowhere.
fn children(
    wanted: &[&Element],
    there: &[&Element],
    used: &mut [bool],
    captures: &mut Captures,
) -> Result<(), String> {
    let Some((first, rest)) = wanted.split_first() else {
        return Ok(());
    };
    let mut closest = None;
    for index in 0..there.len() {
        if used[index] {
            continue;
        }
        let mut tried = captures.clone();
        let outcome = element(first, there[index], &mut tried).and_then(|()| {
            used[index] = true;
            let outcome = children(rest, there, used, &mut tried);
            used[index] = outcome.is_ok();
            outcome
        });
        match outcome {
            Ok(()) => {
                *captures = tried;
                return Ok(());
            }
            Err(reason) if there[index].name == first.name && there[index].ns == first.ns => {
                closest = Some(reason);
            }
            Err(_) => {}
        }
    }
    Err(closest.unwrap_or_else(|| format!("child {first} is missing")))
}

/// Compares a text with a template.
fn text(template: &str, actual: &str, captures: &mut Captures) -> Result<(), String> {
    let parts = split(template);
    let mut rest = actual;
    for (index, part) in parts.iter().enumerate() {
        let mismatch = || Err(format!("expected `{template}`, got `{actual}`"));
        match part {
            Part::Literal(literal) => match rest.strip_prefix(literal) {
                Some(after) => rest = after,
                None => return mismatch(),
            },
            Part::Name(name) => {
                let end = match parts.get(index + 1) {
                    None => rest.len(),
                    Some(Part::Literal(literal)) => rest.find(literal).unwrap_or(0),
                    Some(Part::Name(_)) => panic!("two names without text between them: {template}"),
                };
                let (value, after) = rest.split_at(end);
                if value.is_empty() {
                    return mismatch();
                }
                match captures.get(*name) {
                    Some(known) if known != value => {
                        return Err(format!("{{{name}}} is `{known}`, got `{value}`"));
                    }
                    Some(_) => {}
                    None if *name == "any" => {}
                    None => drop(captures.insert((*name).to_owned(), value.to_owned())),
                }
                rest = after;
            }
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("expected `{template}`, got `{actual}`")) }
}

enum Part<'a> {
    Literal(&'a str),
    Name(&'a str),
}

fn split(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    let mut from = 0;
    while let Some(open) = rest[from..].find('{').map(|at| at + from) {
        let name = rest[open + 1..].split('}').next().unwrap_or_default();
        let closed = rest[open + 1 + name.len()..].starts_with('}');
        let named = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
        if !(closed && named) {
            from = open + 1;
            continue;
        }
        if open > 0 {
            parts.push(Part::Literal(&rest[..open]));
        }
        parts.push(Part::Name(name));
        rest = &rest[open + name.len() + 2..];
        from = 0;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, actual: &str, captures: &mut Captures) -> Result<(), String> {
        let own = Some("romeo@localhost/orchard");
        compare(&Element::parse(pattern).unwrap(), &Element::parse(actual).unwrap(), own, captures)
    }

    #[test]
    fn order_of_attributes_and_children_is_free() {
        let captures = &mut Captures::new();
        let actual = "<message from='a@b' id='1'><x xmlns='u'/><body>hi</body></message>";
        check("<message id='1' from='a@b'><body>hi</body><x xmlns='u'/></message>", actual, captures)
            .unwrap();
        check("<message id='1' from='a@b'><body>hi</body></message>", actual, captures).unwrap_err();
        check("<message id='1' from='a@b'><body>hi</body>{...}</message>", actual, captures).unwrap();
        check("<message id='1'><body>hi</body>{...}</message>", actual, captures).unwrap_err();
        check("<message _='...'><body>hi</body>{...}</message>", actual, captures).unwrap();
        check("<message _='...'><body>ho</body>{...}</message>", actual, captures).unwrap_err();
    }

    #[test]
    fn a_capture_binds_once() {
        let captures = &mut Captures::new();
        check("<iq id='{id}' type='result'/>", "<iq id='7' type='result'/>", captures).unwrap();
        assert_eq!(captures["id"], "7");
        check("<iq id='{id}' type='result'/>", "<iq id='8' type='result'/>", captures).unwrap_err();
        assert_eq!(substitute("<a h='{id}'/>{", captures), "<a h='7'/>{");
    }

    #[test]
    fn a_failed_comparison_captures_nothing() {
        let captures = &mut Captures::new();
        check("<iq id='{id}' type='error'/>", "<iq id='7' type='result'/>", captures).unwrap_err();
        assert!(captures.is_empty());
    }

    #[test]
    fn choices_among_children_are_taken_back() {
        let captures = &mut Captures::new();
        let actual = "<message><a n='1'/><a n='2'/></message>";
        check("<message><a n='{any}'/><a n='1'/></message>", actual, captures).unwrap();
        check("<message><a n='{any}'/><a n='3'/></message>", actual, captures).unwrap_err();
    }

    #[test]
    fn parts_of_a_text_may_be_captured() {
        let captures = &mut Captures::new();
        check(
            "<iq id='1'><jid>romeo@localhost/{res}</jid></iq>",
            "<iq id='1'><jid>romeo@localhost/x/y</jid></iq>",
            captures,
        )
        .unwrap();
        assert_eq!(captures["res"], "x/y");
    }

    #[test]
    fn what_a_server_may_add_is_ignored() {
        let captures = &mut Captures::new();
        let actual = "<message to='romeo@localhost/orchard' from='a@b' xml:lang='en'><body>x</body>\
                      <stanza-id xmlns='urn:xmpp:sid:0' by='romeo@localhost' id='1'/></message>";
        check("<message from='a@b'><body>x</body></message>", actual, captures).unwrap();
        let foreign = actual.replace("by='romeo@localhost'", "by='tybalt@localhost'");
        check("<message from='a@b'><body>x</body></message>", &foreign, captures).unwrap_err();
    }
}
