//! The documented example file and the reference, drawn from the sections' own descriptions.

use std::fmt::Write;

use super::{Config, Field, Setting, Shape};

/// The file `docs/waxwing.example.toml`: every key, its documentation and its default, commented out.
pub fn example_file() -> String {
    let mut out = String::from(
        "# Waxwing's configuration, every key with its default. Generated from the source: do not edit.\n\
         # Remove the `#` before a key to change it. Without any file the server runs with what stands here.\n",
    );
    if let Shape::Table(fields) = Config::default().shape() {
        example_table(&mut out, "", &fields);
    }
    out
}

fn example_table(out: &mut String, path: &str, fields: &[Field]) {
    for field in fields {
        let Shape::Value { kind, allowed } = &field.shape else {
            continue;
        };
        let (doc, example) = split_example(&field.doc);
        out.push('\n');
        for line in doc {
            let _ = writeln!(out, "# {line}");
        }
        let _ = writeln!(out, "# Takes: {}.", takes(kind, allowed));
        let value =
            field.default.clone().or_else(|| example.map(str::to_owned)).unwrap_or_else(|| "...".to_owned());
        let unset = if field.default.is_none() { " # unset by default" } else { "" };
        let _ = writeln!(out, "#{} = {value}{unset}", field.name);
    }
    for field in fields {
        let (inner, open, close) = match &field.shape {
            Shape::Value { .. } => continue,
            Shape::Table(inner) => (inner, "[", "]"),
            Shape::Tables(inner) => (inner, "[[", "]]"),
        };
        let name = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        out.push('\n');
        for line in split_example(&field.doc).0 {
            let _ = writeln!(out, "# {line}");
        }
        let mark = if open == "[[" { "#" } else { "" };
        let _ = writeln!(out, "{mark}{open}{name}{close}");
        example_table(out, &name, inner);
    }
}

/// The page `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = String::from(
        "# Configuration reference\n\n\
         <!-- Generated from the source: do not edit. -->\n\n\
         One TOML file. `--config FILE` names it; without that, `./waxwing.toml` is read if it exists; without \
         either, every key has the default shown here and the server runs. A key or value that is not understood \
         stops the start with the file, the line, the column and what is allowed. `waxwing check` says so \
         beforehand. SIGHUP (`systemctl reload waxwing`) reads the file again; a file with an error is refused and \
         the running configuration stays.\n\n\
         Units stand at the end of names: `_ms` is milliseconds, `_bytes` is bytes.\n",
    );
    if let Shape::Table(fields) = Config::default().shape() {
        out.push_str("\n## Top level\n");
        reference_table(&mut out, "", &fields);
    }
    out
}

fn reference_table(out: &mut String, path: &str, fields: &[Field]) {
    let values: Vec<&Field> = fields.iter().filter(|f| matches!(f.shape, Shape::Value { .. })).collect();
    if !values.is_empty() {
        out.push_str("\n| key | takes | default | meaning |\n|---|---|---|---|\n");
    }
    for field in values {
        let Shape::Value { kind, allowed } = &field.shape else {
            continue;
        };
        let (doc, example) = split_example(&field.doc);
        let default = match (&field.default, example) {
            (Some(default), _) => format!("`{default}`"),
            (None, Some(example)) => format!("unset; example: `{example}`"),
            (None, None) => "unset".to_owned(),
        };
        let takes = takes(kind, allowed).replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {takes} | {default} | {} |", field.name, doc.join(" "));
    }
    for field in fields {
        let (inner, open, close) = match &field.shape {
            Shape::Value { .. } => continue,
            Shape::Table(inner) => (inner, "[", "]"),
            Shape::Tables(inner) => (inner, "[[", "]]"),
        };
        let name = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        let _ = writeln!(out, "\n## `{open}{name}{close}`\n\n{}", split_example(&field.doc).0.join(" "));
        reference_table(out, &name, inner);
    }
}

fn takes(kind: &str, allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return kind.to_owned();
    }
    let words: Vec<String> = allowed.iter().map(|word| format!("\"{word}\"")).collect();
    format!("{kind} {}", words.join(", "))
}

/// Parts the documentation from its last line `Example: value`, if it has one.
fn split_example<'a>(doc: &[&'a str]) -> (Vec<&'a str>, Option<&'a str>) {
    let mut lines: Vec<&str> = doc.iter().map(|line| line.trim()).collect();
    let example = lines.last().and_then(|line| line.strip_prefix("Example: "));
    if example.is_some() {
        lines.pop();
    }
    (lines, example)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::xmpp::federation::config::Route;

    fn without_leading_mark(text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            // Documentation lines have a space after the mark, keys have none.
            match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => out.push_str(rest),
                _ => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }

    #[test]
    fn the_example_file_is_valid_as_it_stands_and_changes_nothing() {
        let config = Config::parse(&example_file(), Path::new("example")).expect("valid");
        assert_eq!(config, Config::default());
    }

    #[test]
    fn each_commented_key_of_the_example_is_a_real_key_with_its_real_default() {
        let text: String = without_leading_mark(&example_file())
            .lines()
            .filter(|line| !line.ends_with("# unset by default"))
            .map(|line| if line == "name = \"\"" { "name = \"localhost\"" } else { line })
            .map(|line| format!("{line}\n"))
            .collect();
        let mut config = Config::parse(&text, Path::new("example")).unwrap_or_else(|e| panic!("{e}\n{text}"));
        // The example shows one of each table that may be repeated.
        assert_eq!(std::mem::take(&mut config.federation.route), [Route::default()]);
        assert_eq!(config, Config::default());
    }

    #[test]
    fn every_key_has_a_doc_comment() {
        fn walk(path: &str, fields: &[Field]) {
            for field in fields {
                assert!(!field.doc.is_empty(), "{path}.{} has no documentation", field.name);
                if let Shape::Table(inner) | Shape::Tables(inner) = &field.shape {
                    walk(&format!("{path}.{}", field.name), inner);
                }
            }
        }
        let Shape::Table(fields) = Config::default().shape() else { panic!("the root is a table") };
        walk("", &fields);
    }
}
