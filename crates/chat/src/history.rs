//! Reading an account's archive page by page (XEP-0313), and its owner's say in what is kept (XEP-0441).

use waxwing_xmpp::jid::Jid;

use crate::archive::{ArchiveBounds, ArchiveId, ArchivePage, ArchiveQuery, Archived, PageFrom};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::preferences::{ArchivePreferences, PREFERENCES_LIST_LIMIT};
use crate::rosters::Owner;
use crate::session::Session;
use crate::store::DocumentKind;

/// How many messages a page has when the client does not say.
pub const PAGE_DEFAULT: usize = 50;

/// How many messages a page has at most.
pub const PAGE_LIMIT: usize = 100;

/// How many bytes of messages a page has at most; a single message may be larger.
pub const PAGE_BYTES_LIMIT: usize = 1024 * 1024;

/// How many messages can be asked for by their ids at one time.
pub const IDS_LIMIT: usize = 100;

/// What somebody wants to read of his archive. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only with this party: a bare address stands for all its resources too, the owner's for messages to himself.
    pub with: Option<Jid>,
    /// Not before this moment, milliseconds since the Unix epoch.
    pub start_ms: Option<u64>,
    /// Not after this moment, milliseconds since the Unix epoch.
    pub end_ms: Option<u64>,
    /// Only behind this message.
    pub after_id: Option<ArchiveId>,
    /// Only before this message.
    pub before_id: Option<ArchiveId>,
    /// Only these messages, unless empty.
    pub ids: Vec<ArchiveId>,
    /// Only messages with these words.
    pub text: Option<String>,
    /// Which page.
    pub page: PageFrom,
    /// How many messages the page may have.
    pub limit: Option<usize>,
}

impl Default for HistoryQuery {
    /// The first page of everything.
    fn default() -> Self {
        Self {
            with: None,
            start_ms: None,
            end_ms: None,
            after_id: None,
            before_id: None,
            ids: Vec::new(),
            text: None,
            page: PageFrom::Start,
            limit: None,
        }
    }
}

impl HistoryQuery {
    /// How far a client knows its whole archive once it has this page, if it reads it forwards and without a gap.
    fn known_with(&self, page: &ArchivePage) -> Option<ArchiveId> {
        let after = match self.page {
            PageFrom::Start => self.after_id,
            PageFrom::After(id) => Some(id),
            PageFrom::End | PageFrom::Before(_) => return None,
        };
        let everything =
            Self { page: self.page, after_id: self.after_id, limit: self.limit, ..Self::default() };
        if *self != everything {
            return None;
        }
        page.items.last().map(|message| message.id).or(after)
    }
}

impl Chat {
    /// A page of an account's archive for one of its sessions. What a client has read before it takes messages is not
    /// replayed to it: XEP-0313 section 6.1.1 suggests that, as it would have everything twice.
    pub async fn read_history(&self, session: &Session, query: HistoryQuery) -> Result<ArchivePage> {
        let page = self.history(&Owner::from(session), query.clone()).await?;
        if session.is_replaying()
            && let Some(known) = query.known_with(&page)
            && let Err(error) = self.known_from_archive(session, known).await
        {
            tracing::warn!(%error, "what was read from the archive is delivered as well");
        }
        Ok(page)
    }

    /// A page of an account's archive, oldest message first. `NotFound` when a message is named that is not there.
    pub async fn history(&self, owner: &Owner, query: HistoryQuery) -> Result<ArchivePage> {
        if query.ids.len() > IDS_LIMIT {
            return Err(Error::NotAcceptable("too many ids at one time"));
        }
        let limit = query.limit.unwrap_or(PAGE_DEFAULT).min(PAGE_LIMIT);
        let forwards = matches!(query.page, PageFrom::Start | PageFrom::After(_));
        let page = self.store.archive_page(ArchiveQuery {
            owner: owner.account,
            with: query.with,
            start: query.start_ms.map(ArchiveId::at_ms),
            // Within the last millisecond everything is "equal to or earlier than" its end.
            end: query.end_ms.map(|ms| ArchiveId(ArchiveId::at_ms(ms.saturating_add(1)).0.saturating_sub(1))),
            after_id: query.after_id,
            before_id: query.before_id,
            ids: query.ids,
            text: query.text,
            labels: Vec::new(),
            page: query.page,
            limit: limit.max(1),
        });
        let mut page = page.await?;
        if limit == 0 {
            // Nobody wants the messages, only to know whether there are any (XEP-0059 section 2.7).
            page.complete = page.items.is_empty();
            page.items.clear();
        }
        trim(&mut page, forwards);
        Ok(page)
    }

    /// The first and last message of an account's archive.
    pub async fn history_bounds(&self, owner: &Owner) -> Result<Option<ArchiveBounds>> {
        Ok(self.store.archive_bounds(owner.account).await?)
    }

    /// What an account wants archived.
    pub async fn archive_preferences(&self, owner: &Owner) -> Result<ArchivePreferences> {
        let profile = self.profile(&owner.jid).await?.ok_or(Error::NotFound)?;
        Ok(profile.archive.clone())
    }

    /// Replaces what an account wants archived; counts for messages from now on.
    pub async fn set_archive_preferences(
        &self,
        owner: &Owner,
        preferences: &ArchivePreferences,
    ) -> Result<()> {
        if preferences.always.len() > PREFERENCES_LIST_LIMIT
            || preferences.never.len() > PREFERENCES_LIST_LIMIT
        {
            return Err(Error::ResourceConstraint("too many addresses in a list"));
        }
        let stored = preferences.to_stored();
        self.store.put_document(owner.account, DocumentKind::ArchivePreferences, "", Some(&stored)).await?;
        self.profile_changed(&owner.jid);
        Ok(())
    }
}

/// Cuts a page off where it gets too large, at the end that the next page begins with.
fn trim(page: &mut ArchivePage, forwards: bool) {
    let fits = |items: &mut dyn Iterator<Item = &Archived>| {
        let mut bytes = 0usize;
        items
            .take_while(|message| {
                let first = bytes == 0;
                bytes = bytes.saturating_add(message.xml.len().max(1));
                first || bytes <= PAGE_BYTES_LIMIT
            })
            .count()
    };
    let all = page.items.len();
    let kept = if forwards { fits(&mut page.items.iter()) } else { fits(&mut page.items.iter().rev()) };
    if kept == all {
        return;
    }
    page.complete = false;
    if forwards {
        page.items.truncate(kept);
    } else {
        page.items.drain(..all - kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Direction;

    fn page(sizes: &[usize]) -> ArchivePage {
        let items = sizes.iter().zip(1..).map(|(size, id)| Archived {
            id: ArchiveId(id),
            peer: Jid::new("romeo@montague.lit").unwrap(),
            direction: Direction::Incoming,
            xml: vec![b'x'; *size],
        });
        ArchivePage { items: items.collect(), complete: true }
    }

    fn trimmed(sizes: &[usize], forwards: bool) -> (Vec<u64>, bool) {
        let mut page = page(sizes);
        trim(&mut page, forwards);
        (page.items.iter().map(|message| message.id.0).collect(), page.complete)
    }

    #[test]
    fn a_page_is_cut_where_the_next_one_begins() {
        const HALF: usize = PAGE_BYTES_LIMIT / 2;
        assert_eq!(trimmed(&[HALF, HALF], true), (vec![1, 2], true));
        assert_eq!(trimmed(&[HALF, HALF, 1], true), (vec![1, 2], false));
        assert_eq!(trimmed(&[1, HALF, HALF], false), (vec![2, 3], false));
        assert_eq!(trimmed(&[], true), (vec![], true));
    }

    /// Only a reader who leaves nothing out knows everything before the end of his page.
    #[test]
    fn a_filtered_page_says_nothing_about_the_rest() {
        let known = |query: HistoryQuery| query.known_with(&page(&[1, 1]));
        let all = HistoryQuery::default;
        assert_eq!(known(all()), Some(ArchiveId(2)));
        assert_eq!(known(HistoryQuery { page: PageFrom::After(ArchiveId(7)), ..all() }), Some(ArchiveId(2)));
        assert_eq!(known(HistoryQuery { page: PageFrom::End, ..all() }), None);
        assert_eq!(known(HistoryQuery { text: Some("friar".to_owned()), ..all() }), None);
        assert_eq!(known(HistoryQuery { with: Jid::new("romeo@montague.lit").ok(), ..all() }), None);
        assert_eq!(known(HistoryQuery { start_ms: Some(1), ..all() }), None);
        let up_to_date = HistoryQuery { after_id: Some(ArchiveId(7)), ..all() };
        assert_eq!(up_to_date.known_with(&page(&[])), Some(ArchiveId(7)));
    }

    /// Or nobody could ever page past it.
    #[test]
    fn a_message_larger_than_a_page_is_a_page() {
        assert_eq!(trimmed(&[PAGE_BYTES_LIMIT + 1, 1], true), (vec![1], false));
        assert_eq!(trimmed(&[1, PAGE_BYTES_LIMIT + 1], false), (vec![2], false));
    }
}
