//! Names and media types that people give to their files, made harmless without making them unrecognisable.

use super::{MEDIA_TYPE_BYTES_LIMIT, NAME_BYTES_LIMIT};

/// A name to show and to save a file under: the last part of a path, without what no name should have. The ending stays
/// (XEP-0363 section 4).
pub fn cleaned(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control() && !turns_text(*c)).collect();
    let clean = clean.trim().trim_start_matches('.');
    match clean {
        "" => "file".to_owned(),
        _ => shortened(clean),
    }
}

/// Marks that change the direction of text, with which `exe.jpg` can be made of `gpj.exe`.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Cuts the middle out of a name that is too long, so that its ending stays.
fn shortened(name: &str) -> String {
    if name.len() <= NAME_BYTES_LIMIT {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |at| &name[at..]);
    let ending = if ending.len() <= 32 { ending } else { "" };
    let mut end = NAME_BYTES_LIMIT - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}

/// A media type in lower case and without parameters (RFC 9110 section 8.3.1); `None` if it is none.
pub fn media_type(text: &str) -> Option<String> {
    let essence = text.split(';').next()?.trim();
    let (kind, subtype) = essence.split_once('/')?;
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    (essence.len() <= MEDIA_TYPE_BYTES_LIMIT && token(kind) && token(subtype))
        .then(|| essence.to_ascii_lowercase())
}

/// A text as one segment of a path (RFC 3986 section 3.3): all but unreserved characters are percent-encoded.
pub fn percent_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_recognisable_and_are_no_paths() {
        for (given, kept) in [
            ("très cool.jpg", "très cool.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\romeo\\letter.odt", "letter.odt"),
            ("a\r\nSet-Cookie: x=1", "aSet-Cookie: x=1"),
            ("harmless\u{202e}gpj.exe", "harmlessgpj.exe"),
            (".htaccess", "htaccess"),
            ("..", "file"),
            ("", "file"),
            ("\u{0}", "file"),
        ] {
            assert_eq!(cleaned(given), kept, "{given:?}");
        }
        let long = cleaned(&format!("{}.jpeg", "é".repeat(300)));
        assert!(long.len() <= NAME_BYTES_LIMIT && long.ends_with("é.jpeg"), "{long}");
    }

    #[test]
    fn media_types_are_brought_to_one_form() {
        assert_eq!(media_type("Text/HTML; charset=utf-8").as_deref(), Some("text/html"));
        assert_eq!(media_type("image/svg+xml").as_deref(), Some("image/svg+xml"));
        for wrong in ["", "image", "/", "image/", "a b/c", "image/png\r\nX: y", "é/x"] {
            assert_eq!(media_type(wrong), None, "{wrong:?}");
        }
    }
}
