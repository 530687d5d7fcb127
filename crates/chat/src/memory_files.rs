//! What the store in memory keeps about files.

use async_trait::async_trait;

use crate::account::AccountId;
use crate::files::store::{FileLimits, FileStore, FileUsage, Opening, Overdue, Reservation};
use crate::files::{FileId, FileState, Purpose, StoredFile, Thumbnail};
use crate::memory_store::{MemoryStore, Tables};
use crate::store::{StoreError, StoreResult};

impl Tables {
    fn file_mut(&mut self, id: &FileId) -> StoreResult<&mut StoredFile> {
        self.files.get_mut(id).filter(|file| file.state != FileState::Gone).ok_or(StoreError::NotFound)
    }

    pub(crate) fn discard_files_of(&mut self, owner: AccountId) {
        self.files
            .values_mut()
            .filter(|file| file.owner == owner)
            .for_each(|file| file.state = FileState::Gone);
    }
}

/// Whether a file takes room.
fn counts(file: &StoredFile, now_ms: u64) -> bool {
    match file.state {
        FileState::Open | FileState::Writing => file.open_until_ms > now_ms,
        FileState::Stored => true,
        FileState::Gone => false,
    }
}

fn is_overdue(file: &StoredFile, overdue: Overdue) -> bool {
    match file.state {
        FileState::Open | FileState::Writing => file.open_until_ms <= overdue.now_ms,
        FileState::Stored => {
            file.expires_ms.is_some_and(|end| end <= overdue.now_ms)
                || matches!(file.purpose, Purpose::Message | Purpose::Ephemeral)
                    && overdue.stored_before_ms.is_some_and(|before| file.stored_ms < before)
        }
        FileState::Gone => false,
    }
}

#[async_trait]
impl FileStore for MemoryStore {
    async fn reserve_file(&self, file: StoredFile, limits: FileLimits) -> StoreResult<Reservation> {
        let mut tables = self.tables()?;
        let own = || tables.files.values().filter(|other| other.owner == file.owner);
        let recent = || own().filter(|other| other.created_ms > limits.window_start_ms);
        if recent().count() >= limits.count as usize {
            let oldest_ms = recent().map(|other| other.created_ms).min().unwrap_or(limits.now_ms);
            return Ok(Reservation::TooMany { oldest_ms });
        }
        let taken = |purpose: Option<Purpose>| {
            let same = own().filter(|other| purpose.is_none_or(|purpose| other.purpose == purpose));
            same.filter(|other| counts(other, limits.now_ms)).map(|other| other.size).sum::<u64>() + file.size
        };
        let over = taken(None) > limits.quota_bytes
            || limits.purpose_quota_bytes.is_some_and(|quota| taken(Some(file.purpose)) > quota);
        if over {
            return Ok(Reservation::OverQuota);
        }
        tables.files.insert(file.id.clone(), file);
        Ok(Reservation::Granted)
    }

    async fn file(&self, id: &FileId) -> StoreResult<Option<StoredFile>> {
        Ok(self.tables()?.files.get(id).filter(|file| file.state != FileState::Gone).cloned())
    }

    async fn open_file(&self, id: &FileId, now_ms: u64, until_ms: u64) -> StoreResult<Opening> {
        let mut tables = self.tables()?;
        let Ok(file) = tables.file_mut(id) else { return Ok(Opening::Closed) };
        Ok(match file.state {
            FileState::Open if file.open_until_ms > now_ms => {
                (file.state, file.open_until_ms) = (FileState::Writing, until_ms);
                Opening::Granted
            }
            FileState::Writing | FileState::Stored => Opening::Taken,
            FileState::Open | FileState::Gone => Opening::Closed,
        })
    }

    async fn release_file(&self, id: &FileId, until_ms: u64) -> StoreResult<()> {
        let mut tables = self.tables()?;
        if let Ok(file) = tables.file_mut(id)
            && file.state == FileState::Writing
        {
            (file.state, file.open_until_ms) = (FileState::Open, until_ms);
        }
        Ok(())
    }

    async fn complete_file(&self, id: &FileId, stored_ms: u64) -> StoreResult<()> {
        let mut tables = self.tables()?;
        let file = tables.file_mut(id)?;
        if file.state != FileState::Writing {
            return Err(StoreError::NotFound);
        }
        (file.state, file.stored_ms) = (FileState::Stored, stored_ms);
        Ok(())
    }

    async fn set_thumbnail(&self, id: &FileId, thumbnail: Thumbnail) -> StoreResult<()> {
        self.tables()?.file_mut(id)?.thumbnail = thumbnail;
        Ok(())
    }

    async fn files(
        &self,
        owner: Option<AccountId>,
        after: Option<&FileId>,
        limit: usize,
    ) -> StoreResult<Vec<StoredFile>> {
        let tables = self.tables()?;
        let stored = tables.files.values().filter(|file| {
            file.state == FileState::Stored
                && owner.is_none_or(|owner| file.owner == owner)
                && after.is_none_or(|after| file.id > *after)
        });
        Ok(stored.take(limit).cloned().collect())
    }

    async fn file_usage(&self, owner: AccountId) -> StoreResult<FileUsage> {
        let tables = self.tables()?;
        let stored = tables.files.values().filter(|f| f.owner == owner && f.state == FileState::Stored);
        Ok(stored.fold(FileUsage::default(), |usage, file| FileUsage {
            files: usage.files + 1,
            bytes: usage.bytes + file.size,
        }))
    }

    async fn discard_file(&self, id: &FileId) -> StoreResult<()> {
        self.tables()?.file_mut(id)?.state = FileState::Gone;
        Ok(())
    }

    async fn gone_files(
        &self,
        overdue: Overdue,
        after: Option<&FileId>,
        limit: usize,
    ) -> StoreResult<Vec<FileId>> {
        let mut tables = self.tables()?;
        for file in tables.files.values_mut().filter(|file| is_overdue(file, overdue)) {
            file.state = FileState::Gone;
        }
        let gone = tables
            .files
            .values()
            .filter(|file| file.state == FileState::Gone && after.is_none_or(|after| file.id > *after));
        Ok(gone.take(limit).map(|file| file.id.clone()).collect())
    }

    async fn forget_file(&self, id: &FileId, before_ms: u64) -> StoreResult<()> {
        self.tables()?.files.retain(|other, file| {
            other != id || file.state != FileState::Gone || file.created_ms > before_ms
        });
        Ok(())
    }
}
