//! Where a new feature starts: copy this file, name the copy for the concept, and add it to `FEATURES`. It is compiled
//! and tested with the others, so it is as current as they are.
//!
//! The order is the same in every file: the `FEATURE`, the `Config` if an administrator decides something about it, the
//! handlers, what they render, the tests. What a feature decides about people and data belongs into `waxwing_chat`.

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Advertised, At, Feature, Handler, Reply, Request, Spec, Target};

/// Namespaces stand in `waxwing_xmpp::ns`; this one is nobody's.
const ECHO: &str = "urn:example:echo";

/// The specifications, with the version of the text that was read.
pub const FEATURE: Feature = Feature {
    name: "echo",
    summary: "One sentence for the documents: what people have from it.",
    specs: &[Spec { name: "XEP-0000", version: "1.0", note: "What of it does not apply, or nothing." }],
    advertises: &[Advertised { at: At::Server, var: ECHO }],
    handles: &[Handler {
        kind: IqType::Get,
        namespace: ECHO,
        name: "echo",
        targets: &[Target::Server],
        answer: |request| Box::pin(echo(request)),
    }],
    // Announcements in stream features and what is stored; most features have neither.
    ..Feature::EMPTY
};

/// A handler reads, asks `request.chat`, and renders. Errors of the domain go through `stanza_error`.
async fn echo(request: Request<'_>) -> Reply {
    let text = read(request.payload)?;
    Ok(render(&text).into())
}

/// Reading is a function of its own, so that a test needs no server.
fn read(payload: ElementRef<'_>) -> Result<String, StanzaError> {
    let text = payload.text();
    if text.is_empty() {
        return Err(StanzaError::new(Condition::BadRequest).with_text("there is nothing to echo"));
    }
    Ok(text.into_owned())
}

fn render(text: &str) -> Element {
    Element::new(ECHO, "echo").with_text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each test cites the section whose rule it checks.
    #[test]
    fn echoes() {
        let payload = render("hello");
        assert_eq!(read(payload.root()).unwrap(), "hello");
        assert_eq!(read(render("").root()).unwrap_err().condition, Condition::BadRequest);
        assert_eq!(FEATURE.handles.len(), 1);
    }
}
