//! Mentions that do not belong in the project: one machine's paths, registries' hosts, unfinished places, sleeps.

use super::Text;

/// The folders that hold one person's or one machine's files; assembled, so that this file does not name them.
const FOREIGN_FOLDERS: &[&str] = &["work", "farm", "tmp", "root", "home"];
const REGISTRY_HOSTS: &[&str] =
    &["artifactory", "index.crates.io", "registry.npmjs", "pypi.org", "pythonhosted"];

/// Where a fault strikes at an instant that a seed chooses: there, time is what is tested.
const FAULTS: &[&str] = &["crates/storage/tests/postgres_durability.rs"];

pub(super) fn check(texts: &[Text], findings: &mut Vec<String>) {
    for text in texts {
        if text.path == "xtask/src/tidy/mentions.rs" {
            continue;
        }
        let lock = text.path.ends_with(".lock") || text.path.ends_with("lock.json");
        for (number, line) in text.text.lines().enumerate() {
            let mut find = |what: String| findings.push(format!("{}:{}: {what}", text.path, number + 1));
            if let Some(path) = foreign_path(line).filter(|_| !lock) {
                find(format!("`{path}` is a path of one machine"));
            }
            for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
                find(format!("{host} is a registry's host"));
            }
            if let Some(what) = unfinished(&text.path, line) {
                find(format!("`{what}` does not belong here"));
            }
        }
    }
}

/// An absolute path into a folder that other machines do not have.
fn foreign_path(line: &str) -> Option<String> {
    for (at, _) in line.match_indices('/') {
        let before = line[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || "_./".contains(c)) {
            continue;
        }
        let path: String =
            line[at + 1..].chars().take_while(|c| c.is_alphanumeric() || "_./-".contains(*c)).collect();
        let (folder, rest) = path.split_once('/').unwrap_or((&path, ""));
        if FOREIGN_FOLDERS.contains(&folder) && !rest.is_empty() {
            return Some(format!("/{path}"));
        }
    }
    None
}

fn unfinished(path: &str, line: &str) -> Option<&'static str> {
    let rust = path.ends_with(".rs");
    let test = path.starts_with("tests/") || path.contains("/tests/");
    let awaits = test && !FAULTS.contains(&path);
    // Assembled, so that this file does not look unfinished itself.
    let marks: &[&'static str] = &[
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("TO", "DO"),
    ];
    let sleeps: &[&'static str] = &["thread::sleep", "time::sleep"];
    let found = marks.iter().filter(|_| rust).chain(sleeps.iter().filter(|_| rust && awaits)).copied();
    found.chain((rust && test).then_some("#[ignore")).find(|mark| line.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found() {
        for folder in FOREIGN_FOLDERS {
            let path = format!("/{folder}/me/x.txt");
            assert_eq!(foreign_path(&format!("see {path} here")), Some(path));
        }
        assert_eq!(foreign_path("cd ./tmp/x; a/tmp/b; https://a.b/tmp/c"), None);
        assert_eq!(foreign_path("the mount at /tmp, and /etc/waxwing"), None);
    }

    #[test]
    fn sleeping_is_for_no_test() {
        assert!(unfinished("tests/scenarios/a.rs", "tokio::time::sleep(x)").is_some());
        assert!(unfinished("crates/a/src/b.rs", "tokio::time::sleep(x)").is_none());
        assert!(unfinished(FAULTS[0], "tokio::time::sleep(x)").is_none());
        assert!(unfinished(FAULTS[0], "#[ignore]").is_some());
        assert!(unfinished("crates/a/src/b.rs", concat!("// TO", "DO: later")).is_some());
    }
}
