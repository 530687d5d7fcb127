//! Private XML storage: documents that an account's clients keep for themselves (XEP-0049).

use crate::chat::Chat;
use crate::error::{Error, Result};
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
        Ok(self
            .store
            .document(owner.account, DocumentKind::PrivateXml, &key)
            .await?)
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
        let _lock = self.rosters.lock(&owner.jid).await;
        let kept = self
            .store
            .documents(owner.account, DocumentKind::PrivateXml)
            .await?;
        if kept.len() >= settings.private_documents_limit && !kept.iter().any(|(other, _)| *other == key) {
            return Err(Error::ResourceConstraint("too many documents"));
        }
        Ok(self
            .store
            .put_document(owner.account, DocumentKind::PrivateXml, &key, Some(xml))
            .await?)
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
