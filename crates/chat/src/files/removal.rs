//! Removing files: by an administrator, with the message that shared them, by age. A file is gone the moment its row says
//! so; its content follows, however often the server is interrupted meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::blobs::Blobs;
use super::slots::COUNTED_MS;
use super::store::Overdue;
use super::{FileId, FileSettings, Purpose};
use crate::chat::Chat;
use crate::error::{Error, Result};

/// How many files one message can take with it.
pub const FILES_OF_A_MESSAGE_LIMIT: usize = 16;

/// How many files are looked at in one step of the removal.
const STEP: usize = 64;

/// The files of this server that a message refers to, wherever their links stand in it: as the whole body or a word of it, in
/// out of band data (XEP-0066), in stateless file sharing (XEP-0447), in SIMS (XEP-0385).
pub fn referenced(settings: &FileSettings, domains: &[String], message: &Element) -> Vec<FileId> {
    let mut found = Vec::new();
    if settings.url.is_some() {
        look(settings, domains, message.root(), &mut found);
    }
    found
}

fn look(settings: &FileSettings, domains: &[String], element: ElementRef<'_>, found: &mut Vec<FileId>) {
    let mut consider = |text: &str| {
        for word in text.split_whitespace() {
            if found.len() < FILES_OF_A_MESSAGE_LIMIT
                && let Some(id) = settings.id_in(domains, word)
                && !found.contains(&id)
            {
                found.push(id);
            }
        }
    };
    for name in ["target", "uri", "url"] {
        element.attr(name).map(&mut consider);
    }
    consider(&element.text());
    // What a reply or a forwarded message quotes is another message's.
    for child in element.children().filter(|child| child.ns() != ns::FORWARD) {
        look(settings, domains, child, found);
    }
}

/// Keeps the content of files from being removed until it is dropped.
#[derive(Debug)]
pub struct HeldContents(Arc<AtomicUsize>);

impl Drop for HeldContents {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Chat {
    /// Removes a file. `actor` is who does it, for the audit log.
    pub async fn delete_file(&self, id: &FileId, actor: &str) -> Result<()> {
        let file = self.store.file(id).await?.ok_or(Error::NotFound)?;
        self.store.discard_file(id).await?;
        self.record(actor, "file.delete", file.owner_jid.as_str(), &format!("{} bytes", file.size)).await?;
        self.remove_content(id).await;
        Ok(())
    }

    /// Removes the files that a message shared and its sender had uploaded, when the message is retracted by its sender
    /// (XEP-0424) or a moderator (XEP-0425). Returns how many.
    ///
    /// `sender` is the real address of who sent the message: others' files stay, so that nobody can have a file removed by
    /// repeating its link and retracting that. Whether the retraction itself is allowed has been decided before.
    pub async fn delete_files_of(&self, message: &Element, sender: &Jid, actor: &str) -> Result<usize> {
        let settings = self.settings();
        let mut removed = 0;
        for id in referenced(&settings.files, &settings.domains, message) {
            match self.store.file(&id).await? {
                // What belongs to a profile stays there.
                Some(file) if file.owner_jid.same_bare(sender) && file.purpose != Purpose::Profile => {
                    self.delete_file(&id, actor).await?;
                }
                _ => continue,
            }
            removed += 1;
        }
        Ok(removed)
    }

    /// Removes what is over: places that nobody filled, files that are too old or whose time has come, and the content of
    /// those that are gone. Returns how many contents were removed.
    pub async fn remove_overdue_files(&self) -> Result<usize> {
        if self.blobs().is_err() {
            return Ok(0);
        }
        let (mut after, mut removed) = (None, 0);
        loop {
            let now_ms = self.now_ms();
            let retention_ms = self.settings().files.retention_ms;
            let stored_before_ms = retention_ms.map(|age| now_ms.saturating_sub(age) + 1);
            let overdue = Overdue { now_ms, stored_before_ms };
            let gone = self.store.gone_files(overdue, after.as_ref(), STEP).await?;
            for id in &gone {
                removed += usize::from(self.remove_content(id).await);
            }
            if gone.len() < STEP {
                return Ok(removed);
            }
            after = gone.last().cloned();
        }
    }

    /// Where the content of files is kept, for a backup.
    pub fn contents(&self) -> Option<&Arc<dyn Blobs>> {
        self.blobs.get()
    }

    /// While this is held no content is removed; what goes meanwhile is removed afterwards.
    pub fn hold_contents(&self) -> HeldContents {
        self.held_contents.fetch_add(1, Ordering::SeqCst);
        HeldContents(Arc::clone(&self.held_contents))
    }

    /// Removes the content of a file that is gone. What fails is tried again by `remove_overdue_files`.
    async fn remove_content(&self, id: &FileId) -> bool {
        if self.held_contents.load(Ordering::SeqCst) > 0 {
            return false;
        }
        let Ok(blobs) = self.blobs() else { return false };
        for key in [id.content(), id.thumbnail()] {
            if let Err(error) = blobs.delete(&key).await {
                tracing::warn!(%error, "the content of a file could not be removed; it is tried again");
                return false;
            }
        }
        // Whoever was reserved the place keeps it in his count for an hour.
        if let Err(error) = self.store.forget_file(id, self.now_ms().saturating_sub(COUNTED_MS)).await {
            tracing::warn!(%error, "a file that is gone could not be forgotten; it is tried again");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::slots::tests::{order, world};
    use super::*;
    use crate::files::slots::FileOrder;
    use crate::rosters::Owner;
    use crate::testing::{World, jid};
    use bytes::Bytes;

    async fn upload(world: &World, owner: &Owner, order: FileOrder) -> (FileId, String) {
        let slot = world.chat.request_slot(owner, order).await.unwrap();
        let settings = world.chat.settings();
        let id = settings.files.id_in(&settings.domains, &slot.link).unwrap();
        let mut upload = world.chat.begin_upload(&id, &slot.token, 3, None).await.unwrap();
        upload.write(Bytes::from_static(b"abc")).await.unwrap();
        upload.finish().await.unwrap();
        (id, slot.link)
    }

    /// XEP-0066, XEP-0385 and XEP-0447 and plain text: all of them lead to the file.
    #[tokio::test]
    async fn links_are_found_wherever_they_stand() {
        let (world, romeo, _) = world(FileSettings::default()).await;
        let (id, link) = upload(&world, &romeo, order("a.png", 3)).await;
        let settings = world.chat.settings();
        for content in [
            format!("<body>{link}</body>"),
            format!("<body>see {link}\nand tell me</body>"),
            format!("<x xmlns='jabber:x:oob'><url>{link}</url></x>"),
            format!(
                "<file-sharing xmlns='urn:xmpp:sfs:0'><sources><url-data xmlns='http://jabber.org/protocol/url-data' target='{link}'/></sources></file-sharing>"
            ),
            format!(
                "<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'><sources><reference xmlns='urn:xmpp:reference:0' type='data' uri='{link}'/></sources></media-sharing></reference>"
            ),
        ] {
            let message =
                Element::parse(&format!("<message xmlns='jabber:client'>{content}</message>")).unwrap();
            let found = referenced(&settings.files, &settings.domains, &message);
            assert_eq!(found, std::slice::from_ref(&id), "{content}");
        }
        let other = link.replace("localhost", "elsewhere.example");
        let message =
            Element::parse(&format!("<message xmlns='jabber:client'><body>{other}</body></message>"))
                .unwrap();
        assert!(referenced(&settings.files, &settings.domains, &message).is_empty());
    }

    /// XEP-0424 and XEP-0425: what goes with a message is what its sender has uploaded.
    #[tokio::test]
    async fn only_the_senders_own_files_go_with_a_message() {
        let (world, romeo, blobs) = world(FileSettings::default()).await;
        let (id, link) = upload(&world, &romeo, order("a.png", 3)).await;
        let message =
            Element::parse(&format!("<message xmlns='jabber:client'><body>{link}</body></message>")).unwrap();
        let delete = async |sender: &str| world.chat.delete_files_of(&message, &jid(sender), sender).await;
        assert_eq!(delete("juliet").await.unwrap(), 0);
        assert!(world.chat.readable_file(&id).await.unwrap().is_some());
        assert_eq!(delete("romeo").await.unwrap(), 1);
        assert!(world.chat.readable_file(&id).await.unwrap().is_none());
        assert_eq!(blobs.content(&id.content()), None);
        assert!(matches!(world.chat.delete_file(&id, "local").await, Err(Error::NotFound)));
        let audit = world.chat.store.audit(None, 1).await.unwrap();
        assert_eq!(audit[0].entry.action, "file.delete");
    }

    /// covers: XEP-0363 5.3 end
    #[tokio::test]
    async fn files_go_when_their_time_is_over() {
        let files = FileSettings { retention_ms: Some(10_000), permanent: true, ..FileSettings::default() };
        let (world, romeo, blobs) = world(files).await;
        let now = world.chat.now_ms();
        let of = |purpose, expires_ms| FileOrder { purpose, expires_ms, ..order("a", 3) };
        let (message, _) = upload(&world, &romeo, of(Purpose::Message, None)).await;
        let (soon, _) = upload(&world, &romeo, of(Purpose::Ephemeral, Some(now + 5000))).await;
        let (profile, _) = upload(&world, &romeo, of(Purpose::Profile, None)).await;
        let (permanent, _) = upload(&world, &romeo, of(Purpose::Permanent, None)).await;
        let there = async |id: &FileId| world.chat.readable_file(id).await.unwrap().is_some();
        world.pass(4999);
        assert!(there(&soon).await);
        assert_eq!(world.chat.remove_overdue_files().await.unwrap(), 0);
        world.pass(1);
        // Section 5.3: never after its time, even if nobody has removed it yet.
        assert!(!there(&soon).await);
        world.pass(5000);
        assert!(!there(&message).await && there(&profile).await && there(&permanent).await);
        assert_eq!(world.chat.remove_overdue_files().await.unwrap(), 2);
        assert_eq!((blobs.content(&soon.content()), blobs.content(&message.content())), (None, None));
        assert!(blobs.content(&profile.content()).is_some());
    }
}
