//! Nicknames: how they are written (RFC 8266), and what makes two of them the same, so that nobody passes for another.

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// Bytes of a nickname.
pub const NICK_BYTES_LIMIT: usize = 256;

/// A nickname as it is shown: without spaces at its ends, and one between words (RFC 8266 section 2.1).
pub fn tidy_nick(nick: &str) -> String {
    nick.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What makes two nicknames the same: neither case nor spaces, nor wide or decorated forms of letters, nor joiners that
/// nobody sees.
pub fn nick_key(nick: &str) -> String {
    let mapped = nick.nfkc().filter(|c| !is_unseen(*c)).flat_map(char::to_lowercase);
    mapped.nfkc().filter(|c| !c.is_whitespace()).collect()
}

/// What a nickname looks like, when that is something else than it is: `CTO` for the same three letters in Cyrillic.
pub fn nick_likeness(nick: &str) -> Option<String> {
    let likeness: String = nick.nfkc().map(look).collect();
    let (likeness, key) = (nick_key(&likeness), nick_key(nick));
    (likeness != key).then_some(likeness)
}

/// Refuses a nickname that is too long, empty, or made to look like another by mixing alphabets within a word.
pub fn check_nick(nick: &str) -> Result<()> {
    if nick.len() > NICK_BYTES_LIMIT {
        return Err(Error::NotAcceptable("the nickname is too long"));
    }
    if nick_key(nick).is_empty() {
        return Err(Error::NotAcceptable("the nickname is empty"));
    }
    let alphabet = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => Some(0),
        '\u{370}'..='\u{3ff}' => Some(1),
        '\u{400}'..='\u{52f}' => Some(2),
        _ => None,
    };
    let nick: String = nick.nfkc().filter(|c| !is_unseen(*c)).collect();
    let mixed = nick.split(|c: char| !c.is_alphanumeric()).any(|word| {
        let mut found = word.chars().filter_map(alphabet);
        found.next().is_some_and(|first| found.any(|next| next != first))
    });
    if mixed { Err(Error::NotAcceptable("the nickname mixes alphabets")) } else { Ok(()) }
}

/// What takes no place of its own: joiners, marks of direction, variation selectors.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}')
}

/// The Latin letter that one of another alphabet cannot be told from.
fn look(c: char) -> char {
    const CYRILLIC: &str = "АаВЕеНІіЈјКМОоРрСсТуХхЅѕҺһԁԛԝҮ";
    const LATIN_FOR_CYRILLIC: &str = "AaBEeHIiJjKMOoPpCcTyXxSsHhdqwY";
    const GREEK: &str = "ΑΒΕΖΗΙΚΜΝΟοΡρΤΥΧν";
    const LATIN_FOR_GREEK: &str = "ABEZHIKMNOoPpTYXv";
    let pairs = CYRILLIC.chars().zip(LATIN_FOR_CYRILLIC.chars());
    let mut pairs = pairs.chain(GREEK.chars().zip(LATIN_FOR_GREEK.chars()));
    pairs.find(|(letter, _)| *letter == c).map_or(c, |(_, latin)| latin)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 7.2.8 leaves the rule to us: neither case nor space nor look-alikes from other alphabets make another.
    #[test]
    fn nobody_passes_for_another() {
        assert_eq!(nick_key("Third Witch"), nick_key(" thirdwitch "));
        assert_ne!(nick_key("thirdwitch"), nick_key("firstwitch"));
        for same in ["ｔhirdwitch", "third\u{200d}witch", "𝐭𝐡𝐢𝐫𝐝witch", "third\u{ad}witch"] {
            assert_eq!(nick_key(same), nick_key("thirdwitch"), "{same}");
        }
        assert!(
            check_nick("juliet").is_ok() && check_nick("Юлия").is_ok() && check_nick("Ιουλιέτα 14").is_ok()
        );
        assert!(check_nick("Юлия (Capulet)").is_ok(), "each word is of one alphabet");
        assert!(check_nick("jul\u{456}et").is_err(), "a Cyrillic letter among Latin ones");
        assert!(check_nick(" ").is_err() && check_nick(&"x".repeat(NICK_BYTES_LIMIT + 1)).is_err());
    }

    #[test]
    fn letters_of_other_alphabets_are_seen_as_what_they_look_like() {
        for (nick, likeness) in [("СТО", "cto"), ("сор", "cop"), ("ΑΝΝΑ", "anna"), ("ОРЕХ", "opex")]
        {
            assert_eq!(nick_likeness(nick).as_deref(), Some(likeness), "{nick}");
        }
        assert_eq!(nick_likeness("Third Witch"), None);
    }

    /// RFC 8266 section 2.1.
    #[test]
    fn spaces_are_tidied() {
        assert_eq!(tidy_nick("  Old \u{a0} Hag "), "Old Hag");
    }

    #[test]
    fn the_tables_of_looks_are_as_long_as_each_other() {
        for (letter, latin) in
            [('Ү', 'Y'), ('ν', 'v'), ('А', 'A'), ('Α', 'A'), ('Р', 'P'), ('Ρ', 'P'), ('z', 'z')]
        {
            assert_eq!(look(letter), latin);
        }
    }
}
