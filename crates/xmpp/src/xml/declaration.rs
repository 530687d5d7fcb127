//! The XML declaration at the start of a stream (XML 1.0 section 2.8).

use super::{XmlError, chars};

/// No declaration that means anything is longer than this.
pub(super) const DECLARATION_BYTES: usize = 128;

/// Checks what stands between `<?xml` and `?>`: version 1.0, then optionally the encoding UTF-8, then optionally
/// `standalone` (XML 1.0 productions 23 to 32).
pub(super) fn check(body: &str) -> Result<(), XmlError> {
    let mut rest = body;
    if take(&mut rest, "version")? != Some("1.0") {
        return Err(XmlError::NotWellFormed("the XML declaration does not say version 1.0"));
    }
    if let Some(encoding) = take(&mut rest, "encoding")?
        && !encoding.eq_ignore_ascii_case("utf-8")
    {
        return Err(XmlError::Encoding("the XML declaration names another encoding than UTF-8"));
    }
    if let Some(standalone) = take(&mut rest, "standalone")?
        && !matches!(standalone, "yes" | "no")
    {
        return Err(XmlError::NotWellFormed("standalone is neither yes nor no"));
    }
    if rest.bytes().all(chars::is_space) {
        Ok(())
    } else {
        Err(XmlError::NotWellFormed("the XML declaration has an unknown part"))
    }
}

/// Takes white space, `name`, `=` and a quoted value from the front, or nothing when another name comes next.
fn take<'a>(rest: &mut &'a str, name: &str) -> Result<Option<&'a str>, XmlError> {
    let error = XmlError::NotWellFormed("the XML declaration is malformed");
    let is_space = |character: char| character.is_ascii() && chars::is_space(character as u8);
    let start = rest.trim_start_matches(is_space);
    let Some(after_name) = start.strip_prefix(name).filter(|_| start.len() < rest.len()) else {
        return Ok(None);
    };
    let after_equals =
        after_name.trim_start_matches(is_space).strip_prefix('=').ok_or(error)?.trim_start_matches(is_space);
    let quote = after_equals.chars().next().filter(|first| matches!(first, '"' | '\'')).ok_or(error)?;
    let (value, after_value) = after_equals[1..].split_once(quote).ok_or(error)?;
    *rest = after_value;
    Ok(Some(value))
}
