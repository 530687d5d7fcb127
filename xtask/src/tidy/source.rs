//! Rust files: the sentence at the head, the sizes of files and functions, and words that no name may hold.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::Text;

const MAX_FILE: usize = 600;
const MAX_FUNCTION: usize = 70;
/// Words that say nothing about what a thing is.
const BANNED_WORDS: &[&str] = &["manager", "util", "common", "helper", "misc"];
/// The files and functions that are longer, with the size that they must not exceed: `lines path[::function]`.
const EXCEPTIONS: &str = "xtask/size-exceptions.txt";

pub(super) fn check(texts: &[Text], findings: &mut Vec<String>) -> Result<()> {
    let mut exceptions = exceptions(texts)?;
    for text in texts {
        check_file_name(&text.path, findings);
        if text.path.ends_with(".rs") {
            check_rust(text, &mut exceptions, findings);
        }
    }
    for item in exceptions.into_keys() {
        findings.push(format!("{EXCEPTIONS}: {item} is no longer too long, or no longer there"));
    }
    Ok(())
}

/// The listed exceptions; each is taken out when it is met.
fn exceptions(texts: &[Text]) -> Result<BTreeMap<String, usize>> {
    let list = texts.iter().find(|text| text.path == EXCEPTIONS).map_or("", |text| &text.text);
    let mut exceptions = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (lines, item) = line.split_once(' ').with_context(|| format!("{EXCEPTIONS}: {line}"))?;
        let twice = exceptions.insert(item.to_owned(), lines.parse()?).is_some();
        ensure!(!twice, "{EXCEPTIONS}: {item} is listed twice");
    }
    Ok(exceptions)
}

fn check_file_name(path: &str, findings: &mut Vec<String>) {
    for part in path.split(['/', '.']) {
        if let Some(word) = banned_word(part) {
            findings.push(format!("{path}: `{word}` in the name says nothing"));
        }
    }
}

fn check_rust(text: &Text, exceptions: &mut BTreeMap<String, usize>, findings: &mut Vec<String>) {
    if !text.text.starts_with("//! ") {
        findings.push(format!("{}:1: the file must begin with a sentence after //!", text.path));
    }
    let file = match syn::parse_file(&text.text) {
        Ok(file) => file,
        Err(error) => {
            findings.push(format!("{}: {error}", text.path));
            return;
        }
    };
    let mut sizes = Sizes::default();
    sizes.visit_file(&file);
    for (line, word) in &sizes.banned {
        findings.push(format!("{}:{line}: `{word}` in a name says nothing", text.path));
    }
    let tests = ["tests/scenarios/", "tests/attacks/"].iter().any(|folder| text.path.starts_with(folder));
    if tests || text.path.contains("/tests/") {
        return;
    }
    let lines = text.text.lines().count() - sizes.test_lines;
    let mut too_long = Vec::new();
    if lines > MAX_FILE {
        too_long.push((text.path.clone(), lines, MAX_FILE));
    }
    for (name, lines) in sizes.functions.into_iter().filter(|(_, lines)| *lines > MAX_FUNCTION) {
        too_long.push((format!("{}::{name}", text.path), lines, MAX_FUNCTION));
    }
    for (item, lines, limit) in too_long {
        match exceptions.remove(&item) {
            Some(allowed) if lines <= allowed => {}
            Some(allowed) => findings.push(format!("{item}: grew from {allowed} to {lines} lines")),
            None => findings.push(format!("{item}: {lines} lines; at most {limit}")),
        }
    }
}

/// Gathers the sizes of functions and the lines of test modules.
#[derive(Default)]
struct Sizes {
    functions: Vec<(String, usize)>,
    test_lines: usize,
    banned: Vec<(usize, String)>,
}

impl Sizes {
    fn name(&mut self, ident: &syn::Ident) {
        if let Some(word) = banned_word(&ident.to_string()) {
            self.banned.push((ident.span().start().line, word.to_owned()));
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        self.name(&signature.ident);
        let lines = block.span().end().line - signature.span().start().line + 1;
        self.functions.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Sizes {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.name(&module.ident);
        if is_test(&module.attrs) {
            self.test_lines += module.span().end().line - module.span().start().line + 1;
            return;
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_test(&function.attrs) {
            self.function(&function.sig, &function.block);
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.name(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.name(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.name(&item.ident);
        visit::visit_item_trait(self, item);
    }
}

fn is_test(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        other => other.path().segments.last().is_some_and(|segment| segment.ident == "test"),
    })
}

/// The banned word that a name in snake_case or CamelCase holds.
fn banned_word(name: &str) -> Option<&'static str> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c == '-' || c.is_uppercase() {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut()?.extend(c.to_lowercase());
        }
    }
    BANNED_WORDS.iter().copied().find(|banned| words.iter().any(|word| word.trim_end_matches('s') == *banned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str, exceptions: &str) -> Vec<String> {
        let mut findings = Vec::new();
        let texts = [
            Text { path: path.to_owned(), text: text.to_owned() },
            Text { path: EXCEPTIONS.to_owned(), text: exceptions.to_owned() },
        ];
        check(&texts, &mut findings).unwrap();
        findings
    }

    #[test]
    fn names_are_read_word_by_word() {
        assert_eq!(banned_word("StreamManager"), Some("manager"));
        assert_eq!(banned_word("xml_utils"), Some("util"));
        assert_eq!(banned_word("utility"), None);
        assert_eq!(findings("src/helpers.rs", "//! A.\n", "").len(), 1);
    }

    #[test]
    fn a_head_is_needed() {
        assert_eq!(findings("a.rs", "fn f() {}\n", "").len(), 1);
        assert_eq!(findings("a.rs", "//! Says what it is.\nfn f() {}\n", "").len(), 0);
    }

    #[test]
    fn functions_are_measured_and_exceptions_do_not_grow() {
        let long = format!("//! A.\nfn long() {{\n{}}}\n", "    f();\n".repeat(80));
        assert_eq!(findings("a.rs", &long, ""), ["a.rs::long: 82 lines; at most 70"]);
        assert!(findings("a.rs", &long, "82 a.rs::long\n").is_empty());
        assert_eq!(findings("a.rs", &long, "81 a.rs::long\n"), ["a.rs::long: grew from 81 to 82 lines"]);
        assert_eq!(findings("a.rs", "//! A.\n", "82 a.rs::long\n").len(), 1);
    }

    #[test]
    fn test_modules_do_not_count() {
        let tests =
            format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    const A: u8 = 1;\n".repeat(700));
        assert!(findings("a.rs", &tests, "").is_empty());
    }
}
