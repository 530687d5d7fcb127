//! An account's picture and card in their formats: as published for itself (XEP-0084, XEP-0292) and as its card has them
//! (XEP-0054, XEP-0153). XEP-0398 says how the one follows from the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::Readers;
use super::card::{Card, Photo, photo, sha1_hex};
use super::following::{options, read};
use super::vcard4;
use crate::chat::Chat;
use crate::error::Result;
use crate::pubsub::configuration::AccessModel;
use crate::rosters::Owner;
use crate::route::Destination;
use crate::service::Service;

/// The id of the one item that a card in the format of vCard4 is.
const CARD_ITEM: &str = "current";

impl Chat {
    /// The picture that an account or a room shows to everybody who knows its hash, which is as good as a secret until somebody
    /// who may see it tells it. `None` for any hash but that of a picture in use.
    pub async fn avatar(&self, of: &Jid, hash: &str) -> Result<Option<Vec<u8>>> {
        let of = of.to_bare();
        let found = match self.locate(&of) {
            Destination::Service(Service::Rooms) => self.room_pictures(&of, hash).await?,
            Destination::Remote | Destination::Service(_) => return Ok(None),
            _ => match self.profile(&of).await? {
                Some(profile) if profile.photo_hash.as_deref() == Some(hash) => {
                    self.kept_card(&Owner::from(&*profile)).await?.into_iter().collect()
                }
                _ => return Ok(None),
            },
        };
        for card in found {
            if let Some(picture) = photo(card.root())?
                && sha1_hex(&picture.data) == hash
            {
                return Ok(Some(picture.data));
            }
        }
        Ok(None)
    }

    /// Puts another picture on an account's card, and publishes it; `None` takes it away.
    pub async fn set_avatar(&self, owner: &Owner, picture: Option<Photo>) -> Result<()> {
        self.edit_card(owner, |mut card| {
            card.retain_children(|child| !child.is(ns::VCARD, "PHOTO"));
            match &picture {
                Some(picture) => card.with_child(photo_element(picture)),
                None => card,
            }
        })
        .await
    }

    /// XEP-0398 section 3.1: the picture that is published becomes the one on the card.
    pub(super) async fn avatar_to_card(&self, owner: &Owner) -> Result<()> {
        let _held = self.following.lock(&owner.jid).await;
        let picture = self.published_avatar(owner).await?;
        let kept = self.kept_card(owner).await?;
        let hash = picture.as_ref().map(|picture| sha1_hex(&picture.data));
        let before = kept.as_ref().map(|card| photo(card.root())).transpose()?.flatten();
        let same = hash == before.map(|photo| sha1_hex(&photo.data));
        let shown = self.shows_to_all(owner, ns::AVATAR_DATA).await?;
        // What is no longer for everybody does not stay on a card that everybody may read.
        if same == shown || (!shown && hash.is_none()) {
            return Ok(());
        }
        let picture = picture.filter(|_| shown);
        let mut vcard = kept.unwrap_or_else(|| Element::new(ns::VCARD, "vCard"));
        vcard.retain_children(|child| !child.is(ns::VCARD, "PHOTO"));
        if let Some(picture) = picture {
            vcard.append(photo_element(&picture));
        }
        self.keep_card(owner, Card::read(vcard.root())?).await
    }

    /// XEP-0398 section 6: whoever may read the card may read what is on it, so it has to be something that he could read
    /// anyway at the node where it was published.
    async fn shows_to_all(&self, owner: &Owner, node: &str) -> Result<bool> {
        if self.settings().people.readers == Readers::Contacts {
            return Ok(true);
        }
        let view = self.store.node(&owner.jid, node, &owner.jid).await?;
        Ok(view.is_none_or(|view| view.node.configuration.access_model == AccessModel::Open))
    }

    /// The picture that an account has published, if it has and did not hide it. Of several formats it is the one that lies
    /// here and not at some address (XEP-0084 section 4.2.1).
    async fn published_avatar(&self, owner: &Owner) -> Result<Option<Photo>> {
        let Some(item) = self.kept_items(owner, ns::AVATAR_METADATA, 1).await?.pop() else {
            return Ok(None);
        };
        let Some(metadata) = item.payload.as_deref().map(read).transpose()? else {
            return Ok(None);
        };
        let mut infos = metadata.children().filter(|child| child.is(ns::AVATAR_METADATA, "info"));
        let Some(info) = infos.find(|info| info.attr("url").is_none()) else {
            return Ok(None);
        };
        let id = info.attr("id").unwrap_or_default();
        let Some(data) = self.kept_item(owner, ns::AVATAR_DATA, id).await? else {
            return Ok(None);
        };
        let Some(data) = data.payload.as_deref().map(read).transpose()? else {
            return Ok(None);
        };
        let encoded: String = data.text().chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let data = STANDARD.decode(encoded).ok().filter(|data| sha1_hex(data).eq_ignore_ascii_case(id));
        let media_type = info.attr("type").unwrap_or("image/png").to_owned();
        Ok(data.filter(|data| !data.is_empty()).map(|data| Photo { media_type, data }))
    }

    /// A card in the format of vCard4 was published: the other format says the same. What it has no word for, the picture
    /// and whether it is private, stays as it was.
    pub(super) async fn vcard4_to_card(&self, owner: &Owner) -> Result<()> {
        let _held = self.following.lock(&owner.jid).await;
        if !self.shows_to_all(owner, ns::VCARD4_NODE).await? {
            return Ok(());
        }
        let Some(item) = self.kept_items(owner, ns::VCARD4_NODE, 1).await?.pop() else {
            return Ok(());
        };
        let Some(card) = item.payload.as_deref().map(read).transpose()? else {
            return Ok(());
        };
        let mut vcard = vcard4::to_temp(card.root());
        if let Some(kept) = self.kept_card(owner).await? {
            for child in kept.children().filter(|child| matches!(child.name(), "PHOTO" | "CLASS")) {
                vcard.append_copy(child);
            }
        }
        self.keep_card(owner, Card::read(vcard.root())?).await
    }

    /// A card was set: what it says, and the picture on it, are published (XEP-0398 section 3.2, XEP-0292 section 3.1).
    pub(super) async fn card_to_published(&self, owner: &Owner, vcard: ElementRef<'_>) -> Result<()> {
        let settings = self.settings();
        let access = if settings.people.readers == Readers::Everyone { "open" } else { "presence" };
        let known = self.published_avatar(owner).await?.map(|picture| sha1_hex(&picture.data));
        let picture = photo(vcard)?;
        let hash = picture.as_ref().map(|picture| sha1_hex(&picture.data));
        if known != hash {
            let configuration = options(&[("pubsub#access_model", access), ("pubsub#persist_items", "true")]);
            let mut metadata = Element::new(ns::AVATAR_METADATA, "metadata");
            if let (Some(picture), Some(hash)) = (&picture, &hash) {
                let data = Element::new(ns::AVATAR_DATA, "data").with_text(&STANDARD.encode(&picture.data));
                self.derive(owner, ns::AVATAR_DATA, hash, &data, &configuration).await?;
                metadata.append(
                    Element::new(ns::AVATAR_METADATA, "info")
                        .with_attr("bytes", &picture.data.len().to_string())
                        .with_attr("id", hash)
                        .with_attr("type", &picture.media_type),
                );
            }
            let id = hash.as_deref().unwrap_or(CARD_ITEM);
            self.derive(owner, ns::AVATAR_METADATA, id, &metadata, &configuration).await?;
        }
        let card = vcard4::from_temp(vcard);
        let before = self.kept_items(owner, ns::VCARD4_NODE, 1).await?.pop();
        let same = before.as_ref().is_some_and(|item| item.payload.as_deref() == Some(&card.to_xml()));
        let nothing = card.children().next().is_none() && before.is_none();
        if !same && !nothing {
            let configuration = options(&[("pubsub#access_model", access), ("pubsub#persist_items", "true")]);
            let id = before.map_or_else(|| CARD_ITEM.to_owned(), |item| item.id);
            self.derive(owner, ns::VCARD4_NODE, &id, &card, &configuration).await?;
        }
        Ok(())
    }
}

/// XEP-0153 section 4.5.
fn photo_element(picture: &Photo) -> Element {
    let part = |name, text: &str| Element::new(ns::VCARD, name).with_text(text);
    Element::new(ns::VCARD, "PHOTO")
        .with_child(part("TYPE", &picture.media_type))
        .with_child(part("BINVAL", &STANDARD.encode(&picture.data)))
}
