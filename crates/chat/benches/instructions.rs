//! Work whose instructions `cargo xtask instructions` counts: `instructions CASE TIMES`.

use std::hint::black_box;
use std::sync::Arc;

use waxwing_chat::Chat;
use waxwing_chat::account::{NewAccount, Role};
use waxwing_chat::event::Event;
use waxwing_chat::memory_store::MemoryStore;
use waxwing_chat::port::{SystemClock, SystemRandom};
use waxwing_chat::session::ClientInfo;
use waxwing_chat::settings::Settings;
use waxwing_chat::store::Store;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    // Run by `cargo bench` or `cargo test --benches` without a case, there is nothing to count.
    let (Some(case), Some(times)) = (args.next(), args.next().and_then(|times| times.parse().ok())) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    match case.as_str() {
        "route" => runtime.block_on(route(times)),
        other => panic!("no case is called {other}"),
    }
}

fn stanza(xml: &str) -> Stanza {
    Stanza::from_element(Element::parse(xml).expect("XML")).expect("a stanza")
}

/// One message: checked, archived in memory, put into its recipient's queue, taken out, confirmed.
async fn route(times: usize) {
    let store = Arc::new(MemoryStore::default());
    let chat = Chat::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom), Settings::default());
    let mut sessions = Vec::new();
    for name in ["romeo", "juliet"] {
        let new = NewAccount {
            jid: Jid::new(&format!("{name}@localhost")).expect("an address"),
            name: None,
            role: Role::Member,
            verifiers: Vec::new(),
            created_ms: 0,
        };
        let account = store.create_account(new).await.expect("an account");
        let (session, mut events) =
            chat.bind(&account, None, "x", ClientInfo::default()).await.expect("a session");
        let presence = stanza("<presence xmlns='jabber:client'/>").with_from(session.jid.clone());
        chat.presence(&session, presence).await.expect("presence");
        assert!(chat.replay(&session).await.expect("a replay").is_empty());
        while events.try_recv().is_some() {}
        sessions.push((session, events));
    }
    let (juliet, mut events) = sessions.pop().expect("juliet");
    let (romeo, _) = sessions.pop().expect("romeo");
    let message =
        stanza("<message xmlns='jabber:client' type='chat' id='1'><body>But soft!</body></message>")
            .with_from(romeo.jid.clone())
            .with_to(juliet.jid.to_bare());
    for _ in 0..times {
        chat.send(&romeo, black_box(message.clone())).await.expect("taken").await.expect("safe");
        let Some(Event::Stanza(delivery)) = events.try_recv() else { panic!("nothing was delivered") };
        chat.delivered(&juliet, delivery.archived.expect("archived"));
    }
}
