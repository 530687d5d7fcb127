//! What follows from what an account publishes for itself: its picture and its card in one format appear in the other
//! (XEP-0398, XEP-0292), and its bookmarks in all three places where clients keep them (XEP-0402 section 4).
//!
//! What is derived is published without anything following from it, so that nothing goes round in circles.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::pubsub::Place;
use crate::pubsub::publishing::NewItem;
use crate::pubsub::store::{Item, ItemQuery};
use crate::rosters::Owner;
use crate::store::StoreError;

const STRIPES: usize = 256;

/// The locks under which an account's forms of one thing are brought together; taken with no other held.
#[derive(Debug)]
pub(crate) struct Following {
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
}

impl Default for Following {
    fn default() -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }
}

impl Following {
    pub(crate) async fn lock(&self, account: &Jid) -> MutexGuard<'_, ()> {
        let at =
            usize::try_from(self.hasher.hash_one(account.bare_str()) % STRIPES as u64).unwrap_or_default();
        self.stripes[at].lock().await
    }
}

/// What the server creates a node with: fields of its configuration.
pub(crate) fn options(pairs: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
    pairs.iter().map(|(var, value)| ((*var).to_owned(), vec![(*value).to_owned()])).collect()
}

/// XEP-0223: for the account itself alone, and as many items as there are.
pub(crate) fn private_options() -> Vec<(String, Vec<String>)> {
    options(&[
        ("pubsub#access_model", "whitelist"),
        ("pubsub#persist_items", "true"),
        ("pubsub#max_items", "max"),
        ("pubsub#send_last_published_item", "never"),
    ])
}

/// Reads what is kept as canonical XML.
pub(crate) fn read(xml: &str) -> Result<Element> {
    Element::parse(xml).map_err(|error| Error::Internal(StoreError::Failed(Box::new(error))))
}

impl Chat {
    /// Brings what an account kept elsewhere to a node of its own that is about to be read or published to.
    pub(crate) async fn prepare(&self, owner: &Owner, node: &str) -> Result<()> {
        match node {
            ns::BOOKMARKS | ns::BOOKMARKS_OLD => self.import_private_bookmarks(owner).await,
            _ => Ok(()),
        }
    }

    /// Something was published at an account's own node, or taken back from it. It has been committed and told.
    pub(crate) async fn follow(&self, owner: &Owner, node: &str) {
        let followed = match node {
            ns::AVATAR_METADATA => self.avatar_to_card(owner).await,
            ns::VCARD4_NODE => self.vcard4_to_card(owner).await,
            ns::BOOKMARKS => self.bookmarks_changed(owner).await,
            ns::DISPLAYED => self.displayed_elsewhere(owner).await,
            ns::BOOKMARKS_OLD => self.storage_item_to_bookmarks(owner).await,
            _ => Ok(()),
        };
        if let Err(error) = followed {
            tracing::warn!(%error, account = %owner.jid, node, "what follows from a publication could not be done");
        }
    }

    /// The newest items of an account's own node, at most `max`; none where there is no such node.
    pub(super) async fn kept_items(&self, owner: &Owner, node: &str, max: usize) -> Result<Vec<Item>> {
        match self.store.node(&owner.jid, node, &owner.jid).await? {
            Some(view) => Ok(self.store.items(view.node.id, ItemQuery::Last(max)).await?.items),
            None => Ok(Vec::new()),
        }
    }

    /// One item of an account's own node.
    pub(super) async fn kept_item(&self, owner: &Owner, node: &str, id: &str) -> Result<Option<Item>> {
        match self.store.node(&owner.jid, node, &owner.jid).await? {
            Some(view) => Ok(self.store.items_by_id(view.node.id, &[id.to_owned()]).await?.pop()),
            None => Ok(None),
        }
    }

    /// Publishes what follows from something else, in the account's name. Nothing follows from it.
    pub(crate) async fn derive(
        &self,
        owner: &Owner,
        node: &str,
        id: &str,
        payload: &Element,
        options: &[(String, Vec<String>)],
    ) -> Result<()> {
        let place = Place::of(owner.clone());
        let known = self.store.node(&place.jid, node, &owner.jid).await?.is_some();
        let options = if known { &[] } else { options };
        let item = NewItem { id: Some(id.to_owned()), payload: Some(Arc::from(payload.to_xml())) };
        self.publish_alone(&place, &owner.jid, node, Some(item), options).await.map(drop)
    }

    /// Takes back what is derived and has nothing behind it any more.
    pub(crate) async fn underive(&self, owner: &Owner, node: &str, id: &str) -> Result<()> {
        let place = Place::of(owner.clone());
        match self.retract_alone(&place, &owner.jid, node, &[id.to_owned()], true).await {
            Ok(()) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
