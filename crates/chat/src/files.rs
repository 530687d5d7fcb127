//! Files that people share by a link: what is known of each, and what an administrator decides about them (XEP-0363).

pub mod blobs;
pub mod names;
pub mod reading;
pub mod removal;
pub mod slots;
pub mod store;
pub mod upload;

use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use blobs::BlobKey;

/// How long a name of a file may be, in bytes.
pub const NAME_BYTES_LIMIT: usize = 255;

/// How long a media type may be, in bytes.
pub const MEDIA_TYPE_BYTES_LIMIT: usize = 127;

/// The name of a file in links: 160 bits from the system's generator, made by the server alone. Whoever knows it can read
/// the file, and nobody can guess it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(String);

impl FileId {
    /// Characters of an id.
    pub const LENGTH: usize = 32;

    /// Reads an id; `None` for anything that this server would not have made, such as a path.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == Self::LENGTH
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The id as it stands in links.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where its content is kept.
    pub fn content(&self) -> BlobKey {
        BlobKey::new(self, "")
    }

    /// Where its small picture is kept.
    pub fn thumbnail(&self) -> BlobKey {
        BlobKey::new(self, "-thumbnail")
    }
}

impl std::fmt::Display for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a file is for (XEP-0363 section 5): it decides how long the file stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Purpose {
    /// It goes with a message.
    #[default]
    Message,
    /// It belongs to a profile: an avatar, a cover photo.
    Profile,
    /// It is gone at a time that its owner chose.
    Ephemeral,
    /// It stays until somebody deletes it.
    Permanent,
}

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// There is a place for it, and nothing in it yet.
    Open,
    /// Its content is on its way.
    Writing,
    /// It can be read.
    Stored,
    /// It can no longer be read; its content is being removed.
    Gone,
}

/// What is known of a file's small picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Thumbnail {
    /// Nobody has asked for it.
    #[default]
    Unknown,
    /// It is kept, as PNG.
    Png,
    /// It is kept, as JPEG.
    Jpeg,
    /// The file is no picture that one can be made of.
    Impossible,
}

/// Everything known of a file but its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name in links.
    pub id: FileId,
    /// Whose it is.
    pub owner: AccountId,
    /// The bare address of the account that it was made for.
    pub owner_jid: Jid,
    /// The name its owner gave it: something to show, never part of a path.
    pub name: String,
    /// The media type its owner gave, in lower case and without parameters.
    pub media_type: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// The secret that has to come with its content.
    pub token: String,
    /// When its place was asked for, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Until when its content may come.
    pub open_until_ms: u64,
    /// When its content was safe; 0 before.
    pub stored_ms: u64,
    /// When it has to be gone at the latest, if its owner said so.
    pub expires_ms: Option<u64>,
    /// How far it is.
    pub state: FileState,
    /// What is known of its small picture.
    pub thumbnail: Thumbnail,
}

impl StoredFile {
    /// Whether it may be read at this moment.
    pub fn is_readable(&self, settings: &FileSettings, now_ms: u64) -> bool {
        let aged = match (self.purpose, settings.retention_ms) {
            (Purpose::Message | Purpose::Ephemeral, Some(age)) => {
                self.stored_ms.saturating_add(age) <= now_ms
            }
            _ => false,
        };
        self.state == FileState::Stored && !aged && self.expires_ms.is_none_or(|end| end > now_ms)
    }
}

/// What an administrator decides about files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// Where files are found; `{domain}` stands for the domain, and the id follows. Without it no files are taken.
    pub url: Option<String>,
    /// Bytes of one file.
    pub file_bytes_limit: u64,
    /// Bytes of one file of a profile.
    pub profile_file_bytes_limit: u64,
    /// Bytes of all files of one account.
    pub quota_bytes: u64,
    /// Bytes of all files of one account's profile, within its quota.
    pub profile_quota_bytes: u64,
    /// How many files one account may begin to upload in an hour.
    pub files_per_hour_limit: u32,
    /// The media types taken, such as `image/png` or `image/*`; all when empty.
    pub media_types: Vec<String>,
    /// Milliseconds between asking for a place and beginning to fill it.
    pub slot_lifetime_ms: u64,
    /// Bytes a second that an upload has to reach on average.
    pub slowest_upload_bytes_per_second: u64,
    /// Milliseconds that files sent with messages are kept; `None` for as long as nobody deletes them.
    pub retention_ms: Option<u64>,
    /// People may ask for places whose files outlast the retention.
    pub permanent: bool,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            url: None,
            file_bytes_limit: 100 << 20,
            profile_file_bytes_limit: 5 << 20,
            quota_bytes: 2 << 30,
            profile_quota_bytes: 20 << 20,
            files_per_hour_limit: 200,
            media_types: Vec::new(),
            slot_lifetime_ms: 300_000,
            slowest_upload_bytes_per_second: 16_384,
            retention_ms: None,
            permanent: false,
        }
    }
}

impl FileSettings {
    /// The link to a file of this id and name at a domain (XEP-0363 section 4: other characters are percent-encoded).
    pub fn link(&self, domain: &str, id: &FileId, name: &str) -> Option<String> {
        let place = self.url.as_ref()?.replace("{domain}", domain);
        Some(format!("{place}{id}/{}", names::percent_encoded(name)))
    }

    /// The id of the file that a link of this server leads to.
    pub fn id_in(&self, domains: &[String], link: &str) -> Option<FileId> {
        let url = self.url.as_ref()?;
        let rest = domains.iter().find_map(|domain| link.strip_prefix(&url.replace("{domain}", domain)))?;
        FileId::parse(rest.split(['/', '?', '#']).next()?)
    }

    /// The path of a link to this server, for pages that come from it by whatever name.
    pub fn path_of_link(&self, domains: &[String], link: &str) -> Option<String> {
        self.id_in(domains, link)?;
        let (_, rest) = link.split_once("://")?;
        rest.find('/').map(|at| rest[at..].to_owned())
    }

    /// The link that a path of this server stands for.
    pub fn link_of_path(&self, domain: &str, path: &str) -> Option<String> {
        let base = self.url.as_ref()?.replace("{domain}", domain);
        let place = base.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]))?;
        let rest = path.strip_prefix(place)?;
        Some(format!("{base}{rest}"))
    }

    /// How large a file for this purpose may be.
    pub fn limit_of(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::Profile => self.profile_file_bytes_limit.min(self.file_bytes_limit),
            _ => self.file_bytes_limit,
        }
    }

    /// Whether files of this media type are taken.
    pub fn takes(&self, media_type: Option<&str>) -> bool {
        let asked = media_type.unwrap_or("application/octet-stream");
        self.media_types.is_empty()
            || self.media_types.iter().any(|allowed| match allowed.strip_suffix("/*") {
                Some(group) => asked.split('/').next().is_some_and(|asked| group.eq_ignore_ascii_case(asked)),
                None => allowed.eq_ignore_ascii_case(asked),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> FileSettings {
        FileSettings { url: Some("https://{domain}:5281/files/".to_owned()), ..FileSettings::default() }
    }

    #[test]
    fn a_link_has_a_path_on_this_server_and_the_path_leads_back() {
        let domains = ["montague.example".to_owned()];
        let id = FileId::parse("abcdefghijklmnopqrstuvwxyz234567").unwrap();
        let link = settings().link("montague.example", &id, "a.png").unwrap();
        let path = settings().path_of_link(&domains, &link).unwrap();
        assert_eq!(path, format!("/files/{id}/a.png"));
        assert_eq!(settings().link_of_path("montague.example", &path), Some(link));
        assert_eq!(settings().path_of_link(&domains, "https://elsewhere.example/files/x"), None);
        assert_eq!(settings().link_of_path("montague.example", "https://elsewhere.example/x"), None);
    }

    /// XEP-0363 section 4: links are RFC 3986 addresses and keep the name.
    #[test]
    fn links_lead_back_to_their_file() {
        let id = FileId::parse("abcdefghijklmnopqrstuvwxyz234567").unwrap();
        let link = settings().link("montague.example", &id, "très cool.jpg").unwrap();
        assert_eq!(
            link,
            "https://montague.example:5281/files/abcdefghijklmnopqrstuvwxyz234567/tr%C3%A8s%20cool.jpg"
        );
        let domains = ["localhost".to_owned(), "montague.example".to_owned()];
        assert_eq!(settings().id_in(&domains, &link), Some(id.clone()));
        assert_eq!(settings().id_in(&domains, &link.replace("montague", "capulet")), None);
        assert_eq!(settings().id_in(&domains, &link.replace(id.as_str(), "../../etc/passwd")), None);
        assert_eq!(FileSettings::default().link("localhost", &id, "x"), None);
    }

    #[test]
    fn an_id_is_no_path() {
        for wrong in
            ["", "..", "../../../../../../etc/passwd/////", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abc%2e"]
        {
            assert_eq!(FileId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn media_types_can_be_limited() {
        let some = ["image/*", "application/pdf"].map(str::to_owned).to_vec();
        let settings = FileSettings { media_types: some, ..settings() };
        assert!(settings.takes(Some("image/png")) && settings.takes(Some("application/pdf")));
        for refused in [Some("text/html"), Some("imagery/png"), Some("application/pdf2"), None] {
            assert!(!settings.takes(refused), "{refused:?}");
        }
    }
}
