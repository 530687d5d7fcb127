//! The documents made from the features: the table of protocols and the DOAP file.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::{FEATURES, Feature, Spec, version};

/// What documents are made, with their places under the project's root.
pub fn documents() -> [(&'static str, String); 2] {
    [("docs/protocols.md", protocols()), ("waxwing.doap", doap())]
}

/// Writes the documents under `root`.
pub fn generate(root: &Path) -> io::Result<()> {
    for (path, content) in documents() {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, content)?;
    }
    Ok(())
}

fn protocols() -> String {
    let mut out = String::from(
        "# Protocols\n\nMade from the features in `crates/server/src/xmpp/features` by `cargo xtask generate`; \
         do not edit.\n\n## Specifications\n\n| specification | version read | feature | notes |\n|---|---|---|---|\n",
    );
    let mut specs: Vec<(&Spec, &Feature)> =
        FEATURES.iter().flat_map(|feature| feature.specs.iter().map(|spec| (spec, *feature))).collect();
    specs.sort_by_key(|(spec, _)| spec.name);
    for (spec, feature) in specs {
        let Spec { name, version, note } = spec;
        let _ = writeln!(out, "| [{name}]({}) | {version} | {} | {note} |", link(name), feature.name);
    }
    out.push_str("\n## Features\n");
    for feature in FEATURES {
        let _ = write!(out, "\n### {}\n\n{}\n", feature.name, feature.summary);
        for kept in feature.stores {
            let _ = write!(out, "\nStores: {kept}\n");
        }
        if !feature.advertises.is_empty() {
            let mut vars: Vec<&str> = feature.advertises.iter().map(|advertised| advertised.var).collect();
            vars.sort_unstable();
            vars.dedup();
            let _ = write!(out, "\nService discovery: `{}`\n", vars.join("`, `"));
        }
    }
    out
}

fn link(spec: &str) -> String {
    match spec.split_once(['-', ' ']) {
        Some(("XEP", number)) => format!("https://xmpp.org/extensions/xep-{number}.html"),
        Some((_, number)) => format!("https://www.rfc-editor.org/rfc/rfc{number}"),
        None => String::new(),
    }
}

/// The description of the project that xmpp.org's list of software is made from (XEP-0453).
fn doap() -> String {
    let mut out = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n\
         <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'\n\
         \x20        xmlns='http://usefulinc.com/ns/doap#'\n\
         \x20        xmlns:xmpp='https://linkmauve.fr/ns/xmpp-doap#'>\n\
         \x20 <Project>\n\
         \x20   <name>{}</name>\n\
         \x20   <shortdesc xml:lang='en'>Messaging that an organisation owns</shortdesc>\n\
         \x20   <programming-language>Rust</programming-language>\n\
         \x20   <license rdf:resource='https://spdx.org/licenses/Apache-2.0'/>\n\
         \x20   <category rdf:resource='https://linkmauve.fr/ns/xmpp-doap#category-server'/>\n",
        version::NAME
    );
    let specs = || FEATURES.iter().flat_map(|feature| feature.specs);
    let mut rfcs: Vec<&str> = specs().filter_map(|spec| spec.name.strip_prefix("RFC ")).collect();
    rfcs.sort_unstable();
    for rfc in rfcs {
        let _ = writeln!(out, "    <implements rdf:resource='https://www.rfc-editor.org/info/rfc{rfc}'/>");
    }
    let mut xeps: Vec<&Spec> = specs().filter(|spec| spec.name.starts_with("XEP-")).collect();
    xeps.sort_by_key(|spec| spec.name);
    for Spec { name, version, note } in xeps {
        let _ = write!(
            out,
            "    <implements>\n\
             \x20     <xmpp:SupportedXep>\n\
             \x20       <xmpp:xep rdf:resource='{}'/>\n\
             \x20       <xmpp:version>{version}</xmpp:version>\n\
             \x20       <xmpp:status>{}</xmpp:status>\n",
            link(name),
            if note.is_empty() { "complete" } else { "partial" }
        );
        if !note.is_empty() {
            let mut escaped = Vec::new();
            waxwing_xmpp::xml::escape_text(note, &mut escaped);
            let note = String::from_utf8_lossy(&escaped);
            let _ = writeln!(out, "        <xmpp:note xml:lang='en'>{note}</xmpp:note>");
        }
        out.push_str("      </xmpp:SupportedXep>\n    </implements>\n");
    }
    out.push_str("  </Project>\n</rdf:RDF>\n");
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use waxwing_xmpp::xml::Element;

    use super::*;

    #[test]
    fn the_documents_are_those_of_the_features() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (path, content) in documents() {
            let written = std::fs::read_to_string(root.join(path)).unwrap_or_default();
            assert!(written == content, "{path} is out of date: run `cargo xtask generate`");
        }
    }

    #[test]
    fn no_specification_stands_in_two_features() {
        let mut seen = HashSet::new();
        for spec in FEATURES.iter().flat_map(|feature| feature.specs) {
            assert!(seen.insert(spec.name), "{}", spec.name);
        }
    }

    #[test]
    fn the_doap_file_is_xml() {
        let doap = doap();
        let (_, root) = doap.split_once("?>").unwrap();
        assert!(Element::parse(root.trim()).is_ok());
    }
}
