//! Threads: reading, following, and those one follows.

use waxwing_chat::archive::ArchiveId;
use waxwing_xmpp::jid::Jid;

use super::address_in;
use super::message::place;
use crate::json::conversations;
use crate::json::error::Fault;
use crate::json::method::{Call, Method, method};
use crate::json::types::{Paged, ThreadFollow, ThreadGet, ThreadGot, ThreadRead, ThreadTold, ThreadsGot};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!("thread.get", "Tells of a thread and its newest messages.", ThreadGet => ThreadGot, get),
    method!("thread.follow", "Follows a thread, or no longer.", ThreadFollow => ThreadTold, follow),
    method!("thread.read", "Has read a thread up to a place.", ThreadRead => ThreadTold, read),
    method!(
        "thread.list",
        "Lists the threads that one follows, those that were last answered in first.",
        Paged => ThreadsGot,
        list
    ),
];

/// A thread that a request names.
fn named(call: &Call, conversation: &str, root: &str) -> Result<(Jid, ArchiveId), Fault> {
    Ok((address_in("conversation", conversation)?, place(call, "root", root)?))
}

async fn get(call: Call, params: ThreadGet) -> Result<ThreadGot, Fault> {
    let (conversation, root) = named(&call, &params.conversation, &params.root)?;
    let (before, limit) = (params.before.map(ArchiveId), call.page(params.limit));
    let part = call.chat().thread(call.session(), &conversation, root, before, limit).await?;
    Ok(ThreadGot {
        thread: conversations::thread(&call, part.thread).await?,
        messages: conversations::messages(&call, &part.messages).await?,
        more: part.more,
    })
}

async fn follow(call: Call, params: ThreadFollow) -> Result<ThreadTold, Fault> {
    let (conversation, root) = named(&call, &params.conversation, &params.root)?;
    let view = call.chat().follow_thread(call.session(), &conversation, root, params.following).await?;
    Ok(ThreadTold { thread: conversations::thread(&call, view).await? })
}

async fn read(call: Call, params: ThreadRead) -> Result<ThreadTold, Fault> {
    let (conversation, root) = named(&call, &params.conversation, &params.root)?;
    let up_to = ArchiveId(params.position);
    let view = call.chat().read_thread(call.session(), &conversation, root, up_to).await?;
    Ok(ThreadTold { thread: conversations::thread(&call, view).await? })
}

async fn list(call: Call, params: Paged) -> Result<ThreadsGot, Fault> {
    let (before, limit) = (params.before.map(ArchiveId), call.page(params.limit));
    let (views, more) = call.chat().threads(call.session(), before, limit).await?;
    let mut threads = Vec::with_capacity(views.len());
    for view in views {
        threads.push(conversations::thread(&call, view).await?);
    }
    Ok(ThreadsGot { threads, more })
}
