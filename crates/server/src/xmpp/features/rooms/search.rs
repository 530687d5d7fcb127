//! Searching for public rooms (XEP-0433).

use waxwing_chat::rooms::store::RoomRecord;
use waxwing_xmpp::error::{Condition, ErrorType, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::super::data_forms::{Form, Submission};
use super::super::paging::{self, Place};
use super::super::{Reply, Request};
use crate::xmpp::error::stanza_error;

/// How many rooms one answer holds at most.
const PAGE: usize = 50;

/// How many rooms are looked at for one question; those behind them are found by asking on from the last.
const LOOKED_AT_LIMIT: usize = 10_000;

/// How many words count.
const WORDS_LIMIT: usize = 10;

const PARAMS: &str = "urn:xmpp:channel-search:0:search-params";
const ERRORS: &str = "urn:xmpp:channel-search:0:error";
const BY_ADDRESS: &str = "{urn:xmpp:channel-search:0:order}address";
const BY_USERS: &str = "{urn:xmpp:channel-search:0:order}nusers";
const KNOWN: &str = "{urn:xmpp:channel-search:0:anonymity}none";
const ROOMS: &str = "xep-0045";

/// What is searched for.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    /// All of them have to be found; none means every room.
    words: Vec<String>,
    in_name: bool,
    in_description: bool,
    in_address: bool,
    by_users: bool,
    /// The kind of channel that rooms are is among those wanted.
    rooms: bool,
}

fn refused(condition: Condition, kind: ErrorType, name: &str) -> StanzaError {
    StanzaError::new(condition).with_type(kind).with_app(Element::new(ERRORS, name))
}

pub(super) async fn run(request: Request<'_>) -> Reply {
    let Some(form) = request.payload.child(ns::DATA_FORMS, "x") else {
        return Ok(Element::new(ns::CHANNEL_SEARCH, "search").with_child(template()).into());
    };
    let question = Question::read(&Submission::read(form, PARAMS)?)?;
    let set = request.payload.child(ns::RSM, "set").map(paging::read).transpose()?.unwrap_or_default();
    let max = set.max.unwrap_or(PAGE).min(PAGE);
    let after = match set.place {
        Place::First => None,
        Place::After(after) => Some(after),
        Place::Last | Place::Before(_) => return Err(StanzaError::new(Condition::FeatureNotImplemented)),
    };
    let found = match (question.rooms, question.by_users) {
        (false, _) => Vec::new(),
        (true, false) => by_address(&request, &question, after.as_deref(), max).await?,
        (true, true) => by_users(&request, &question, after.as_deref(), max).await?,
    };
    let mut result = Element::new(ns::CHANNEL_SEARCH, "result");
    for (room, users, _) in &found {
        result.append(item(room, *users));
    }
    let ends = found.first().zip(found.last());
    result.append(paging::answer(ends.map(|((_, _, first), (_, _, last))| (first.as_str(), last.as_str()))));
    Ok(result.into())
}

/// A room that was found, how many are in it, and what stands for its place in the order.
type Found = (RoomRecord, usize, String);

/// Rooms that match, in the order of their addresses behind one of them, at most so many.
async fn matching(
    request: &Request<'_>,
    question: &Question,
    mut after: Option<Jid>,
    most: usize,
) -> Result<Vec<RoomRecord>, StanzaError> {
    let service = request.to();
    let (mut found, mut looked_at) = (Vec::new(), 0);
    while found.len() < most && looked_at < LOOKED_AT_LIMIT {
        let page = request.chat.public_rooms(service.domain(), after.as_ref()).await;
        let page = page.map_err(|error| stanza_error(&error))?;
        let Some(last) = page.last() else { break };
        after = Some(last.jid.clone());
        looked_at += page.len();
        found.extend(page.into_iter().filter(|room| question.matches(room)));
    }
    found.truncate(most);
    Ok(found)
}

async fn by_address(
    request: &Request<'_>,
    question: &Question,
    after: Option<&str>,
    max: usize,
) -> Result<Vec<Found>, StanzaError> {
    let after = after.map(Jid::new).transpose().map_err(|_| StanzaError::new(Condition::ItemNotFound))?;
    let mut found = Vec::new();
    for room in matching(request, question, after, max).await? {
        let users = request.chat.occupants_of(&room.jid).await;
        let place = room.jid.as_str().to_owned();
        found.push((room, users, place));
    }
    Ok(found)
}

/// In falling order of occupants; a place is its number in the order.
async fn by_users(
    request: &Request<'_>,
    question: &Question,
    after: Option<&str>,
    max: usize,
) -> Result<Vec<Found>, StanzaError> {
    let skipped = match after {
        None => 0,
        Some(number) => number.parse::<usize>().map_err(|_| StanzaError::new(Condition::ItemNotFound))?,
    };
    let mut found = Vec::new();
    for room in matching(request, question, None, LOOKED_AT_LIMIT).await? {
        let users = request.chat.occupants_of(&room.jid).await;
        found.push((room, users));
    }
    found.sort_by(|(a, one), (b, other)| other.cmp(one).then_with(|| a.jid.cmp(&b.jid)));
    let numbered = found.into_iter().enumerate().skip(skipped).take(max);
    Ok(numbered.map(|(at, (room, users))| (room, users, (at + 1).to_string())).collect())
}

impl Question {
    fn read(form: &Submission) -> Result<Self, StanzaError> {
        let flag = |var: &str| form.single(var).map(|value| matches!(value, "1" | "true"));
        let words = form.single("q").map(words);
        let all = flag("all").unwrap_or(false);
        let words = match (words, all) {
            (Some(_), true) => {
                let var = |name: &str| Element::new(ERRORS, "var").with_text(name);
                let conflict =
                    Element::new(ERRORS, "conflicting-fields").with_child(var("all")).with_child(var("q"));
                return Err(StanzaError::new(Condition::BadRequest).with_app(conflict));
            }
            (Some(words), false) if words.is_empty() => {
                let error = refused(Condition::BadRequest, ErrorType::Modify, "invalid-search-terms");
                return Err(error.with_text("a word has at least two letters"));
            }
            (Some(words), false) => words,
            (None, true) => Vec::new(),
            (None, false) => {
                // The text says "cancel", its example "modify"; the example is what others do.
                return Err(refused(Condition::BadRequest, ErrorType::Modify, "no-search-conditions"));
            }
        };
        let by_users = match form.single("key") {
            None | Some(BY_USERS) => true,
            Some(BY_ADDRESS) => false,
            Some(_) => {
                return Err(refused(Condition::FeatureNotImplemented, ErrorType::Modify, "invalid-sort-key"));
            }
        };
        let types = form.fields.iter().find(|(var, _)| var == "types");
        Ok(Self {
            words,
            in_name: flag("sinname").unwrap_or(true),
            in_description: flag("sindescription").unwrap_or(true),
            // The text names the field so in its table, and otherwise in its example.
            in_address: flag("sinaddress").or(flag("sinaddr")).unwrap_or(true),
            by_users,
            rooms: types.is_none_or(|(_, types)| types.iter().any(|kind| kind == ROOMS)),
        })
    }

    fn matches(&self, room: &RoomRecord) -> bool {
        let configuration = &room.configuration;
        let places = [
            (self.in_name, configuration.name.to_lowercase()),
            (self.in_description, configuration.description.to_lowercase()),
            (self.in_address, room.jid.as_str().to_lowercase()),
        ];
        self.words.iter().all(|word| places.iter().any(|(on, text)| *on && text.contains(word.as_str())))
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split_whitespace().filter(|word| word.chars().count() >= 2);
    words.take(WORDS_LIMIT).map(str::to_lowercase).collect()
}

fn item(room: &RoomRecord, users: usize) -> Element {
    let configuration = &room.configuration;
    let text = |name: &str, text: &str| Element::new(ns::CHANNEL_SEARCH, name).with_text(text);
    let mut item = Element::new(ns::CHANNEL_SEARCH, "item").with_attr("address", room.jid.as_str());
    for (name, value) in [
        ("name", &configuration.name),
        ("description", &configuration.description),
        ("language", &configuration.language),
    ] {
        if !value.is_empty() {
            item.append(text(name, value));
        }
    }
    item.append(text("nusers", &users.to_string()));
    item.append(text("service-type", ROOMS));
    if !configuration.members_only && !configuration.password_protected {
        item.append(Element::new(ns::CHANNEL_SEARCH, "is-open"));
    }
    let anonymity = if configuration.non_anonymous { KNOWN } else { "muc_semianonymous" };
    item.with_child(text("anonymity-mode", anonymity))
}

fn template() -> Element {
    let on: &[&str] = &["true"];
    let mut form = Form::asking(PARAMS)
        .titled("Search of rooms", "All words have to be found.")
        .question("q", "text-single", "Search for", false)
        .typed("all", "boolean", &["false"])
        .typed("sinname", "boolean", on)
        .typed("sindescription", "boolean", on)
        .typed("sinaddress", "boolean", on)
        .into_element();
    let choice = |var: &str, kind: &str, label: &str, chosen: &str, options: &[(&str, &str)]| {
        let value = |text: &str| Element::new(ns::DATA_FORMS, "value").with_text(text);
        let field = Element::new(ns::DATA_FORMS, "field")
            .with_attr("var", var)
            .with_attr("type", kind)
            .with_attr("label", label)
            .with_child(value(chosen));
        options.iter().fold(field, |field, (text, label)| {
            let option = Element::new(ns::DATA_FORMS, "option").with_attr("label", label);
            field.with_child(option.with_child(value(text)))
        })
    };
    form.append(choice("types", "list-multi", "Kinds of channels", ROOMS, &[(ROOMS, "Rooms")]));
    let orders = [(BY_USERS, "Number of people in it"), (BY_ADDRESS, "Address")];
    form.append(choice("key", "list-single", "Sort by", BY_USERS, &orders));
    form
}
