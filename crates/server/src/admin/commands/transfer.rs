//! `export` and `import`: accounts as a portable file (XEP-0227).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::admin::context::Context;
use crate::admin::domain_failure;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::transfer;

/// `export`.
pub(super) const EXPORT: Command = Command {
    name: "export",
    summary: "Write accounts with all that is theirs to a portable file (XEP-0227)",
    help: "The file holds accounts with their SCRAM credentials, rosters, requests, private XML, blocklists, archiving \
           preferences, waiting messages and archives, for this server or another that reads XEP-0227 1.1. It is readable \
           by its owner only: keep it so, since credentials can be attacked where they can be read. Tokens that clients \
           sign in with are not in it.\n\n\
           The server writes the file, so the path has to be one that it may write to. Accounts that change meanwhile may \
           be written as before or after the change: for a consistent copy of everything use \"backup\".",
    permission: Permission::Installation,
    parameters: &[
        Parameter::required("file", Kind::Path, "The file to write; it must not exist."),
        Parameter::optional("domain", Kind::Text, "Only the accounts of this domain.").or("all domains"),
        Parameter::optional("without_archive", Kind::Flag, "Leave the message archives out."),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, export)),
    render: render::<Exported>,
};

/// `import`.
pub(super) const IMPORT: Command = Command {
    name: "import",
    summary: "Read accounts from a portable file (XEP-0227)",
    help: "Reads what \"export\" writes and what other servers, such as Prosody and ejabberd, write in this format, split \
           into several files or not. Accounts that exist are passed over, and so are domains that are not served here. \
           What has no place here is counted and named in the answer.\n\n\
           The server reads the file, so the path has to be one that it may read. When the import stops at an error, the \
           accounts before it are complete, and the one it stopped at is taken out again: correct the file and import it \
           once more.",
    permission: Permission::Installation,
    parameters: &[Parameter::required("file", Kind::Path, "The file to read.")],
    run: Run::Data(|context, arguments| call(context, arguments, import)),
    render: render::<Imported>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    file: PathBuf,
    domain: Option<String>,
    #[serde(default)]
    without_archive: bool,
}

#[derive(Serialize, Deserialize)]
struct Exported {
    /// The file.
    file: PathBuf,
    /// How many accounts.
    accounts: u64,
    /// How many messages of their archives.
    messages: u64,
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accounts and {} messages are in {}.", self.accounts, self.messages, self.file.display())
    }
}

async fn export(context: Context, arguments: Export) -> Result<Exported, Failure> {
    let chat = &context.admin.chat;
    let domains = match arguments.domain {
        Some(domain) if chat.is_local(&domain) => vec![domain],
        Some(domain) => {
            return Err(Failure::argument(Code::NotFound, "domain", format!("{domain} is not served here.")));
        }
        None => chat.settings().domains.clone(),
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&arguments.file);
    let file = file.map_err(|error| file_failure(&error, &arguments.file))?;
    let mut out = BufWriter::new(file);
    // What has just been delivered must not be written as waiting.
    chat.write_marks().await;
    let written = transfer::export::export(chat, &domains, !arguments.without_archive, &mut out).await;
    let synced = written.and_then(|written| Ok(out.get_ref().sync_all().map(|()| written)?));
    let exported = match synced {
        Ok(exported) => exported,
        Err(error) => {
            // What is incomplete must not be taken for an export.
            let _ = std::fs::remove_file(&arguments.file);
            return Err(Failure::new(Code::Failed, format!("The export stopped: {error}.")));
        }
    };
    let target = arguments.file.display().to_string();
    let detail = format!("{} accounts", exported.accounts);
    let recorded = chat.record(&context.actor.name, "export", &target, &detail);
    recorded.await.map_err(|error| domain_failure(error, "file", ""))?;
    Ok(Exported { file: arguments.file, accounts: exported.accounts, messages: exported.messages })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Imported {
    /// Accounts made.
    accounts: u64,
    /// Contacts and requests put into rosters.
    contacts: u64,
    /// Messages put into archives, each once for each of its owners.
    messages: u64,
    /// Users and domains passed over, with the reason.
    skipped: Vec<(String, String)>,
    /// What was not understood or has no place here, and how often it came.
    ignored: BTreeMap<String, u64>,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accounts, {} contacts and {} messages were imported.",
            self.accounts, self.contacts, self.messages
        )?;
        for (who, why) in &self.skipped {
            write!(f, "\nPassed over: {who}: {why}")?;
        }
        for (what, times) in &self.ignored {
            write!(f, "\nLeft out, {times} times: {what}")?;
        }
        Ok(())
    }
}

async fn import(context: Context, arguments: Import) -> Result<Imported, Failure> {
    let chat = &context.admin.chat;
    if let Err(error) = std::fs::File::open(&arguments.file) {
        return Err(file_failure(&error, &arguments.file));
    }
    let imported = transfer::import::import(chat, &arguments.file, &context.actor.name)
        .await
        .map_err(|error| Failure::argument(Code::Failed, "file", format!("The import stopped: {error}.")))?;
    let target = arguments.file.display().to_string();
    let detail = format!("{} accounts", imported.accounts);
    let recorded = chat.record(&context.actor.name, "import", &target, &detail);
    recorded.await.map_err(|error| domain_failure(error, "file", ""))?;
    Ok(Imported {
        accounts: imported.accounts,
        contacts: imported.contacts,
        messages: imported.messages,
        skipped: imported.skipped,
        ignored: imported.ignored,
    })
}

fn file_failure(error: &io::Error, file: &std::path::Path) -> Failure {
    let file = file.display();
    let (code, message) = match error.kind() {
        io::ErrorKind::AlreadyExists => (Code::Conflict, format!("{file} exists already.")),
        io::ErrorKind::NotFound => {
            (Code::NotFound, format!("{file} does not exist, or the folder it is in."))
        }
        io::ErrorKind::PermissionDenied => {
            (Code::Denied, format!("The server may not use {file}: choose a path below its data folder."))
        }
        _ => (Code::Failed, format!("{file}: {error}.")),
    };
    Failure::argument(code, "file", message)
}
