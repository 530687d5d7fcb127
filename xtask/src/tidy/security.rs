//! The page of withstood attacks names tests, as `path.rs::name`: each must exist, and each attack must be on the page.

use std::collections::BTreeSet;

use super::Text;

const PAGE: &str = "docs/security.md";
const ATTACKS: &str = "tests/attacks/";

pub(super) fn check(texts: &[Text], findings: &mut Vec<String>) {
    let Some(page) = texts.iter().find(|text| text.path == PAGE) else {
        findings.push(format!("{PAGE} is missing"));
        return;
    };
    let named: BTreeSet<&str> = page.text.split('`').filter(|code| code.contains(".rs::")).collect();
    for name in &named {
        let found = name.split_once("::").is_some_and(|(path, test)| {
            texts.iter().any(|text| text.path == path && tests(&text.text).any(|found| found == test))
        });
        if !found {
            findings.push(format!("{PAGE}: there is no test `{name}`"));
        }
    }
    for text in texts.iter().filter(|text| text.path.starts_with(ATTACKS)) {
        for test in tests(&text.text) {
            let name = format!("{}::{test}", text.path);
            if !named.contains(name.as_str()) {
                findings.push(format!("{PAGE}: the test `{name}` is not on the page"));
            }
        }
    }
}

/// The names of the tests in a file.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        std::mem::take(&mut marked).then(|| function.split(['(', '<']).next())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_other_functions() {
        let text = "fn a() {}\n#[tokio::test]\nasync fn b() {}\nfn c() {}\n/// x\n#[test]\n#[cfg(unix)]\nfn d() {}\n";
        assert_eq!(tests(text).collect::<Vec<_>>(), ["b", "d"]);
    }

    #[test]
    fn what_is_missing_is_found() {
        let file = |path: &str, text: &str| Text { path: path.to_owned(), text: text.to_owned() };
        let page = file(PAGE, "| x | `tests/attacks/a.rs::one` `tests/attacks/a.rs::three` |");
        let attacks = file("tests/attacks/a.rs", "#[test]\nfn one() {}\n#[test]\nfn two() {}\n");
        let mut findings = Vec::new();
        check(&[page, attacks], &mut findings);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("three") && findings[1].contains("two"), "{findings:?}");
    }
}
