//! `audit` and `audit verify`: what was done, and whether the record of it is whole.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::time::timestamp;

use crate::admin::context::Context;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

/// `audit`.
pub(super) const LIST: Command = Command {
    name: "audit",
    summary: "List what administrators and account owners have changed",
    help: "The newest comes first. It holds no password and no message.",
    permission: Permission::Installation,
    parameters: &[
        Parameter::optional(
            "before",
            Kind::Number { min: 1, max: u64::MAX },
            "Only records before this number.",
        ),
        Parameter::optional("limit", Kind::Number { min: 1, max: 10_000 }, "How many at most.").or("50"),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `audit verify`.
pub(super) const VERIFY: Command = Command {
    name: "audit verify",
    summary: "Check that the audit log is whole",
    help: "Every record carries a hash over itself and the one before, so that a changed or missing record shows. The \
           answer names the newest record with its hash: compare it with one that you noted elsewhere to see that the end \
           was not cut off and written anew.",
    permission: Permission::Installation,
    parameters: &[],
    run: Run::Data(|context, arguments| call(context, arguments, verify)),
    render: render::<Verified>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    before: Option<u64>,
    #[serde(default = "page")]
    limit: usize,
}

fn page() -> usize {
    50
}

#[derive(Serialize, Deserialize)]
struct Listed {
    /// The records, newest first.
    records: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    /// Its place, from 1.
    number: u64,
    /// When it was done.
    at: String,
    /// By whom: an address, or `local` for the command line.
    actor: String,
    /// What was done.
    action: String,
    /// To whom or what.
    target: String,
    /// What else there is to know.
    detail: String,
    /// The hash that chains it to the record before.
    hash: String,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<Vec<String>> = self
            .records
            .iter()
            .map(|record| {
                vec![
                    record.number.to_string(),
                    record.at.get(..19).unwrap_or(&record.at).replace('T', " "),
                    record.actor.clone(),
                    record.action.clone(),
                    record.target.clone(),
                    record.detail.clone(),
                ]
            })
            .collect();
        table::write(f, &["NO", "AT", "BY", "ACTION", "TARGET", "DETAIL"], &rows)
    }
}

async fn list(context: Context, arguments: List) -> Result<Listed, Failure> {
    let store = context.admin.chat.store();
    let records = store.audit(arguments.before, arguments.limit).await;
    let records = records.map_err(|error| domain_failure(error.into(), "", ""))?;
    let records = records
        .into_iter()
        .map(|record| Record {
            number: record.number,
            at: timestamp(record.entry.at_ms),
            actor: record.entry.actor,
            action: record.entry.action,
            target: record.entry.target,
            detail: record.entry.detail,
            hash: record.hash,
        })
        .collect();
    Ok(Listed { records })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Verified {
    /// How many records there are.
    records: u64,
    /// The newest record's hash.
    hash: Option<String>,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hash {
            Some(hash) => write!(
                f,
                "The audit log is whole: {} records, the newest with the hash\n{hash}",
                self.records
            ),
            None => f.write_str("The audit log is empty."),
        }
    }
}

async fn verify(context: Context, _: Nothing) -> Result<Verified, Failure> {
    let store = context.admin.chat.store();
    let failed = |error: waxwing_chat::store::StoreError| domain_failure(error.into(), "", "");
    if let Some(number) = store.verify_audit().await.map_err(failed)? {
        return Err(Failure::new(
            Code::Failed,
            format!(
                "The audit log was tampered with: record {number} is the first that is changed or missing."
            ),
        ));
    }
    let newest = store.audit(None, 1).await.map_err(failed)?.into_iter().next();
    Ok(Verified {
        records: newest.as_ref().map_or(0, |record| record.number),
        hash: newest.map(|record| record.hash),
    })
}
