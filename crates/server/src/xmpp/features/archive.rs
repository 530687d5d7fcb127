//! Message archive management (XEP-0313): an account's clients read its conversations from the server.

use waxwing_chat::Chat;
use waxwing_chat::archive::{ArchiveBounds, ArchiveId, ArchivePage, Archived, PageFrom};
use waxwing_chat::archive_ids::ArchiveIds;
use waxwing_chat::history::HistoryQuery;
use waxwing_chat::rosters::Owner;
use waxwing_chat::session::Session;
use waxwing_chat::time::{parse_timestamp, timestamp};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, MessageType, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::data_forms::{Form, Submission};
use super::forwarding::forwarded;
use super::paging::{self, Place};
use super::{Advertised, Answer, At, DONE, Feature, Handler, Reply, Request, Spec, Success, Target};
use crate::xmpp::error::stanza_error;

/// The field of full-text search (XEP-0431 section 2).
const FULL_TEXT: &str = "{urn:xmpp:fulltext:0}fulltext";

/// XEP-0313 and XEP-0431.
pub const FEATURE: Feature = Feature {
    name: "message archive",
    summary: "Keeps conversations, and gives them back by page, time, contact, id and text.",
    specs: &[
        Spec { name: "XEP-0313", version: "1.1.3", note: "" },
        Spec { name: "XEP-0431", version: "0.2.0", note: "All words must occur; CJK is found by any part." },
    ],
    advertises: &[
        Advertised { at: At::Account, var: ns::MAM },
        Advertised { at: At::Account, var: ns::MAM_EXTENDED },
        Advertised { at: At::Account, var: ns::MAM_GROUPCHAT_FIELD },
        Advertised { at: At::Account, var: ns::MAM_FULLTEXT },
    ],
    handles: &[
        own(IqType::Get, "query", |request| Box::pin(fields(request))),
        own(IqType::Set, "query", |request| Box::pin(query(request))),
        own(IqType::Get, "metadata", |request| Box::pin(metadata(request))),
        others(IqType::Get, "query"),
        others(IqType::Set, "query"),
        others(IqType::Get, "metadata"),
    ],
    stores: &["Messages, as they were sent, with the words they are found by."],
    ..Feature::EMPTY
};

pub(super) const fn own(kind: IqType, name: &'static str, answer: Answer) -> Handler {
    Handler { kind, namespace: ns::MAM, name, targets: &[Target::OwnAccount], answer }
}

/// Section 8.1: another's archive is forbidden.
pub(super) const fn others(kind: IqType, name: &'static str) -> Handler {
    Handler {
        kind,
        namespace: ns::MAM,
        name,
        targets: &[Target::OtherAccount],
        answer: |_| Box::pin(async { Err(StanzaError::new(Condition::Forbidden)) }),
    }
}

/// Section 4.1.5.
pub(super) async fn fields(_: Request<'_>) -> Reply {
    let form = Form::asking(ns::MAM)
        .typed("with", "jid-single", &[])
        .typed("start", "text-single", &[])
        .typed("end", "text-single", &[])
        .typed("before-id", "text-single", &[])
        .typed("after-id", "text-single", &[])
        .open_list("ids")
        .typed("include-groupchat", "boolean", &[])
        .typed(FULL_TEXT, "text-single", &[]);
    Ok(Element::new(ns::MAM, "query").with_child(form.into_element()).into())
}

/// Section 4: the messages first, then the result that says where the page lies.
async fn query(request: Request<'_>) -> Reply {
    let ids = request.chat.archive_ids();
    let asked = read(request.payload, ids)?;
    let page = request.chat.read_history(request.session()?, asked).await;
    let page = page.map_err(|error| stanza_error(&error))?;
    let to = request.from;
    let queryid = request.payload.attr("queryid");
    let mut before: Vec<Stanza> =
        page.items.iter().map(|message| result(message, queryid, to, ids)).collect();
    if request.payload.child(ns::MAM, "flip-page").is_some() {
        // Section 4.3.5: only the order of sending changes.
        before.reverse();
    }
    Ok(Success { before, payload: Some(fin(&page, ids)), ..DONE })
}

pub(super) fn read(query: ElementRef<'_>, ids: ArchiveIds) -> Result<HistoryQuery, StanzaError> {
    let mut asked = HistoryQuery::default();
    if let Some(form) = query.child(ns::DATA_FORMS, "x") {
        for (var, values) in Submission::read(form, ns::MAM)?.fields {
            read_field(&mut asked, &var, &values, ids)?;
        }
    }
    if let Some(set) = query.child(ns::RSM, "set") {
        let set = paging::read(set)?;
        asked.limit = set.max;
        asked.page = match set.place {
            Place::First => PageFrom::Start,
            Place::After(id) => PageFrom::After(read_id(&id, ids)?),
            Place::Last => PageFrom::End,
            Place::Before(id) => PageFrom::Before(read_id(&id, ids)?),
        };
    }
    Ok(asked)
}

fn read_field(
    asked: &mut HistoryQuery,
    var: &str,
    values: &[String],
    ids: ArchiveIds,
) -> Result<(), StanzaError> {
    let Some(value) = values.first().filter(|value| !value.is_empty()) else {
        return if is_known(var) { Ok(()) } else { Err(unknown_field()) };
    };
    let bad = |why: &str| StanzaError::new(Condition::BadRequest).with_text(why);
    let moment = || parse_timestamp(value).ok_or_else(|| bad("not a date and time in the form of XEP-0082"));
    match var {
        "with" => asked.with = Some(Jid::new(value).map_err(|_| StanzaError::new(Condition::JidMalformed))?),
        "start" => asked.start_ms = Some(moment()?),
        "end" => asked.end_ms = Some(moment()?),
        "before-id" => asked.before_id = Some(read_id(value, ids)?),
        "after-id" => asked.after_id = Some(read_id(value, ids)?),
        "ids" => asked.ids = values.iter().map(|id| read_id(id, ids)).collect::<Result<_, _>>()?,
        // Rooms keep their own archive; an account's has none of their messages either way.
        "include-groupchat" if matches!(value.as_str(), "true" | "false" | "1" | "0") => {}
        "include-groupchat" => return Err(bad("include-groupchat is true or false")),
        FULL_TEXT => asked.text = Some(value.clone()),
        _ => return Err(unknown_field()),
    }
    Ok(())
}

fn is_known(var: &str) -> bool {
    let fields = ["with", "start", "end", "before-id", "after-id", "ids", "include-groupchat", FULL_TEXT];
    fields.contains(&var)
}

/// Section 4.1.5, at its end.
fn unknown_field() -> StanzaError {
    StanzaError::new(Condition::FeatureNotImplemented).with_text("a field of the form is not known")
}

/// Sections 4.1.3 and 4.3.2: an id that nothing can have is one that is not present.
fn read_id(id: &str, ids: ArchiveIds) -> Result<ArchiveId, StanzaError> {
    ids.read(id).ok_or_else(|| StanzaError::new(Condition::ItemNotFound))
}

/// Section 4.2.
fn result(message: &Archived, queryid: Option<&str>, to: &Jid, ids: ArchiveIds) -> Stanza {
    result_from(&to.to_bare(), message, queryid, to, ids, |_| ())
}

/// A result from another archive than the reader's own, which may add to what it kept.
pub(super) fn result_from(
    archive: &Jid,
    message: &Archived,
    queryid: Option<&str>,
    to: &Jid,
    ids: ArchiveIds,
    complete: impl FnOnce(&mut Element),
) -> Stanza {
    let mut result = Element::new(ns::MAM, "result").with_attr("id", &ids.show(message.id));
    if let Some(queryid) = queryid {
        result.set_attr("queryid", queryid);
    }
    let original = std::str::from_utf8(&message.xml).ok().and_then(|xml| Element::parse(xml).ok());
    let forwarded = match original {
        Some(mut original) => {
            complete(&mut original);
            forwarded(original, Some(message.id.stamp_ms()))
        }
        None => {
            tracing::error!(id = %message.id, "an archived message cannot be read");
            // Section 3.2: a message that is gone leaves its place.
            forwarding_without_message(message.id)
        }
    };
    Stanza::message(MessageType::Normal)
        .with_from(archive.clone())
        .with_to(to.clone())
        .with_child(result.with_child(forwarded))
}

fn forwarding_without_message(id: ArchiveId) -> Element {
    let delay = Element::new(ns::DELAY, "delay").with_attr("stamp", &timestamp(id.stamp_ms()));
    Element::new(ns::FORWARD, "forwarded").with_child(delay)
}

/// Section 4.3.2.
pub(super) fn fin(page: &ArchivePage, ids: ArchiveIds) -> Element {
    let mut fin = Element::new(ns::MAM, "fin");
    if page.complete {
        fin.set_attr("complete", "true");
    }
    let ends = page.items.first().zip(page.items.last());
    let ends = ends.map(|(first, last)| (ids.show(first.id), ids.show(last.id)));
    fin.with_child(paging::answer(ends.as_ref().map(|(first, last)| (first.as_str(), last.as_str()))))
}

/// The ends of the own archive at the moment of binding (XEP-0386 section 4); nothing when the store cannot tell.
pub(crate) async fn state(chat: &Chat, session: &Session) -> Option<Element> {
    match chat.history_bounds(&Owner::from(session)).await {
        Ok(bounds) => Some(render_bounds(bounds, chat.archive_ids())),
        Err(error) => {
            tracing::warn!(%error, "the ends of an archive could not be read");
            None
        }
    }
}

/// Section 5.
async fn metadata(request: Request<'_>) -> Reply {
    let owner = request.owner()?;
    let bounds = request.chat.history_bounds(&owner).await.map_err(|error| stanza_error(&error))?;
    Ok(render_bounds(bounds, request.chat.archive_ids()).into())
}

pub(super) fn render_bounds(bounds: Option<ArchiveBounds>, ids: ArchiveIds) -> Element {
    let metadata = Element::new(ns::MAM, "metadata");
    let end = |name, id: ArchiveId| {
        Element::new(ns::MAM, name)
            .with_attr("id", &ids.show(id))
            .with_attr("timestamp", &timestamp(id.stamp_ms()))
    };
    match bounds {
        Some(bounds) => metadata.with_child(end("start", bounds.first)).with_child(end("end", bounds.last)),
        None => metadata,
    }
}

#[cfg(test)]
mod tests {
    use waxwing_chat::archive::Direction;

    use super::super::testing::House;
    use super::*;

    fn asked(content: &str) -> Result<HistoryQuery, Condition> {
        let query = Element::parse(&format!("<query xmlns='urn:xmpp:mam:2'>{content}</query>")).unwrap();
        read(query.root(), ArchiveIds::default()).map_err(|error| error.condition)
    }

    fn form(fields: &str) -> String {
        format!(
            "<x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>{fields}</x>"
        )
    }

    fn field(var: &str, value: &str) -> String {
        form(&format!("<field var='{var}'><value>{value}</value></field>"))
    }

    fn paged(content: &str) -> String {
        format!("<set xmlns='http://jabber.org/protocol/rsm'>{content}</set>")
    }

    /// Sections 4.1.1 to 4.1.4, and XEP-0431 section 2.
    #[test]
    fn reads_every_filter() {
        let all = HistoryQuery::default;
        assert_eq!(asked(""), Ok(all()));
        let with = Jid::new("juliet@capulet.lit").unwrap();
        assert_eq!(
            asked(&field("with", "juliet@capulet.lit")),
            Ok(HistoryQuery { with: Some(with), ..all() })
        );
        let start = HistoryQuery { start_ms: Some(1_281_139_200_000), ..all() };
        assert_eq!(asked(&field("start", "2010-08-07T00:00:00Z")), Ok(start));
        let end = HistoryQuery { end_ms: Some(1_281_139_200_000), ..all() };
        assert_eq!(asked(&field("end", "2010-08-07T00:00:00Z")), Ok(end));
        let after = HistoryQuery { after_id: Some(ArchiveId(7)), ..all() };
        assert_eq!(asked(&field("after-id", "7")), Ok(after));
        let before = HistoryQuery { before_id: Some(ArchiveId(7)), ..all() };
        assert_eq!(asked(&field("before-id", "7")), Ok(before));
        let ids = form("<field var='ids'><value>7</value><value>8</value></field>");
        assert_eq!(asked(&ids), Ok(HistoryQuery { ids: vec![ArchiveId(7), ArchiveId(8)], ..all() }));
        assert_eq!(asked(&field("include-groupchat", "true")), Ok(all()));
        let text = HistoryQuery { text: Some("juliet".to_owned()), ..all() };
        assert_eq!(asked(&field(FULL_TEXT, "juliet")), Ok(text));
        assert_eq!(asked(&field(FULL_TEXT, "")), Ok(all()));
    }

    /// Section 4.1.5 for unknown fields, 4.1.3 and 4.3.2 for ids that nothing has.
    #[test]
    fn refuses_what_it_cannot_answer() {
        assert_eq!(asked(&field("{http://example.com/}x", "1")), Err(Condition::FeatureNotImplemented));
        assert_eq!(asked(&field("{http://example.com/}x", "")), Err(Condition::FeatureNotImplemented));
        assert_eq!(asked(&field("start", "yesterday")), Err(Condition::BadRequest));
        assert_eq!(asked(&field("with", "@")), Err(Condition::JidMalformed));
        assert_eq!(asked(&field("after-id", "09af3-cc343-b409f")), Err(Condition::ItemNotFound));
        assert_eq!(asked(&paged("<after>09af3-cc343-b409f</after>")), Err(Condition::ItemNotFound));
        assert_eq!(asked("<x xmlns='jabber:x:data' type='submit'/>"), Err(Condition::BadRequest));
    }

    /// Sections 4.3.1 to 4.3.3.
    #[test]
    fn reads_the_page() {
        let page = |page, limit| Ok(HistoryQuery { page, limit, ..HistoryQuery::default() });
        assert_eq!(asked(&paged("<max>10</max>")), page(PageFrom::Start, Some(10)));
        assert_eq!(
            asked(&paged("<max>10</max><after>7</after>")),
            page(PageFrom::After(ArchiveId(7)), Some(10))
        );
        assert_eq!(asked(&paged("<before>7</before>")), page(PageFrom::Before(ArchiveId(7)), None));
        assert_eq!(asked(&paged("<before/>")), page(PageFrom::End, None));
    }

    fn message(id: u64, xml: &str) -> Archived {
        Archived {
            id: ArchiveId(id),
            peer: Jid::new("romeo@montague.lit/orchard").unwrap(),
            direction: Direction::Incoming,
            xml: xml.as_bytes().to_vec(),
        }
    }

    const STORED: &str = "<message xmlns='jabber:client' to='juliet@capulet.lit/balcony' \
        from='romeo@montague.lit/orchard' type='chat'><body>Call me but love</body></message>";

    /// Section 4.2, the example "Server returns two matching messages".
    #[test]
    fn a_result_carries_the_message_and_its_time() {
        let to = Jid::new("juliet@capulet.lit/chamber").unwrap();
        let result = result(&message(1_278_803_305_000_000, STORED), Some("f27"), &to, ArchiveIds::default());
        let expected = format!(
            "<message xmlns='jabber:client' from='juliet@capulet.lit' to='juliet@capulet.lit/chamber'>\
             <result xmlns='urn:xmpp:mam:2' queryid='f27' id='1278803305000000'>\
             <forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25.000Z'/>\
             {STORED}</forwarded></result></message>"
        );
        assert_eq!(result.to_element(), Element::parse(&expected).unwrap());
    }

    /// Section 3.2.
    #[test]
    fn an_unreadable_message_leaves_its_place() {
        let to = Jid::new("juliet@capulet.lit/chamber").unwrap();
        let result = result(&message(1, "<message"), None, &to, ArchiveIds::default());
        let result = result.child(ns::MAM, "result").unwrap();
        let forwarded = result.child(ns::FORWARD, "forwarded").unwrap();
        assert_eq!((result.attr("id"), forwarded.children().count()), (Some("1"), 1));
    }

    /// Section 4.3.2 and XEP-0059 section 2.2.
    #[test]
    fn fin_tells_the_ends_of_the_page() {
        let page = ArchivePage { items: vec![message(1, STORED), message(2, STORED)], complete: true };
        let expected = "<fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'>\
            <first>1</first><last>2</last></set></fin>";
        assert_eq!(fin(&page, ArchiveIds::default()), Element::parse(expected).unwrap());
        let empty = ArchivePage { items: Vec::new(), complete: false };
        let expected = "<fin xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'/></fin>";
        assert_eq!(fin(&empty, ArchiveIds::default()), Element::parse(expected).unwrap());
    }

    /// Section 5.
    #[test]
    fn metadata_tells_the_ends_of_the_archive() {
        let bounds = ArchiveBounds { first: ArchiveId(0), last: ArchiveId(1_000_000) };
        let expected = "<metadata xmlns='urn:xmpp:mam:2'><start id='0' timestamp='1970-01-01T00:00:00.000Z'/>\
            <end id='1000000' timestamp='1970-01-01T00:00:01.000Z'/></metadata>";
        assert_eq!(render_bounds(Some(bounds), ArchiveIds::default()), Element::parse(expected).unwrap());
        assert_eq!(
            render_bounds(None, ArchiveIds::default()),
            Element::parse("<metadata xmlns='urn:xmpp:mam:2'/>").unwrap()
        );
    }

    async fn house_with_messages(count: usize) -> House {
        let house = House::of(&["romeo/orchard", "juliet/balcony", "tybalt/street"]).await;
        for i in 1..=count {
            let message = format!("<message to='juliet@localhost' type='chat'><body>{i}</body></message>");
            house.say("romeo/orchard", &message).await;
        }
        house
    }

    async fn page(house: &House, content: &str) -> (Vec<String>, Element) {
        let query = format!("<query xmlns='urn:xmpp:mam:2' queryid='q1'>{content}</query>");
        let mut answers = house.answers("juliet/balcony", "set", "juliet@localhost", &query).await;
        let fin = answers.pop().unwrap();
        let body = |result: &Element| {
            let result = result.child(ns::MAM, "result").unwrap();
            assert_eq!(result.attr("queryid"), Some("q1"));
            let forwarded = result.child(ns::FORWARD, "forwarded").unwrap();
            forwarded
                .child(ns::CLIENT, "message")
                .unwrap()
                .child(ns::CLIENT, "body")
                .unwrap()
                .text()
                .into_owned()
        };
        (answers.iter().map(body).collect(), fin)
    }

    /// Sections 4.2 and 4.3: the messages come before the result, and pages join without gaps.
    #[tokio::test]
    async fn pages_join() {
        let house = house_with_messages(5).await;
        let (first, fin) = page(&house, &paged("<max>2</max>")).await;
        assert_eq!(first, ["1", "2"]);
        let fin = fin.child(ns::MAM, "fin").unwrap();
        assert_eq!(fin.attr("complete"), None);
        let last = fin.child(ns::RSM, "set").unwrap().child(ns::RSM, "last").unwrap().text().into_owned();
        let (rest, fin) = page(&house, &paged(&format!("<after>{last}</after>"))).await;
        assert_eq!(rest, ["3", "4", "5"]);
        assert_eq!(fin.child(ns::MAM, "fin").unwrap().attr("complete"), Some("true"));
        let (flipped, _) = page(&house, &format!("{}<flip-page/>", paged("<max>2</max><before/>"))).await;
        assert_eq!(flipped, ["5", "4"]);
    }

    /// Section 4.1.1: with oneself means messages to oneself.
    #[tokio::test]
    async fn messages_to_oneself_are_found_by_ones_own_address() {
        let house = house_with_messages(1).await;
        let note = "<message to='juliet@localhost' type='chat'><body>note</body></message>";
        house.say("juliet/balcony", note).await;
        assert_eq!(page(&house, &field("with", "juliet@localhost")).await.0, ["note"]);
        assert_eq!(page(&house, &field("with", "romeo@localhost")).await.0, ["1"]);
    }

    /// XEP-0059 section 2.7, without the count.
    #[tokio::test]
    async fn a_page_of_nothing_tells_whether_there_is_something() {
        let house = house_with_messages(1).await;
        let nothing = paged("<max>0</max>");
        let (messages, fin) = page(&house, &nothing).await;
        assert!(messages.is_empty());
        assert_eq!(fin.child(ns::MAM, "fin").unwrap().attr("complete"), None);
        let (_, fin) = page(&house, &format!("{}{nothing}", field("with", "nobody@localhost"))).await;
        assert_eq!(fin.child(ns::MAM, "fin").unwrap().attr("complete"), Some("true"));
    }

    /// Sections 4.1.3 and 8.1.
    #[tokio::test]
    async fn unknown_ids_and_other_archives_are_refused() {
        let house = house_with_messages(1).await;
        for content in [paged("<after>1</after>"), field("ids", "1"), field("before-id", "1")] {
            let query = format!("<query xmlns='urn:xmpp:mam:2'>{content}</query>");
            let answer = house.ask("juliet/balcony", "set", "", &query).await;
            assert_eq!(answer, Err("item-not-found".to_owned()), "{content}");
        }
        for to in ["juliet@localhost", "nobody@localhost"] {
            let answer = house.ask("tybalt/street", "set", to, "<query xmlns='urn:xmpp:mam:2'/>").await;
            assert_eq!(answer, Err("forbidden".to_owned()));
        }
    }
}
