//! What is wrong with a configuration file: the file, the line and column, and what is allowed there.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::quoted;
use super::validate::{Problem, Step};

/// An error in the configuration, to be shown to the administrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", self.place())]
pub struct ConfigError {
    file: PathBuf,
    position: Option<(usize, usize)>,
    message: String,
}

impl ConfigError {
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self { file: path.to_owned(), position: None, message: format!("cannot be read: {error}") }
    }

    pub(super) fn from_toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        // serde says "unknown field `x`, expected one of ..." where an administrator knows keys and values.
        let message = error
            .message()
            .replace("unknown field", "unknown key")
            .replace("unknown variant", "unknown value")
            .replace(", expected one of ", "; allowed here: ")
            .replace(", expected ", "; allowed here: ");
        let position =
            error.span().map(|span| line_and_column(text, quoted_from(text, span.start, &message)));
        Self { file: path.to_owned(), position, message: message.trim_end().replace('\n', "; ") }
    }

    pub(super) fn from_problem(path: &Path, text: &str, problem: &Problem) -> Self {
        let position = locate(text, &problem.path).map(|span| line_and_column(text, span.start));
        Self { file: path.to_owned(), position, message: format!("`{}`: {}", problem.key(), problem.message) }
    }

    /// The file the error is in.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Line and column, counted from 1, where they are known.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.position
    }

    fn place(&self) -> String {
        match self.position {
            Some((line, column)) => format!("{}:{line}:{column}: ", self.file.display()),
            None => format!("{}: ", self.file.display()),
        }
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// For a wrong element toml gives the place of its whole list; the message quotes the element, so look for it there.
fn quoted_from(text: &str, start: usize, message: &str) -> usize {
    let element = message.strip_prefix('`').and_then(|rest| rest.split('`').next());
    let found = element.and_then(|element| text.get(start..)?.find(&quoted(element)));
    start + found.unwrap_or(0)
}

/// Finds where a value stands in the file; where it is absent, the innermost table that should hold it.
fn locate(text: &str, path: &[Step]) -> Option<Range<usize>> {
    let root = toml::de::DeTable::parse(text).ok()?;
    let mut steps = path.iter();
    let Some(Step::Key(first)) = steps.next() else {
        return None;
    };
    let (_, mut value) = root.get_ref().iter().find(|(key, _)| key.get_ref() == first)?;
    let mut span = value.span();
    for step in steps {
        let next = match (step, value.get_ref()) {
            (Step::Key(name), toml::de::DeValue::Table(table)) => {
                table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
            }
            (Step::Index(index), toml::de::DeValue::Array(array)) => array.get(*index),
            _ => None,
        };
        let Some(next) = next else { break };
        value = next;
        span = value.span();
    }
    Some(span)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn complaint(text: &str) -> String {
        Config::parse(text, Path::new("w.toml")).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_wrong_key_names_file_line_column_and_the_allowed_keys() {
        let text = complaint("[log]\nformat = \"text\"\ncolour = true\n");
        assert!(text.starts_with("w.toml:3:1: unknown key `colour`; allowed here: "), "{text}");
        assert!(text.contains("`format`") && text.contains("`level`"), "{text}");
    }

    #[test]
    fn a_wrong_word_names_the_allowed_words() {
        let text = complaint("[log]\nformat = \"xml\"\n");
        assert!(text.starts_with("w.toml:2:10: unknown value `xml`; allowed here: `text`"), "{text}");
        assert!(text.contains("`json`"), "{text}");
    }

    #[test]
    fn a_wrong_type_names_what_is_allowed() {
        let text = complaint("[shutdown]\ndrain_grace_ms = \"soon\"\n");
        assert!(text.starts_with("w.toml:2:18: invalid type: string \"soon\"; allowed here: u64"), "{text}");
    }

    #[test]
    fn a_wrong_address_says_how_one_is_written() {
        let text = complaint("[listen]\nxmpp = [\"127.0.0.1:5222\",\n  \"localhost\"]\n");
        assert!(text.starts_with("w.toml:3:3: `localhost` is not an address"), "{text}");
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        let text = complaint("data_dir = \"x\"\n\n[[domain\n");
        assert!(text.starts_with("w.toml:3:"), "{text}");
    }

    #[test]
    fn a_value_out_of_bounds_has_its_place() {
        let text = complaint("[[domain]]\nname = \"a.example\"\n\n[[domain]]\nname = \"a.example\"\n");
        assert!(text.starts_with("w.toml:5:8: `domain.1.name`: "), "{text}");
    }

    #[test]
    fn a_missing_key_is_shown_at_its_table() {
        let text = complaint("[[domain]]\nname = \"a.example\"\ncertificate = \"a.crt\"\n");
        assert!(text.starts_with("w.toml:1:1: `domain.0.key`: "), "{text}");
    }
}
