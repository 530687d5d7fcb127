//! Questions to the archive of the `Store` in memory, for tests.

use std::collections::BTreeMap;

use crate::account::AccountId;
use crate::archive::{ArchiveId, ArchivePage, ArchiveQuery, Archived, PageFrom};
use crate::memory_store::Tables;
use crate::store::{LABELLED_BYTES_LIMIT, StoreError, StoreResult};

impl Tables {
    pub(crate) fn page(&self, query: &ArchiveQuery) -> StoreResult<ArchivePage> {
        let all: Vec<_> = self.kept(query.owner).collect();
        let exists = |id: ArchiveId| all.iter().any(|(.., archived)| archived.id == id);
        let (behind, before) = match query.page {
            PageFrom::After(id) => (Some(id), None),
            PageFrom::Before(id) => (None, Some(id)),
            PageFrom::Start | PageFrom::End => (None, None),
        };
        let named = [behind, before, query.after_id, query.before_id];
        if !named.iter().flatten().chain(&query.ids).all(|id| exists(*id)) {
            return Err(StoreError::NotFound);
        }
        let mut found: Vec<Archived> = all
            .into_iter()
            .filter(|(_, message, a)| {
                query.with.as_ref().is_none_or(
                    |w| {
                        if w.is_bare() { a.peer.same_bare(w) } else { a.peer == *w }
                    },
                ) && query.start.is_none_or(|start| a.id >= start)
                    && query.end.is_none_or(|end| a.id <= end)
                    && [query.after_id, behind].iter().flatten().all(|after| a.id > *after)
                    && [query.before_id, before].iter().flatten().all(|before| a.id < *before)
                    && (query.ids.is_empty() || query.ids.contains(&a.id))
                    && query.text.as_ref().is_none_or(|words| matches_text(message.text.as_deref(), words))
                    && query.labels.iter().all(|label| message.labels.contains(label))
            })
            .map(|(.., archived)| archived)
            .collect();
        let complete = found.len() <= query.limit;
        match query.page {
            PageFrom::Start | PageFrom::After(_) => found.truncate(query.limit),
            PageFrom::End | PageFrom::Before(_) => {
                drop(found.drain(..found.len().saturating_sub(query.limit)))
            }
        }
        Ok(ArchivePage { items: found, complete })
    }

    pub(crate) fn labelled(&self, owner: AccountId, labels: &[String], limit: usize) -> Vec<Archived> {
        let mut found = BTreeMap::new();
        for label in labels {
            let all = self.kept(owner).rev().filter(|(_, message, _)| message.labels.contains(label));
            let mut bytes = 0;
            let within = all.take(limit).take_while(|(.., archived)| {
                let first = bytes == 0;
                bytes += archived.xml.len();
                first || bytes <= LABELLED_BYTES_LIMIT
            });
            found.extend(within.map(|(.., archived)| (archived.id, archived)));
        }
        found.into_values().collect()
    }
}

/// Whether all words of the search are words of the text, whatever their case.
fn matches_text(text: Option<&str>, words: &str) -> bool {
    let text = text.unwrap_or_default().to_lowercase();
    words.to_lowercase().split_whitespace().all(|word| text.contains(word))
}
