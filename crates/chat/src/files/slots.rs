//! Asking for a place for a file: who may have one, how large, how often (XEP-0363 sections 4 to 6).

use super::store::{FileLimits, Reservation};
use super::{FileId, FileState, NAME_BYTES_LIMIT, Purpose, StoredFile, Thumbnail, names};
use crate::chat::Chat;
use crate::error::Error;
use crate::rosters::Owner;
use crate::store::StoreError;

/// Over which time the places that an account asks for are counted.
pub const COUNTED_MS: u64 = 3_600_000;

/// How long a name may be as it comes; what is kept of it is at most [`NAME_BYTES_LIMIT`].
pub const GIVEN_NAME_BYTES_LIMIT: usize = 4 * NAME_BYTES_LIMIT;

/// What somebody wants to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOrder {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// When it has to be gone, for an ephemeral file.
    pub expires_ms: Option<u64>,
}

/// A place for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Where it is put and read.
    pub link: String,
    /// The secret that has to come with its content.
    pub token: String,
}

/// Why there is no place for a file.
#[derive(Debug, thiserror::Error)]
pub enum SlotRefusal {
    /// The request makes no sense.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// The file is too large.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// Files of this type are not taken.
    #[error("files of this type are not taken")]
    MediaType,
    /// Files for this purpose are not taken.
    #[error("files for this purpose are not taken")]
    Purpose,
    /// The account's files would take too much room.
    #[error("the quota is used up")]
    OverQuota,
    /// The account asks too often, and may ask again at this moment.
    #[error("too many files in one hour")]
    TooMany {
        /// Milliseconds since the Unix epoch.
        again_ms: u64,
    },
    /// Anything that is not about the file.
    #[error(transparent)]
    Domain(#[from] Error),
}

impl From<StoreError> for SlotRefusal {
    fn from(error: StoreError) -> Self {
        Self::Domain(error.into())
    }
}

impl Chat {
    /// Keeps a place for a file of an account, for a short time. The link is good once the content is there.
    pub async fn request_slot(&self, owner: &Owner, order: FileOrder) -> Result<Slot, SlotRefusal> {
        let all = self.settings();
        let settings = &all.files;
        self.blobs()?;
        if order.size == 0 {
            return Err(SlotRefusal::BadRequest("a file has at least one byte"));
        }
        if order.name.is_empty() || order.name.len() > GIVEN_NAME_BYTES_LIMIT {
            return Err(SlotRefusal::BadRequest("a file needs a name of reasonable length"));
        }
        let now_ms = self.now_ms();
        match (order.purpose, order.expires_ms) {
            (Purpose::Ephemeral, None) => {
                return Err(SlotRefusal::BadRequest("an ephemeral file needs the time of its end"));
            }
            (Purpose::Ephemeral, Some(end)) if end <= now_ms => {
                return Err(SlotRefusal::BadRequest("the time of its end has passed"));
            }
            (Purpose::Permanent, _) if !settings.permanent => return Err(SlotRefusal::Purpose),
            _ => {}
        }
        let limit = settings.limit_of(order.purpose);
        if order.size > limit {
            return Err(SlotRefusal::TooLarge(limit));
        }
        let media_type = match order.media_type.as_deref().map(names::media_type) {
            Some(None) => return Err(SlotRefusal::BadRequest("that is no media type")),
            Some(found) => found,
            None => None,
        };
        if !settings.takes(media_type.as_deref()) {
            return Err(SlotRefusal::MediaType);
        }
        let id = FileId::parse(&self.token()).ok_or(SlotRefusal::BadRequest("no id"))?;
        let name = names::cleaned(&order.name);
        let unknown = || SlotRefusal::Domain(Error::ServiceUnavailable);
        let link = settings.link(owner.jid.domain(), &id, &name).ok_or_else(unknown)?;
        let file = StoredFile {
            id,
            owner: owner.account,
            owner_jid: owner.jid.clone(),
            name,
            media_type,
            size: order.size,
            purpose: order.purpose,
            token: self.token(),
            created_ms: now_ms,
            open_until_ms: now_ms.saturating_add(settings.slot_lifetime_ms),
            stored_ms: 0,
            expires_ms: order.expires_ms,
            state: FileState::Open,
            thumbnail: Thumbnail::Unknown,
        };
        let limits = FileLimits {
            now_ms,
            quota_bytes: settings.quota_bytes,
            purpose_quota_bytes: (order.purpose == Purpose::Profile).then_some(settings.profile_quota_bytes),
            count: settings.files_per_hour_limit,
            window_start_ms: now_ms.saturating_sub(COUNTED_MS),
        };
        let token = file.token.clone();
        match self.store.reserve_file(file, limits).await? {
            Reservation::Granted => Ok(Slot { link, token }),
            Reservation::OverQuota => Err(SlotRefusal::OverQuota),
            Reservation::TooMany { oldest_ms } => Err(SlotRefusal::TooMany {
                // To the second, since that is how it is told.
                again_ms: (oldest_ms + COUNTED_MS).div_ceil(1000) * 1000,
            }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::files::FileSettings;
    use crate::memory_blobs::MemoryBlobs;
    use crate::settings::Settings;
    use crate::testing::World;
    use std::sync::Arc;

    pub(crate) async fn world(files: FileSettings) -> (World, Owner, Arc<MemoryBlobs>) {
        let world = World::of(&["romeo", "juliet"]).await;
        let url = Some("https://{domain}/files/".to_owned());
        world
            .chat
            .reload(Settings { files: FileSettings { url, ..files }, ..(*world.chat.settings()).clone() });
        let blobs = Arc::new(MemoryBlobs::default());
        world.chat.keep_files_in(blobs.clone());
        let account = world.chat.account(&crate::testing::jid("romeo")).await.unwrap();
        (world, Owner::from(&account), blobs)
    }

    pub(crate) fn order(name: &str, size: u64) -> FileOrder {
        FileOrder {
            name: name.to_owned(),
            size,
            media_type: None,
            purpose: Purpose::Message,
            expires_ms: None,
        }
    }

    /// XEP-0363 section 6.
    #[tokio::test]
    async fn what_is_too_large_or_too_much_is_refused() {
        let files = FileSettings {
            file_bytes_limit: 1000,
            quota_bytes: 2500,
            files_per_hour_limit: 4,
            ..FileSettings::default()
        };
        let (world, romeo, _) = world(files).await;
        let ask = async |size| world.chat.request_slot(&romeo, order("a.png", size)).await;
        assert!(matches!(ask(1001).await, Err(SlotRefusal::TooLarge(1000))));
        assert!(matches!(ask(0).await, Err(SlotRefusal::BadRequest(_))));
        ask(1000).await.unwrap();
        ask(1000).await.unwrap();
        assert!(matches!(ask(501).await, Err(SlotRefusal::OverQuota)), "open places count");
        ask(500).await.unwrap();
        world.pass(world.chat.settings().files.slot_lifetime_ms);
        ask(1000).await.unwrap();
        let Err(SlotRefusal::TooMany { again_ms }) = ask(1).await else { panic!("a fifth within an hour") };
        world.pass(again_ms - world.chat.now_ms());
        ask(1).await.unwrap();
    }

    /// XEP-0363 section 5.
    #[tokio::test]
    async fn purposes_have_their_own_limits() {
        let files = FileSettings {
            profile_file_bytes_limit: 100,
            profile_quota_bytes: 150,
            ..FileSettings::default()
        };
        let (world, romeo, _) = world(files).await;
        let now = world.chat.now_ms();
        let ask = async |purpose, size, expires_ms| {
            let order = FileOrder { purpose, expires_ms, ..order("a", size) };
            world.chat.request_slot(&romeo, order).await
        };
        assert!(matches!(ask(Purpose::Profile, 101, None).await, Err(SlotRefusal::TooLarge(100))));
        ask(Purpose::Profile, 100, None).await.unwrap();
        assert!(matches!(ask(Purpose::Profile, 51, None).await, Err(SlotRefusal::OverQuota)));
        ask(Purpose::Message, 51, None).await.unwrap();
        assert!(matches!(ask(Purpose::Permanent, 1, None).await, Err(SlotRefusal::Purpose)));
        assert!(matches!(ask(Purpose::Ephemeral, 1, None).await, Err(SlotRefusal::BadRequest(_))));
        assert!(matches!(ask(Purpose::Ephemeral, 1, Some(now)).await, Err(SlotRefusal::BadRequest(_))));
        ask(Purpose::Ephemeral, 1, Some(now + 1)).await.unwrap();
    }
}
