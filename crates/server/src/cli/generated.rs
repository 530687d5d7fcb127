//! What is generated from the command line: shell completions, manual pages, and the reference.

use std::io;
use std::path::Path;

use clap::{ArgMatches, Command as Clap};
use clap_complete::Shell;

use super::{FAILURE, OK, USAGE, terminal, tree};
use crate::admin::reference;

/// Writes `docs/commands.md`, `packaging/completions` and `packaging/man` under the root of the source tree.
pub fn generate(root: &Path) -> io::Result<()> {
    for (path, content) in files()? {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if std::fs::read(&path).ok().as_deref() != Some(&content[..]) {
            std::fs::write(path, content)?;
        }
    }
    Ok(())
}

/// Every generated file with its content.
fn files() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![("docs/commands.md".to_owned(), reference::page().into_bytes())];
    for (shell, name) in
        [(Shell::Bash, "waxwing.bash"), (Shell::Zsh, "_waxwing"), (Shell::Fish, "waxwing.fish")]
    {
        files.push((format!("packaging/completions/{name}"), completions(shell)));
    }
    for (name, page) in pages(tree::command())? {
        files.push((format!("packaging/man/{name}.1"), page));
    }
    Ok(files)
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut tree::command(), "waxwing", &mut out);
    out
}

/// The manual page of each command, under its name (`waxwing-user-add`).
fn pages(root: Clap) -> io::Result<Vec<(String, Vec<u8>)>> {
    fn walk(name: &str, mut command: Clap, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
        let children: Vec<Clap> =
            command.get_subcommands().filter(|c| c.get_name() != "help").cloned().collect();
        command = command.name(name.to_owned()).disable_help_subcommand(true);
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        pages.push((name.to_owned(), page));
        for child in children {
            walk(&format!("{name}-{}", child.get_name()), child, pages)?;
        }
        Ok(())
    }
    let mut pages = Vec::new();
    walk("waxwing", root, &mut pages)?;
    Ok(pages)
}

pub(super) fn print_completions(matches: &ArgMatches) -> u8 {
    let shell = match matches.get_one::<String>("shell").map(String::as_str) {
        Some("bash") => Shell::Bash,
        Some("zsh") => Shell::Zsh,
        _ => Shell::Fish,
    };
    terminal::bytes(&completions(shell));
    OK
}

pub(super) fn print_man(matches: &ArgMatches) -> u8 {
    let mut wanted = "waxwing".to_owned();
    for word in matches.get_many::<String>("command").into_iter().flatten() {
        wanted.push('-');
        wanted.push_str(word);
    }
    match pages(tree::command()) {
        Ok(pages) => match pages.into_iter().find(|(name, _)| *name == wanted) {
            Some((_, page)) => {
                terminal::bytes(&page);
                OK
            }
            None => {
                terminal::error(&format!("There is no command \"{}\".", wanted.replace('-', " ")));
                USAGE
            }
        },
        Err(error) => {
            terminal::error(&error.to_string());
            FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo xtask generate` writes these files; this fails when they were not written again after a change.
    #[test]
    fn generated_files_are_as_the_registry_has_them() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (path, content) in files().expect("generated") {
            let found = std::fs::read(root.join(&path)).unwrap_or_default();
            assert!(found == content, "{path} has drifted: run `cargo xtask generate`");
        }
    }
}
