//! Service administration (XEP-0133): its use cases with the names that it gives their forms and fields, each carried out
//! by commands of the registry.

use std::collections::BTreeSet;
use std::pin::Pin;

use serde_json::{Value, json};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::Step;
use super::registry::{Desk, bad_payload, note, refusal};
use crate::admin::Failure;
use crate::xmpp::features::data_forms::{Form, Question, Submission};
use crate::xmpp::features::{Feature, Spec};

/// XEP-0133.
pub const FEATURE: Feature = Feature {
    name: "service administration",
    summary: "Lets administrators do with their client what the command line does.",
    specs: &[Spec {
        name: "XEP-0133",
        version: "1.3.1",
        note: "Blacklist and whitelist count both ways and concern people elsewhere. Nothing is counted of stanzas and \
               logins a minute. Every other command of the server that names no file of its machine is offered beside \
               these.",
    }],
    ..Feature::EMPTY
};

/// How many people a list holds at most.
const ITEMS_LIMIT: u64 = 1000;

/// A use case.
pub(super) struct Task {
    /// What stands behind `http://jabber.org/protocol/admin#` in its node.
    short: &'static str,
    /// What it is called for people.
    pub(super) name: &'static str,
    /// What is asked; without questions it is done at once.
    asks: &'static [Ask],
    /// What the form holds from the beginning.
    known: Known,
    run: Run,
}

/// A field of a form.
struct Ask {
    var: &'static str,
    kind: &'static str,
    label: &'static str,
    required: bool,
    options: &'static [&'static str],
}

/// What a form holds from the beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Motd,
    Welcome,
    Administrators,
    Listed(&'static Lists),
}

/// Carries a use case out.
type Run = for<'a> fn(&'a Desk, &'a Submission) -> Running<'a>;
type Running<'a> = Pin<Box<dyn Future<Output = Result<Done, StanzaError>> + Send + 'a>>;

/// What came of it.
#[derive(Default)]
struct Done {
    fields: Vec<(&'static str, Vec<String>)>,
    /// What stands in the form beside its fields (section 4.8).
    beside: Vec<Element>,
    notes: Vec<(&'static str, String)>,
}

const fn required(var: &'static str, kind: &'static str, label: &'static str) -> Ask {
    Ask { var, kind, label, required: true, options: &[] }
}

const fn optional(var: &'static str, kind: &'static str, label: &'static str) -> Ask {
    Ask { var, kind, label, required: false, options: &[] }
}

const fn task(short: &'static str, name: &'static str, asks: &'static [Ask], run: Run) -> Task {
    Task { short, name, asks, known: Known::Nothing, run }
}

const MAX_ITEMS: &[Ask] = &[Ask {
    var: "max_items",
    kind: "list-single",
    label: "Maximum number of items to show",
    required: false,
    options: &["25", "50", "75", "100", "150", "200", "1000"],
}];

const ENDING: &[Ask] = &[
    Ask {
        var: "delay",
        kind: "list-single",
        label: "Time delay in seconds",
        required: false,
        options: &["30", "60", "90", "120", "180", "240", "300", "600", "900", "1800"],
    },
    optional("announcement", "text-multi", "Announcement"),
];

/// The use cases, in the order of the text.
pub(super) static TASKS: &[Task] = &[
    task(
        "add-user",
        "Add a user",
        &[
            required("accountjid", "jid-single", "The Jabber ID for the account to be added"),
            optional("password", "text-private", "The password for this account"),
            optional("password-verify", "text-private", "Retype password"),
            optional("email", "text-single", "Email address"),
            optional("given_name", "text-single", "Given name"),
            optional("surname", "text-single", "Family name"),
        ],
        |desk, form| Box::pin(add_user(desk, form)),
    ),
    task(
        "delete-user",
        "Delete users",
        &[required("accountjids", "jid-multi", "The Jabber ID(s) to delete")],
        |desk, form| Box::pin(each(desk, form, "user delete")),
    ),
    task(
        "disable-user",
        "Disable users",
        &[required("accountjids", "jid-multi", "The Jabber ID(s) to disable")],
        |desk, form| Box::pin(each(desk, form, "user disable")),
    ),
    task(
        "reenable-user",
        "Re-enable users",
        &[required("accountjids", "jid-multi", "The Jabber ID(s) to re-enable")],
        |desk, form| Box::pin(each(desk, form, "user enable")),
    ),
    task(
        "end-user-session",
        "End users' sessions",
        &[required("accountjids", "jid-multi", "The Jabber ID(s) for which to end sessions")],
        |desk, form| Box::pin(each(desk, form, "sessions end")),
    ),
    task(
        "change-user-password",
        "Change a user's password",
        &[
            required("accountjid", "jid-single", "The Jabber ID for this account"),
            required("password", "text-private", "The password for this account"),
        ],
        |desk, form| Box::pin(change_password(desk, form)),
    ),
    task(
        "get-user-roster",
        "Get users' rosters",
        &[required("accountjids", "jid-multi", "The Jabber ID(s) for which to retrieve the roster")],
        |desk, form| Box::pin(rosters(desk, form)),
    ),
    task(
        "get-user-lastlogin",
        "Get users' last login times",
        &[required("accountjids", "jid-multi", "The Jabber ID(s) for which to retrieve the last login time")],
        |desk, form| Box::pin(last_logins(desk, form)),
    ),
    task(
        "user-stats",
        "Get a user's statistics",
        &[required("accountjid", "jid-single", "The Jabber ID for statistics")],
        |desk, form| Box::pin(statistics(desk, form)),
    ),
    Task {
        known: Known::Listed(&BLACKLIST),
        ..task(
            "edit-blacklist",
            "Edit the blacklist",
            &[optional("blacklistjids", "jid-multi", "The blacklist")],
            |desk, form| Box::pin(edit_list(desk, form, &BLACKLIST)),
        )
    },
    Task {
        known: Known::Listed(&WHITELIST),
        ..task(
            "edit-whitelist",
            "Edit the whitelist",
            &[optional("whitelistjids", "jid-multi", "The whitelist")],
            |desk, form| Box::pin(edit_list(desk, form, &WHITELIST)),
        )
    },
    task("get-registered-users-num", "Get the number of registered users", &[], |desk, _| {
        Box::pin(number(desk, "registered", "registeredusersnum"))
    }),
    task("get-disabled-users-num", "Get the number of disabled users", &[], |desk, _| {
        Box::pin(number(desk, "disabled", "disabledusersnum"))
    }),
    task("get-online-users-num", "Get the number of online users", &[], |desk, _| {
        Box::pin(number(desk, "online", "onlineusersnum"))
    }),
    task("get-active-users-num", "Get the number of active users", &[], |desk, _| {
        Box::pin(number(desk, "active", "activeusersnum"))
    }),
    task("get-idle-users-num", "Get the number of idle users", &[], |desk, _| {
        Box::pin(number(desk, "idle", "idleusersnum"))
    }),
    task("get-registered-users-list", "Get the list of registered users", MAX_ITEMS, |desk, form| {
        Box::pin(list(desk, form, None, "registereduserjids"))
    }),
    task("get-disabled-users-list", "Get the list of disabled users", MAX_ITEMS, |desk, form| {
        Box::pin(list(desk, form, Some("disabled"), "disableduserjids"))
    }),
    task("get-online-users-list", "Get the list of online users", MAX_ITEMS, |desk, form| {
        Box::pin(list(desk, form, Some("online"), "onlineuserjids"))
    }),
    task("get-active-users", "Get the list of active users", MAX_ITEMS, |desk, form| {
        Box::pin(list(desk, form, Some("active"), "activeuserjids"))
    }),
    // The field of section 4.22 has the name of the one before.
    task("get-idle-users", "Get the list of idle users", MAX_ITEMS, |desk, form| {
        Box::pin(list(desk, form, Some("idle"), "activeuserjids"))
    }),
    task(
        "announce",
        "Send an announcement to online users",
        &[required("announcement", "text-multi", "Announcement")],
        |desk, form| Box::pin(announce(desk, form)),
    ),
    task(
        "set-motd",
        "Set the message of the day",
        &[required("motd", "text-multi", "Message of the day")],
        |desk, form| Box::pin(say(desk, form, "motd", "motd set")),
    ),
    Task {
        known: Known::Motd,
        ..task(
            "edit-motd",
            "Edit the message of the day",
            &[required("motd", "text-multi", "Message of the day")],
            |desk, form| Box::pin(say(desk, form, "motd", "motd edit")),
        )
    },
    task("delete-motd", "Delete the message of the day", &[], |desk, _| {
        Box::pin(plainly(desk, "motd delete"))
    }),
    Task {
        known: Known::Welcome,
        ..task(
            "set-welcome",
            "Set the welcome message",
            &[required("welcome", "text-multi", "Welcome message")],
            |desk, form| Box::pin(say(desk, form, "welcome", "welcome set")),
        )
    },
    task("delete-welcome", "Delete the welcome message", &[], |desk, _| {
        Box::pin(plainly(desk, "welcome delete"))
    }),
    Task {
        known: Known::Administrators,
        ..task(
            "edit-admin",
            "Edit the list of administrators",
            &[required("adminjids", "jid-multi", "The admin list")],
            |desk, form| Box::pin(administrators(desk, form)),
        )
    },
    task("restart", "Restart the service", ENDING, |desk, form| Box::pin(end(desk, form, "restart"))),
    task("shutdown", "Shut down the service", ENDING, |desk, form| Box::pin(end(desk, form, "stop"))),
];

/// Whether a node is one of XEP-0133, be it one of ours or not.
pub(super) fn is_task(node: &str) -> bool {
    node.strip_prefix(ns::ADMIN).is_some_and(|rest| rest.starts_with('#'))
}

impl Task {
    pub(super) fn node(&self) -> String {
        format!("{}#{}", ns::ADMIN, self.short)
    }

    /// Asks, or does it.
    pub(super) async fn run(&self, desk: &Desk, form: Option<ElementRef<'_>>) -> Result<Step, StanzaError> {
        let form = match form {
            Some(form) => Submission::untyped(form)?,
            None if self.asks.is_empty() => Submission::default(),
            None => return Ok(Step::Ask(self.ask(desk).await?)),
        };
        if let Some(missing) = self.asks.iter().find(|ask| ask.required && form.values(ask.var).is_empty()) {
            return Err(bad_payload(&format!("\"{}\" is missing", missing.var)));
        }
        let done = (self.run)(desk, &form).await?;
        let mut results = Vec::new();
        if !done.fields.is_empty() || !done.beside.is_empty() {
            let result = done.fields.iter().fold(Form::result(ns::ADMIN), |result, (var, values)| {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                result.field(var, &values)
            });
            results.push(done.beside.into_iter().fold(result.into_element(), Element::with_child));
        }
        results.extend(done.notes.iter().map(|(kind, text)| note(kind, text)));
        Ok(Step::Done(results))
    }

    async fn ask(&self, desk: &Desk) -> Result<Element, StanzaError> {
        let known = self.known(desk).await?;
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let form = Form::asking(ns::ADMIN).titled(self.name, "Fill out this form.");
        let form = self.asks.iter().fold(form, |form, ask| {
            form.explained(&Question {
                var: ask.var,
                kind: ask.kind,
                label: ask.label,
                about: "",
                required: ask.required,
                options: ask.options,
                values: &known,
            })
        });
        Ok(form.into_element())
    }

    async fn known(&self, desk: &Desk) -> Result<Vec<String>, StanzaError> {
        let lines = |shown: &Value| {
            let text = shown["text"].as_str().unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        match self.known {
            Known::Nothing => Ok(Vec::new()),
            Known::Motd => Ok(lines(&command(desk, "motd show", json!({})).await?)),
            Known::Welcome => Ok(lines(&command(desk, "welcome show", json!({})).await?)),
            Known::Administrators => listed_administrators(desk).await,
            Known::Listed(lists) => listed_addresses(desk, lists).await,
        }
    }
}

async fn command(desk: &Desk, name: &str, arguments: Value) -> Result<Value, StanzaError> {
    desk.run(name, arguments).await.map_err(|failure| refusal(&failure))
}

fn texts(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

/// Section 4.1.
async fn add_user(desk: &Desk, form: &Submission) -> Result<Done, StanzaError> {
    let password = form.single("password");
    if password != form.single("password-verify") {
        return Err(bad_payload("the two passwords differ"));
    }
    let arguments = json!({
        "address": form.single("accountjid"),
        "password": password,
        "given_name": form.single("given_name"),
        "family_name": form.single("surname"),
        "email": form.single("email"),
    });
    let added = command(desk, "user add", arguments).await?;
    let made = texts(&added, "password");
    let notes = made.map(|made| ("info", format!("The password is {made}. It is shown only now.")));
    Ok(Done { notes: notes.into_iter().collect(), ..Done::default() })
}

/// Sections 4.2 to 4.5: does the same for each. When nothing could be done the first reason is the error; when something
/// could, notes tell for whom not.
async fn each(desk: &Desk, form: &Submission, name: &str) -> Result<Done, StanzaError> {
    let mut failures: Vec<(String, Failure)> = Vec::new();
    let all = form.values("accountjids");
    for address in &all {
        if let Err(failure) = desk.run(name, json!({ "address": address })).await {
            failures.push(((*address).to_owned(), failure));
        }
    }
    if failures.len() == all.len()
        && let Some((_, failure)) = failures.first()
    {
        return Err(refusal(failure));
    }
    let notes = failures.iter().map(|(address, failure)| ("error", format!("{address}: {failure}")));
    Ok(Done { notes: notes.collect(), ..Done::default() })
}

/// Section 4.7.
async fn change_password(desk: &Desk, form: &Submission) -> Result<Done, StanzaError> {
    let arguments = json!({ "address": form.single("accountjid"), "password": form.single("password") });
    command(desk, "user password", arguments).await?;
    Ok(Done::default())
}

/// Section 4.8.
async fn rosters(desk: &Desk, form: &Submission) -> Result<Done, StanzaError> {
    let mut done = Done::default();
    let addresses = form.values("accountjids");
    for address in &addresses {
        let roster = command(desk, "user roster", json!({ "address": address })).await?;
        let mut query = Element::new(ns::ROSTER, "query");
        for contact in roster["contacts"].as_array().into_iter().flatten() {
            let mut item = Element::new(ns::ROSTER, "item");
            for (attribute, name) in [("jid", "address"), ("name", "name"), ("subscription", "subscription")]
            {
                if let Some(value) = contact[name].as_str() {
                    item.set_attr(attribute, value);
                }
            }
            for group in contact["groups"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                item.append(Element::new(ns::ROSTER, "group").with_text(group));
            }
            query.append(item);
        }
        done.beside.push(query);
    }
    done.fields.push(("accountjids", addresses.iter().map(|address| (*address).to_owned()).collect()));
    Ok(done)
}

/// Section 4.9: since when somebody is connected, or else when he last was.
async fn last_logins(desk: &Desk, form: &Submission) -> Result<Done, StanzaError> {
    let addresses = form.values("accountjids");
    let mut times = Vec::new();
    let mut done = Done::default();
    for address in &addresses {
        let shown = command(desk, "user show", json!({ "address": address })).await?;
        let sessions = sessions(desk, address).await?;
        let newest = sessions.iter().filter_map(|session| texts(session, "since")).max();
        match newest.or_else(|| texts(&shown, "last_seen")) {
            Some(time) => times.push(time),
            None => done.notes.push(("info", format!("{address} has never signed in."))),
        }
    }
    done.fields.push(("accountjids", addresses.iter().map(|address| (*address).to_owned()).collect()));
    done.fields.push(("lastlogin", times));
    Ok(done)
}

/// The sessions of an account; none when no server runs.
async fn sessions(desk: &Desk, address: &str) -> Result<Vec<Value>, StanzaError> {
    let mut listed = command(desk, "sessions", json!({ "account": address })).await?;
    Ok(listed["sessions"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// Section 4.10.
async fn statistics(desk: &Desk, form: &Submission) -> Result<Done, StanzaError> {
    let address = form.single("accountjid").unwrap_or_default();
    let shown = command(desk, "user show", json!({ "address": address })).await?;
    let sessions = sessions(desk, address).await?;
    let addresses: BTreeSet<String> =
        sessions.iter().filter_map(|session| texts(session, "ip")).map(|ip| host(&ip)).collect();
    let resources = sessions.iter().filter_map(|session| texts(session, "resource")).collect();
    Ok(Done {
        fields: vec![
            ("accountjid", vec![address.to_owned()]),
            ("ipaddresses", addresses.into_iter().collect()),
            ("rostersize", vec![shown["contacts"].to_string()]),
            ("onlineresources", resources),
        ],
        ..Done::default()
    })
}

/// An address without its port.
fn host(socket: &str) -> String {
    socket
        .parse::<std::net::SocketAddr>()
        .map_or_else(|_| socket.to_owned(), |socket| socket.ip().to_string())
}

/// The field of a list, and the commands that read it, put an address on it, and take one off.
#[derive(PartialEq, Eq)]
struct Lists {
    var: &'static str,
    listed: &'static str,
    add: &'static str,
    remove: &'static str,
}

const BLACKLIST: Lists = Lists {
    var: "blacklistjids",
    listed: "federation blocked",
    add: "federation block",
    remove: "federation unblock",
};

const WHITELIST: Lists = Lists {
    var: "whitelistjids",
    listed: "federation admitted",
    add: "federation admit",
    remove: "federation dismiss",
};

async fn listed_addresses(desk: &Desk, lists: &Lists) -> Result<Vec<String>, StanzaError> {
    let listed = command(desk, lists.listed, json!({})).await?;
    let addresses = listed["addresses"].as_array().into_iter().flatten();
    Ok(addresses.filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Sections 4.11 and 4.12: both ways.
async fn edit_list(desk: &Desk, form: &Submission, lists: &Lists) -> Result<Done, StanzaError> {
    let wanted: BTreeSet<&str> = form.values(lists.var).into_iter().collect();
    let now: BTreeSet<String> = listed_addresses(desk, lists).await?.into_iter().collect();
    for address in wanted.iter().filter(|address| !now.contains(**address)) {
        command(desk, lists.add, json!({ "address": address })).await?;
    }
    for address in now.iter().filter(|address| !wanted.contains(address.as_str())) {
        command(desk, lists.remove, json!({ "address": address })).await?;
    }
    Ok(Done::default())
}

/// Sections 4.13 to 4.17: of the domain that was asked.
async fn number(desk: &Desk, name: &str, var: &'static str) -> Result<Done, StanzaError> {
    let counted = command(desk, "user count", json!({ "domain": desk.domain })).await?;
    Ok(Done { fields: vec![(var, vec![counted[name].to_string()])], ..Done::default() })
}

/// Sections 4.18 to 4.22: of the domain that was asked.
async fn list(
    desk: &Desk,
    form: &Submission,
    state: Option<&str>,
    var: &'static str,
) -> Result<Done, StanzaError> {
    let limit = match form.single("max_items") {
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=ITEMS_LIMIT).contains(limit))
            .ok_or_else(|| bad_payload("max_items is no number from 1 to 1000"))?,
        None => ITEMS_LIMIT,
    };
    let arguments = json!({ "domain": desk.domain, "state": state, "limit": limit });
    let listed = command(desk, "user list", arguments).await?;
    let users = listed["users"].as_array().into_iter().flatten();
    let addresses = users.filter_map(|user| texts(user, "address")).collect();
    let more = listed["more"].as_bool().unwrap_or_default();
    let notes = more.then(|| ("warn", format!("There are more than these {limit}.")));
    Ok(Done { fields: vec![(var, addresses)], notes: notes.into_iter().collect(), ..Done::default() })
}

/// Section 4.23: to those of the domain that was asked.
async fn announce(desk: &Desk, form: &Submission) -> Result<Done, StanzaError> {
    let arguments = json!({ "text": form.lines("announcement"), "domain": desk.domain });
    command(desk, "announce", arguments).await?;
    Ok(Done::default())
}

/// Sections 4.24, 4.25 and 4.27.
async fn say(desk: &Desk, form: &Submission, var: &str, name: &str) -> Result<Done, StanzaError> {
    command(desk, name, json!({ "text": form.lines(var) })).await?;
    Ok(Done::default())
}

/// Sections 4.26 and 4.28.
async fn plainly(desk: &Desk, name: &str) -> Result<Done, StanzaError> {
    command(desk, name, json!({})).await?;
    Ok(Done::default())
}

async fn listed_administrators(desk: &Desk) -> Result<Vec<String>, StanzaError> {
    let arguments = json!({ "state": "administrator", "limit": ITEMS_LIMIT });
    let listed = command(desk, "user list", arguments).await?;
    let users = listed["users"].as_array().into_iter().flatten();
    Ok(users.filter_map(|user| texts(user, "address")).collect())
}

/// Section 4.29. Those who are named are made administrators before anybody ceases to be one.
async fn administrators(desk: &Desk, form: &Submission) -> Result<Done, StanzaError> {
    let wanted: BTreeSet<&str> = form.values("adminjids").into_iter().collect();
    let now: BTreeSet<String> = listed_administrators(desk).await?.into_iter().collect();
    let set = async |address: &str, role: &str| {
        command(desk, "user role", json!({ "address": address, "role": role })).await
    };
    for address in wanted.iter().filter(|address| !now.contains(**address)) {
        set(address, "administrator").await?;
    }
    for address in now.iter().filter(|address| !wanted.contains(address.as_str())) {
        set(address, "member").await?;
    }
    Ok(Done::default())
}

/// Sections 4.30 and 4.31.
async fn end(desk: &Desk, form: &Submission, name: &str) -> Result<Done, StanzaError> {
    let delay = match form.single("delay") {
        Some(text) => match text.parse::<u64>() {
            Ok(seconds) => Some(format!("{seconds}s")),
            Err(_) => {
                return Err(StanzaError::new(Condition::NotAcceptable).with_text("the delay is no number"));
            }
        },
        None => None,
    };
    let arguments = json!({ "delay": delay, "announcement": form.lines("announcement") });
    command(desk, name, arguments).await?;
    Ok(Done::default())
}

#[cfg(test)]
mod tests {
    use waxwing_chat::barring::Listing;
    use waxwing_xmpp::stanza::Stanza;

    use super::*;
    use crate::xmpp::features::testing::House;
    use crate::xmpp::receive::receive_remote;

    fn command(short: &str, fields: &[(&str, &[&str])]) -> String {
        let value = |value: &&str| format!("<value>{value}</value>");
        let field = |(var, values): &(&str, &[&str])| {
            format!("<field var='{var}'>{}</field>", values.iter().map(value).collect::<String>())
        };
        let fields: String = fields.iter().map(field).collect();
        let form = match fields.is_empty() {
            true => String::new(),
            false => format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>"),
        };
        format!("<command xmlns='{}' node='{}#{short}'>{form}</command>", ns::COMMANDS, ns::ADMIN)
    }

    async fn ask(house: &House, short: &str, fields: &[(&str, &[&str])]) -> Result<Element, String> {
        let answer = house.ask("admin/desk", "set", "localhost", &command(short, fields)).await?;
        Ok(Element::parse(&answer).unwrap())
    }

    fn values(answer: &Element, var: &str) -> Vec<String> {
        let form = answer.child(ns::DATA_FORMS, "x").unwrap_or_else(|| panic!("{}", answer.to_xml()));
        let field = form.children().find(|field| field.attr("var") == Some(var));
        let field = field.unwrap_or_else(|| panic!("{var}: {}", answer.to_xml()));
        field.children().filter(|v| v.name() == "value").map(|v| v.text().into_owned()).collect()
    }

    /// Section 4.1 to 4.4.
    #[tokio::test]
    async fn accounts_are_added_disabled_enabled_and_deleted() {
        let house = House::of(&["admin/desk"]).await;
        let asked = ask(&house, "add-user", &[]).await.unwrap();
        assert_eq!(values(&asked, "FORM_TYPE"), [ns::ADMIN]);
        let differ: &[(&str, &[&str])] = &[
            ("accountjid", &["juliet@localhost"]),
            ("password", &["R0m30"]),
            ("password-verify", &["R0m31"]),
        ];
        assert_eq!(ask(&house, "add-user", differ).await, Err("bad-request".to_owned()));
        let same: &[(&str, &[&str])] = &[
            ("accountjid", &["juliet@localhost"]),
            ("password", &["R0m30-wherefore"]),
            ("password-verify", &["R0m30-wherefore"]),
            ("email", &["juliet@capulet.com"]),
            ("given_name", &["Juliet"]),
            ("surname", &["Capulet"]),
        ];
        assert_eq!(ask(&house, "add-user", same).await.unwrap().attr("status"), Some("completed"));
        assert_eq!(ask(&house, "add-user", same).await, Err("conflict".to_owned()));
        let count =
            async |short: &str, var: &str| values(&ask(&house, short, &[]).await.unwrap(), var).concat();
        assert_eq!(count("get-registered-users-num", "registeredusersnum").await, "2");
        let juliet: &[(&str, &[&str])] = &[("accountjids", &["juliet@localhost"])];
        ask(&house, "disable-user", juliet).await.unwrap();
        assert_eq!(count("get-disabled-users-num", "disabledusersnum").await, "1");
        let disabled = ask(&house, "get-disabled-users-list", &[("max_items", &["25"])]).await.unwrap();
        assert_eq!(values(&disabled, "disableduserjids"), ["juliet@localhost"]);
        ask(&house, "reenable-user", juliet).await.unwrap();
        assert_eq!(count("get-disabled-users-num", "disabledusersnum").await, "0");
        let both: &[(&str, &[&str])] = &[("accountjids", &["juliet@localhost", "nobody@localhost"])];
        let some = ask(&house, "delete-user", both).await.unwrap();
        let note = some.child(ns::COMMANDS, "note").unwrap();
        assert_eq!(note.attr("type"), Some("error"));
        assert!(note.text().contains("nobody@localhost"));
        assert_eq!(ask(&house, "delete-user", juliet).await, Err("item-not-found".to_owned()));
        assert_eq!(count("get-registered-users-num", "registeredusersnum").await, "1");
    }

    /// Sections 4.15 to 4.22.
    #[tokio::test]
    async fn who_is_there_is_listed() {
        let house = House::of(&["admin/desk", "romeo/orchard", "juliet/balcony"]).await;
        house.say("juliet/balcony", "<presence><show>xa</show></presence>").await;
        let list = async |short: &str, var: &str| {
            values(&ask(&house, short, &[("max_items", &["25"])]).await.unwrap(), var)
        };
        assert_eq!(list("get-online-users-list", "onlineuserjids").await.len(), 3);
        assert_eq!(list("get-active-users", "activeuserjids").await, ["admin@localhost", "romeo@localhost"]);
        assert_eq!(list("get-idle-users", "activeuserjids").await, ["juliet@localhost"]);
        for (short, var, number) in [
            ("get-online-users-num", "onlineusersnum", "3"),
            ("get-active-users-num", "activeusersnum", "2"),
            ("get-idle-users-num", "idleusersnum", "1"),
        ] {
            assert_eq!(values(&ask(&house, short, &[]).await.unwrap(), var), [number]);
        }
        let one = ask(&house, "get-registered-users-list", &[("max_items", &["1"])]).await.unwrap();
        assert_eq!(values(&one, "registereduserjids"), ["admin@localhost"]);
        assert!(one.child(ns::COMMANDS, "note").is_some());
        let wrong = ask(&house, "get-registered-users-list", &[("max_items", &["many"])]).await;
        assert_eq!(wrong, Err("bad-request".to_owned()));
    }

    /// Section 4.29.
    #[tokio::test]
    async fn the_list_of_administrators_is_edited() {
        let house = House::of(&["admin/desk", "romeo/orchard"]).await;
        let asked = ask(&house, "edit-admin", &[]).await.unwrap();
        assert_eq!(values(&asked, "adminjids"), ["admin@localhost"]);
        ask(&house, "edit-admin", &[("adminjids", &["admin@localhost", "romeo@localhost"])]).await.unwrap();
        let alone = ask(&house, "edit-admin", &[("adminjids", &["romeo@localhost"])]).await;
        assert_eq!(alone, Err("not-allowed".to_owned()), "nobody takes it away from himself");
        ask(&house, "edit-admin", &[("adminjids", &["admin@localhost"])]).await.unwrap();
        let refused = house.ask("romeo/orchard", "set", "localhost", &command("announce", &[])).await;
        assert_eq!(refused, Err("forbidden".to_owned()));
    }

    /// Section 4.11.
    #[tokio::test]
    async fn the_lists_of_people_elsewhere_are_edited() {
        let house = House::of(&["admin/desk"]).await;
        ask(&house, "edit-blacklist", &[("blacklistjids", &["denmark.lit", "marlowe.lit"])]).await.unwrap();
        let asked = ask(&house, "edit-blacklist", &[]).await.unwrap();
        assert_eq!(values(&asked, "blacklistjids"), ["denmark.lit", "marlowe.lit"]);
        ask(&house, "edit-blacklist", &[("blacklistjids", &["denmark.lit"])]).await.unwrap();
        assert_eq!(house.chat.listed_addresses(Listing::Blacklist).len(), 1);
        let answers = async |from: &str| {
            let ask = format!(
                "<iq xmlns='jabber:client' type='get' id='1' from='{from}' to='localhost'><query xmlns='jabber:iq:version'/></iq>"
            );
            let iq = Stanza::from_element(Element::parse(&ask).unwrap()).unwrap();
            receive_remote(&house.chat, &house.config, iq).await.0.len()
        };
        assert_eq!((answers("denmark.lit").await, answers("marlowe.lit").await), (0, 1));
        let own = ask(&house, "edit-blacklist", &[("blacklistjids", &["localhost"])]).await;
        assert_eq!(own, Err("not-acceptable".to_owned()));
        // Section 4.12.
        ask(&house, "edit-whitelist", &[("whitelistjids", &["verona.lit"])]).await.unwrap();
        let asked = ask(&house, "edit-whitelist", &[]).await.unwrap();
        assert_eq!(values(&asked, "whitelistjids"), ["verona.lit"]);
        assert_eq!((answers("verona.lit").await, answers("marlowe.lit").await), (1, 0));
        ask(&house, "edit-whitelist", &[("whitelistjids", &[])]).await.unwrap();
        assert_eq!(answers("marlowe.lit").await, 1);
    }

    /// Section 4.6, which was retracted, and section 5.
    #[tokio::test]
    async fn what_is_not_offered_is_said() {
        let house = House::of(&["admin/desk", "romeo/orchard"]).await;
        for short in ["get-user-password", "add-to-whitelist"] {
            assert_eq!(ask(&house, short, &[]).await, Err("feature-not-implemented".to_owned()), "{short}");
            let other = house.ask("romeo/orchard", "set", "localhost", &command(short, &[])).await;
            assert_eq!(other, Err("forbidden".to_owned()), "{short}");
        }
    }
}
