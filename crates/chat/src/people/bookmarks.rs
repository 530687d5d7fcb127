//! Bookmarks in the three places where clients keep them: an item each (XEP-0402), all in one item (XEP-0048), and all in
//! one document of private storage (XEP-0049). The items are what counts; the others are made from them.

use std::collections::BTreeMap;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::following::{private_options, read};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::pubsub::publishing::NewItem;
use crate::rosters::Owner;
use crate::service::Service;
use crate::store::DocumentKind;

/// The name of the document in private storage.
const DOCUMENT: &str = "{storage:bookmarks}storage";

/// The id of the one item (XEP-0048 section 3.1 of version 1.1, XEP-0223 section 3).
const CURRENT: &str = "current";

/// How many bookmarks one list may hold; of more, those behind it are left alone.
const BOOKMARKS_LIMIT: usize = 1_000;

/// Bookmarks by the address of their rooms, each in the format of an item.
type Bookmarks = BTreeMap<Jid, Element>;

impl Chat {
    /// The bookmarks of an account as items have them.
    async fn bookmarks(&self, owner: &Owner) -> Result<Bookmarks> {
        let items = self.kept_items(owner, ns::BOOKMARKS, BOOKMARKS_LIMIT).await?;
        let mut bookmarks = Bookmarks::new();
        for item in items {
            if let (Ok(jid), Some(payload)) = (Jid::new(&item.id), &item.payload) {
                bookmarks.insert(jid, read(payload)?);
            }
        }
        Ok(bookmarks)
    }

    /// An item was published or taken back: the two lists follow (XEP-0402 section 4).
    pub(super) async fn bookmarks_to_storage(&self, owner: &Owner) -> Result<()> {
        let _held = self.following.lock(&owner.jid).await;
        self.write_lists(owner).await
    }

    /// An item was published or taken back: the lists follow, and so do the rooms that the account's attending sessions
    /// hear.
    pub(super) async fn bookmarks_changed(&self, owner: &Owner) -> Result<()> {
        self.bookmarks_to_storage(owner).await?;
        self.listen_to_bookmarked(owner).await
    }

    /// The rooms of this installation that an account keeps to enter by itself.
    pub(crate) async fn bookmarked_rooms(&self, owner: &Owner) -> Result<Vec<Jid>> {
        let items = self.kept_items(owner, ns::BOOKMARKS, BOOKMARKS_LIMIT).await?;
        let mut rooms = Vec::new();
        for item in items {
            let Ok(jid) = Jid::new(&item.id) else { continue };
            if jid.is_full() || self.service(jid.domain()) != Some(Service::Rooms) {
                continue;
            }
            let enters = item.payload.as_deref().is_some_and(|payload| {
                Element::parse(payload)
                    .is_ok_and(|bookmark| matches!(bookmark.attr("autojoin"), Some("1" | "true")))
            });
            if enters {
                rooms.push(jid);
            }
        }
        Ok(rooms)
    }

    /// Keeps a room among an account's bookmarks, so that all of its clients enter it. What a client wrote there stays.
    pub(crate) async fn bookmark_room(&self, owner: &Owner, room: &Jid, name: &str) -> Result<()> {
        self.prepare(owner, ns::BOOKMARKS).await?;
        let known = self.kept_item(owner, ns::BOOKMARKS, room.as_str()).await?;
        let known = known.and_then(|item| item.payload).and_then(|payload| Element::parse(&payload).ok());
        let mut bookmark = known.unwrap_or_else(|| {
            let bookmark = Element::new(ns::BOOKMARKS, "conference");
            if name.is_empty() { bookmark } else { bookmark.with_attr("name", name) }
        });
        if matches!(bookmark.attr("autojoin"), Some("1" | "true")) {
            return Ok(());
        }
        bookmark.set_attr("autojoin", "true");
        let item = NewItem { id: Some(room.as_str().to_owned()), payload: Some(bookmark.to_xml().into()) };
        self.pep_publish(owner, ns::BOOKMARKS, item, &private_options()).await.map(drop)
    }

    /// Takes a room from an account's bookmarks, so that its clients leave it. Says whether it was there.
    pub(crate) async fn forget_room(&self, owner: &Owner, room: &Jid) -> Result<bool> {
        self.prepare(owner, ns::BOOKMARKS).await?;
        match self.pep_retract(owner, ns::BOOKMARKS, room.as_str()).await {
            Ok(()) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The list in one item was published: the items follow, and the list in private storage.
    pub(super) async fn storage_item_to_bookmarks(&self, owner: &Owner) -> Result<()> {
        let _held = self.following.lock(&owner.jid).await;
        let Some(item) = self.kept_items(owner, ns::BOOKMARKS_OLD, 1).await?.pop() else {
            return Ok(());
        };
        if let Some(payload) = &item.payload {
            self.take_list(owner, read(payload)?.root()).await?;
        }
        Ok(())
    }

    /// The list in private storage was written: the items follow, and the list in one item.
    pub(crate) async fn private_bookmarks_written(&self, owner: &Owner, storage: &Element) -> Result<()> {
        let _held = self.following.lock(&owner.jid).await;
        self.take_list(owner, storage.root()).await
    }

    /// What was in private storage before there were items becomes items, when somebody asks for these.
    pub(crate) async fn import_private_bookmarks(&self, owner: &Owner) -> Result<()> {
        let _held = self.following.lock(&owner.jid).await;
        if self.store.node(&owner.jid, ns::BOOKMARKS, &owner.jid).await?.is_some() {
            return Ok(());
        }
        match self.store.document(owner.account, DocumentKind::PrivateXml, DOCUMENT).await? {
            Some(kept) => self.take_list(owner, read(&kept)?.root()).await,
            None => Ok(()),
        }
    }

    /// Makes the items what a list says, without touching those that are the same, and writes both lists. What is in an item
    /// beyond what the list has words for stays in it.
    async fn take_list(&self, owner: &Owner, storage: ElementRef<'_>) -> Result<()> {
        let before = self.bookmarks(owner).await?;
        let wanted = read_list(storage, &before);
        for (jid, bookmark) in &wanted {
            if before.get(jid).is_none_or(|known| known.to_xml() != bookmark.to_xml()) {
                self.derive(owner, ns::BOOKMARKS, jid.as_str(), bookmark, &private_options()).await?;
            }
        }
        for jid in before.keys().filter(|jid| !wanted.contains_key(*jid)) {
            self.underive(owner, ns::BOOKMARKS, jid.as_str()).await?;
        }
        let kept = self.store.document(owner.account, DocumentKind::PrivateXml, DOCUMENT).await?;
        let links = kept.as_deref().map(read).transpose()?;
        // Links to pages stand in lists alone.
        let list = write_list(&wanted, Some(storage).or(links.as_ref().map(Element::root)));
        self.keep_lists(owner, &list).await
    }

    /// Writes both lists from the items.
    async fn write_lists(&self, owner: &Owner) -> Result<()> {
        let bookmarks = self.bookmarks(owner).await?;
        let kept = self.store.document(owner.account, DocumentKind::PrivateXml, DOCUMENT).await?;
        let before = kept.as_deref().map(read).transpose()?;
        let list = write_list(&bookmarks, before.as_ref().map(Element::root));
        self.keep_lists(owner, &list).await
    }

    async fn keep_lists(&self, owner: &Owner, list: &Element) -> Result<()> {
        let xml = list.to_xml();
        let kind = DocumentKind::PrivateXml;
        if self.store.document(owner.account, kind, DOCUMENT).await?.as_deref() != Some(&xml) {
            self.store.put_document(owner.account, kind, DOCUMENT, Some(&xml)).await?;
        }
        let before = self.kept_items(owner, ns::BOOKMARKS_OLD, 1).await?.pop();
        let same = before.is_some_and(|item| item.payload.as_deref() == Some(&xml));
        if !same {
            self.derive(owner, ns::BOOKMARKS_OLD, CURRENT, list, &private_options()).await?;
        }
        Ok(())
    }
}

/// The bookmarks of a list, each with the extensions that its item had before (XEP-0402 section 3.3).
fn read_list(storage: ElementRef<'_>, before: &Bookmarks) -> Bookmarks {
    let conferences = storage.children().filter(|child| child.is(ns::BOOKMARKS_OLD, "conference"));
    let mut bookmarks = Bookmarks::new();
    for conference in conferences.take(BOOKMARKS_LIMIT) {
        let Some(jid) = conference.attr("jid").and_then(|jid| Jid::new(jid).ok()) else { continue };
        let mut bookmark = Element::new(ns::BOOKMARKS, "conference");
        for attribute in ["name", "autojoin"] {
            if let Some(value) = conference.attr(attribute) {
                bookmark.set_attr(attribute, value);
            }
        }
        for name in ["nick", "password"] {
            if let Some(child) = conference.child(ns::BOOKMARKS_OLD, name) {
                bookmark.append(Element::new(ns::BOOKMARKS, name).with_text(&child.text()));
            }
        }
        let known = before.get(&jid).and_then(|known| known.child(ns::BOOKMARKS, "extensions"));
        if let Some(extensions) = known {
            bookmark.append_copy(extensions);
        }
        bookmarks.insert(jid, bookmark);
    }
    bookmarks
}

/// The list of these bookmarks, with what else stood in the list before.
fn write_list(bookmarks: &Bookmarks, before: Option<ElementRef<'_>>) -> Element {
    let mut storage = Element::new(ns::BOOKMARKS_OLD, "storage");
    for (jid, bookmark) in bookmarks {
        let mut conference = Element::new(ns::BOOKMARKS_OLD, "conference").with_attr("jid", jid.as_str());
        for attribute in ["name", "autojoin"] {
            if let Some(value) = bookmark.attr(attribute) {
                conference.set_attr(attribute, value);
            }
        }
        for name in ["nick", "password"] {
            if let Some(child) = bookmark.child(ns::BOOKMARKS, name) {
                conference.append(Element::new(ns::BOOKMARKS_OLD, name).with_text(&child.text()));
            }
        }
        storage.append(conference);
    }
    for other in before.into_iter().flat_map(|before| before.children().collect::<Vec<_>>()) {
        if !other.is(ns::BOOKMARKS_OLD, "conference") {
            storage.append_copy(other);
        }
    }
    storage
}
