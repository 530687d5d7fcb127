//! `room list|show|create|destroy|affiliation|config`: rooms, and who is what in them.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::configuration::OPTIONS;
use waxwing_chat::rooms::ownership::Farewell;
use waxwing_chat::rooms::store::{RoomFilter, RoomRecord};
use waxwing_chat::service::Service;
use waxwing_chat::time::timestamp;
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

const ROOM: Parameter =
    Parameter::required("room", Kind::Account, "The room's address, such as kitchen@rooms.example.org.");

/// `room list`.
pub(super) const LIST: Command = Command {
    name: "room list",
    summary: "List rooms",
    help: "Hidden ones, too.",
    permission: Permission::View,
    parameters: &[
        Parameter::optional("after", Kind::Account, "Only rooms behind this address."),
        Parameter::optional("limit", Kind::Number { min: 1, max: 10_000 }, "How many at most.").or("1000"),
    ],
    run: Run::Server(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `room show`.
pub(super) const SHOW: Command = Command {
    name: "room show",
    summary: "Show a room: its configuration, and who is what to it",
    help: "The password is not shown.",
    permission: Permission::View,
    parameters: &[ROOM],
    run: Run::Server(|context, arguments| call(context, arguments, show)),
    render: render::<Shown>,
};

/// `room create`.
pub(super) const CREATE: Command = Command {
    name: "room create",
    summary: "Make a room that lasts",
    help: "Its owner configures it with his client, or `room config` does.",
    permission: Permission::Accounts,
    parameters: &[ROOM, Parameter::required("owner", Kind::Account, "Who owns it.")],
    run: Run::Server(|context, arguments| call(context, arguments, create)),
    render: render::<Done>,
};

/// `room config`.
pub(super) const CONFIG: Command = Command {
    name: "room config",
    summary: "Change an option of a room",
    help: "Options have the names of XEP-0045 section 16.5.3, such as muc#roomconfig_membersonly; yes is 1 and no is 0. Those who are in \
           the room are told.",
    permission: Permission::Accounts,
    parameters: &[
        ROOM,
        Parameter::required("option", Kind::Text, "The name of the option."),
        Parameter::required("value", Kind::Text, "What it is to be."),
    ],
    run: Run::Server(|context, arguments| call(context, arguments, config)),
    render: render::<Done>,
};

/// `room destroy`.
pub(super) const DESTROY: Command = Command {
    name: "room destroy",
    summary: "End a room, with all that was said in it",
    help: "Whoever is in it is told.",
    permission: Permission::Accounts,
    parameters: &[ROOM, Parameter::optional("reason", Kind::Text, "What those in it are told.")],
    run: Run::Server(|context, arguments| call(context, arguments, destroy)),
    render: render::<Done>,
};

/// `room affiliation`.
pub(super) const AFFILIATION: Command = Command {
    name: "room affiliation",
    summary: "Change what somebody is to a room",
    help: "A room keeps at least one owner. Whoever is banned, or no longer a member of a members-only room, is put out.",
    permission: Permission::Accounts,
    parameters: &[
        ROOM,
        Parameter::required("address", Kind::Account, "Whose."),
        Parameter::required(
            "affiliation",
            Kind::Choice(&["owner", "admin", "member", "none", "outcast"]),
            "What he is to be.",
        ),
    ],
    run: Run::Server(|context, arguments| call(context, arguments, affiliation)),
    render: render::<Done>,
};

/// A room's address, at a service of this server.
fn room(context: &Context, text: &str) -> Result<Jid, Failure> {
    let jid = Jid::new(text).map_err(|error| Failure::invalid("room", format!("\"{text}\": {error}.")))?;
    match context.admin.chat.service(jid.domain()) {
        Some(Service::Rooms) => Ok(jid.to_bare()),
        _ => Err(Failure::argument(Code::NotFound, "room", format!("{} has no rooms.", jid.domain()))),
    }
}

fn address(argument: &str, text: &str) -> Result<Jid, Failure> {
    Jid::new(text).map_err(|error| Failure::invalid(argument, format!("\"{text}\": {error}.")))
}

fn failed(error: waxwing_chat::Error) -> Failure {
    domain_failure(error, "room", "")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    after: Option<String>,
    #[serde(default = "page")]
    limit: usize,
}

fn page() -> usize {
    1000
}

#[derive(Serialize, Deserialize)]
struct Listed {
    rooms: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Its address.
    room: String,
    /// Its name for people.
    name: String,
    /// Who made it.
    creator: String,
    /// When.
    created: String,
    /// It lasts when nobody is in it.
    persistent: bool,
    /// It can be found.
    public: bool,
}

impl Line {
    fn new(record: &RoomRecord) -> Self {
        Self {
            room: record.jid.to_string(),
            name: record.configuration.name.clone(),
            creator: record.creator.to_string(),
            created: timestamp(record.created_ms),
            persistent: record.configuration.persistent,
            public: record.configuration.public,
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |on: bool| if on { "yes" } else { "no" }.to_owned();
        let rows: Vec<Vec<String>> = self
            .rooms
            .iter()
            .map(|line| {
                vec![
                    line.room.clone(),
                    line.name.clone(),
                    line.creator.clone(),
                    line.created.get(..10).unwrap_or_default().to_owned(),
                    word(line.persistent),
                    word(line.public),
                ]
            })
            .collect();
        table::write(f, &["ROOM", "NAME", "CREATOR", "CREATED", "LASTS", "PUBLIC"], &rows)
    }
}

async fn list(context: Context, arguments: List) -> Result<Listed, Failure> {
    let after = arguments.after.as_deref().map(|text| address("after", text)).transpose()?;
    let store = context.admin.chat.store();
    let rooms = store.rooms(RoomFilter::All, after.as_ref(), arguments.limit).await;
    let rooms = rooms.map_err(|error| failed(error.into()))?;
    Ok(Listed { rooms: rooms.iter().map(Line::new).collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    room: String,
}

#[derive(Serialize, Deserialize)]
struct Shown {
    /// The room.
    room: Line,
    /// Its options, with their values.
    options: Vec<(String, Vec<String>)>,
    /// Who is what to it.
    affiliations: Vec<(String, String)>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, made by {} on {}.", self.room.room, self.room.creator, self.room.created)?;
        for (option, values) in &self.options {
            writeln!(f, "  {option}: {}", values.join(", "))?;
        }
        let rows: Vec<Vec<String>> =
            self.affiliations.iter().map(|(jid, what)| vec![jid.clone(), what.clone()]).collect();
        table::write(f, &["ADDRESS", "AFFILIATION"], &rows)
    }
}

async fn show(context: Context, arguments: One) -> Result<Shown, Failure> {
    let jid = room(&context, &arguments.room)?;
    let store = context.admin.chat.store();
    let record = store.room(&jid).await.map_err(|error| failed(error.into()))?;
    let record = record.ok_or_else(|| failed(waxwing_chat::Error::NotFound))?;
    let affiliates = store.affiliates(record.id).await.map_err(|error| failed(error.into()))?;
    let told = OPTIONS.iter().filter(|option| option.var != "muc#roomconfig_roomsecret");
    let values = told.map(|option| (option.var.to_owned(), option.values(&record.configuration)));
    let what =
        |a: &waxwing_chat::rooms::store::Affiliate| (a.jid.to_string(), a.affiliation.as_str().to_owned());
    Ok(Shown {
        room: Line::new(&record),
        options: values.collect(),
        affiliations: affiliates.iter().map(what).collect(),
    })
}

#[derive(Serialize, Deserialize)]
struct Done {
    /// The room.
    room: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Done for {}.", self.room)
    }
}

async fn recorded(context: &Context, action: &str, room: &Jid, detail: &str) -> Result<Done, Failure> {
    let chat = &context.admin.chat;
    chat.record(&context.actor.name, action, room.as_str(), detail).await.map_err(failed)?;
    Ok(Done { room: room.to_string() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    room: String,
    owner: String,
}

async fn create(context: Context, arguments: Create) -> Result<Done, Failure> {
    let jid = room(&context, &arguments.room)?;
    let owner = address("owner", &arguments.owner)?;
    let chat = &context.admin.chat;
    if chat.is_local(owner.domain()) && chat.profile(&owner).await.map_err(failed)?.is_none() {
        return Err(Failure::invalid("owner", format!("There is no account {owner}.")));
    }
    chat.create_room(&jid, &owner).await.map_err(failed)?;
    recorded(&context, "room.create", &jid, owner.as_str()).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choose {
    room: String,
    option: String,
    value: String,
}

async fn config(context: Context, arguments: Choose) -> Result<Done, Failure> {
    let jid = room(&context, &arguments.room)?;
    if !OPTIONS.iter().any(|option| option.var == arguments.option) {
        return Err(Failure::invalid("option", format!("There is no option {}.", arguments.option)));
    }
    let detail = arguments.option.clone();
    let fields = vec![(arguments.option, vec![arguments.value])];
    context.admin.chat.configure_room(&jid, None, fields).await.map_err(failed)?;
    recorded(&context, "room.config", &jid, &detail).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Destroy {
    room: String,
    reason: Option<String>,
}

async fn destroy(context: Context, arguments: Destroy) -> Result<Done, Failure> {
    let jid = room(&context, &arguments.room)?;
    let farewell = Farewell { reason: arguments.reason, ..Farewell::default() };
    context.admin.chat.destroy_room(&jid, None, farewell).await.map_err(failed)?;
    recorded(&context, "room.destroy", &jid, "").await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Affiliate {
    room: String,
    address: String,
    affiliation: String,
}

async fn affiliation(context: Context, arguments: Affiliate) -> Result<Done, Failure> {
    let jid = room(&context, &arguments.room)?;
    let subject = address("address", &arguments.address)?;
    let to = Affiliation::from_word(&arguments.affiliation)
        .ok_or_else(|| Failure::invalid("affiliation", "There is no such affiliation."))?;
    context.admin.chat.affiliate_with_room(&jid, &subject, to).await.map_err(failed)?;
    recorded(&context, "room.affiliation", &jid, &format!("{subject} {}", to.as_str())).await
}
