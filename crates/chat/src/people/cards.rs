//! Keeping cards and showing them (XEP-0054).

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::Readers;
use super::card::Card;
use super::following::read;
use crate::account::Account;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rosters::Owner;

impl Chat {
    /// Keeps a card in place of the one before. What it says is published in the other formats, too.
    pub async fn set_card(&self, owner: &Owner, vcard: ElementRef<'_>) -> Result<()> {
        let _held = self.following.lock(&owner.jid).await;
        self.replace_card(owner, vcard).await
    }

    /// Keeps the card that an account's card becomes by a change. Nobody else changes it meanwhile.
    pub async fn edit_card(
        &self,
        owner: &Owner,
        change: impl FnOnce(Element) -> Element + Send,
    ) -> Result<()> {
        let _held = self.following.lock(&owner.jid).await;
        let before = self.kept_card(owner).await?.unwrap_or_else(|| Element::new(ns::VCARD, "vCard"));
        let after = change(before.clone());
        if after == before { Ok(()) } else { self.replace_card(owner, after.root()).await }
    }

    /// Keeps a card and publishes what it says. The caller holds the lock of the account's forms.
    async fn replace_card(&self, owner: &Owner, vcard: ElementRef<'_>) -> Result<()> {
        let card = Card::read(vcard)?;
        if card.xml.len() > self.settings().people.card_bytes_limit {
            return Err(Error::ResourceConstraint("the card is too large"));
        }
        self.keep_card(owner, card).await?;
        if let Err(error) = self.card_to_published(owner, vcard).await {
            tracing::warn!(%error, account = %owner.jid, "a card could not be published in other formats");
        }
        Ok(())
    }

    /// Keeps a card, and shows the hash of its picture if that is another one.
    pub(super) async fn keep_card(&self, owner: &Owner, card: Card) -> Result<()> {
        let before = self.store.photo_hash(owner.account).await?;
        let photo_hash = card.photo_hash.clone();
        self.store.put_card(owner.account, Some(card)).await?;
        self.profile_changed(&owner.jid);
        if photo_hash != before {
            self.show_photo_hash(owner, before.as_deref()).await?;
        }
        Ok(())
    }

    /// The card as it is kept.
    pub(super) async fn kept_card(&self, owner: &Owner) -> Result<Option<Element>> {
        self.store.card(owner.account).await?.map(|card| read(&card.xml)).transpose()
    }

    /// An account's own card; one that says nothing when there is none (XEP-0054 section 3.1), because clients that change a
    /// card read it first.
    pub async fn own_card(&self, owner: &Owner) -> Result<Element> {
        let account = self.account(&owner.jid).await?;
        Ok(self.shown_card(&account).await?.unwrap_or_else(|| Element::new(ns::VCARD, "vCard")))
    }

    /// Another account's card, whether or not it is connected. One answer for an account that is not there, one without a
    /// card, and one that must not be read (XEP-0054 section 3.3): `ServiceUnavailable`.
    pub async fn card_of(&self, viewer: &Jid, account: &Jid) -> Result<Element> {
        let profile = self.profile(account).await?.ok_or(Error::ServiceUnavailable)?;
        let readable = match self.settings().people.readers {
            _ if profile.blocks(viewer) => false,
            Readers::Everyone => true,
            Readers::Accounts => self.is_local(viewer.domain()),
            Readers::Contacts => self.shows_presence_to(&Owner::from(&*profile), viewer).await?,
        };
        if !readable {
            return Err(Error::ServiceUnavailable);
        }
        match self.account(account).await {
            Ok(account) => self.shown_card(&account).await?.ok_or(Error::ServiceUnavailable),
            Err(Error::NotFound) => Err(Error::ServiceUnavailable),
            Err(error) => Err(error),
        }
    }

    /// The card with the name that the account has where the card names none.
    async fn shown_card(&self, account: &Account) -> Result<Option<Element>> {
        let card = self.kept_card(&Owner::from(account)).await?;
        let named = card.as_ref().is_some_and(|card| card.child(ns::VCARD, "FN").is_some());
        match &account.name {
            Some(name) if !named => {
                let card = card.unwrap_or_else(|| Element::new(ns::VCARD, "vCard"));
                Ok(Some(card.with_child(Element::new(ns::VCARD, "FN").with_text(name))))
            }
            _ => Ok(card),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    fn vcard(content: &str) -> Element {
        Element::parse(&format!("<vCard xmlns='vcard-temp'>{content}</vCard>")).unwrap()
    }

    /// XEP-0054 sections 3.1 to 3.3.
    #[tokio::test]
    async fn cards_are_kept_and_shown() {
        let world = World::of(&["romeo", "juliet"]).await;
        let chat = &world.chat;
        let juliet = world.owner("juliet").await;
        assert_eq!(chat.own_card(&juliet).await.unwrap(), vcard(""));
        let none = chat.card_of(&jid("romeo/orchard"), &jid("juliet")).await;
        assert!(matches!(none, Err(Error::ServiceUnavailable)));
        let card = vcard("<FN>Juliet Capulet</FN>");
        chat.set_card(&juliet, card.root()).await.unwrap();
        assert_eq!(chat.own_card(&juliet).await.unwrap(), card);
        assert_eq!(chat.card_of(&jid("x.example"), &jid("juliet")).await.unwrap(), card);
        let nobody = chat.card_of(&jid("romeo"), &jid("nobody")).await;
        assert!(matches!(nobody, Err(Error::ServiceUnavailable)));
        chat.set_card(&juliet, vcard("").root()).await.unwrap();
        assert_eq!(chat.card_of(&jid("romeo"), &jid("juliet")).await.unwrap(), vcard(""));
        chat.set_name(&jid("juliet"), Some("Juliet".to_owned()), "local").await.unwrap();
        assert_eq!(chat.own_card(&juliet).await.unwrap(), vcard("<FN>Juliet</FN>"));
    }

    #[tokio::test]
    async fn who_reads_cards_is_decided() {
        for (readers, stranger, colleague, contact) in [
            (Readers::Everyone, true, true, true),
            (Readers::Accounts, false, true, true),
            (Readers::Contacts, false, false, true),
        ] {
            let world = World::with(|settings| settings.people.readers = readers);
            for name in ["juliet", "romeo", "tybalt"] {
                world.account(name).await;
            }
            world.contacts("juliet", "from", "romeo").await;
            let juliet = world.owner("juliet").await;
            world.chat.set_card(&juliet, vcard("<FN>J</FN>").root()).await.unwrap();
            let reads = async |viewer: &str| world.chat.card_of(&jid(viewer), &jid("juliet")).await.is_ok();
            assert_eq!(reads("x@elsewhere.example").await, stranger, "{readers:?}");
            assert_eq!(reads("tybalt").await, colleague, "{readers:?}");
            assert_eq!(reads("romeo").await, contact, "{readers:?}");
            world.chat.block(&juliet, vec![jid("romeo")]).await.unwrap();
            assert!(!reads("romeo").await, "{readers:?}");
        }
    }

    #[tokio::test]
    async fn a_card_is_bounded() {
        let world = World::with(|settings| settings.people.card_bytes_limit = 60);
        world.account("juliet").await;
        let juliet = world.owner("juliet").await;
        let large = world.chat.set_card(&juliet, vcard(&format!("<FN>{}</FN>", "x".repeat(60))).root()).await;
        assert!(matches!(large, Err(Error::ResourceConstraint(_))));
        world.chat.set_card(&juliet, vcard("<FN>x</FN>").root()).await.unwrap();
    }
}
