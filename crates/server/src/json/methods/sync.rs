//! Coming in step with the server: everything at once, or what changed since.

use waxwing_chat::archive::ArchiveId;
use waxwing_chat::conversations::changes::Change;
use waxwing_chat::state::StateKind;

use crate::json::conversations::{self, kept};
use crate::json::error::Fault;
use crate::json::message::Names;
use crate::json::method::{Call, Method, method};
use crate::json::types::{
    ChangesGot, Contact, Event, Nothing, Preferences, Presence, Snapshot, SyncChanges, What,
};
use crate::json::{account, presence, render, sign_in};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!(
        "sync.open",
        "Tells everything that a client needs to begin. From then on it is shown to others, and told what happens.",
        Nothing => Snapshot,
        open
    ),
    method!(
        "sync.changes",
        "Tells what changed behind a version, page by page. From then on the client is shown to others, and told what happens.",
        SyncChanges => ChangesGot,
        changes
    ),
];

/// Has the client be seen, and take what is sent to its account. What was sent before is in the archive, and read there: the
/// client is told nothing twice, and nothing falls between.
async fn come_in_step(call: &Call) -> Result<(), Fault> {
    if !call.client.set_in_step() {
        return Ok(());
    }
    call.chat().leave_to_archive(call.session()).await?;
    presence::announce(call.chat(), &call.client).await?;
    sign_in::replace_absent(&call.face, call.session());
    Ok(())
}

async fn open(call: Call, Nothing {}: Nothing) -> Result<Snapshot, Fault> {
    come_in_step(&call).await?;
    // What is read from here on may hold more than that, and never less.
    let version = call.chat().version();
    let listing = call.chat().conversations(call.session(), None, call.config.conversations).await?;
    let preferences = call.chat().kept_in_step(&call.owner(), StateKind::Preferences, "").await?;
    let (contacts, presences) = people(&call).await?;
    let (conversations, missing) = conversations::shown(&call, listing.conversations).await?;
    Ok(Snapshot {
        version: version.0,
        next: listing.next.map(|next| next.0),
        conversations,
        missing,
        contacts,
        presences,
        blocked: blocked(&call).await?,
        preferences: kept::<Preferences>(preferences.as_deref()).unwrap_or_default(),
        scheduled: super::scheduled::all(&call).await?,
    })
}

/// The contacts, and the presence of those whose it is for the client to see.
async fn people(call: &Call) -> Result<(Vec<Contact>, Vec<Presence>), Fault> {
    let items = call.chat().roster_and_requests(call.session()).await?;
    let mut presences = Vec::new();
    for item in items.iter().filter(|item| item.subscription.sees()) {
        if call.chat().is_local(item.jid.domain()) {
            presences.push(presence::of_account_for(call.chat(), &call.session().bare, &item.jid).await?);
        }
    }
    Ok((items.iter().map(render::contact).collect(), presences))
}

async fn blocked(call: &Call) -> Result<Vec<String>, Fault> {
    let all = call.chat().blocklist(call.session()).await?;
    Ok(all.iter().map(ToString::to_string).collect())
}

async fn changes(call: Call, params: SyncChanges) -> Result<ChangesGot, Fault> {
    come_in_step(&call).await?;
    let found = call.chat().changes(call.session(), ArchiveId(params.since)).await?;
    let mut got = ChangesGot {
        version: found.version.0,
        events: Vec::with_capacity(found.changes.len()),
        more: found.more,
        reset: found.reset,
        contacts: None,
        presences: None,
        blocked: None,
        rooms: None,
    };
    if found.reset {
        return Ok(got);
    }
    let mut names = Names::default();
    for (at, change) in found.changes {
        match change {
            Change::Message(view) => {
                let message = Box::new(conversations::message(&call, &view, &mut names).await?);
                got.events.push(Event::lasting(at.0, What::Message { message }));
            }
            Change::State(item) => got.events.extend(account::of_item(&call, &item).await?),
            Change::Pinned(key) => got.events.extend(account::pinned(&call, &key, at).await?),
        }
    }
    if !got.more {
        let (contacts, presences) = people(&call).await?;
        got.contacts = Some(contacts);
        got.presences = Some(presences);
        got.blocked = Some(blocked(&call).await?);
        let rooms = call.chat().belongings(&call.owner()).await?;
        got.rooms = Some(rooms.into_iter().map(|belonging| belonging.room.to_string()).collect());
    }
    Ok(got)
}
