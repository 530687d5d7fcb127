//! Members who take more than their share: one who never reads, one who floods.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::json;
use tokio::time::timeout;
use waxwing_tests::json::Json;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::world::password;
use waxwing_tests::xml::Element;
use waxwing_tests::{Client, Setup, World};

use crate::world::{figure, kib, process, size, world, world_with};

const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";
const SM: &str = "urn:xmpp:sm:3";

/// What the server may hold for one recipient who does not read, above what the sender's side needs anyway: the queue of
/// the session, what stream management keeps, and the database's own memory for writing so much.
const HELD: u64 = 64 << 20;

/// The ids of all messages in an account's archive that this sender wrote.
async fn archived(client: &mut Client, with: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut after = String::new();
    loop {
        let form = format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>\
             <field var='with'><value>{with}</value></field></x>"
        );
        let page =
            format!("<query xmlns='{MAM}'>{form}<set xmlns='{RSM}'><max>100</max>{after}</set></query>");
        let answer = client.ask("set", None, &page).await;
        for message in client.drain().await {
            if let Some(inner) = message.find("jabber:client", "message") {
                ids.extend(inner.attr("id").map(str::to_owned));
            }
        }
        let fin = answer.child(MAM, "fin").unwrap_or_else(|| panic!("{answer}"));
        let last = fin.find(RSM, "last").map(Element::text).unwrap_or_default();
        if fin.attr("complete") == Some("true") || last.is_empty() {
            return ids;
        }
        after = format!("<after>{last}</after>");
    }
}

/// Sends many messages, numbered from `first`, and returns the most memory that the server took meanwhile.
async fn pour(
    world: &World,
    romeo: &mut Client,
    to: &str,
    numbers: std::ops::Range<usize>,
    bytes: usize,
) -> u64 {
    // Not in the body: what searching for so much text costs is another matter.
    let filler = format!("<x xmlns='urn:example:filler'>{}</x>", "x".repeat(bytes));
    pour_with(world, romeo, to, numbers, &filler).await
}

/// The same with a filler that pages are told.
async fn pour_json(world: &World, romeo: &mut Client, to: &str, count: usize, bytes: usize) -> u64 {
    let filler = format!(
        "<payload xmlns='urn:xmpp:json-msg:0' datatype='urn:example:filler'>\
         <json xmlns='urn:xmpp:json:0'>\"{}\"</json></payload>",
        "x".repeat(bytes)
    );
    pour_with(world, romeo, to, 0..count, &filler).await
}

async fn pour_with(
    world: &World,
    romeo: &mut Client,
    to: &str,
    numbers: std::ops::Range<usize>,
    filler: &str,
) -> u64 {
    let server = process(world);
    let mut most = 0;
    for n in numbers {
        let message =
            format!("<message to='{to}' type='chat' id='pour-{n}'><body>x</body>{filler}</message>");
        let sent = timeout(PATIENCE, romeo.transport_mut().write(message.as_bytes())).await;
        sent.expect("the server takes messages although the recipient does not")
            .expect("the sender is connected");
        if n % 32 == 0 {
            romeo.settle().await;
            most = most.max(server.memory().unwrap());
        }
    }
    romeo.settle().await;
    most.max(server.memory().unwrap())
}

async fn never_reads(managed: bool) {
    let world = world().await;
    world.user("nurse");
    let mut romeo = world.online("romeo/orchard").await;
    let (count, bytes) = (size(10_000, 600), 64 << 10);
    // What so many messages cost the server that nobody is online for.
    let stored = pour(&world, &mut romeo, "nurse@localhost", 0..count, bytes).await;
    let mut juliet = world.online("juliet/balcony").await;
    if managed {
        juliet.send(&format!("<enable xmlns='{SM}' resume='true'/>")).await;
        juliet.expect(&format!("<enabled xmlns='{SM}' _='...'/>")).await;
    }
    let most = pour(&world, &mut romeo, "juliet@localhost", 0..count, bytes).await;
    let rise = most.saturating_sub(stored);
    let management = if managed { "with" } else { "without" };
    figure(&format!(
        "a recipient that never reads, {management} stream management: {count} messages of 64 KiB, memory at most {} \
         above what storing as many takes ({})",
        kib(rise),
        kib(stored)
    ));
    assert!(rise <= HELD, "memory rose by {}", kib(rise));
    // Everybody else is served meanwhile, and nothing of what she did not read is lost.
    romeo.round_trip().await;
    drop(juliet);
    let mut juliet = world.connected("juliet/garden").await;
    let ids = archived(&mut juliet, "romeo@localhost").await;
    let missing: Vec<usize> = (0..count).filter(|n| !ids.contains(&format!("pour-{n}"))).collect();
    assert!(missing.is_empty(), "{} messages are missing: {missing:?}", missing.len());
}

/// Invariant 8, CVE-2010-0305: a slow reader costs a bounded amount and then lives from the archive.
#[tokio::test]
async fn a_recipient_that_never_reads_is_bounded() {
    never_reads(false).await;
}

#[tokio::test]
async fn a_recipient_that_never_acknowledges_is_bounded() {
    never_reads(true).await;
}

/// The same for a page: it is given up, and told all of it when it comes back.
#[tokio::test]
async fn a_page_that_never_reads_is_bounded() {
    let world = world().await;
    for user in ["nurse", "juliet"] {
        world.user(user);
    }
    let mut romeo = world.online("romeo/orchard").await;
    let (count, bytes) = (size(10_000, 600), 64 << 10);
    let stored = pour_json(&world, &mut romeo, "nurse@localhost", count, bytes).await;
    let (mut page, _) = Json::signed_in(&world.server, "juliet", "page").await.expect("a page");
    let version = page.ask("sync.open", json!({})).await["version"].as_u64().expect("a version");
    let most = pour_json(&world, &mut romeo, "juliet@localhost", count, bytes).await;
    let rise = most.saturating_sub(stored);
    figure(&format!(
        "a page that never reads: {count} messages of 64 KiB, memory at most {} above what storing as many takes ({})",
        kib(rise),
        kib(stored)
    ));
    assert!(rise <= HELD, "memory rose by {}", kib(rise));
    romeo.round_trip().await;
    drop(page);
    let (mut page, _) = Json::signed_in(&world.server, "juliet", "page").await.expect("a page");
    let mut since = version;
    let mut ids = BTreeSet::new();
    loop {
        let got = page.ask("sync.changes", json!({ "since": since })).await;
        for event in got["events"].as_array().expect("events") {
            ids.extend(event["message"]["client_id"].as_str().map(str::to_owned));
        }
        since = got["version"].as_u64().expect("a version");
        if got["more"] == false {
            break;
        }
    }
    let missing: Vec<usize> = (0..count).filter(|n| !ids.contains(&format!("pour-{n}"))).collect();
    assert!(missing.is_empty(), "{} messages are missing: {missing:?}", missing.len());
}

/// A sender that never reads the answers to its own requests is not read any further.
#[tokio::test]
async fn a_sender_that_never_reads_its_answers_is_bounded() {
    let world = world_with(Setup::default().section("[limits]\nwrite_timeout_ms = 3000")).await;
    let mut mallory = world.connected("mallory/").await;
    let server = process(&world);
    let before = server.memory().unwrap();
    let request =
        "<iq type='get' id='x' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let requests = request.repeat(500);
    let mut written = 0usize;
    let mut most = 0;
    // Sooner or later the server takes no more, and then gives the connection up.
    loop {
        match timeout(PATIENCE, mallory.transport_mut().write(requests.as_bytes())).await {
            Ok(Ok(())) => written += requests.len(),
            Ok(Err(_)) => break,
            Err(_) => panic!("the server neither reads nor hangs up after {written} octets"),
        }
        most = most.max(server.memory().unwrap());
        assert!(written < 1 << 30, "the server goes on reading what it cannot answer");
    }
    let rise = most.saturating_sub(before);
    figure(&format!(
        "a sender that never reads its answers: given up after {} of requests, memory rose by at most {}",
        kib(written as u64),
        kib(rise)
    ));
    assert!(rise <= 16 << 20, "memory rose by {}", kib(rise));
}

/// Ping-pong between two users; the time of each message from the writing of one to the reading of the other.
async fn converse(one: &mut Client, other: &mut Client, rounds: usize) -> Vec<f64> {
    let mut times = Vec::with_capacity(2 * rounds);
    for round in 0..rounds {
        for turn in 0..2 {
            let (from, to) = if turn == 0 { (&mut *one, &mut *other) } else { (&mut *other, &mut *one) };
            let address = to.full().to_owned();
            let id = format!("{round}-{turn}");
            let start = Instant::now();
            from.send(&format!("<message to='{address}' type='chat' id='{id}'><body>x</body></message>"))
                .await;
            loop {
                let element = to.next().await.expect("a victim's message arrives");
                if element.name == "message" && element.attr("id") == Some(id.as_str()) {
                    break;
                }
            }
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times
}

async fn all_converse(pairs: &mut [(Client, Client)], rounds: usize) -> Vec<f64> {
    let conversations = pairs.iter_mut().map(|(one, other)| converse(one, other, rounds));
    let mut times: Vec<f64> =
        futures_util::future::join_all(conversations).await.into_iter().flatten().collect();
    times.sort_by(f64::total_cmp);
    times
}

fn quantiles(times: &[f64]) -> (f64, f64) {
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    (at(0.5), at(0.99))
}

/// Writes as fast as the server reads, until told to stop, and until the server has read all of it.
async fn flood(mut flooder: Client, mut stop: tokio::sync::oneshot::Receiver<()>) -> (Client, usize) {
    let to = "sink@localhost/drain";
    let batch: String = (0..50)
        .map(|_| format!("<message to='{to}' type='chat'><body>{}</body></message>", "f".repeat(200)))
        .collect();
    let mut sent = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => break,
            written = flooder.transport_mut().write(batch.as_bytes()) => {
                written.expect("the flooder is held up, not cut off");
                sent += 50;
            }
        }
    }
    flooder.round_trip().await;
    (flooder, sent)
}

/// How often the others talk in peace, and as often while one floods. What else the machine does only ever makes a p99
/// worse, so the best of each kind are compared.
const WINDOWS: usize = 5;

/// From how many times their p99 in peace on the others count as starved while one floods. The aim is 2, which is a figure and
/// not a test: it is reported here, and what the machine does beside would decide it.
const STARVED: f64 = 5.0;

/// CVE-2020-35176, invariant I10: one member who floods does not keep a hundred others from talking, and the server's memory
/// does not grow with what he sends. The p99 of the others is compared with their own in peace, in the same run on the same
/// machine.
#[tokio::test]
async fn a_flood_of_one_does_not_stop_the_others() {
    let world = world().await;
    let (pairs, rounds) = (50, size(100, 20));
    let mut sink = world.online("sink/drain").await;
    let mut flooder = world.online("flooder/x").await;
    let mut victims = Vec::new();
    for n in 0..pairs {
        victims.push((world.online(&format!("a{n}/x")).await, world.online(&format!("b{n}/x")).await));
    }
    // What arrives is not looked at: reading it would be the test's own work, on the same processors.
    let drain = tokio::spawn(async move { while let Ok(Some(_)) = sink.transport_mut().read().await {} });
    all_converse(&mut victims, rounds).await;
    let server = process(&world);
    let before = server.memory().unwrap();
    let (mut best, mut best_flooded, mut risen) = (f64::INFINITY, f64::INFINITY, None);
    for _ in 0..WINDOWS {
        let quiet = all_converse(&mut victims, rounds).await;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let flooding = tokio::spawn(flood(flooder, stopped));
        let flooded = all_converse(&mut victims, rounds).await;
        let memory = server.memory().unwrap();
        risen.get_or_insert_with(|| memory.saturating_sub(before));
        stop.send(()).expect("the flooder still floods");
        let sent;
        (flooder, sent) = flooding.await.expect("the flooder was held up, not cut off");
        assert!(sent > 0, "there was no flood");
        assert_eq!(flooded.len(), pairs * rounds * 2, "every message of a victim arrived");
        let ((p50, p99), (f50, f99)) = (quantiles(&quiet), quantiles(&flooded));
        figure(&format!(
            "one floods ({sent} messages sent) while {} others talk: p50 {p50:.2} -> {f50:.2} ms, p99 {p99:.2} -> \
             {f99:.2} ms ({:.2} times)",
            2 * pairs,
            f99 / p99
        ));
        (best, best_flooded) = (best.min(p99), best_flooded.min(f99));
    }
    drain.abort();
    // Of the first flood: later the messages of all, on disk and in the caches, would be counted with it.
    let rise = risen.unwrap_or_default();
    let times = best_flooded / best;
    figure(&format!(
        "the best of {WINDOWS}: p99 {best:.2} -> {best_flooded:.2} ms ({times:.2} times); memory rose by {} with the first flood",
        kib(rise)
    ));
    assert!(times <= STARVED, "the others' p99 rose {times:.2} times");
    assert!(rise <= 48 << 20, "memory rose by {}", kib(rise));
}

/// An account has so many sessions at once and no more: whoever has a password cannot use up the server with it.
#[tokio::test]
async fn one_account_has_a_bounded_number_of_sessions() {
    let world = world().await;
    world.user("mallory");
    let mut sessions = Vec::new();
    let mut refused = None;
    for n in 0..60 {
        let mut client = world.secured().await;
        let outcome = client.authenticate("SCRAM-SHA-256", "mallory", &password("mallory")).await.unwrap();
        assert_eq!(outcome.name, "success");
        client.reopen().await.unwrap();
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
        let answer = client.ask("set", None, bind).await;
        if answer.attr("type") == Some("error") {
            assert!(answer.to_string().contains("resource-constraint"), "{answer}");
            refused = Some(n);
            break;
        }
        sessions.push(client);
    }
    assert_eq!(refused, Some(50), "the limit of sessions of one account");
}
