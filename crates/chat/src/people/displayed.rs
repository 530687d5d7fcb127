//! How far somebody has read, said in passing (XEP-0490 section 4.5): the server publishes it for the account's other
//! clients and takes it out of the message.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;

use super::following::{self, private_options};
use crate::chat::Chat;
use crate::error::Result;
use crate::rosters::Owner;
use crate::session::Session;

/// How many of the newest marks are looked at when one is published: more are not published at the same moment.
const AT_ONCE: usize = 10;

impl Chat {
    /// The message without what is for the account itself, which is published under the address it goes to, as it stands.
    pub(crate) async fn publish_displayed(&self, sender: &Arc<Session>, mut message: Stanza) -> Stanza {
        let Some(displayed) = message.child(ns::DISPLAYED, "displayed").map(|child| child.to_element())
        else {
            return message;
        };
        message.element.retain_children(|child| !child.is(ns::DISPLAYED, "displayed"));
        if let Some(to) = &message.to {
            let owner = Owner::from(&**sender);
            self.read_elsewhere(&owner, to);
            if let Err(error) = Box::pin(self.read_by_publication(&owner, to, &displayed)).await {
                tracing::warn!(%error, account = %owner.jid, "how far somebody has read could not be noted");
            }
            let options = private_options();
            let published =
                Box::pin(self.derive(&owner, ns::DISPLAYED, to.as_str(), &displayed, &options)).await;
            if let Err(error) = published {
                tracing::warn!(%error, account = %owner.jid, "how far somebody has read could not be published");
            }
        }
        message
    }

    /// Somebody has published how far he has read: nothing need call him there any more.
    pub(crate) async fn displayed_elsewhere(&self, owner: &Owner) -> Result<()> {
        // Others may have been published since, for which this is called as well.
        for item in self.kept_items(owner, ns::DISPLAYED, AT_ONCE).await? {
            let (Ok(conversation), Some(payload)) = (Jid::new(&item.id), &item.payload) else { continue };
            self.read_by_publication(owner, &conversation, &following::read(payload)?).await?;
        }
        Ok(())
    }
}
