//! What suites of faults write and read: numbered messages between two people.

use tokio::sync::oneshot;
use waxwing_chat::account::{Account, NewAccount, Role};
use waxwing_chat::archive::{Append, ArchiveCopy, ArchiveId, ArchiveQuery, Committed, Direction, PageFrom};
use waxwing_chat::store::{Store, StoreResult};
use waxwing_xmpp::jid::Jid;

/// The two of them, made at the first call.
pub(crate) async fn couple(store: &dyn Store) -> [Account; 2] {
    let mut couple = Vec::new();
    for address in ["juliet@capulet.example", "romeo@montague.example"] {
        let jid = Jid::new(address).expect("an address");
        if let Some(account) = store.account(&jid).await.expect("the store answers") {
            couple.push(account);
            continue;
        }
        let new = NewAccount { jid, name: None, role: Role::Member, verifiers: Vec::new(), created_ms: 0 };
        couple.push(store.create_account(new).await.expect("the account is created"));
    }
    couple.try_into().expect("two")
}

/// Message number `n` from Juliet to Romeo, under a client id of its own, by which the store knows it again.
pub(crate) fn message([juliet, romeo]: &[Account; 2], n: u64) -> Append {
    let copy = |owner: &Account, peer: &Account, direction| ArchiveCopy {
        owner: owner.id,
        peer: peer.jid.clone(),
        direction,
        kept: true,
        waits: true,
    };
    let body = format!("message number {n} {}", "of many words ".repeat((n % 40) as usize));
    Append {
        copies: vec![copy(juliet, romeo, Direction::Outgoing), copy(romeo, juliet, Direction::Incoming)],
        dedupe: Some((juliet.id, format!("client-{n}"))),
        xml: format!("<message id='{n}'><body>{body}</body></message>").into_bytes(),
        text: Some(body),
        labels: Vec::new(),
        fence: None,
    }
}

pub(crate) fn appending(store: &dyn Store, message: Append) -> oneshot::Receiver<StoreResult<Committed>> {
    let (done, committed) = oneshot::channel();
    store.append(message, Box::new(move |result| drop(done.send(result))));
    committed
}

/// Everything in an owner's archive: message numbers and ids, oldest first.
pub(crate) async fn archive(store: &dyn Store, owner: &Account) -> Vec<(u64, ArchiveId)> {
    let mut found = Vec::new();
    let mut page = PageFrom::Start;
    loop {
        let query = ArchiveQuery::page(owner.id, page, 500);
        let got = store.archive_page(query).await.expect("the archive can be read");
        for item in &got.items {
            let xml = std::str::from_utf8(&item.xml).expect("UTF-8");
            let number = xml.split('\'').nth(1).expect("an id").parse().expect("a number");
            found.push((number, item.id));
        }
        let Some(last) = got.items.last().filter(|_| !got.complete) else {
            return found;
        };
        page = PageFrom::After(last.id);
    }
}
