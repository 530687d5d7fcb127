//! Private XML storage: documents that an account's clients keep for themselves (XEP-0049).

use waxwing_xmpp::ns;

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::people::following::read;
use crate::rosters::Owner;
use crate::store::DocumentKind;

/// Bytes of the namespace and name of a document.
pub const PRIVATE_KEY_BYTES_LIMIT: usize = 1024;

impl Chat {
    /// The document whose root element has this namespace and name.
    pub async fn private_document(
        &self,
        owner: &Owner,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>> {
        let key = key(namespace, name)?;
        Ok(self.store.document(owner.account, DocumentKind::PrivateXml, &key).await?)
    }

    /// Keeps a document in place of the one with the same namespace and name.
    pub async fn put_private_document(
        &self,
        owner: &Owner,
        namespace: &str,
        name: &str,
        xml: &str,
    ) -> Result<()> {
        let key = key(namespace, name)?;
        let settings = self.settings();
        if xml.len() > settings.private_document_bytes_limit {
            return Err(Error::ResourceConstraint("the document is too large"));
        }
        let lock = self.rosters.lock(&owner.jid).await;
        let kept = self.store.documents(owner.account, DocumentKind::PrivateXml).await?;
        if kept.len() >= settings.private_documents_limit && !kept.iter().any(|(other, _)| *other == key) {
            return Err(Error::ResourceConstraint("too many documents"));
        }
        self.store.put_document(owner.account, DocumentKind::PrivateXml, &key, Some(xml)).await?;
        drop(lock);
        if namespace == ns::BOOKMARKS_OLD {
            self.private_bookmarks_written(owner, &read(xml)?).await?;
        }
        Ok(())
    }
}

/// XEP-0049 section 2.3: a document has a namespace of its own, and not one of those reserved for the protocol.
fn key(namespace: &str, name: &str) -> Result<String> {
    if namespace.is_empty() {
        return Err(Error::NotAcceptable("the document has no namespace of its own"));
    }
    if namespace.starts_with("jabber:")
        || namespace.starts_with("http://jabber.org/")
        || namespace == "vcard-temp"
    {
        return Err(Error::NotAcceptable("the namespace is reserved"));
    }
    if namespace.len() + name.len() > PRIVATE_KEY_BYTES_LIMIT {
        return Err(Error::NotAcceptable("the namespace is too long"));
    }
    Ok(format!("{{{namespace}}}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    /// XEP-0049 section 2.
    #[tokio::test]
    async fn documents_are_kept_by_namespace_and_name() {
        let world = World::of(&["hamlet", "macbeth"]).await;
        let hamlet = world.owner("hamlet").await;
        let chat = &world.chat;
        let xml = "<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>";
        chat.put_private_document(&hamlet, "exodus:prefs", "exodus", xml).await.unwrap();
        assert_eq!(
            chat.private_document(&hamlet, "exodus:prefs", "exodus").await.unwrap().as_deref(),
            Some(xml)
        );
        assert_eq!(chat.private_document(&hamlet, "exodus:prefs", "other").await.unwrap(), None);
        let macbeth = world.owner("macbeth").await;
        assert_eq!(chat.private_document(&macbeth, "exodus:prefs", "exodus").await.unwrap(), None);
    }

    /// XEP-0049 section 3, and the limits of the settings.
    #[tokio::test]
    async fn documents_are_refused() {
        let world = World::with(|settings| {
            settings.private_documents_limit = 1;
            settings.private_document_bytes_limit = 20;
        });
        world.account("hamlet").await;
        let hamlet = world.owner("hamlet").await;
        let chat = &world.chat;
        for namespace in ["", "jabber:iq:roster", "http://jabber.org/protocol/x", "vcard-temp"] {
            let put = chat.put_private_document(&hamlet, namespace, "x", "<x/>").await;
            assert!(matches!(put, Err(Error::NotAcceptable(_))), "{namespace}");
            assert!(matches!(
                chat.private_document(&hamlet, namespace, "x").await,
                Err(Error::NotAcceptable(_))
            ));
        }
        let long = chat.put_private_document(&hamlet, "a", "x", "<x>0123456789012345</x>").await;
        assert!(matches!(long, Err(Error::ResourceConstraint(_))));
        chat.put_private_document(&hamlet, "a", "x", "<x/>").await.unwrap();
        chat.put_private_document(&hamlet, "a", "x", "<x>2</x>").await.unwrap();
        let more = chat.put_private_document(&hamlet, "b", "x", "<x/>").await;
        assert!(matches!(more, Err(Error::ResourceConstraint(_))));
    }
}
