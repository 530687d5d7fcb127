//! `file list|delete`: the files that people have uploaded.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::files::{FileId, Purpose, StoredFile};
use waxwing_chat::settings::Settings;
use waxwing_chat::time::timestamp;
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::Failure;
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

/// How many files one listing has at most.
const PAGE: u64 = 1000;

/// `file list`.
pub(super) const LIST: Command = Command {
    name: "file list",
    summary: "List uploaded files",
    help: "In the order of their ids. Whoever has an id can read the file.",
    permission: Permission::Accounts,
    parameters: &[
        Parameter::optional("owner", Kind::Account, "Files of this account only.").or("all"),
        Parameter::optional("after", Kind::Text, "Begin behind the file with this id."),
        Parameter::optional("limit", Kind::Number { min: 1, max: PAGE }, "How many at most.").or("100"),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `file delete`.
pub(super) const DELETE: Command = Command {
    name: "file delete",
    summary: "Delete an uploaded file",
    help: "From then on nobody can read it, whoever has the link. Copies that people have downloaded stay theirs.",
    permission: Permission::Accounts,
    parameters: &[Parameter::required("file", Kind::Text, "The file's id, or the link to it.")],
    run: Run::Data(|context, arguments| call(context, arguments, delete)),
    render: render::<Deleted>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    owner: Option<String>,
    after: Option<String>,
    #[serde(default = "hundred")]
    limit: usize,
}

fn hundred() -> usize {
    100
}

#[derive(Serialize, Deserialize)]
struct Listed {
    /// The files.
    files: Vec<Item>,
    /// How many files of the owner there are, if one was given.
    total_files: Option<u64>,
    /// Their bytes.
    total_bytes: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    /// What it is called in links.
    id: String,
    /// Whose it is.
    owner: String,
    /// The name its owner gave it.
    name: String,
    /// Its type.
    media_type: Option<String>,
    /// Its bytes.
    bytes: u64,
    /// What it is for: message, profile, ephemeral or permanent.
    purpose: String,
    /// When it was uploaded.
    uploaded: String,
    /// When it goes, if its owner said so.
    expires: Option<String>,
}

impl From<StoredFile> for Item {
    fn from(file: StoredFile) -> Self {
        let purpose = match file.purpose {
            Purpose::Message => "message",
            Purpose::Profile => "profile",
            Purpose::Ephemeral => "ephemeral",
            Purpose::Permanent => "permanent",
        };
        Self {
            id: file.id.to_string(),
            owner: file.owner_jid.to_string(),
            name: file.name,
            media_type: file.media_type,
            bytes: file.size,
            purpose: purpose.to_owned(),
            uploaded: timestamp(file.stored_ms),
            expires: file.expires_ms.map(timestamp),
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |file: &Item| {
            let uploaded = file.uploaded.get(..16).unwrap_or(&file.uploaded).replace('T', " ");
            vec![file.id.clone(), file.owner.clone(), file.bytes.to_string(), uploaded, file.name.clone()]
        };
        let rows: Vec<_> = self.files.iter().map(row).collect();
        table::write(f, &["ID", "OWNER", "BYTES", "UPLOADED", "NAME"], &rows)?;
        match (self.total_files, self.total_bytes) {
            (Some(files), Some(bytes)) => write!(f, "\n{files} files, {bytes} bytes in all."),
            _ => Ok(()),
        }
    }
}

async fn list(context: Context, arguments: List) -> Result<Listed, Failure> {
    let chat = &context.admin.chat;
    let failed = |error| domain_failure(error, "owner", "There is no such account.");
    let owner = match arguments.owner.as_deref().and_then(|text| Jid::new(text).ok()) {
        Some(jid) => Some(chat.account(&jid).await.map_err(failed)?.id),
        None => None,
    };
    let after = match arguments.after.as_deref().map(FileId::parse) {
        Some(None) => return Err(Failure::invalid("after", "That is no id of a file.")),
        Some(after) => after,
        None => None,
    };
    let files = chat.files(owner, after.as_ref(), arguments.limit).await.map_err(failed)?;
    let usage = match owner {
        Some(owner) => Some(chat.file_usage(owner).await.map_err(failed)?),
        None => None,
    };
    Ok(Listed {
        files: files.into_iter().map(Item::from).collect(),
        total_files: usage.map(|usage| usage.files),
        total_bytes: usage.map(|usage| usage.bytes),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    file: String,
}

#[derive(Serialize, Deserialize)]
struct Deleted {}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The file is deleted.")
    }
}

/// The id that was given, as it is or in a link.
fn named(settings: &Settings, text: &str) -> Option<FileId> {
    FileId::parse(text).or_else(|| settings.files.id_in(&settings.domains, text))
}

async fn delete(context: Context, arguments: Delete) -> Result<Deleted, Failure> {
    let chat = &context.admin.chat;
    let id = named(&chat.settings(), &arguments.file)
        .ok_or_else(|| Failure::invalid("file", "That is neither the id of a file nor a link to one."))?;
    let done = chat.delete_file(&id, &context.actor.name).await;
    done.map_err(|error| domain_failure(error, "file", "There is no such file."))?;
    Ok(Deleted {})
}
