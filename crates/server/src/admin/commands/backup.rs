//! `backup` and `restore`: a consistent copy of everything, and its way back.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use waxwing_chat::time::timestamp;

use crate::admin::backup;
use crate::admin::context::{Context, Program};
use crate::admin::domain_failure;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::table;
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::files;

/// `backup`.
pub(super) const BACKUP: Command = Command {
    name: "backup",
    summary: "Write a consistent copy of everything, while the server runs",
    help: "The copy is a folder with the database, the content of files that people share, the certificates and keys that \
           the server made or got by itself, and a list of all these with their SHA-256. It shows one moment: what was \
           acknowledged before the command is in it. The configuration file is not in it. The server writes it, so the \
           path has to be one that it may write to.",
    permission: Permission::Installation,
    parameters: &[
        Parameter::optional("folder", Kind::Path, "The folder to make; it must not exist.")
            .or("a new one under \"backups\" in the data folder"),
        Parameter::optional(
            "without_files",
            Kind::Flag,
            "Leave out the content of files, where it is copied by other means.",
        ),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, write)),
    render: render::<Written>,
};

/// `restore`.
pub(super) const RESTORE: Command = Command {
    name: "restore",
    summary: "Put a backup in the place of the data, while no server runs",
    help: "Every file is checked against the backup's list before anything is changed. Refused while a server runs on the \
           data folder. A crash in the middle leads to the old data or to the restored, never to a mixture of both \
           databases. The content of files goes where the configuration says that it is kept.",
    permission: Permission::Installation,
    parameters: &[
        Parameter::required("folder", Kind::Path, "The folder that \"backup\" made."),
        Parameter::optional("replace", Kind::Flag, "Replace the data that is there; it is lost."),
    ],
    run: Run::Program(|program, arguments| call(program, arguments, restore)),
    render: render::<Restored>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    folder: Option<PathBuf>,
    #[serde(default)]
    without_files: bool,
}

#[derive(Serialize, Deserialize)]
struct Written {
    /// Where it is.
    folder: PathBuf,
    /// Bytes of all its files.
    bytes: u64,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The backup is in {} ({}).", self.folder.display(), table::bytes(self.bytes))
    }
}

async fn write(context: Context, arguments: Write) -> Result<Written, Failure> {
    let admin = &context.admin;
    let folder = match arguments.folder {
        Some(folder) => folder,
        // Colons would be in the way on some file systems that backups are copied to.
        None => admin.data_dir.join("backups").join(timestamp(admin.chat.now_ms()).replace(':', "-")),
    };
    let target = folder.display().to_string();
    let recorded = admin.chat.record(&context.actor.name, "backup", &target, "");
    recorded.await.map_err(|error| domain_failure(error, "folder", ""))?;
    let bytes = backup::write(&admin.chat, &admin.data_dir, &folder, !arguments.without_files)
        .await
        .map_err(|error| failure("The backup was not made", &error))?;
    Ok(Written { folder, bytes })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    folder: PathBuf,
    #[serde(default)]
    replace: bool,
}

#[derive(Serialize, Deserialize)]
struct Restored {
    /// The data folder.
    data: PathBuf,
    /// When the backup was made.
    made: String,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is as it was at {}.", self.data.display(), self.made)
    }
}

async fn restore(program: Program, arguments: Restore) -> Result<Restored, Failure> {
    let (config, _) = Config::load(program.config.as_deref())
        .map_err(|error| Failure::new(Code::Configuration, error.to_string()))?;
    if config.store.is_shared() {
        let instead = "The database is PostgreSQL's: restore it by PostgreSQL's own means.";
        return Err(Failure::new(Code::Refused, instead));
    }
    let data = DataFolder::take(&config.data_dir)
        .map_err(|error| Failure::new(Code::Refused, format!("{error}. Stop it first.")))?;
    let blobs = files::open(&config.files, data.path())
        .map_err(|error| Failure::new(Code::Failed, format!("{error:#}.")))?;
    let made = backup::restore(&arguments.folder, data.path(), &*blobs, arguments.replace)
        .await
        .map_err(|error| failure("Nothing was restored", &error))?;
    Ok(Restored { data: data.path().to_owned(), made })
}

fn failure(what: &str, error: &backup::BackupError) -> Failure {
    let code = match error {
        backup::BackupError::Exists(_) => Code::Conflict,
        backup::BackupError::Occupied(_) => Code::Refused,
        _ => Code::Failed,
    };
    Failure::argument(code, "folder", format!("{what}: {error}."))
}
