//! Polls: a question in a message, on which people vote by reacting with the number of an answer, until whoever asked closes it.

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;

/// Whether an emoji is the keycap of an answer: 1️⃣ to 🔟, whichever way it is written.
pub fn is_vote(emoji: &str) -> bool {
    let mut letters = emoji.chars().filter(|letter| *letter != '\u{fe0f}');
    match (letters.next(), letters.next(), letters.next()) {
        (Some('1'..='9'), Some('\u{20e3}'), None) => true,
        (first, None, None) => first == Some('🔟'),
        _ => false,
    }
}

/// Whether a message asks.
pub(crate) fn asks(message: &Stanza) -> bool {
    let mut payloads = message.children().filter(|child| child.is(ns::JSON_MESSAGE, "payload"));
    payloads.any(|payload| payload.attr("datatype") == Some(ns::POLL))
}

/// Whether a correction closes the poll that it corrects.
pub(crate) fn closes(correction: &Stanza) -> bool {
    correction.child(ns::POLL, "closed").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_keycaps() {
        for vote in ["1\u{fe0f}\u{20e3}", "9\u{20e3}", "🔟"] {
            assert!(is_vote(vote), "{vote}");
        }
        for other in ["", "1", "0\u{fe0f}\u{20e3}", "#\u{fe0f}\u{20e3}", "👍", "🔟🔟"] {
            assert!(!is_vote(other), "{other}");
        }
    }
}
