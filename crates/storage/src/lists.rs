//! Lists of texts in one column: a line each, with line feeds and backslashes inside a text escaped.

/// Writes a list.
pub(crate) fn join(items: &[String]) -> String {
    let mut out = String::new();
    for item in items {
        for c in item.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('\n');
    }
    out
}

/// Reads a list written by `join`.
pub(crate) fn split(list: &str) -> Vec<String> {
    list.split_terminator('\n').map(unescape).collect()
}

fn unescape(line: &str) -> String {
    if !line.contains('\\') {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_texts_survive() {
        for list in [&[][..], &[""], &["", ""], &["a\nb", "\\n", "\\", "c\\\n\\"]] {
            let list: Vec<String> = list.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(split(&join(&list)), list);
        }
    }
}
