//! Parts of a file: the Range header (RFC 9110 section 14).

use std::ops::Range;

/// What of a file is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that it does not have.
    Unsatisfiable,
}

/// Reads a Range header. What is malformed or in another unit is ignored, and so is a list of ranges, which a server may
/// answer with the whole (sections 14.2 and 15.3.7.2): many small ranges would cost much more than they ask for.
pub(super) fn asked(header: Option<&str>, size: u64) -> Asked {
    let range = header.and_then(|header| header.trim().strip_prefix("bytes=")).filter(|r| !r.contains(','));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else { return Asked::Whole };
    let number = |text: &str| {
        let text = text.trim();
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Asked::Whole,
        (Some(first), _) if first >= size => Asked::Unsatisfiable,
        (Some(first), Some(last)) => Asked::Part(first..last.saturating_add(1).min(size)),
        (Some(first), None) if last.trim().is_empty() => Asked::Part(first..size),
        (None, Some(0)) if first.trim().is_empty() => Asked::Unsatisfiable,
        (None, Some(suffix)) if first.trim().is_empty() => Asked::Part(size.saturating_sub(suffix)..size),
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110 sections 14.1.2, 14.2 and 15.5.17.
    #[test]
    fn ranges_are_read() {
        for (header, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=10-19", Asked::Part(10..20)),
            ("bytes=90-1000", Asked::Part(90..100)),
            ("bytes=90-99999999999999999999999", Asked::Part(90..100)),
            ("bytes=99-", Asked::Part(99..100)),
            ("bytes=-1", Asked::Part(99..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=100-", Asked::Unsatisfiable),
            ("bytes=99999999999999999999999-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=20-10", Asked::Whole),
            ("bytes=0-1,2-3", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=1-x", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("", Asked::Whole),
        ] {
            assert_eq!(asked(Some(header), 100), expected, "{header}");
        }
        assert_eq!(asked(None, 100), Asked::Whole);
    }
}
