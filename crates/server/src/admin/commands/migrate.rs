//! `migrate sqlite-to-postgres`: the way from the embedded database to one that several nodes share.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::nodes::NodeId;
use waxwing_storage::postgres::moving::{MoveError, sqlite_to_postgres};

use crate::admin::backup::DATABASE;
use crate::admin::context::Program;
use crate::admin::failure::{Code, Failure};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::table;
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::store;

/// `migrate sqlite-to-postgres`.
pub(super) const SQLITE_TO_POSTGRES: Command = Command {
    name: "migrate sqlite-to-postgres",
    summary: "Move everything from the embedded database to PostgreSQL, while no server runs",
    help: "The database on PostgreSQL is the one that the configuration names (\"store.url\"), and has to be empty. All is \
           written in one transaction, listed anew from PostgreSQL, and committed only if the SHA-256 of that listing is the \
           one of the embedded database. What is interrupted leaves the database empty, and can be begun anew. The embedded \
           database stays as it is, and is not used any more as long as the configuration names another. The content of files \
           that people share is not in either: nodes need a folder or object storage that all of them reach.",
    permission: Permission::Installation,
    parameters: &[],
    run: Run::Program(|program, arguments| call(program, arguments, run)),
    render: render::<Moved>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Moved {
    /// SHA-256 of the listing that both databases share.
    hash: String,
    /// What was moved, and how many of each.
    rows: Vec<Count>,
}

#[derive(Serialize, Deserialize)]
struct Count {
    /// The table.
    table: String,
    /// Its rows.
    rows: u64,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows.iter().map(|count| vec![count.table.clone(), count.rows.to_string()]);
        table::write(f, &["table", "rows"], &rows.collect::<Vec<_>>())?;
        write!(f, "\nEverything is on PostgreSQL. Both databases list the same: {}", self.hash)
    }
}

async fn run(program: Program, _: Nothing) -> Result<Moved, Failure> {
    let (config, _) = Config::load(program.config.as_deref())
        .map_err(|error| Failure::new(Code::Configuration, error.to_string()))?;
    let data = DataFolder::take(&config.data_dir)
        .map_err(|error| Failure::new(Code::Refused, format!("{error}. Stop it first.")))?;
    let path = data.path().join(DATABASE);
    if !path.exists() {
        return Err(Failure::new(
            Code::NotFound,
            format!("There is no embedded database at {}.", path.display()),
        ));
    }
    let options = store::options(&config.store, NodeId(1))
        .map_err(|error| Failure::new(Code::Configuration, format!("{error:#}.")))?
        .ok_or_else(|| {
            Failure::new(Code::Configuration, "The configuration names no database: set \"store.url\".")
        })?;
    let listing = sqlite_to_postgres(&path, options).await.map_err(|error| {
        let code = match error {
            MoveError::NotEmpty(_) => Code::Conflict,
            _ => Code::Failed,
        };
        Failure::new(code, format!("{error}."))
    })?;
    let rows = listing.rows.into_iter().map(|(table, rows)| Count { table: table.to_owned(), rows });
    Ok(Moved { hash: listing.hash, rows: rows.collect() })
}
